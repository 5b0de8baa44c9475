"""A picture of a mode moves as the mode does: forces are those of its frequency."""

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from euclidium.simulate.animation import mode
from euclidium.simulate.phonons import phonons
from euclidium.units import SQRT_DYNAMICAL_TO_THZ


@pytest.fixture(scope="module")
def crystal():
    """Two sorts of atoms at two places, so that phases matter."""
    return phonons(bulk("CuAu", "zincblende", a=5.2), EMT(), (3, 3, 3), mesh=(2, 2, 2), relax=False)


def whole_waves(q):
    return [(0.0, 0.0, 0.0), (1 / 3, 1 / 3, 0.0), (1 / 3, 2 / 3, 1 / 3)][q]


@pytest.mark.parametrize("point", [0, 1, 2])
@pytest.mark.parametrize("band", [1, 4, -1])
def test_forces_are_those_of_the_frequency(crystal, point, band):
    """m ∂²u/∂t² = F(u), at any moment of the period."""
    found = mode(crystal, whole_waves(point), band, repeat=(3, 3, 3) if point == 0 else (1, 1, 1))
    h = 1e-4
    omega_squared = np.sign(found.frequency) * (found.frequency / SQRT_DYNAMICAL_TO_THZ) ** 2
    first, second = found.frames(8, amplitude=h)[:2]
    for atoms in (first, second):
        atoms.calc = EMT()
        forces = atoms.get_forces()
        atoms.positions -= 2 * atoms.arrays["displacements"]
        forces = (forces - atoms.get_forces()) / (2 * h)
        expected = -omega_squared * atoms.get_masses()[:, None] * atoms.arrays["displacements"] / h
        np.testing.assert_allclose(forces, expected, atol=2e-4 * np.abs(expected).max() + 1e-4)


def test_the_wave_repeats_with_the_supercell(crystal):
    """An atom and its image one lattice vector on differ by the phase 2πq."""
    q = (1 / 3, 1 / 3, 0.0)
    found = mode(crystal, q, 3)
    np.testing.assert_array_equal(found.supercell, np.diag([3, 3, 1]))
    waves = (found.real + 1j * found.imaginary).reshape(3, 3, 2, 3)
    turned = np.roll(waves, -1, axis=0)
    np.testing.assert_allclose(turned, waves * np.exp(2j * np.pi / 3), atol=1e-10)
    np.testing.assert_allclose(np.roll(waves, -1, axis=1), turned, atol=1e-10)


def test_one_period(crystal):
    found = mode(crystal, (1 / 3, 2 / 3, 1 / 3), 2)
    frames = found.frames(12, amplitude=0.4)
    moved = np.array([atoms.arrays["displacements"] for atoms in frames])
    np.testing.assert_allclose(moved[:6], -moved[6:], atol=1e-12)
    np.testing.assert_allclose(moved.sum(axis=0), 0, atol=1e-12)
    lengths = np.linalg.norm(moved, axis=2)
    assert lengths.max() == pytest.approx(0.4, abs=1e-9)
    assert lengths[0].max() == pytest.approx(0.4, abs=1e-9)
    times = [atoms.info["time"] for atoms in frames]
    assert 12 * times[1] == pytest.approx(1000 / found.frequency)
    np.testing.assert_allclose(frames[3].positions - moved[3], found.positions, atol=1e-12)


def test_a_standing_mode_at_the_centre(crystal):
    """At Γ all images move together, against the centre of mass, and pass it twice."""
    found = mode(crystal, repeat=(2, 1, 1))
    assert len(found.numbers) == 4
    np.testing.assert_allclose(found.imaginary, 0, atol=1e-12)
    np.testing.assert_allclose(found.real[:2], found.real[2:], atol=1e-12)
    masses = found.frames(2)[0].get_masses()
    np.testing.assert_allclose(masses @ found.real, 0, atol=1e-8)


@pytest.mark.parametrize("name", ["mode.extxyz", "mode.xyz", "mode.traj", "mode.xsf"])
def test_files_hold_all_frames(crystal, tmp_path, name):
    found = mode(crystal, (1 / 3, 1 / 3, 0.0), -1)
    path = found.save(tmp_path / "new" / name, frames=6, amplitude=0.2)
    images = ase.io.read(path, ":")
    assert len(images) == 6
    for image, frame in zip(images, found.frames(6, 0.2), strict=True):
        np.testing.assert_allclose(image.positions, frame.positions, atol=1e-6)
        np.testing.assert_allclose(image.cell, frame.cell, atol=1e-6)
    assert [p.name for p in path.parent.iterdir()] == [name]


def test_bad_arguments(crystal, tmp_path):
    with pytest.raises(ValueError, match="there are bands 0 to 5, got 6"):
        mode(crystal, band=6)
    with pytest.raises(ValueError, match=r"q = \[0.123456, 0.0, 0.0\] does not fit"):
        mode(crystal, (0.123456, 0.0, 0.0))
    with pytest.raises(ValueError, match="repeat is three whole numbers above zero, got"):
        mode(crystal, repeat=(0, 1, 1))
    found = mode(crystal)
    with pytest.raises(ValueError, match="two frames or more and an amplitude above zero, got 1"):
        found.frames(1)
    with pytest.raises(ValueError, match=r"ends with .*\.traj, got mode\.gif"):
        found.save(tmp_path / "mode.gif")
