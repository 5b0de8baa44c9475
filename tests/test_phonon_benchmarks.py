"""The benchmarks of phonon spectra run, and their tables say what was computed."""

import argparse
import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from ase.build import bulk

from euclidium.atoms.dos import PhononDOS
from euclidium.atoms.phonon_record import PhononRecord
from euclidium.atoms.spectra import write_phonons
from euclidium.atoms.structure import Structure
from euclidium.models.config import NequIPConfig, SpectrumConfig
from euclidium.models.spectrum import Spectrum
from euclidium.models.storage import save

FOLDER = Path(__file__).parents[1] / "benchmarks"
EDGES = np.arange(-50.0, 1000.0, 5.0) - 2.5


@pytest.fixture
def benchmark(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A script of the benchmarks, forgotten after the test."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield importlib.import_module(request.param)
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "").parent == FOLDER:
            del sys.modules[name]


def record(n: int, symbol: str, a: float, energy: float, split: str = "train") -> PhononRecord:
    """An fcc crystal with one peak."""
    curve = np.exp(-(((EDGES[1:] - 100 - 20 * n) / 25) ** 2))
    dos = PhononDOS(EDGES, 3 * curve / curve.sum())
    structure = Structure.from_ase(bulk(symbol, "fcc", a, cubic=n % 2 == 1))
    info = {"energy": energy * structure.n_atoms, "nat_uc": structure.n_atoms}
    return PhononRecord.of(f"crystal-{n}", structure, dos, split=split, info=info)


