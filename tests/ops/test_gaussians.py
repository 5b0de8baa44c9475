import math

import numpy as np
import pytest
import torch

from euclidium import o3
from euclidium.ops.gaussians import (
    charges,
    coulomb_blocks,
    multipoles,
    overlap_blocks,
    potentials,
    shells_dim,
    values,
)

BLOCKS = [overlap_blocks, coulomb_blocks]
A = [(0, [900.0, 3.0, 0.3]), (1, [1.7, 0.4]), (2, [0.9]), (4, [2.0])]
B = [(0, [0.8]), (1, [25.0]), (3, [1.1, 0.5])]


def shells(of, dtype=torch.float64):
    return [(l, torch.tensor(exponents, dtype=dtype)) for l, exponents in of]


def irreps(of):
    return o3.Irreps([(len(e), o3.Irrep(l, (-1) ** l)) for l, e in of])


def random(*shape, scale=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, dtype=torch.float64, generator=generator)


def rotations(of):
    """D of a random rotation with inversion, and the matrix, for the functions of an atom."""
    matrix = -o3.rand_matrix(rng=np.random.default_rng(1))
    return torch.as_tensor(irreps(of).D_from_matrix(matrix)), torch.as_tensor(matrix)


def ball(radius, radial=60, degree=40):
    """Points and weights that integrate smooth functions over a ball about the origin."""
    nodes, weights = np.polynomial.legendre.leggauss(radial)
    r, of_r = (nodes + 1) / 2 * radius, weights / 2 * radius
    y, of_y = np.polynomial.legendre.leggauss(degree // 2 + 1)
    angle = 2 * np.pi * np.arange(degree + 1) / (degree + 1)
    across = np.sqrt(1 - y**2)[:, None]
    unit = np.stack(
        [across * np.sin(angle), y[:, None] + 0 * angle, across * np.cos(angle)], -1
    ).reshape(-1, 3)
    of_unit = np.repeat(of_y, degree + 1) * 2 * np.pi / (degree + 1)
    points = (r[:, None, None] * unit).reshape(-1, 3)
    return torch.tensor(points), torch.tensor(np.outer(of_r * r**2, of_unit).ravel())


# -- definitions, without any quantum-chemistry code -----------------------------------------------


@pytest.mark.parametrize("exponent", [0.05, 1.0, 3000.0])
def test_functions_are_normalised_and_orthogonal(exponent):
    of = shells([(l, [exponent]) for l in range(7)])
    points, weights = ball(9 / math.sqrt(2 * exponent))
    found = values(of, points)
    gram = found.T @ (found * weights[:, None])
    torch.testing.assert_close(gram, torch.eye(49).double(), rtol=0, atol=1e-12)
    origin = torch.zeros(1, 3, dtype=torch.float64)
    torch.testing.assert_close(overlap_blocks(of, of, origin)[0], gram, rtol=0, atol=1e-12)


def test_values_are_the_definition():
    points, a = random(10, 3), 0.7
    norm = math.sqrt(2 * (2 * a) ** 3.5 / math.gamma(3.5))
    harmonics = o3.spherical_harmonics(2, points.numpy(), False, normalization="integral")
    expected = norm * harmonics * np.exp(-a * points.square().sum(-1, keepdim=True).numpy())
    np.testing.assert_allclose(values(shells([(2, [a])]), points), expected, rtol=1e-13)


@pytest.mark.parametrize(
    ("la", "a", "lb", "b", "distance"),
    [
        (0, 1.0, 0, 0.5, 1.5),
        (4, 296.0, 4, 0.45, 3.42),
        (5, 152.466, 5, 0.0875, 10.6656),  # PySCF 2.14 finds 9e-10 where 6e-11 is right
        (6, 40.0, 5, 0.9, 1.0),
        (2, 3000.0, 3, 0.05, 8.0),
        (1, 2.0, 6, 0.4, 0.0),
    ],
)
def test_overlap_and_coulomb_are_their_integrals(la, a, lb, b, distance):
    """About the first centre: ∫ χ_a χ_b, and ∫ χ_a V_b."""
    first, second = shells([(la, [a])]), shells([(lb, [b])])
    vector = distance * torch.tensor([[0.48, -0.6, 0.64]], dtype=torch.float64)
    points, weights = ball(9.5 / math.sqrt(2 * a))
    weighted = values(first, points) * weights[:, None]
    for blocks, other in ((overlap_blocks, values), (coulomb_blocks, potentials)):
        expected = weighted.T @ other(second, points - vector)
        found = blocks(first, second, vector)[0]
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=2e-13)


