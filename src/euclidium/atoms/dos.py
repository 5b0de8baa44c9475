"""The phonon density of states of a crystal, and the thermodynamics that follows from it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy.special import erf

from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure
from euclidium.units import (
    AVOGADRO,
    CM1_TO_MEV,
    GAS_CONSTANT,
    K_B,
    KILOGRAM,
    KJ_PER_MOL,
    METER,
    MEV,
)

KELVIN = CM1_TO_MEV * MEV / K_B  # temperature at which kT is hc · 1 cm⁻¹
SHARPEST = 0.1  # cm⁻¹, a width that smooths nothing
LOWEST = 1.0  # cm⁻¹, modes below take no part in thermodynamics: they are translations or unstable
PER_INTERVAL = 4  # points of each interval at which a function of frequency is integrated
LARGEST = 700.0  # of ħω/kT, where exponentials are at their limits
PITCH = 5.0  # cm⁻¹, of the points among which a peak is looked for


@dataclass(frozen=True, eq=False)
class PhononDOS:
    """A phonon density of states, g(ω), of one atom on average: ∫ g dω = 3.

    ``edges`` are the borders of intervals of frequency (cm⁻¹, increasing; imaginary frequencies are
    negative), and ``modes`` the number of modes for each atom in each interval: g is constant in an
    interval, so that integrals over it are exact sums. ``mass`` (amu) and ``volume`` (Å³) are means
    over the atoms, for properties per kilogram and per cubic metre.

    All thermodynamics is harmonic, at constant volume, of the modes above 1 cm⁻¹; with
    x = ħω/kT, for each mole of atoms,

    C_v = R ∫ g x² eˣ/(eˣ − 1)² dω,   S = R ∫ g (x/(eˣ − 1) − ln(1 − e⁻ˣ)) dω,
    F = ∫ g (ħω/2 + kT ln(1 − e⁻ˣ)) dω.

    Raises ``DataError`` for arrays that do not fit, edges that do not increase, negative numbers
    of modes, and none at all.

    >>> einstein = PhononDOS(np.array([0.0, 299.0, 301.0]), np.array([0.0, 3.0]))
    >>> einstein.mean_frequency, round(float(einstein.heat_capacity(300.0)), 2)
    (300.0, 21.05)
    """

    edges: Float[np.ndarray, " edge"]
    modes: Float[np.ndarray, " interval"]
    mass: float = float("nan")
    volume: float = float("nan")
    formula_atoms: float = float("nan")  # of a formula unit, for properties per mole of it
    broadening: float = 0.0  # cm⁻¹, of the Gaussians that the curve was made with

    def __post_init__(self) -> None:
        if len(self.modes) == 0 or len(self.edges) != len(self.modes) + 1:
            raise DataError(
                f"a density of states of {len(self.modes)} intervals has "
                f"{len(self.modes) + 1} edges, got {len(self.edges)}"
            )
        if not (np.isfinite(self.edges).all() and (np.diff(self.edges) > 0).all()):
            raise DataError("the frequencies of a density of states must be finite and increase")
        if not (np.isfinite(self.modes).all() and (self.modes >= 0).all()):
            raise DataError("a density of states is finite and nowhere negative")
        if not self.modes.any():
            raise DataError("the density of states is zero everywhere")

    @classmethod
    def from_curve(
        cls,
        frequencies: Float[np.ndarray, " point"],
        density: Float[np.ndarray, " point"],
        structure: Structure | None = None,
    ) -> "PhononDOS":
        """From a curve of any scale on equally spaced points (cm⁻¹), scaled to three modes an atom.

        Each point stands for an interval around it; small negative values, which tails of fits
        have, count as zero. Raises ``DataError`` for points that are not equally spaced, a number
        that is not finite, or a curve without area.

        >>> curve = PhononDOS.from_curve(np.array([0.0, 100.0, 200.0]), np.array([0.0, 1.0, 3.0]))
        >>> curve.modes.tolist()
        [0.0, 0.75, 2.25]
        """
        steps = np.diff(frequencies)
        if len(steps) == 0 or not np.allclose(steps, steps[0], rtol=1e-3):
            raise DataError("the points of a density of states must be equally spaced")
        if not np.isfinite(density).all():
            raise DataError("a density of states must be finite: it has nan or infinity")
        positive = np.clip(density, 0.0, None)
        if not positive.any():
            raise DataError("the density of states is zero everywhere")
        edges = np.append(frequencies - steps[0] / 2, frequencies[-1] + steps[0] / 2)
        return cls.of(structure, edges, 3 * positive / positive.sum())

    @classmethod
    def of(
        cls,
        structure: Structure | None,
        edges: Float[np.ndarray, " edge"],
        modes: Float[np.ndarray, " interval"],
        broadening: float = 0.0,
    ) -> "PhononDOS":
        """With mass, volume and formula unit of a structure; vacancies are no atoms.

        >>> argon = Structure(np.array([18]), np.zeros((1, 3)), 5 * np.eye(3), np.ones(3, bool))
        >>> PhononDOS.of(argon, np.array([0.0, 50.0]), np.array([3.0])).formula_atoms
        1.0
        """
        if structure is None:
            return cls(edges, modes, broadening=broadening)
        fractions = structure.fractions
        totals = fractions.sum(axis=1)
        kinds = structure.species if structure.occupations is None else fractions.round(6)
        counts = np.unique(kinds, axis=0, return_counts=True)[1]  # sites of each kind
        return cls(
            edges,
            modes,
            mass=float(totals @ structure.masses / totals.sum()),
            volume=(structure.volume or float("nan")) / float(totals.sum()),
            formula_atoms=float(totals.sum() / np.gcd.reduce(counts)),
            broadening=broadening,
        )

    @property
    def density(self) -> Float[np.ndarray, " interval"]:
        """g, modes for each atom and cm⁻¹, in each interval."""
        return self.modes / np.diff(self.edges)

    @property
    def centers(self) -> Float[np.ndarray, " interval"]:
        """The middle of each interval, cm⁻¹."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    def at(
        self, frequencies: Float[np.ndarray, " point"], width: float = 10.0
    ) -> Float[np.ndarray, " point"]:
        """The curve at any frequencies (cm⁻¹), smoothed to Gaussians of a standard deviation.

        The ``broadening`` that the curve has already counts towards the ``width``.
        g(ω) in modes for each atom and cm⁻¹; the ``width`` is in cm⁻¹.

        >>> flat = PhononDOS(np.array([0.0, 300.0]), np.array([3.0]))
        >>> flat.at(np.array([0.0, 150.0]), width=5.0).round(4).tolist()
        [0.005, 0.01]
        """
        missing = max(width**2 - self.broadening**2, 0.0) ** 0.5
        return smoothing(self.edges, frequencies, max(missing, SHARPEST)) @ self.modes

    def heat_capacity(
        self, temperature: float | Float[np.ndarray, "*temperature"], per: str = "atom"
    ) -> Float[np.ndarray, "*temperature"]:
        """C_v(T) in J/K, for a mole of atoms; or ``per`` mole of ``formula``, ``kg`` or ``m3``.

        >>> classical = PhononDOS(np.array([1.0, 2.0]), np.array([3.0]))
        >>> round(float(classical.heat_capacity(300.0)), 3)  # Dulong and Petit
        24.943
        """
        return np.asarray(
            self._scale(per) * GAS_CONSTANT * self._integral(oscillator_heat, temperature)
        )

    def entropy(
        self, temperature: float | Float[np.ndarray, "*temperature"], per: str = "atom"
    ) -> Float[np.ndarray, "*temperature"]:
        """S(T) in J/K, for a mole of atoms; or ``per`` mole of ``formula``, ``kg`` or ``m3``.

        >>> lead = PhononDOS(np.array([40.0, 80.0]), np.array([3.0]))
        >>> bool(lead.entropy(300.0) > lead.entropy(100.0))
        True
        """
        return np.asarray(
            self._scale(per) * GAS_CONSTANT * self._integral(oscillator_entropy, temperature)
        )

    def free_energy(
        self, temperature: float | Float[np.ndarray, "*temperature"], per: str = "atom"
    ) -> Float[np.ndarray, "*temperature"]:
        """F(T) in kJ, with the zero-point energy, for a mole of atoms; or ``per`` as above.

        >>> dos = PhononDOS(np.array([100.0, 200.0]), np.array([3.0]))
        >>> round(float(dos.free_energy(0.01) / dos.zero_point_energy * 1000), 4)  # kJ/mol from eV
        96485.3321
        """
        temperature = np.asarray(temperature, dtype=np.float64)
        thermal = temperature * self._integral(_thermal, temperature) * GAS_CONSTANT / 1000
        return np.asarray(self._scale(per) * (self.zero_point_energy / KJ_PER_MOL + thermal))

    @property
    def zero_point_energy(self) -> float:
        """∫ g ħω/2 dω in eV for each atom."""
        return float(self._weights @ self._points) * CM1_TO_MEV * MEV / 2

    @property
    def mean_frequency(self) -> float:
        """⟨ω⟩ = ∫ g ω dω / ∫ g dω in cm⁻¹, over the real modes; zero if there are none.

        As in phononDB's records imaginary modes are left out, those below −1 cm⁻¹; acoustic modes
        at Γ, which are zero but for noise, are not.
        """
        low, high = np.maximum(self.edges[:-1], -LOWEST), np.maximum(self.edges[1:], -LOWEST)
        modes = self.density * (high - low)
        real = float(modes.sum())
        return float(modes @ (low + high)) / (2 * real) if real > 0 else 0.0

    @property
    def max_frequency(self) -> float:
        """The frequency in cm⁻¹ above which a thousandth of the modes lies."""
        return self.quantile(0.999)

    @property
    def imaginary(self) -> float:
        """Share of the modes whose frequency is imaginary, beyond −5 cm⁻¹."""
        share = np.clip((-5.0 - self.edges[:-1]) / np.diff(self.edges), 0.0, 1.0)
        return float(share @ self.modes / self.modes.sum())

    def quantile(self, share: float) -> float:
        """The frequency in cm⁻¹ below which a share of the modes lies.

        >>> PhononDOS(np.array([0.0, 400.0]), np.array([3.0])).quantile(0.5)
        200.0
        """
        below = np.append(0.0, np.cumsum(self.modes)) / self.modes.sum()
        # where nothing is added the inverse is not unique: the lowest frequency is meant
        first = int(np.searchsorted(below, share))
        if first == 0:
            return float(self.edges[0])
        return float(np.interp(share, below[first - 1 : first + 1], self.edges[first - 1 :][:2]))

    @property
    def debye_temperature(self) -> float:
        """The temperature in K of the Debye solid with the same mean square frequency.

        ħω_D = k Θ with ⟨ω²⟩ = (3/5) ω_D²; imaginary modes are left out. This is the Debye
        temperature of heat capacities at high temperature; nan if all modes are imaginary.
        """
        total = float(self._weights.sum())
        if total == 0.0:
            return float("nan")
        return float(np.sqrt(5 / 3 * (self._weights @ self._points**2) / total)) * KELVIN

    def last_peak(self, threshold: float = 0.1, width: float = 6.0) -> float:
        """The highest frequency (cm⁻¹) at which the smoothed curve has a maximum.

        Of the maxima, on multiples of 5 cm⁻¹, that are at least ``threshold`` of the largest value.

        >>> two = PhononDOS(np.array([0.0, 10.0, 20.0, 500.0, 510.0]), np.array([0, 2.0, 0, 1.0]))
        >>> two.last_peak()
        505.0
        """
        first, last = np.floor(self.edges[0] / PITCH), np.ceil(self.edges[-1] / PITCH)
        points = PITCH * np.arange(first - 2, last + 3)  # a peak in the last interval has an end
        curve = self.at(points, width)
        inner = curve[1:-1]
        peaks = (inner >= curve[:-2]) & (inner > curve[2:]) & (inner >= threshold * curve.max())
        if not peaks.any():
            return float(points[np.argmax(curve)])
        return float(points[np.flatnonzero(peaks)[-1] + 1])

    def _scale(self, per: str) -> float:
        """What a value for a mole of atoms is multiplied with."""
        factors = {
            "atom": 1.0,
            "formula": self.formula_atoms,
            "kg": KILOGRAM / (AVOGADRO * self.mass),
            "m3": METER**3 / (AVOGADRO * self.volume),
        }
        if per not in factors:
            raise ValueError(f"per is {per!r}: choose atom, formula, kg or m3")
        if not np.isfinite(factors[per]):
            raise ValueError(f"per {per} needs the structure: make the curve with PhononDOS.of")
        return factors[per]

    @cached_property
    def _nodes(self) -> tuple[np.ndarray, np.ndarray]:
        """Frequencies above ``LOWEST`` for Gauss's quadrature, and the modes they stand for."""
        places, shares = np.polynomial.legendre.leggauss(PER_INTERVAL)
        low = np.maximum(self.edges[:-1], LOWEST)
        width = np.maximum(self.edges[1:] - low, 0.0)
        points = low[:, None] + width[:, None] * (1 + places) / 2
        weights = (self.density * width)[:, None] * shares / 2
        return points.ravel(), weights.ravel()

    @property
    def _points(self) -> np.ndarray:
        return self._nodes[0]

    @property
    def _weights(self) -> np.ndarray:
        return self._nodes[1]

    def _integral(
        self, function: Callable[[np.ndarray], np.ndarray], temperature: float | np.ndarray
    ) -> np.ndarray:
        """∫ g f(x) dω over the modes above ``LOWEST``, x = ħω/kT."""
        t = np.asarray(temperature, dtype=np.float64)
        if not (t > 0).all():
            raise ValueError(f"temperatures are positive, in K, got {np.min(t):g}")
        x = KELVIN * self._points / t[..., None]
        return np.asarray(function(x) @ self._weights)


