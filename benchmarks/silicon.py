"""The crystal that the models of the benchmarks are timed on: silicon, atoms displaced."""

from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk

from euclidium.atoms import Graph, Structure

RATTLE = 0.05  # Å, width of the displacements


def cubic_cells(repeats: int) -> Atoms:
    """A cube of the cells of eight atoms."""
    return bulk("Si", cubic=True) * (repeats, repeats, repeats)


def crystal(*repeats: int) -> Atoms:
    """Repetitions of the cell of two atoms."""
    return bulk("Si") * repeats


def write_batch(atoms: Atoms, cutoff: float, path: Path, copies: int = 1) -> Graph:
    """Displace the atoms, differently in each copy, and write all that a model reads.

    Energies and forces to learn are random numbers.
    """
    structures = []
    for seed in range(copies):
        displaced = atoms.copy()
        displaced.rattle(RATTLE, seed=seed)
        structures.append(Structure.from_ase(displaced))
    graph = Graph.from_structures(structures, cutoff)
    generator = np.random.default_rng(0)
    np.savez(
        path,
        species=graph.species.numpy(),
        positions=graph.positions.numpy(),
        cell=graph.cell.numpy(),
        structure=graph.structure.numpy(),
        senders=graph.edges.senders.numpy(),
        receivers=graph.edges.receivers.numpy(),
        shifts=graph.shifts.numpy(),
        energy=generator.normal(size=copies),
        forces=generator.normal(size=(graph.n_atoms, 3)),
    )
    return graph
