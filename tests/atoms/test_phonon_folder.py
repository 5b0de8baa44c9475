"""Records written and read again, whatever their intervals."""

import dataclasses
import json
import lzma

import numpy as np
import pytest
from ase.build import bulk

from euclidium.atoms import PhononDOS, PhononRecord, Structure
from euclidium.atoms.phonon_folder import (
    is_phonon_folder,
    read_phonon_folder,
    write_phonon_folder,
)
from euclidium.atoms.phonon_modes import record_of_modes
from euclidium.atoms.problem import DataError
from euclidium.atoms.sites import one_hot
from euclidium.units import GAS_CONSTANT

SALT = Structure.from_ase(bulk("NaCl", "rocksalt", a=5.64))
WURTZITE = Structure.from_ase(bulk("ZnO", "wurtzite", a=3.25, c=5.2))


def record(name="salt", structure=SALT, seed=0, low=20.0):
    rng = np.random.default_rng(seed)
    frequencies = rng.uniform(low, 500.0, size=(30, 3 * structure.n_atoms))
    symbols = sorted(structure.composition)
    first = rng.uniform(size=frequencies.shape)
    partial = {symbols[0]: first, symbols[1]: 1 - first}
    info = {"eps": 2.4 * np.eye(3), "nac": True, "born": None, "gamma": frequencies[0]}
    return record_of_modes(name, structure, frequencies, np.ones(30), partial, "train", info)


def same(found, expected):
    assert (found.name, found.split) == (expected.name, expected.split)
    for name in ("species", "positions", "cell"):
        np.testing.assert_allclose(
            getattr(found.structure, name), getattr(expected.structure, name), atol=1e-12
        )
    for name in ("heat_capacity", "mean_frequency", "imaginary"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-4)
    np.testing.assert_allclose(found.dos51, expected.dos51, rtol=1e-6)
    shared = np.isin(found.dos.centers.round(6), expected.dos.centers.round(6))
    scale = expected.dos.modes.max()
    np.testing.assert_allclose(found.dos.modes[shared], expected.dos.modes, atol=6e-4 * scale)
    assert not found.dos.modes[~shared].any()
    assert set(found.partial) == set(expected.partial)
    for symbol, modes in expected.partial.items():
        np.testing.assert_allclose(found.partial[symbol][shared], modes, atol=6e-4 * scale)


def test_written_and_read(tmp_path):
    records = [record(), record("zincite", WURTZITE, 1), record("soft", SALT, 2, low=-420.0)]
    folder = write_phonon_folder(tmp_path / "new" / "set", records)
    assert is_phonon_folder(folder)
    assert sorted(p.name for p in folder.iterdir()) == ["dos.npz", "structures.jsonl.xz"]
    found = read_phonon_folder(folder)
    for one, other in zip(found, records, strict=True):
        same(one, other)
        assert one.last_peak == other.last_peak
        assert one.info["nac"] is True
        assert one.info["born"] is None
        np.testing.assert_allclose(one.info["eps"], 2.4 * np.eye(3))
        np.testing.assert_allclose(one.info["cv_kB"], other.info["cv_kB"], atol=1e-5)
        assert one.info["wmin"] == pytest.approx(other.info["wmin"])
    # what has been read is written as it is
    again = read_phonon_folder(write_phonon_folder(tmp_path / "again", found))
    for one, other in zip(again, found, strict=True):
        same(one, other)


def test_the_arrays_are_those_of_the_format(tmp_path):
    """The total integrates to one, C_v is for the cell, in k_B, rows are total and elements."""
    folder = write_phonon_folder(tmp_path, [record()])
    with lzma.open(folder / "structures.jsonl.xz", "rt") as file:
        row = json.loads(file.readline())
    with np.load(folder / "dos.npz") as archive:
        curves = archive["fine"].astype(float).reshape(row["dos_shape"]) * 1e-4
        assert archive["fine"].dtype == np.float16
        points = archive["fine_start_cm1"] + archive["fine_pitch_cm1"] * np.arange(curves.shape[1])
        room = archive["T"] == 300
        assert archive["dos51"].shape == (3, 51)
    assert curves[0].sum() * 5.0 == pytest.approx(1.0, rel=1e-3)
    assert curves[0] @ points * 5.0 == pytest.approx(row["wavg"], rel=1e-3)
    assert row["species"] == ["Cl", "Na"]
    assert np.array(row["cv_kB"])[room][0] * GAS_CONSTANT / 2 == pytest.approx(
        record().heat_capacity, rel=1e-6
    )


