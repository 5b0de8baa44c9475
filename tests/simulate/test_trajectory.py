"""Every frame that was written can be read, whatever happens to the run."""

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from euclidium.atoms import read
from euclidium.simulate.trajectory import TrajectoryWriter


def frames(n=3):
    for step in range(n):
        atoms = bulk("Cu", cubic=True)
        atoms.positions += 0.01 * step
        atoms.set_momenta(np.full((4, 3), 0.5 + step))
        atoms.info.update(step=step, time_fs=2.0 * step)
        forces = np.full((4, 3), -0.25 * step)
        atoms.calc = SinglePointCalculator(atoms, energy=-1.5 * step, forces=forces)
        yield atoms


@pytest.mark.parametrize("suffix", ["xyz", "extxyz", "traj"])
def test_what_is_written_is_read(tmp_path, suffix):
    path = tmp_path / "new" / f"run.{suffix}"
    with TrajectoryWriter(path) as writer:
        for atoms in frames():
            writer.write(atoms)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    read_back = ase.io.read(path, index=":")
    for atoms, expected in zip(read_back, frames(), strict=True):
        np.testing.assert_allclose(atoms.positions, expected.positions, atol=1e-8)
        np.testing.assert_allclose(atoms.get_momenta(), expected.get_momenta())
        np.testing.assert_allclose(atoms.get_forces(), expected.get_forces())
        assert atoms.get_potential_energy() == expected.get_potential_energy()
        assert atoms.pbc.all()


def test_our_own_reader_takes_it(tmp_path):
    with TrajectoryWriter(tmp_path / "run.xyz") as writer:
        for atoms in frames():
            writer.write(atoms)
    assert [float(s.labels["energy"]) for s in read(tmp_path / "run.xyz")] == [0.0, -1.5, -3.0]


@pytest.mark.parametrize("suffix", ["xyz", "traj"])
def test_a_killed_run_leaves_whole_frames(tmp_path, suffix):
    writer = TrajectoryWriter(tmp_path / f"run.{suffix}")
    for atoms in frames():
        writer.write(atoms)
    kind = "extxyz" if suffix == "xyz" else "traj"
    assert len(ase.io.read(tmp_path / f"run.{suffix}.part", index=":", format=kind)) == 3
    writer.__exit__(None, None, None)


def write_and_fail(path):
    with TrajectoryWriter(path) as writer:
        writer.write(next(frames()))
        raise RuntimeError("no more")


def test_an_exception_keeps_what_was_written(tmp_path):
    with pytest.raises(RuntimeError, match="no more"):
        write_and_fail(tmp_path / "run.xyz")
    assert len(ase.io.read(tmp_path / "run.xyz", index=":")) == 1


def test_other_suffixes_are_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"to 'run.pdb': end the name with \.xyz, \.extxyz or \.traj"
    ):
        TrajectoryWriter(tmp_path / "run.pdb")
