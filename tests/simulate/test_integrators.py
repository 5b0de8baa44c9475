"""Equations of motion: their order, what they conserve, and the ensembles they sample."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from euclidium.simulate import md
from euclidium.simulate.integrators import Chain
from euclidium.units import GPA, K_B

ARGON = bulk("Ar", a=5.2, cubic=True)
# These runs are long: they go without the checks of shapes, which are made in the other tests.
pytestmark = pytest.mark.usefixtures("unchecked")


@pytest.mark.parametrize(
    ("ensemble", "options"),
    [
        ("nve", {}),
        ("nvt", {"thermostat_time": 100}),
        ("npt", {"thermostat_time": 100, "barostat_time": 300, "pressure": 0.1}),
        (
            "npt",
            {
                "thermostat_time": 100,
                "barostat_time": 300,
                "pressure": 0.1,
                "cell_motion": "anisotropic",
            },
        ),
    ],
    ids=["nve", "nvt", "npt", "npt-anisotropic"],
)
def test_energy_error_is_second_order(lennard_jones, ensemble, options):
    """Halving the time step leaves a quarter of the error."""
    errors = []
    for dt in (8, 4, 2):
        options = {"seed": 0, "interval": 16 // dt, **options}
        run = md(ARGON, lennard_jones, ensemble, 15, dt, 320 // dt, **options)
        errors.append(np.sqrt(np.mean((run.conserved - run.conserved[0]) ** 2)))
    assert 3.6 < errors[0] / errors[1] < 4.4
    assert 3.6 < errors[1] / errors[2] < 4.4


def test_verlet_runs_backwards(lennard_jones):
    there = md(ARGON, lennard_jones, "nve", 20, 5, 200, seed=0)
    turned = there.atoms.copy()
    turned.set_momenta(-turned.get_momenta())
    back = md(turned, lennard_jones, "nve", 20, 5, 200, velocities="keep")
    np.testing.assert_allclose(back.atoms.positions, ARGON.positions, atol=1e-9)


def test_langevin_samples_the_canonical_ensemble(springs):
    """Equipartition in momenta and in positions of a harmonic crystal."""
    crystal = ARGON * (2, 2, 1)
    model = springs(1.0, 5.2 / 2**0.5, 4.2)
    run = md(crystal, model, "langevin", 20, 12, 1000, friction=0.02, interval=5, seed=1)
    late = slice(60, None)
    assert run.temperature[late].mean() == pytest.approx(20, rel=0.06)
    potential = (3 * len(crystal) - 3) * K_B * 20 / 2
    assert run.potential[late].mean() == pytest.approx(potential, rel=0.08)
    assert abs(run.drift) < 0.05, "the heat from the bath is accounted for"


def test_langevin_without_forces_is_exact(ideal_gas):
    """The distribution of velocities does not depend on the time step."""
    gas = Atoms(["Ar"] * 200, np.zeros((200, 3)) + 10 * np.arange(200)[:, None])
    run = md(gas, ideal_gas, "langevin", 300, 100, 40, friction=0.02, interval=1, seed=0)
    error = 300 * (2 / (600 * 30)) ** 0.5
    assert run.temperature[10:].mean() == pytest.approx(300, abs=4 * error)
    assert run.temperature[10:].std() == pytest.approx(300 * (2 / 600) ** 0.5, rel=0.3)


def test_the_chain_counts_what_moves(lennard_jones):
    """Four atoms: with 3N instead of 3N − 3 degrees they would be a third too hot."""
    run = md(ARGON, lennard_jones, "nvt", 10, 10, 1000, thermostat_time=100, interval=2, seed=2)
    assert run.temperature[200:].mean() == pytest.approx(10, rel=0.05)
    assert np.abs(run.atoms.get_momenta().sum(axis=0)).max() < 1e-10


@pytest.mark.parametrize("cell_motion", ["isotropic", "anisotropic"])
def test_constant_pressure_of_an_ideal_gas(ideal_gas, cell_motion):
    """P <V> = N kT, of N atoms whose centre of mass is at rest."""
    n, pressure = 24, 0.05
    volume = n * K_B * 300 / (pressure * GPA)
    rng = np.random.default_rng(0)
    edge = volume ** (1 / 3)
    gas = Atoms(["Ar"] * n, rng.random((n, 3)) * edge, cell=np.eye(3) * edge, pbc=True)
    run = md(
        gas,
        ideal_gas,
        "npt",
        300,
        25,
        1000,
        pressure=pressure,
        cell_motion=cell_motion,
        thermostat_time=200,
        barostat_time=250,
        interval=2,
        seed=1,
    )
    assert run.volume[50:].mean() == pytest.approx(volume, rel=0.1)
    assert run.temperature[50:].mean() == pytest.approx(300, rel=0.05)
    assert run.pressure[50:].mean() == pytest.approx(pressure, rel=0.1)
    spread = run.volume[50:].std() / run.volume[50:].mean()
    assert spread == pytest.approx(n**-0.5, rel=0.4)


def test_constant_pressure_compresses_a_crystal(lennard_jones):
    pressures, volumes = (0.0, 0.05), []
    for pressure in pressures:
        run = md(
            ARGON,
            lennard_jones,
            "npt",
            10,
            10,
            500,
            pressure=pressure,
            barostat_time=400,
            seed=0,
        )
        volumes.append(run.volume[20:].mean())
        assert run.pressure[20:].mean() == pytest.approx(pressure, abs=0.012)
    assert volumes[1] < 0.98 * volumes[0]


def test_an_anisotropic_cell_changes_its_shape_and_does_not_rotate(lennard_jones):
    crystal = ARGON.copy()
    crystal.set_cell(crystal.cell.array @ [[1, 0.05, 0], [0, 1, 0], [0, 0, 1]], True)
    run = md(
        crystal, lennard_jones, "npt", 5, 5, 100, cell_motion="anisotropic", seed=0, interval=100
    )
    deformation = np.linalg.solve(crystal.cell.array, run.atoms.cell.array)
    assert np.abs(deformation - deformation[0, 0] * np.eye(3)).max() > 1e-3
    isotropic = md(crystal, lennard_jones, "npt", 5, 5, 100, seed=0, interval=100)
    ratio = np.linalg.solve(crystal.cell.array, isotropic.atoms.cell.array)
    np.testing.assert_allclose(ratio, ratio[0, 0] * np.eye(3), atol=1e-12)


def test_chain_conserves_its_energy():
    """Of a particle without forces and its thermostats, at fourth order in the step."""
    errors = []
    for dt in (0.025, 0.0125):
        chain, twice_kinetic = Chain(3, kT=1.0, tau=1.0), 7.0
        start = chain.energy + twice_kinetic / 2
        for _ in range(round(4 / dt)):
            twice_kinetic *= chain.damp(twice_kinetic, dt) ** 2
        errors.append(abs(chain.energy + twice_kinetic / 2 - start))
    assert errors[0] < 1e-5
    assert errors[0] / errors[1] > 10
