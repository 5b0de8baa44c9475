"""Solid argon conducts heat; the sums over modes and units are checked by hand."""

import sys

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.emt import EMT

from euclidium.simulate.conductivity import Conductivity, conductivity
from euclidium.units import K_B, THZ_TO_MEV

ARGON = bulk("Ar", a=5.25)
SUPERCELL = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) * 2  # cubes
EV_TO_JOULE = 1.602176634e-19


@pytest.fixture(scope="module")
def argon(lennard_jones):
    pytest.importorskip("phono3py")
    return conductivity(
        ARGON,
        lennard_jones,
        SUPERCELL,
        mesh=(5, 5, 5),
        temperatures=[50.0, 100.0],
        isotopes=False,
        relax=False,
    )


def test_argon_conducts_as_it_does(argon):
    """Measured: about 0.6 W/(m K) at 50 K; when all modes are excited κ falls as 1/T."""
    np.testing.assert_allclose(argon.kappa[0], argon.isotropic[0] * np.eye(3), atol=1e-6)
    assert 0.2 < argon.isotropic[0] < 1.2
    assert argon.isotropic[0] / argon.isotropic[1] == pytest.approx(2, rel=0.05)
    assert argon.weights.sum() == 125


def test_the_sum_over_modes(argon):
    """κ = 1/(N V) Σ w c v⊗v τ, in SI units, its trace."""
    np.testing.assert_allclose(argon.modes.sum(axis=(1, 2)), argon.kappa, atol=1e-8)
    x = argon.frequencies * THZ_TO_MEV / 1000 / (K_B * 50)
    with np.errstate(divide="ignore", invalid="ignore"):
        c = K_B * x**2 * np.exp(x) / (np.exp(x) - 1) ** 2 * EV_TO_JOULE
    real = argon.frequencies > 1e-3
    tau = np.where(np.isfinite(argon.lifetimes[0]), argon.lifetimes[0], 0) * 1e-12
    share = np.where(real, c, 0) * (argon.velocities**2).sum(axis=2) * tau
    volume = ARGON.get_volume() * 1e-30
    total = (argon.weights[:, None] * share).sum() / (125 * volume) / 3
    assert total == pytest.approx(argon.isotropic[0], rel=1e-3)


def test_large_crystals_conduct_all(argon):
    paths, shares = argon.accumulated(50.0)
    assert (np.diff(paths) >= 0).all()
    assert shares[-1] == pytest.approx(argon.isotropic[0])
    half = paths[np.searchsorted(shares, shares[-1] / 2)]
    assert 0.5 < half < 20  # nm


def test_boltzmann_equation_and_isotopes(lennard_jones):
    """Momentum that survives collisions carries heat; another supercell for what is harmonic."""
    pytest.importorskip("phono3py")
    seen = []
    mixed = ARGON.copy()
    mixed.numbers[:] = 10  # neon has isotopes
    mixed.set_masses([39.95])
    found = {
        (method, isotopes): conductivity(
            mixed,
            neon(lennard_jones),
            SUPERCELL // 2,
            large=SUPERCELL,
            mesh=(3, 3, 3),
            temperatures=[30.0],
            method=method,
            isotopes=isotopes,
            relax=False,
            observe=lambda *done: seen.append(done),
        ).isotropic[0]
        for method, isotopes in (("rta", False), ("rta", True), ("lbte", False))
    }
    assert found["rta", True] < found["rta", False]
    assert found["lbte", False] != pytest.approx(found["rta", False], rel=1e-3)
    assert seen[0][1] == seen[-1][0] == seen[-1][1]


def neon(lennard_jones):
    """The same forces between atoms of another name."""
    model = type(lennard_jones)(6.0)
    model.species = (10,)
    return model


def test_what_is_saved_is_loaded(argon, tmp_path):
    found = Conductivity.load(argon.save(tmp_path / "argon.npz"))
    np.testing.assert_array_equal(found.modes, argon.modes)
    assert (found.method, found.isotopes, found.mesh) == ("rta", False, (5, 5, 5))


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "phono3py", None)
    with pytest.raises(ValueError, match=r"pip install euclidium\[conductivity\]"):
        conductivity(bulk("Cu"), EMT(), (1, 1, 1))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"atoms": molecule("H2")}, "heat conduction needs a crystal"),
        ({"method": "exact"}, "the method is rta or lbte, got 'exact'"),
        ({"mesh": (4, 4)}, "the mesh is three numbers of q points"),
        ({"mesh": (4, 4, 0)}, "the mesh is three numbers of q points"),
        ({"temperatures": [0.0]}, r"temperatures are a list of numbers in K above zero, got \[0"),
        ({"displacement": 0.0}, "the displacement is a length in Å above zero"),
        ({"dielectric": np.eye(3)}, "give both Born charges and the dielectric tensor"),
    ],
)
def test_bad_arguments(unchecked, changes, sentence):
    arguments = {"atoms": bulk("Cu"), "model": EMT(), "supercell": (1, 1, 1)}
    with pytest.raises(ValueError, match=sentence):
        conductivity(**{**arguments, **changes})


def test_masses_that_symmetry_does_not_see_are_refused():
    crystal = bulk("Cu", cubic=True)
    crystal.set_masses([62.93, 62.93, 64.93, 64.93])
    with pytest.raises(ValueError, match="atoms of one element have different masses"):
        conductivity(crystal, EMT())
