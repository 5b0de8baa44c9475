"""Reading files: what is in them arrives, and every fault has its sentence and frame number."""

import gzip
import lzma
import re
from collections.abc import Iterator
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

from euclidium.atoms.problem import DataError
from euclidium.atoms.reader import read, read_structures

SHARED = Path(__file__).parents[3] / "shared" / "data" / "potentials"


def frames(n: int) -> list[Atoms]:
    """Rattled crystals with random labels."""
    rng = np.random.default_rng(0)
    made = []
    for i in range(n):
        atoms = bulk("Si", cubic=bool(i % 2))
        atoms.rattle(0.1, seed=i)
        labels = {
            "energy": rng.normal(),
            "forces": rng.normal(size=(len(atoms), 3)),
            "stress": rng.normal(size=6),
        }
        atoms.calc = SinglePointCalculator(atoms, **labels)
        made.append(atoms)
    return made


@pytest.fixture
def crystals(tmp_path: Path) -> Path:
    path = tmp_path / "crystals.xyz"
    ase.io.write(path, frames(7))
    return path


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "x.xyz"
    path.write_text(text)
    return path


ATOM = "1\nenergy=-1.0\nH 0 0 0\n"


@pytest.mark.parametrize("suffix", [".xyz", ".extxyz", ".xyz.gz", ".xyz.xz", ".traj", ".json"])
def test_formats(tmp_path: Path, suffix: str):
    path = tmp_path / f"crystals{suffix}"
    expected = frames(3)
    ase.io.write(path, expected)
    found = list(read(path, require=["energy", "forces", "stress"]))
    assert len(found) == 3
    for number, (structure, atoms) in enumerate(zip(found, expected, strict=True)):
        assert structure.info["frame"] == number
        np.testing.assert_allclose(structure.positions, atoms.positions, atol=1e-7)
        np.testing.assert_allclose(structure.labels["forces"], atoms.get_forces(), atol=1e-7)
        np.testing.assert_allclose(
            structure.labels["stress"], atoms.get_stress(voigt=False), rtol=1e-12
        )
        assert float(structure.labels["energy"]) == pytest.approx(atoms.get_potential_energy())


def test_single_structures(tmp_path: Path):
    ase.io.write(tmp_path / "POSCAR", bulk("Si"))
    (found,) = read(tmp_path / "POSCAR")
    assert found.formula == "Si2"
    assert not found.labels


@pytest.mark.parametrize(
    ("index", "numbers"),
    [
        (":", range(7)),
        (2, [2]),
        ("-1", [6]),
        (":3", range(3)),
        ("2:5", range(2, 5)),
        ("::3", [0, 3, 6]),
        ("-2:", [5, 6]),
        ("::-1", range(6, -1, -1)),
        (slice(1, None, 2), [1, 3, 5]),
    ],
)
def test_choice_of_frames(crystals: Path, index: str | int | slice, numbers: range | list[int]):
    found = list(read(crystals, index))
    assert [structure.info["frame"] for structure in found] == list(numbers)
    for structure, atoms in zip(found, [frames(7)[i] for i in numbers], strict=True):
        np.testing.assert_allclose(structure.positions, atoms.positions, atol=1e-7)


def test_choice_of_frames_in_other_formats(tmp_path: Path):
    ase.io.write(tmp_path / "x.traj", frames(5))
    for index, numbers in ((":", range(5)), ("1:4:2", [1, 3]), (2, [2])):
        found = list(read(tmp_path / "x.traj", index))
        assert [structure.info["frame"] for structure in found] == list(numbers)
    backwards = list(read(tmp_path / "x.traj", "::-1"))
    assert [structure.info["frame"] for structure in backwards] == [-1, -2, -3, -4, -5]
    np.testing.assert_array_equal(backwards[1].positions, frames(5)[-2].positions)
    (last,) = read(tmp_path / "x.traj", "-1")
    np.testing.assert_array_equal(last.positions, frames(5)[-1].positions)


