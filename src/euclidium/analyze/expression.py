"""Expressions of the properties of a crystal, such as ``cv_kg(300) / omega_mean``."""

import ast
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float

from euclidium.atoms.dos import PhononDOS
from euclidium.atoms.problem import nearest
from euclidium.units import KILOGRAM, METER

LONGEST = 300  # characters; a longer expression is a mistake
DEEPEST = 100  # levels of the tree
HOTTEST = 1e5  # K
STEP = 1e-3  # of the frequencies, for derivatives
SPREAD = 1.5  # errors by the deviation among a few networks, as measured for the shipped model
REFERENCE = 300.0  # K, at which models state the uncertainty of C_v

Lookup = Callable[[str, float | None], float]


@dataclass(frozen=True, eq=False)
class Properties:
    """What an expression may speak of: a spectrum, and what a model says beside it.

    ``last_peak`` in cm⁻¹; ``unstable`` is a probability; ``n_atoms`` are those of the primitive
    cell. ``deviations`` are standard deviations: ``cv300`` in J/(K mol-atom), ``mean_frequency``
    and ``last_peak`` in cm⁻¹; one that is missing is not known. ``members`` are the modes that
    each of several networks predicts, on the intervals of ``dos``.
    """

    dos: PhononDOS
    last_peak: float
    unstable: float
    n_atoms: float
    deviations: Mapping[str, float]
    members: Float[np.ndarray, "member interval"] | None = None


@dataclass(frozen=True)
class Quantity:
    """One word of the language: its unit, what it means, and where its uncertainty comes from."""

    unit: str
    words: str
    source: str | None = None  # of the deviations


@dataclass(frozen=True)
class Change:
    """What a model may be wrong about: properties of a source, or the frequencies they come from.

    It is one factor, of the properties themselves or of all ``frequencies``.
    """

    source: str
    frequencies: bool


