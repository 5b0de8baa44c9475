"""The four kernels of a channelwise convolution, as code.

Each is one slot of F = Σ_edges Σ_paths w M(Y) x_sender z_receiver, computed from the other three. A
tile of edges, as many as a vector has numbers, is taken at a time: first the numbers M(Y) of the
tile, the same for all channels, then for each block of channels one sweep over its edges, in
straight-line code over the coefficients that are not zero, with the sums in registers.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from euclidium.ops.assembly import Assembly, Vector
from euclidium.ops.channelwise import Channelwise, Form, Group, Unit, runs
from euclidium.ops.plan import TensorProductPlan

# Registers that are not sums: the operands, one weight, one term and what the scheduler needs.
SPARE = 10

COUNTS = ("items", "grain", "edges")
ROWS = ("x", "y", "w", "z", "senders", "receivers", "pointer", "order")
ARGUMENTS = ("counter", *COUNTS, *ROWS)


def convolution_kernel(
    plan: TensorProductPlan, slot: str, scalar: str, lanes: int, registers: int
) -> str:
    """The code of one slot, ``x``, ``y``, ``w`` or ``z``; its function has the name ``kernel``.

    ``scalar`` is ``float`` or ``double``, ``lanes`` the numbers in a vector of the processor and
    ``registers`` how many vectors it holds. The function takes one pointer, to 64-bit values in the
    order of ``ARGUMENTS``. Items are nodes for x and z, tiles of ``lanes`` edges for y and w;
    threads that run it with the same arguments share them out through the counter.

    >>> plan = TensorProductPlan.channelwise("4x0e", "0e")
    >>> "<4 x float>" in convolution_kernel(plan, "z", "float", 4, 16)
    True
    """
    return KERNELS[slot](Channelwise(plan), scalar, lanes, registers).text()


class Kernel(ABC):
    """What the four have in common."""

    slot: str

    def __init__(self, work: Channelwise, scalar: str, lanes: int, registers: int) -> None:
        self.work, self.lanes = work, lanes
        self.code = code = Assembly("kernel", scalar)
        self.size = code.size
        self.tile = Vector(scalar, lanes)
        self.groups = self._groups(max(registers - SPARE, 4))
        self.numbers = {n: code.integer_argument(ARGUMENTS.index(n)) for n in COUNTS}
        self.pointers = {n: code.argument(ARGUMENTS.index(n)) for n in ROWS}
        self.y_table = code.scratch(work.plan.y.dim * lanes)
        self.m_table = code.scratch(max(len(g.forms) for g in self.groups) * lanes)

    def text(self) -> str:
        """The module."""
        items, grain = self.numbers["items"], self.numbers["grain"]
        self.code.parallel("%arguments", items, grain, self._run)
        return self.code.text()

    @abstractmethod
    def _groups(self, sums: int) -> tuple[Group, ...]:
        """What is computed together, with at most ``sums`` sums in registers."""

    @abstractmethod
    def _run(self, first: str, stop: str) -> None:
        """Work on a run of items."""

    # -- rows and columns --------------------------------------------------------------------

    def _vector(self, width: int) -> Vector:
        return Vector(self.code.scalar, width)

    def _row(self, name: str, index: str) -> str:
        """Pointer to a row of one of the four."""
        return self.code.element(self.pointers[name], index, self.work.widths[name] * self.size)

    def _edge(self, position: str) -> str:
        """The number of the edge at a position of the sweep."""
        return position

    def _rows(self, edge: str, shift: str | int) -> dict[str, str]:
        """Pointers to the rows of x, w and z that an edge meets, some bytes further on."""
        code, rows = self.code, {"w": self._row("w", edge)}
        if self.slot != "x":
            sender = code.element(self.pointers["senders"], edge, 8)
            rows["x"] = self._row("x", code.load_integer(sender))
        if self.slot != "z":
            receiver = code.element(self.pointers["receivers"], edge, 8)
            rows["z"] = self._row("z", code.load_integer(receiver))
        return {name: code.offset(pointer, shift) for name, pointer in rows.items()}

    def _number(self, row: str, start: int) -> str:
        """Pointer to a number of a row."""
        return self.code.offset(row, start * self.size)

    def _column(self, table: str, row: int) -> str:
        """Pointer to a row of a table with one column for each edge of the tile."""
        return self.code.offset(table, row * self.tile.bytes)

    # -- a tile of edges ---------------------------------------------------------------------

    def _copy_y(self, first: str, count: str, table: str, write: bool = False) -> None:
        """Rows of Y to columns of a table, or back."""
        code, one = self.code, self._vector(1)

        def copy(t: str) -> None:
            row = self._row("y", self._edge(code.integer("add", first, t)))
            column = code.element(table, t)
            for b in range(self.work.plan.y.dim):
                source, target = self._number(row, b), self._column(column, b)
                if write:
                    source, target = target, source
                code.store(one, code.load(one, source), target)

        code.loop(0, count, 1, copy)

    def _write_forms(self, group: Group) -> None:
        """The numbers M of a group, for all edges of the tile at once."""
        code, v = self.code, self.tile
        used = sorted({b for form in group.forms for b, _ in form})
        y = {b: code.load(v, self._column(self.y_table, b)) for b in used}
        for k, form in enumerate(group.forms):
            total: str | None = None
            for b, coefficient in form:
                total = code.fma(v, code.constant(v, coefficient), y[b], total)
            assert total is not None, "a form has at least one term"
            code.store(v, total, self._column(self.m_table, k))

    def _sweeps(self, group: Group, first: str, count: str) -> None:
        """One sweep over the edges of the tile for each vector of channels."""
        code = self.code
        for start, width, vectors in runs(self.work.plan.x[group.block].mul, self.lanes):
            v = self._vector(width)

            def sweep(shift: str, v: Vector = v) -> None:
                self._sweep(group, v, shift, first, count)

            if vectors == 1:
                sweep(str(start * self.size))
            else:
                code.loop(start * self.size, (start + vectors * width) * self.size, v.bytes, sweep)

    def _sweep(self, group: Group, v: Vector, shift: str, first: str, count: str) -> None:
        """All edges of the tile and one vector of channels."""
        raise NotImplementedError

    def _next(self, position: str) -> str:
        """The row of weights that the next tile will read in the place of this one."""
        last = self.code.integer("sub", self.numbers["edges"], 1)
        ahead = self.code.smaller(self.code.integer("add", position, self.lanes), last)
        return self._row("w", self._edge(ahead))

    def _prefetch(self, group: Group, row: str) -> None:
        """Ask for the weights of a group: they come from far away, and only once."""
        for path in group.paths:
            self.code.prefetch(self._number(row, self.work.w_start(path)))

    def _meet(self, group: Group, v: Vector, t: str, rows: Mapping[str, str]) -> "_Operands":
        """What an edge of the tile brings to a sweep."""
        return _Operands(self, group, v, t, rows)


class _Operands:
    """Vectors of one edge, each loaded once, where it is first needed."""

    def __init__(
        self, kernel: Kernel, group: Group, v: Vector, t: str, rows: Mapping[str, str]
    ) -> None:
        self.kernel, self.group, self.v, self.rows = kernel, group, v, rows
        self.column = kernel.code.element(kernel.m_table, t)
        self.index = {form: k for k, form in enumerate(group.forms)}
        self.found: dict[tuple[str, int], str] = {}

    def x(self, a: int) -> str:
        """Component a of the sender's features."""
        return self._once("x", self.kernel.work.x_start(self.group.block, a))

    def w(self, path: int) -> str:
        """The weights of a path."""
        return self._once("w", self.kernel.work.w_start(path))

    def z(self, unit: Unit) -> str:
        """A component of the receiver's features."""
        return self._once("z", self.kernel.work.z_start(unit))

    def m(self, form: Form) -> str:
        """The number of a form, in all lanes."""
        place = self.kernel._column(self.column, self.index[form])
        return self.kernel.code.broadcast(self.v, place)

    def reached(self, unit: Unit) -> str:
        """Σ_a M[a] x[a] of a unit."""
        total: str | None = None
        for a, form in unit.forms:
            total = self.kernel.code.fma(self.v, self.x(a), self.m(form), total)
        assert total is not None, "a unit has at least one form"
        return total

    def _once(self, name: str, start: int) -> str:
        if (name, start) not in self.found:
            place = self.kernel._number(self.rows[name], start)
            self.found[name, start] = self.kernel.code.load(self.v, place)
        return self.found[name, start]