def test_potentials_obey_poissons_equation():
    """ΔV = −4π χ, by second derivatives of the potential."""
    of, points = shells([(l, [0.4, 2.0]) for l in range(5)]), random(6, 3)
    points[0] = 0

    def one(point):
        return potentials(of, point[None])[0]

    laplacian = torch.func.vmap(torch.func.hessian(one))(points).diagonal(dim1=-2, dim2=-1).sum(-1)
    torch.testing.assert_close(laplacian, -4 * math.pi * values(of, points), rtol=0, atol=1e-11)


@pytest.mark.parametrize("l", [0, 1, 2, 3])
def test_multipoles_are_their_integrals(l):
    of = shells([(0, [0.5, 2.0]), (1, [0.5]), (2, [1.3, 0.6]), (3, [1.0])])
    points, weights = ball(14.0)
    size = math.sqrt(4 * math.pi / (2 * l + 1))
    solid = size * o3.spherical_harmonics(l, points.numpy(), False, normalization="integral")
    expected = torch.tensor(solid).T @ (values(of, points) * weights[:, None])
    torch.testing.assert_close(multipoles(of, l), expected, rtol=0, atol=1e-11)
    if l == 0:
        torch.testing.assert_close(charges(of), expected[0], rtol=0, atol=1e-11)


def test_far_away_everything_is_multipoles():
    a, b = shells([(0, [1.0]), (1, [0.8])]), shells([(0, [2.0])])
    vector = torch.tensor([[0.0, 30.0, 40.0]], dtype=torch.float64)
    matrix, q = coulomb_blocks(a, b, vector)[0, :, 0], charges(b)[0]
    # the potential of a dipole p is p·R/R³
    expected = torch.cat([charges(a)[:1] / 50, (vector @ multipoles(a, 1)[:, 1:] / 50**3)[0]]) * q
    torch.testing.assert_close(matrix, expected, rtol=1e-13, atol=0)
    torch.testing.assert_close(potentials(a, vector)[0] * q, matrix, rtol=1e-13, atol=0)
    assert not overlap_blocks(a, b, vector).any()


@pytest.mark.parametrize("blocks", BLOCKS)
def test_metrics_are_positive_and_symmetric(blocks):
    """Of a small molecule: the squared norm of any density, and its repulsion by itself."""
    of, places = shells(A), random(4, 3, scale=1.5)
    vectors = (places[None] - places[:, None]).reshape(-1, 3)
    n = shells_dim(of)
    matrix = blocks(of, of, vectors).view(4, 4, n, n).transpose(1, 2).reshape(4 * n, 4 * n)
    torch.testing.assert_close(matrix, matrix.T, rtol=0, atol=1e-12)
    assert torch.linalg.eigvalsh(matrix).min() > 1e-6


# -- symmetries ------------------------------------------------------------------------------------


