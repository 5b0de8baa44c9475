"""Numbers that describe a data set and set the scales of a model."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from euclidium.atoms.graph import Graph


@dataclass(frozen=True)
class Statistics:
    """What a data set holds.

    ``counts`` is the number of atoms of each atomic number. Energies are per atom, in eV, after the
    reference energies are taken off; the RMS of forces is over all components, in eV/Å, that of
    stresses in eV/Å³. What the data do not have is ``None``.

    >>> Statistics(2, 4, 12, {18: 4}).mean_neighbors
    3.0
    """

    n_structures: int
    n_atoms: int
    n_edges: int
    counts: Mapping[int, int] = field(default_factory=dict)
    energy_mean: float | None = None
    energy_std: float | None = None
    forces_rms: float | None = None
    stress_rms: float | None = None

    @property
    def species(self) -> tuple[int, ...]:
        """Atomic numbers that occur, sorted."""
        return tuple(sorted(self.counts))

    @property
    def mean_neighbors(self) -> float:
        """Mean number of neighbours of an atom within the cutoff."""
        return self.n_edges / self.n_atoms if self.n_atoms else 0.0


def statistics(
    graphs: Iterable[Graph], references: Mapping[int, float] | None = None
) -> Statistics:
    """Statistics of some graphs, in one pass.

    ``references`` are energies (eV) by atomic number that are taken off the energies.

    >>> from euclidium.atoms.structure import Structure
    >>> argon = Structure(np.array([18, 18]), 3.0 * np.eye(2, 3))
    >>> statistics([Graph.from_structures([argon], cutoff=5.0)]).mean_neighbors
    1.0
    """
    table = np.zeros(256)
    for z, energy in (references or {}).items():
        table[z] = energy
    sizes = np.zeros(3, dtype=np.int64)
    counts: Counter[int] = Counter()
    energies, forces, stress = _Moments(), _Moments(), _Moments()
    for graph in graphs:
        sizes += (graph.n_structures, graph.n_atoms, graph.n_edges)
        counts.update(graph.species.tolist())
        energies.add(_energies_per_atom(graph, table))
        forces.add(_values(graph.labels.get("forces")))
        stress.add(_values(graph.labels.get("stress")))
    n_structures, n_atoms, n_edges = sizes.tolist()
    return Statistics(
        n_structures,
        n_atoms,
        n_edges,
        counts=dict(sorted(counts.items())),
        energy_mean=energies.mean,
        energy_std=energies.std,
        forces_rms=forces.rms,
        stress_rms=stress.rms,
    )


class _Moments:
    """Mean and variance of numbers that come in parts (Chan, Golub & LeVeque 1983)."""

    def __init__(self) -> None:
        self.n, self.first, self.second = 0, 0.0, 0.0

    def add(self, values: np.ndarray) -> None:
        """Take more numbers in."""
        if values.size == 0:
            return
        total, mean = self.n + values.size, float(values.mean())
        step = mean - self.first
        self.second += float(((values - mean) ** 2).sum()) + step**2 * self.n * values.size / total
        self.first += step * values.size / total
        self.n = total

    @property
    def mean(self) -> float | None:
        """Mean."""
        return self.first if self.n else None

    @property
    def std(self) -> float | None:
        """Standard deviation around the mean."""
        return math.sqrt(self.second / self.n) if self.n else None

    @property
    def rms(self) -> float | None:
        """Root of the mean square."""
        return math.sqrt(self.first**2 + self.second / self.n) if self.n else None


def _values(label: Tensor | None) -> np.ndarray:
    """All components of a label, none if it is absent."""
    return np.empty(0) if label is None else label.detach().cpu().numpy().ravel()


def _energies_per_atom(graph: Graph, references: np.ndarray) -> np.ndarray:
    """Energy of each structure without its reference, per atom."""
    energies = _values(graph.labels.get("energy"))
    if energies.size == 0:
        return energies
    structure = graph.structure.cpu().numpy()
    known = np.bincount(structure, references[graph.species.cpu().numpy()], graph.n_structures)
    return (energies - known) / np.bincount(structure, minlength=graph.n_structures)
