"""What can be said about a phonon spectrum without looking at the structure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from euclidium.analyze.spectra import ROOM, UNSTABLE, normalized
from euclidium.atoms.dos import PhononDOS
from euclidium.atoms.phonon_record import GRID51, WIDTH51, PhononRecord
from euclidium.atoms.structure import LARGEST_ATOMIC_NUMBER, Structure

PITCH = 5.0  # cm⁻¹, intervals on which spectra are averaged
PARTNERS = 500  # known crystals, at most, from which the spread of a mean is taken


@dataclass(frozen=True, eq=False)
class Guess:
    """A spectrum that was looked up: what a model would predict, with the spread of the sources.

    ``last_peak`` in cm⁻¹, ``unstable`` the share of unstable crystals among the sources.
    """

    structure: Structure
    dos: PhononDOS
    last_peak: float
    unstable: float
    uncertainty: Mapping[str, float] = field(default_factory=dict)
    sources: tuple[str, ...] = ()


class Lookup:
    """The average spectrum of the known crystals with the most similar compositions.

    Of ``neighbors`` known crystals, or of all for None. Compositions are as far apart as the
    Euclidean distance of their fractions of elements; of equal distances the first record counts.
    Modes are averaged on intervals of 5 cm⁻¹, so that the heat capacity is the average of those of
    the sources, as are the last peak and the share of unstable crystals.

    Raises ``ValueError`` without records, or for more neighbours than records.

    >>> argon = Structure(np.array([18]), np.zeros((1, 3)), 5 * np.eye(3), np.ones(3, bool))
    >>> record = PhononRecord.of("argon", argon, PhononDOS(np.array([2.5, 52.5]), np.array([3.0])))
    >>> (guess,) = Lookup([record], neighbors=1).predict([argon])
    >>> guess.sources, round(guess.dos.mean_frequency, 3)
    (('argon',), 27.5)
    """

    def __init__(self, records: Sequence[PhononRecord], neighbors: int | None = None) -> None:
        count = len(records) if neighbors is None else neighbors
        if not 1 <= count <= len(records):
            raise ValueError(f"{count} neighbours of {len(records)} records: give from 1 to all")
        self.neighbors = neighbors
        self.names = tuple(record.name for record in records)
        self.fractions = np.array([fractions(record.structure) for record in records])
        self.edges = _edges(records)
        self.width = max(record.dos.broadening for record in records)
        self.modes = np.array([_rebinned(r.dos, self.edges) for r in records], dtype=np.float32)
        self.last_peaks = np.array([record.last_peak for record in records])
        self.unstable = np.array([record.imaginary > UNSTABLE for record in records])
        self._mean = self._average(np.arange(len(records))) if neighbors is None else None

    def predict(self, structures: Iterable[Structure]) -> Iterator[Guess]:
        """A spectrum for each structure, in their order."""
        for structure in structures:
            modes, numbers = self._mean or self._average(self._nearest(structure))
            yield Guess(
                structure, PhononDOS.of(structure, self.edges, modes, self.width), **numbers
            )

    def _nearest(self, structure: Structure) -> np.ndarray:
        """Indices of the records with the most similar compositions."""
        distance = np.square(self.fractions - fractions(structure)).sum(axis=1).round(12)
        return np.argsort(distance, kind="stable")[: self.neighbors]

    def _average(self, chosen: np.ndarray) -> tuple[np.ndarray, dict]:
        """Mean modes, and what else is said about a crystal from the chosen records."""
        modes = self.modes[chosen].mean(axis=0, dtype=np.float64)
        known = self.neighbors is not None
        return modes, {
            "last_peak": float(self.last_peaks[chosen].mean()),
            "unstable": float(self.unstable[chosen].mean()),
            "uncertainty": self._spread(chosen[:PARTNERS], modes),
            "sources": tuple(self.names[n] for n in chosen) if known else (),
        }

    def _spread(self, chosen: np.ndarray, mean: np.ndarray) -> dict[str, float]:
        """Standard deviations of a new crystal around the mean of the chosen ones."""
        if len(chosen) < 2:
            return {}
        width = self.width
        spectra = [
            PhononDOS(self.edges, self.modes[n].astype(np.float64), broadening=width)
            for n in chosen
        ]
        middle = normalized(PhononDOS(self.edges, mean, broadening=width).at(GRID51, WIDTH51))
        curves = np.array([normalized(dos.at(GRID51, WIDTH51)) for dos in spectra])
        n = len(chosen)
        heat = np.array([float(dos.heat_capacity(ROOM)) for dos in spectra])
        means = np.array([dos.mean_frequency for dos in spectra])
        wider = np.sqrt(1 + 1 / n)  # a further crystal is farther from the mean than its sources
        return {
            "cv300": float(heat.std(ddof=1) * wider),
            "mean_frequency": float(means.std(ddof=1) * wider),
            "last_peak": float(self.last_peaks[chosen].std(ddof=1) * wider),
            "dos51": float(np.sqrt(np.square(curves - middle).mean() * n / (n - 1)) * wider),
        }


def mean_spectrum(records: Sequence[PhononRecord]) -> Lookup:
    """The average of all known spectra, whatever the crystal.

    Raises ``ValueError`` without records.

    >>> mean_spectrum([])
    Traceback (most recent call last):
    ValueError: 0 neighbours of 0 records: give from 1 to all
    """
    return Lookup(records)


def nearest_compositions(records: Sequence[PhononRecord], neighbors: int = 3) -> Lookup:
    """The average of the known spectra with the most similar compositions, without structure.

    Raises ``ValueError`` for fewer records than neighbours.

    >>> argon = Structure(np.array([18]), np.zeros((1, 3)), 5 * np.eye(3), np.ones(3, bool))
    >>> record = PhononRecord.of("argon", argon, PhononDOS(np.array([0.0, 50.0]), np.array([3.0])))
    >>> next(nearest_compositions([record], 1).predict([argon])).unstable
    0.0
    """
    return Lookup(records, neighbors)


def fractions(structure: Structure) -> Float[np.ndarray, " element"]:
    """The share of each element, by atomic number, of the atoms of a structure.

    >>> salt = Structure(np.array([11, 17]), np.array([[0.0, 0, 0], [2.8, 0, 0]]))
    >>> fractions(salt)[[11, 17]].tolist()
    [0.5, 0.5]
    """
    counts = np.bincount(structure.species, minlength=LARGEST_ATOMIC_NUMBER + 1)
    return np.asarray(counts / structure.n_atoms)


def _edges(records: Sequence[PhononRecord]) -> np.ndarray:
    """Intervals that hold all modes, with zero in the middle of one."""
    low = min(float(record.dos.edges[0]) for record in records)
    high = max(float(record.dos.edges[-1]) for record in records)
    first, last = np.floor(low / PITCH), np.ceil(high / PITCH)
    return PITCH * (np.arange(first, last + 2) - 0.5)


def _rebinned(dos: PhononDOS, edges: np.ndarray) -> np.ndarray:
    """The modes in other intervals."""
    below = np.append(0.0, np.cumsum(dos.modes))
    return np.diff(np.interp(edges, dos.edges, below))
