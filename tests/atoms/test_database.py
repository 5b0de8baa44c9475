"""The same crystals from every kind of database, from any place in it; what is broken is said."""

import bz2
import gzip
import json
import lzma
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.db import connect
from ase.io import write

from euclidium.atoms import DataError, Structure
from euclidium.atoms.database import Database, open_database, structure_of

CELLS = {
    "mp-149": bulk("Si", a=5.43),
    "mp-22862": bulk("NaCl", "rocksalt", a=5.64),
    "mp-30": bulk("Cu", a=3.61),
    "mp-66": bulk("C", a=3.567),
}


def ours(name: str) -> dict[str, object]:
    """A line as the phonon data sets have it."""
    atoms = CELLS[name]
    frac = atoms.get_scaled_positions().tolist()
    symbols = atoms.get_chemical_symbols()
    return {"mp_id": name, "lattice": atoms.cell.tolist(), "frac": frac, "symbols": symbols}


def pymatgen(name: str) -> dict[str, object]:
    """What pymatgen writes, as the Materials Project gives it."""
    atoms = CELLS[name]
    sites = [
        {"species": [{"element": symbol, "occu": 1}], "abc": abc}
        for symbol, abc in zip(
            atoms.get_chemical_symbols(), atoms.get_scaled_positions().tolist(), strict=True
        )
    ]
    lattice = {"matrix": atoms.cell.tolist()}
    return {"material_id": name, "structure": {"lattice": lattice, "sites": sites}}


def jarvis(name: str) -> dict[str, object]:
    """What JARVIS gives."""
    atoms = CELLS[name]
    inner = {
        "lattice_mat": atoms.cell.tolist(),
        "coords": atoms.positions.tolist(),
        "elements": atoms.get_chemical_symbols(),
        "cartesian": True,
    }
    return {"jid": name, "atoms": inner}


def lines(kind: object) -> str:
    """All crystals as JSON lines, with an empty one among them."""
    return "\n\n".join(json.dumps(kind(name)) for name in CELLS) + "\n"


def make(kind: str, folder: Path) -> Path:
    """A database of the kind, with four crystals."""
    path = folder / kind
    if kind == "folder":
        for name, atoms in CELLS.items():
            (path / name).mkdir(parents=True)
            file = "POSCAR" if name == "mp-30" else f"{name}.cif"
            write(path / name / file, atoms, format="vasp" if file == "POSCAR" else "cif")
        (path / "notes.txt").write_text("not a crystal")
    elif kind.endswith(".db"):
        with connect(path) as rows:
            for name, atoms in CELLS.items():
                rows.write(atoms, mp_id=name)
    elif kind.endswith(".xyz"):
        for name, atoms in CELLS.items():
            atoms.info["mp_id"] = name
            write(path, atoms, format="extxyz", append=True)
    elif kind.endswith(".traj"):
        write(path, list(CELLS.values()))
    elif kind.endswith(".json"):
        path.write_text(json.dumps([pymatgen(name) for name in CELLS]))
    else:
        text = lines({"j": jarvis, "p": pymatgen}.get(kind[0], ours)).encode()
        packed = {".xz": lzma.compress, ".gz": gzip.compress, ".bz2": bz2.compress}
        path.write_bytes(packed.get(path.suffix, bytes)(text))
    return path


KINDS = [
    "folder", "rows.db", "frames.xyz", "frames.traj", "list.json", "lines.jsonl", "p.jsonl",
    "j.ndjson", "lines.jsonl.xz", "lines.jsonl.gz", "lines.jsonl.bz2",
]  # fmt: skip


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """Each kind of database with the same crystals."""
    return open_database(make(request.param, tmp_path))


def names(database: Database, start: int = 0, stop: int | None = None) -> list[str]:
    """Formulas of some entries."""
    return [entry.read().formula for entry in database.entries(start, stop)]


def test_the_same_crystals(database: Database):
    assert len(database) == 4
    structures = {s.formula: s for s in (entry.read() for entry in database.entries())}
    assert sorted(structures) == ["C2", "ClNa", "Cu", "Si2"]
    for atoms in CELLS.values():
        found = structures[Structure.from_ase(atoms).formula]
        assert found.pbc.all()
        assert found.volume == pytest.approx(atoms.get_volume(), rel=1e-5)
        assert found.to_ase().get_all_distances(mic=True).max() == pytest.approx(
            atoms.get_all_distances(mic=True).max(), abs=1e-5
        )


def test_any_part_in_any_order(database: Database):
    everything = names(database)
    assert len(everything) == 4
    assert names(database, 2) == everything[2:]
    assert names(database, 1, 3) == everything[1:3]
    assert names(database, 3, 100) == everything[3:]
    assert names(database, 0, 1) == everything[:1]
    assert names(database, 4, 8) == names(database, 9, 12) == names(database, 2, 2) == []
    assert names(database) == everything


@pytest.mark.parametrize("kind", ["rows.db", "frames.xyz", "list.json", "lines.jsonl"])
def test_crystals_keep_their_names(kind: str, tmp_path: Path):
    database = open_database(make(kind, tmp_path))
    assert [entry.read().info["name"] for entry in database.entries()] == list(CELLS)


def test_a_folder_names_its_files(tmp_path: Path):
    database = open_database(make("folder", tmp_path))
    places = [entry.place for entry in database.entries()]
    assert places[0] == "mp-149/mp-149.cif"
    assert "mp-30/POSCAR" in places
    assert next(database.entries()).read().info["name"] == places[0]


