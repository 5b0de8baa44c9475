"""Ordered supercells that look like random alloys: special quasirandom structures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from euclidium.atoms.neighbors import neighbor_list
from euclidium.atoms.occupations import with_occupations
from euclidium.atoms.problem import DataError
from euclidium.atoms.sites import N_COLUMNS, formula, mixed
from euclidium.atoms.structure import Structure
from euclidium.atoms.supercells import compact_supercells, repeated

SAME_SHELL = 0.05  # Å, between distances of one shell
RANDOM = 100  # random arrangements, for comparison and as the first temperature
# Supercells that are tried where only their size is given, and how compact they must be.
SHAPES, COMPACT = 8, 0.75


@dataclass(frozen=True, eq=False)
class Quasirandom:
    """A supercell whose elements stand as in a random alloy, as far as its size allows.

    ``deviations`` is for each shell of pairs the root mean square of P(A, B) − x_A x_B over pairs
    of elements, where P is the share of pairs that are A and B, and zero in an infinite random
    alloy; ``random`` is what random arrangements in the same supercell have on average.
    ``distances`` are those of the shells in Å. ``rounding`` is the largest difference between a
    fraction in the supercell and the one that was asked for: atoms are whole.
    """

    structure: Structure
    supercell: Int[np.ndarray, "3 3"]  # in unit cells, the rows are vectors
    distances: Float[np.ndarray, " shell"]
    deviations: Float[np.ndarray, " shell"]
    random: Float[np.ndarray, " shell"]
    rounding: float

    @property
    def mismatch(self) -> float:
        """The largest deviation of a pair probability among the shells."""
        return float(self.deviations.max(initial=0.0))


def special_quasirandom(
    structure: Structure,
    supercell: int | Sequence[int] | Int[np.ndarray, "3 3"] = 8,
    *,
    shells: int = 5,
    steps: int = 10_000,
    seed: int = 0,
) -> Quasirandom:
    """An ordered supercell of a structure with mixed sites whose pairs are those of chance.

    Elements change places on sites of one kind (with the same occupation) until the probabilities
    of pairs in the first ``shells`` are near those of the random alloy, by simulated annealing of

    E = Σ_s (d_1/d_s)² ⟨(P_s(A, B) − x_A x_B)²⟩_AB.

    ``supercell`` is a number of unit cells, for which the best of eight compact shapes is taken,
    three repetitions, or a matrix whose rows are its vectors in unit cells. Vacancies are elements
    here, and left out of the result. Clusters of three and more are left to chance. The same
    ``seed`` gives the same structure.

    Raises ``DataError`` for a structure without mixed sites, one that is not a crystal, and a
    supercell without volume; ``ValueError`` for numbers of shells or steps below one.
    Zunger et al., Phys. Rev. Lett. 65, 353 (1990), https://doi.org/10.1103/PhysRevLett.65.353

    >>> from ase.build import bulk
    >>> from euclidium.atoms.occupations import substitute
    >>> alloy = substitute(Structure.from_ase(bulk("Cu")), {"Cu": {"Au": 0.5}})
    >>> found = special_quasirandom(alloy, 8, shells=2)
    >>> found.structure.composition, bool(found.mismatch < found.random.max())
    ({'Cu': 4.0, 'Au': 4.0}, True)
    """
    if shells < 1 or steps < 1:
        raise ValueError(f"give one shell and one step or more, got {shells} and {steps}")
    if not structure.is_mixed:
        raise DataError(f"{structure.formula} has no mixed sites: make some with substitute()")
    if not structure.pbc.all():
        raise DataError(
            f"{structure.formula} is not periodic along all axes: an alloy is a crystal"
        )
    rng = np.random.default_rng(seed)
    matrices = _matrices(structure, supercell)
    trials = [_Trial(structure, matrix, shells, rng) for matrix in matrices]
    if len(trials) > 1:  # a short look at each shape
        quick = [trial.anneal(steps // len(trials) + 1, rng)[0] for trial in trials]
        trials = [trials[int(np.argmin(quick))]]
    return trials[0].result(trials[0].anneal(steps, rng)[1])


class _Trial:
    """The search in one supercell."""

    def __init__(
        self, structure: Structure, matrix: np.ndarray, shells: int, rng: np.random.Generator
    ) -> None:
        self.matrix, self.large = matrix, repeated(structure, matrix)
        self.sites = np.flatnonzero(mixed(self.large.fractions))
        self.lattice = _Lattice.of(self.large, self.sites)
        pairs, self.distances = _shells(self.large, self.sites, shells)
        self.search = _Search(pairs, self.lattice, np.square(self.distances[0] / self.distances))
        shuffled = [_shuffled(self.lattice, rng) for _ in range(RANDOM)]
        self.randoms = [self.lattice.states[order] for order in shuffled]

    def anneal(self, steps: int, rng: np.random.Generator) -> tuple[float, np.ndarray]:
        return self.search.anneal(self.randoms, steps, rng)

    def result(self, states: np.ndarray) -> Quasirandom:
        deviations = [self.search.deviations(item) for item in self.randoms]
        return Quasirandom(
            structure=_explicit(self.large, self.sites, self.lattice.elements[states]),
            supercell=self.matrix,
            distances=self.distances,
            deviations=self.search.deviations(states),
            random=np.mean(deviations, axis=0),
            rounding=self.lattice.rounding,
        )


@dataclass(frozen=True, eq=False)
class _Lattice:
    """The mixed sites of a supercell and what stands on them, at first in order.

    A state is an element on sites of one kind; states of different kinds are different.
    """

    kinds: np.ndarray  # of each site
    states: np.ndarray  # of each site, sorted within each kind
    elements: np.ndarray  # of each state, 0 for a vacancy
    kind_of: np.ndarray  # of each state
    rounding: float

    @classmethod
    def of(cls, structure: Structure, sites: np.ndarray) -> "_Lattice":
        fractions = structure.fractions[sites].copy()
        fractions[:, 0] = np.maximum(1.0 - fractions.sum(axis=1), 0.0)
        rows, kinds = np.unique(fractions.round(9), axis=0, return_inverse=True)
        kinds = kinds.reshape(-1)
        states = np.empty(len(sites), dtype=np.int64)
        elements: list[int] = []
        kind_of: list[int] = []
        rounding = 0.0
        for kind, row in enumerate(rows):
            numbers = np.flatnonzero(row > 1e-6)
            own = np.flatnonzero(kinds == kind)
            counts = _whole(row[numbers] / row[numbers].sum() * len(own))
            rounding = max(rounding, float(np.abs(counts / len(own) - row[numbers]).max()))
            states[own] = np.repeat(np.arange(len(numbers)) + len(elements), counts)
            elements += numbers.tolist()
            kind_of += [kind] * len(numbers)
        return cls(kinds, states, np.array(elements), np.array(kind_of), rounding)


class _Search:
    """Pair probabilities of arrangements, and their change when two sites exchange their states."""

    def __init__(self, pairs: np.ndarray, lattice: _Lattice, weights: np.ndarray) -> None:
        self.pairs, self.lattice = pairs, lattice
        n_states = len(lattice.elements)
        self.identity = np.eye(n_states)
        counts = np.bincount(lattice.states, minlength=n_states)
        of_kind = np.eye(lattice.kinds.max() + 1)[lattice.kinds]
        totals = np.einsum("ik,sij,jl->skl", of_kind, pairs, of_kind)
        totals = totals[:, lattice.kind_of[:, None], lattice.kind_of[None]]
        share = counts / np.bincount(lattice.kinds)[lattice.kind_of]
        exists = totals > 0
        self.scale = np.where(exists, 1 / np.where(exists, totals, 1), 0.0)
        self.target = np.where(exists, np.outer(share, share), 0.0)
        # of states, how many pairs of each shell there are at all
        self.mean = exists / np.maximum(exists.sum(axis=(1, 2), keepdims=True), 1)
        self.weights = weights[:, None, None] * self.mean

    def counts(self, states: np.ndarray) -> np.ndarray:
        one = self.identity[states]
        return np.asarray(one.T @ self.pairs @ one)

    def deviations(self, states: np.ndarray) -> np.ndarray:
        apart = np.square(self.counts(states) * self.scale - self.target)
        return np.asarray(np.sqrt((apart * self.mean).sum(axis=(1, 2))))

    def energy(self, counts: np.ndarray) -> float:
        return float((np.square(counts * self.scale - self.target) * self.weights).sum())

    def anneal(
        self, randoms: list[np.ndarray], steps: int, rng: np.random.Generator
    ) -> tuple[float, np.ndarray]:
        """The best arrangement found from the best of the random ones, and its energy."""
        energies = [self.energy(self.counts(item)) for item in randoms]
        states = randoms[int(np.argmin(energies))].copy()
        counts, field = self.counts(states), self.pairs @ self.identity[states]
        energy = min(energies)
        best, lowest = states.copy(), energy
        partners = [np.flatnonzero(self.lattice.kinds == kind) for kind in self.lattice.kinds]
        temperatures = float(np.std(energies)) * np.geomspace(1.0, 1e-3, steps)
        for temperature in temperatures:
            if lowest < 1e-12:
                break
            i = int(rng.integers(len(states)))
            j = int(partners[i][rng.integers(len(partners[i]))])
            if states[i] == states[j]:
                continue
            step = self.identity[states[j]] - self.identity[states[i]]
            apart = field[:, i] - field[:, j]
            own = self.pairs[:, i, i] + self.pairs[:, j, j] - 2 * self.pairs[:, i, j]
            cross = step[None, :, None] * apart[:, None, :]
            after = counts + cross + cross.transpose(0, 2, 1)
            after += own[:, None, None] * np.outer(step, step)
            new = self.energy(after)
            if new > energy and rng.random() >= np.exp(-(new - energy) / max(temperature, 1e-300)):
                continue
            field += (self.pairs[:, :, i] - self.pairs[:, :, j])[:, :, None] * step
            states[i], states[j] = states[j], states[i]
            counts, energy = after, new
            if energy < lowest - 1e-15:
                best, lowest = states.copy(), energy
        return lowest, best


def _matrices(
    structure: Structure, supercell: int | Sequence[int] | np.ndarray
) -> list[Int[np.ndarray, "3 3"]]:
    """Any way to give a supercell, as matrices to try."""
    given = np.asarray(supercell)
    if given.shape == ():
        return compact_supercells(structure.cell, int(given), SHAPES, COMPACT)
    matrix = np.diag(given) if given.shape == (3,) else given
    if matrix.shape != (3, 3) or not np.array_equal(matrix, np.rint(matrix)):
        raise DataError(
            f"the supercell is {given.tolist()}: give a number of unit cells, three integers, or a "
            "3 × 3 matrix of integers"
        )
    return [np.asarray(matrix, dtype=np.int64)]


def _whole(amounts: np.ndarray) -> np.ndarray:
    """Whole numbers near the amounts, with the same sum: the largest remainders are rounded up."""
    counts = np.floor(amounts + 1e-9).astype(np.int64)
    missing = round(float(amounts.sum())) - int(counts.sum())
    counts[np.argsort(counts - amounts, kind="stable")[:missing]] += 1
    return counts


def _shuffled(lattice: _Lattice, rng: np.random.Generator) -> np.ndarray:
    """A random order of the sites of each kind."""
    order = np.arange(len(lattice.kinds))
    for kind in range(lattice.kinds.max() + 1):
        own = np.flatnonzero(lattice.kinds == kind)
        order[own] = rng.permutation(own)
    return order


def _shells(structure: Structure, sites: np.ndarray, shells: int) -> tuple[np.ndarray, np.ndarray]:
    """How many pairs of sites there are in each of the first shells, and their distances."""
    only = Structure(
        structure.species[sites], structure.positions[sites], structure.cell, structure.pbc
    )
    cutoff = 1.5 * np.cbrt(only.volume / only.n_atoms)
    while True:
        edges = neighbor_list(only, cutoff)
        lengths = np.linalg.norm(edges.vectors(only), axis=1)
        order = np.sort(lengths)
        starts = np.flatnonzero(np.diff(order, prepend=-1.0) > SAME_SHELL)
        if len(starts) > shells:  # the last one may be cut
            break
        cutoff *= 1.3
    distances = np.array([part.mean() for part in np.split(order, starts[1:])[:shells]])
    shell = np.searchsorted(order[starts], lengths + SAME_SHELL / 100) - 1
    pairs = np.zeros((shells, len(sites), len(sites)))
    near = shell < shells
    np.add.at(pairs, (shell[near], edges.receivers[near], edges.senders[near]), 1.0)
    return pairs, distances


def _explicit(structure: Structure, sites: np.ndarray, numbers: np.ndarray) -> Structure:
    """The structure with these elements on its mixed sites; a vacancy (0) is left out."""
    fractions = structure.fractions.copy()
    fractions[sites] = np.eye(N_COLUMNS)[numbers]
    present = np.ones(structure.n_atoms, dtype=bool)
    present[sites] = numbers > 0
    kept = replace(
        structure,
        species=structure.species[present],
        positions=structure.positions[present],
        occupations=None,
        inputs={name: value[present] for name, value in structure.inputs.items()},
        info={"alloy": formula(structure.composition)},
    )
    return with_occupations(kept, fractions[present])
