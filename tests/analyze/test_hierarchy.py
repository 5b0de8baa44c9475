"""The grid of a study, and what is drawn from its results."""

import numpy as np
import pytest

from euclidium.analyze.hierarchy import (
    Cell,
    CellResult,
    by_degree,
    curves,
    grid,
    half_times,
    largest,
)


def result(cell: Cell, error: float, **rest) -> CellResult:
    errors = [error * share for share in (0.8, 1.0, 1.2)]
    return CellResult(cell, 100 * (cell.lmax + 1), "epsilon", "% of electrons", errors, **rest)


def study() -> list[CellResult]:
    cells = grid([0, 1], [10, 40], [0, 1], (1, 8), matched=lambda l: 20, outputs=[(0,), (1,)])
    return [
        result(
            cell,
            (2.0 - cell.lmax) * cell.size ** (-0.5 if cell.lmax else -0.25),
            by_degree=[1.0 + cell.seed, 0.5],
            coefficients=[0.1, 0.2],
        )
        for cell in cells
    ]


def test_each_training_is_there_once():
    cells = grid([0, 1, 2], [10, 40], [0, 1], (2, 8), matched=lambda l: 20 - l, outputs=[(0,)])
    names = [cell.name for cell in cells]
    assert len(set(names)) == len(names) == 2 * (6 + 4) + 3
    assert "l2-c18-n40-s0" not in names, "the reference is its own match"
    assert {cell.size for cell in cells if cell.degrees} == {40}
    assert {cell.seed for cell in cells if cell.degrees} == {0}


def test_curves_have_the_slopes_of_their_errors():
    found = {(c.matched, c.lmax): c for c in curves(study(), reference=1)}
    assert set(found) == {(False, 0), (False, 1), (True, 0), (True, 1)}
    for (_, lmax), curve in found.items():
        assert curve.sizes == (10, 40)
        assert curve.slope.value == pytest.approx(-0.5 if lmax else -0.25)
        assert curve.low == pytest.approx(curve.mean)
    assert found[True, 0].channels == 20
    assert found[True, 1].channels == 8


def test_a_size_that_one_seed_lacks_is_not_on_the_curve():
    results = [r for r in study() if not (r.cell.seed == 1 and r.cell.size == 10)]
    assert all(curve.sizes == (40,) and curve.slope is None for curve in curves(results, 1))


def test_other_seeds_are_not_on_the_curve():
    results = [
        result(Cell(0, 8, size, seed), 1.0)
        for size, seeds in ((10, (0, 1)), (20, (0, 1)), (40, (0, 2)))
        for seed in seeds
    ]
    assert [curve.sizes for curve in curves(results, 0)] == [(10, 20)]


def test_errors_by_degree_are_means_over_seeds():
    found = by_degree(study())
    assert {l: own.tolist() for l, own in found.items()} == {0: [1.5, 0.5], 1: [1.5, 0.5]}
    assert by_degree(study(), coefficients=True)[0] == pytest.approx([0.1, 0.2])
    assert {r.cell.size for r in largest(study())} == {40}
    assert not any(r.cell.matched or r.cell.degrees for r in largest(study()))


def test_half_times_by_degree():
    steps = np.arange(0, 50, 0.5)
    rows = [{"step": s, "by_degree": [1 + np.exp(-s / 2), 3 * np.exp(-s / 8), 0.2]} for s in steps]
    one = result(Cell(0, 8, 10, 0), 1.0, dynamics=rows)
    fast, slow, never = half_times(one)
    assert fast == pytest.approx(2 * np.log(2), abs=0.03)
    assert slow == pytest.approx(8 * np.log(2), abs=0.05)
    assert never is None
    assert half_times(one, floor=False)[1] == pytest.approx(8 * np.log(2), abs=0.05)


def test_trainings_that_were_not_watched_have_no_times():
    assert half_times(result(Cell(0, 8, 10, 0), 1.0)) == []


def test_results_survive_a_file():
    for one in study():
        assert CellResult.from_dict(one.as_dict()) == one
