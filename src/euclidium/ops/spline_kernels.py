"""The kernels of Hermite splines, as code.

A run of points first finds its intervals: for each point the place of its knot in a block of the
table and the factors of the rows there. Then it goes through the table a block of columns at a
time, so that the block stays in the processor's cache while all points pass.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from euclidium.ops.assembly import BITS, Assembly, Vector

# Columns of a table that lie side by side: some vectors of every processor.
BLOCK = 64

# Points further on whose memory is asked for.
AHEAD = 16

COUNTS = ("items", "grain", "total", "columns", "knots")
NUMBERS = ("spacing", "scale")
POINTERS = ("points", "table", "rows", "places", "partial", "sums")
ARGUMENTS = ("counter", *COUNTS, *NUMBERS, *POINTERS)


def place_bytes(scalar: str, n_factors: int) -> int:
    """Memory for where one point lies: the position of its knot in a block, and its factors.

    >>> place_bytes("float", 6)
    32
    """
    return 8 + n_factors * BITS[scalar] // 8


def spline_kernel(
    kind: str, scalar: str, lanes: int, polynomials: Sequence[Sequence[float]], stride: int
) -> str:
    """The code of one kind of work on a table and some points.

    ``kind`` is ``rows`` (the result has a row of functions for each point), ``sums`` (the rows are
    weights, the result is one number for each point), ``places`` (where each point lies) or
    ``table`` (the rows are added to a table, in places that are known; the items are its blocks,
    so that every number is summed in the order of the points). ``polynomials`` are coefficients in
    t of the factors of the rows of an interval, which are one run of the table; there are
    ``stride`` rows from knot to knot. The function ``kernel`` takes 64-bit values in the order of
    ``ARGUMENTS``; the numbers are doubles.

    >>> "<4 x float>" in spline_kernel("rows", "float", 4, [[1.0, -1.0], [0.0, 1.0]], 1)
    True
    """
    kinds: dict[str, type[_Kernel]] = {
        "rows": _Rows,
        "sums": _Sums,
        "places": _Places,
        "table": _Table,
    }
    return kinds[kind](scalar, lanes, polynomials, stride).text()


class _Kernel(ABC):
    """What they have in common."""

    def __init__(
        self, scalar: str, lanes: int, polynomials: Sequence[Sequence[float]], stride: int
    ) -> None:
        self.code = code = Assembly("kernel", scalar)
        self.one, self.vector = Vector(scalar, 1), Vector(scalar, lanes)
        self.polynomials = {n: p for n, p in enumerate(polynomials) if any(p)}
        self.row_bytes = BLOCK * code.size
        # knots whose rows an interval uses
        self.span = -(-len(polynomials) // stride)
        self.knot_bytes = stride * self.row_bytes
        self.place_bytes = place_bytes(scalar, len(polynomials))
        self.counts = {n: code.integer_argument(ARGUMENTS.index(n)) for n in COUNTS}
        self.numbers = {n: self._number(ARGUMENTS.index(n)) for n in NUMBERS}
        self.pointers = {n: code.argument(ARGUMENTS.index(n)) for n in POINTERS}

    def text(self) -> str:
        """The module."""
        items, grain = self.counts["items"], self.counts["grain"]
        self.code.parallel("%arguments", items, grain, self._run)
        return self.code.text()

    def _run(self, first: str, stop: str) -> None:
        """All functions at a run of points."""
        code = self.code
        blocks = code.integer("sdiv", code.integer("add", self.counts["columns"], BLOCK - 1), BLOCK)
        code.loop(first, stop, 1, self._locate)
        code.loop(0, blocks, 1, lambda n: self._block(n, first, stop))
        code.loop(first, stop, 1, self._finish)

    def _block(self, n: str, first: str, stop: str) -> None:
        """A block of columns at a run of points."""
        code = self.code
        block_bytes = code.integer("mul", self.counts["knots"], self.knot_bytes)
        table = code.offset(self.pointers["table"], code.integer("mul", n, block_bytes))
        shift = code.integer("mul", n, self.row_bytes)
        left = code.integer("sub", self.counts["columns"], code.integer("mul", n, BLOCK))
        width = code.smaller(left, BLOCK)
        # the last block may be a part of one: one of the two loops has no points
        count = code.integer("sub", stop, first)
        is_whole = code.integer("sdiv", width, BLOCK)
        middle = code.integer("add", first, code.integer("mul", is_whole, count))
        code.loop(first, middle, 1, lambda point: self._whole(point, table, shift))
        code.loop(middle, stop, 1, lambda point: self._part(point, table, shift, width))

    # -- where a point lies ------------------------------------------------------------------

    def _number(self, n: int) -> str:
        """The n-th argument as a vector of one number."""
        code = self.code
        number = code.value(f"bitcast i64 {code.integer_argument(n)} to double")
        if code.scalar == "float":
            number = code.value(f"fptrunc double {number} to float")
        return code.everywhere(self.one, number)

    def _locate(self, point: str) -> None:
        """Keep the place of a point's knot and the factors of the rows there."""
        code, one, t = self.code, self.one, self.one.name
        last = code.integer("sub", self.counts["knots"], self.span)
        end = self._float(code.integer("add", last, 1))
        x = code.load(one, code.element(self.pointers["points"], point))
        x = code.value(f"fdiv {t} {x}, {self.numbers['spacing']}")
        # written so that what is not a number stays it, but is at the first knot
        x = self._where(f"ogt {t} {x}, {end}", end, x)
        inside = self._where(f"ogt {t} {x}, zeroinitializer", x, "zeroinitializer")
        whole = code.value(f"fptosi {t} {inside} to <1 x i64>")
        knot = code.smaller(code.value(f"extractelement <1 x i64> {whole}, i32 0"), last)
        s = code.value(f"fsub {t} {x}, {self._float(knot)}")
        place = code.element(self.pointers["places"], point, self.place_bytes)
        code.store_integer(code.integer("mul", knot, self.knot_bytes), place)
        for n, polynomial in self.polynomials.items():
            factor = code.constant(one, polynomial[-1])
            for coefficient in reversed(polynomial[:-1]):
                factor = code.fma(one, factor, s, code.constant(one, coefficient))
            factor = code.multiply(one, factor, self.numbers["scale"])
            code.store(one, factor, code.offset(place, 8 + n * code.size))
        self._begin(point)

    def _float(self, integer: str) -> str:
        scalar = self.code.scalar
        return self.code.everywhere(self.one, self.code.value(f"sitofp i64 {integer} to {scalar}"))

    def _where(self, condition: str, yes: str, no: str) -> str:
        t, true = self.one.name, self.code.value(f"fcmp {condition}")
        return self.code.value(f"select <1 x i1> {true}, {t} {yes}, {t} {no}")

    # -- some columns at a point -------------------------------------------------------------

    def _whole(self, point: str, table: str, shift: str) -> None:
        """All columns of a block."""
        code, v = self.code, self.vector
        here, factors = self._place(v, point, table)
        row = code.offset(self._row(point), shift)
        self._ahead(point, shift)
        starts = range(0, self.row_bytes, v.bytes)
        self._use(v, point, here, factors, {n: code.offset(row, n) for n in starts})

    def _part(self, point: str, table: str, shift: str, rest: str) -> None:
        """The first columns of a block: vectors, then one by one."""
        code, row = self.code, self.code.offset(self._row(point), shift)
        whole = code.integer("sub", rest, code.integer("srem", rest, self.vector.width))
        for v, first, stop in ((self.vector, "0", whole), (self.one, whole, rest)):
            here, factors = self._place(v, point, table)

            def step(
                column: str, v: Vector = v, here: str = here, f: dict[int, str] = factors
            ) -> None:
                start = code.integer("mul", column, code.size)
                self._use(v, point, here, f, {start: code.offset(row, start)})

            code.loop(first, stop, v.width, step)

    def _place(self, v: Vector, point: str, table: str) -> tuple[str, dict[int, str]]:
        """The rows of a point's interval and their factors."""
        code = self.code
        place = code.element(self.pointers["places"], point, self.place_bytes)
        here = code.offset(table, code.load_integer(place))
        places = {n: code.offset(place, 8 + n * code.size) for n in self.polynomials}
        return here, {n: code.broadcast(v, place) for n, place in places.items()}

    def _value(self, v: Vector, here: str, factors: Mapping[int, str], start: str | int) -> str:
        """Σ factor · row for a vector of columns."""
        code, column = self.code, self.code.offset(here, start)
        total: str | None = None
        for n, factor in factors.items():
            row = code.load(v, code.offset(column, n * self.row_bytes))
            total = code.fma(v, row, factor, total)
        assert total is not None, "some row counts"
        return total

    def _row(self, point: str) -> str:
        """The row of the result, or of the weights, of a point."""
        row_bytes = self.code.integer("mul", self.counts["columns"], self.code.size)
        return self.code.offset(self.pointers["rows"], self.code.integer("mul", point, row_bytes))

    # -- what differs ------------------------------------------------------------------------

    @abstractmethod
    def _begin(self, point: str) -> None:
        """Before the first column of a point."""

    @abstractmethod
    def _ahead(self, point: str, shift: str) -> None:
        """Ask for memory that points further on will need."""

    @abstractmethod
    def _use(
        self,
        v: Vector,
        point: str,
        here: str,
        factors: Mapping[int, str],
        columns: Mapping[int | str, str],
    ) -> None:
        """Work on vectors of columns, given by their start and their place in the point's row."""

    @abstractmethod
    def _finish(self, point: str) -> None:
        """After the last column of a point."""