class _NodeKernel(Kernel):
    """Sums over the edges of a node."""

    def _run(self, first: str, stop: str) -> None:
        self.code.loop(first, stop, 1, self._node)

    def _node(self, node: str) -> None:
        code = self.code
        self.target = self._row(self.slot, node)
        self._clear()
        here = code.element(self.pointers["pointer"], node, 8)
        first, stop = code.load_integer(here), code.load_integer(code.offset(here, 8))

        def tile(position: str) -> None:
            count = code.smaller(code.integer("sub", stop, position), self.lanes)
            self._copy_y(position, count, self.y_table)
            for group in self.groups:
                self._write_forms(group)
                self._sweeps(group, position, count)

        code.loop(first, stop, self.lanes, tile)

    def _clear(self) -> None:
        """Zero the row of the result."""
        for start, width, count in runs(self.work.widths[self.slot], self.lanes):
            v, size = self._vector(width), self.size

            def clear(shift: str, v: Vector = v) -> None:
                self.code.store(v, "zeroinitializer", self.code.offset(self.target, shift))

            self.code.loop(start * size, (start + count * width) * size, v.bytes, clear)

    def _sweep(self, group: Group, v: Vector, shift: str, first: str, count: str) -> None:
        code = self.code
        row = code.offset(self.target, shift)
        places = [self._number(row, start) for start in self._targets(group)]

        def edge(t: str, *sums: str) -> Sequence[str]:
            position = code.integer("add", first, t)
            rows = self._rows(self._edge(position), shift)
            self._prefetch(group, code.offset(self._next(position), shift))
            return self._add(group, v, self._meet(group, v, t, rows), sums)

        # each tile is summed by itself, which keeps the rounding of long sums small
        zeros = [(v, "zeroinitializer")] * len(places)
        for place, total in zip(places, code.loop(0, count, 1, edge, zeros), strict=True):
            code.store(v, code.add(v, code.load(v, place), total), place)

    @abstractmethod
    def _targets(self, group: Group) -> list[int]:
        """Where in the row of the result the sums of a group begin."""

    @abstractmethod
    def _add(self, group: Group, v: Vector, edge: _Operands, sums: Sequence[str]) -> Sequence[str]:
        """The sums after one more edge."""


