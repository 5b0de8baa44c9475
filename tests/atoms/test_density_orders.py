"""The orders of other programs give the same functions."""

import numpy as np
import pytest
from scipy.special import gamma, sph_harm_y

from euclidium.atoms.basis import DensityBasis
from euclidium.atoms.density_orders import (
    from_e3nn,
    from_psi4,
    from_pyscf,
    from_standard,
    standard_harmonics,
    to_e3nn,
    to_psi4,
    to_pyscf,
)
from euclidium.atoms.problem import DataError
from euclidium.o3.harmonics import spherical_harmonics

RNG = np.random.default_rng(7)
SHELLS = tuple((l, a) for l in range(5) for a in (2.3, 0.7, 0.31)[: 3 - l // 2])
BASIS = DensityBasis("test", {1: SHELLS[:5], 8: SHELLS})
SPECIES = [8, 1, 1, 8]
SIZE = BASIS.offsets(SPECIES)[-1]


def textbook(l: int, points: np.ndarray) -> np.ndarray:
    """Real harmonics about z without the Condon-Shortley phase, m = -l ... l, by SciPy."""
    x, y, z = points.T
    theta, phi = np.arccos(z / np.linalg.norm(points, axis=1)), np.arctan2(y, x)
    columns = []
    for m in range(-l, l + 1):
        value = (-1) ** m * np.sqrt(2) * sph_harm_y(l, abs(m), theta, phi)
        columns.append(
            sph_harm_y(l, 0, theta, phi).real if m == 0 else value.imag if m < 0 else value.real
        )
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("l", range(7))
def test_standard_harmonics_are_those_of_the_textbooks(l: int):
    points = RNG.normal(size=(40, 3))
    ours = spherical_harmonics(l, points, normalization="integral")
    np.testing.assert_allclose(ours @ standard_harmonics(l).T, textbook(l, points), atol=2e-14)


def values(coefficients: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The function on the first atom (oxygen) from coefficients in our order."""
    total, start = np.zeros(len(points)), 0
    r = np.linalg.norm(points, axis=1)
    for l, exponents in BASIS.exponents(8).items():
        harmonics = spherical_harmonics(l, points, normalization="integral")
        for k, a in enumerate(exponents):
            norm = np.sqrt(2 * (2 * a) ** (l + 1.5) / gamma(l + 1.5))
            own = coefficients[start + k : start + (2 * l + 1) * len(exponents) : len(exponents)]
            total += norm * r**l * np.exp(-a * r**2) * (harmonics @ own)
        start += (2 * l + 1) * len(exponents)
    return total


def test_pyscf_has_the_same_function():
    gto = pytest.importorskip("pyscf.gto")
    mole = gto.M(atom="O 0 0 0", basis={"O": [[l, [a, 1.0]] for l, a in SHELLS]}, verbose=0)
    coefficients = RNG.normal(size=BASIS.size(8))
    points = RNG.normal(size=(60, 3))
    theirs = mole.eval_gto("GTOval_sph", points) @ to_pyscf(coefficients, BASIS, [8])
    np.testing.assert_allclose(values(coefficients, points), theirs, rtol=0, atol=1e-13)


def test_one_function_at_a_time_agrees_with_pyscf_to_the_last_digit():
    gto = pytest.importorskip("pyscf.gto")
    mole = gto.M(atom="O 0 0 0", basis={"O": [[l, [a, 1.0]] for l, a in SHELLS]}, verbose=0)
    points = RNG.normal(size=(30, 3))
    theirs = mole.eval_gto("GTOval_sph", points)
    for i, unit in enumerate(np.eye(BASIS.size(8))):
        ours = values(from_pyscf(unit, BASIS, [8]), points)
        np.testing.assert_allclose(ours, theirs[:, i], rtol=0, atol=1e-14)


def test_psi4_has_the_textbook_harmonics_in_its_own_order():
    basis = DensityBasis("d", {1: ((2, 1.0),)})
    ours = RNG.normal(size=5)
    points = RNG.normal(size=(20, 3))
    wanted = spherical_harmonics(2, points, normalization="integral") @ ours
    order = [0, 1, -1, 2, -2]
    theirs = textbook(2, points)[:, [2 + m for m in order]]
    np.testing.assert_allclose(theirs @ to_psi4(ours, basis, [1]), wanted, atol=1e-14)


def test_psi4_signs_are_those_of_the_norms():
    norms = {z: RNG.normal(size=len(BASIS.of(z))) for z in (1, 8)}
    ours = RNG.normal(size=SIZE)
    theirs = to_psi4(ours, BASIS, SPECIES, norms)
    np.testing.assert_allclose(from_psi4(theirs, BASIS, SPECIES, norms), ours, atol=1e-14)
    plain = to_psi4(ours, BASIS, SPECIES)
    np.testing.assert_array_equal(np.abs(plain), np.abs(theirs))
    assert theirs[0] == np.sign(norms[8][0]) * plain[0]


@pytest.mark.parametrize(
    ("there", "back"), [(to_pyscf, from_pyscf), (to_psi4, from_psi4), (to_e3nn, from_e3nn)]
)
def test_round_trips_keep_coefficients_and_their_length(there, back):
    ours = RNG.normal(size=SIZE)
    theirs = there(ours, BASIS, SPECIES)
    np.testing.assert_allclose(back(theirs, BASIS, SPECIES), ours, atol=1e-14)
    assert np.linalg.norm(theirs) == pytest.approx(np.linalg.norm(ours), rel=1e-14)


def test_the_orders_are_orders_of_one_density():
    ours = RNG.normal(size=SIZE)
    from_there = to_psi4(ours, BASIS, SPECIES)
    standard = from_there.copy()
    start = 0
    for z in SPECIES:
        for l, _ in BASIS.of(z):
            places = [l, *(l + s * m for m in range(1, l + 1) for s in (1, -1))]
            standard[start + np.array(places)] = from_there[start : start + 2 * l + 1]
            start += 2 * l + 1
    np.testing.assert_allclose(from_standard(standard, BASIS, SPECIES), ours, atol=1e-14)


def test_e3nn_layout_is_that_of_e3nn():
    o3 = pytest.importorskip("e3nn.o3")
    torch = pytest.importorskip("torch")
    ours = RNG.normal(size=BASIS.size(8))
    theirs = torch.tensor(to_e3nn(ours, BASIS, [8]))
    irreps = o3.Irreps(str(BASIS.irreps(8)))
    point = torch.tensor(RNG.normal(size=3))
    total, r = 0.0, float(point.norm())
    for (mul, ir), where in zip(irreps, irreps.slices(), strict=True):
        own = theirs[where].reshape(mul, ir.dim)
        harmonics = o3.spherical_harmonics(ir.l, point, True, normalization="integral")
        for k, a in enumerate(BASIS.exponents(8)[ir.l]):
            norm = np.sqrt(2 * (2 * a) ** (ir.l + 1.5) / gamma(ir.l + 1.5))
            total += norm * r**ir.l * np.exp(-a * r * r) * float(own[k] @ harmonics)
    assert total == pytest.approx(values(ours, point.numpy()[None])[0], abs=1e-13)


def test_a_wrong_number_of_coefficients_gets_a_sentence(unchecked: None):
    with pytest.raises(DataError, match=r"these 2 atoms have .* but the coefficients have .* \(3,"):
        to_pyscf(np.zeros(3), BASIS, [1, 1])
    with pytest.raises(DataError, match="a sign for each of the 5 shells of H, got 2"):
        to_psi4(np.zeros(BASIS.size(1)), BASIS, [1], {1: np.ones(2)})
