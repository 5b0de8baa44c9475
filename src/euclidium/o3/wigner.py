"""Wigner D matrices of SO(3) in the real basis, their generators, and that basis itself."""

import math
from functools import lru_cache

import numpy as np
from jaxtyping import Complex, Float, Real

from euclidium.o3.rotations import Angle, matrix_to_phases


def change_basis_real_to_complex(l: int) -> Complex[np.ndarray, "component component"]:
    r"""Unitary matrix Q from the real to the complex basis of degree ``l``.

    y_complex = Q y_real, with the Condon-Shortley phase and a factor (-i)^l that makes the
    coupling coefficients real.

    Rows are m = -l..l, columns the real components -l..l, shape (2l+1, 2l+1).
    Raises ``ValueError`` for a negative ``l``. The convention is that of e3nn 0.6.

    >>> Q = change_basis_real_to_complex(2)
    >>> bool(np.allclose(Q @ Q.conj().T, np.eye(5)))
    True
    """
    _check_degree(l)
    q = np.zeros((2 * l + 1, 2 * l + 1), dtype=np.complex128)
    q[l, l] = 1
    for m in range(1, l + 1):
        sign = (-1) ** m
        q[l - m, l + m] = math.sqrt(0.5)
        q[l - m, l - m] = -1j * math.sqrt(0.5)
        q[l + m, l + m] = sign * math.sqrt(0.5)
        q[l + m, l - m] = 1j * sign * math.sqrt(0.5)
    return (-1j) ** (l % 4) * q


def generators(l: int) -> Float[np.ndarray, "3 component component"]:
    """Generators X of the rotations about x, y and z in the real basis of degree ``l``.

    D(R) = exp(angle · axis · X) for the rotation about a unit axis by an angle.

    Antisymmetric, shape (3, 2l+1, 2l+1), with [X_x, X_y] = X_z and cyclic.
    Raises ``ValueError`` for a negative ``l``.

    >>> generators(1)[1]  # about y: z turns into x
    array([[ 0.,  0.,  1.],
           [ 0.,  0.,  0.],
           [-1.,  0.,  0.]])
    """
    _check_degree(l)
    m = np.arange(-l, l + 1)
    ladder = np.sqrt((l * (l + 1) - m * (m + 1))[:-1].astype(np.float64))
    raising, lowering = np.diag(-ladder, -1), np.diag(ladder, 1)
    complex_x = (raising + lowering) / 2
    complex_z = (raising - lowering) / 2j
    basis = change_basis_real_to_complex(l)
    x, z = ((basis.conj().T @ g @ basis).real for g in (complex_x, complex_z))
    # diagonal in the complex basis, so exactly antidiagonal here
    y = np.fliplr(np.diag(-m.astype(np.float64)))
    return np.stack([x, y, z]) + 0.0  # no negative zeros


def wigner_D(
    l: int, alpha: Angle, beta: Angle, gamma: Angle
) -> Float[np.ndarray, "*batch component component"]:
    r"""Wigner D matrix of degree ``l`` for the rotation R_y(alpha) R_x(beta) R_y(gamma).

    Y^l(R x) = D^l(R) Y^l(x),   D(R_1 R_2) = D(R_1) D(R_2),   D(R)^T = D(R)^{-1}.

    Angles in radians, broadcast against each other; result (..., 2l+1, 2l+1), components
    m = -l..l, for l = 1 in the order x, y, z. Any ``l``: the constant matrix between the two
    axes comes from integer arithmetic, so the error stays near l times the rounding unit.
    Raises ``ValueError`` for a negative ``l``. Pinchon and Hoggan, J. Phys. A 40, 1597 (2007),
    https://doi.org/10.1088/1751-8113/40/7/011.

    >>> wigner_D(1, 0.0, np.pi, 0.0).round(12) + 0.0
    array([[ 1.,  0.,  0.],
           [ 0., -1.,  0.],
           [ 0.,  0., -1.]])
    """
    phases = (np.exp(1j * np.asarray(angle, dtype=np.float64)) for angle in (alpha, beta, gamma))
    a, b, c = np.broadcast_arrays(*phases)
    return _wigner_D_of_phases(l, a, b, c)