@pytest.mark.parametrize("blocks", BLOCKS)
def test_blocks_turn_with_the_atoms(blocks):
    vectors = random(7, 3, scale=2.0)
    (of_a, matrix), (of_b, _) = rotations(A), rotations(B)
    turned = blocks(shells(A), shells(B), vectors @ matrix.T)
    expected = of_a @ blocks(shells(A), shells(B), vectors) @ of_b.T
    torch.testing.assert_close(turned, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("function", [values, potentials])
def test_fields_turn_with_the_atom(function):
    points = random(7, 3)
    of_a, matrix = rotations(A)
    turned = function(shells(A), points @ matrix.T)
    torch.testing.assert_close(turned, function(shells(A), points) @ of_a.T, rtol=0, atol=1e-11)


@pytest.mark.parametrize("blocks", BLOCKS)
def test_exchange_of_the_atoms(blocks):
    vectors = random(5, 3, scale=2.0)
    there, back = blocks(shells(A), shells(B), vectors), blocks(shells(B), shells(A), -vectors)
    torch.testing.assert_close(there, back.mT, rtol=0, atol=1e-13)


# -- derivatives -----------------------------------------------------------------------------------


def small(of):
    """One exponent for each degree to 2."""
    return [(l, torch.tensor([1.3 + l, 0.6]).double()[: 2 - l % 2]) for l in range(3)]


def vectors_with_zero():
    vectors = random(3, 3)
    vectors[0] = 0
    return vectors.requires_grad_()


@pytest.mark.parametrize("function", [*BLOCKS, values, potentials])
def test_first_and_second_derivatives_also_where_centres_coincide(function):
    others = (small(B),) if function in BLOCKS else ()

    def of(vectors):
        return function(small(A), *others, vectors)

    vectors = vectors_with_zero()
    assert torch.autograd.gradcheck(of, vectors, fast_mode=True)
    assert torch.autograd.gradgradcheck(of, vectors, fast_mode=True)


@pytest.mark.parametrize("function", [*BLOCKS, values, potentials])
def test_derivatives_by_exponents(function):
    exponents = torch.tensor([0.7, 2.0], dtype=torch.float64, requires_grad=True)

    def of(exponents):
        others = ([(1, exponents), (2, exponents)],) if function in BLOCKS else ()
        return function([(0, exponents), (1, exponents)], *others, random(2, 3))

    assert torch.autograd.gradcheck(of, exponents, fast_mode=True)
    assert torch.autograd.gradgradcheck(of, exponents, fast_mode=True)


@pytest.mark.parametrize("blocks", BLOCKS)
def test_the_derivative_of_an_s_function_is_a_p_function(blocks):
    """∂s/∂x = −√a p_x, and moving the other atom is moving this one the other way."""
    a, vector = 0.9, random(3)
    s, p = shells([(0, [a])]), shells([(1, [a])])
    gradient = torch.func.jacrev(lambda v: blocks(s, shells(B), v[None])[0, 0])(vector)
    expected = -math.sqrt(a) * blocks(p, shells(B), vector[None])[0]
    torch.testing.assert_close(gradient.T, expected, rtol=0, atol=1e-13)


# -- PySCF -----------------------------------------------------------------------------------------


def from_pyscf(l):
    """The matrix from PySCF's components to ours: z-polar harmonics, p in the order x, y, z."""
    points = random(50, 3).numpy()
    ours = o3.spherical_harmonics(l, points, normalization="integral")
    polar = o3.spherical_harmonics(l, points[:, [1, 2, 0]], normalization="integral")
    matrix = np.linalg.lstsq(polar, ours, rcond=None)[0].T
    return matrix @ np.eye(3)[[1, 2, 0]] if l == 1 else matrix


def molecule(gto, *atoms):
    names = [f"ghost-{symbol}" for symbol in ("H", "He")[: len(atoms)]]
    return gto.M(
        atom=[[name, place] for name, (_, _, place) in zip(names, atoms, strict=True)],
        basis={name: [[l, [a, 1.0]]] for name, (l, a, _) in zip(names, atoms, strict=True)},
        unit="Bohr",
        verbose=0,
    )


@pytest.mark.parametrize("lmax", [4, 6])
def test_matrices_of_pyscf(lmax):
    gto = pytest.importorskip("pyscf.gto")
    rng = np.random.default_rng(lmax)
    for _ in range(40):
        la, lb = (int(l) for l in rng.integers(0, lmax + 1, 2))
        a, b = np.exp(rng.uniform(math.log(0.05), math.log(3000), 2)).tolist()
        place = rng.normal(size=3)
        place *= rng.choice([0.1, 1.0]) * rng.uniform(0, 15) / np.linalg.norm(place)
        pair = molecule(gto, (la, a, (0, 0, 0)), (lb, b, place.tolist()))
        first, second = shells([(la, [a])]), shells([(lb, [b])])
        origin = torch.zeros(1, 3, dtype=torch.float64)
        # beyond l = 4 PySCF's own overlaps of very different exponents have an error of 1e-9
        overlap_error = 1e-10 if lmax == 4 else 2e-9
        for blocks, name, error in (
            (overlap_blocks, "int1e_ovlp", overlap_error),
            (coulomb_blocks, "int2c2e", 1e-12),
        ):
            theirs = pair.intor(name)[: 2 * la + 1, 2 * la + 1 :]
            expected = from_pyscf(la) @ theirs @ from_pyscf(lb).T
            found = blocks(first, second, torch.tensor(place)[None])[0].numpy()
            size = blocks(first, first, origin)[0, 0, 0] * blocks(second, second, origin)[0, 0, 0]
            scale = float(size.sqrt())
            np.testing.assert_allclose(found / scale, expected / scale, rtol=0, atol=error)


@pytest.mark.parametrize("l", range(7))
def test_values_and_potentials_of_pyscf(l):
    gto = pytest.importorskip("pyscf.gto")
    points = random(20, 3, scale=2.0)
    atom, of = molecule(gto, (l, 0.7, (0, 0, 0))), shells([(l, [0.7])])
    turn = from_pyscf(l)
    expected = atom.eval_gto("GTOval", points.numpy()) @ turn.T
    np.testing.assert_allclose(values(of, points), expected, atol=1e-13)
    charge = gto.fakemol_for_charges(points.numpy())
    expected = gto.mole.intor_cross("int2c2e", atom, charge).T @ turn.T
    np.testing.assert_allclose(potentials(of, points), expected, atol=1e-11)


# -- numbers and sentences -------------------------------------------------------------------------


@pytest.mark.parametrize("blocks", BLOCKS)
def test_float32(blocks):
    """Also for far and steep functions, whose powers would overflow one by one."""
    of = [(l, [20000.0, 1.0, 0.1]) for l in range(5)]
    vectors = torch.cat([random(20, 3, scale=3.0), random(5, 3, scale=300.0), torch.zeros(1, 3)])
    exact = blocks(shells(of), shells(of), vectors)
    vectors = vectors.float().requires_grad_()
    single = blocks(shells(of), shells(of), vectors)
    assert single.dtype == torch.float32
    scale = blocks(shells(of), shells(of), torch.zeros(1, 3).double())[0].diagonal().sqrt()
    error = (single.double() - exact) / scale / scale[:, None]
    assert error.abs().max() < 1e-5
    assert torch.autograd.grad(single.sum(), vectors)[0].isfinite().all()


@pytest.mark.parametrize("blocks", BLOCKS)
def test_nothing(blocks):
    vectors, n_a, n_b = random(3, 3), irreps(A).dim, irreps(B).dim
    assert blocks([], shells(B), vectors).shape == (3, 0, n_b)
    assert blocks(shells(A), [], vectors).shape == (3, n_a, 0)
    assert blocks(shells(A), shells(B), vectors[:0]).shape == (0, n_a, n_b)
    assert values([], vectors).shape == potentials([], vectors).shape == (3, 0)
    assert charges([]).shape == (0,)
    assert shells_dim(shells(A)) == n_a


@pytest.mark.parametrize(
    ("of", "sentence"),
    [
        ([(1, [1.0]), (0, [1.0])], r"sorted by degree, each degree once, got degrees \[1, 0\]"),
        ([(0, [1.0]), (0, [2.0])], r"got degrees \[0, 0\]"),
        ([(0, [1.0, -2.0])], r"exponents of degree 0 must be a list of positive numbers"),
        ([(2, [math.nan])], r"exponents of degree 2 must be a list of positive numbers"),
    ],
)
def test_shells_that_are_none(of, sentence):
    for blocks in BLOCKS:
        with pytest.raises(ValueError, match=sentence):
            blocks(shells(A), shells(of), random(1, 3))
    for function in (values, potentials):
        with pytest.raises(ValueError, match=sentence):
            function(shells(of), random(1, 3))
    with pytest.raises(ValueError, match=sentence):
        charges(shells(of))


def test_degree_of_a_multipole():
    with pytest.raises(ValueError, match="degree of a multipole is -1: it must be 0, 1, 2"):
        multipoles(shells(A), -1)
