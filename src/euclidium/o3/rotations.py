"""Rotations as matrices, Euler angles, quaternions and axis with angle, and between them.

Names and conventions are those of e3nn: angles in radians; Euler angles Y-X-Y,
R = R_y(alpha) R_x(beta) R_y(gamma); quaternions (w, x, y, z). No conversion loses digits near
the identity or near a half turn, because none takes an arc cosine. Every function broadcasts
over leading axes. Only ``matrix`` arguments are checked to be rotations; quaternions and axes
of any length but zero are normalised.
"""

from typing import TypeAlias

import numpy as np
from jaxtyping import Complex, Float, Real

Angle: TypeAlias = float | int | Real[np.ndarray, "..."]
Rng: TypeAlias = np.random.Generator | int | None
Phases: TypeAlias = tuple[
    Complex[np.ndarray, "*batch"], Complex[np.ndarray, "*batch"], Complex[np.ndarray, "*batch"]
]

# a rotation matrix written in float32 is orthogonal to 1e-7
TOLERANCE = 1e-5


# random rotations -----------------------------------------------------------------------------


def rand_quaternion(*shape: int, rng: Rng = None) -> Float[np.ndarray, "*batch 4"]:
    """Random unit quaternions (w, x, y, z), uniform over the rotations (Haar measure).

    Shape (*shape, 4). ``rng`` is a NumPy generator or a seed; None draws a fresh one.

    >>> rand_quaternion(5, rng=0).shape
    (5, 4)
    """
    return _unit(np.random.default_rng(rng).normal(size=(*shape, 4)), "quaternion")


def rand_matrix(*shape: int, rng: Rng = None) -> Float[np.ndarray, "*batch 3 3"]:
    """Random rotation matrices, uniform over the rotations (Haar measure).

    Shape (*shape, 3, 3). ``rng`` is a NumPy generator or a seed; None draws a fresh one.

    >>> R = rand_matrix(rng=0)
    >>> bool(np.allclose(R @ R.T, np.eye(3)))
    True
    """
    return quaternion_to_matrix(rand_quaternion(*shape, rng=rng))


