from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase.build import bulk, molecule

from euclidium.atoms import Structure
from euclidium.atoms.basis import DensityBasis, even_tempered
from euclidium.atoms.centers import with_bond_centers, with_bond_functions
from euclidium.atoms.density import Density, DensityRecord
from euclidium.atoms.density_file import embedded_densities, write_densities

pytest.importorskip("skimage")


def test_a_molecule(
    tmp_path: Path, answer: Callable[..., dict[str, Any]], refused: Callable[..., str]
):
    record = embedded_densities("water", "train")[0]
    write_densities(tmp_path / "rho.npz", [record])
    words = ("-o", tmp_path / "water.png", "--spacing", 0.35, "--degree", 3)
    said = refused("density", "fields", tmp_path / "rho.npz", *words, "--iterative")
    assert "no isolated ions of H, which iterative Hirshfeld charges need" in said
    found = answer("density", "fields", tmp_path / "rho.npz", *words)
    assert sum(found["hirshfeld"]["charges_e"]) == pytest.approx(0, abs=1e-3)
    assert found["dipole_e_angstrom"] == pytest.approx(record.density.dipole)
    assert [len(q) for q in found["multipoles_e_angstrom_l"]] == [1, 3, 5, 7]
    assert found["surface"]["minimum"] < 0 < found["surface"]["maximum"]
    assert (tmp_path / "water.png").stat().st_size > 10_000


@pytest.mark.parametrize("model", ["water-density", "water-density-trimers"])
def test_models_that_come_with_the_package_have_ions(
    model: str, tmp_path: Path, answer: Callable[..., dict[str, Any]]
):
    ase.io.write(tmp_path / "water.xyz", molecule("H2O"))
    words = ("-o", tmp_path / "water.png", "--spacing", 0.35, "--iterative")
    found = answer("density", "fields", model, tmp_path / "water.xyz", *words)
    assert -1.1 < found["iterative_hirshfeld"]["charges_e"][0] < -0.7


def test_the_middle_of_bonds_is_no_atom(tmp_path: Path, answer: Callable[..., dict[str, Any]]):
    pair = Structure(np.array([1, 1]), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.75]]))
    atoms, ions = {1: np.array([0.15])}, {1: {-1: np.array([0.3]), 1: np.array([0.0])}}
    basis = with_bond_functions(
        DensityBasis("one", {1: ((0, 0.5),)}, atoms, ions=ions), counts=(1,)
    )
    density = Density(with_bond_centers(pair), basis, np.array([0.14, 0.14, 0.01]))
    write_densities(tmp_path / "rho.npz", [DensityRecord("H2", density)])
    words = ("-o", tmp_path / "h2.png", "--spacing", 0.35, "--iterative")
    found = answer("density", "fields", tmp_path / "rho.npz", *words)
    assert found["formula"] == "H2"
    for kind in ("hirshfeld", "iterative_hirshfeld"):
        assert found[kind]["charges_e"][2] == 0
        assert sum(found[kind]["charges_e"]) == pytest.approx(density.charge, abs=1e-3)


def test_a_crystal_has_charges_alone(tmp_path: Path, answer: Callable[..., dict[str, Any]]):
    structure = Structure.from_ase(bulk("Si"))
    basis = replace(even_tempered(["Si"], 0.3, 2.0, [2, 1]), atoms={14: np.array([0.6, 0.5])})
    rng = np.random.default_rng(0)
    density = Density(structure, basis, 0.3 + 0.01 * rng.normal(size=10))
    write_densities(tmp_path / "rho.npz", [DensityRecord("Si", density)])
    found = answer("density", "fields", tmp_path / "rho.npz", "-o", tmp_path / "si.png")
    assert "surface" not in found
    assert len(found["hirshfeld"]["charges_e"]) == 2


def test_refuses(tmp_path: Path, refused: Callable[..., str]):
    write_densities(tmp_path / "rho.npz", embedded_densities("water", "train")[:1])
    picture = ("-o", tmp_path / "picture.png")
    said = refused("density", "fields", tmp_path / "rho.npz", *picture, "--frame", 3)
    assert "holds 1 densities, and no number 3" in said
    said = refused("density", "fields", "water-density", *picture)
    assert "give a structure for the model water-density" in said
    said = refused("density", "fields", tmp_path / "rho.npz", tmp_path / "a.xyz", *picture)
    assert "holds densities with their atoms" in said
    said = refused("density", "fields", tmp_path / "rho.npz", "-o", tmp_path / "picture.txt")
    assert "a picture ends with .png" in said
