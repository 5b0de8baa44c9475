"""The kernels of gated nonlinearities, as code: values, derivatives and second derivatives.

All are elementwise in the channels. A gate a scales all components of its channel, so that with
cotangents g and directions c

    values  φ(x)       γ(a) z_m
    pull    g φ'(x)    γ'(a) Σ_m g_m z_m,                               γ(a) g_m
    push    φ'(x) c    γ'(a) c_a z_m + γ(a) c_m
    bend    φ''(x) g c γ''(a) c_a Σ_m g_m z_m + γ'(a) Σ_m g_m c_m,      γ'(a) c_a g_m
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from euclidium.ops.assembly import BITS, Assembly, Vector
from euclidium.ops.channelwise import runs

# What each kernel reads, beside the row itself, and writes.
READS = {"values": "", "pull": "g", "push": "c", "bend": "gc", "both": "gc"}

# Bits of the exponent's place, its bias, and terms of the series of exp.
FORMAT = {"float": (23, 127, 7), "double": (52, 1023, 13)}

# Below this argument exp is taken as zero: its result has no exact representation any more.
LOWEST = {"float": -87.0, "double": -708.0}


@dataclass(frozen=True)
class Run:
    """Channels that follow each other, of one function; z and y are the channels they gate.

    ``x`` is where they stand in the input. Scalars have no components, and ``y`` is where their
    result stands. Of gated channels ``z`` and ``y`` are the first components, each component
    ``z_step`` and ``y_step`` numbers after the one before. ``factor`` is the number of the factor
    of the function.
    """

    function: str
    factor: int
    channels: int
    x: int
    y: int
    components: int = 0
    z: int = 0
    z_step: int = 0
    y_step: int = 0


def gate_kernel(
    layout: Sequence[Run],
    widths: tuple[int, int],
    n_factors: int,
    what: str,
    scalar: str,
    lanes: int,
) -> str:
    """The code of ``values``, ``pull``, ``push``, ``bend``, or of ``both`` of the last two.

    ``widths`` are those of a row of the input and of the result. The arguments after the counter:
    rows, grain, the factors as bits of 64-bit numbers, then the addresses of x, of g and c where
    they are read, and of the results.

    >>> run = Run("silu", 0, 4, 0, 0)
    >>> "fdiv <4 x float>" in gate_kernel([run], (4, 4), 1, "values", "float", 4)
    True
    """
    return _Kernel(layout, widths, n_factors, what, scalar, lanes).text()


class Functions:
    """Scalar functions and their derivatives, as vector code.

    >>> code, v = Assembly("kernel", "float"), Vector("float", 4)
    >>> len(Functions(code, v)("tanh", code.load(v, code.argument(0)), order=2))
    3
    """

    def __init__(self, code: Assembly, v: Vector) -> None:
        self.code, self.v = code, v

    def __call__(self, name: str, x: str, order: int) -> list[str]:
        """f(x), f'(x), … up to a derivative of order 0, 1 or 2."""
        return FUNCTIONS[name](self, x, order)

    def exponential(self, x: str) -> tuple[str, str]:
        """exp(x) and exp(x) − 1 for x ≤ 0, each with its own relative accuracy.

        x = n log 2 + r with a whole n, and exp(x) = 2^n (1 + r + r²/2 + …).
        """
        code, v = self.code, self.v
        bits, bias, terms = FORMAT[v.scalar]
        low = self.number(LOWEST[v.scalar])
        tiny = self.compare("olt", x, low)
        x = self.choose(tiny, low, x)
        # adding it leaves whole numbers only, as the last bits
        whole = 1.5 * 2.0**bits
        shifted = code.fma(v, x, self.number(1 / math.log(2)), self.number(whole))
        n = code.add(v, shifted, self.number(-whole))
        high, rest = _split_logarithm(v.scalar)
        r = code.fma(v, n, self.number(-rest), code.fma(v, n, self.number(-high), x))
        series = self.number(1 / math.factorial(terms))
        for k in range(terms - 1, 1, -1):
            series = code.fma(v, series, r, self.number(1 / math.factorial(k)))
        less_one = code.fma(v, code.multiply(v, series, r), r, r)  # exp(r) - 1
        kind = f"<{v.width} x i{BITS[v.scalar]}>"
        integer = code.value(f"bitcast {v.name} {shifted} to {kind}")
        biased = code.value(f"add {kind} {integer}, {_integers(v, bias)}")
        placed = code.value(f"shl {kind} {biased}, {_integers(v, bits)}")
        power = code.value(f"bitcast {kind} {placed} to {v.name}")
        minus_one = self.number(-1.0)
        result = code.fma(v, power, less_one, power)
        difference = code.fma(v, power, less_one, code.add(v, power, minus_one))
        return (
            self.choose(tiny, "zeroinitializer", result),
            self.choose(tiny, minus_one, difference),
        )

    def sigmoid(self, x: str) -> tuple[str, str]:
        """σ(x) and σ(−x), both accurate."""
        code, v = self.code, self.v
        e, _ = self.exponential(self.negative(self.absolute(x)))
        total = code.add(v, e, self.number(1.0))
        large, small = self.divide(self.number(1.0), total), self.divide(e, total)
        below = self.compare("olt", x, "zeroinitializer")
        return self.choose(below, small, large), self.choose(below, large, small)

    def tanh(self, x: str) -> str:
        """The hyperbolic tangent: −m / (2 + m) with m = exp(−2|x|) − 1, and the sign of x."""
        code, v = self.code, self.v
        size = self.absolute(x)
        _, m = self.exponential(code.multiply(v, size, self.number(-2.0)))
        ratio = self.divide(self.negative(m), code.add(v, m, self.number(2.0)))
        below = self.compare("olt", x, "zeroinitializer")
        return self.choose(below, self.negative(ratio), ratio)

    def limited(self, x: str) -> str:
        """X within the range in which a sigmoid differs from 0 and 1."""
        low = LOWEST[self.v.scalar]
        for sign, bound in (("olt", low), ("ogt", -low)):
            x = self.choose(self.compare(sign, x, self.number(bound)), self.number(bound), x)
        return x

    # -- instructions ------------------------------------------------------------------------

    def number(self, value: float) -> str:
        """The same number everywhere."""
        return self.code.constant(self.v, value)

    def compare(self, how: str, a: str, b: str) -> str:
        """Where a comparison holds."""
        return self.code.value(f"fcmp {how} {self.v.name} {a}, {b}")

    def choose(self, where: str, a: str, b: str) -> str:
        """The one number or the other."""
        name = self.v.name
        return self.code.value(f"select <{self.v.width} x i1> {where}, {name} {a}, {name} {b}")

    def negative(self, a: str) -> str:
        """The other sign."""
        return self.code.value(f"fneg {self.v.name} {a}")

    def divide(self, a: str, b: str) -> str:
        """Quotient."""
        return self.code.value(f"fdiv {self.v.name} {a}, {b}")

    def absolute(self, a: str) -> str:
        """Without the sign."""
        below = self.compare("olt", a, "zeroinitializer")
        return self.choose(below, self.negative(a), a)


