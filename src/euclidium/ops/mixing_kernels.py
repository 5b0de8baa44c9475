"""The kernels that mix the channels of each irrep, as code.

They are the slots of F = Σ_n Σ_irreps Σ_m y[m, w] W[u, w] x[m, u]. The slots x and y are one
kernel, with the matrices the one way round or the other: a few nodes at a time, whose components
are the rows of a matrix product with its sums in registers. The slot W goes through the nodes a
stretch at a time and adds up blocks of the matrices. The nodes of one species follow each other,
in an order that is given.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from euclidium.o3.irreps import Irrep, Irreps
from euclidium.ops.assembly import Assembly, Vector
from euclidium.ops.channelwise import runs

# Nodes that are taken together, rows of x that are, and columns of y in vectors.
TILE = 8
ROWS = 12
COLUMNS = 2

# Rows and columns of a matrix whose sums over nodes are formed together, the columns in vectors.
BLOCK = (8, 2)

# Bytes of x and y that are used several times while they are near.
NEAR = 24_000


@dataclass(frozen=True)
class Piece:
    """A block of one irrep: where it stands, its channels, and how many came before it."""

    start: int
    channels: int
    before: int


@dataclass(frozen=True)
class Sector:
    """All blocks of one irrep, before and after the mixing by one matrix."""

    components: int
    sources: tuple[Piece, ...]
    targets: tuple[Piece, ...]
    scale: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrix."""
        return _channels(self.sources), _channels(self.targets)


@dataclass(frozen=True)
class Mixing:
    """Which channels meet: one sector for each irrep that is on both sides.

    ``backwards`` is the transposed map of the one from target to source, with its scale.

    >>> mixing = Mixing(Irreps("4x0e+2x1o"), Irreps("1x1o+3x1o+1x2e"))
    >>> mixing.sectors[0].shape, mixing.transposed.sectors[0].shape
    ((2, 4), (4, 2))
    """

    source: Irreps
    target: Irreps
    backwards: bool = False

    @cached_property
    def sectors(self) -> tuple[Sector, ...]:
        """The sectors, in the order in which the result of the forward map first has them."""
        found = []
        for ir in dict.fromkeys(
            block.ir for block in (self.source, self.target)[not self.backwards]
        ):
            sources, targets = (_pieces(irreps, ir) for irreps in (self.source, self.target))
            if sources and targets:
                fan_in = _channels(targets if self.backwards else sources)
                found.append(Sector(ir.dim, sources, targets, fan_in**-0.5))
        return tuple(found)

    @cached_property
    def unreached(self) -> tuple[tuple[int, int], ...]:
        """Start and width of the blocks of the result that the source lacks."""
        pairs = zip(self.target, self.target.slices(), strict=True)
        return tuple(
            (where.start, block.dim)
            for block, where in pairs
            if block.mul and not self.source.count(block.ir)
        )

    @cached_property
    def transposed(self) -> "Mixing":
        """The way back."""
        return Mixing(self.target, self.source, not self.backwards)

    @cached_property
    def operations(self) -> int:
        """Floating-point operations of one node."""
        return sum(2 * s.components * s.shape[0] * s.shape[1] for s in self.sectors)


def _pieces(irreps: Irreps, ir: Irrep) -> tuple[Piece, ...]:
    """The blocks of an irrep, without the empty ones."""
    found: list[Piece] = []
    for block, where in zip(irreps, irreps.slices(), strict=True):
        if block.ir == ir and block.mul:
            found.append(Piece(where.start, block.mul, _channels(found)))
    return tuple(found)


def _channels(pieces: Sequence[Piece]) -> int:
    return sum(piece.channels for piece in pieces)


