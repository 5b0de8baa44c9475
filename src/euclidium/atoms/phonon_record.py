"""What is known of one crystal's phonons: the density of states, and numbers from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from euclidium.atoms.dos import PhononDOS
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure

GRID51 = np.linspace(0.0, 1000.0, 51)  # cm⁻¹, where models of the literature predict the curve
WIDTH51 = 10.0  # cm⁻¹, standard deviation of the Gaussians there
PITCH, WIDTH = 5.0, 6.0  # cm⁻¹, between the points of fine curves, and of the Gaussians there
ROOM = 300.0  # K
TEMPERATURES = np.array([20, 50, 100, 150, 200, 250, 300, 400, 500, 600, 800, 1000])  # K


@dataclass(frozen=True, eq=False)
class PhononRecord:
    """One crystal with its phonon density of states, as data sets hold it.

    ``dos`` has three modes for each atom; ``partial`` are the modes by element on the same
    intervals, whose sum is the total (to the digits that a file keeps), or None where a set has
    totals only. ``heat_capacity`` is C_v at 300 K in J/(K mol) for a mole of atoms, of the modes
    above 1 cm⁻¹; ``mean_frequency`` (of the real modes) and ``last_peak`` are in cm⁻¹,
    ``imaginary`` is the share of modes below −5 cm⁻¹. ``dos51`` is the curve at 0, 20, ... 1000
    cm⁻¹ with Gaussians of 10 cm⁻¹, on any scale. ``split`` is the part of the data set, where it
    has parts; ``info`` is what else is known. Raises ``DataError`` for arrays that do not fit.

    >>> argon = Structure(np.array([18]), np.zeros((1, 3)), 5 * np.eye(3), np.ones(3, bool))
    >>> dos = PhononDOS.of(argon, np.array([0.0, 30.0, 60.0]), np.array([1.0, 2.0]))
    >>> record = PhononRecord.of("argon", argon, dos)
    >>> record.mean_frequency, round(record.heat_capacity, 1)
    (35.0, 24.6)
    """

    name: str
    structure: Structure
    dos: PhononDOS
    partial: Mapping[str, Float[np.ndarray, " interval"]] | None
    heat_capacity: float
    mean_frequency: float
    last_peak: float
    imaginary: float
    dos51: Float[np.ndarray, "51"]
    split: str | None = None
    info: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.dos51.shape != GRID51.shape:
            raise DataError(
                f"{self.name}: dos51 has the shape {self.dos51.shape}, expected {GRID51.shape}"
            )
        if self.partial is None:
            return
        elements = self.structure.composition
        if not self.partial.keys() <= elements.keys():
            raise DataError(
                f"{self.name}: partial densities of {', '.join(sorted(self.partial))}, but the "
                f"structure has {', '.join(sorted(elements))}"
            )
        for symbol, modes in self.partial.items():
            if modes.shape != self.dos.modes.shape:
                raise DataError(
                    f"{self.name}: the density of {symbol} has {len(modes)} intervals, "
                    f"the total {len(self.dos.modes)}"
                )

    @classmethod
    def of(
        cls,
        name: str,
        structure: Structure,
        dos: PhononDOS,
        partial: Mapping[str, Float[np.ndarray, " interval"]] | None = None,
        split: str | None = None,
        info: Mapping[str, object] | None = None,
    ) -> "PhononRecord":
        """With all numbers computed from the density of states.

        >>> argon = Structure(np.array([18]), np.zeros((1, 3)), 5 * np.eye(3), np.ones(3, bool))
        >>> PhononRecord.of("Ar", argon, PhononDOS(np.array([0.0, 9.0]), np.array([3.0]))).imaginary
        0.0
        """
        return cls(
            name=name,
            structure=structure,
            dos=dos,
            partial=partial,
            heat_capacity=float(dos.heat_capacity(ROOM)),
            mean_frequency=dos.mean_frequency,
            last_peak=dos.last_peak(),
            imaginary=dos.imaginary,
            dos51=dos.at(GRID51, WIDTH51),
            split=split,
            info=dict(info or {}),
        )


def last_maximum(
    points: Float[np.ndarray, " point"],
    curve: Float[np.ndarray, " point"],
    threshold: float = 0.1,
) -> float:
    """The highest point at which a curve has a maximum of ``threshold`` of its largest value.

    A plateau counts with its last point. Where there is no inner maximum it is the largest value.

    >>> last_maximum(np.arange(5.0), np.array([0.0, 1.0, 0.0, 0.05, 0.0]))
    1.0
    """
    inner = curve[1:-1]
    peaks = (inner >= curve[:-2]) & (inner > curve[2:]) & (inner >= threshold * curve.max())
    found = np.flatnonzero(peaks)
    return float(points[found[-1] + 1 if len(found) else np.argmax(curve)])
