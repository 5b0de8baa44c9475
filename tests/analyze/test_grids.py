import numpy as np
import pytest
from ase.build import bulk

from euclidium.analyze.fields import density_at
from euclidium.analyze.grids import grid_box, grid_of
from euclidium.atoms import DataError, Structure
from euclidium.atoms.basis import DensityBasis, even_tempered
from euclidium.atoms.density import Density
from euclidium.atoms.density_file import embedded_densities


def test_smooth_densities_of_crystals_are_counted_exactly():
    """A sum over a periodic grid integrates what has no high Fourier components."""
    structure = Structure.from_ase(bulk("Si"))
    basis = even_tempered(["Si"], 0.15, 2.0, [3, 2, 1])
    rng = np.random.default_rng(0)
    density = Density(structure, basis, rng.normal(size=basis.offsets([14, 14])[-1]))
    volume = grid_of(density, spacing=0.25)
    assert volume.electrons == pytest.approx(density.electrons, abs=1e-6)
    assert volume.box == pytest.approx(structure.cell)


def test_cores_are_not_resolved():
    """What the oxygen has near its nucleus falls between the points: the sum says so."""
    density = embedded_densities("water", "train")[0].density
    volume = grid_of(density, spacing=0.3)
    assert abs(volume.electrons - 10) > 0.05
    assert volume.values.ravel() == pytest.approx(density_at(density, volume.points), abs=1e-9)


def test_spin_has_a_grid():
    atom = Structure(np.array([1]), np.zeros((1, 3)))
    basis = DensityBasis("one", {1: ((0, 0.5),)})
    volume = grid_of(Density(atom, basis, np.array([0.5]), np.array([0.25])), 0.5)
    assert volume.spin is not None
    assert volume.spin == pytest.approx(volume.values / 2, abs=1e-9)


def test_a_slab_is_on_its_grid_wherever_it_is():
    cell = np.array([[3.0, 0.2, 0], [0.5, 3.1, 0], [0.3, 0.2, 12.0]])
    positions = np.array([[0.0, 0, -0.4], [1.5, 1.5, 0.4]])
    slab = Structure(np.array([1, 1]), positions, cell, np.array([True, True, False]))
    density = Density(slab, DensityBasis("one", {1: ((0, 0.5),)}), np.full(2, 0.5))
    volume = grid_of(density, spacing=0.2)
    assert volume.electrons == pytest.approx(density.electrons, rel=1e-4)


def test_the_box_is_centred():
    pair = Structure(np.array([1, 1]), np.array([[1.0, 0, 0], [2.05, 0, 0]]))
    box, origin, shape = grid_box(pair, 0.2, 2.0)
    last = origin + (np.array(shape) - 1) * 0.2
    assert (origin + last) / 2 == pytest.approx([1.525, 0, 0])
    assert (origin <= pair.positions.min(axis=0) - 2.0 + 1e-9).all()
    assert box == pytest.approx(np.diag(np.array(shape) * 0.2))


def test_says_what_is_wrong():
    atom = Structure(np.array([1]), np.zeros((1, 3)))
    density = Density(atom, DensityBasis("one", {1: ((0, 0.5),)}), np.array([0.5]))
    with pytest.raises(ValueError, match="lengths in Å, got 0 and 3"):
        grid_of(density, spacing=0)
    slab = Structure(np.array([1]), np.zeros((1, 3)), np.diag([1.0, 1, 0]), np.array([1, 1, 0]) > 0)
    with pytest.raises(DataError, match="no cell along every axis"):
        grid_box(slab, 0.1, 1.0)
