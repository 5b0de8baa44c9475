"""Neighbour lists against a brute-force reference and ASE, periodic along any axes."""

import itertools
import re

import ase.neighborlist
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from euclidium.atoms.neighbors import neighbor_list
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure

SUBSETS = list(itertools.product([False, True], repeat=3))


def pairs(senders: np.ndarray, receivers: np.ndarray, shifts: np.ndarray) -> list[tuple[int, ...]]:
    """Edges as a list: receiver, sender, shift."""
    return list(zip(receivers.tolist(), senders.tolist(), *shifts.T.tolist(), strict=True))


def brute_force_neighbor_list(structure: Structure, cutoff: float) -> list[tuple[int, ...]]:
    """Every pair in every image that could be near, sorted."""
    r, cell, pbc = structure.positions, structure.cell, structure.pbc
    extent = np.linalg.norm(r[:, None] - r, axis=-1).max()
    counts = np.zeros(3, dtype=int)
    if pbc.any():
        # |S_k| ≤ |S·cell| |(pseudo-inverse of the periodic rows)_k|
        inverse = np.linalg.norm(np.linalg.pinv(cell[pbc]), axis=0)
        counts[pbc] = np.ceil((cutoff + extent) * inverse).astype(int)
    found = []
    for shift in itertools.product(*(range(-n, n + 1) for n in counts)):
        distances = np.linalg.norm(r + np.array(shift) @ cell - r[:, None], axis=-1)
        found += [
            (int(i), int(j), *shift)
            for i, j in np.argwhere(distances < cutoff)
            if i != j or any(shift)
        ]
    return sorted(found)


def random_structure(
    rng: np.random.Generator, n_atoms: int, pbc: tuple[bool, ...], empty_rows: bool
) -> Structure:
    """Atoms in and around a skewed cell, no two at one place."""
    cell = rng.normal(size=(3, 3)) + np.diag(rng.uniform(2.5, 6.0, size=3))
    positions = rng.uniform(-1.0, 2.0, size=(n_atoms, 3)) @ cell
    if empty_rows:
        cell[~np.array(pbc)] = 0.0
    return Structure(np.full(n_atoms, 18), positions, cell, np.array(pbc))


@pytest.mark.parametrize("pbc", SUBSETS)
@pytest.mark.parametrize("empty_rows", [False, True])
def test_equals_brute_force(pbc: tuple[bool, ...], empty_rows: bool):
    rng = np.random.default_rng(0)
    for n_atoms in (1, 2, 7):
        structure = random_structure(rng, n_atoms, pbc, empty_rows)
        for cutoff in (1.0, 3.0, 5.5):
            found = neighbor_list(structure, cutoff)
            expected = brute_force_neighbor_list(structure, cutoff)
            assert pairs(found.senders, found.receivers, found.shifts) == expected


@given(
    seed=st.integers(0, 2**32 - 1),
    n_atoms=st.integers(1, 30),
    pbc=st.sampled_from(SUBSETS),
    cutoff=st.floats(0.5, 6.0),
)
def test_equals_ase(seed: int, n_atoms: int, pbc: tuple[bool, ...], cutoff: float):
    structure = random_structure(np.random.default_rng(seed), n_atoms, pbc, empty_rows=False)
    found = neighbor_list(structure, cutoff)
    i, j, shifts = ase.neighborlist.neighbor_list("ijS", structure.to_ase(), cutoff)
    assert pairs(found.senders, found.receivers, found.shifts) == sorted(pairs(j, i, shifts))


@given(seed=st.integers(0, 2**32 - 1), pbc=st.sampled_from(SUBSETS))
def test_properties(seed: int, pbc: tuple[bool, ...]):
    """Sorted, symmetric, within the cutoff, and unchanged by a lattice vector."""
    rng = np.random.default_rng(seed)
    structure = random_structure(rng, 12, pbc, empty_rows=bool(rng.integers(2)))
    cutoff = 4.0
    found = neighbor_list(structure, cutoff)
    edges = pairs(found.senders, found.receivers, found.shifts)
    assert edges == sorted(edges)
    assert {(j, i, -a, -b, -c) for i, j, a, b, c in edges} == set(edges)
    assert not found.shifts[:, ~np.array(pbc)].any()
    lengths = np.linalg.norm(found.vectors(structure), axis=1)
    assert (lengths < cutoff).all()
    moved = structure.positions + rng.integers(-3, 4, size=(12, 3)) * np.array(pbc) @ structure.cell
    again = neighbor_list(
        Structure(structure.species, moved, structure.cell, structure.pbc), cutoff
    )
    # the same atoms, the same lengths; only the shifts count from other images
    np.testing.assert_array_equal(np.bincount(again.receivers), np.bincount(found.receivers))
    same = np.sort(np.linalg.norm(again.vectors(moved_structure(structure, moved)), axis=1))
    np.testing.assert_allclose(same, np.sort(lengths), atol=1e-12)


def moved_structure(structure: Structure, positions: np.ndarray) -> Structure:
    return Structure(structure.species, positions, structure.cell, structure.pbc)


def test_vectors_lead_from_receiver_to_sender():
    cell = np.array([[3.0, 0.0, 0.0], [1.0, 3.0, 0.0], [0.0, 0.0, 50.0]])
    structure = Structure(
        np.array([18]), np.array([[9.0, 9.0, 9.0]]), cell, np.array([True, True, False])
    )
    found = neighbor_list(structure, cutoff=3.1)
    assert found.shifts.tolist() == [[-1, 0, 0], [1, 0, 0]]
    np.testing.assert_array_equal(found.vectors(structure), found.shifts @ cell)


