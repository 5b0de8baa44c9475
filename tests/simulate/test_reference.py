"""Force constants from files, in the order and the cells in which a potential has them."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from euclidium.atoms.problem import DataError
from euclidium.simulate.lattice import lattice
from euclidium.simulate.phonons import phonons
from euclidium.simulate.reference import read_force_constants, reference_mesh


@pytest.fixture(scope="module")
def alloy():
    return phonons(bulk("CuAu", "zincblende", a=5.2), EMT(), (2, 2, 2), mesh=(2, 2, 2), relax=False)


def check(found, expected):
    """Moving one atom of the primitive cell gives the forces that the constants say."""
    np.testing.assert_allclose(found.force_constants, expected.force_constants, atol=2e-8)
    assert found.structure.species[found.cell_atoms].tolist() == [29, 79]
    np.testing.assert_allclose(found.masses, expected.masses)
    atoms = found.structure.to_ase()
    atoms.calc = EMT()
    first = int(found.cell_atoms[1])
    forces = []
    for sign in (1, -1):
        atoms.positions[first, 0] += sign * 0.005
        forces.append(atoms.get_forces())
        atoms.positions[first, 0] -= sign * 0.005
    slope = (forces[1] - forces[0]) / 0.01
    np.testing.assert_allclose(found.force_constants[1, :, :, 0], slope, atol=5e-3)
    assert np.abs(slope).max() > 1


def test_our_archives(alloy, tmp_path):
    found = read_force_constants(alloy.save(tmp_path / "alloy.npz"))
    check(found, alloy)
    assert found.name == "alloy"


def test_files_of_phonopy(alloy, tmp_path):
    crystal = lattice(bulk("CuAu", "zincblende", a=5.2), 2 * np.eye(3, dtype=np.int64))
    crystal.force_constants = alloy.force_constants
    path = tmp_path / "phonopy_params.yaml"
    crystal.save(path, settings={"force_constants": True, "force_sets": False})
    check(read_force_constants(path), alloy)


def test_meshes_have_weights():
    found = reference_mesh(bulk("Si", cubic=True), 10.0, (4, 4, 4), "silicon")
    assert found.weights.sum() == 64
    assert found.structure.n_atoms % 8 == 0
    assert min(found.structure.cell.diagonal()) >= 10
    assert len(found.cell_atoms) == 2
    assert found.force_constants is None
    np.testing.assert_allclose(abs(np.linalg.det(found.primitive)), 5.43**3 / 4)


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match=r"no such file or folder: missing\.yaml"):
        read_force_constants("missing.yaml")
    path = tmp_path / "phonopy.yaml"
    path.write_text("nothing: here")
    with pytest.raises(DataError, match=r"phonopy\.yaml"):
        read_force_constants(path)
