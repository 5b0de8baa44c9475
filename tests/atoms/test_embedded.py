"""Embedded data: found by name, checked against their sums."""

import hashlib
import lzma
import re
from pathlib import Path

import numpy as np
import pytest
from ase.data import atomic_numbers

from euclidium.atoms.embedded import (
    embedded,
    embedded_file,
    embedded_files,
    embedded_names,
    embedded_phonons,
)
from euclidium.atoms.phonon_record import PhononRecord
from euclidium.atoms.problem import DataError

ATOM = b"1\nenergy=-1.0\nH 0 0 0\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with one data set of two parts."""
    folder = tmp_path / "hydrogen"
    folder.mkdir()
    lines = []
    for part, n in (("train", 3), ("test", 2)):
        data = lzma.compress(ATOM * n)
        (folder / f"{part}.extxyz.xz").write_bytes(data)
        lines.append(f"{hashlib.sha256(data).hexdigest()}  {part}.extxyz.xz\n")
    (folder / "SHA256SUMS").write_text("".join(lines))
    (tmp_path / "no-sums").mkdir()
    return tmp_path


def test_names_and_parts(root: Path):
    assert embedded_names(root) == ["hydrogen"]
    assert embedded_files("hydrogen", root) == ["train.extxyz.xz", "test.extxyz.xz"]
    assert embedded_files("no-sums", root) == []
    assert len(embedded("hydrogen", root=root)) == 3
    assert len(embedded("hydrogen", "test", root=root)) == 2
    assert embedded_file("hydrogen", "train.extxyz.xz", root).parent.name == "hydrogen"


def test_unknown_names(root: Path):
    sentence = "no embedded data set 'hydrogens': there are hydrogen; did you mean 'hydrogen'?"
    with pytest.raises(DataError, match=re.escape(sentence)):
        embedded("hydrogens", root=root)
    sentence = "embedded data set 'hydrogen' has no file 'valid.extxyz.xz': it has train.extxyz.xz"
    with pytest.raises(DataError, match=re.escape(sentence)):
        embedded("hydrogen", "valid", root=root)


def test_altered_and_missing_files(root: Path):
    path = root / "hydrogen" / "train.extxyz.xz"
    path.write_bytes(lzma.compress(ATOM * 4))
    with pytest.raises(DataError, match="train.extxyz.xz was altered or cut off: install the pack"):
        embedded("hydrogen", root=root)
    path.unlink()
    with pytest.raises(DataError, match="train.extxyz.xz is missing: install the package again"):
        embedded("hydrogen", root=root)


@pytest.mark.parametrize("name", embedded_names())
@pytest.mark.parametrize("part", ["train", "test"])
def test_the_data_in_the_package(name: str, part: str):
    structures = embedded(name, part)
    assert len(structures) >= 8
    assert all({"energy", "forces"} <= structure.labels.keys() for structure in structures)
    if name == "silicon":
        assert all("stress" in structure.labels for structure in structures)
        assert all(structure.pbc.all() for structure in structures)


def test_phonons_are_no_data_for_potentials():
    assert "phonons" not in embedded_names()
    assert embedded_file("phonons", "dos.npz").exists()


@pytest.fixture(scope="module")
def crystals() -> dict[str, list[PhononRecord]]:
    return {method: embedded_phonons(method) for method in ("dfpt", "emt")}


def test_phonons_of_either_method(crystals: dict[str, list[PhononRecord]]):
    both = embedded_phonons()
    assert len(both) == len(crystals["dfpt"]) + len(crystals["emt"])
    assert len({record.name for record in both}) == len(both)
    assert len(crystals["emt"]) > 100
    metals = {28, 29, 46, 47, 78, 79, 13}
    for record in crystals["emt"]:
        assert set(record.structure.species) <= metals
    sentence = "no embedded phonons by 'dftp': there are dfpt, emt; did you mean 'dfpt'?"
    with pytest.raises(DataError, match=re.escape(sentence)):
        embedded_phonons("dftp")


@pytest.mark.parametrize("method", ["dfpt", "emt"])
def test_phonons_are_whole(crystals: dict[str, list[PhononRecord]], method: str):
    for record in crystals[method]:
        assert record.dos.modes.sum() == pytest.approx(3)
        assert record.partial is not None
        counts = dict(zip(*np.unique(record.structure.species, return_counts=True), strict=True))
        for symbol, modes in record.partial.items():
            share = counts[atomic_numbers[symbol]] / record.structure.n_atoms
            assert modes.sum() == pytest.approx(3 * share, rel=2e-3)
        # 3 R at most, and that of the curve
        assert 1.0 < record.heat_capacity < 24.95
        assert record.heat_capacity == pytest.approx(record.dos.heat_capacity(300.0), abs=0.02)
        assert record.imaginary < 0.01


def test_no_composition_is_in_two_parts():
    parts: dict[str, set[str]] = {}
    for record in embedded_phonons():
        formula = record.structure.to_ase().symbols.formula.reduce()[0].format("hill")
        parts.setdefault(formula, set()).add(str(record.split))
    assert all(len(found) == 1 for found in parts.values())
    assert set.union(*parts.values()) == {"train", "val", "test"}


def test_linear_response_against_experiment(crystals: dict[str, list[PhononRecord]]):
    """Optical frequencies at Γ, and heat capacities."""
    found = {record.name.removeprefix("dfpt-"): record for record in crystals["dfpt"]}
    for name, (frequency, heat) in {"Si": (519, 19.8), "C": (1332, 6.1)}.items():
        np.testing.assert_allclose(found[name].info["gamma"][3:], frequency, rtol=0.02)
        assert found[name].heat_capacity == pytest.approx(heat, rel=0.05)
    for record in found.values():
        gamma, along_x = record.info["gamma"], record.info["gamma_along_x"]
        np.testing.assert_allclose(gamma[:3], 0, atol=0.01)
        if record.info["nac"]:  # the field of a wave stiffens the longitudinal mode alone
            assert along_x[-1] > gamma[-1]
            assert np.trace(record.info["eps"]) > 3
            charges = record.info["born"]
            # those of BP are small, not more wrong
            assert np.abs(charges.sum(axis=0)).max() < 0.1 * max(np.abs(charges).max(), 1.0)
