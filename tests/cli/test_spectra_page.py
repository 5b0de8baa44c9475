"""Figures and tables of the errors of spectra, from spectra that were looked up."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from euclidium.analyze.baselines import nearest_compositions
from euclidium.analyze.spectra import SpectrumErrors, evaluate_spectra
from euclidium.atoms.dos import PhononDOS
from euclidium.atoms.phonon_record import PhononRecord
from euclidium.atoms.structure import Structure
from euclidium.cli.spectra_page import elements, error_rows, pictures, tables, write

EDGES = np.arange(-200.0, 900.0, 10.0)


def crystal(symbol: str, place: float) -> PhononRecord:
    """A crystal with one peak; below zero it is unstable."""
    curve = np.exp(-(((EDGES[1:] - place) / 30.0) ** 2))
    dos = PhononDOS(EDGES, 3 * curve / curve.sum())
    structure = Structure.from_ase(bulk(symbol, "fcc", 4.0))
    return PhononRecord.of(f"{symbol} at {place:g}", structure, dos)


@pytest.fixture
def errors() -> SpectrumErrors:
    """Of eight crystals of four elements, one of which is unstable."""
    symbols = ["Al", "Cu", "Ag", "Au"]
    known = [crystal(s, 100.0 + 90 * n + 20 * k) for n, s in enumerate(symbols) for k in range(2)]
    asked = [crystal(s, 105.0 + 90 * n + 8 * k) for n, s in enumerate(symbols) for k in range(2)]
    known[-1], asked[-1] = crystal("Au", -60.0), crystal("Au", -50.0)
    lookup = nearest_compositions(known, 2)
    return evaluate_spectra(lookup.predict(r.structure for r in asked), asked)


def test_all_figures_have_something_in_them(errors: SpectrumErrors):
    drawn = pictures(errors)
    assert list(drawn) == [
        "quartiles",
        "heat_capacity",
        "mean_frequency",
        "last_peak",
        "elements",
        "stability",
        "calibration",
    ]
    for picture in drawn.values():
        assert picture.figure.axes
        assert picture.caption.endswith(".")


def test_numbers_of_the_table(errors: SpectrumErrors):
    rows = {name: (everything, stable) for name, everything, stable, _ in error_rows(errors)}
    assert rows["crystals"] == (8, 7)
    assert rows["curve, mean square error"][0] == errors.dos51_mse
    assert rows["last peak"] == (errors.last_peak_mae, errors.stable["last_peak_mae"])
    headers = [table.header for table in tables(errors)]
    assert headers[0] == ["error", "all", "stable", "unit"]
    assert len(headers) == 3


def test_elements_by_any_error(errors: SpectrumErrors):
    figure = elements(errors, "last_peak_mae")
    words = [text.get_text() for text in figure.axes[0].texts]
    assert "error: last peak (cm⁻¹)" in words
    assert f"{errors.by_element['Cu']['last_peak_mae']:.2f}" in words


def test_a_page_that_needs_nothing_else(errors: SpectrumErrors, tmp_path: Path):
    bare = replace(errors, stability_auroc=None, calibration={}, notes=("no stability",))
    write(bare, tmp_path / "page.html", "phonon-dos", "spectra")
    text = (tmp_path / "page.html").read_text()
    assert "http" not in text
    assert text.count("<svg") + text.count("<img") == 5
    assert "By crystal system" in text
    assert "no stability" in text
    assert "Stability and uncertainty" not in text


def test_a_picture_of_spectra_in_quarters(errors: SpectrumErrors, tmp_path: Path):
    write(errors, tmp_path / "quarters.png", "phonon-dos", "spectra")
    assert (tmp_path / "quarters.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_drawn_is_left_out(errors: SpectrumErrors):
    bare = replace(errors, stability_auroc=None, calibration={}, n=3)
    assert list(pictures(bare)) == ["heat_capacity", "mean_frequency", "last_peak", "elements"]
