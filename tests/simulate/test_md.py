"""Runs: what they return, what they leave alone, and how they fail."""

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms

from euclidium.simulate import MDFrame, MDResult, UnstableRun, md

COPPER = bulk("Cu", cubic=True)


@pytest.fixture(scope="module")
def run():
    return md(COPPER, EMT(), "nve", 300, 2.0, 25, interval=10, seed=0)


def test_frames_come_at_the_interval_and_at_the_end(run):
    assert run.time.tolist() == [0.0, 20.0, 40.0, 50.0]
    assert all(len(getattr(run, name)) == 4 for name in ("temperature", "energy", "volume"))
    np.testing.assert_allclose(run.energy, run.potential + run.kinetic)
    np.testing.assert_array_equal(run.energy, run.conserved)
    assert run.temperature[0] == pytest.approx(300, rel=1e-12)
    assert np.isnan(run.pressure).all()


def test_the_input_stays_as_it_is(run):
    assert not COPPER.has("momenta")
    assert COPPER.calc is None
    assert np.abs(run.atoms.positions - COPPER.positions).max() > 1e-3
    assert run.atoms.info["time_fs"] == 50


@pytest.mark.parametrize("ensemble", ["nve", "langevin", "nvt", "npt"])
def test_a_seed_gives_the_same_run(ensemble):
    def final(seed):
        return md(COPPER, EMT(), ensemble, 300, 2.0, 6, seed=seed).atoms.positions

    np.testing.assert_array_equal(final(1), final(1))
    assert np.abs(final(1) - final(2)).max() > 1e-4


def test_a_run_can_be_continued():
    whole = md(COPPER, EMT(), "nve", 300, 2.0, 20, seed=0)
    half = md(COPPER, EMT(), "nve", 300, 2.0, 10, seed=0)
    rest = md(half.atoms, EMT(), "nve", 300, 2.0, 10, velocities="keep")
    np.testing.assert_allclose(rest.atoms.positions, whole.atoms.positions, atol=1e-12)


def test_a_molecule_does_not_rotate():
    run = md(molecule("CH4"), EMT(), "nve", 300, 0.5, 20, seed=0)
    assert np.abs(run.atoms.get_angular_momentum()).max() < 1e-6
    assert run.volume[0] == 0


def test_held_atoms_stay():
    atoms = COPPER.copy()
    atoms.set_constraint(FixAtoms([0]))
    for ensemble in ("nve", "langevin"):
        run = md(atoms, EMT(), ensemble, 300, 2.0, 10, seed=0)
        np.testing.assert_array_equal(run.atoms.positions[0], atoms.positions[0])
        assert np.abs(run.atoms.positions[1] - atoms.positions[1]).max() > 1e-3


def test_velocities_that_are_kept_lose_their_drift_where_it_is_not_thermal():
    atoms = COPPER.copy()
    atoms.set_velocities(np.tile([0.1, 0.0, 0.0], (4, 1)))
    atoms.rattle(0.05)
    for ensemble, drifts in (("nve", True), ("nvt", False), ("npt", False)):
        run = md(atoms, EMT(), ensemble, 300, 2.0, 2, velocities="keep")
        assert bool(np.abs(run.atoms.get_momenta().sum()) > 1) is drifts
        assert run.temperature[0] < 1e-6, "the motion of the whole is not heat"


def test_at_zero_temperature_atoms_fall():
    atoms = COPPER.copy()
    atoms.positions[0, 0] += 0.1
    run = md(atoms, EMT(), "nve", 0, 1.0, 20)
    assert run.kinetic[0] == 0
    assert run.kinetic[-1] > 0


@pytest.mark.parametrize("suffix", ["xyz", "traj"])
def test_trajectory_and_observer_see_every_frame(tmp_path, suffix):
    seen = []
    path = tmp_path / f"run.{suffix}"
    run = md(
        COPPER, EMT(), "npt", 300, 2.0, 20, seed=0, interval=5, trajectory=path, observe=seen.append
    )
    assert all(isinstance(frame, MDFrame) for frame in seen)
    assert [frame.step for frame in seen] == [0, 5, 10, 15, 20]
    np.testing.assert_array_equal([frame.conserved for frame in seen], run.conserved)
    frames = ase.io.read(path, index=":")
    energies = [atoms.get_potential_energy() for atoms in frames]
    np.testing.assert_allclose(energies, run.potential, atol=1e-7)
    np.testing.assert_allclose([atoms.get_volume() for atoms in frames], run.volume, rtol=1e-6)


