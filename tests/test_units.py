"""Units against published numbers and against each other."""

import math

import ase.units
import pytest

from euclidium import units


@pytest.mark.parametrize(
    ("name", "value"),
    [
        # CODATA, NIST SP 961; exact where the SI fixes them
        ("K_B", 8.617333262e-5),
        ("AVOGADRO", 6.02214076e23),
        ("PLANCK", 4.135667696),
        ("HBAR", 0.6582119569),
        ("GAS_CONSTANT", 8.314462618),
        ("SPEED_OF_LIGHT", 2997.92458),
        ("HARTREE", 27.211386246),
        ("BOHR", 0.529177210),
        ("RYDBERG", 13.605693123),
        ("ELECTRON_MASS", 5.48579909e-4),
        ("GPA", 6.241509074e-3),
        ("THZ_TO_CM1", 33.35640952),
        ("THZ_TO_MEV", 4.135667696),
        ("CM1_TO_MEV", 0.1239841984),
        ("MEV_TO_CM1", 8.065543937),
        ("KJ_PER_MOL", 0.01036426965),
        ("KCAL_PER_MOL", 0.0433641043),
        ("DEBYE", 0.2081943327),
        ("COULOMB", 14.39964547),
        ("ASE_TIME", 10.1805057),
        ("HARTREE_PER_BOHR", 51.4220675),
    ],
)
def test_value_is_the_published_one(name, value):
    assert math.isclose(getattr(units, name), value, rel_tol=2e-9)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (units.GPA, ase.units.GPa),
        (units.BAR, ase.units.bar),
        (units.HARTREE, ase.units.Hartree),
        (units.BOHR, ase.units.Bohr),
        (units.K_B, ase.units.kB),
        (units.KJ_PER_MOL, ase.units.kJ / ase.units.mol),
        (units.KCAL_PER_MOL, ase.units.kcal / ase.units.mol),
        (units.DEBYE, ase.units.Debye),
        (1 / units.ASE_TIME, ase.units.fs),
        (units.SQRT_DYNAMICAL_TO_THZ, 15.633302),  # phonopy's VaspToTHz, of the same age
    ],
)
def test_agrees_with_other_codes(ours, theirs):
    # they keep CODATA 2014, older by some 1e-7
    assert math.isclose(ours, theirs, rel_tol=1e-6)


def test_conversions_are_consistent():
    assert math.isclose(units.THZ_TO_CM1 * units.CM1_TO_THZ, 1)
    assert math.isclose(units.THZ_TO_CM1 * units.CM1_TO_MEV, units.THZ_TO_MEV)
    assert math.isclose(units.MEV_TO_THZ * units.THZ_TO_MEV, 1)
    assert math.isclose(units.GAS_CONSTANT, units.K_B / units.JOULE * units.AVOGADRO)
    assert math.isclose(units.HARTREE * units.BOHR, units.COULOMB, rel_tol=1e-9)


def test_oscillator_frequency():
    """An oscillator of 1 amu and 1 eV/Å² has the frequency √(k/m)/2π in SI units too."""
    k = 1 / units.NEWTON_PER_METER  # N/m
    m = 1 / units.KILOGRAM  # kg
    assert math.isclose(math.sqrt(k / m) / (2 * math.pi) * 1e-12, units.SQRT_DYNAMICAL_TO_THZ)
