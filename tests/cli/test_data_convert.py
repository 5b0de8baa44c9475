"""Phonon data of several kinds into one folder."""

import io
import json
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from phonopy.file_IO import write_FORCE_SETS
from phonopy.interface.vasp import write_vasp

from euclidium.atoms.spectra import read_phonons
from euclidium.simulate.lattice import ase_atoms, lattice

ATOMS = {"lattice_mat": (4 * np.eye(3)).tolist(), "coords": [[0, 0, 0]], "elements": ["Po"]}
ENTRIES = [{"jid": f"J-{n}", "atoms": ATOMS, "phdos": [0.0, 1.0, 2.0, 1.0, 0.0]} for n in range(12)]


@pytest.fixture(scope="module")
def copper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of phonopy for copper in EMT."""
    phonopy = lattice(bulk("Cu", cubic=True), 2 * np.eye(3, dtype=np.int64))
    phonopy.generate_displacements(distance=0.01)
    [cell] = phonopy.supercells_with_displacements
    atoms = ase_atoms(cell)
    atoms.calc = EMT()
    phonopy.forces = [atoms.get_forces()]
    folder = tmp_path_factory.mktemp("files") / "mp-30-20180417"
    folder.mkdir()
    write_vasp(folder / "POSCAR-unitcell", phonopy.unitcell)
    write_FORCE_SETS(phonopy.dataset, filename=folder / "FORCE_SETS")
    (folder / "phonopy.conf").write_text("DIM = 2 2 2\n")
    phonopy.save(folder.parent / "phonopy_params_one.yaml")
    return folder


def packed(folder: Path) -> bytes:
    """A folder as .tar.lzma."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tar.add(folder, folder.name)
    return lzma.compress(data.getvalue(), format=lzma.FORMAT_ALONE)


def test_several_kinds_at_once(
    tmp_path: Path, copper: Path, answer: Callable[..., dict[str, Any]], run: Callable[..., Any]
):
    (tmp_path / "jarvis.json").write_text(json.dumps(ENTRIES))
    words = ("data", "convert", tmp_path / "jarvis.json", copper, "--mesh", "15")
    found = answer(*words, "-o", tmp_path / "set")
    assert (found["crystals"], found["failed"], found["elements"]) == (13, {}, ["Cu", "Po"])
    records = read_phonons(tmp_path / "set")
    assert [record.name for record in records[-2:]] == ["J-11", "mp-30"]
    assert records[-1].info["spg"] == 225
    assert 22.0 < records[-1].heat_capacity < 24.9
    text = run(*words, "-o", tmp_path / "set", "--force").stdout
    assert "set: 13 crystals" in " ".join(text.split())
    assert "and 3 more" in text


def test_a_folder_and_an_archive_of_crystals(
    tmp_path: Path, copper: Path, answer: Callable[..., dict[str, Any]]
):
    """As the phonon database comes; what cannot be read is told, and the others go on."""
    folder = tmp_path / "phonon_db_tarred"
    folder.mkdir()
    (folder / "one.tar.lzma").write_bytes(packed(copper))
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "FORCE_SETS").write_text("none")
    (folder / "two.tar.lzma").write_bytes(packed(broken))
    (folder / "cut.tar.lzma").write_bytes(packed(copper)[:300])
    (folder / "notes.txt").write_text("hello")
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as tar:
        tar.add(folder, "phononDB-1/phonon_db_tarred")
    for source in (folder, tmp_path / "all.tar.gz"):
        found = answer("data", "convert", source, "-o", tmp_path / source.stem, "--mesh", "10")
        assert found["crystals"] == 1
        assert sorted(found["failed"]) == ["cut.tar.lzma", "two.tar.lzma"]
        assert "cannot be unpacked" in found["failed"]["cut.tar.lzma"]
        assert "has no structure" in found["failed"]["two.tar.lzma"]
        assert [record.name for record in read_phonons(tmp_path / source.stem)] == ["one"]


def test_a_folder_of_files_that_hold_everything(
    tmp_path: Path, copper: Path, answer: Callable[..., dict[str, Any]]
):
    text = (copper.parent / "phonopy_params_one.yaml").read_text()
    for name in ("a", "b"):
        (tmp_path / f"phonopy_params_{name}.yaml").write_text(text)
    (tmp_path / "SHA256SUMS").write_text("")
    assert answer("data", "convert", tmp_path, "-o", tmp_path / "set")["crystals"] == 2


def test_what_is_wrong(tmp_path: Path, refused: Callable[..., str]):
    (tmp_path / "jarvis.json").write_text(json.dumps(ENTRIES[:1]))
    (tmp_path / "other.json").write_text("[1]")
    sentence = refused("data", "convert", tmp_path / "other.json", "-o", tmp_path / "set")
    assert "no crystal could be read" in sentence
    assert "object 0 of other.json is not phonon data" in sentence
    assert "no such file" in refused("data", "convert", tmp_path / "x", "-o", tmp_path / "set")
    (tmp_path / "file").write_text("")
    words = ("data", "convert", tmp_path / "jarvis.json", "-o")
    assert "it is a file" in refused(*words, tmp_path / "file")
    (tmp_path / "set").mkdir()
    for name in ("dos.npz", "structures.jsonl.xz"):
        (tmp_path / "set" / name).write_text("")
    assert "replace it with --force" in refused(*words, tmp_path / "set")
