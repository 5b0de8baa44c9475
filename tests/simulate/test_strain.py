import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from euclidium.simulate.strain import mesh_numbers, phonons_at_strains, strained


def test_volume_is_kept_while_the_shape_relaxes():
    """In the hexagonal crystal c/a finds its best value, and the stress becomes a pressure."""
    crystal = bulk("Cu", "hcp", a=2.55, c=4.3)
    found = strained(crystal, EMT(), 0.01)
    assert found.get_volume() == pytest.approx(1.01**3 * crystal.get_volume(), rel=1e-9)
    a, _, c = found.cell.lengths()
    assert c / a != pytest.approx(4.3 / 2.55, rel=1e-3)
    stress = found.get_stress()
    np.testing.assert_allclose(stress[:3], stress[:3].mean(), atol=2e-5)
    assert not found.constraints
    plain = strained(crystal, EMT(), 0.01, relax=False)
    np.testing.assert_allclose(plain.cell.array, 1.01 * crystal.cell.array)
    assert plain.get_potential_energy() > found.get_potential_energy()


def test_what_does_not_relax():
    with pytest.raises(ValueError, match=r"strained by 0\.05 did not relax in 1 steps"):
        strained(bulk("Cu", "hcp", a=2.55, c=4.6), EMT(), 0.05, steps=1)


def test_all_volumes_have_one_mesh():
    seen = []
    found = phonons_at_strains(
        bulk("Cu"),
        EMT(),
        [-0.02, 0.02],
        (3, 3, 3),
        supercell=(2, 2, 2),
        observe=lambda *done: seen.append(done),
    )
    assert seen == [(1, 2), (2, 2)]
    first, second = (result for _, result in found)
    np.testing.assert_array_equal(first.mesh_weights, second.mesh_weights)
    assert first.mesh_frequencies.max() > second.mesh_frequencies.max()
    assert mesh_numbers(first, (4, 5, 6)) == (4, 5, 6)
    assert len(set(mesh_numbers(first, 20.0))) == 1