def rand_angles(
    *shape: int, rng: Rng = None
) -> tuple[Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"]]:
    """Euler angles (alpha, beta, gamma) of random rotations, uniform over the rotations.

    Each of shape ``shape``, alpha and gamma in (-π, π], beta in [0, π]. ``rng`` as in
    ``rand_matrix``.

    >>> alpha, beta, gamma = rand_angles(4, rng=0)
    >>> bool((beta >= 0).all() and (beta <= np.pi).all())
    True
    """
    return quaternion_to_angles(rand_quaternion(*shape, rng=rng))


def rand_axis_angle(
    *shape: int, rng: Rng = None
) -> tuple[Float[np.ndarray, "*batch 3"], Float[np.ndarray, "*batch"]]:
    """Axes, shape (*shape, 3), and angles in [0, π] of random rotations, uniform over them.

    ``rng`` as in ``rand_matrix``.

    >>> axis, angle = rand_axis_angle(rng=0)
    >>> bool(np.isclose(np.linalg.norm(axis), 1))
    True
    """
    return matrix_to_axis_angle(rand_matrix(*shape, rng=rng))


# identity, composition, inverse ---------------------------------------------------------------


def identity_angles(
    *shape: int,
) -> tuple[Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"]]:
    """Euler angles of the identity, three arrays of zeros of the given shape.

    >>> identity_angles(2)[0]
    array([0., 0.])
    """
    return np.zeros(shape), np.zeros(shape), np.zeros(shape)


def identity_quaternion(*shape: int) -> Float[np.ndarray, "*batch 4"]:
    """Quaternion (1, 0, 0, 0) of the identity, shape (*shape, 4).

    >>> identity_quaternion()
    array([1., 0., 0., 0.])
    """
    return np.broadcast_to(np.array([1.0, 0.0, 0.0, 0.0]), (*shape, 4)).copy()


def compose_angles(
    a1: Angle, b1: Angle, c1: Angle, a2: Angle, b2: Angle, c2: Angle
) -> tuple[Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"]]:
    """Euler angles of R(a1, b1, c1) R(a2, b2, c2): the second rotation acts first.

    >>> a, b, c = compose_angles(0.1, 0.0, 0.0, 0.2, 0.0, 0.0)
    >>> round(float(a + c), 12)
    0.3
    """
    first = angles_to_quaternion(a1, b1, c1)
    return quaternion_to_angles(compose_quaternion(first, angles_to_quaternion(a2, b2, c2)))


def inverse_angles(a: Angle, b: Angle, c: Angle) -> tuple[Angle, Angle, Angle]:
    """Euler angles (-c, -b, -a) of the inverse rotation.

    >>> inverse_angles(0.1, 0.2, 0.3)
    (-0.3, -0.2, -0.1)
    """
    return -c, -b, -a


def compose_quaternion(
    q1: Real[np.ndarray, "*#batch wxyz"], q2: Real[np.ndarray, "*#batch wxyz"]
) -> Float[np.ndarray, "*batch 4"]:
    """Quaternion product q1 q2, of the rotation q1 after q2; shapes (..., 4).

    >>> half = np.array([0.0, 0.0, 1.0, 0.0])  # half a turn about y
    >>> compose_quaternion(half, half)
    array([-1.,  0.,  0.,  0.])
    """
    q1, q2 = _last_axis(q1, 4, "quaternion"), _last_axis(q2, 4, "quaternion")
    w1, v1, w2, v2 = q1[..., :1], q1[..., 1:], q2[..., :1], q2[..., 1:]
    scalar = w1 * w2 - (v1 * v2).sum(-1, keepdims=True)
    return np.concatenate([scalar, w1 * v2 + w2 * v1 + np.cross(v1, v2)], axis=-1)


def inverse_quaternion(q: Real[np.ndarray, "*batch wxyz"]) -> Float[np.ndarray, "*batch 4"]:
    """Quaternion (w, -x, -y, -z) of the inverse rotation, for unit quaternions (..., 4).

    >>> inverse_quaternion(np.array([0.6, 0.8, 0.0, 0.0]))
    array([ 0.6, -0.8, -0. , -0. ])
    """
    return _last_axis(q, 4, "quaternion") * np.array([1.0, -1.0, -1.0, -1.0])


def compose_axis_angle(
    axis1: Real[np.ndarray, "*#batch xyz"],
    angle1: Angle,
    axis2: Real[np.ndarray, "*#batch xyz"],
    angle2: Angle,
) -> tuple[Float[np.ndarray, "*batch 3"], Float[np.ndarray, "*batch"]]:
    """Axis and angle of rotation 1 after rotation 2, the angle in [0, π].

    >>> y = np.array([0.0, 1.0, 0.0])
    >>> compose_axis_angle(y, 0.25, y, 0.5)
    (array([0., 1., 0.]), array(0.75))
    """
    first = axis_angle_to_quaternion(axis1, angle1)
    q = compose_quaternion(first, axis_angle_to_quaternion(axis2, angle2))
    return quaternion_to_axis_angle(np.where(q[..., :1] < 0, -q, q))


# matrices about one axis ----------------------------------------------------------------------


def matrix_x(angle: Angle) -> Float[np.ndarray, "*batch 3 3"]:
    """Rotation about x by an angle (...): y turns towards z. Shape (..., 3, 3).

    >>> matrix_x(np.pi / 2).round(12) @ [0, 1, 0]
    array([0., 0., 1.])
    """
    return _matrix_about(0, angle)


def matrix_y(angle: Angle) -> Float[np.ndarray, "*batch 3 3"]:
    """Rotation about y by an angle (...): z turns towards x. Shape (..., 3, 3).

    >>> matrix_y(np.pi / 2).round(12) @ [0, 0, 1]
    array([1., 0., 0.])
    """
    return _matrix_about(1, angle)


def matrix_z(angle: Angle) -> Float[np.ndarray, "*batch 3 3"]:
    """Rotation about z by an angle (...): x turns towards y. Shape (..., 3, 3).

    >>> matrix_z(np.pi / 2).round(12) @ [1, 0, 0]
    array([0., 1., 0.])
    """
    return _matrix_about(2, angle)


# conversions to matrices ----------------------------------------------------------------------


def angles_to_matrix(alpha: Angle, beta: Angle, gamma: Angle) -> Float[np.ndarray, "*batch 3 3"]:
    """Matrix R_y(alpha) R_x(beta) R_y(gamma) of Euler angles of broadcastable shapes.

    >>> angles_to_matrix(0.0, 0.0, 0.0)
    array([[1., 0., 0.],
           [0., 1., 0.],
           [0., 0., 1.]])
    """
    return matrix_y(alpha) @ matrix_x(beta) @ matrix_y(gamma)


def quaternion_to_matrix(q: Real[np.ndarray, "*batch wxyz"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Matrix of a quaternion (w, x, y, z), of any length but zero; (..., 4) to (..., 3, 3).

    Raises ``ValueError`` for a zero quaternion.

    >>> quaternion_to_matrix(np.array([0.0, 1.0, 0.0, 0.0])).diagonal()
    array([ 1., -1., -1.])
    """
    q = _unit(_last_axis(q, 4, "quaternion"), "quaternion")
    w, v = q[..., 0, None, None], q[..., 1:]
    # twice the half-angle terms: nothing is subtracted that is not small
    cross = _cross_matrix(v)
    return np.eye(3) + 2 * (w * cross + cross @ cross)


def axis_angle_to_matrix(
    axis: Real[np.ndarray, "*#batch xyz"], angle: Angle
) -> Float[np.ndarray, "*batch 3 3"]:
    """Matrix of the rotation about an axis (..., 3) by an angle (...), right-handed.

    Raises ``ValueError`` for an axis of zero length.

    >>> axis_angle_to_matrix(np.array([0, 0, 2]), np.pi / 2).round(12) @ [1, 0, 0]
    array([0., 1., 0.])
    """
    return quaternion_to_matrix(axis_angle_to_quaternion(axis, angle))


# conversions to angles ------------------------------------------------------------------------


def matrix_to_angles(
    R: Real[np.ndarray, "*batch row column"],
) -> tuple[Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"]]:
    """Euler angles (alpha, beta, gamma) of rotation matrices (..., 3, 3).

    alpha and gamma in (-π, π], beta in [0, π]. Where beta is 0 or π only one of the two others
    is determined, and alpha is 0. Raises ``ValueError`` if R is not a rotation.

    >>> matrix_to_angles(np.eye(3))
    (array(0.), array(0.), array(0.))
    """
    a, b, c = (np.angle(phase) for phase in matrix_to_phases(R))
    return np.asarray(a), np.asarray(b), np.asarray(c)


def quaternion_to_angles(
    q: Real[np.ndarray, "*batch wxyz"],
) -> tuple[Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"]]:
    """Euler angles (alpha, beta, gamma) of quaternions (..., 4), as ``matrix_to_angles``.

    >>> quaternion_to_angles(np.array([1.0, 0.0, 0.0, 0.0]))
    (array(0.), array(0.), array(0.))
    """
    return matrix_to_angles(quaternion_to_matrix(q))


def axis_angle_to_angles(
    axis: Real[np.ndarray, "*#batch xyz"], angle: Angle
) -> tuple[Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"]]:
    """Euler angles (alpha, beta, gamma) of axis (..., 3) and angle, as ``matrix_to_angles``.

    >>> axis_angle_to_angles(np.array([1.0, 0.0, 0.0]), 0.5)[1]
    array(0.5)
    """
    return matrix_to_angles(axis_angle_to_matrix(axis, angle))


# conversions to quaternions -------------------------------------------------------------------


def angles_to_quaternion(alpha: Angle, beta: Angle, gamma: Angle) -> Float[np.ndarray, "*batch 4"]:
    """Quaternion (w, x, y, z) of Euler angles of broadcastable shapes.

    >>> angles_to_quaternion(0.0, np.pi, 0.0).round(12)
    array([0., 1., 0., 0.])
    """
    y, x = np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0])
    last = compose_quaternion(axis_angle_to_quaternion(x, beta), axis_angle_to_quaternion(y, gamma))
    return compose_quaternion(axis_angle_to_quaternion(y, alpha), last)


def matrix_to_quaternion(
    R: Real[np.ndarray, "*batch row column"],
) -> Float[np.ndarray, "*batch 4"]:
    """Unit quaternion (w, x, y, z) with w >= 0 of rotation matrices (..., 3, 3).

    Divides by the largest component, so no angle is special. Raises ``ValueError`` if R is not a
    rotation. Shepperd, J. Guid. Control 1, 223 (1978), https://doi.org/10.2514/3.55767b.

    >>> matrix_to_quaternion(np.diag([-1, 1, -1]))
    array([0., 0., 1., 0.])
    """
    R = check_rotation(R)
    # the rows of this table are 4 q_i q, one for each component i
    d = np.diagonal(R, axis1=-2, axis2=-1)
    table = np.empty((*R.shape[:-2], 4, 4))
    table[..., 0, 0] = 1 + d.sum(-1)
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        table[..., 1 + i, 1 + i] = 1 + d[..., i] - d[..., j] - d[..., k]
        table[..., 0, 1 + i] = table[..., 1 + i, 0] = R[..., k, j] - R[..., j, k]
        table[..., 1 + i, 1 + j] = table[..., 1 + j, 1 + i] = R[..., i, j] + R[..., j, i]
    largest = np.argmax(np.diagonal(table, axis1=-2, axis2=-1), axis=-1)
    q = np.take_along_axis(table, largest[..., None, None], axis=-2)[..., 0, :]
    q = _unit(q, "quaternion")
    return np.where(q[..., :1] < 0, -q, q)


def axis_angle_to_quaternion(
    axis: Real[np.ndarray, "*#batch xyz"], angle: Angle
) -> Float[np.ndarray, "*batch 4"]:
    """Quaternion (cos angle/2, axis sin angle/2) of an axis (..., 3) and an angle (...).

    Raises ``ValueError`` for an axis of zero length.

    >>> axis_angle_to_quaternion(np.array([0, 3, 0]), np.pi).round(12)
    array([0., 0., 1., 0.])
    """
    axis = _unit(_last_axis(axis, 3, "axis"), "axis")
    half = np.asarray(angle, dtype=np.float64)[..., None] / 2
    axis, half = np.broadcast_arrays(axis, half)
    return np.concatenate([np.cos(half[..., :1]), axis * np.sin(half)], axis=-1)


# conversions to axis and angle ----------------------------------------------------------------


def quaternion_to_axis_angle(
    q: Real[np.ndarray, "*batch wxyz"],
) -> tuple[Float[np.ndarray, "*batch 3"], Float[np.ndarray, "*batch"]]:
    """Unit axis (..., 3) and angle in [0, 2π] of quaternions (..., 4).

    The identity has every axis; it is given y. Raises ``ValueError`` for a zero quaternion.

    >>> quaternion_to_axis_angle(np.array([1.0, 0.0, 0.0, 0.0]))
    (array([0., 1., 0.]), array(0.))
    """
    q = _unit(_last_axis(q, 4, "quaternion"), "quaternion")
    length = _length(q[..., 1:])
    axis = q[..., 1:] / np.where(length == 0, 1, length)
    axis = np.where(length == 0, np.array([0.0, 1.0, 0.0]), axis)
    return axis, np.asarray(2 * np.arctan2(length[..., 0], q[..., 0]))


def matrix_to_axis_angle(
    R: Real[np.ndarray, "*batch row column"],
) -> tuple[Float[np.ndarray, "*batch 3"], Float[np.ndarray, "*batch"]]:
    """Unit axis (..., 3) and angle in [0, π] of rotation matrices (..., 3, 3).

    The identity has every axis; it is given y. Raises ``ValueError`` if R is not a rotation.

    >>> matrix_to_axis_angle(np.diag([1, -1, -1]))
    (array([1., 0., 0.]), array(3.14159265))
    """
    return quaternion_to_axis_angle(matrix_to_quaternion(R))


def angles_to_axis_angle(
    alpha: Angle, beta: Angle, gamma: Angle
) -> tuple[Float[np.ndarray, "*batch 3"], Float[np.ndarray, "*batch"]]:
    """Unit axis (..., 3) and angle in [0, π] of Euler angles of broadcastable shapes.

    >>> angles_to_axis_angle(0.0, 0.5, 0.0)
    (array([1., 0., 0.]), array(0.5))
    """
    q = angles_to_quaternion(alpha, beta, gamma)
    return quaternion_to_axis_angle(np.where(q[..., :1] < 0, -q, q))


# points on the sphere -------------------------------------------------------------------------


def angles_to_xyz(alpha: Angle, beta: Angle) -> Float[np.ndarray, "*batch 3"]:
    """Point (sin β sin α, cos β, sin β cos α) on the unit sphere: R_y(α) R_x(β) applied to y.

    >>> angles_to_xyz(0.0, 0.0)
    array([0., 1., 0.])
    """
    alpha, beta = np.broadcast_arrays(*(np.asarray(a, dtype=np.float64) for a in (alpha, beta)))
    x, z = np.sin(beta) * np.sin(alpha), np.sin(beta) * np.cos(alpha)
    return np.stack([x, np.cos(beta), z], axis=-1)


def xyz_to_angles(
    xyz: Real[np.ndarray, "*batch xyz"],
) -> tuple[Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"]]:
    """Angles (alpha in (-π, π], beta in [0, π]) of the direction of vectors (..., 3).

    The zero vector has the angles 0 and 0. Raises ``ValueError`` on another last dimension.

    >>> xyz_to_angles(np.array([0.0, 0.0, 2.0]))
    (array(0.), array(1.57079633))
    """
    x, y, z = np.moveaxis(_last_axis(xyz, 3, "vector"), -1, 0)
    return np.asarray(np.arctan2(x, z)), np.asarray(np.arctan2(np.hypot(x, z), y))


# shared steps ---------------------------------------------------------------------------------


def check_orthogonal(R: Real[np.ndarray, "*batch row column"]) -> Float[np.ndarray, "*batch 3 3"]:
    """R in float64, if it is orthogonal to within ``TOLERANCE``, as float32 data are.

    Raises ``ValueError`` if the shape is not (..., 3, 3) or if R is not orthogonal.

    >>> check_orthogonal(np.diag([2, 1, 1]))
    Traceback (most recent call last):
    ValueError: not orthogonal: R Rᵀ differs from the identity by 3.0e+00. ...
    """
    R = np.asarray(R, dtype=np.float64)
    if R.shape[-2:] != (3, 3):
        raise ValueError(f"a rotation matrix has shape (..., 3, 3), not {R.shape}")
    error = np.abs(R @ np.swapaxes(R, -1, -2) - np.eye(3)).max(initial=0.0)
    if not error < TOLERANCE:
        raise ValueError(
            f"not orthogonal: R Rᵀ differs from the identity by {error:.1e}. "
            "The rows of a rotation matrix are orthonormal."
        )
    return R


def check_rotation(R: Real[np.ndarray, "*batch row column"]) -> Float[np.ndarray, "*batch 3 3"]:
    """R in float64, if it is orthogonal (see ``check_orthogonal``) with determinant +1.

    Raises ``ValueError`` otherwise.

    >>> check_rotation(np.diag([1, 1, -1]))
    Traceback (most recent call last):
    ValueError: not a rotation: the determinant is -1. For reflections use D_from_matrix.
    """
    R = check_orthogonal(R)
    if (np.linalg.det(R) < 0).any():
        raise ValueError(
            "not a rotation: the determinant is -1. For reflections use D_from_matrix."
        )
    return R


def matrix_to_phases(R: Real[np.ndarray, "*batch row column"]) -> Phases:
    """exp(i alpha), exp(i beta), exp(i gamma) of the Euler angles, by divisions only.

    R of shape (..., 3, 3), each result (...). Raises ``ValueError`` if R is not a rotation.

    >>> matrix_to_phases(np.eye(3))
    (array(1.+0.j), array(1.+0.j), array(1.+0.j))
    """
    R = check_rotation(R)
    x, y, z = R[..., 0, 1], R[..., 1, 1], R[..., 2, 1]  # the image of the y axis
    a = _unit_phase(z + 1j * x)
    b = _unit_phase(y + 1j * np.hypot(x, z))
    # R_y(gamma) is what remains: the row of (R_y(alpha) R_x(beta))ᵀ R that beta leaves alone
    rest = a.real[..., None] * R[..., 0, :] - a.imag[..., None] * R[..., 2, :]
    return a, b, _unit_phase(rest[..., 0] + 1j * rest[..., 2])


def _unit_phase(z: complex | np.ndarray) -> np.ndarray:
    """Complex numbers brought to the unit circle; zero becomes one."""
    size = np.abs(z)
    return np.asarray(np.where(size == 0, 1.0, z / np.where(size == 0, 1.0, size)))


def _matrix_about(axis: int, angle: Angle) -> np.ndarray:
    """Rotation about a coordinate axis: j turns towards k."""
    angle = np.asarray(angle, dtype=np.float64)
    j, k = (axis + 1) % 3, (axis + 2) % 3
    R = np.zeros((*angle.shape, 3, 3))
    R[..., axis, axis] = 1
    R[..., j, j] = R[..., k, k] = np.cos(angle)
    R[..., k, j] = np.sin(angle)
    R[..., j, k] = -R[..., k, j]
    return R


def _cross_matrix(v: np.ndarray) -> np.ndarray:
    """The matrix K with K u = v × u."""
    K = np.zeros((*v.shape[:-1], 3, 3))
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        K[..., k, j] = v[..., i]
        K[..., j, k] = -v[..., i]
    return K


def _last_axis(x: np.ndarray, size: int, name: str) -> np.ndarray:
    """An array as float64, if its last axis has the given size."""
    x = np.asarray(x, dtype=np.float64)
    if x.ndim == 0 or x.shape[-1] != size:
        raise ValueError(f"{name}: the last axis must have size {size}, but the shape is {x.shape}")
    return x


def _length(v: np.ndarray) -> np.ndarray:
    """Euclidean length over the last axis, kept; safe from overflow and underflow."""
    scale = np.abs(v).max(axis=-1, keepdims=True)
    scale = np.where(scale == 0, 1.0, scale)
    return scale * np.sqrt(((v / scale) ** 2).sum(-1, keepdims=True))


def _unit(v: np.ndarray, name: str) -> np.ndarray:
    """Vectors divided by their length."""
    length = _length(v)
    if (length == 0).any():
        raise ValueError(f"{name} of zero length: it has no direction, give one that is not zero")
    return v / length
