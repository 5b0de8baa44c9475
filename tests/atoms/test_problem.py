"""Hints at the name that was meant."""

from euclidium.atoms.problem import DataError, nearest


def test_nearest_ignores_case():
    assert nearest("energy_dft", ["DFT_energy", "Energy_DFT"]).startswith(
        "; did you mean 'Energy_DFT'"
    )


def test_nothing_is_near():
    assert nearest("dipole", ["energy", "forces"]) == ""
    assert nearest("dipole", []) == ""


def test_a_data_error_is_a_value_error():
    assert issubclass(DataError, ValueError)
