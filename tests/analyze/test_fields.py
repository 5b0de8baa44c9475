from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk

from euclidium.analyze.fields import (
    density_at,
    density_by_degree,
    epsilon,
    epsilon_by_degree,
    epsilons,
)
from euclidium.atoms import DataError, Structure
from euclidium.atoms.basis import DensityBasis, even_tempered
from euclidium.atoms.density import Density
from euclidium.atoms.density_file import embedded_densities
from euclidium.atoms.density_orders import to_pyscf
from euclidium.o3.rotations import rand_matrix
from euclidium.units import BOHR

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def records():
    return embedded_densities("water", "test")


@pytest.fixture(scope="module")
def water(records):
    return records[0].density


def near(density: Density, n: int = 200) -> np.ndarray:
    atoms = density.structure.positions[RNG.integers(0, density.structure.n_atoms, n)]
    return atoms + RNG.normal(size=(n, 3)) * RNG.choice([0.05, 0.5, 2.0], size=(n, 1))


def test_agrees_with_pyscf(water):
    gto = pytest.importorskip("pyscf.gto")
    points = near(water)
    species, basis = water.structure.species.tolist(), water.basis
    shells = {n: [[l, [a, 1.0]] for l, a in basis.of(z)] for n, z in (("H", 1), ("O", 8))}
    atoms = list(zip(("O", "H", "H") * 5, water.structure.positions.tolist(), strict=True))
    molecule = gto.M(atom=atoms, basis=shells, verbose=0)
    molecule.set_geom_(water.structure.positions / BOHR, unit="Bohr")
    values = molecule.eval_gto("GTOval_sph_deriv2", points / BOHR)
    c = to_pyscf(water.coefficients, basis, species)
    rows = density_at(water, points, 2)
    assert rows[0] == pytest.approx(values[0] @ c / BOHR**3, abs=1e-8)
    assert rows[1:4] == pytest.approx(values[1:4] @ c / BOHR**4, abs=2e-7)
    laplacian = values[[4, 7, 9]].sum(axis=0) @ c / BOHR**5
    assert rows[4] == pytest.approx(laplacian, rel=1e-9, abs=1e-5)


def test_degrees_add_up(water):
    points = near(water)
    parts = density_by_degree(water, points, 1)
    assert parts.shape == (5, 4, len(points))
    assert parts.sum(axis=0) == pytest.approx(density_at(water, points, 1))
    for l in range(5):
        assert density_at(water.of_degree(l), points) == pytest.approx(parts[l, 0], abs=2e-8)


def test_the_field_turns_with_the_molecule(water):
    turn = rand_matrix(rng=0)
    structure = water.structure
    moved = replace(structure, positions=structure.positions @ turn.T)
    parts = []
    for z, c in zip(structure.species.tolist(), water.by_atom(), strict=True):
        blocks = []
        for block, where in zip(water.basis.irreps(z), water.basis.irreps(z).slices(), strict=True):
            own = c[where].reshape(block.ir.dim, block.mul)
            blocks.append((block.ir.D_from_matrix(turn) @ own).ravel())
        parts.append(np.concatenate(blocks))
    turned = Density(moved, water.basis, np.concatenate(parts))
    points = near(water)
    assert density_at(turned, points @ turn.T) == pytest.approx(density_at(water, points), abs=1e-8)


def test_a_crystal_repeats():
    structure = Structure.from_ase(bulk("Si"))
    basis = even_tempered(["Si"], 0.4, 2.0, [4, 3, 2, 1])
    size = basis.offsets([14, 14])[-1]
    density = Density(structure, basis, RNG.normal(size=size))
    points = RNG.uniform(-5, 5, (50, 3))
    moved = points + RNG.integers(-3, 4, (50, 3)) @ structure.cell
    here = density_at(density, points, 2)
    assert density_at(density, moved, 2) == pytest.approx(here, rel=1e-7, abs=1e-6)
    # the same by a block of atoms without periodicity
    steps = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    positions = np.concatenate([structure.positions + step @ structure.cell for step in steps])
    block = Structure(np.tile([14, 14], len(steps)), positions)
    many = Density(block, basis, np.tile(density.coefficients, len(steps)))
    inside = RNG.uniform(-0.5, 0.5, (50, 3)) @ structure.cell
    expected = density_at(density, inside)
    assert density_at(many, inside) == pytest.approx(expected, abs=1e-6)


def test_spin():
    atom = Structure(np.array([1]), np.zeros((1, 3)))
    basis = DensityBasis("one", {1: ((0, 0.5),)})
    density = Density(atom, basis, np.array([0.5]), np.array([0.3]))
    points = near(density, 10)
    ratio = density_at(density, points, spin=True) / density_at(density, points)
    assert ratio == pytest.approx(0.6)
    with pytest.raises(DataError, match="has no spin"):
        density_at(replace(density, spin=None), points, spin=True)


def test_epsilon_of_superposed_atoms(records):
    """About 11 or 12 percent of the electrons move when atoms become water."""
    density = records[0].density
    atoms = Density.superposition(density.structure, density.basis)
    found = epsilons(atoms, density)
    assert 10.0 < found[0] < 13.0
    assert found[0] == epsilon(atoms, density)
    assert found[1:].tolist() == epsilon_by_degree(atoms, density).tolist()
    assert found[0] <= found[1:].sum()
    assert found[0] == pytest.approx(epsilon(atoms, density, level=4), rel=1e-3)
    assert epsilon(density, density) == 0


def test_epsilon_between_bases(water):
    """A basis with one function more, whose coefficient is zero, holds the same density."""
    shells = {
        z: tuple(sorted((*water.basis.of(z), (0, 0.05)), key=lambda s: (s[0], -s[1])))
        for z in water.basis.elements
    }
    larger = DensityBasis("larger", shells)
    parts = []
    for z, c in zip(water.structure.species.tolist(), water.by_atom(), strict=True):
        n = len(water.basis.exponents(z)[0])
        parts.append(np.insert(c, n, 0.0))
    same = Density(water.structure, larger, np.concatenate(parts))
    assert epsilon(same, water, level=1) == pytest.approx(0, abs=1e-9)


def test_says_what_cannot_be_compared(records):
    one, other = records[0].density, records[1].density
    with pytest.raises(DataError, match="their atoms are at different positions"):
        epsilon(one, other)
    with pytest.raises(DataError, match="H10O5 and H12O6 cannot be compared"):
        epsilon(one, records[-1].density)
    basis, atom = DensityBasis("one", {3: ((0, 0.5),)}), np.zeros((1, 3))
    crystals = [
        Density(Structure(np.array([3]), atom, a * np.eye(3), np.ones(3, bool)), basis, np.ones(1))
        for a in (3.0, 4.0)
    ]
    free = Density(Structure(np.array([3]), atom), basis, np.ones(1))
    for other in (crystals[1], free):
        with pytest.raises(DataError, match="their lattices are not the same"):
            epsilon(crystals[0], other)