HEAT, SCALE, PEAK, UNKNOWN = "cv300", "mean_frequency", "last_peak", "unknown"
FUNCTIONS = {
    "cv": Quantity("J/(K mol)", "heat capacity at T (K), of a mole of atoms", HEAT),
    "cv_formula": Quantity("J/(K mol)", "the same of a mole of formula units", HEAT),
    "cv_kg": Quantity("J/(K kg)", "the same of a kilogram", HEAT),
    "cv_m3": Quantity("J/(K m³)", "the same of a cubic metre", HEAT),
    "entropy": Quantity("J/(K mol)", "entropy at T (K), of a mole of atoms", SCALE),
    "free_energy": Quantity("kJ/mol", "free energy at T (K), of a mole of atoms", SCALE),
}
NAMES = {
    "debye": Quantity("K", "Debye temperature", SCALE),
    "density": Quantity("g/cm³", "mass density"),
    "last_peak": Quantity("cm⁻¹", "highest peak of the density of states", PEAK),
    "mass": Quantity("amu", "mean mass of an atom"),
    "n_atoms": Quantity("", "atoms of the primitive cell"),
    "omega_max": Quantity("cm⁻¹", "largest frequency", UNKNOWN),
    "omega_mean": Quantity("cm⁻¹", "mean frequency", SCALE),
    "unstable": Quantity("", "probability that the crystal is unstable"),
    "volume": Quantity("Å³", "volume of an atom"),
    "zpe": Quantity("eV", "zero-point energy of an atom", SCALE),
}
MATHEMATICS: dict[str, Callable[[float], float]] = {
    "abs": abs,
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
}
OPERATORS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: math.pow,
}
COMPARISONS: dict[type, Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
GRAMMAR = "use numbers, + - * / **, parentheses, < <= > >= == != and or not"


@dataclass(frozen=True)
class Expression:
    """Arithmetic of a crystal's properties, or a condition on them.

    Functions of the temperature in K: ``cv``, ``cv_formula``, ``cv_kg``, ``cv_m3`` (heat capacity
    in J/K of a mole of atoms, of formula units, of a kg, of a m³), ``entropy`` (J/(K mol)) and
    ``free_energy`` (kJ/mol). Names: ``omega_mean``, ``omega_max`` and ``last_peak`` (cm⁻¹),
    ``debye`` (K), ``zpe`` (eV an atom), ``unstable`` (a probability), ``mass`` (amu an atom),
    ``volume`` (Å³ an atom), ``density`` (g/cm³) and ``n_atoms`` of the primitive cell. With
    ``+ - * / **``, ``abs exp log sqrt``, comparisons, ``and``, ``or`` and ``not``; nothing else
    can be said, and nothing is executed.

    Raises ``ValueError`` for what is not in the language, with the nearest word that is.

    >>> Expression("cv_kg(300) / mass").is_condition, Expression("unstable < 0.2").is_condition
    (False, True)
    >>> Expression("omega_men")
    Traceback (most recent call last):
    ValueError: 'omega_men': there is no 'omega_men'; did you mean 'omega_mean' or 'omega_max'?
    """

    text: str

    def __post_init__(self) -> None:
        _ = self.is_condition

    @cached_property
    def is_condition(self) -> bool:
        """Whether it is true or false, and not a number."""
        return self._kind(self._tree) is bool

    @property
    def unit(self) -> str:
        """The unit of a single property; of arithmetic, nothing.

        >>> Expression("(cv_kg(300))").unit, Expression("2 * cv_kg(300)").unit
        ('J/(K kg)', '')
        """
        node = self._tree
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found = FUNCTIONS.get(node.func.id)
            return found.unit if found else ""
        return NAMES[node.id].unit if isinstance(node, ast.Name) else ""

    def value(self, crystal: Properties) -> float:
        """The number for a crystal, nan if there is none, as of 1/0.

        >>> argon = PhononDOS(np.array([10.0, 60.0]), np.array([3.0]), mass=39.948, volume=37.5)
        >>> known = Properties(argon, last_peak=55.0, unstable=0.0, n_atoms=1, deviations={})
        >>> Expression("last_peak / (2 + 3)").value(known)
        11.0
        """
        return self._number(_lookup(crystal))

    def holds(self, crystal: Properties) -> bool:
        """Whether a condition is true of a crystal; one on a number that is not there is not.

        >>> argon = PhononDOS(np.array([10.0, 60.0]), np.array([3.0]), mass=39.948, volume=37.5)
        >>> known = Properties(argon, last_peak=55.0, unstable=0.3, n_atoms=1, deviations={})
        >>> Expression("unstable < 0.2 or density > 1.7").holds(known)
        True
        """
        try:
            return bool(_evaluate(self._tree, _lookup(crystal)))
        except (ArithmeticError, ValueError):
            return False

    def uncertainty(self, crystal: Properties) -> float:
        """The standard deviation of the number; nan if it is not known.

        It is the larger of two. One is 1.5 times the deviation of the number among the networks of
        an ensemble. The other is propagated to first order from what the model states,

        σ² = Σ_s (∂f/∂s)² σ_s²

        over sources s that count as independent. The last peak is one. The scale of all
        frequencies, ω → (1 + ε) ω, is one, with the relative deviation of the model's mean
        frequency. Heat capacities have two of their own: such a scale, and, for as much of the
        model's deviation of C_v at 300 K as that does not explain, a common factor; so at 300 K
        the model's own deviation comes out. Masses, volumes and the probability of instability are
        taken as exact. The largest frequency of a smooth curve is not a statement of the model:
        its deviation is not known.

        >>> argon = PhononDOS(np.array([10.0, 60.0]), np.array([3.0]), mass=39.948, volume=37.5)
        >>> sure = {"cv300": 0.1, "mean_frequency": 2.0, "last_peak": 3.0}
        >>> known = Properties(argon, last_peak=55.0, unstable=0.0, n_atoms=1, deviations=sure)
        >>> round(Expression("2 * cv(300)").uncertainty(known), 6)
        0.2
        """
        if UNKNOWN in self.sources:
            return math.nan
        square = 0.0
        for source in sorted(self.sources):
            for change, deviation in _changes(crystal, source):
                square += (self._slope(crystal, change) * deviation) ** 2
        return float(np.fmax(math.sqrt(square), self._spread(crystal)))

    @cached_property
    def sources(self) -> frozenset[str]:
        """What the number depends on: ``cv300``, ``mean_frequency``, ``last_peak``, ``unknown``."""
        words = {node.id for node in ast.walk(self._tree) if isinstance(node, ast.Name)}
        found = ((FUNCTIONS | NAMES).get(word) for word in words)
        return frozenset(word.source for word in found if word and word.source)

    def _number(self, lookup: Lookup) -> float:
        try:
            return float(_evaluate(self._tree, lookup))
        except (ArithmeticError, ValueError):
            return math.nan

    def _spread(self, crystal: Properties) -> float:
        """What the networks of an ensemble disagree by; nan of one network."""
        members = crystal.members
        if members is None or len(members) < 2 or not self.sources - {PEAK}:
            return math.nan
        curves = (replace(crystal.dos, modes=modes) for modes in members)
        values = [self.value(replace(crystal, dos=curve)) for curve in curves]
        return SPREAD * float(np.std(values, ddof=1))

    def _slope(self, crystal: Properties, change: Change) -> float:
        """The derivative by the logarithm of what changes."""
        up, down = (self._number(_lookup(crystal, change, 1 + s)) for s in (STEP, -STEP))
        return (up - down) / (2 * STEP)

    @cached_property
    def _tree(self) -> ast.expr:
        text = self.text.strip()
        if not text:
            raise ValueError("an expression is empty: write for example cv_kg(300)")
        if len(text) > LONGEST:
            raise ValueError(
                f"an expression has {len(text)} characters, and may have {LONGEST}: shorten it"
            )
        try:
            tree = ast.parse(text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise ValueError(f"{text!r} is not an expression: {GRAMMAR}") from None
        level: list[ast.AST] = [tree]
        for _ in range(DEEPEST):
            level = [child for node in level for child in ast.iter_child_nodes(node)]
        if level:
            raise ValueError(f"{text!r} is nested too deeply: simplify it")
        return tree

    def _kind(self, node: ast.expr) -> type:
        """``float`` or ``bool``; raises for what is not in the language."""
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            return float
        if isinstance(node, ast.Name):
            return self._kind_of_name(node.id)
        if isinstance(node, ast.Call):
            return self._kind_of_call(node)
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            return self._all_are(float, [node.left, node.right], float)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            return self._all_are(float, [node.operand], float)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return self._all_are(bool, [node.operand], bool)
        if isinstance(node, ast.BoolOp):
            return self._all_are(bool, node.values, bool)
        if isinstance(node, ast.Compare) and all(type(op) in COMPARISONS for op in node.ops):
            return self._all_are(float, [node.left, *node.comparators], bool)
        raise self._wrong(f"{ast.unparse(node)!r} is not understood: {GRAMMAR}")

    def _all_are(self, expected: type, nodes: list[ast.expr], kind: type) -> type:
        for node in nodes:
            if self._kind(node) is not expected:
                words = "a number" if expected is float else "a condition, such as unstable < 0.2"
                raise self._wrong(f"{ast.unparse(node)!r} stands where {words} belongs")
        return kind

    def _kind_of_name(self, name: str) -> type:
        if name in FUNCTIONS:
            raise self._wrong(f"{name} needs a temperature in K: write {name}(300)")
        if name not in NAMES:
            raise self._wrong(f"there is no {name!r}{self._hint(name)}")
        return float

    def _kind_of_call(self, node: ast.Call) -> type:
        name = ast.unparse(node.func)
        if name in NAMES:
            raise self._wrong(f"{name} does not depend on anything: write {name} alone")
        if name not in FUNCTIONS and name not in MATHEMATICS:
            raise self._wrong(f"there is no {name!r}{self._hint(name)}")
        if len(node.args) != 1 or node.keywords:
            raise self._wrong(f"{name} takes one number: write for example {name}(300)")
        kind = self._all_are(float, node.args, float)
        if name in FUNCTIONS:
            _temperature(node.args[0], self._wrong)
        return kind

    def _hint(self, name: str) -> str:
        words = [*FUNCTIONS, *NAMES, *MATHEMATICS]
        return nearest(name, words) or f": there are {', '.join(words)}"

    def _wrong(self, sentence: str) -> ValueError:
        return ValueError(f"{self.text.strip()!r}: {sentence}")


def glossary() -> Iterator[tuple[str, str, str]]:
    """Each word of the language, what it means, and its unit.

    >>> next(glossary())
    ('cv(T)', 'heat capacity at T (K), of a mole of atoms', 'J/(K mol)')
    """
    yield from ((f"{name}(T)", word.words, word.unit) for name, word in FUNCTIONS.items())
    yield from ((name, word.words, word.unit) for name, word in NAMES.items())


def _temperature(node: ast.expr, wrong: Callable[[str], ValueError]) -> float:
    """The temperature that a function is asked for: a positive number, not a property."""
    if any(isinstance(inner, ast.Name) and inner.id in NAMES for inner in ast.walk(node)):
        raise wrong(f"the temperature {ast.unparse(node)!r} must be a number of K")
    try:
        value = _evaluate(node, _nothing)
    except (ArithmeticError, ValueError):
        value = math.nan
    if not 0 < value <= HOTTEST:
        raise wrong(f"the temperature {ast.unparse(node)!r} must lie between 0 and {HOTTEST:g} K")
    return value


def _nothing(name: str, temperature: float | None) -> float:
    """Where no property is known."""
    raise ValueError(f"{name} is not a number")


def _evaluate(node: ast.expr, lookup: Lookup) -> float:
    """The value of a tree that has been checked; true and false are 1 and 0."""
    if isinstance(node, ast.Constant):
        return float(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        return lookup(node.id, None)
    if isinstance(node, ast.Call):
        name, argument = ast.unparse(node.func), _evaluate(node.args[0], lookup)
        if name in MATHEMATICS:
            return MATHEMATICS[name](argument)
        return lookup(name, argument)
    if isinstance(node, ast.BinOp):
        left, right = _evaluate(node.left, lookup), _evaluate(node.right, lookup)
        return OPERATORS[type(node.op)](left, right)
    if isinstance(node, ast.UnaryOp):
        value = _evaluate(node.operand, lookup)
        if isinstance(node.op, ast.Not):
            return float(not value)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BoolOp):
        together = all if isinstance(node.op, ast.And) else any
        return float(together(_evaluate(value, lookup) for value in node.values))
    assert isinstance(node, ast.Compare)
    values = [_evaluate(value, lookup) for value in (node.left, *node.comparators)]
    if any(math.isnan(value) for value in values):
        raise ValueError(f"{ast.unparse(node)} compares a number that is not known")
    pairs = zip(node.ops, values[:-1], values[1:], strict=True)
    return float(all(COMPARISONS[type(op)](left, right) for op, left, right in pairs))


def _lookup(crystal: Properties, change: Change | None = None, factor: float = 1.0) -> Lookup:
    """The properties of a crystal, those of one source changed by a factor."""
    stretched = crystal
    if change is not None and change.frequencies:
        stretched = replace(crystal, dos=replace(crystal.dos, edges=factor * crystal.dos.edges))

    def look(name: str, temperature: float | None) -> float:
        word = NAMES[name] if temperature is None else FUNCTIONS[name]
        if change is None or word.source != change.source:
            return _property(crystal, name, temperature)
        value = _property(stretched, name, temperature)
        return value if change.frequencies else factor * value

    return look


def _property(crystal: Properties, name: str, temperature: float | None) -> float:
    """One property of a crystal."""
    dos = crystal.dos
    if temperature is not None:
        if name == "entropy":
            return float(dos.entropy(temperature))
        if name == "free_energy":
            return float(dos.free_energy(temperature))
        return float(dos.heat_capacity(temperature, name.partition("_")[2] or "atom"))
    table: dict[str, Callable[[], float]] = {
        "debye": lambda: dos.debye_temperature,
        "density": lambda: density(dos),
        "last_peak": lambda: crystal.last_peak,
        "mass": lambda: dos.mass,
        "n_atoms": lambda: crystal.n_atoms,
        "omega_max": lambda: dos.max_frequency,
        "omega_mean": lambda: dos.mean_frequency,
        "unstable": lambda: crystal.unstable,
        "volume": lambda: dos.volume,
        "zpe": lambda: dos.zero_point_energy,
    }
    return table[name]()


def density(dos: PhononDOS) -> float:
    """Mass density in g/cm³ of the crystal that a spectrum belongs to.

    >>> round(density(PhononDOS(np.array([0.0, 1.0]), np.array([3.0]), 28.085, 20.02)), 2)  # Si
    2.33
    """
    return dos.mass / dos.volume * METER**3 / KILOGRAM / 1000


def _changes(crystal: Properties, source: str) -> Iterator[tuple[Change, float]]:
    """What is uncertain, each with the standard deviation of its logarithm; nan: not known."""
    deviations, dos = crystal.deviations, crystal.dos
    peak = _ratio(deviations.get(PEAK, math.nan), crystal.last_peak)
    scale = _ratio(deviations.get(SCALE, math.nan), dos.mean_frequency)
    if source == PEAK:
        yield Change(PEAK, frequencies=False), peak
    elif source == SCALE:
        yield Change(SCALE, frequencies=True), scale
    else:
        room = Expression(f"cv({REFERENCE:g})")
        stretch, share = Change(HEAT, frequencies=True), Change(HEAT, frequencies=False)
        whole, slope = deviations.get(HEAT, math.nan), abs(room._slope(crystal, stretch))
        explained = slope * (scale if scale * slope < whole else _ratio(whole, slope))
        yield stretch, _ratio(explained, slope)
        rest = math.sqrt(max(whole**2 - explained**2, 0.0))
        yield share, math.nan if math.isnan(whole) else _ratio(rest, room.value(crystal))


def _ratio(deviation: float, value: float) -> float:
    """A relative deviation; nan of nothing."""
    return abs(deviation / value) if value else math.nan
