"""The kernel of sums of Gaussians at points, as code.

A block of points takes the centres that reach it one after the other. At a vector of points the
shells of a degree become one radial function for each component, which harmonics then multiply:
no function of the basis is ever written to memory.
"""

from collections.abc import Sequence

from euclidium.ops.assembly import Assembly, Vector
from euclidium.ops.expression import Number, Writer
from euclidium.ops.gate_kernels import Functions
from euclidium.ops.solid import harmonics_formula

# Points of a block; a multiple of the numbers in every vector.
BLOCK = 64

# Columns of the result of each degree: the value, then the gradient, then the Laplacian.
COLUMNS = (1, 4, 5)

# What the function ``kernel`` takes after the counter: numbers of blocks, then addresses.
ARGUMENTS = ("blocks", "grain", "points", "starts", "entries", "centres", "tables", "results")


def gaussian_kernel(lmax: int, order: int, lanes: int) -> str:
    """The code that adds up Gaussians to degree ``lmax`` with derivatives to ``order``.

    ``points`` are blocks of x, y, z, and ``results`` blocks of degree, column, point; ``starts``
    are where the entries of each block begin. An entry is the number of a centre and for each
    degree where in the tables its shells begin and end, in bytes; a shell is its exponent and then
    its coefficients. All numbers are doubles.

    >>> "<4 x double>" in gaussian_kernel(1, 0, 4)
    True
    """
    return _Kernel(lmax, order, lanes).text()


class _Kernel:
    """The code and where its operands are."""

    def __init__(self, lmax: int, order: int, lanes: int) -> None:
        self.lmax, self.order = lmax, order
        self.code = Assembly("kernel", "double")
        self.v, self.one = Vector("double", lanes), Vector("double", 1)
        self.functions = Functions(self.code, self.v)
        self.counts = {n: self.code.integer_argument(ARGUMENTS.index(n) + 1) for n in ARGUMENTS[:2]}
        self.at = {n: self.code.argument(ARGUMENTS.index(n) + 1) for n in ARGUMENTS[2:]}
        self.entry_bytes = 8 * (1 + 2 * (lmax + 1))
        self.numbers = gaussian_numbers(lmax, order)

    def text(self) -> str:
        """The module."""
        code = self.code

        def run(first: str, stop: str) -> None:
            code.loop(first, stop, 1, self._block)

        code.parallel("%arguments", self.counts["blocks"], self.counts["grain"], run)
        return code.text()

    def _block(self, block: str) -> None:
        """All centres that reach a block."""
        code = self.code
        where = code.element(self.at["starts"], block, 8)
        first, stop = code.load_integer(where), code.load_integer(code.offset(where, 8))
        points = code.element(self.at["points"], block, 3 * BLOCK * 8)
        columns = (self.lmax + 1) * COLUMNS[self.order]
        results = code.element(self.at["results"], block, columns * BLOCK * 8)
        code.loop(first, stop, 1, lambda entry: self._entry(entry, points, results))

    def _entry(self, entry: str, points: str, results: str) -> None:
        """One centre at all points of a block."""
        code, v = self.code, self.v
        row = code.element(self.at["entries"], entry, self.entry_bytes)
        centre = code.element(self.at["centres"], code.load_integer(row), 24)
        position = [code.broadcast(v, code.offset(centre, 8 * n)) for n in range(3)]
        bounds = [
            tuple(code.load_integer(code.offset(row, 8 * (1 + 2 * l + n))) for n in range(2))
            for l in range(self.lmax + 1)
        ]

        def some(first: str) -> None:
            place = code.integer("mul", first, 8)
            self._points(
                [code.offset(code.offset(points, place), 8 * n * BLOCK) for n in range(3)],
                code.offset(results, place),
                position,
                bounds,
            )

        code.loop(0, BLOCK, v.width, some)

    def _points(
        self,
        places: Sequence[str],
        results: str,
        position: Sequence[str],
        bounds: Sequence[Sequence[str]],
    ) -> None:
        """One centre at a vector of points."""
        code, v = self.code, self.v
        r = [
            code.value(f"fsub {v.name} {code.load(v, place)}, {x}")
            for place, x in zip(places, position, strict=True)
        ]
        square = code.fma(v, r[2], r[2], code.fma(v, r[1], r[1], code.multiply(v, r[0], r[0])))
        radial: dict[int, list[str]] = {}

        def load(block: int, column: int) -> str:
            return r[column] if block == 0 else radial[block - 1][column]

        flat = [number for numbers in self.numbers for number in numbers]
        writer = Writer(code, v, flat, load)
        for l, numbers in enumerate(self.numbers):
            radial[l] = self._radial(l, square, bounds[l])
            for n, number in enumerate(numbers):
                place = code.offset(results, 8 * BLOCK * (l * COLUMNS[self.order] + n))
                code.store(v, code.add(v, code.load(v, place), writer.write(number)), place)

    def _radial(self, l: int, square: str, bounds: Sequence[str]) -> list[str]:
        """The radial functions of a degree, Σ c exp(−a r²), and their derivatives by r²."""
        code, v, width = self.code, self.v, 2 * l + 1

        def shell(place: str, *sums: str) -> list[str]:
            row = code.offset(self.at["tables"], place)
            negative = self.functions.negative(code.broadcast(v, row))
            power, _ = self.functions.exponential(code.multiply(v, negative, square))
            powers = [power]
            for _ in range(self.order):
                powers.append(code.multiply(v, powers[-1], negative))
            found = [code.broadcast(v, code.offset(row, 8 * (1 + m))) for m in range(width)]
            pairs = [(power, c) for power in powers for c in found]
            return [code.fma(v, p, c, s) for (p, c), s in zip(pairs, sums, strict=True)]

        zeros = [(v, "zeroinitializer")] * (width * (self.order + 1))
        return code.loop(bounds[0], bounds[1], 8 * (1 + width), shell, zeros)


def gaussian_numbers(lmax: int, order: int) -> list[list[Number]]:
    """What each degree adds to the value, gradient and Laplacian, as expressions.

    With u = r² and S the solid harmonics, Σ_m S R(u) has the gradient Σ 2 r S R' + R ∇S and the
    Laplacian Σ S ((6 + 4 l) R' + 4 u R''). Input 0 is r, input l + 1 holds R, R' and R''.

    >>> [len(numbers) for numbers in gaussian_numbers(2, 1)]
    [4, 4, 4]
    """
    (harmonics,) = harmonics_formula(range(lmax + 1), False, "integral").results
    graph = harmonics[0].graph
    r = graph.inputs(0, 3)
    square = r[0] * r[0] + r[1] * r[1] + r[2] * r[2]
    found = []
    for l in range(lmax + 1):
        width = 2 * l + 1
        own = harmonics[l * l : (l + 1) ** 2]
        radial = graph.inputs(l + 1, width * (order + 1))

        def total(n: int, own: Sequence[Number] = own, radial: list[Number] = radial) -> Number:
            values = radial[n * len(own) : (n + 1) * len(own)]
            return sum((s * x for s, x in zip(own, values, strict=True)), start=graph.number(0.0))

        numbers = [total(0)]
        if order > 0:
            first = total(1)
            slopes = graph.pull(own, radial[:width], r)
            numbers += [(x * 2.0) * first + slope for x, slope in zip(r, slopes, strict=True)]
        if order > 1:
            numbers.append(first * (6.0 + 4.0 * l) + (square * 4.0) * total(2))
        found.append(numbers)
    return found
