import numpy as np
import pytest
from ase.build import bulk

from euclidium.analyze.becke import becke_grid
from euclidium.analyze.fields import density_at
from euclidium.atoms import Structure
from euclidium.atoms.basis import even_tempered
from euclidium.atoms.density import Density
from euclidium.atoms.density_file import embedded_densities


@pytest.fixture(scope="module")
def water():
    return embedded_densities("water", "train")[0].density


@pytest.mark.parametrize(("level", "right"), [(1, 2e-5), (2, 5e-6), (3, 1e-6), (4, 3e-7)])
def test_counts_the_electrons_of_water(water, level: int, right: float):
    """The oxygen's core has an exponent of 2877 / bohr²."""
    points, weights = becke_grid(water.structure, level)
    assert weights @ density_at(water, points) == pytest.approx(10, rel=right)


def test_finds_the_dipole_of_water(water):
    points, weights = becke_grid(water.structure, 3)
    moment = water.structure.species @ water.structure.positions
    moment -= (weights * density_at(water, points)) @ points
    assert moment == pytest.approx(water.dipole, abs=1e-5)


def test_volume_and_electrons_of_a_crystal():
    crystal = bulk("NaCl", "rocksalt", a=5.64)
    crystal.positions += 0.1 * np.arange(6).reshape(2, 3)
    structure = Structure.from_ase(crystal)
    points, weights = becke_grid(structure, 3)
    assert weights.sum() == pytest.approx(structure.volume, rel=2e-4)
    basis = even_tempered(["Na", "Cl"], 0.3, 2.0, [4, 2, 1])
    rng = np.random.default_rng(0)
    size = basis.offsets(structure.species.tolist())[-1]
    density = Density(structure, basis, rng.normal(size=size))
    assert weights @ density_at(density, points) == pytest.approx(density.electrons, abs=2e-4)


def test_does_not_depend_on_where_a_molecule_is(water):
    from dataclasses import replace

    moved = replace(water.structure, positions=water.structure.positions + 7.3)
    here, there = becke_grid(water.structure, 1), becke_grid(moved, 1)
    assert np.allclose(here.points + 7.3, there.points)
    assert np.allclose(here.weights, there.weights)


def test_levels_have_names(water):
    with pytest.raises(ValueError, match="levels of grids are 0 to 5, got 9"):
        becke_grid(water.structure, 9)
