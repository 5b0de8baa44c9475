"""The page of a study shows the numbers of its trainings, whatever is missing."""

import numpy as np
import pytest

from euclidium.analyze.hierarchy import Cell, CellResult
from euclidium.cli.hierarchy_page import alone, by_lmax, curve_rows, document, finish, knocked

ISOLATED = {"total": 12.0, "by_degree": [8.0, 6.0], "coefficients": [0.1, 0.05]}


def result(cell: Cell, density: bool = True) -> CellResult:
    error = 1.0 / (1 + cell.lmax) / cell.size**0.5
    sizes = [{str(l): 1.0 + l for l in range(cell.lmax + 1)}] * 2
    row = {"features": sizes, "gradients": sizes, "loss": 1.0}
    if density:
        row["by_degree"] = [1.0, 0.5]
    late = {**row, "by_degree": [0.5, 0.1]} if density else row
    return CellResult(
        cell,
        parameters=100,
        quantity="epsilon" if density else "forces",
        unit="% of electrons" if density else "meV/Å",
        errors=[error, 2 * error],
        by_degree=[0.3, 0.2] if density else [],
        coefficients=[0.01, 0.02] if density else [],
        knocked={
            str(l): {"total": 5.0 + l, "by_degree": [3.0, 2.0] if density else []}
            for l in range(cell.lmax + 1)
        },
        paths=[{"0 0 0": 1.0, "0 1 1": 2.0}, {"0 0 0": 0.5}],
        dynamics=[{**row, "step": 0}, {**late, "step": 10}],
    )


def study(density: bool = True) -> list[CellResult]:
    cells = [Cell(l, 8, n, 0) for l in (0, 1) for n in (10, 40)]
    cells += [Cell(0, 12, 40, 0, matched=True)]
    if density:
        cells += [Cell(l, 8, 40, 0, degrees=(1,)) for l in (0, 1)]
    return [result(cell, density) for cell in cells]


def test_the_page_of_densities(tmp_path):
    report = finish(study(), tmp_path, ISOLATED)
    page = (tmp_path / "hierarchy.html").read_text()
    for words in ("Learning curves", "Without a degree", "learned alone", "isolated atoms", "−0.5"):
        assert words in page
    assert page.count("<figure>") == 8
    assert report.document["isolated_atoms"] == ISOLATED


def test_the_page_of_a_potential(tmp_path):
    finish(study(density=False), tmp_path, None)
    page = (tmp_path / "hierarchy.html").read_text()
    assert page.count("<figure>") == 4
    assert "Degrees of the output" not in page
    assert "meV/Å" in page


def test_numbers(tmp_path):
    results = study()
    found = document(results, tmp_path, ISOLATED)
    assert [c["slope"]["value"] for c in found["curves"] if c["slope"]] == pytest.approx([-0.5] * 3)
    assert found["half_steps"]["l1-c8-n40-s0"] == pytest.approx([5.0, 5.0])
    assert alone(results) == {"1": {0: 0.2, 1: 0.2}}
    whole = by_lmax([r for r in results if r.cell.size == 40 and not r.cell.degrees])
    assert list(whole) == [0, 1]
    none = float(np.mean([1.5 / 2 / 40**0.5]))
    assert knocked(whole[1]) == pytest.approx({"none": none, "0": 5.0, "1": 6.0})


def test_rows_of_curves_that_lack_a_size():
    from euclidium.analyze.hierarchy import curves

    columns, rows = curve_rows(curves(study(), 1))
    assert columns[4:6] == ["10", "40"]
    short = next(row for row in rows if row[0] == "matched" and row[1] == "0")
    assert short[4] is None
    assert short[6] == "–"
