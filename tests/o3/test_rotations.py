"""Rotations between their forms, also where the usual formulas lose their digits."""

import e3nn.o3
import numpy as np
import pytest
import torch

from euclidium import o3

NAMES = ("angles", "quaternion", "axis_angle", "matrix")


def as_tuple(x):
    return x if isinstance(x, tuple) else (x,)


def hard_rotations():
    """Random ones, and near the identity, near half turns, and about the coordinate axes."""
    rng = np.random.default_rng(0)
    axes = np.vstack([np.eye(3), -np.eye(3), rng.normal(size=(6, 3)), [[1, 1, 0], [0, 1, 1]]])
    steps = [0.0, 1e-12, 1e-8, 1e-4, 1.0, np.pi / 2, np.pi - 1e-4, np.pi - 1e-9, np.pi]
    turns = [o3.axis_angle_to_matrix(axes, step) for step in steps]
    return np.concatenate([o3.rand_matrix(50, rng=0), *turns])


HARD = hard_rotations()


@pytest.mark.parametrize("name", ["angles", "quaternion", "axis_angle"])
def test_matrix_and_back(name):
    form = as_tuple(getattr(o3, f"matrix_to_{name}")(HARD))
    np.testing.assert_allclose(getattr(o3, f"{name}_to_matrix")(*form), HARD, atol=2e-15)


@pytest.mark.parametrize("a", NAMES)
@pytest.mark.parametrize("b", NAMES)
def test_every_conversion_is_the_same_rotation(a, b):
    if a == b:
        return
    start = as_tuple(getattr(o3, f"matrix_to_{a}")(HARD)) if a != "matrix" else (HARD,)
    convert = getattr(o3, f"{a}_to_{b}")
    end = as_tuple(convert(*start))
    matrix = getattr(o3, f"{b}_to_matrix")(*end) if b != "matrix" else end[0]
    np.testing.assert_allclose(matrix, HARD, atol=5e-15)


@pytest.mark.parametrize("a", NAMES)
@pytest.mark.parametrize("b", NAMES)
def test_agrees_with_e3nn(a, b, float64):
    if a == b:
        return
    R = o3.rand_matrix(20, rng=1)
    start = as_tuple(getattr(o3, f"matrix_to_{a}")(R)) if a != "matrix" else (R,)
    ours = as_tuple(getattr(o3, f"{a}_to_{b}")(*start))
    theirs = as_tuple(getattr(e3nn.o3, f"{a}_to_{b}")(*map(torch.tensor, start)))
    for x, y in zip(ours, theirs, strict=True):
        if b == "quaternion":  # q and -q are one rotation
            x, y = x * np.sign(x[..., :1]), y * torch.sign(y[..., :1])
        if b == "angles":
            x, y = np.exp(1j * x), np.exp(1j * y.numpy())
        np.testing.assert_allclose(x, y, atol=1e-7 if "angle" in b else 1e-10)


def test_angle_of_tiny_rotations_keeps_its_digits():
    for angle in (1e-3, 1e-8, 1e-15):
        R = o3.axis_angle_to_matrix(np.array([1.0, 2.0, 3.0]), angle)
        assert o3.matrix_to_axis_angle(R)[1] == pytest.approx(angle, rel=1e-12)
        assert np.abs(o3.matrix_to_axis_angle(R)[0] * np.sqrt(14) - [1, 2, 3]).max() < 1e-12


def test_half_turns_have_an_axis():
    """The antisymmetric part vanishes there; e3nn gives the axis 0."""
    axes = np.random.default_rng(0).normal(size=(20, 3))
    axes /= np.linalg.norm(axes, axis=-1, keepdims=True)
    axis, angle = o3.matrix_to_axis_angle(o3.axis_angle_to_matrix(axes, np.pi))
    np.testing.assert_allclose(angle, np.pi, rtol=1e-15)
    np.testing.assert_allclose(np.abs((axis * axes).sum(-1)), 1, rtol=1e-14)


def test_identity():
    assert o3.matrix_to_angles(np.eye(3)) == (0, 0, 0)
    np.testing.assert_array_equal(o3.identity_quaternion(2), [[1, 0, 0, 0]] * 2)
    np.testing.assert_array_equal(o3.matrix_to_quaternion(np.eye(3)), o3.identity_quaternion())
    axis, angle = o3.matrix_to_axis_angle(np.eye(3))
    assert angle == 0
    assert np.linalg.norm(axis) == 1
    np.testing.assert_array_equal(o3.angles_to_matrix(*o3.identity_angles(2)), [np.eye(3)] * 2)