def test_other_intervals_are_smoothed(tmp_path):
    dos = PhononDOS.of(SALT, np.array([0.0, 99.9, 100.1, 300.0]), np.array([0.0, 2.0, 1.0]))
    folder = write_phonon_folder(tmp_path, [PhononRecord.of("salt", SALT, dos)])
    [found] = read_phonon_folder(folder)
    assert found.partial is None
    assert found.heat_capacity == pytest.approx(float(dos.heat_capacity(300.0)), rel=1e-4)
    expected = dos.at(found.dos.centers, 6.0)
    np.testing.assert_allclose(found.dos.density, expected, rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("broadening", [0.0, 3.0, 6.0])
def test_curves_on_the_grid_keep_their_width(tmp_path, broadening: float):
    edges = np.arange(-2.5, 300.0, 5.0)
    modes = np.exp(-(((edges[1:] - 102.5) / 9) ** 2))
    dos = PhononDOS.of(SALT, edges, 3 * modes / modes.sum(), broadening)
    folder = write_phonon_folder(tmp_path, [PhononRecord.of("salt", SALT, dos)])
    [found] = read_phonon_folder(folder)
    points = np.arange(0.0, 300.0, 10.0)
    np.testing.assert_allclose(found.dos.at(points, 10.0), dos.at(points, 10.0), atol=1.5e-3)


def test_alloys_keep_their_fractions(tmp_path):
    fractions = 0.75 * one_hot(np.array([11, 17])) + 0.25 * one_hot(np.array([19, 17]))
    alloy = dataclasses.replace(SALT, occupations=fractions)
    dos = PhononDOS.of(alloy, np.array([0.0, 200.0]), np.array([3.0]))
    partial = {"Cl": dos.modes / 2, "K": dos.modes / 8, "Na": 3 * dos.modes / 8}
    written = PhononRecord.of("alloy", alloy, dos, partial)
    [found] = read_phonon_folder(write_phonon_folder(tmp_path, [written]))
    np.testing.assert_allclose(found.structure.occupations, fractions)
    assert sorted(found.partial) == ["Cl", "K", "Na"]
    assert found.dos.mass == pytest.approx(dos.mass)


def test_folders_that_cannot_be_read(tmp_path):
    folder = write_phonon_folder(tmp_path, [record(), record("other", seed=3)])
    lines = lzma.decompress((folder / "structures.jsonl.xz").read_bytes()).splitlines()

    def put(*lines):
        (folder / "structures.jsonl.xz").write_bytes(lzma.compress(b"\n".join(lines)))

    put(lines[0])
    with pytest.raises(DataError, match="has 1 structures, but curves of 2: the two files do not"):
        read_phonon_folder(folder)
    put(lines[0], lines[1][:100])
    with pytest.raises(DataError, match=r"structures\.jsonl\.xz cannot be read after line 2"):
        read_phonon_folder(folder)
    put(lines[0], lines[1].replace(b'"Na"', b'"Xy"'))
    with pytest.raises(DataError, match="crystal 1 of .* cannot be read: 'Xy'"):
        read_phonon_folder(folder)
    (folder / "dos.npz").write_bytes((folder / "dos.npz").read_bytes()[:500])
    with pytest.raises(DataError, match=r"dos\.npz cannot be read"):
        read_phonon_folder(folder)
    (folder / "dos.npz").unlink()
    with pytest.raises(DataError, match=r"has no structures\.jsonl\.xz and dos\.npz"):
        read_phonon_folder(folder)


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(DataError, match="there are no records to write"):
        write_phonon_folder(tmp_path, [])
    odd = dataclasses.replace(record(), info={"set": {1, 2}})
    with pytest.raises(TypeError, match="set cannot be written as JSON: leave it out of info"):
        write_phonon_folder(tmp_path / "odd", [odd])
    assert not (tmp_path / "odd").exists()
