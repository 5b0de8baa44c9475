"""Channelwise plans as kernels see them: components, the forms of Y that join them, and groups."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from euclidium.ops.plan import TensorProductPlan

Form = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Unit:
    """One component c of the result of one path, and the components of x that reach it.

    z[c, u] += w[path, u] Σ_a M[a] x[a, u], where the number M[a] = Σ_b coefficient · Y[b] is the
    same for all channels u. ``forms`` holds a and the pairs (b, coefficient) of each M.
    """

    path: int
    c: int
    forms: tuple[tuple[int, Form], ...]


@dataclass(frozen=True)
class Group:
    """Units of one block of x, computed in one sweep over edges."""

    block: int
    units: tuple[Unit, ...]

    @cached_property
    def forms(self) -> tuple[Form, ...]:
        """Each different form once."""
        return tuple(dict.fromkeys(form for unit in self.units for _, form in unit.forms))

    @cached_property
    def paths(self) -> dict[int, tuple[Unit, ...]]:
        """The units of each path."""
        numbers = dict.fromkeys(unit.path for unit in self.units)
        return {n: tuple(u for u in self.units if u.path == n) for n in numbers}


@dataclass(frozen=True)
class Channelwise:
    """A channelwise plan, taken apart.

    >>> work = Channelwise(TensorProductPlan.channelwise("4x1o", "1o", keep="0e"))
    >>> work.units[0].forms
    ((0, ((0, 0.577...),)), (1, ((1, 0.577...),)), (2, ((2, 0.577...),)))
    """

    plan: TensorProductPlan

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        """Every component of every path."""
        y = [where.start for where in self.plan.y.slices()]
        units = []
        for n, path in enumerate(self.plan.paths):
            found: dict[int, dict[int, list[tuple[int, float]]]] = {}
            for (a, b, c), value in path.coupling.entries:
                pair = (y[path.segments[1]] + b, value * path.coefficient)
                found.setdefault(c, {}).setdefault(a, []).append(pair)
            for c, row in sorted(found.items()):
                forms = tuple((a, tuple(form)) for a, form in sorted(row.items()))
                units.append(Unit(n, c, forms))
        return tuple(units)

    def groups(self, cost: Callable[[Unit], int], limit: int) -> tuple[Group, ...]:
        """The units, in groups of one block of x whose cost stays within a limit.

        A unit that costs more than the limit is a group of its own.
        """
        groups = []
        for block in range(len(self.plan.x)):
            pending: list[Unit] = []
            for unit in self.units:
                if self.plan.paths[unit.path].segments[0] != block:
                    continue
                if pending and sum(map(cost, pending)) + cost(unit) > limit:
                    groups.append(Group(block, tuple(pending)))
                    pending = []
                pending.append(unit)
            if pending:
                groups.append(Group(block, tuple(pending)))
        return tuple(groups)

    @cached_property
    def widths(self) -> dict[str, int]:
        """Numbers in a row of each slot."""
        plan = self.plan
        return {"x": plan.x.dim, "y": plan.y.dim, "w": plan.n_weights, "z": plan.out.dim}

    def x_start(self, block: int, a: int) -> int:
        """Where the channels of a component of x begin."""
        return self.plan.x.slices()[block].start + a * self.plan.x[block].mul

    def z_start(self, unit: Unit) -> int:
        """Where the channels of a component of the result begin."""
        block = self.plan.paths[unit.path].out
        return self.plan.out.slices()[block].start + unit.c * self.plan.out[block].mul

    def w_start(self, path: int) -> int:
        """Where the weights of a path begin."""
        return self.plan.weight_slices[path].start

    @cached_property
    def operations(self) -> int:
        """Floating-point operations of one edge and slot.

        Two for each number M[a] x[a, u] that is added, two for each weighted component; forming
        the numbers M is not counted.
        """
        return sum(
            2 * (len(unit.forms) + 1) * self.plan.out[self.plan.paths[unit.path].out].mul
            for unit in self.units
        )


def runs(channels: int, lanes: int) -> list[tuple[int, int, int]]:
    """Channels as runs of vectors: first channel, width and number of vectors of each run.

    >>> runs(37, 16)
    [(0, 16, 2), (32, 4, 1), (36, 1, 1)]
    """
    found, start, width = [], 0, lanes
    while start < channels:
        count = (channels - start) // width
        if count:
            found.append((start, width, count))
        start += count * width
        width //= 2
    return found
