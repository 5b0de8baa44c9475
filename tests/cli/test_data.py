from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import pytest

from euclidium.atoms.density_file import embedded_densities
from euclidium.atoms.embedded import embedded, embedded_phonons
from euclidium.cli import data
from euclidium.cli.data import describe


def test_what_there_is(answer: Callable[..., dict[str, Any]], run: Callable[..., Any]):
    sets = {found["name"]: found for found in answer("data", "list")["data"]}
    silicon = sets["silicon"]
    assert silicon["structures"]["test"] == len(embedded("silicon", "test"))
    assert silicon["labels"] == ["energy", "forces", "stress"]
    assert silicon["licence"] == "CC-BY-4.0"
    assert "ABINIT" in silicon["method"]
    assert silicon["checksums"] == "verified"
    spectra = sets["phonons"]
    assert spectra["structures"]["emt"] == len(embedded_phonons("emt"))
    assert spectra["atoms"]["dfpt"] == sum(r.structure.n_atoms for r in embedded_phonons("dfpt"))
    assert (spectra["licence"], spectra["checksums"]) == ("CC-BY-4.0", "verified")
    assert "density-functional perturbation theory" in spectra["method"]
    water = sets["water"]
    assert water["structures"]["large"] == len(embedded_densities("water", "large"))
    assert water["labels"] == ["density", "energy", "forces"]
    assert sets["crystals"]["labels"] == ["density"]
    assert list(sets["crystals"]["structures"]) == ["test", "train", "validation"]
    text = run("data", "list").stdout
    assert "CC-BY-4.0" in text
    assert "checksums" in text


def test_export(tmp_path: Path, answer: Callable[..., dict[str, Any]], refused: Callable[..., str]):
    path = tmp_path / "test.xyz"
    assert answer("data", "export", "silicon", "--part", "test", "-o", path)["part"] == "test"
    first = ase.io.read(path, 0)
    assert first.get_potential_energy() == float(embedded("silicon", "test")[0].labels["energy"])
    assert "test.xyz exists" in refused("data", "export", "silicon", "-o", path)


def test_names_that_are_wrong(refused: Callable[..., str]):
    assert "did you mean 'silicon'?" in refused("data", "export", "silicn", "-o", "x.xyz")
    assert "has no file 'training.extxyz.xz'" in refused(
        "data", "export", "silicon", "--part", "training", "-o", "x.xyz"
    )


def test_an_altered_file_is_noticed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(data, "PARTS", ("train", "missing"))
    with pytest.raises(ValueError, match=r"has no file 'missing\.extxyz\.xz'"):
        describe("silicon")
