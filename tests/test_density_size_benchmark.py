"""The errors of molecules in clusters: they add up, and their slopes are found."""

from types import ModuleType

import numpy as np
import pytest

from euclidium.analyze import epsilon
from euclidium.atoms import Density, embedded_densities

SCRIPT = "density_size"


class IsolatedAtoms:
    """A model that knows nothing of neighbours."""

    def predict(self, structures):
        basis = embedded_densities("water", "test")[0].density.basis
        return (Density.superposition(structure, basis) for structure in structures)


def test_the_molecules_of_a_cluster_share_its_error(script: ModuleType):
    record = embedded_densities("water", "test")[0]
    found = script.molecules_of(IsolatedAtoms(), record)
    assert [molecule.size for molecule in found] == [5] * 5
    assert all(0 <= molecule.neighbours <= 4 for molecule in found)
    atoms = Density.superposition(record.density.structure, record.density.basis)
    mean = np.mean([molecule.epsilon for molecule in found])
    assert mean == pytest.approx(epsilon(atoms, record.density), rel=1e-6)


def test_slopes_are_those_of_the_molecules(script: ModuleType):
    generator = np.random.default_rng(0)
    found = [
        script.Molecule(f"{size}-{n}", size, near, 0.1 + 0.02 * near + 0.01 * size / 10)
        for size in (5, 10, 20)
        for n in range(3)
        for near in generator.integers(0, 6, size)
    ]
    slopes, low, high = script.fitted(found, ("neighbours", "size"))
    assert slopes == pytest.approx([0.02, 0.01])
    assert low == pytest.approx(slopes)
    assert high == pytest.approx(slopes)
    text = script.table(found)
    assert "5 to 6 molecules" in text
    assert "0.105 ± 0.000" in text or "0.125 ± 0.000" in text