@pytest.mark.parametrize(("cutoff", "shells"), [(2.6, 6), (3.6, 18), (4.4, 26), (5.1, 32)])
def test_coordination_of_a_simple_cubic_crystal(cutoff: float, shells: int):
    """Shells of 6, 12, 8 and 6 atoms at a √1, √2, √3 and √4."""
    crystal = Structure(np.array([84]), np.zeros((1, 3)), 2.5 * np.eye(3), np.ones(3, dtype=bool))
    assert neighbor_list(crystal, cutoff).n_edges == shells


def test_the_cutoff_is_exclusive():
    dimer = Structure(np.array([18, 18]), np.array([[0.0, 0, 0], [4.0, 0, 0]]))
    assert neighbor_list(dimer, 4.0).n_edges == 0
    assert neighbor_list(dimer, np.nextafter(4.0, 5.0)).n_edges == 2


@pytest.mark.parametrize("direction", [[1, 0, 0], [0, 1, 1], [1, 1, 1]])
@pytest.mark.parametrize("pbc", SUBSETS)
@pytest.mark.parametrize("distance", [1e3, 1e5, 1e9])
def test_clusters_far_apart(distance: float, pbc: tuple[bool, ...], direction: list[int]):
    """Two clusters that no longer see each other, in and out of the cell."""
    rng = np.random.default_rng(0)
    cell = rng.normal(size=(3, 3)) + 6.0 * np.eye(3)
    near = Structure(np.full(6, 18), rng.uniform(0, 6, size=(6, 3)), cell, np.array(pbc))
    # far along what is not periodic, and by whole lattice vectors along what is
    across = np.linalg.svd(cell * np.array(pbc)[:, None])[2][sum(pbc) :]
    away = distance * (np.ones(3) @ across.T @ across if len(across) else np.zeros(3))
    images = int(distance) * np.array(direction) * np.array(pbc) @ cell
    far = near.positions + away + images
    both = Structure(np.full(12, 18), np.concatenate([near.positions, far]), cell, np.array(pbc))
    if all(pbc):
        both = moved_structure(near, near.positions + images)
    found, expected = neighbor_list(both, 5.0), neighbor_list(near, 5.0)
    assert found.n_edges == expected.n_edges * both.n_atoms // 6
    np.testing.assert_allclose(
        np.sort(np.linalg.norm(found.vectors(both), axis=1)),
        np.sort(np.tile(np.linalg.norm(expected.vectors(near), axis=1), both.n_atoms // 6)),
        atol=max(1e-12, 1e-15 * distance),
    )


@pytest.mark.parametrize("lengths", [[4e4, 10.0, 10.0], [4e4, 4e4, 4e4], [1e3, 4e4, 10.0]])
def test_a_dilute_gas_in_a_large_box(lengths: list[float]):
    r = np.array([[0.0, 0, 0], [1, 1, 1], [lengths[0] - 1, 0, 0], [500, 5, 5]])
    structure = Structure(np.full(4, 18), r, np.diag(lengths), np.ones(3, dtype=bool))
    found = neighbor_list(structure, 4.0)
    assert found.n_edges == 6
    assert {(0, 1), (0, 2), (1, 2)} <= set(
        zip(found.senders.tolist(), found.receivers.tolist(), strict=True)
    )


def test_two_thousand_atoms_equal_ase():
    rng = np.random.default_rng(0)
    structure = Structure(
        np.full(2000, 18),
        rng.uniform(0, 34, size=(2000, 3)),
        34.0 * np.eye(3),
        np.array([True, False, True]),
    )
    found = neighbor_list(structure, 4.0)
    i, j, shifts = ase.neighborlist.neighbor_list("ijS", structure.to_ase(), 4.0)
    assert pairs(found.senders, found.receivers, found.shifts) == sorted(pairs(j, i, shifts))


@pytest.mark.parametrize("cutoff", [0.0, -1.0, np.nan, np.inf])
def test_the_cutoff_is_a_length(cutoff: float):
    argon = Structure(np.array([18]), np.zeros((1, 3)))
    with pytest.raises(ValueError, match=f"the cutoff is {cutoff}, expected a positive length"):
        neighbor_list(argon, cutoff)


def test_two_atoms_at_one_place():
    r = np.array([[0.0, 0, 0], [2, 0, 0], [2, 0, 1e-5]])
    structure = Structure(np.full(3, 18), r, info={"file": "x.xyz", "frame": 2})
    sentence = "frame 2 of x.xyz: atoms 1 and 2 are at the same place (1e-05 Å apart): remove one"
    with pytest.raises(DataError, match=re.escape(sentence)):
        neighbor_list(structure, 5.0)


def test_two_atoms_at_one_place_through_the_boundary():
    r = np.array([[0.0, 0, 0], [4.0, 0, 0]])
    structure = Structure(np.full(2, 18), r, 4.0 * np.eye(3), np.ones(3, dtype=bool))
    with pytest.raises(DataError, match="atoms 0 and 1 are at the same place"):
        neighbor_list(structure, 3.0)


def test_a_cell_that_cannot_be_in_angstrom():
    cell = np.diag([1e6, 10.0, 10.0])
    structure = Structure(np.array([18]), np.zeros((1, 3)), cell, np.ones(3, dtype=bool))
    sentence = "a lattice vector is 1e+06 Å long, more than 10,000 cutoffs of 5 Å: is the cell in"
    with pytest.raises(DataError, match=re.escape(sentence)):
        neighbor_list(structure, 5.0)
