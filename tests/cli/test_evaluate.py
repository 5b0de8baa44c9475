from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from euclidium.analyze.baselines import Lookup, nearest_compositions
from euclidium.atoms.dos import PhononDOS
from euclidium.atoms.embedded import embedded, embedded_phonons
from euclidium.atoms.phonon_record import PhononRecord
from euclidium.atoms.spectra import write_phonons
from euclidium.atoms.structure import Structure
from euclidium.cli.evaluate import parity_figure
from euclidium.models.config import NequIPConfig, SpectrumConfig
from euclidium.models.spectrum import Spectrum
from euclidium.models.storage import load, save


def test_errors_of_an_embedded_set(model: Path, answer: Callable[..., dict[str, Any]]):
    found = answer("evaluate", model, "silicon")
    assert found["n"] == len(embedded("silicon", "test"))
    units = {name: found[name]["unit"] for name in ("energy", "forces", "stress", "stress_GPa")}
    assert units == {
        "energy": "meV/atom",
        "forces": "meV/Å",
        "stress": "meV/Å³",
        "stress_GPa": "GPa",
    }
    # one element: its error is that of all
    assert found["forces"]["by_element"]["Si"]["mae"] == pytest.approx(found["forces"]["mae"])
    assert found["forces"]["rmse"] >= found["forces"]["mae"]


def test_the_folder_of_a_run_is_its_model(
    workshop: Path, model: Path, answer: Callable[..., dict[str, Any]]
):
    found = answer("evaluate", workshop / "run", "silicon:test")
    assert found["model"] == str(model)


def test_parity_plot_of_a_file_with_its_own_names(
    model: Path,
    tmp_path: Path,
    answer: Callable[..., dict[str, Any]],
    refused: Callable[..., str],
    labelled: Callable[..., Atoms],
):
    atoms = labelled(energy=None, my_forces=np.ones((8, 3)))
    del atoms.arrays["forces"]
    atoms.write(tmp_path / "own.xyz")
    picture = tmp_path / "parity.png"
    words = (
        "evaluate",
        model,
        tmp_path / "own.xyz",
        "--forces-key",
        "my_forces",
        "--plot",
        picture,
    )
    found = answer(*words)
    assert set(found) == {"model", "data", "n", "forces", "plot"}
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "parity.png exists: replace it with --force" in refused(*words)
    assert answer(*words, "--force")["n"] == 1


def test_a_panel_for_each_label(model: Path):
    figure = parity_figure(load(model), embedded("silicon", "test")[:3])
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert len(labels) == 3
    assert labels[0] == "reference energy (eV/atom)"


EDGES = np.arange(-20.0, 1000.0, 5.0) - 2.5
FIRST = [
    "model",
    "data",
    "dos51_mae",
    "dos51_mse",
    "cv300_mae",
    "mean_freq_mae",
    "last_peak_mae",
    "stability_auroc",
    "n",
]


@pytest.fixture
def spectra(tmp_path: Path) -> Path:
    """A folder of phonon spectra: of two kinds of crystals, one of them held out by composition."""
    records = []
    for n, (symbol, split) in enumerate([("Al", "train"), ("Cu", "val"), ("K", "val")] * 2):
        curve = np.exp(-(((EDGES[1:] - 150 - 100 * n) / 30) ** 2))
        dos = PhononDOS(EDGES, 3 * curve / curve.sum())
        structure = Structure.from_ase(bulk(symbol, "fcc", 4.0))
        records.append(PhononRecord.of(f"crystal-{n}", structure, dos, split=split))
    return write_phonons(tmp_path / "spectra", records)


@pytest.fixture
def lookup(spectra: Path, monkeypatch: pytest.MonkeyPatch, model: Path) -> Lookup:
    """In the place of a model: the spectra themselves, by composition."""
    from euclidium.atoms.spectra import read_phonons

    known = nearest_compositions(read_phonons(spectra), 2)
    monkeypatch.setattr("euclidium.cli.evaluate.open_model", lambda *_: known)
    return known


@pytest.mark.usefixtures("lookup")
def test_errors_of_spectra(model: Path, spectra: Path, answer: Callable[..., dict[str, Any]]):
    found = answer("evaluate", model, spectra)
    assert list(found)[: len(FIRST)] == FIRST
    assert found["data"] == str(spectra)
    assert found["n"] == 6
    assert found["last_peak_mae"] == pytest.approx(150.0)  # pairs 300 cm⁻¹ apart, and their mean
    assert found["wasserstein"] == pytest.approx(150.0, rel=0.01)
    assert found["stability_auroc"] is None
    assert "all 6 crystals are stable" in found["notes"][0]
    assert found["by_element"]["Cu"]["n"] == 2


@pytest.mark.usefixtures("lookup")
def test_the_embedded_spectra_have_a_name(model: Path, answer: Callable[..., dict[str, Any]]):
    assert answer("evaluate", model, "phonons")["n"] == len(embedded_phonons())


def test_a_model_of_spectra_in_a_file(
    spectra: Path, tmp_path: Path, answer: Callable[..., dict[str, Any]]
):
    """A network without training predicts something, and every error of it is a number."""
    network = SpectrumConfig(network=NequIPConfig(channels=2, layers=1))
    save(Spectrum(network), tmp_path / "spectra.euclidium")
    picture = tmp_path / "quarters.png"
    found = answer("evaluate", tmp_path / "spectra.euclidium", spectra, "--plot", picture)
    assert list(found)[: len(FIRST)] == FIRST
    assert 0 < found["dos51_mse"] < 1
    assert found["cv300_mae"] > 0
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("lookup")
def test_parts_of_the_spectra(
    model: Path,
    spectra: Path,
    answer: Callable[..., dict[str, Any]],
    refused: Callable[..., str],
):
    parts = {p: answer("evaluate", model, spectra, "--split", p) for p in ("train", "val", "test")}
    assert {p: list(found["by_element"]) for p, found in parts.items()} == {
        "train": ["Al"],
        "val": ["Cu"],
        "test": ["K"],
    }
    assert "has no part 'dev': it has train (2), val (2), test (2)" in refused(
        "evaluate", model, spectra, "--split", "dev"
    )


@pytest.mark.usefixtures("lookup")
def test_a_table_for_people(model: Path, spectra: Path, run: Callable[..., Any]):
    text = run("evaluate", model, spectra).stdout
    assert "heat capacity at 300 K" in text
    assert "J/(K mol-atom)" in text


def test_options_of_the_other_kind_of_model(
    model: Path, spectra: Path, refused: Callable[..., str], request: pytest.FixtureRequest
):
    assert "--split chooses among phonon spectra, but" in refused(
        "evaluate", model, "silicon", "--split", "val"
    )
    request.getfixturevalue("lookup")
    assert "predicts phonon spectra, which have one name: leave out the keys" in refused(
        "evaluate", model, spectra, "--energy-key", "energy"
    )
