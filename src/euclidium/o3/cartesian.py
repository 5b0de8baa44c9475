"""Cartesian tensors with index symmetry, to and from irreps."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Real

from euclidium.o3.irreps import Irreps, IrrepsLike
from euclidium.o3.permutations import parse_formula
from euclidium.o3.reduced import ReducedTensorProducts


@dataclass(frozen=True)
class CartesianTensor:
    """A Cartesian tensor of any rank and index symmetry, as irreps.

    t = Σ_a y_a Q_a and y = Q t with orthonormal Q_a, so the Frobenius norm of t is the norm of y.

    ``formula`` writes the symmetry: ``"i"`` a vector, ``"ij=ji"`` stress or strain,
    ``"ij=-ji"`` an axial vector, ``"ijk=ikj"`` piezoelectric, ``"ijkl=jikl=klij"`` elastic.
    Every index is a polar vector, 1o. The basis is computed once for all tensors of a formula.

    Raises ``ValueError`` for a formula that is not a symmetry.

    >>> elastic = CartesianTensor("ijkl=jikl=klij")
    >>> elastic, elastic.dim
    (CartesianTensor('ijkl=jikl=klij': 2x0e+2x2e+1x4e), 21)
    """

    formula: str

    def __post_init__(self) -> None:
        parse_formula(self.formula)  # a wrong formula fails here, not at first use

    @property
    def indices(self) -> str:
        """The letters of the indices.

        >>> CartesianTensor("ij=ji").indices
        'ij'
        """
        return parse_formula(self.formula).indices

    @property
    def irreps(self) -> Irreps:
        """The irreps of the tensor.

        >>> CartesianTensor("ij=ji").irreps
        1x0e+1x2e
        """
        return self.reduced_tensor_products().irreps_out

    @property
    def dim(self) -> int:
        """The number of independent elements.

        >>> CartesianTensor("ij=ji").dim
        6
        """
        return self.irreps.dim

    @property
    def change_of_basis(self) -> Float[np.ndarray, "..."]:
        """Q of shape (dim, 3, 3, ...), read-only float64, with orthonormal rows.

        >>> CartesianTensor("ij=-ji").change_of_basis.shape
        (3, 3, 3)
        """
        return self.reduced_tensor_products().change_of_basis

    def reduced_tensor_products(self) -> ReducedTensorProducts:
        """The reduction that this tensor is made of.

        >>> CartesianTensor("ij=-ji").reduced_tensor_products()
        ReducedTensorProducts('ij=-ji': 1x1o ⊗ 1x1o -> 1x1e)
        """
        return _reduction(self.formula)

    def from_cartesian(self, tensor: Real[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Irreps (..., dim) of a tensor (..., 3, 3, ...).

        A part of the tensor without the symmetry is projected out. Raises ``ValueError`` if the
        shape does not end with a 3 for each index.

        >>> CartesianTensor("ij=ji").from_cartesian(np.eye(3)).round(6) + 0.0
        array([1.732051, 0.      , 0.      , 0.      , 0.      , 0.      ])
        """
        tensor = np.asarray(tensor, dtype=np.float64)
        rank = len(self.indices)
        if tensor.shape[-rank:] != (3,) * rank:
            raise ValueError(
                f"a tensor {self.formula!r} has shape (..., {', '.join('3' * rank)}), "
                f"not {tensor.shape}"
            )
        batch = tensor.shape[: tensor.ndim - rank]
        Q = self.change_of_basis.reshape(self.dim, 3**rank)
        return tensor.reshape(*batch, 3**rank) @ Q.T

    def to_cartesian(self, irreps: Real[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Tensor (..., 3, 3, ...) of irreps (..., dim), the inverse of ``from_cartesian``.

        Raises ``ValueError`` if the last axis is not ``dim``.

        >>> CartesianTensor("i").to_cartesian(np.array([1.0, 2.0, 3.0]))
        array([1., 2., 3.])
        """
        irreps = np.asarray(irreps, dtype=np.float64)
        if irreps.shape[-1:] != (self.dim,):
            raise ValueError(
                f"{self.irreps} has {self.dim} components on the last axis, "
                f"but the shape is {irreps.shape}"
            )
        rank = len(self.indices)
        tensor = irreps @ self.change_of_basis.reshape(self.dim, 3**rank)
        return tensor.reshape(*irreps.shape[:-1], *(3,) * rank)

    def from_vectors(self, *vectors: Real[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Irreps (..., dim) of the product of vectors (..., 3), one for each index.

        Raises ``ValueError`` if there are more or fewer vectors than indices.

        >>> x, y = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])
        >>> (np.sqrt(2) * CartesianTensor("ij=-ji").from_vectors(x, y)).round(12) + 0.0
        array([0., 0., 1.])
        """
        return self.reduced_tensor_products()(*vectors)

    def __repr__(self) -> str:
        return f"CartesianTensor({self.formula!r}: {self.irreps})"


@lru_cache(maxsize=64)
def _reduction(formula: str) -> ReducedTensorProducts:
    """The reduction of one formula, with every index a vector."""
    irreps: dict[str, IrrepsLike] = dict.fromkeys(parse_formula(formula).indices, "1o")
    return ReducedTensorProducts(formula, filter_ir_out=None, filter_ir_mid=None, **irreps)
