import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from euclidium.cli.chapter import Chapter, Finding, Tour
from euclidium.cli.info import versions
from euclidium.cli.tour import CHAPTERS, one_thread
from euclidium.models.storage import load
from euclidium.plot.page import Fact, Section, Table


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tour with one chapter that takes no time."""

    def write(tour: Tour) -> Chapter:
        tour.model.write_text("a model")
        section = Section("One", "All is `well`.", tables=[Table(("a", "b"), [("1", "2")])])
        finding = Finding("error", 1.5, "THz", 1.0)
        return Chapter("one", section, {"x": 1}, (finding,), (Fact("error", "1.5 THz"),))

    monkeypatch.setattr("euclidium.cli.tour.CHAPTERS", (("doing nothing", write),))


@pytest.mark.usefixtures("short")
def test_report_numbers_and_findings(
    tmp_path: Path, run: Callable[..., Any], answer: Callable[..., dict[str, Any]]
):
    page = tmp_path / "t.html"
    found = answer("tour", "-o", page)
    assert found["report"] == str(page)
    assert found["model"] == str(tmp_path / "t.euclidium")
    assert found["one"]["x"] == 1
    assert found["one"].keys() == {"x", "seconds", "cpu_seconds"}
    text = page.read_text()
    assert "<code>well</code>" in text
    assert versions()["torch"] in text
    assert "quick tour" not in text
    result = run("tour", "-o", page, "--force", "--quick")
    assert result.exit_code == 0, result.stderr
    assert "The tour found" in result.stdout
    assert "error: 1.500 THz (reference 1.000)" in result.stderr
    assert "quick tour" in page.read_text()


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("name", ["t.html", "t.euclidium"])
def test_nothing_is_replaced_and_no_time_lost(
    name: str, tmp_path: Path, refused: Callable[..., str]
):
    (tmp_path / name).write_text("precious")
    assert f"{name} exists: replace it with --force" in refused("tour", "-o", tmp_path / "t.html")
    assert (tmp_path / name).read_text() == "precious"


def test_threads_are_what_they_were():
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


@pytest.mark.slow
def test_the_quick_tour(tmp_path: Path, answer: Callable[..., dict[str, Any]]):
    """The whole of it: trained, moved, vibrating, reported."""
    page = tmp_path / "tour.html"
    found = answer("tour", "--quick", "-o", page)
    assert found["quick"]
    learned, moved, vibrating = (found[name] for name in ("potential", "dynamics", "phonons"))
    for quantity in learned["test"].values():
        assert quantity["mae"] < 0.4 * quantity["spread"]
    assert abs(moved["drift_meV_per_atom"]) < 0.1
    assert vibrating["frequency_mae_THz"] < 1.5
    assert vibrating["optical_THz"] == pytest.approx(15.45, rel=0.15)
    assert vibrating["cv_300K_J_per_K_mol"] == pytest.approx(39.69, rel=0.05)
    assert vibrating["lattice_constant_A"] == pytest.approx(5.397, rel=0.02)
    assert found["spectra"]["crystals"]["cv300_mae"] < 1.5
    assert found["spectra"]["alloys"]["cv300_mae"] < 2.0
    water = found["density"]
    assert water["eps_fit"] < 0.4 * water["eps_superposition"]
    assert water["electrons_error"] < 1e-9
    text = page.read_text()
    assert text.count("<svg") + text.count("<img") == 11
    assert not re.search(r'(src|href)="(?!#|data:)', text)  # needs nothing but itself
    assert len(CHAPTERS) + 1 == text.count("<section")
    assert load(found["model"]).species == (14,)
