import numpy as np
import pytest

from euclidium.ops import TensorProductPlan
from euclidium.ops.channelwise import Channelwise, runs

PLAN = TensorProductPlan.channelwise("5x0e+3x1o+2x2e", "0e+1o+2e", keep="0e+1o+1e+2e+2o")


def test_forms_hold_every_coefficient():
    """Σ_b coefficient Y_b of all units, put together again, is the plan's dense table."""
    dense = [np.zeros(path.coupling.shape) for path in PLAN.paths]
    starts = [where.start for where in PLAN.y.slices()]
    for unit in Channelwise(PLAN).units:
        start = starts[PLAN.paths[unit.path].segments[1]]
        for a, form in unit.forms:
            for b, value in form:
                dense[unit.path][a, b - start, unit.c] += value
    for found, path in zip(dense, PLAN.paths, strict=True):
        np.testing.assert_allclose(found, path.coefficient * path.coupling.array, atol=1e-15)


@pytest.mark.parametrize("limit", [1, 4, 100])
def test_groups_hold_every_unit_once(limit):
    work = Channelwise(PLAN)
    groups = work.groups(lambda unit: 1, limit)
    assert [unit for group in groups for unit in group.units] == sorted(
        work.units, key=lambda unit: PLAN.paths[unit.path].segments[0]
    )
    assert all(len(group.units) <= limit for group in groups)
    for group in groups:
        assert {PLAN.paths[unit.path].segments[0] for unit in group.units} == {group.block}
        assert [u for units in group.paths.values() for u in units] == list(group.units)


def test_a_unit_above_the_limit_is_a_group_of_its_own():
    groups = Channelwise(PLAN).groups(lambda unit: len(unit.forms), 2)
    assert {len(g.units) for g in groups if sum(len(u.forms) for u in g.units) > 2} == {1}


def test_columns():
    """Where components begin, against the layout of irreps."""
    work = Channelwise(PLAN)
    assert [work.x_start(1, a) for a in range(3)] == [5, 8, 11]
    unit = work.units[-1]
    block = PLAN.paths[unit.path].out
    start = PLAN.out.slices()[block].start
    assert work.z_start(unit) == start + unit.c * PLAN.out[block].mul
    assert work.w_start(len(PLAN.paths) - 1) == PLAN.n_weights - PLAN.weight_shapes[-1][0]


def test_operations_are_counted():
    """One path 1 × 1 -> 0: three products and one weight, two operations each."""
    plan = TensorProductPlan.channelwise("7x1o", "1o", keep="0e")
    assert Channelwise(plan).operations == 2 * (3 + 1) * 7


@pytest.mark.parametrize("channels", range(1, 131, 7))
@pytest.mark.parametrize("lanes", [1, 4, 16])
def test_runs_cover_all_channels_once(channels, lanes):
    covered = [
        start + n * width + u
        for start, width, count in runs(channels, lanes)
        for n in range(count)
        for u in range(width)
    ]
    assert covered == list(range(channels))
