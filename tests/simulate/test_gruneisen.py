"""Grüneisen parameters of springs, which can be written down, and of metals, which are known."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from euclidium.simulate import phonons
from euclidium.simulate.gruneisen import Gruneisen, gruneisen
from euclidium.simulate.lattice import lattice

A = 5.2


@pytest.fixture(scope="module")
def copper():
    return gruneisen(bulk("Cu"), EMT(), (3, 3, 3), mesh=(6, 6, 6))


def test_springs_between_neighbours(springs):
    """At X m ω_L² = 8(k + f/r) and m ω_T² = 4(k + 3f/r), f = k(r − r0): γ_L = −1/6, γ_T = −1/2."""
    model = springs(0.7, A / 2**0.5, 4.2)
    found = gruneisen(bulk("Ar", a=A), model, (2, 2, 2), mesh=(4, 4, 4), strain=1e-3, relax=False)
    at_x = found.bands.labels.index("X")
    index = int(np.argmin(np.abs(found.bands.distances - found.bands.ticks[at_x])))
    np.testing.assert_allclose(found.bands_gruneisen[index], [-0.5, -0.5, -1 / 6], atol=1e-3)


def test_parameters_are_derivatives_of_frequencies(copper):
    """γ = −∂ ln ω/∂ ln V of modes that are not degenerate."""
    a, h = float(copper.volume * 4) ** (1 / 3), 1e-3
    q = np.array([[0.1, 0.25, 0.4], [0.5, 0.5, 0.0]])
    values = []
    for length in (a * (1 - h), a * (1 + h)):
        crystal = bulk("Cu", a=length)
        other = phonons(crystal, EMT(), (3, 3, 3), mesh=(2, 2, 2), relax=False)
        values.append(np.log(other.frequencies_at(q)))
    expected = -(values[1] - values[0]) / (3 * np.log((1 + h) / (1 - h)))
    at_x = copper.bands.labels.index("X")
    index = int(np.argmin(np.abs(copper.bands.distances - copper.bands.ticks[at_x])))
    np.testing.assert_allclose(copper.bands_gruneisen[index], expected[1], rtol=5e-3)


def test_phonopy_agrees(copper):
    from phonopy.api_gruneisen import PhonopyGruneisen

    cells = []
    a = float(copper.volume * 4) ** (1 / 3)
    for strain in (0.0, 0.005, -0.005):
        crystal = bulk("Cu", a=a * (1 + strain))
        cell = lattice(crystal, 3 * np.eye(3, dtype=np.int64))
        found = phonons(crystal, EMT(), (3, 3, 3), mesh=(2, 2, 2), relax=False)
        cell.force_constants = found.force_constants
        cells.append(cell)
    other = PhonopyGruneisen(*cells)
    other.set_mesh((6, 6, 6), is_gamma_center=True)
    _, weights, frequencies, _, parameters = other.get_mesh()
    np.testing.assert_allclose(frequencies[1:], copper.mesh_frequencies[1:], rtol=1e-5)
    np.testing.assert_allclose(weights / weights.sum(), copper.mesh_weights)
    kept = np.sort(copper.mesh_gruneisen[1:], axis=1)
    np.testing.assert_allclose(np.sort(parameters[1:], axis=1), kept, rtol=1e-3)


def test_copper_is_as_measured(copper):
    """Measured at room temperature: γ = 2.0, B = 137 GPa, β = 50·10⁻⁶/K."""
    mean = copper.mean_at([10.0, 300.0, 1000.0])
    assert mean[1] == pytest.approx(2.0, abs=0.4)
    assert mean[2] == pytest.approx(mean[1], abs=0.05), "all modes count when it is hot"
    room = int(np.argmin(np.abs(copper.temperatures - 300)))
    assert 35e-6 < copper.expansion(137.0)[room] < 65e-6
    assert copper.expansion(137.0)[0] == 0


def test_acoustic_modes_have_no_parameter_at_the_centre(copper):
    assert np.isnan(copper.mesh_gruneisen[0]).all()
    assert np.isfinite(copper.mesh_gruneisen[1:]).all()
    assert np.isnan(copper.bands_gruneisen[0]).all()
    assert np.isnan(copper.mean[0])
    assert np.isfinite(copper.mean[5:]).all()


def test_what_is_saved_is_loaded(copper, tmp_path):
    found = Gruneisen.load(copper.save(tmp_path / "copper.npz"))
    np.testing.assert_array_equal(found.mesh_gruneisen, copper.mesh_gruneisen)
    assert found.bands.labels == copper.bands.labels
    assert found.mean_at([300.0]) == copper.mean_at([300.0])
    assert '"mean"' in copper.save(tmp_path / "copper.json").read_text()
    with pytest.raises(ValueError, match="does not hold what Gruneisen.save"):
        Gruneisen.load(tmp_path / "copper.json")


def test_bad_arguments(copper):
    for strain in (0.0, -0.01, 0.5):
        with pytest.raises(ValueError, match="the strain is a small positive number"):
            gruneisen(bulk("Cu"), EMT(), strain=strain)
    with pytest.raises(ValueError, match="the bulk modulus is a positive number in GPa, got 0"):
        copper.expansion(0.0)
