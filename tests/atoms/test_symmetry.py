"""Atoms that a space group makes equivalent."""

import numpy as np
import pytest
import torch
from ase.build import bulk, make_supercell
from ase.spacegroup import crystal

from euclidium.atoms import Structure
from euclidium.atoms.graph import Graph, collate, split
from euclidium.atoms.symmetry import (
    TOLERANCE,
    ask_spglib,
    find_orbits,
    irreducible_waves,
    reduced_lengths,
    space_group,
    symmetric_graph,
)


@pytest.fixture
def quartz() -> Structure:
    """A crystal of low symmetry, with screw axes and 9 atoms in two orbits."""
    atoms = crystal(
        ["Si", "O"],
        [(0.4697, 0, 1 / 3), (0.4135, 0.2669, 0.1191)],
        spacegroup=152,
        cellpar=[4.916, 4.916, 5.4054, 90, 90, 120],
    )
    return Structure.from_ase(atoms)


def environments(structure: Structure, atom: int, cutoff: float) -> tuple[torch.Tensor, list[int]]:
    """Vectors to the neighbours of an atom, and their elements."""
    graph = Graph.from_structures([structure], cutoff)
    own = graph.edges.receivers == atom
    return graph.edge_vectors()[own], graph.species[graph.edges.senders[own]].tolist()


def test_rotations_map_environments_onto_each_other(quartz):
    orbits = find_orbits(quartz)
    assert orbits.n_orbits == 2
    for atom in range(quartz.n_atoms):
        origin = int(orbits.representatives[orbits.members[atom]])
        there, kinds = environments(quartz, origin, 4.0)
        here, own = environments(quartz, atom, 4.0)
        turned = there @ orbits.rotations[atom].T
        distances = torch.cdist(turned, here)
        nearest = distances.argmin(dim=1)
        assert float(distances.min(dim=1).values.max()) < 1e-3
        assert sorted(nearest.tolist()) == list(range(len(here)))
        assert [own[n] for n in nearest.tolist()] == kinds


def test_atoms_of_a_supercell_are_images_of_the_primitive_ones():
    salt = bulk("NaCl", "rocksalt", 5.64)
    cell = make_supercell(salt, [[2, 0, 0], [0, 1, 1], [0, -1, 2]])
    assert find_orbits(Structure.from_ase(cell)).n_orbits == 2


def test_a_molecule_has_an_orbit_for_every_atom():
    pair = Structure(np.array([7, 7]), np.array([[0.0, 0, 0], [0, 0, 1.1]]))
    assert find_orbits(pair).n_orbits == 2


def test_mixed_sites_are_equivalent_only_with_equal_occupations():
    silicon = Structure.from_ase(bulk("Si"))
    mixed = np.zeros((2, 119))
    mixed[0, [14, 32]] = 0.75, 0.25
    mixed[1, [14, 32]] = 0.75, 0.25
    parts = dict(
        species=silicon.species, positions=silicon.positions, cell=silicon.cell, pbc=silicon.pbc
    )
    assert find_orbits(Structure(**parts, occupations=mixed)).n_orbits == 1
    mixed[1, [14, 32]] = 0.6, 0.4
    assert find_orbits(Structure(**parts, occupations=mixed)).n_orbits == 2


def test_a_batch_keeps_the_orbits_of_its_structures(quartz):
    graphs = [symmetric_graph(quartz, 4.0), symmetric_graph(Structure.from_ase(bulk("Cu")), 4.0)]
    whole = collate(graphs)
    assert whole.orbits.representatives.tolist()[-1] == quartz.n_atoms
    for one, again in zip(graphs, split(whole), strict=True):
        assert torch.equal(one.orbits.representatives, again.orbits.representatives)
        assert torch.equal(one.orbits.members, again.orbits.members)
        assert torch.equal(one.edges.senders, again.edges.senders)


def test_no_symmetry_is_found_for_atoms_on_top_of_each_other():
    assert space_group((np.eye(3), np.zeros((2, 3)), [1, 1])) is None


@pytest.mark.parametrize("size", [2, 3, 4])
def test_irreducible_waves_are_those_of_spglib(quartz, size):
    crystals = [quartz, Structure.from_ase(bulk("NaCl", "rocksalt", 5.64))]
    for one in crystals:
        given = one.cell, one.positions @ np.linalg.inv(one.cell), one.species
        waves, shares = irreducible_waves(given, (size,) * 3)
        mapping, addresses = ask_spglib(
            "get_ir_reciprocal_mesh", [size] * 3, given, symprec=TOLERANCE
        )
        chosen, counts = np.unique(mapping, return_counts=True)
        np.testing.assert_allclose(waves, addresses[chosen] / size)
        np.testing.assert_allclose(shares, counts / size**3)


def test_waves_of_a_mesh_that_breaks_the_symmetry_stand_for_all_of_it(quartz):
    given = quartz.cell, quartz.positions @ np.linalg.inv(quartz.cell), quartz.species
    waves, shares = irreducible_waves(given, (2, 3, 4))
    assert shares.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(waves * [2, 3, 4], np.round(waves * [2, 3, 4]))


@pytest.mark.parametrize("shear", [1, 20, 1000])
def test_lengths_of_a_lattice_whatever_spans_it(shear: int):
    vectors = np.array([[3.0, 0, 0], [3.0 * shear, 4.0, 0], [0, 4.0 * shear, 5.0]])
    assert reduced_lengths(vectors) == pytest.approx([3.0, 4.0, 5.0])
