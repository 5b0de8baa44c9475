"""Files of densities give back what was written, and say what is wrong with others."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from euclidium.atoms.basis import DensityBasis
from euclidium.atoms.density import Density, DensityRecord
from euclidium.atoms.density_file import (
    embedded_densities,
    embedded_density_file,
    embedded_density_parts,
    read_densities,
    write_densities,
)
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure

FIRST = DensityBasis("first", {1: ((0, 1.0), (1, 0.5))}, {1: np.array([0.25])})
SECOND = DensityBasis("second", {2: ((0, 2.0),)})


def records() -> list[DensityRecord]:
    rng = np.random.default_rng(3)
    hydrogen = Structure(np.array([1, 1]), rng.normal(size=(2, 3)))
    crystal = Structure(np.array([2]), np.zeros((1, 3)), 4 * np.eye(3), np.ones(3, dtype=bool))
    return [
        DensityRecord(
            "H2",
            Density(hydrogen, FIRST, rng.normal(size=8), rng.normal(size=8)),
            -1,
            -31.7,
            rng.normal(size=(2, 3)),
            rng.normal(size=3),
            0.9,
            {"method": "PBE0", "steps": [1, 2]},
        ),
        DensityRecord("He", Density(crystal, SECOND, rng.normal(size=1))),
        DensityRecord(
            "again", Density(hydrogen, FIRST, rng.normal(size=8)), forces=rng.normal(size=(2, 3))
        ),
    ]


def test_a_file_gives_back_what_was_written(tmp_path: Path):
    path = tmp_path / "few.npz"
    write_densities(path, records())
    found = read_densities(path)
    for one, other in zip(records(), found, strict=True):
        assert one.density.basis == other.density.basis
        for field in ("name", "charge", "energy", "fit_error", "info"):
            assert getattr(one, field) == getattr(other, field)
        for field in ("forces", "dipole"):
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
        for field in ("coefficients", "spin"):
            np.testing.assert_array_equal(
                getattr(one.density, field), getattr(other.density, field)
            )
        for field in ("species", "positions", "cell", "pbc"):
            np.testing.assert_array_equal(
                getattr(one.density.structure, field), getattr(other.density.structure, field)
            )
    assert [path.name for path in tmp_path.iterdir()] == ["few.npz"]


def test_the_file_needs_no_pickle(tmp_path: Path):
    write_densities(tmp_path / "few.npz", records())
    with np.load(tmp_path / "few.npz", allow_pickle=False) as archive:
        assert all(archive[name].dtype != object for name in archive.files)
        assert "euclidium-density/1" in str(archive["header"])


def test_a_file_of_another_kind_gets_a_sentence(tmp_path: Path):
    text = tmp_path / "text.npz"
    text.write_text("no archive")
    with pytest.raises(DataError, match="no archive of NumPy arrays, or cut off"):
        read_densities(text)
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(DataError, match=r"holds no densities .*`euclidium data import`"):
        read_densities(tmp_path / "other.npz")
    np.savez(tmp_path / "new.npz", header=np.array('{"format": "euclidium-densities/9"}'))
    with pytest.raises(DataError, match="has the format 'euclidium-densities/9'"):
        read_densities(tmp_path / "new.npz")
    np.savez(tmp_path / "cut.npz", header=np.array('{"format": "euclidium-densities/1"}'))
    with pytest.raises(DataError, match="is damaged: it lacks species"):
        read_densities(tmp_path / "cut.npz")


def test_information_that_is_not_plain_gets_a_sentence(tmp_path: Path):
    density = records()[0].density
    with pytest.raises(DataError, match="is no plain value"):
        write_densities(tmp_path / "a.npz", [DensityRecord("a", density, info={"x": object()})])
    assert not list(tmp_path.iterdir())


def test_embedded_water_keeps_the_order_of_its_structures():
    found = embedded_densities("water", "test")
    assert [r.name for r in found] == [r.density.structure.info["id"] for r in found]
    with pytest.raises(DataError, match="has no file 'middle"):
        embedded_densities("water", "middle")


def test_a_part_of_water_is_a_file_found_by_its_name(tmp_path: Path):
    folder = tmp_path / "water"
    folder.mkdir()
    write_densities(folder / "medium.npz", records())
    digest = hashlib.sha256((folder / "medium.npz").read_bytes()).hexdigest()
    (folder / "SHA256SUMS").write_text(f"{digest}  medium.npz\n")
    assert embedded_density_parts(tmp_path) == {"water": ("medium",)}
    found = embedded_densities("water", "medium", tmp_path)
    assert [record.name for record in found] == [record.name for record in records()]


def test_every_part_of_every_set_can_be_read():
    for name, parts in embedded_density_parts().items():
        assert {"train", "test"} <= set(parts)
        for part in parts:
            assert embedded_density_file(name, part).is_file()
            assert embedded_densities(name, part)


def test_no_cell_of_a_crystal_is_in_two_parts():
    parts = embedded_density_parts()["crystals"]
    found = {part: embedded_densities("crystals", part) for part in parts}
    names = [record.name for own in found.values() for record in own]
    assert len(names) == len(set(names))
    elements = {int(z) for r in found["test"] for z in r.density.structure.species}
    for own in found.values():
        assert {int(z) for r in own for z in r.density.structure.species} == elements
        assert {record.density.structure.n_atoms for record in own} == {2, 4}
        assert all(record.density.basis == found["test"][0].density.basis for record in own)


@pytest.mark.parametrize(
    ("part", "fewest", "most"), [("medium", 5, 20), ("medium-test", 7, 12), ("large", 10, 30)]
)
def test_larger_clusters_are_of_the_same_kind(part: str, fewest: int, most: int):
    small = embedded_densities("water", "test")[0].density.basis
    for record in embedded_densities("water", part):
        structure = record.density.structure
        assert 3 * fewest <= structure.n_atoms <= 3 * most
        assert record.density.basis == small
        assert record.density.electrons == pytest.approx(10 * structure.n_atoms / 3, rel=1e-9)
        assert np.abs(record.density.dipole - record.dipole).max() < 0.05
        assert record.fit_error == pytest.approx(1.07, abs=0.1)


def test_no_cluster_is_in_two_parts():
    parts = embedded_density_parts()["water"]
    names = [record.name for part in parts for record in embedded_densities("water", part)]
    assert len(names) == len(set(names))