@pytest.fixture
def records() -> list[PhononRecord]:
    """Elements, of which potassium is held out by its composition."""
    return [
        record(0, "Al", 4.05, -3.6),
        record(1, "Al", 4.3, -3.4),
        record(2, "Cu", 3.6, -3.5),
        record(3, "K", 5.3, -1.0),
        *(record(n, s, 4.0, -2.0, "val") for n, s in enumerate(("Ag", "Au", "Pd", "Pt"), 4)),
        *(record(n, "K", 5.0 + 0.1 * n, -0.5) for n in range(8, 11)),
    ]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model of spectra that learned nothing."""
    torch.manual_seed(0)
    path = tmp_path / "tiny.euclidium"
    save(Spectrum(SpectrumConfig(network=NequIPConfig(channels=2, layers=1))), path)
    return path


@pytest.mark.parametrize("benchmark", ["phonon_spectra"], indirect=True)
def test_contestants_and_their_tables(
    benchmark: ModuleType, records: list[PhononRecord], model: Path
):
    asked = argparse.Namespace(model=str(model), tutorial=str(model), device="cpu")
    contestants = benchmark.contestants(asked, records[:4])
    assert list(contestants) == [
        "model",
        "network of 2021",
        "three nearest compositions",
        "mean spectrum",
    ]
    errors = {name: benchmark.measured(one, records[4:8]) for name, one in contestants.items()}
    text = "\n".join(benchmark.tables(errors, "model"))
    mean = errors["mean spectrum"]
    assert f"| mean spectrum | {mean.dos51_mae:.3g} | {mean.dos51_mse:.3g} |" in text
    assert "| cubic | 4 |" in text
    assert "Of the 4 stable ones" in text
    figure = benchmark.whole_spectra(contestants["model"], records[4:8], errors["model"])
    titles = {axes.get_title() for axes in figure.axes} - {""}
    assert titles == {"Ag, crystal-4", "Au, crystal-5", "Pd, crystal-6", "Pt, crystal-7"}


@pytest.mark.parametrize("benchmark", ["phonon_spectra"], indirect=True)
def test_frequencies_that_are_off_by_a_share(benchmark: ModuleType, records: list[PhononRecord]):
    same, off = (
        benchmark.evaluate_spectra(benchmark.stretched(records, share), records)
        for share in (0.0, 0.02)
    )
    assert same.dos51_mae == same.mean_freq_mae == same.last_peak_mae == 0.0
    mean = np.mean([record.mean_frequency for record in records])
    assert off.mean_freq_mae == pytest.approx(0.02 * mean, rel=1e-6)
    assert 0.005 < off.dos51_mae < 0.02
    assert "| 2% |" in "\n".join(benchmark.stretches(records))


@pytest.mark.parametrize("benchmark", ["heat_capacity"], indirect=True)
def test_measured_values(benchmark: ModuleType):
    entries = [
        {"comp": {"Al": 1.0}, "name": "aluminium", "src": "CRC", "Cp298": 24.2},
        {"comp": {"Al": 1.0}, "name": "again", "src": "JANAF", "T": [200, 400], "Cp": [20, 30]},
        {
            "comp": {"K": 2.0, "O": 2.0},
            "name": "a",
            "src": "JANAF",
            "T": [0, 596.3],
            "Cp": [0, 160],
        },
        {"comp": {"Ti": 1.0, "O": 1.0}, "name": "Ti3O5", "src": "CRC", "Cp298": 154.8},
        {"comp": {"Cu": 1.0}, "name": "hot", "src": "JANAF", "T": [500, 600], "Cp": [24, 25]},
    ]
    known, wrong = benchmark.measured(entries)
    assert wrong == 1
    assert known["[(13, 1)]"] == (24.2, "aluminium", "CRC")
    assert known["[(8, 1), (19, 1)]"][0] == pytest.approx(20.0)
    assert len(known) == 2


@pytest.mark.parametrize("benchmark", ["heat_capacity"], indirect=True)
def test_the_polymorph_of_lowest_energy(benchmark: ModuleType, records: list[PhononRecord]):
    """For each atom: the second aluminium has the larger cell, and so the lower total energy."""
    known = {"[(13, 1)]": (24.2, "", ""), "[(19, 1)]": (29.6, "", ""), "[(26, 1)]": (25.1, "", "")}
    assert benchmark.matched(known, records) == {"[(13, 1)]": 0, "[(19, 1)]": 3}


@pytest.mark.parametrize("benchmark", ["heat_capacity"], indirect=True)
def test_heat_capacities_from_end_to_end(
    benchmark: ModuleType,
    records: list[PhononRecord],
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
):
    data = write_phonons(tmp_path / "data", records)
    (data / "expt").mkdir()
    entries = [
        {"comp": {"Al": 1.0}, "name": "aluminium", "src": "CRC", "Cp298": 24.2},
        {"comp": {"K": 1.0}, "name": "potassium", "src": "CRC", "Cp298": 29.6},
        {"comp": {"Fe": 1.0}, "name": "iron", "src": "CRC", "Cp298": 25.1},
    ]
    (data / "expt" / "expt_solid_heat_capacity_crc_janaf.json").write_text(json.dumps(entries))
    words = ["heat_capacity.py", str(model), str(data), "--output", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", words)
    benchmark.main()
    text = capsys.readouterr().out
    assert "3 compositions have a measured C_p" in text
    assert "2 have a crystal in the data" in text
    rows = json.loads((tmp_path / "out" / "heat-capacity.json").read_text())
    assert [(row["formula"], row["part"]) for row in rows] == [("Al", "train"), ("K", "test")]
    dft = float(records[0].dos.heat_capacity(298.15))
    assert rows[0]["computed"] == pytest.approx(dft, rel=1e-3)
    deviations = [abs(row["computed"] / row["measured"] - 1) for row in rows]
    assert f"| all | 2 | {100 * np.mean(deviations):.1f} % |" in text
    assert f"| Al | crystal-0 | train | 24.20 | {dft:.2f} |" in text
    assert (tmp_path / "out" / "heat-capacity.png").read_bytes().startswith(b"\x89PNG")


def test_the_rule_of_the_held_out_part(records: list[PhononRecord]):
    """What the benchmarks call the test is the potassium of these crystals."""
    from euclidium.atoms.spectra_split import composition_split

    parts = composition_split(records)
    assert {records[n].structure.formula for n in parts["test"]} == {"K", "K4"}