def smoothing(
    edges: Float[np.ndarray, " edge"], frequencies: Float[np.ndarray, " point"], width: float
) -> Float[np.ndarray, "point interval"]:
    """The matrix from modes in intervals to a smooth curve: Gaussians over the intervals.

    M_pi = ∫_interval i N(ω_p − ω; width) dω / (width of the interval i)

    >>> smoothing(np.array([-50.0, 50.0]), np.array([0.0]), 1.0).round(6).tolist()
    [[0.01]]
    """
    below = (edges[None] - frequencies[:, None]) / (width * np.sqrt(2))
    return np.diff(erf(below), axis=1) / (2 * np.diff(edges))


def oscillator_heat(x: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """C/k of an oscillator, x² eˣ/(eˣ − 1)² with x = ħω/kT.

    >>> oscillator_heat(np.array([1e-3, 1.0])).round(4).tolist()
    [1.0, 0.9207]
    """
    half = np.minimum(x, LARGEST) / 2
    return np.asarray(np.square(half / np.sinh(half)))


def oscillator_entropy(x: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """S/k of an oscillator, x/(eˣ − 1) − ln(1 − e⁻ˣ) with x = ħω/kT.

    >>> oscillator_entropy(np.array([1.0])).round(4).tolist()
    [1.0407]
    """
    x = np.minimum(x, LARGEST)
    return np.asarray(x / np.expm1(x) - np.log(-np.expm1(-x)))


def _thermal(x: np.ndarray) -> np.ndarray:
    """The free energy of an oscillator above its zero-point energy, in kT."""
    return np.asarray(np.log(-np.expm1(-np.minimum(x, LARGEST))))