def test_matrices_about_one_axis():
    for axis, matrix in enumerate((o3.matrix_x, o3.matrix_y, o3.matrix_z)):
        expected = o3.axis_angle_to_matrix(np.eye(3)[axis], np.array([0.3, -2.0]))
        np.testing.assert_allclose(matrix(np.array([0.3, -2.0])), expected, atol=1e-15)
        theirs = getattr(e3nn.o3, matrix.__name__)(torch.tensor([0.3], dtype=torch.float64))
        np.testing.assert_allclose(matrix(np.array([0.3])), theirs, atol=1e-15)


def test_composition():
    R1, R2 = o3.rand_matrix(30, rng=1), o3.rand_matrix(30, rng=2)
    for name in ("angles", "quaternion", "axis_angle"):
        of, back = getattr(o3, f"matrix_to_{name}"), getattr(o3, f"{name}_to_matrix")
        one, two = as_tuple(of(R1)), as_tuple(of(R2))
        composed = as_tuple(getattr(o3, f"compose_{name}")(*one, *two))
        np.testing.assert_allclose(back(*composed), R1 @ R2, atol=3e-15)


def test_inverse():
    R = o3.rand_matrix(30, rng=1)
    inverse = R.swapaxes(-1, -2)
    angles = o3.inverse_angles(*o3.matrix_to_angles(R))
    np.testing.assert_allclose(o3.angles_to_matrix(*angles), inverse, atol=2e-15)
    q = o3.inverse_quaternion(o3.matrix_to_quaternion(R))
    np.testing.assert_allclose(o3.quaternion_to_matrix(q), inverse, atol=2e-15)


def test_points_on_the_sphere():
    alpha, beta, _ = o3.rand_angles(50, rng=0)
    xyz = o3.angles_to_xyz(alpha, beta)
    y = np.array([0.0, 1.0, 0.0])
    np.testing.assert_allclose(xyz, o3.angles_to_matrix(alpha, beta, 0.0) @ y, atol=1e-15)
    np.testing.assert_allclose(o3.xyz_to_angles(5 * xyz), (alpha, beta), atol=1e-14)
    near = o3.xyz_to_angles(np.array([1e-12, 1.0, 0.0]))
    assert near[1] == pytest.approx(1e-12, rel=1e-12)
    assert o3.xyz_to_angles(np.zeros(3)) == (0, 0)


def test_random_rotations_are_uniform():
    """Haar: the mean of every D vanishes for l > 0, and of D² is 1/(2l+1)."""
    for R in (
        o3.rand_matrix(20_000, rng=0),
        o3.angles_to_matrix(*o3.rand_angles(20_000, rng=1)),
        o3.axis_angle_to_matrix(*o3.rand_axis_angle(20_000, rng=2)),
    ):
        D = o3.Irrep("2e").D_from_matrix(R)
        assert np.abs(D.mean(0)).max() < 0.02
        assert np.abs((D**2).mean(0) - 1 / 5).max() < 0.02


def test_random_rotations_have_a_seed_and_a_shape():
    np.testing.assert_array_equal(o3.rand_matrix(2, rng=5), o3.rand_matrix(2, rng=5))
    assert not np.array_equal(o3.rand_matrix(), o3.rand_matrix())
    assert o3.rand_matrix(2, 3, rng=0).shape == (2, 3, 3, 3)
    assert o3.rand_quaternion(rng=0).shape == (4,)
    assert o3.rand_angles(2, rng=0)[0].shape == (2,)
    axis, angle = o3.rand_axis_angle(2, rng=0)
    assert (axis.shape, angle.shape) == ((2, 3), (2,))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: o3.quaternion_to_matrix(np.zeros(4)),
            "quaternion of zero length",
        ),
        (
            lambda: o3.axis_angle_to_matrix(np.zeros(3), 1.0),
            "axis of zero length",
        ),
        (lambda: o3.axis_angle_to_matrix(np.ones(2), 1.0), "axis: the last axis must have size 3"),
        (lambda: o3.quaternion_to_angles(np.ones(3)), "quaternion: the last axis must have size 4"),
        (
            lambda: o3.xyz_to_angles(np.ones(4)),
            r"vector: the last axis must have size 3",
        ),
        (lambda: o3.matrix_to_angles(-np.eye(3)), r"the determinant is -1\. For reflections use"),
        (lambda: o3.matrix_to_quaternion(np.ones((3, 3))), "not orthogonal: R Rᵀ differs"),
        (lambda: o3.matrix_to_axis_angle(np.eye(4)), r"has shape \(\.\.\., 3, 3\), not \(4, 4\)"),
    ],
)
def test_errors(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
