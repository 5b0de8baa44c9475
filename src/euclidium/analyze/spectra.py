"""Errors of predicted phonon spectra: of the curves, of what follows from them, of their limits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from euclidium.analyze.scores import Calibration, auroc, reliability
from euclidium.atoms.dos import PhononDOS
from euclidium.atoms.elements import atomic_number
from euclidium.atoms.phonon_record import GRID51, WIDTH51, PhononRecord
from euclidium.atoms.sites import formula
from euclidium.atoms.structure import Structure
from euclidium.atoms.symmetry import formula_units, site_kinds, space_group

ROOM = 300.0  # K
UNSTABLE = 0.01  # share of imaginary modes above which a crystal counts as unstable
SYMMETRY_TOLERANCE = 1e-3  # Å
SYSTEMS = {
    2: "triclinic",
    15: "monoclinic",
    74: "orthorhombic",
    142: "tetragonal",
    167: "trigonal",
    194: "hexagonal",
    230: "cubic",
}  # by the last space group of each
# from electropositive to electronegative, but oxygen after the halogens that it oxidises
ORDER = (
    "Rn Xe Kr Ar Ne He Fr Cs Rb K Na Li Ra Ba Sr Ca Mg Be Lr No Md Fm Es Cf Bk Cm Am Pu Np U Pa Th "
    "Ac Lu Yb Tm Er Ho Dy Tb Gd Eu Sm Pm Nd Pr Ce La Y Sc Hf Zr Ti Ta Nb V W Mo Cr Re Tc Mn Os Ru "
    "Fe Ir Rh Co Pt Pd Ni Au Ag Cu Hg Cd Zn Tl In Ga Al B Pb Sn Ge Si C Bi Sb As P N H Po Te Se S "
    "At I Br Cl O F"
)
WORDS = ("names", "formulas", "elements", "systems")
SIGMAS = ("cv300", "mean_frequency", "last_peak", "dos51")


@runtime_checkable
class Prediction(Protocol):
    """What is measured of a prediction; a ``SpectrumResult`` has it.

    ``last_peak`` in cm⁻¹, ``unstable`` a probability, ``uncertainty`` standard deviations of
    ``cv300`` (J/(K mol-atom)), ``mean_frequency`` and ``last_peak`` (cm⁻¹) and ``dos51``, the root
    mean square error of the curve.
    """

    @property
    def dos(self) -> PhononDOS:
        """The density of states."""

    @property
    def last_peak(self) -> float:
        """The highest frequency with a maximum, cm⁻¹."""

    @property
    def unstable(self) -> float:
        """The probability that more than a hundredth of the modes is imaginary."""

    @property
    def uncertainty(self) -> Mapping[str, float]:
        """Standard deviations by quantity."""

    @property
    def structure(self) -> Structure:
        """The crystal."""


@dataclass(frozen=True, eq=False)
class CrystalErrors:
    """Predicted and reference values, crystal by crystal.

    Curves at 0, 20, ... 1000 cm⁻¹, each divided by its maximum. Pairs of values are (predicted,
    reference): heat capacities at 300 K in J/(K mol-atom), frequencies in cm⁻¹. ``wasserstein`` is
    in cm⁻¹, ``imaginary`` the share of imaginary modes of the reference, ``unstable`` the predicted
    probability that there is more than a hundredth of them, and ``sigma`` the predicted standard
    deviations (NaN where a model gave none).
    """

    names: tuple[str, ...]
    formulas: tuple[str, ...]
    elements: tuple[tuple[str, ...], ...]
    systems: tuple[str, ...]
    predicted: Float[np.ndarray, "crystal 51"]
    reference: Float[np.ndarray, "crystal 51"]
    heat_capacity: Float[np.ndarray, "crystal 2"]
    mean_frequency: Float[np.ndarray, "crystal 2"]
    last_peak: Float[np.ndarray, "crystal 2"]
    wasserstein: Float[np.ndarray, " crystal"]
    imaginary: Float[np.ndarray, " crystal"]
    unstable: Float[np.ndarray, " crystal"]
    sigma: Mapping[str, Float[np.ndarray, " crystal"]]

    @property
    def mse(self) -> Float[np.ndarray, " crystal"]:
        """Mean square error of each curve."""
        return np.asarray(np.square(self.predicted - self.reference).mean(axis=1))

    @property
    def mae(self) -> Float[np.ndarray, " crystal"]:
        """Mean absolute error of each curve."""
        return np.asarray(np.abs(self.predicted - self.reference).mean(axis=1))

    @property
    def stable(self) -> Bool[np.ndarray, " crystal"]:
        """Which crystals have less than a hundredth of imaginary modes."""
        return np.asarray(self.imaginary < UNSTABLE)

    def error(self, quantity: str) -> Float[np.ndarray, " crystal"]:
        """Predicted minus reference; of ``dos51`` the root mean square error of each curve.

        ``quantity`` is ``cv300``, ``mean_frequency``, ``last_peak`` or ``dos51``.
        """
        if quantity == "dos51":
            return np.asarray(np.sqrt(self.mse))
        pairs = {
            "cv300": self.heat_capacity,
            "mean_frequency": self.mean_frequency,
            "last_peak": self.last_peak,
        }
        return np.asarray(pairs[quantity][:, 0] - pairs[quantity][:, 1])

    def averages(self, chosen: Bool[np.ndarray, " crystal"] | None = None) -> dict[str, Any]:
        """Mean errors of all crystals, or of the chosen ones; None if there are none.

        >>> from euclidium.analyze.baselines import mean_spectrum
        >>> argon = Structure(np.array([18]), np.zeros((1, 3)), 5 * np.eye(3), np.ones(3, bool))
        >>> dos = PhononDOS(np.array([-2.5, 2.5, 7.5]), np.array([0.0, 3.0]))
        >>> records = [PhononRecord.of("argon", argon, dos)]
        >>> found = compare(mean_spectrum(records).predict([argon]), records).averages()
        >>> round(found["wasserstein"], 9), found["n"]
        (0.0, 1)
        """
        part = np.ones(len(self.names), dtype=bool) if chosen is None else chosen
        columns = {
            "dos51_mae": self.mae,
            "dos51_mse": self.mse,
            "cv300_mae": np.abs(self.error("cv300")),
            "mean_freq_mae": np.abs(self.error("mean_frequency")),
            "last_peak_mae": np.abs(self.error("last_peak")),
            "wasserstein": self.wasserstein,
        }
        n = int(part.sum())
        means = {name: float(v[part].mean()) if n else None for name, v in columns.items()}
        return {**means, "n": n}


@dataclass(frozen=True, eq=False)
class SpectrumErrors:
    """Mean errors of predicted phonon spectra.

    ``dos51_mae`` and ``dos51_mse``: of the curves at 0, 20, ... 1000 cm⁻¹, each divided by its
    maximum (the measure of Chen et al., Adv. Sci. 8, 2004214 (2021),
    https://doi.org/10.1002/advs.202004214). ``cv300_mae`` in J/(K mol-atom); ``mean_freq_mae`` (of
    the real modes) and ``last_peak_mae`` in cm⁻¹; ``stability_auroc``: how well unstable crystals
    are told from stable ones, None if there is one kind only. ``wasserstein`` in cm⁻¹ compares the
    curves where they are, without grid or scale. ``quartiles`` are those of the mean square error
    of a curve. ``stable`` holds the same averages for crystals with less than 1 % imaginary modes,
    ``by_element`` for those that contain an element. ``notes`` are sentences about what could not
    be measured; ``crystals`` has every number behind the averages.
    """

    dos51_mae: float
    dos51_mse: float
    cv300_mae: float
    mean_freq_mae: float
    last_peak_mae: float
    stability_auroc: float | None
    n: int
    wasserstein: float
    quartiles: tuple[float, float, float]
    unstable_share: float
    stable: Mapping[str, Any]
    calibration: Mapping[str, Calibration]
    by_crystal_system: Mapping[str, Mapping[str, Any]]
    by_element: Mapping[str, Mapping[str, Any]]
    notes: tuple[str, ...]
    crystals: CrystalErrors = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """All averages, without the single crystals: what JSON can hold.

        >>> from euclidium.analyze.baselines import mean_spectrum
        >>> argon = Structure(np.array([18]), np.zeros((1, 3)), 5 * np.eye(3), np.ones(3, bool))
        >>> dos = PhononDOS(np.array([0.0, 50.0]), np.array([3.0]))
        >>> records = [PhononRecord.of("argon", argon, dos)]
        >>> evaluate_spectra(mean_spectrum(records).predict([argon]), records).as_dict()["n"]
        1
        """
        names = [name for name in self.__dataclass_fields__ if name != "crystals"]
        found = {name: getattr(self, name) for name in names}
        found["calibration"] = {name: asdict(c) for name, c in self.calibration.items()}
        return {**found, "quartiles": list(self.quartiles), "notes": list(self.notes)}


def evaluate_spectra(
    results: Iterable[Prediction], records: Iterable[PhononRecord]
) -> SpectrumErrors:
    """Errors of predictions against records, in the same order.

    Both may be iterators: of each pair only some numbers are kept. Raises ``ValueError`` if there
    is nothing to compare, if one is longer than the other, or for a pair of different crystals.

    >>> from euclidium.analyze.baselines import nearest_compositions
    >>> argon = Structure(np.array([18]), np.zeros((1, 3)), 5 * np.eye(3), np.ones(3, bool))
    >>> dos = PhononDOS(np.array([0.0, 50.0]), np.array([3.0]))
    >>> records = [PhononRecord.of("argon", argon, dos)]
    >>> guess = nearest_compositions(records, 1)
    >>> evaluate_spectra(guess.predict([argon]), records).dos51_mse < 1e-5
    True
    """
    crystals = compare(results, records)
    notes = []
    unstable = crystals.imaginary > UNSTABLE
    ranked = auroc(crystals.unstable, unstable)
    if ranked is None:
        kind = "unstable" if unstable.any() else "stable"
        notes.append(
            f"stability_auroc has no value: all {len(unstable)} crystals are {kind}, and it needs "
            "both kinds"
        )
    found = {name: reliability(crystals.error(name), crystals.sigma[name]) for name in SIGMAS}
    missing = [name for name, value in found.items() if value is None]
    if missing:
        notes.append(f"the model gives no uncertainty of {', '.join(missing)}")
    means = crystals.averages()
    low, middle, high = np.quantile(crystals.mse, [0.25, 0.5, 0.75]).tolist()
    return SpectrumErrors(
        **means,
        stability_auroc=ranked,
        quartiles=(low, middle, high),
        unstable_share=float(unstable.mean()),
        stable=crystals.averages(crystals.stable),
        calibration={name: value for name, value in found.items() if value is not None},
        by_crystal_system=_by_crystal_system(crystals),
        by_element=_by_element(crystals),
        notes=tuple(notes),
        crystals=crystals,
    )


def compare(results: Iterable[Prediction], records: Iterable[PhononRecord]) -> CrystalErrors:
    """Predicted and reference values of each crystal. Raises as :func:`evaluate_spectra` does.

    >>> compare([], [])
    Traceback (most recent call last):
    ValueError: there are no records to compare predictions with
    """
    rows: list[dict[str, Any]] = []
    pairs = iter(zip(results, records, strict=True))
    while True:
        try:
            result, record = next(pairs)
        except StopIteration:
            break
        except ValueError as error:
            if "zip()" not in str(error):
                raise
            raise ValueError(
                f"predictions and records differ in number after {len(rows)} of them: give one "
                "prediction for each record, in the same order"
            ) from error
        given, wanted = result.structure.fractions, record.structure.fractions
        if given.shape != wanted.shape or not np.allclose(given, wanted):
            raise ValueError(
                f"the prediction for {record.name} is of {result.structure.formula}, the record of "
                f"{record.structure.formula}: give both in the same order"
            )
        rows.append(_row(result, record))
    if not rows:
        raise ValueError("there are no records to compare predictions with")
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
    sigma = {
        name: np.array([row.get(name, np.nan) for row in columns["sigma"]], dtype=np.float64)
        for name in SIGMAS
    }
    for name, column in columns.items():
        columns[name] = tuple(column) if name in WORDS else np.array(column)
    return CrystalErrors(**{**columns, "sigma": sigma})


def wasserstein(a: PhononDOS, b: PhononDOS) -> float:
    """How far modes must move, on average, to make one density of states of another, cm⁻¹.

    W = ∫ |F_a(ω) − F_b(ω)| dω

    with the shares F of modes below a frequency, imaginary modes included; exact.

    >>> soft = PhononDOS(np.array([0.0, 100.0]), np.array([3.0]))
    >>> hard = PhononDOS(np.array([30.0, 130.0]), np.array([3.0]))
    >>> round(wasserstein(soft, hard), 9)
    30.0
    """
    grid = np.union1d(a.edges, b.edges)
    difference = _share_below(a, grid) - _share_below(b, grid)
    left, right = np.abs(difference[:-1]), np.abs(difference[1:])
    crossing = difference[:-1] * difference[1:] < 0
    both = np.where(crossing, left + right, 1.0)
    mean = np.where(crossing, (left**2 + right**2) / both, left + right) / 2
    return float(mean @ np.diff(grid))


def reduced_formula(structure: Structure) -> str:
    """The smallest formula unit, or that of the sites of an alloy, electropositive elements first.

    >>> reduced_formula(Structure(np.array([8, 8, 12, 12]), np.arange(12.0).reshape(4, 3)))
    'MgO'
    """
    units = formula_units(structure)
    amounts = {symbol: amount / units for symbol, amount in structure.composition.items()}
    place = {symbol: n for n, symbol in enumerate(ORDER.split())}
    return formula(amounts, sorted(amounts, key=lambda symbol: place.get(symbol, len(place))))


def crystal_system(structure: Structure) -> str:
    """The crystal system, from positions to within 0.001 Å; ``unknown`` if there is none.

    >>> cell = 3.4 * np.eye(3)
    >>> crystal_system(Structure(np.array([84]), np.zeros((1, 3)), cell, np.ones(3, bool)))
    'cubic'
    """
    if not structure.pbc.all():
        return "unknown"
    fractions = structure.positions @ np.linalg.inv(structure.cell)
    found = space_group((structure.cell, fractions, site_kinds(structure)), SYMMETRY_TOLERANCE)
    if found is None:
        return "unknown"
    return next(name for last, name in SYSTEMS.items() if found.number <= last)


def normalized(curve: Float[np.ndarray, " point"]) -> Float[np.ndarray, " point"]:
    """A curve divided by its maximum; one that is zero everywhere stays so.

    >>> normalized(np.array([1.0, 4.0])).tolist()
    [0.25, 1.0]
    """
    largest = float(curve.max())
    return curve / largest if largest > 0 else np.zeros_like(curve)


def _share_below(dos: PhononDOS, frequencies: np.ndarray) -> np.ndarray:
    """Share of the modes below each frequency."""
    below = np.append(0.0, np.cumsum(dos.modes))
    return np.interp(frequencies, dos.edges, below / below[-1])


def _row(result: Prediction, record: PhononRecord) -> dict[str, Any]:
    """What is kept of one pair; the names are those of ``CrystalErrors``."""
    return {
        "names": record.name,
        "formulas": reduced_formula(record.structure),
        "elements": tuple(record.structure.composition),
        "systems": crystal_system(record.structure),
        "predicted": normalized(result.dos.at(GRID51, WIDTH51)),
        "reference": normalized(record.dos51),
        "heat_capacity": (float(result.dos.heat_capacity(ROOM)), record.heat_capacity),
        "mean_frequency": (result.dos.mean_frequency, record.mean_frequency),
        "last_peak": (result.last_peak, record.last_peak),
        "wasserstein": wasserstein(result.dos, record.dos),
        "imaginary": float(record.imaginary),
        "unstable": float(result.unstable),
        "sigma": dict(result.uncertainty),
    }


def _by_element(crystals: CrystalErrors) -> dict[str, dict[str, Any]]:
    """Averages over the crystals that contain an element, in the order of the periodic table."""
    present: set[str] = {symbol for elements in crystals.elements for symbol in elements}
    return {
        symbol: crystals.averages(np.array([symbol in e for e in crystals.elements]))
        for symbol in sorted(present, key=atomic_number)
    }


def _by_crystal_system(crystals: CrystalErrors) -> dict[str, dict[str, Any]]:
    """Averages over the crystals of each system, from the lowest symmetry to the highest."""
    systems: Sequence[str] = [*SYSTEMS.values(), "unknown"]
    return {
        system: crystals.averages(np.array([s == system for s in crystals.systems]))
        for system in systems
        if system in crystals.systems
    }