def mixing_kernel(
    mixing: Mixing, kind: str, grouped: bool, scalar: str, lanes: int, registers: int
) -> str:
    """The code of ``rows`` (y from x and W), ``matrices`` (W from x and y) or ``turned`` (W^T).

    ``grouped`` says that there are several matrices for each irrep and an order of the nodes; else
    there is one, and the nodes stand in their own order. The arguments after the counter: grain,
    the number of nodes, the number of groups, then the addresses of counters (see ``sections``), of
    the pointer to the nodes of each group and of their order, which ``grouping_kernel`` fills, of
    x, of y, of all matrices, and for ``turned`` of all turned matrices. Without groups the three
    addresses before x are not used, and zeros after the last address are the counters.

    >>> mixing = Mixing(Irreps("4x0e"), Irreps("2x0e"))
    >>> "fma" in mixing_kernel(mixing, "rows", False, "float", 4, 16)
    True
    """
    return KINDS[kind](mixing, grouped, scalar, lanes, registers).text()


def sections(mixing: Mixing, kind: str) -> int:
    """Counters that a kernel needs for each group.

    >>> sections(Mixing(Irreps("4x0e+1x0e"), Irreps("2x0e")), "matrices")
    2
    """
    return sum(len(s.sources) for s in mixing.sectors) if kind == "matrices" else 1


class _Kernel:
    """What the three have in common: groups of nodes, and the sections of work on each of them."""

    per_sector = 1  # addresses

    def __init__(
        self, mixing: Mixing, grouped: bool, scalar: str, lanes: int, registers: int
    ) -> None:
        self.mixing, self.grouped, self.lanes = mixing, grouped, lanes
        self.wide = registers >= 32
        self.code = code = Assembly("kernel", scalar)
        self.size = code.size
        self.grain, self.nodes, self.groups = (code.integer_argument(n) for n in (1, 2, 3))
        self.pointer, self.order = code.argument(5), code.argument(6)
        self.x, self.y = code.argument(7), code.argument(8)
        addresses = [code.argument(9 + n) for n in range(self.per_sector * len(mixing.sectors))]
        self.matrices = addresses[: len(mixing.sectors)]
        self.turned = addresses[len(mixing.sectors) :]
        here = code.offset("%arguments", 8 * (9 + len(addresses)))
        self.counters = code.argument(4) if grouped else here

    def text(self) -> str:
        """The module."""
        code = self.code
        if self.grouped:
            code.loop(0, self.groups, 1, self._group)
        else:
            self._sections("0", "0", self.nodes)
        return code.text()

    def _group(self, group: str) -> None:
        place = self.code.element(self.pointer, group, 8)
        first = self.code.load_integer(place)
        self._sections(group, first, self.code.load_integer(self.code.offset(place, 8)))

    def _sections(self, group: str, first: str, stop: str) -> None:
        """All work on the nodes of a group."""
        raise NotImplementedError

    def _counter(self, group: str, section: int, sections: int) -> str:
        """The counter of a section."""
        index = self.code.integer("add", self.code.integer("mul", group, sections), section)
        return self.code.element(self.counters, index, 8)

    def _matrix(self, number: int, group: str) -> str:
        """Pointer to the matrix of a sector and a group."""
        rows, columns = self.mixing.sectors[number].shape
        return self.code.element(self.matrices[number], group, rows * columns * self.size)

    def _node(self, position: str) -> str:
        """The node at a position of the order."""
        if not self.grouped:
            return position
        return self.code.load_integer(self.code.element(self.order, position, 8))

    def _row(self, name: str, node: str) -> str:
        """Pointer to the row of a node."""
        pointer, width = {
            "x": (self.x, self.mixing.source.dim),
            "y": (self.y, self.mixing.target.dim),
        }[name]
        return self.code.element(pointer, node, width * self.size)

    def _vector(self, width: int) -> Vector:
        return Vector(self.code.scalar, width)

    def _panels(self, channels: int, vectors: int) -> list[tuple[int, int, int, int]]:
        """First channel, width of a vector, vectors of a panel and number of panels."""
        found = []
        for start, width, count in runs(channels, self.lanes):
            whole = count // vectors
            if whole:
                found.append((start, width, vectors, whole))
            if count % vectors:
                found.append((start + whole * vectors * width, width, count % vectors, 1))
        return found

    def _each(self, start: int, step: int, count: int, body: Callable[[str], None]) -> None:
        """Run for ``count`` shifts in bytes, in a loop where there are several."""
        if count == 1:
            body(str(start * self.size))
        else:
            self.code.loop(
                start * self.size, (start + step * count) * self.size, step * self.size, body
            )


