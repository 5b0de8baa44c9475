"""The errors of a model of electron densities."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from euclidium.analyze.fields import epsilons
from euclidium.atoms.basis import DensityBasis
from euclidium.atoms.density import Density, DensityRecord
from euclidium.atoms.problem import DataError


@dataclass(frozen=True)
class DensityError:
    """The errors of the density of one structure.

    ``eps`` is 100 ∫|Δρ| / N in percent, ``eps_by_degree`` the same of the functions of each degree
    alone, ``electrons`` the electrons that are missing or too many, ``dipole`` the length of what
    the dipole is off and ``dipole_size`` that of the dipole, e·Å. All are against the label, which
    is a fit; ``floor`` is ε of the fit itself, where it is known.
    """

    name: str
    n_atoms: int
    eps: float
    eps_by_degree: tuple[float, ...]
    eps_superposition: float
    electrons: float
    dipole: float
    dipole_size: float
    floor: float | None


@dataclass(frozen=True)
class DensityErrors:
    """The errors of a model on some structures; percent, e, e·Å.

    ``eps_fit`` is the mean of ε, ``electrons_error`` the largest deviation of the number of
    electrons, ``dipole_rel_mae`` the mean deviation of the dipole over the mean dipole, None for
    crystals, which have none.
    ``eps_superposition`` is what isolated atoms give, ``eps_floor`` how far the labels are from the
    calculations that they were fitted to.
    """

    n: int
    eps_fit: float
    eps_by_degree: tuple[float, ...]
    eps_superposition: float | None
    eps_floor: float | None
    electrons_error: float
    dipole_rel_mae: float | None
    structures: tuple[DensityError, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, without the single structures."""
        found = asdict(self)
        del found["structures"]
        found["eps_by_degree"] = list(self.eps_by_degree)
        return found


def evaluate_densities(
    predictions: Iterable[Density], records: Sequence[DensityRecord], level: int = 2
) -> DensityErrors:
    """Compare predicted densities with labels, on the Becke grid of a ``level``.

    Raises ``DataError`` for no records, and for densities of different atoms.

    >>> from euclidium.atoms.structure import Structure
    >>> atom = Structure(np.array([1]), np.zeros((1, 3)))
    >>> basis = DensityBasis("one", {1: ((0, 0.5),)})
    >>> one, other = (Density(atom, basis, np.array([c])) for c in (0.505, 0.5))
    >>> round(evaluate_densities([one], [DensityRecord("H", other)]).eps_fit, 4)
    1.0
    """
    rows = [
        _error(prediction, record, level)
        for prediction, record in zip(predictions, records, strict=True)
    ]
    if not rows:
        raise DataError("there are no densities to compare with")
    degrees = max(len(row.eps_by_degree) for row in rows)
    by_degree = np.zeros((len(rows), degrees))
    for n, row in enumerate(rows):
        by_degree[n, : len(row.eps_by_degree)] = row.eps_by_degree
    floors = [row.floor for row in rows if row.floor is not None]
    atoms = [row.eps_superposition for row in rows if np.isfinite(row.eps_superposition)]
    size = sum(row.dipole_size for row in rows)
    return DensityErrors(
        n=len(rows),
        eps_fit=float(np.mean([row.eps for row in rows])),
        eps_by_degree=tuple(by_degree.mean(axis=0).tolist()),
        eps_superposition=float(np.mean(atoms)) if atoms else None,
        eps_floor=float(np.mean(floors)) if floors else None,
        electrons_error=max(row.electrons for row in rows),
        dipole_rel_mae=sum(row.dipole for row in rows) / size if size else None,
        structures=tuple(rows),
    )


def _error(prediction: Density, record: DensityRecord, level: int) -> DensityError:
    """The errors of one structure."""
    label = record.density
    eps = epsilons(prediction, label, level)
    known = set(label.structure.species.tolist()) <= label.basis.atoms.keys()
    alone = Density.superposition(label.structure, label.basis) if known else None
    off, size = np.zeros(3), np.zeros(3)
    if not label.structure.pbc.any():
        off, size = prediction.dipole - label.dipole, label.dipole
    return DensityError(
        name=record.name,
        n_atoms=int(np.count_nonzero(label.structure.species)),
        eps=float(eps[0]),
        eps_by_degree=tuple(eps[1:].tolist()),
        eps_superposition=float("nan") if alone is None else epsilons(alone, label, level)[0],
        electrons=abs(prediction.electrons - label.electrons),
        dipole=float(np.linalg.norm(off)),
        dipole_size=float(np.linalg.norm(size)),
        floor=record.fit_error,
    )


def nearest_level(basis: DensityBasis, levels: Mapping[str, DensityBasis]) -> str:
    """Which of some bases has isolated atoms most like those of a basis, by name.

    Coefficients of isolated atoms tell the level of theory. The first, where the basis has none.

    >>> one, two = (DensityBasis("b", {1: ((0, 1.0),)}, {1: np.array([c])}) for c in (0.3, 0.4))
    >>> nearest_level(two, {"first": one, "second": two})
    'second'
    """

    def distance(name: str) -> float:
        total = 0.0
        for z, own in basis.atoms.items():
            other = levels[name].atoms.get(z)
            if other is None or levels[name].shells.get(z) != basis.shells.get(z):
                return float("inf")
            total += float(np.square(own - other).sum())
        return total

    return min(levels, key=distance)