def _split_logarithm(scalar: str) -> tuple[float, float]:
    """The logarithm of 2 as a number of few bits, whose products with n are exact, and the rest."""
    # log 2 to more digits than a number of 64 bits has
    numerator, scale = 6931471805599453094172321214581765680755, 10**40
    kept = 12 if scalar == "float" else 40
    high = (numerator * 2**kept // scale) / 2**kept
    rest = (numerator * 2**kept % scale) / (scale * 2**kept)
    return high, rest


def _integers(v: Vector, value: int) -> str:
    return f"<{', '.join([f'i{BITS[v.scalar]} {value}'] * v.width)}>"


def _identity(f: Functions, x: str, order: int) -> list[str]:
    return [x, f.number(1.0), f.number(0.0)][: order + 1]


def _absolute(f: Functions, x: str, order: int) -> list[str]:
    below, above = (f.compare(how, x, "zeroinitializer") for how in ("olt", "ogt"))
    sign = f.choose(below, f.number(-1.0), f.choose(above, f.number(1.0), "zeroinitializer"))
    return [f.absolute(x), sign, f.number(0.0)][: order + 1]


def _sigmoid(f: Functions, x: str, order: int) -> list[str]:
    up, down = f.sigmoid(x)
    return [up, *_slopes(f, up, down)][: order + 1]


def _slopes(f: Functions, up: str, down: str) -> list[str]:
    """σ' = σ(x) σ(−x) and σ'' = σ' (σ(−x) − σ(x))."""
    code, v = f.code, f.v
    slope = code.multiply(v, up, down)
    return [slope, code.multiply(v, slope, code.add(v, down, f.negative(up)))]


def _silu(f: Functions, x: str, order: int) -> list[str]:
    """X σ, σ + x σ', 2σ' + x σ''; an infinite x meets no zero."""
    code, v = f.code, f.v
    up, down = f.sigmoid(x)
    slope, bend = _slopes(f, up, down)
    near = f.limited(x)
    is_low = f.compare("olt", x, f.number(0.0))
    value = code.multiply(v, f.choose(is_low, near, x), up)
    twice = code.add(v, slope, slope)
    return [value, code.fma(v, near, slope, up), code.fma(v, near, bend, twice)][: order + 1]


def _tanh(f: Functions, x: str, order: int) -> list[str]:
    """t, 1 − t², −2t (1 − t²)."""
    code, v = f.code, f.v
    t = f.tanh(x)
    slope = code.fma(v, f.negative(t), t, f.number(1.0))
    bend = code.multiply(v, code.multiply(v, t, f.number(-2.0)), slope)
    return [t, slope, bend][: order + 1]


FUNCTIONS: dict[str, Callable[[Functions, str, int], list[str]]] = {
    "abs": _absolute,
    "identity": _identity,
    "sigmoid": _sigmoid,
    "silu": _silu,
    "tanh": _tanh,
}
"""The functions that kernels know: values and as many derivatives as are asked for."""


class _Kernel:
    """A row at a time, each run of channels a vector at a time."""

    def __init__(
        self,
        layout: Sequence[Run],
        widths: tuple[int, int],
        n_factors: int,
        what: str,
        scalar: str,
        lanes: int,
    ) -> None:
        self.layout, self.what, self.lanes = layout, what, lanes
        self.code = code = Assembly("kernel", scalar)
        names = ["x", *READS[what]]
        names += {"values": ["y"], "both": ["push", "bend"]}.get(what, [what])
        pointers = [code.argument(3 + n_factors + n) for n in range(len(names))]
        self.pointers = dict(zip(names, pointers, strict=True))
        long = {name: name in ("g", "y", "push") for name in names}
        self.widths = {name: widths[is_result] for name, is_result in long.items()}
        self.factors = [self._factor(3 + n) for n in range(n_factors)]

    def text(self) -> str:
        """The module."""
        code = self.code

        def run(first: str, stop: str) -> None:
            code.loop(first, stop, 1, self._row)

        code.parallel("%arguments", code.integer_argument(1), code.integer_argument(2), run)
        return code.text()

    def _factor(self, n: int) -> str:
        """A factor that is given as the bits of a number."""
        place = self.code.offset("%arguments", 8 * n)
        value = self.code.value(f"load double, ptr {place}")
        if self.code.scalar == "double":
            return value
        return self.code.value(f"fptrunc double {value} to float")

    def _row(self, index: str) -> None:
        code = self.code
        self.rows = {
            name: code.element(pointer, index, self.widths[name] * code.size)
            for name, pointer in self.pointers.items()
        }
        for run in self.layout:
            for start, width, count in runs(run.channels, self.lanes):
                v = Vector(code.scalar, width)

                def vector(shift: str, run: Run = run, v: Vector = v) -> None:
                    _Channels(self, run, v, shift).write()

                if count == 1:
                    vector(str(start * code.size))
                else:
                    stop = (start + width * count) * code.size
                    code.loop(start * code.size, stop, width * code.size, vector)


class _Channels:
    """One vector of channels of a row."""

    def __init__(self, kernel: _Kernel, run: Run, v: Vector, shift: str) -> None:
        self.code, self.run, self.v = kernel.code, run, v
        self.rows = {name: self.code.offset(row, shift) for name, row in kernel.rows.items()}
        self.what = kernel.what
        order = {"values": 0, "pull": 1, "push": 1}.get(self.what, 2)
        factor = self.code.everywhere(v, kernel.factors[run.factor])
        found = Functions(self.code, v)(run.function, self._load("x", run.x), order)
        self.f = [self.code.multiply(v, value, factor) for value in found]

    def write(self) -> None:
        """All results of these channels."""
        names = {"both": ("push", "bend")}.get(self.what, (self.what,))
        for name in names:
            kind = "scalars" if self.run.components == 0 else "gated"
            getattr(self, f"_{name}_of_{kind}")()

    def _load(self, name: str, start: int) -> str:
        return self.code.load(self.v, self.code.offset(self.rows[name], start * self.code.size))

    def _store(self, name: str, start: int, value: str) -> None:
        place = self.code.offset(self.rows[name], start * self.code.size)
        self.code.store(self.v, value, place)

    def _times(self, *values: str) -> str:
        result = values[0]
        for value in values[1:]:
            result = self.code.multiply(self.v, result, value)
        return result

    def _places(self) -> list[tuple[int, int]]:
        """Where each component stands, in the input and in the result."""
        run = self.run
        return [(run.z + m * run.z_step, run.y + m * run.y_step) for m in range(run.components)]

    def _sum(self, a: str, b: str) -> str:
        """Σ_m a_m b_m, of a row like the result and a row like the input."""
        total: str | None = None
        for z, y in self._places():
            total = self.code.fma(self.v, self._load(a, y), self._load(b, z), total)
        assert total is not None, "gated channels have components"
        return total

    # -- scalars -----------------------------------------------------------------------------

    def _values_of_scalars(self) -> None:
        self._store("y", self.run.y, self.f[0])

    def _pull_of_scalars(self) -> None:
        self._store("pull", self.run.x, self._times(self.f[1], self._load("g", self.run.y)))

    def _push_of_scalars(self) -> None:
        self._store("push", self.run.y, self._times(self.f[1], self._load("c", self.run.x)))

    def _bend_of_scalars(self) -> None:
        g, c = self._load("g", self.run.y), self._load("c", self.run.x)
        self._store("bend", self.run.x, self._times(self.f[2], g, c))

    # -- gated channels ----------------------------------------------------------------------

    def _values_of_gated(self) -> None:
        for z, y in self._places():
            self._store("y", y, self._times(self.f[0], self._load("x", z)))

    def _pull_of_gated(self) -> None:
        self._store("pull", self.run.x, self._times(self.f[1], self._sum("g", "x")))
        for z, y in self._places():
            self._store("pull", z, self._times(self.f[0], self._load("g", y)))

    def _push_of_gated(self) -> None:
        along = self._times(self.f[1], self._load("c", self.run.x))
        for z, y in self._places():
            term = self._times(along, self._load("x", z))
            self._store("push", y, self.code.fma(self.v, self.f[0], self._load("c", z), term))

    def _bend_of_gated(self) -> None:
        c = self._load("c", self.run.x)
        term = self._times(self.f[1], self._sum("g", "c"))
        curved = self._times(self.f[2], c)
        total = self.code.fma(self.v, curved, self._sum("g", "x"), term)
        self._store("bend", self.run.x, total)
        along = self._times(self.f[1], c)
        for z, y in self._places():
            self._store("bend", z, self._times(along, self._load("g", y)))
