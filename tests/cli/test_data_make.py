"""Data sets of one's own structures, from the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import pytest
from ase.build import bulk, molecule

from euclidium.atoms.spectra import read_phonons

SMALL = ("--method", "emt", "--supercell", "4")


@pytest.fixture
def metals(tmp_path: Path) -> Path:
    """Two metals, what the potential does not know, and a molecule."""
    crystals = [bulk("Cu"), bulk("Al"), bulk("Ge"), molecule("H2O")]
    for atoms, name in zip(crystals, ("copper", "aluminium", "germanium", "water"), strict=True):
        atoms.info["name"] = name
    path = tmp_path / "metals.xyz"
    ase.io.write(path, crystals)
    return path


def test_phonons_of_metals(tmp_path: Path, metals: Path, answer: Callable[..., dict[str, Any]]):
    folder = tmp_path / "out"
    said = answer("data", "make", "phonons", metals, "-o", folder, *SMALL)
    assert [crystal["name"] for crystal in said["crystals"]] == ["copper", "aluminium"]
    assert said["failed"].keys() == {"germanium", "water"}
    assert json.loads((folder / "failed.json").read_text()) == said["failed"]
    assert "periodic along all axes" in said["failed"]["water"]
    copper, aluminium = read_phonons(folder)
    assert aluminium.info["wmax"] > copper.info["wmax"]
    assert aluminium.heat_capacity == pytest.approx(
        said["crystals"][1]["cv_300K_J_per_K_mol_atom"], abs=1e-3
    )
    # again: everything is there, but for what failed
    assert answer("data", "make", "phonons", metals, "-o", folder, *SMALL) == said


def test_table_for_people(tmp_path: Path, metals: Path, run: Callable[..., Any]):
    done = run("data", "make", "phonons", metals, "-o", tmp_path / "out", *SMALL)
    assert done.exit_code == 0, done.stderr
    assert "Phonons of 2 crystals" in done.stdout
    assert "2 failed, see" in done.stdout
    assert "germanium: No EMT-potential for Ge" in done.stderr


def test_a_potential(tmp_path: Path, model: Path, answer: Callable[..., dict[str, Any]]):
    path = tmp_path / "si.xyz"
    ase.io.write(path, bulk("Si"))
    words = ("--method", model, "--supercell", "5", "--no-relax")
    said = answer("data", "make", "phonons", path, "-o", tmp_path / "out", *words)
    assert [crystal["formula"] for crystal in said["crystals"]] == ["Si2"]
    assert read_phonons(tmp_path / "out")[0].info["method"] == "displacements"


def test_sentences(
    tmp_path: Path,
    metals: Path,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
):
    words = ("data", "make", "phonons", metals, "-o", tmp_path / "out", "--method")
    assert "there is no model silicon.euclidium" in refused(*words, "silicon.euclidium")
    assert "phonon-dos is no potential" in refused(*words, "phonon-dos")
    assert "--supercell and --displacement are lengths" in refused(*words, "emt", "--supercell", 0)
    file = tmp_path / "file"
    file.write_text("")
    assert "it is a file, give the name of a folder" in refused(
        "data", "make", "phonons", metals, "-o", file, "--method", "emt"
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "the program abinit is not on the PATH: install ABINIT" in refused(*words, "abinit")


def test_nothing_could_be_computed(tmp_path: Path, run: Callable[..., Any]):
    path = tmp_path / "ge.xyz"
    ase.io.write(path, bulk("Ge"))
    done = run("data", "make", "phonons", path, "-o", tmp_path / "out", *SMALL)
    assert done.exit_code == 2
    assert "none of 1 crystals could be computed" in done.stderr
    assert "No EMT-potential for Ge" in done.stderr
