"""Kernels that compute each row of their results from the same row of their operands.

A tile of rows, as many as a vector has numbers, is taken at a time: its columns become vectors, the
arithmetic is straight-line code on them, and columns of results become rows again. Both ways the
numbers are only moved within registers and in whole runs to and from memory.
"""

from collections.abc import Sequence

from euclidium.ops.assembly import Assembly, Vector
from euclidium.ops.channelwise import runs
from euclidium.ops.expression import Number, Writer

# Rows of so few numbers are taken apart directly: a permutation for each pair of vectors.
NARROW = (3, 5)


def rows_kernel(
    widths: Sequence[int], results: Sequence[Sequence[Number]], scalar: str, lanes: int
) -> str:
    """The code that computes rows of results from rows of inputs; its function is ``kernel``.

    ``widths`` are those of the inputs. The arguments after the counter: tiles, grain, the number of
    rows, which is at least ``lanes``, then the addresses of the inputs and of the results. The last
    tile holds the last ``lanes`` rows, some of which another tile may compute as well.

    >>> from euclidium.ops.expression import Graph
    >>> x, y = Graph().inputs(0, 2)
    >>> "fmul <4 x float>" in rows_kernel([2], [[x * y]], "float", 4)
    True
    """
    code = Assembly("kernel", scalar)
    tiles, grain, n_rows = (code.integer_argument(n) for n in (1, 2, 3))
    inputs = [code.argument(4 + n) for n in range(len(widths))]
    targets = [code.argument(4 + len(widths) + n) for n in range(len(results))]
    last = code.integer("sub", n_rows, lanes)
    numbers = [number for result in results for number in result]

    def tile(index: str) -> None:
        first = code.smaller(code.integer("mul", index, lanes), last)
        operands = [
            _Operand(code, lanes, code.element(pointer, first, width * code.size), width)
            for pointer, width in zip(inputs, widths, strict=True)
        ]
        writer = Writer(
            code, Vector(scalar, lanes), numbers, lambda block, column: operands[block](column)
        )
        for pointer, result in zip(targets, results, strict=True):
            place = code.element(pointer, first, len(result) * code.size)
            _write(code, lanes, place, result, writer)

    def run(first: str, stop: str) -> None:
        code.loop(first, stop, 1, tile)

    code.parallel("%arguments", tiles, grain, run)
    return code.text()


class _Operand:
    """The columns of a tile of rows, read in runs when one of a run is first asked for."""

    def __init__(self, code: Assembly, lanes: int, place: str, width: int) -> None:
        self.code, self.place, self.width = code, place, width
        self.v = Vector(code.scalar, lanes)
        self.found: dict[int, str] = {}

    def __call__(self, column: int) -> str:
        if column not in self.found:
            if self.width in NARROW:
                columns = _take_apart(self.code, self.v, self.place, self.width)
                self.found.update(enumerate(columns))
            for start, width in _runs(self.width, self.v.width):
                if start <= column < start + width:
                    self.found.update(enumerate(self._read(start, width), start))
        return self.found[column]

    def _read(self, start: int, width: int) -> list[str]:
        """A run of columns."""
        code, v, size = self.code, self.v, self.code.size
        piece = Vector(code.scalar, width)
        pieces = [
            code.load(piece, code.offset(self.place, (row * self.width + start) * size))
            for row in range(v.width)
        ]
        while piece.width < v.width:
            both = range(2 * piece.width)
            pieces = [
                code.shuffle(piece, a, b, both)
                for a, b in zip(pieces[::2], pieces[1::2], strict=True)
            ]
            piece = Vector(code.scalar, 2 * piece.width)
        evens, odds = range(0, 2 * v.width, 2), range(1, 2 * v.width, 2)
        for _ in range(width.bit_length() - 1):
            pairs = list(zip(pieces[::2], pieces[1::2], strict=True))
            pieces = [code.shuffle(v, a, b, lanes) for lanes in (evens, odds) for a, b in pairs]
        return pieces


def _write(
    code: Assembly, lanes: int, place: str, result: Sequence[Number], writer: Writer
) -> None:
    """Compute the columns of a tile and store them as rows."""
    v, size, total = Vector(code.scalar, lanes), code.size, len(result)
    if total in NARROW:
        together = _put_together(code, v, [writer.write(number) for number in result])
        for n, value in enumerate(together):
            code.store(v, value, code.offset(place, n * v.bytes))
        return
    for start, width in _runs(total, lanes):
        columns = [writer.write(number) for number in result[start : start + width]]
        piece = Vector(code.scalar, width)
        for row, value in enumerate(_transposed(code, v, columns)):
            code.store(piece, value, code.offset(place, (row * total + start) * size))


def _transposed(code: Assembly, v: Vector, columns: Sequence[str]) -> list[str]:
    """Rows of as many numbers as there are columns, a power of two."""
    width, half = len(columns), len(columns) // 2
    low = [lane for n in range(v.width // 2) for lane in (n, v.width + n)]
    high = [lane + v.width // 2 for lane in low]
    values = list(columns)
    for _ in range(width.bit_length() - 1):
        values = [
            code.shuffle(v, values[n], values[half + n], lanes)
            for n in range(half)
            for lanes in (low, high)
        ]
    if width == v.width:
        return values
    return [
        code.shuffle(v, value, "poison", range(start, start + width))
        for value in values
        for start in range(0, v.width, width)
    ]


def _take_apart(code: Assembly, v: Vector, place: str, width: int) -> list[str]:
    """The columns of a tile that is read as one run of numbers."""
    parts = [code.load(v, code.offset(place, n * v.bytes)) for n in range(width)]
    where = [divmod(n, v.width) for n in range(width * v.width)]
    return [_gathered(code, v, parts, where[column::width]) for column in range(width)]


def _put_together(code: Assembly, v: Vector, columns: Sequence[str]) -> list[str]:
    """A tile as one run of numbers."""
    width = len(columns)
    where = [(n % width, n // width) for n in range(width * v.width)]
    starts = range(0, len(where), v.width)
    return [_gathered(code, v, columns, where[start : start + v.width]) for start in starts]


def _gathered(
    code: Assembly, v: Vector, parts: Sequence[str], wanted: Sequence[tuple[int, int]]
) -> str:
    """A vector of chosen numbers, each given by its part and its lane there."""
    first, second, *others = parts
    lanes = [v.width * part + lane if part < 2 else 0 for part, lane in wanted]
    value = code.shuffle(v, first, second, lanes)
    for n, further in enumerate(others, 2):
        lanes = [
            v.width + lane if part == n else place for place, (part, lane) in enumerate(wanted)
        ]
        value = code.shuffle(v, value, further, lanes)
    return value


def _runs(total: int, lanes: int) -> list[tuple[int, int]]:
    """First column and width of each run of a row."""
    return [
        (start + n * width, width)
        for start, width, count in runs(total, lanes)
        for n in range(count)
    ]