class ForwardKernel(_NodeKernel):
    """Slot z: the sum of the messages to each receiver."""

    slot = "z"

    def _groups(self, sums: int) -> tuple[Group, ...]:
        return self.work.groups(lambda unit: 1, sums)

    def _targets(self, group: Group) -> list[int]:
        return [self.work.z_start(unit) for unit in group.units]

    def _add(self, group: Group, v: Vector, edge: _Operands, sums: Sequence[str]) -> Sequence[str]:
        pairs = zip(group.units, sums, strict=True)
        return [
            self.code.fma(v, edge.reached(unit), edge.w(unit.path), total) for unit, total in pairs
        ]


class SenderKernel(_NodeKernel):
    """Slot x: the derivative by the features of each sender, over edges in the order of senders."""

    slot = "x"

    def _groups(self, sums: int) -> tuple[Group, ...]:
        return self.work.groups(lambda unit: 0, 0)

    def _edge(self, position: str) -> str:
        return self.code.load_integer(self.code.element(self.pointers["order"], position, 8))

    def _targets(self, group: Group) -> list[int]:
        components = range(self.work.plan.x[group.block].ir.dim)
        return [self.work.x_start(group.block, a) for a in components]

    def _add(self, group: Group, v: Vector, edge: _Operands, sums: Sequence[str]) -> Sequence[str]:
        code, totals = self.code, list(sums)
        for path, units in group.paths.items():
            terms: dict[int, str] = {}
            for unit in units:
                for a, form in unit.forms:
                    terms[a] = code.fma(v, edge.z(unit), edge.m(form), terms.get(a))
            for a, term in terms.items():
                totals[a] = code.fma(v, term, edge.w(path), totals[a])
        return totals


class _EdgeKernel(Kernel):
    """Results on edges, a tile at a time."""

    def _run(self, first: str, stop: str) -> None:
        code = self.code
        end = code.smaller(code.integer("mul", stop, self.lanes), self.numbers["edges"])

        def tile(position: str) -> None:
            count = code.smaller(code.integer("sub", end, position), self.lanes)
            self._tile(position, count)

        code.loop(code.integer("mul", first, self.lanes), end, self.lanes, tile)

    @abstractmethod
    def _tile(self, first: str, count: str) -> None:
        """Compute the results of a tile."""