def test_going_forward_does_not_begin_anew(tmp_path: Path):
    """A worker that takes every third part passes over a stream once."""
    path = make("lines.jsonl", tmp_path)
    database = open_database(path)
    assert names(database, 0, 1) == ["Si2"]
    path.write_text("changed")  # what is open is read on
    assert names(database, 2, 3) == ["Cu"]


def test_nothing_is_interpreted_before_it_is_read(tmp_path: Path):
    path = tmp_path / "broken.jsonl"
    path.write_text("\n".join(["{not json", '{"lattice": 3}', json.dumps(ours("mp-30"))]))
    database = open_database(path)
    assert len(database) == 3
    first, second, third = database.entries()
    with pytest.raises(DataError, match="line 1 of broken.jsonl is not JSON"):
        first.read()
    with pytest.raises(DataError, match="line 2 of broken.jsonl has no 'frac': a crystal has"):
        second.read()
    assert third.read().formula == "Cu"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"symbols": ["Xq", "Si"]}, "the crystal has an unknown element 'Xq'"),
        ({"symbols": ["Si"]}, r"has 1 elements, positions of the shape \(2, 3\)"),
        ({"lattice": [[1, 0, 0]]}, "the crystal cannot be read: "),
        ({"lattice": np.zeros((3, 3)).tolist()}, "its cell has no volume"),
        ({"frac": [[0, 0], [1]]}, "the crystal cannot be read: "),
        ({"frac": [[0, 0, 0], [np.nan, 0, 0]]}, "positions.* is nan"),
        ({"symbols": 7}, "the crystal cannot be read: "),
    ],
)
def test_bad_crystals(change: dict[str, object], sentence: str):
    with pytest.raises(DataError, match=sentence):
        structure_of({**ours("mp-149"), **change})


@pytest.mark.parametrize("value", [None, 3, "Si", [1, 2]])
def test_what_is_no_object(value: object):
    with pytest.raises(DataError, match="expected a JSON object with a crystal"):
        structure_of(value)


def test_mixed_sites_of_pymatgen():
    crystal = pymatgen("mp-30")
    site = crystal["structure"]["sites"][0]
    site["species"] = [{"element": "Cu", "occu": 0.75}, {"element": "Au", "occu": 0.2501}]
    found = structure_of(crystal)
    assert found.is_mixed
    assert found.composition == pytest.approx({"Cu": 0.75, "Au": 0.25}, abs=1e-4)
    site["species"][1]["occu"] = 0.5
    with pytest.raises(DataError, match="the fractions on site 0 sum to 1.25"):
        structure_of(crystal)


def test_a_file_that_breaks_off_says_so_at_its_end(tmp_path: Path):
    whole = make("frames.xyz", tmp_path).read_text()
    (tmp_path / "cut.xyz").write_text(whole[:-60])
    *good, last = open_database(tmp_path / "cut.xyz").entries()
    assert [entry.read().formula for entry in good] == ["Si2", "ClNa", "Cu"]
    with pytest.raises(DataError, match=r"frame 3 of cut.xyz is cut off: it has 1 of 2 atoms"):
        last.read()
    packed = make("lines.jsonl.xz", tmp_path).read_bytes()
    (tmp_path / "cut.jsonl.xz").write_bytes(packed[:-30])
    database = open_database(tmp_path / "cut.jsonl.xz")
    *_, last = database.entries()
    with pytest.raises(DataError, match=r"what follows line \d+ of cut.jsonl.xz cannot be read"):
        last.read()


def test_a_file_of_a_folder_that_is_broken(tmp_path: Path):
    (tmp_path / "bad.cif").write_text("data_x\n_cell_length_a what\n")
    (entry,) = open_database(tmp_path).entries()
    assert entry.place == "bad.cif"
    with pytest.raises(DataError, match=r"bad\.cif"):
        entry.read()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "no such file"),
        ("", "is empty"),
        ("[]", "is an empty list"),
        ("{", "cannot be read as JSON"),
    ],
)
def test_what_is_no_database(tmp_path: Path, content: str | None, sentence: str):
    path = tmp_path / "data.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=sentence):
        open_database(path)


@pytest.mark.parametrize("name", ["structures.jsonl.xz", "structures.jsonl"])
def test_a_folder_of_phonons_is_its_list_of_crystals(tmp_path: Path, name: str):
    make(name, tmp_path)
    make("folder", tmp_path)
    found = [entry.read().info["name"] for entry in open_database(tmp_path).entries()]
    assert found == list(CELLS)


def test_alloys_of_a_list_keep_their_mixed_sites(tmp_path: Path):
    alloy = ours("mp-30") | {"occupations": [{"Cu": 0.75, "Au": 0.25}]}
    path = tmp_path / "alloys.jsonl"
    path.write_text(json.dumps(alloy) + "\n" + json.dumps(alloy | {"occupations": [{"Xx": 1}]}))
    first, second = open_database(path).entries()
    assert first.read().composition == {"Cu": 0.75, "Au": 0.25}
    with pytest.raises(DataError, match="line 2 of alloys.jsonl: site 0 holds 'Xx', which is not"):
        second.read()


def test_a_folder_without_crystals(tmp_path: Path):
    (tmp_path / "readme.md").write_text("nothing")
    with pytest.raises(DataError, match="holds no CIF or POSCAR files"):
        open_database(tmp_path)


def test_what_calls_itself_a_database(tmp_path: Path):
    path = tmp_path / "rows.db"
    path.write_text("not SQLite, whatever the name says")
    with pytest.raises(DataError, match=r"rows\.db is not an ASE database"):
        len(open_database(path))
