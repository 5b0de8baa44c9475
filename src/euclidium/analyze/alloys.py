"""Phonon spectra of alloys: over the composition, and against cells that hold whole atoms."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from euclidium.analyze.quasirandom import Quasirandom, special_quasirandom
from euclidium.atoms.dos import PhononDOS
from euclidium.atoms.occupations import interpolate, substitute
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure

PITCH = 1.0  # cm⁻¹, intervals on which frequencies are counted
ROOM = 300.0  # K


@runtime_checkable
class Spectral(Protocol):
    """What is asked of a prediction: a ``SpectrumResult`` has it."""

    @property
    def dos(self) -> PhononDOS:
        """The density of states."""


Predict = Callable[[Sequence[Structure]], Iterable[Spectral]]


@dataclass(frozen=True, eq=False)
class Sweep:
    """Predictions along a line of compositions."""

    fractions: Float[np.ndarray, " fraction"]
    structures: tuple[Structure, ...]
    results: tuple[Spectral, ...]

    @property
    def formulas(self) -> tuple[str, ...]:
        """The formula of each cell."""
        return tuple(structure.formula for structure in self.structures)

    def curves(
        self, frequencies: Float[np.ndarray, " point"], width: float = 10.0
    ) -> Float[np.ndarray, "fraction point"]:
        """g(ω) at each composition, in modes for each atom and cm⁻¹; see :meth:`PhononDOS.at`."""
        return np.stack([result.dos.at(frequencies, width) for result in self.results])

    def heat_capacity(
        self, temperature: float = ROOM, per: str = "atom"
    ) -> Float[np.ndarray, " fraction"]:
        """C_v at a temperature (K) in J/K, for a mole of atoms, or ``per`` as of the spectra."""
        return np.array([float(r.dos.heat_capacity(temperature, per)) for r in self.results])

    def uncertainty(self, quantity: str) -> Float[np.ndarray, " fraction"]:
        """The standard deviations that the predictions give for a quantity, such as ``cv300``.

        NaN where they give none.

        >>> from types import SimpleNamespace
        >>> argon = Structure(np.array([18]), np.zeros((1, 3)), 5 * np.eye(3), np.ones(3, bool))
        >>> dos = PhononDOS.of(argon, np.array([0.0, 60.0]), np.array([3.0]))
        >>> one = SimpleNamespace(dos=dos, uncertainty={"cv300": 0.1})
        >>> Sweep(np.array([0.5]), (argon,), (one,)).uncertainty("cv300").tolist()
        [0.1]
        """
        given = (getattr(result, "uncertainty", {}) for result in self.results)
        return np.array([float(one.get(quantity, np.nan)) for one in given])


@dataclass(frozen=True, eq=False)
class AlloyCheck:
    """The spectrum of a crystal with mixed sites, and that of cells with whole atoms.

    ``predicted`` is for mixed sites, such as that of a model or of a virtual crystal; ``explicit``
    are the spectra of the ``cells``, and ``reference`` is their mean.
    """

    structure: Structure
    cells: tuple[Quasirandom, ...]
    explicit: tuple[PhononDOS, ...]
    reference: PhononDOS
    predicted: PhononDOS

    @property
    def misplaced(self) -> float:
        """The share of modes that are elsewhere in the prediction, as :func:`misplaced`."""
        return misplaced(self.predicted, self.reference)

    @property
    def spread(self) -> float:
        """The mean share of modes that are elsewhere in one cell than in the mean of all."""
        return float(np.mean([misplaced(one, self.reference) for one in self.explicit]))

    @property
    def heat_capacity_error(self) -> float:
        """Predicted minus reference C_v at 300 K, in J/(K mol) for a mole of atoms."""
        pair = (float(d.heat_capacity(ROOM)) for d in (self.predicted, self.reference))
        return next(pair) - next(pair)

    @property
    def mean_frequency_error(self) -> float:
        """Predicted minus reference mean frequency, in cm⁻¹."""
        return self.predicted.mean_frequency - self.reference.mean_frequency


def sweep(
    predict: Predict,
    structure: Structure,
    other: Structure | Mapping[str, str],
    fractions: Sequence[float] | Float[np.ndarray, " fraction"],
) -> Sweep:
    """Predictions at compositions between two crystals, or along a replacement of elements.

    ``other`` is the other end member, for which cell and positions change with the composition
    (:func:`~euclidium.atoms.interpolate`), or {old element: new element}, for which they stay
    (:func:`~euclidium.atoms.substitute`). ``predict`` takes structures with mixed sites and gives a
    result for each in their order, as ``Spectrum.predict`` does.

    Raises ``DataError`` as these functions do, and ``ValueError`` without fractions or if
    ``predict`` gives another number of results.

    >>> from ase.build import bulk
    >>> from types import SimpleNamespace
    >>> def einstein(structures):
    ...     for s in structures:
    ...         edges = 2000 / np.sqrt(s.masses.mean()) + np.array([-1.0, 1.0])
    ...         yield SimpleNamespace(dos=PhononDOS.of(s, edges, np.array([3.0])))
    >>> line = sweep(einstein, Structure.from_ase(bulk("Cu")), {"Cu": "Au"}, [0.0, 0.5, 1.0])
    >>> line.formulas, line.heat_capacity().round(1).tolist()
    (('Cu', 'Au0.5Cu0.5', 'Au'), [22.1, 23.5, 24.0])
    """
    values = np.asarray(fractions, dtype=np.float64)
    if len(values) == 0:
        raise ValueError("a sweep needs at least one fraction, got none")
    structures = tuple(_at(structure, other, float(x)) for x in values)
    results = tuple(predict(structures))
    if len(results) != len(values):
        raise ValueError(f"{len(values)} compositions have {len(results)} predictions")
    return Sweep(values, structures, results)


def check_alloy(
    predict: Predict,
    explicit: Callable[[Structure], PhononDOS],
    structure: Structure,
    supercell: int | Sequence[int] = 8,
    *,
    cells: int = 3,
    seed: int = 0,
) -> AlloyCheck:
    """Compare a prediction for mixed sites with the mean over cells that hold whole atoms.

    The cells are special quasirandom structures (:func:`special_quasirandom`) with the seeds from
    ``seed``. ``explicit`` computes the phonon density of states of each, for example by relaxing it
    and displacing its atoms with a potential (``simulate.phonons`` and :func:`from_frequencies`).

    Raises ``DataError`` for a structure without mixed sites, and ``ValueError`` for no cells.

    >>> from ase.build import bulk
    >>> from types import SimpleNamespace
    >>> def einstein(s):
    ...     return from_frequencies(s, 2000 / np.sqrt(s.masses.repeat(3)))
    >>> alloy = substitute(Structure.from_ase(bulk("Cu")), {"Cu": {"Au": 0.5}})
    >>> virtual = lambda structures: [SimpleNamespace(dos=einstein(s)) for s in structures]
    >>> found = check_alloy(virtual, einstein, alloy, cells=1)
    >>> round(found.misplaced, 2)  # every atom of the alloy vibrates elsewhere
    1.0
    """
    if cells < 1:
        raise ValueError(f"an average needs one cell or more, got {cells}")
    found = tuple(
        special_quasirandom(structure, supercell, seed=seed + number) for number in range(cells)
    )
    spectra = tuple(explicit(cell.structure) for cell in found)
    (predicted,) = predict([structure])
    mean = averaged(spectra)
    unit = PhononDOS.of(structure, mean.edges, mean.modes).formula_atoms  # not that of a supercell
    reference = replace(mean, formula_atoms=unit)
    return AlloyCheck(structure, found, spectra, reference, predicted.dos)


def averaged(spectra: Sequence[PhononDOS], weights: Sequence[float] | None = None) -> PhononDOS:
    """The mean of densities of states, with its mass, volume and formula unit.

    It is exact, on the intervals of all of them together. The ``weights``, by default equal, are
    shares of atoms. Raises ``ValueError`` without spectra, or for weights that do not fit.

    >>> pair = [PhononDOS(np.array([0.0, w]), np.array([3.0])) for w in (100.0, 200.0)]
    >>> mean = averaged(pair)
    >>> round(mean.mean_frequency, 6), round(float(mean.modes.sum()), 6)
    (75.0, 3.0)
    """
    shares = np.ones(len(spectra)) if weights is None else np.asarray(weights, dtype=np.float64)
    if not spectra or len(shares) != len(spectra) or not (shares >= 0).all() or not shares.any():
        raise ValueError(f"{len(spectra)} spectra with {len(shares)} weights: give one for each")
    shares = shares / shares.sum()
    every = np.unique(np.concatenate([one.edges for one in spectra]))
    edges = np.append(every[:-1][np.diff(every) > 1e-9], every[-1])
    modes = sum(w * _counted(one, edges) for w, one in zip(shares, spectra, strict=True))
    means = {
        name: float(shares @ np.array([getattr(one, name) for one in spectra]))
        for name in ("mass", "volume", "formula_atoms")
    }
    return PhononDOS(edges, np.asarray(modes), **means)


def from_frequencies(
    structure: Structure,
    frequencies: Float[np.ndarray, "*mode"],
    weights: Float[np.ndarray, "*mode"] | None = None,
) -> PhononDOS:
    """The density of states of a list of frequencies (cm⁻¹, imaginary ones negative).

    Counted on intervals of 1 cm⁻¹ and scaled to three modes an atom; ``weights``, by default equal,
    are those of points in the Brillouin zone. Raises ``ValueError`` without frequencies.

    >>> argon = Structure(np.array([18]), np.zeros((1, 3)), 5 * np.eye(3), np.ones(3, bool))
    >>> from_frequencies(argon, np.array([30.0, 30.0, 60.0])).mean_frequency
    40.0
    """
    values = np.asarray(frequencies, dtype=np.float64)
    shares = np.broadcast_to(1.0 if weights is None else weights, values.shape)
    if values.size == 0 or not np.isfinite(values).all():
        raise ValueError("a spectrum needs frequencies, finite numbers in cm⁻¹")
    # borders between whole numbers, so that zero is inside of an interval
    low, high = np.floor(values.min() / PITCH) - 0.5, np.ceil(values.max() / PITCH) + 0.5
    edges = PITCH * np.arange(low, high + 0.25)
    counts = np.histogram(values, edges, weights=shares)[0].astype(np.float64)
    return PhononDOS.of(structure, edges, 3 * counts / counts.sum())


def misplaced(first: PhononDOS, second: PhononDOS, width: float = 5.0) -> float:
    """The share of modes that lie elsewhere in one spectrum than in the other, from 0 to 1.

    ½ ∫ |g_1 − g_2| dω / 3 of the curves smoothed by Gaussians of the ``width`` in cm⁻¹.

    >>> pair = [PhononDOS(np.array([w, w + 1.0]), np.array([3.0])) for w in (100.0, 200.0)]
    >>> round(misplaced(*pair), 3), misplaced(pair[0], pair[0])
    (1.0, 0.0)
    """
    ends = np.concatenate([first.edges, second.edges])
    points = np.arange(ends.min() - 5 * width, ends.max() + 5 * width, min(PITCH, width / 4))
    apart = np.abs(first.at(points, width) - second.at(points, width))
    return float(apart.sum() * (points[1] - points[0]) / 6)


def _at(structure: Structure, other: Structure | Mapping[str, str], fraction: float) -> Structure:
    """One composition of a sweep."""
    if isinstance(other, Structure):
        return interpolate(structure, other, fraction)
    if not other:
        raise DataError("nothing is replaced: name elements, such as {'Sb': 'Bi'}")
    return substitute(structure, {old: {new: fraction} for old, new in other.items()})


def _counted(dos: PhononDOS, edges: np.ndarray) -> np.ndarray:
    """The modes in other intervals, g being constant in its own."""
    below = np.append(0.0, np.cumsum(dos.modes))
    return np.diff(np.interp(edges, dos.edges, below))