class _Rows(_Kernel):
    """y[m, w] = scale · Σ_u x[m, u] W[u, w]."""

    def _sections(self, group: str, first: str, stop: str) -> None:
        code = self.code
        self.current = [self._matrix(n, group) for n in range(len(self.matrices))]
        count = code.integer("sub", stop, first)
        tiles = code.integer("sdiv", code.integer("add", count, TILE - 1), TILE)

        def run(begin: str, end: str) -> None:
            start = code.integer("add", first, code.integer("mul", begin, TILE))
            finish = code.smaller(code.integer("add", first, code.integer("mul", end, TILE)), stop)
            whole = code.integer(
                "mul", code.integer("sdiv", code.integer("sub", finish, start), TILE), TILE
            )
            middle = code.integer("add", start, whole)
            code.loop(start, middle, TILE, lambda position: self._tile(position, TILE))
            code.loop(middle, finish, 1, lambda position: self._tile(position, 1))

        code.parallel(self._counter(group, 0, 1), tiles, self.grain, run)

    def _tile(self, position: str, count: int) -> None:
        """Some nodes that follow each other."""
        self._clear(position, count)
        for number, sector in enumerate(self.mixing.sectors):
            together = 1
            while 2 * together <= count and 2 * together * sector.components <= ROWS:
                together *= 2
            if not self.wide:
                together = max(1, together // 2)

            def some(t: str, number: int = number, together: int = together) -> None:
                begin = self.code.integer("add", position, t)
                nodes = [self._node(self.code.integer("add", begin, k)) for k in range(together)]
                self._nodes(number, nodes)

            if together == count:
                some("0")
            else:
                self.code.loop(0, count, together, some)

    def _clear(self, position: str, count: int) -> None:
        """Zero what the source lacks."""
        code = self.code
        if not self.mixing.unreached:
            return

        def clear(t: str) -> None:
            row = self._row("y", self._node(code.integer("add", position, t)))
            for start, total in self.mixing.unreached:
                for further, width, many in runs(total, self.lanes):
                    v = self._vector(width)

                    def put(shift: str, v: Vector = v) -> None:
                        code.store(v, "zeroinitializer", code.offset(row, shift))

                    self._each(start + further, width, many, put)

        code.loop(0, count, 1, clear)

    def _nodes(self, number: int, nodes: Sequence[str]) -> None:
        """One sector of some nodes."""
        code, sector = self.code, self.mixing.sectors[number]
        xs, ys = ([self._row(name, node) for node in nodes] for name in "xy")
        vectors = COLUMNS if self.wide or sector.components * len(nodes) < 6 else 1
        if sector.components * len(nodes) * vectors > (24 if self.wide else 12):
            vectors = 1
        for target in sector.targets:
            for start, width, many, panels in self._panels(target.channels, vectors):

                def panel(
                    shift: str, width: int = width, many: int = many, t: Piece = target
                ) -> None:
                    column = code.offset(
                        code.offset(self.current[number], t.before * self.size), shift
                    )
                    sums = self._sums(sector, xs, column, self._vector(width), many)
                    self._store(sector, ys, t, shift, self._vector(width), sums)

                self._each(start, width * many, panels, panel)

    def _sums(
        self, sector: Sector, rows: Sequence[str], column: str, v: Vector, many: int
    ) -> list[str]:
        """The products of all rows and some columns: row by row, vectors of one row together."""
        code, size, columns = self.code, self.size, sector.shape[1]
        sums = ["zeroinitializer"] * (len(rows) * sector.components * many)
        for source in sector.sources:
            first = code.offset(column, source.before * columns * size)

            def add(u: str, *before: str, source: Piece = source, first: str = first) -> list[str]:
                weights = code.element(first, u, columns * size)
                loaded = [code.load(v, code.offset(weights, k * v.bytes)) for k in range(many)]
                after, totals = [], iter(before)
                for row in rows:
                    here = code.element(row, u)
                    for m in range(sector.components):
                        shift = (source.start + m * source.channels) * size
                        value = code.broadcast(v, code.offset(here, shift))
                        after += [code.fma(v, value, w, next(totals)) for w in loaded]
                return after

            sums = code.loop(0, source.channels, 1, add, [(v, total) for total in sums])
        return sums

    def _store(
        self, sector: Sector, rows: Sequence[str], target: Piece, shift: str, v: Vector, sums
    ) -> None:
        """The scaled sums to the rows of the result."""
        code = self.code
        scale = code.constant(v, sector.scale)
        totals, many = iter(sums), len(sums) // (len(rows) * sector.components)
        for row in rows:
            here = code.offset(row, shift)
            for m in range(sector.components):
                for k in range(many):
                    start = (target.start + m * target.channels) * self.size + k * v.bytes
                    code.store(v, code.multiply(v, next(totals), scale), code.offset(here, start))


class _Matrices(_Kernel):
    """W[u, w] = scale · Σ_nodes Σ_m x[m, u] y[m, w], for the nodes of each group."""

    def _sections(self, group: str, first: str, stop: str) -> None:
        sections = [
            (number, source)
            for number, sector in enumerate(self.mixing.sectors)
            for source in sector.sources
        ]
        for k, (number, source) in enumerate(sections):
            matrix = self._matrix(number, group)

            def run(
                begin: str, end: str, number: int = number, source: Piece = source, m: str = matrix
            ) -> None:
                self._stretches(number, source, m, begin, end, first, stop)

            total = str(source.channels)
            self.code.parallel(self._counter(group, k, len(sections)), total, self.grain, run)

    def _stretches(
        self, number: int, source: Piece, matrix: str, begin: str, end: str, first: str, stop: str
    ) -> None:
        """Some rows of a matrix, a stretch of nodes after the other."""
        code, sector = self.code, self.mixing.sectors[number]
        together = sector.components * sum(sector.shape) * self.size
        length = max(16, NEAR // together)

        def stretch(position: str) -> None:
            finish = code.smaller(code.integer("add", position, length), stop)
            height = BLOCK[0] if self.wide else BLOCK[0] // 2
            whole = code.integer(
                "sub", end, code.integer("srem", code.integer("sub", end, begin), height)
            )
            for step, low, high in ((height, begin, whole), (1, whole, end)):

                def some(u: str, step: int = step) -> None:
                    self._blocks(sector, source, matrix, u, step, position, finish)

                code.loop(low, high, step, some)

        code.loop(first, stop, length, stretch)

    def _blocks(
        self, sector: Sector, source: Piece, matrix: str, u: str, height: int, first: str, stop: str
    ) -> None:
        """Some rows of a matrix and all columns, for a stretch of nodes."""
        code, size, columns = self.code, self.size, sector.shape[1]
        row = code.offset(code.element(matrix, u, columns * size), source.before * columns * size)
        for target in sector.targets:
            for start, width, many, panels in self._panels(target.channels, BLOCK[1]):
                v = self._vector(width)

                def panel(shift: str, v: Vector = v, many: int = many, t: Piece = target) -> None:
                    zeros = [(v, "zeroinitializer")] * (height * many)

                    def add(position: str, *sums: str) -> list[str]:
                        node = self._node(position)
                        x = code.element(self._row("x", node), u)
                        y = code.offset(self._row("y", node), shift)
                        return self._products(sector, source, t, x, y, v, height, sums)

                    sums = iter(code.loop(first, stop, 1, add, zeros))
                    block = code.offset(code.offset(row, t.before * size), shift)
                    scale = code.constant(v, sector.scale)
                    for i in range(height):
                        for k in range(many):
                            place = code.offset(block, i * columns * size + k * v.bytes)
                            total = code.fma(v, next(sums), scale, code.load(v, place))
                            code.store(v, total, place)

                self._each(start, width * many, panels, panel)

    def _products(
        self,
        sector: Sector,
        source: Piece,
        target: Piece,
        x: str,
        y: str,
        v: Vector,
        height: int,
        sums: Sequence[str],
    ) -> list[str]:
        """The sums after one more node."""
        code, size, totals = self.code, self.size, list(sums)
        many = len(sums) // height
        for m in range(sector.components):
            here = code.offset(y, (target.start + m * target.channels) * size)
            loaded = [code.load(v, code.offset(here, k * v.bytes)) for k in range(many)]
            there = code.offset(x, (source.start + m * source.channels) * size)
            for i in range(height):
                value = code.broadcast(v, code.offset(there, i * size))
                for k in range(many):
                    n = i * many + k
                    totals[n] = code.fma(v, value, loaded[k], totals[n])
        return totals


class _Turned(_Kernel):
    """The transposed matrices of all groups that have nodes."""

    per_sector = 2

    def _sections(self, group: str, first: str, stop: str) -> None:
        code = self.code
        there = code.smaller(code.integer("sub", stop, first), 1)

        def turn(_: str) -> None:
            for n, sector in enumerate(self.mixing.sectors):
                rows, columns = sector.shape
                source = self._matrix(n, group)
                shift = code.integer("mul", group, rows * columns * self.size)
                target = code.offset(self.turned[n], shift)
                self._turn(source, target, rows, columns)

        def run(begin: str, end: str) -> None:
            code.loop(begin, end, 1, turn)

        code.parallel(self._counter(group, 0, 1), there, "1", run)

    def _turn(self, source: str, target: str, rows: int, columns: int) -> None:
        """One matrix: square blocks in registers, then the rest number by number."""
        code, size, n = self.code, self.size, min(self.lanes, 8)
        v = self._vector(n)

        def block(i: str, j: str) -> None:
            here = code.element(code.element(source, i, columns * size), j)
            there = code.element(code.element(target, j, rows * size), i)
            loaded = [code.load(v, code.offset(here, k * columns * size)) for k in range(n)]
            for k, value in enumerate(_transposed(code, v, loaded)):
                code.store(v, value, code.offset(there, k * rows * size))

        def single(i: str, j: str) -> None:
            one = self._vector(1)
            here = code.element(code.element(source, i, columns * size), j)
            there = code.element(code.element(target, j, rows * size), i)
            code.store(one, code.load(one, here), there)

        whole = rows - rows % n, columns - columns % n
        for i0, i1, j0, j1, step, move in (
            (0, whole[0], 0, whole[1], n, block),
            (0, whole[0], whole[1], columns, 1, single),
            (whole[0], rows, 0, columns, 1, single),
        ):
            if i0 < i1 and j0 < j1:

                def line(i: str, j0: int = j0, j1: int = j1, step: int = step, move=move) -> None:
                    code.loop(j0, j1, step, lambda j: move(i, j))

                code.loop(i0, i1, step, line)


def _transposed(code: Assembly, v: Vector, rows: Sequence[str]) -> list[str]:
    """As many vectors as each has numbers, turned."""
    half, values = v.width // 2, list(rows)
    low = [lane for n in range(half) for lane in (n, v.width + n)]
    high = [lane + half for lane in low]
    for _ in range(v.width.bit_length() - 1):
        values = [
            code.shuffle(v, values[n], values[half + n], lanes)
            for n in range(half)
            for lanes in (low, high)
        ]
    return values


KINDS: dict[str, type[_Kernel]] = {"rows": _Rows, "matrices": _Matrices, "turned": _Turned}
