"""Energies of single atoms, which a model need not learn."""

from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Int

from euclidium.atoms.graph import Graph
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure


def reference_energies(
    data: Iterable[Structure] | Iterable[Graph],
    isolated: Iterable[Structure] | Iterable[Graph] = (),
) -> dict[int, float]:
    """Reference energy of each element in eV, by atomic number: least squares, float64.

    E_ref minimises Σ_s ((E_s − Σ_Z n_sZ E_ref,Z) / n_s)², with n_sZ atoms of element Z among the
    n_s atoms of structure s. Where the compositions do not determine it (one molecule at many
    geometries), it is the solution of smallest norm: its sum over the atoms still is the mean
    energy. Elements of ``isolated`` atoms take their computed energy, and the others are fitted to
    the rest.

    Raises ``DataError`` for a structure without energy, and for an isolated structure that is not a
    single atom outside of a crystal.

    >>> argon = Structure(np.array([18, 18]), np.eye(2, 3), labels={"energy": np.array(-4.0)})
    >>> {z: round(energy, 6) for z, energy in reference_energies([argon]).items()}
    {18: -2.0}
    """
    known = {}
    for species, energy in _energies(isolated, single=True):
        known[int(species[0])] = energy
    samples = list(_energies(data))
    if not samples:
        return known
    elements = np.unique(np.concatenate([np.unique(species) for species, _ in samples]))
    fitted = [int(z) for z in elements if int(z) not in known]
    counts = np.array([np.bincount(species, minlength=elements[-1] + 1) for species, _ in samples])
    energies = np.array([energy for _, energy in samples])
    for z in set(elements.tolist()) & known.keys():
        energies = energies - counts[:, z] * known[z]
    sizes = counts.sum(axis=1)
    matrix, target = counts[:, fitted] / sizes[:, None], energies / sizes
    solution = np.linalg.lstsq(matrix, target, rcond=1e-10)[0]
    return dict(sorted({**known, **dict(zip(fitted, solution.tolist(), strict=True))}.items()))


def _energies(
    data: Iterable[Structure] | Iterable[Graph], single: bool = False
) -> Iterator[tuple[Int[np.ndarray, " atom"], float]]:
    """Atomic numbers and energy of each structure; if ``single``, of isolated atoms only."""
    for item in data:
        origin = item.origin if isinstance(item, Structure) else "a structure of a graph"
        if "energy" not in item.labels:
            there = ", ".join(item.labels) or "no labels"
            raise DataError(f"{origin} has no 'energy' (it has {there}) to fit references to")
        if single and (len(item.species) != 1 or bool(item.pbc.any())):
            raise DataError(
                f"{origin} is not an isolated atom: expected one atom in a structure that is not "
                "periodic"
            )
        if isinstance(item, Structure):
            yield item.species, float(item.labels["energy"])
            continue
        bounds = np.cumsum(item.atoms_per_structure.numpy())[:-1]
        parts = np.split(item.species.numpy(), bounds)
        yield from zip(parts, item.labels["energy"].tolist(), strict=True)
