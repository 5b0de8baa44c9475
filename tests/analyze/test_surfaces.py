import numpy as np
import pytest
from ase.build import bulk

from euclidium.analyze.fields import density_at
from euclidium.analyze.surfaces import surface_of
from euclidium.atoms import DataError, Structure
from euclidium.atoms.basis import DensityBasis, even_tempered
from euclidium.atoms.density import Density
from euclidium.atoms.density_file import embedded_densities
from euclidium.units import BOHR, COULOMB

pytest.importorskip("skimage")


def test_water():
    """Positive at the hydrogens, negative at the lone pairs; published: about 37 and −31 kcal."""
    density = embedded_densities("water", "train")[0].density
    surface = surface_of(density, spacing=0.25)
    at_vertices = density_at(density, surface.vertices) * BOHR**3
    assert at_vertices == pytest.approx(np.full(len(at_vertices), 0.002), rel=0.06)
    found = surface.statistics()
    assert 25 < found["area"] < 42  # Å²
    assert 1.2 < found["maximum"] < 2.6  # V
    assert -2.2 < found["minimum"] < -1.0
    assert 0.1 < found["balance"] <= 0.25
    hydrogen = surface.vertices[surface.potential.argmax()] - density.structure.positions
    assert np.linalg.norm(hydrogen, axis=1).argmin() > 0


def test_the_potential_of_a_cation_is_that_of_a_charge():
    atom = Structure(np.array([3]), np.zeros((1, 3)))
    basis = DensityBasis("one", {3: ((0, 2.0),)})
    density = Density(atom, basis, np.array([0.4]))
    surface = surface_of(density)
    r = np.linalg.norm(surface.vertices, axis=1)
    assert surface.potential == pytest.approx(COULOMB * density.charge / r, rel=5e-3)
    assert surface.statistics()["negative"] == 0.0


@pytest.mark.parametrize("value", [2e-3, 4e-4, 1e-4])
def test_a_surface_is_whole(value: float):
    """Of one Gaussian it is a sphere, whose radius is known."""
    atom = Structure(np.array([1]), np.zeros((1, 3)))
    density = Density(atom, DensityBasis("one", {1: ((0, 0.1),)}), np.array([0.3]))
    peak = float(density_at(density, np.zeros((1, 3)))[0]) * BOHR**3
    radius = np.sqrt(np.log(peak / value) / 0.1) * BOHR
    found = surface_of(density, value)
    assert found.statistics()["area"] == pytest.approx(4 * np.pi * radius**2, rel=0.01)
    with pytest.raises(DataError, match="more than 9 Å away from the atoms: choose a larger"):
        surface_of(density, 1e-20, spacing=1.0)


def test_says_what_is_wrong():
    atom = Structure(np.array([1]), np.zeros((1, 3)))
    density = Density(atom, DensityBasis("one", {1: ((0, 0.5),)}), np.array([0.15]))
    with pytest.raises(DataError, match="and nowhere 5"):
        surface_of(density, value=5.0)
    crystal = Structure.from_ase(bulk("Si"))
    periodic = Density(crystal, even_tempered(["Si"], 0.4, 2.0, [1]), np.ones(2))
    with pytest.raises(DataError, match="is periodic"):
        surface_of(periodic)