class WeightKernel(_EdgeKernel):
    """Slot w: the derivative by the weights of each edge."""

    slot = "w"

    def _groups(self, sums: int) -> tuple[Group, ...]:
        return self.work.groups(lambda unit: 0, 0)

    def _tile(self, first: str, count: str) -> None:
        self._copy_y(first, count, self.y_table)
        for group in self.groups:
            self._write_forms(group)
            self._sweeps(group, first, count)

    def _sweep(self, group: Group, v: Vector, shift: str, first: str, count: str) -> None:
        code = self.code

        def edge(t: str) -> None:
            position = code.integer("add", first, t)
            rows = self._rows(position, shift)
            self._prefetch(group, code.offset(self._next(position), shift))
            operands = self._meet(group, v, t, rows)
            for path, units in group.paths.items():
                total: str | None = None
                for unit in units:
                    total = code.fma(v, operands.z(unit), operands.reached(unit), total)
                assert total is not None, "a path has at least one unit"
                code.store(v, total, self._number(rows["w"], self.work.w_start(path)))

        code.loop(0, count, 1, edge)


class HarmonicKernel(_EdgeKernel):
    """Slot y: the derivative by the harmonics of each edge.

    For each form the sum over channels of w x z comes first, and the coefficients at the end, for a
    whole tile at once.
    """

    slot = "y"

    def _groups(self, sums: int) -> tuple[Group, ...]:
        return self.work.groups(lambda unit: len(unit.forms), sums)

    def _tile(self, first: str, count: str) -> None:
        code, v = self.code, self.tile
        for b in range(self.work.plan.y.dim):
            code.store(v, "zeroinitializer", self._column(self.y_table, b))
        for group in self.groups:
            code.loop(0, count, 1, lambda t, g=group: self._sum(g, first, t))
            self._collect(group)
        self._copy_y(first, count, self.y_table, write=True)

    def _sum(self, group: Group, first: str, t: str) -> None:
        """Σ_u w x z of each form, for one edge, to the table of forms."""
        code = self.code
        position = code.integer("add", first, t)
        rows, following = self._rows(position, 0), self._next(position)
        column = code.element(self.m_table, t)
        for n, (start, width, count) in enumerate(
            runs(self.work.plan.x[group.block].mul, self.lanes)
        ):
            v = self._vector(width)

            def add(shift: str, *sums: str, v: Vector = v) -> Sequence[str]:
                moved = {name: code.offset(row, shift) for name, row in rows.items()}
                self._prefetch(group, code.offset(following, shift))
                return self._products(group, v, self._meet(group, v, t, moved), sums)

            begin, end = start * self.size, (start + count * width) * self.size
            zeros = [(v, "zeroinitializer")] * len(group.forms)
            sums = add(str(begin)) if count == 1 else code.loop(begin, end, v.bytes, add, zeros)
            places = [self._column(column, k) for k in range(len(group.forms))]
            code.sum_lanes(v, list(sums), places, accumulate=n > 0)

    def _products(
        self, group: Group, v: Vector, edge: _Operands, sums: Sequence[str]
    ) -> Sequence[str]:
        """The sums after one more vector of channels; without sums, the first ones."""
        totals = dict(zip(group.forms, sums, strict=True)) if sums else {}
        for unit in group.units:
            weighted = self.code.multiply(v, edge.w(unit.path), edge.z(unit))
            for a, form in unit.forms:
                totals[form] = self.code.fma(v, edge.x(a), weighted, totals.get(form))
        return [totals[form] for form in group.forms]

    def _collect(self, group: Group) -> None:
        """Add the forms of a group to the components of Y they contain."""
        code, v = self.code, self.tile
        totals: dict[int, str] = {}
        for k, form in enumerate(group.forms):
            value = code.load(v, self._column(self.m_table, k))
            for b, coefficient in form:
                before = totals.get(b) or code.load(v, self._column(self.y_table, b))
                totals[b] = code.fma(v, code.constant(v, coefficient), value, before)
        for b, total in totals.items():
            code.store(v, total, self._column(self.y_table, b))


KERNELS: dict[str, type[Kernel]] = {
    kernel.slot: kernel for kernel in (ForwardKernel, SenderKernel, HarmonicKernel, WeightKernel)
}
