"""Equations of state: energy as a function of volume, fitted to computed points."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq, least_squares

Equation = Literal["vinet", "birch-murnaghan", "murnaghan"]


@dataclass(frozen=True)
class State:
    """The minimum of an energy as a function of the volume."""

    energy: float  # eV
    volume: float  # Å³
    modulus: float  # −V ∂P/∂V, eV/Å³
    slope: float  # ∂B/∂P
    equation: Equation = "vinet"

    def energies(self, volumes: Float[np.ndarray, " volume"]) -> Float[np.ndarray, " volume"]:
        """The energy (eV) at some volumes (Å³).

        >>> State(-3.0, 12.0, 0.9, 5.0).energies(np.array([12.0]))
        array([-3.])
        """
        form = EQUATIONS[self.equation]
        return self.energy + form(volumes / self.volume, self.modulus * self.volume, self.slope)


def fit_state(
    volumes: Float[np.ndarray, " volume"],
    energies: Float[np.ndarray, " volume"],
    equation: Equation = "vinet",
) -> State | None:
    """The equation of state nearest to some energies (eV) at some volumes (Å³).

    None if the energies have no minimum between the smallest and the largest volume.
    Raises ``ValueError`` for an unknown equation, and for fewer than four volumes.
    Vinet et al., J. Phys. Condens. Matter 1, 1941 (1989),
    https://doi.org/10.1088/0953-8984/1/11/002; Birch, Phys. Rev. 71, 809 (1947),
    https://doi.org/10.1103/PhysRev.71.809; Murnaghan, Proc. Natl. Acad. Sci. 30, 244 (1944),
    https://doi.org/10.1073/pnas.30.9.244.

    >>> volumes = np.linspace(11.0, 13.0, 7)
    >>> found = fit_state(volumes, State(-3.0, 12.1, 0.9, 5.0).energies(volumes))
    >>> round(found.volume, 6), round(found.modulus, 6), round(found.slope, 4)
    (12.1, 0.9, 5.0)
    """
    if equation not in EQUATIONS:
        raise ValueError(f"the equation is one of {', '.join(EQUATIONS)}, got {equation!r}")
    if len(volumes) < 4:
        raise ValueError(f"an equation of state needs four volumes or more, got {len(volumes)}")
    start = _start(volumes, energies)
    if start is None:
        return None
    V, B = start
    # energies in units of B V and volumes in units of V, so that all parameters are of order one
    fitted = least_squares(
        partial(_misfit, equation, volumes / V, energies / (B * V)),
        [float(energies.min()) / (B * V), 1.0, 1.0, 4.0],
        xtol=1e-14,
        ftol=1e-14,
        gtol=1e-14,
    )
    energy, volume, modulus, slope = fitted.x * [B * V, V, B, 1.0]
    if not volumes.min() <= volume <= volumes.max():
        return None
    return State(float(energy), float(volume), float(modulus), float(slope), equation)


def _start(volumes: np.ndarray, energies: np.ndarray) -> tuple[float, float] | None:
    """Volume and modulus at the minimum of a cubic in ln V, if there is one between the ends."""
    x = np.log(volumes)
    curve = np.polynomial.Polynomial.fit(x, energies, 3)
    slope = curve.deriv()
    if not slope(x.min()) < 0 < slope(x.max()):
        return None
    x0 = float(brentq(slope, x.min(), x.max()))
    curvature = float(curve.deriv(2)(x0))
    return (float(np.exp(x0)), curvature / float(np.exp(x0))) if curvature > 0 else None


def _misfit(
    equation: Equation, volumes: np.ndarray, energies: np.ndarray, values: np.ndarray
) -> np.ndarray:
    """What an equation of state says, less the energies."""
    energy, volume, modulus, slope = values
    return energy + EQUATIONS[equation](volumes / volume, modulus * volume, slope) - energies


def _vinet(v: np.ndarray, BV: float, slope: float) -> np.ndarray:
    """E = 9BV/η² (1 − (1 − η(1 − x)) e^(η(1 − x))), x = v^(1/3), η = 3(B′ − 1)/2."""
    x, eta = np.cbrt(v), 1.5 * (slope - 1)
    z = eta * (1 - x)
    return 9 * BV / eta**2 * (1 - (1 - z) * np.exp(z))


def _birch_murnaghan(v: np.ndarray, BV: float, slope: float) -> np.ndarray:
    """E = 9BV/16 ((x − 1)³ B′ + (x − 1)² (6 − 4x)), x = v^(−2/3)."""
    x = np.cbrt(v) ** -2.0
    return 9 * BV / 16 * ((x - 1) ** 3 * slope + (x - 1) ** 2 * (6 - 4 * x))


def _murnaghan(v: np.ndarray, BV: float, slope: float) -> np.ndarray:
    """E = BV/B′ (v + (v^(1 − B′) − B′)/(B′ − 1))."""
    return BV / slope * (v + (v ** (1 - slope) - slope) / (slope - 1))


EQUATIONS: dict[str, Callable[[np.ndarray, float, float], np.ndarray]] = {
    "vinet": _vinet,
    "birch-murnaghan": _birch_murnaghan,
    "murnaghan": _murnaghan,
}