def test_table(run, tmp_path):
    path = run.write_csv(tmp_path / "new" / "run.csv")
    header = path.read_text().splitlines()[0].split(",")
    assert header[:4] == ["time (fs)", "temperature (K)", "potential (eV)", "kinetic (eV)"]
    table = np.genfromtxt(path, delimiter=",", skip_header=1)
    np.testing.assert_allclose(table[:, 2], run.potential, rtol=1e-11)
    assert [p.name for p in path.parent.iterdir()] == ["run.csv"]


def test_drift_is_that_of_the_line_of_least_squares():
    time = np.linspace(0, 4000, 101)
    wave = np.where(np.arange(101) % 2, 1e-5, -1e-5)
    zero = np.zeros(101)
    energy = -10.0 + 4 * 0.5e-3 * time / 1000 + wave
    result = MDResult("nve", time, zero, energy, zero, energy, zero, zero, COPPER)
    assert result.drift_rate == pytest.approx(0.5, rel=1e-3)
    assert result.drift == pytest.approx(2.0, rel=1e-3)
    assert result.fluctuation == pytest.approx(1e-5 / 4 * 1000, rel=1e-2)


def test_a_run_of_no_steps():
    run = md(COPPER, EMT(), "nve", 300, 2.0, 0, seed=0)
    assert run.time.tolist() == [0.0]
    assert run.drift == 0


def test_an_explosion_is_told_and_what_came_before_is_kept(tmp_path):
    atoms = COPPER.copy()
    atoms.positions[1] = atoms.positions[0] + 0.4
    sentence = r"exploded in step \d+: the temperature .*; shorten the timestep \(5 fs\), relax"
    with pytest.raises(UnstableRun, match=sentence):
        md(atoms, EMT(), "nve", 300, 5.0, 50, seed=0, interval=1, trajectory=tmp_path / "run.xyz")
    assert ase.io.read(tmp_path / "run.xyz", index=0).get_potential_energy() > 0


def test_a_cell_that_explodes_is_told(unchecked, lennard_jones):
    argon = bulk("Ar", a=5.2, cubic=True)
    with pytest.raises(
        UnstableRun, match=r"the run exploded in step \d+: .*; shorten the timestep"
    ):
        md(argon, lennard_jones, "npt", 10, 20, 500, pressure=5.0, barostat_time=20, seed=0)


def test_an_evaporation_is_told(unchecked, ideal_gas):
    gas = Atoms(["Ar"] * 8, np.random.default_rng(0).random((8, 3)) * 5, cell=[5, 5, 5], pbc=True)
    with pytest.raises(UnstableRun, match=r"grown twentyfold by step \d+: the atoms evaporate"):
        md(gas, ideal_gas, "npt", 300, 20, 5000, barostat_time=200, seed=0)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"ensemble": "nph"}, "not an ensemble: 'nph'; use nve, langevin, nvt, npt"),
        ({"temperature": -5}, "nve needs a temperature above zero, got -5 K"),
        ({"temperature": 0, "ensemble": "nvt"}, "nvt needs a temperature above zero, got 0 K"),
        ({"timestep": 0}, "the timestep is a time in fs above zero, got 0"),
        ({"steps": -1}, "steps and interval count steps, got -1 and 10"),
        ({"interval": 0}, "steps and interval count steps, got 10 and 0"),
        ({"friction": -0.1}, "the friction is a rate in 1/fs above zero, got -0.1"),
        ({"velocities": "hot"}, "velocities are 'thermal' or 'keep', got 'hot'"),
        ({"atoms": bulk("Cu")}, "a single atom has no motion of its own in a crystal: repeat"),
        ({"atoms": Atoms()}, "there are no atoms to move"),
        ({"atoms": molecule("H2O"), "ensemble": "npt"}, "npt needs a cell that is periodic"),
        ({"trajectory": "run.pdb"}, "cannot write a trajectory to 'run.pdb'"),
    ],
)
def test_bad_arguments(unchecked, changes, sentence):
    arguments = {"atoms": COPPER, "model": EMT(), "steps": 10, **changes}
    with pytest.raises(ValueError, match=sentence):
        md(**arguments)


def test_thermostats_do_not_hold_atoms():
    atoms = COPPER.copy()
    atoms.set_constraint(FixAtoms([0]))
    with pytest.raises(ValueError, match="nvt does not hold atoms fixed: use 'langevin' or 'nve'"):
        md(atoms, EMT(), "nvt")