class _Rows(_Kernel):
    """The values, written."""

    def _begin(self, point: str) -> None:
        pass

    def _ahead(self, point: str, shift: str) -> None:
        pass

    def _use(
        self,
        v: Vector,
        point: str,
        here: str,
        factors: Mapping[int, str],
        columns: Mapping[int | str, str],
    ) -> None:
        for start, place in columns.items():
            self.code.store(v, self._value(v, here, factors, start), place)

    def _finish(self, point: str) -> None:
        pass


class _Sums(_Kernel):
    """The values, multiplied by weights and added up: lane by lane, and the lanes at the end."""

    def _begin(self, point: str) -> None:
        self.code.store(self.vector, "zeroinitializer", self._partial(point))

    def _ahead(self, point: str, shift: str) -> None:
        code = self.code
        last = code.integer("sub", self.counts["total"], 1)
        row = self._row(code.smaller(code.integer("add", point, AHEAD), last))
        for start in range(0, self.row_bytes, 64):
            code.prefetch(code.offset(code.offset(row, shift), start))

    def _use(
        self,
        v: Vector,
        point: str,
        here: str,
        factors: Mapping[int, str],
        columns: Mapping[int | str, str],
    ) -> None:
        code, place = self.code, self._partial(point)
        total = code.load(v, place)
        for start, weight in columns.items():
            value = self._value(v, here, factors, start)
            total = code.fma(v, value, code.load(v, weight), total)
        code.store(v, total, place)

    def _finish(self, point: str) -> None:
        total = self.code.load(self.vector, self._partial(point))
        where = self.code.element(self.pointers["sums"], point)
        self.code.sum_lanes(self.vector, [total], [where])

    def _partial(self, point: str) -> str:
        return self.code.element(self.pointers["partial"], point, self.vector.bytes)


class _Places(_Rows):
    """Where each point lies, and nothing else."""

    def _run(self, first: str, stop: str) -> None:
        self.code.loop(first, stop, 1, self._locate)


class _Table(_Sums):
    """Rows, added to a table: the derivative by the table of a weighted sum."""

    def _run(self, first: str, stop: str) -> None:
        total = self.counts["total"]
        self.code.loop(first, stop, 1, lambda n: self._block(n, "0", total))

    def _use(
        self,
        v: Vector,
        point: str,
        here: str,
        factors: Mapping[int, str],
        columns: Mapping[int | str, str],
    ) -> None:
        code = self.code
        for start, place in columns.items():
            row, column = code.load(v, place), code.offset(here, start)
            for n, factor in factors.items():
                target = code.offset(column, n * self.row_bytes)
                code.store(v, code.fma(v, row, factor, code.load(v, target)), target)