def test_reading_is_a_stream(tmp_path: Path):
    """Only what is asked for is read: a fault in frame 2 does no harm to frames 0 and 1."""
    stream = read(written(tmp_path, ATOM * 2 + "broken\n"))
    assert isinstance(stream, Iterator)
    assert [next(stream).info["frame"] for _ in range(2)] == [0, 1]
    with pytest.raises(DataError, match="frame 2 of"):
        next(stream)


def test_empty_lines_between_frames_lose_nothing(tmp_path: Path):
    assert len(list(read(written(tmp_path, f"{ATOM}\n\n{ATOM}\n")))) == 2


def test_constraints_in_a_file_do_not_zero_forces(tmp_path: Path):
    atoms = frames(1)[0]
    forces = atoms.get_forces()
    atoms.set_constraint(FixAtoms([0]))
    ase.io.write(tmp_path / "x.traj", atoms)
    (structure,) = read(tmp_path / "x.traj")
    np.testing.assert_array_equal(structure.labels["forces"], forces)


def test_keys_and_further_labels(tmp_path: Path):
    text = (
        '2\nProperties=species:S:1:pos:R:3:F_dft:R:3:q:R:1 E_dft=-2.5 mu="0.1 0.2 0.3" '
        'field="0 0 1" config_type=liquid\nH 0 0 0 1 2 3 0.5\nH 0 0 0.7 4 5 6 -0.5\n'
    )
    (structure,) = read(
        written(tmp_path, text),
        energy_key="E_dft",
        forces_key="F_dft",
        labels={"dipole": "mu", "charge": "q"},
        inputs={"field": "field"},
    )
    assert structure.labels["energy"] == -2.5
    assert structure.labels["forces"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert structure.labels["dipole"].tolist() == [0.1, 0.2, 0.3]
    assert structure.labels["charge"].tolist() == [0.5, -0.5]
    assert structure.inputs["field"].tolist() == [[0, 0, 1], [0, 0, 1]]
    assert structure.per_atom == {"forces", "charge"}
    assert structure.info["config_type"] == "liquid"


def test_no_labels_if_none_are_wanted(crystals: Path):
    assert not any(structure.labels for structure in read_structures(crystals, ":", None))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            ATOM + "1\nenergy=nan\nH 0 0 0\n",
            "frame 1 of x.xyz: energy is nan: repair the data, or leave the structure out",
        ),
        (
            ATOM + "1\nProperties=species:S:1:pos:R:3:forces:R:3\nH 0 0 0 0 nan 0\n",
            "frame 1 of x.xyz: forces[0, 1] is nan: repair",
        ),
        (ATOM + "1\n\nH 0 inf 0\n", "frame 1 of x.xyz: positions[0, 1] is inf: repair"),
        (
            ATOM + "1\n\nXx 0 0 0\n",
            "frame 1 of x.xyz has an unknown element 'Xx': use chemical symbols such as",
        ),
        (ATOM + "1\n\nX 0 0 0\n", "frame 1 of x.xyz: atom 0 has the atomic number 0"),
        (
            ATOM + "3\n\nH 0 0 0\nH 0 0 1\n",
            "frame 1 of x.xyz is cut off: it has 2 of 3 atoms",
        ),
        (
            ATOM + "Silicon\n\nSi 0 0 0\n",
            "frame 1 of x.xyz cannot be read: it begins with 'Silicon', expected the number",
        ),
        (ATOM + "1\n\nH 0 zero 0\n", "frame 1 of x.xyz cannot be read: "),
        (ATOM + "1\n\nH 0\n", "frame 1 of x.xyz cannot be read: "),
        (
            '1\nLattice="0 0 0 0 0 0 0 0 0" pbc="T T T"\nH 0 0 0\n',
            "frame 0 of x.xyz is periodic along a, b, c, but its cell has no volume there",
        ),
        (
            "1\nenergy=-1.0 REF_energy=-2.0\nH 0 0 0\n",
            "frame 0 of x.xyz has two different energies, 'energy' (-1) and 'REF_energy' (-2): "
            "choose one with energy_key",
        ),
        ("0\n\n", "frame 0 of x.xyz has no atoms: leave it out"),
        ("\n\n", "x.xyz has no frames"),
    ],
)
def test_each_fault_has_its_sentence(tmp_path: Path, text: str, sentence: str):
    with pytest.raises(DataError, match=re.escape(sentence)):
        list(read(written(tmp_path, text)))


