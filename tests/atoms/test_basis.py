"""Bases of densities: shells, irreps, isolated atoms, and where bases come from."""

import json
from dataclasses import replace

import numpy as np
import pytest

from euclidium.atoms import DataError
from euclidium.atoms.basis import DensityBasis, even_tempered, exchange_basis


def water_like() -> DensityBasis:
    return DensityBasis(
        "small",
        {1: ((0, 2.0), (0, 0.5), (1, 0.8)), 8: ((0, 9.0), (1, 3.0), (1, 1.0), (2, 1.5))},
        {1: np.array([0.1, 0.3]), 8: np.array([2.0])},
    )


def test_what_an_element_has():
    basis = water_like()
    assert str(basis.irreps(8)) == "1x0e+2x1o+1x2e"
    assert basis.size(8) == 1 + 6 + 5
    assert basis.lmax == 2
    assert basis.elements == (1, 8)
    assert basis.exponents(8)[1].tolist() == [3.0, 1.0]
    assert basis.offsets([8, 1, 1]) == [0, 12, 17, 22]


def test_isolated_atoms_side_by_side():
    found = water_like().superposition([1, 8])
    expected = np.zeros(17)
    expected[[0, 1, 5]] = 0.1, 0.3, 2.0
    np.testing.assert_array_equal(found, expected)


def test_missing_elements_get_a_sentence():
    basis = water_like()
    with pytest.raises(DataError, match="small has no functions for Si, only for H, O"):
        basis.irreps(14)
    lonely = DensityBasis("lonely", {1: ((0, 1.0),)})
    with pytest.raises(DataError, match="has no isolated atom of H: fit it"):
        lonely.superposition([1])


@pytest.mark.parametrize("shells", [((1, 1.0), (0, 1.0)), ((0, 1.0), (0, 2.0))])
def test_shells_are_sorted(shells: tuple):
    with pytest.raises(ValueError, match="sorted by degree, then by falling exponent"):
        DensityBasis("wrong", {1: shells})


def test_exponents_are_positive():
    with pytest.raises(ValueError, match="exponents of H must be positive"):
        DensityBasis("wrong", {1: ((0, -1.0),)})


def test_json_keeps_everything_and_knows_its_convention():
    basis = water_like()
    value = basis.to_json()
    assert DensityBasis.from_json(value) == basis
    with pytest.raises(DataError, match="use the convention 'other/1'"):
        DensityBasis.from_json({**value, "convention": "other/1"})


def test_even_tempered_exponents_fall():
    basis = even_tempered([14, "O"], 0.1, 3.0, [3, 1])
    np.testing.assert_allclose([a for _, a in basis.of(8)], [0.9, 0.3, 0.1, 0.1])
    assert basis.of(14) == basis.of(8)
    with pytest.raises(ValueError, match="must be positive and grow"):
        even_tempered([1], 0.1, 1.0, [2])


def test_the_basis_of_the_exchange_is_that_of_the_papers():
    pytest.importorskip("basis_set_exchange")
    basis = exchange_basis("def2-universal-jfit", ("H", "O"))
    # the decontracted basis of Rackers et al. 2023
    assert str(basis.irreps(8)) == "12x0e+5x1o+4x2e+2x3o+1x4e"
    assert str(basis.irreps(1)) == "5x0e+2x1o+1x2e"
    with pytest.raises(DataError, match="no basis 'nonsense' with H"):
        exchange_basis("nonsense", ("H",))


def test_ions_are_kept():
    basis = water_like()
    ions = {1: {-1: np.array([0.2, 0.6]), 1: np.zeros(2)}}
    charged = replace(basis, ions=ions)
    again = DensityBasis.from_json(json.loads(json.dumps(charged.to_json())))
    assert again == charged
    assert again != basis
    np.testing.assert_array_equal(again.ions[1][-1], ions[1][-1])
    assert "ions" not in basis.to_json()  # as in files that know none
