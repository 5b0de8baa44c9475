"""Densities of one's own molecules, from the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms

from euclidium.atoms.density_file import read_densities

pytest.importorskip("pyscf")

BASIS = (
    "****\nH 0\nS 1 1.0\n 8.0 1.0\nS 1 1.0\n 2.0 1.0\nS 1 1.0\n 0.5 1.0\nP 1 1.0\n 1.0 1.0\n****"
)


def test_a_file_of_molecules(tmp_path: Path, answer: Callable[..., dict[str, Any]]):
    frames = [Atoms("H2", [[0, 0, 0], [0, 0, d]], info={"id": f"h{d}"}) for d in (0.7, 0.8)]
    frames.append(Atoms("H2", [[0, 0, 0], [0, 0, 1.0]], info={"charge": 1, "spin": 1}))
    frames.append(Atoms("H", info={"id": "odd"}))
    ase.io.write(tmp_path / "in.xyz", frames, format="extxyz")
    (tmp_path / "small.gbs").write_text(BASIS)
    words = ("--method", "PBE", "--orbital-basis", "sto-3g", "--basis", tmp_path / "small.gbs")
    output = tmp_path / "out.npz"
    found = answer("data", "make", "density", tmp_path / "in.xyz", "-o", output, *words)
    assert (found["densities"], list(found["failed"])) == (3, ["odd"])
    assert found["electrons_error"] < 1e-12
    assert found["isolated_atoms"]
    records = read_densities(output)
    assert [record.name for record in records] == ["h0.7", "h0.8", "in-0002"]
    assert (records[2].charge, records[2].density.spin is None) == (1, False)
    assert records[0].forces.shape == (2, 3)
    assert 0 < found["fit_error"] < 20
    assert len(list((tmp_path / "out-work").iterdir())) == 3


def test_an_element_that_fails_stops_its_molecules_alone(
    tmp_path: Path, answer: Callable[..., dict[str, Any]]
):
    """The small basis lacks helium; a name that was made for another molecule is not taken."""
    pair = [[0, 0, 0], [0, 0, 0.74]]
    frames = [Atoms("H2", pair, info={"id": name}) for name in ("a-0002", "a", "a")]
    frames.append(Atoms("He", info={"id": "noble"}))
    ase.io.write(tmp_path / "in.xyz", frames, format="extxyz")
    (tmp_path / "small.gbs").write_text(BASIS)
    words = ("--method", "LDA", "--orbital-basis", "sto-3g", "--basis", tmp_path / "small.gbs")
    output = tmp_path / "out.npz"
    found = answer("data", "make", "density", tmp_path / "in.xyz", "-o", output, *words)
    assert list(found["failed"]) == ["noble"]
    assert "no functions for He" in found["failed"]["noble"]
    assert [r.name for r in read_densities(output)] == ["a-0002", "a", "a-0003"]


def test_what_is_wrong_gets_a_sentence(tmp_path: Path, refused: Callable[..., str]):
    ase.io.write(tmp_path / "in.xyz", Atoms("H", info={"charge": 0.5}), format="extxyz")
    words = ("data", "make", "density", tmp_path / "in.xyz", "-o")
    assert "kept in a file that ends in .npz" in refused(*words, tmp_path / "out")
    assert "has the charge 0.5, expected a whole" in refused(*words, tmp_path / "out.npz")
    ase.io.write(tmp_path / "in.xyz", Atoms("H", info={"charge": np.inf}), format="extxyz")
    assert "has the charge inf, expected a whole" in refused(*words, tmp_path / "out.npz")


def test_functions_in_the_middle_of_bonds(tmp_path: Path, answer: Callable[..., dict[str, Any]]):
    ase.io.write(tmp_path / "in.xyz", Atoms("H2", [[0, 0, 0], [0, 0, 0.74]]), format="extxyz")
    own = "\nX 0\nS 1 1.0\n 0.7 1.0\n****"
    for name, text, size in (("small", BASIS, 27), ("own", BASIS + own, 1)):
        (tmp_path / f"{name}.gbs").write_text(text)
        words = ("--method", "LDA", "--orbital-basis", "sto-3g", "--no-forces", "--bond-centers")
        output = tmp_path / f"{name}.npz"
        basis = ("--basis", tmp_path / f"{name}.gbs")
        words = (*words, "--ions") if name == "own" else words
        answer("data", "make", "density", tmp_path / "in.xyz", "-o", output, *words, *basis)
        [record] = read_densities(output)
        assert record.density.structure.species.tolist() == [1, 1, 0]
        assert record.density.basis.size(0) == size
        assert not record.density.basis.atoms[0].any()
        assert record.density.electrons == pytest.approx(2)
        ions = record.density.basis.ions
        assert {z: sorted(own) for z, own in ions.items()} == (
            {1: [-1, 1]} if name == "own" else {}
        )