def test_absent_labels(tmp_path: Path):
    path = written(tmp_path, ATOM * 17 + "1\nenegy=-1.0\nH 0 0 0\n")
    sentence = "frame 17 of x.xyz has no 'energy' (it has enegy); did you mean 'enegy'?"
    with pytest.raises(DataError, match=re.escape(sentence)):
        list(read(path, require=["energy"]))
    sentence = "frame 0 of x.xyz has no 'stress' (it has energy); name another with stress_key"
    with pytest.raises(DataError, match=re.escape(sentence)):
        list(read(path, require=["energy", "stress"]))
    with pytest.raises(DataError, match=re.escape("frame 0 of x.xyz has no 'E0' (it has energy)")):
        list(read(path, energy_key="E0"))
    with pytest.raises(DataError, match=re.escape("frame 0 of x.xyz has no 'mu' (it has energy)")):
        list(read(path, labels={"dipole": "mu"}))


def test_a_file_that_is_not_there(crystals: Path):
    path = crystals.with_name("crystal.xyz")
    sentence = f"no such file: {path}; did you mean 'crystals.xyz'?"
    with pytest.raises(DataError, match=re.escape(sentence)):
        read(path)
    with pytest.raises(DataError, match="no such file: nowhere/x.xyz$"):
        read("nowhere/x.xyz")
    with pytest.raises(DataError, match="is a folder, expected a file with structures"):
        read(crystals.parent)


def test_an_empty_file(tmp_path: Path):
    with pytest.raises(DataError, match="x.xyz is empty, expected at least one structure"):
        read(written(tmp_path, ""))


def test_a_frame_that_is_not_there(crystals: Path):
    with pytest.raises(DataError, match="crystals.xyz has no frames 9:10"):
        list(read(crystals, 9))
    with pytest.raises(DataError, match="cannot choose frames by 'all': write for example '5'"):
        read(crystals, "all")


def test_other_formats_that_cannot_be_read(tmp_path: Path):
    path = tmp_path / "x.traj"
    path.write_text("no trajectory")
    with pytest.raises(DataError, match="frame 0 of x.traj cannot be read"):
        list(read(path))
    path = tmp_path / "notes.qqq"
    path.write_text("some text")
    with pytest.raises(DataError, match="notes.qqq cannot be read: the format is not known; use"):
        list(read(path))


@pytest.mark.parametrize(("suffix", "library"), [(".gz", gzip), (".xz", lzma)])
def test_compressed_files_that_are_cut_off(crystals: Path, suffix: str, library: object):
    whole = library.compress(crystals.read_bytes())
    path = crystals.with_name(f"cut.xyz{suffix}")
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=f"frame [0-6] of cut.xyz{suffix} (cannot be read|is cut)"):
        list(read(path))
    path.write_bytes(b"no archive")
    with pytest.raises(DataError, match=f"frame 0 of cut.xyz{suffix} cannot be read"):
        list(read(path))


@pytest.mark.parametrize(
    ("name", "labels", "formula"),
    [
        ("acac/train_300K.xyz", {"energy", "forces"}, "C5H8O2"),
        ("3bpa/iso_atoms.xyz", {"energy"}, "C"),
        ("mlearn/Si_test.extxyz", {"energy", "forces", "stress"}, "Si63"),
        ("water_deepmd/data_0.extxyz.xz", {"energy", "forces"}, "H128O64"),
    ],
)
def test_published_files(name: str, labels: set[str], formula: str):
    if not (SHARED / name).exists():
        pytest.skip("the published data are not here")
    structure = next(read(SHARED / name))
    assert structure.labels.keys() == labels
    assert structure.formula == formula
