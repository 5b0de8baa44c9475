"""The benchmark of screenings runs, and compares what it says it compares."""

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from ase.build import bulk

from euclidium.atoms import PhononDOS, PhononRecord, Structure, composition_split, write_phonons
from euclidium.models import NequIPConfig, Spectrum, SpectrumConfig, save

FOLDER = Path(__file__).parents[1] / "benchmarks"
EDGES = np.arange(-50.0, 1000.0, 5.0) - 2.5
METALS = {"Al": 4.05, "Cu": 3.61, "K": 5.3, "Ag": 4.09, "Au": 4.08, "Pd": 3.89}


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, forgotten after the test."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield importlib.import_module("screening")
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "").parent == FOLDER:
            del sys.modules[name]


@pytest.fixture
def records() -> list[PhononRecord]:
    """Metals with one peak each; that of gold is imaginary."""
    found = []
    for n, (symbol, a) in enumerate(METALS.items()):
        center = -30 if symbol == "Au" else 100 + 40 * n
        curve = np.exp(-(((EDGES[1:] - center) / 15) ** 2))
        structure = Structure.from_ase(bulk(symbol, "fcc", a))
        dos = PhononDOS.of(structure, EDGES, 3 * curve / curve.sum())
        found.append(PhononRecord.of(f"mp-{n}", structure, dos))
    return found


def test_it_runs(
    benchmark: ModuleType, records: list[PhononRecord], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture,
):  # fmt: skip
    torch.manual_seed(0)
    model = tmp_path / "tiny.euclidium"
    save(Spectrum(SpectrumConfig(network=NequIPConfig(channels=2, layers=1))).eval(), model)
    write_phonons(tmp_path / "data", records)
    (tmp_path / "ids.csv").write_text("mp-0, Al\nmp-1, Cu\nmp-2, K\nmp-3, Ag\nmp-4, Au\nmp-99, X\n")
    words = [str(model), str(tmp_path / "data"), "--ids", str(tmp_path / "ids.csv")]
    output = tmp_path / "out"
    monkeypatch.setattr("sys.argv", ["screening", *words, "--output", str(output), "--workers=1"])
    benchmark.main()
    printed = capsys.readouterr().out
    found = json.loads((output / "screening.json").read_text())
    assert found["entries"] == 5
    winners = found["winners"]
    assert {winner["name"] for winner in winners} == {"mp-0", "mp-1", "mp-2", "mp-3"}  # not gold
    assert [winner["place"] for winner in winners] == [1, 2, 3, 4]
    aluminium = next(winner for winner in winners if winner["formula"] == "Al")
    expected = records[0].heat_capacity / 26.982 * 1000
    assert aluminium["reference"] == pytest.approx(expected, rel=2e-3)
    assert aluminium["place_of_reference"] == 1
    assert "5 crystals in" in printed
    assert aluminium["classical"] == pytest.approx(924.4, abs=0.5)  # 24.94 J/(K mol)
    assert f"{aluminium['reference']:7.0f}" in printed
    parts = composition_split(records)["test"].tolist()
    assert [w["name"] for w in winners if w["part"] == "test"] == [
        w["name"] for w in winners if int(w["name"][3:]) in parts
    ]


def test_agreement(benchmark: ModuleType):
    def winners(references: list[float]) -> list:
        return [
            benchmark.Winner(n, "", "Si", 100.0 - n, 1.0, reference, 0, "test", 0.0)
            for n, reference in enumerate(references)
        ]

    same = benchmark.agreement(winners([50.0 - n for n in range(60)]))
    assert same.correlation == pytest.approx(1)
    assert same.shared == {20: 1.0}
    assert same.mean_error == pytest.approx(50)
    opposite = benchmark.agreement(winners([float(n) for n in range(60)]))
    assert opposite.correlation == pytest.approx(-1)
    assert opposite.shared == {20: 0.0}
    assert benchmark.agreement([]).correlation is None