def wigner_D_of_matrix(
    l: int, R: Real[np.ndarray, "*batch row column"]
) -> Float[np.ndarray, "*batch component component"]:
    """Wigner D matrix of degree ``l`` for rotation matrices R, without computing any angle.

    The sines and cosines of the Euler angles are ratios of matrix elements. So the error is that
    of rounding everywhere, also near the identity, where angles from an arc cosine lose half
    the digits.

    R of shape (..., 3, 3) with determinant +1; result (..., 2l+1, 2l+1). For reflections see
    ``Irrep.D_from_matrix``. Raises ``ValueError`` if R is not a rotation.

    >>> R = np.array([[1, -1e-9, 0], [1e-9, 1, 0], [0, 0, 1]])
    >>> bool(np.abs(wigner_D_of_matrix(1, R) - R).max() < 1e-15)
    True
    """
    return _wigner_D_of_phases(l, *matrix_to_phases(R))


def _wigner_D_of_phases(l: int, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """D from the unit complex numbers exp(i alpha), exp(i beta), exp(i gamma) of one shape."""
    _check_degree(l)
    quarter = _quarter_turn(l)  # takes the y axis to the x axis
    D = _turn_columns(quarter, _powers(l, b)) @ quarter.T
    D = _turn_rows(_powers(l, a), D)
    return _turn_columns(D, _powers(l, c))


def _powers(l: int, phase: np.ndarray) -> np.ndarray:
    """exp(i m angle) for m = -l..l on a new last axis, by products: no reduction of m·angle."""
    upper = np.ones((*phase.shape, l + 1), dtype=np.complex128)
    upper[..., 1:] = phase[..., None]
    np.cumprod(upper, axis=-1, out=upper)
    return np.concatenate([upper[..., :0:-1].conj(), upper], axis=-1)


def _turn_rows(powers: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """D(R_y) @ matrix: row m becomes cos(m a) of itself minus sin(m a) of row -m."""
    return powers.real[..., None] * matrix - powers.imag[..., None] * matrix[..., ::-1, :]


def _turn_columns(matrix: np.ndarray, powers: np.ndarray) -> np.ndarray:
    """Matrix @ D(R_y): column m becomes cos(m a) of itself plus sin(m a) of column -m."""
    return powers.real[..., None, :] * matrix + powers.imag[..., None, :] * matrix[..., ::-1]


@lru_cache(maxsize=256)
def _quarter_turn(l: int) -> np.ndarray:
    """D of the rotation that takes y to x (through z), from exact integers, rounded once."""
    basis = change_basis_real_to_complex(l)
    d = np.array([[_small_d(l, m, n) for n in range(-l, l + 1)] for m in range(-l, l + 1)])
    about_x = (basis.conj().T @ d @ basis).real
    turn = _turn_rows(_powers(l, np.array(1j)), about_x)
    turn.flags.writeable = False
    return turn


def _small_d(l: int, m: int, n: int) -> float:
    """Wigner's d^l_{mn}(90°), from its sum of binomials (Wigner 1931, chapter 15)."""
    terms = range(max(0, n - m), min(l + n, l - m) + 1)
    total = sum((-1) ** s * math.comb(l + n, s) * math.comb(l - n, l - m - s) for s in terms)
    square = total**2 * math.factorial(l + m) * math.factorial(l - m)
    size = math.sqrt(square / (math.factorial(l + n) * math.factorial(l - n) * 4**l))
    return size if (total > 0) == ((m - n) % 2 == 0) else -size


def _check_degree(l: int) -> None:
    """Raise if ``l`` is not a degree."""
    if l < 0:
        raise ValueError(f"the degree l is {l}: it must be 0, 1, 2, ...")
