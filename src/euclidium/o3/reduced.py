"""Tensor products with index symmetry, reduced to irreps.

A product space with permutation symmetry is built one factor at a time. The tensors of the first
k factors that have the symmetry among themselves are coupled with factor k + 1 and projected on
the symmetry of k + 1 indices. By Schur's lemma the projector acts on multiplicities alone, so
each pair of an irrep and an orbit of factors is one small eigenvalue problem, with eigenvalues
0 and 1. Tensors are held in the coordinates of orbits of components, never in full.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Real

from euclidium.o3.coupling import wigner_3j
from euclidium.o3.irreps import Irrep, IrrepLike, Irreps, IrrepsLike
from euclidium.o3.permutations import (
    Group,
    IndexSymmetry,
    Orbits,
    SignedPermutation,
    orbits,
    parse_formula,
)

Filter: TypeAlias = frozenset[Irrep] | None
# (irrep, orbit of copies) -> orthonormal tensors (multiplicity, component, coordinate)
Families: TypeAlias = dict[tuple[Irrep, int], np.ndarray]

# eigenvalues of the projector are 0 and 1, or well below 1 where intermediates are filtered
EIGENVALUE_TOLERANCE = 1e-8


@dataclass(frozen=True, init=False, eq=False, repr=False)
class ReducedTensorProducts:
    """Change of basis from a tensor with index symmetry to irreps.

    y_a = Σ Q_{a ij...} x_{ij...}, with Q Qᵀ = 1 and Qᵀ Q the projector on the tensors that have
    the symmetry.

    ``formula`` is e.g. ``ij=-ji`` or ``ijkl=jikl=klij``; the irreps of each index are keyword
    arguments, once for indices that the formula exchanges. ``filter_ir_out`` keeps only some
    irreps of the result, ``filter_ir_mid`` only some in every product from the left.
    ``change_of_basis`` has shape (irreps_out.dim, dim of i, dim of j, ...), read-only, in
    channel-last order on every axis. It depends on the arguments only, not on chance. The span is
    that of e3nn 0.6; within a repeated irrep the basis is our own.

    Raises ``ValueError`` for a formula or irreps that do not fit each other.

    >>> symmetric = ReducedTensorProducts("ij=ji", i="1o")
    >>> symmetric.irreps_out, symmetric.change_of_basis.shape
    (1x0e+1x2e, (6, 3, 3))
    >>> cross = ReducedTensorProducts("ij=-ji", i="1o")
    >>> (np.sqrt(2) * cross(np.array([1.0, 0, 0]), np.array([0, 1.0, 0]))).round(12) + 0.0
    array([0., 0., 1.])
    """

    formula: str
    irreps_in: tuple[Irreps, ...]
    irreps_out: Irreps
    change_of_basis: Float[np.ndarray, "..."]

    def __init__(
        self,
        formula: str,
        filter_ir_out: Iterable[IrrepLike] | None = None,
        filter_ir_mid: Iterable[IrrepLike] | None = None,
        **irreps: IrrepsLike,
    ):
        symmetry = parse_formula(formula)
        irreps_in = _irreps_of_indices(formula, symmetry, irreps)
        out, Q = _reduce(symmetry, irreps_in, _filter(filter_ir_out), _filter(filter_ir_mid))
        for name, value in (
            ("formula", formula),
            ("irreps_in", irreps_in),
            ("irreps_out", out),
            ("change_of_basis", Q),
        ):
            object.__setattr__(self, name, value)

    def __call__(self, *x: Real[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Irreps (..., irreps_out.dim) of the product of one vector (..., dim) for each index.

        Raises ``ValueError`` if there are more or fewer vectors than indices, or of other size.

        >>> x = np.array([1.0, 2.0, 2.0])
        >>> ReducedTensorProducts("ij=ji", i="1o", filter_ir_out=["0e"])(x, x)  # |x|² / √3
        array([5.19615242])
        """
        if len(x) != len(self.irreps_in):
            raise ValueError(
                f"{self.formula!r} is a product of {len(self.irreps_in)} vectors, not {len(x)}"
            )
        product = np.ones(())[..., None]
        for position, (factor, irreps) in enumerate(zip(x, self.irreps_in, strict=True)):
            factor = np.asarray(factor, dtype=np.float64)
            if factor.shape[-1:] != (irreps.dim,):
                raise ValueError(
                    f"vector {position} has shape {factor.shape}, but {irreps} has {irreps.dim} "
                    "components on the last axis"
                )
            product = product[..., :, None] * factor[..., None, :]
            size = product.shape[-2] * product.shape[-1]
            product = product.reshape(*product.shape[:-2], size)
        shape = self.irreps_out.dim, math.prod(x.dim for x in self.irreps_in)
        return product @ self.change_of_basis.reshape(shape).T

    def __repr__(self) -> str:
        product = " ⊗ ".join(map(repr, self.irreps_in))
        return f"ReducedTensorProducts({self.formula!r}: {product} -> {self.irreps_out})"


@dataclass(frozen=True, eq=False)
class _Space:
    """The symmetric tensors of the first factors, reduced to irreps."""

    components: Orbits
    sectors: "_Sectors"
    families: Families


@dataclass(frozen=True, eq=False)
class _Sectors:
    """Orbits of components sorted by the orbit of factors that they belong to."""

    label: np.ndarray  # of each orbit of components
    place: np.ndarray  # of each, among those of the same label
    members: list[np.ndarray]  # of each label


@dataclass(frozen=True, eq=False)
class _Copy:
    """One copy of one irrep in a factor, and the components it takes."""

    ir: Irrep
    components: np.ndarray


@dataclass(frozen=True, eq=False)
class _Embedding:
    """A matrix with one element in a row, from (left coordinate, component) to coordinates."""

    rows: np.ndarray  # in the order of their columns
    weight: np.ndarray
    starts: np.ndarray  # of each column


def _reduce(
    symmetry: IndexSymmetry, irreps: tuple[Irreps, ...], keep: Filter, keep_mid: Filter
) -> tuple[Irreps, np.ndarray]:
    """Irreps of the symmetric tensors and the change of basis to them."""
    n = len(irreps)
    space = _single(irreps[0])
    for k in range(2, n + 1):
        allowed = _both(keep_mid, keep if k == n else None)
        space = _extend(space, irreps[:k], symmetry.fixing_last(n - k), allowed)
    families = {
        key: tensors
        for key, tensors in sorted(space.families.items())
        if len(tensors) and (keep is None or key[0] in keep)
    }
    return _assemble(space, families, tuple(x.dim for x in irreps))


def _single(irreps: Irreps) -> _Space:
    """The first factor alone: every copy of an irrep is a family."""
    group = frozenset([SignedPermutation(1, (0,))])
    components = orbits(group, (irreps.dim,))
    families = {
        (copy.ir, number): np.eye(copy.ir.dim)[None] for number, copy in enumerate(_copies(irreps))
    }
    return _Space(components, _sectors(components, (irreps,), group), families)


def _extend(space: _Space, irreps: tuple[Irreps, ...], group: Group, allowed: Filter) -> _Space:
    """Couple a further factor to a space and keep what has the symmetry of all the indices."""
    components = orbits(group, tuple(x.dim for x in irreps))
    sectors = _sectors(components, irreps, group)
    found = defaultdict(list)
    for copy in _copies(irreps[-1]):
        for (left, left_label), tensors in space.families.items():
            flat = _components(space, left_label, copy, irreps[-1].dim)
            number = components.number[flat]
            if not len(tensors) or (number < 0).all():
                continue
            label = int(sectors.label[number.max()])
            embedding = _embedding(space, left_label, flat, components, sectors)
            for ir in left * copy.ir:
                if allowed is None or ir in allowed:
                    found[ir, label].append(_couple(tensors, left, copy.ir, ir, embedding))
    families = {key: _symmetric_part(np.concatenate(parts)) for key, parts in found.items()}
    return _Space(components, sectors, families)


def _components(space: _Space, label: int, copy: "_Copy", dim: int) -> np.ndarray:
    """Flat components of the first one of each orbit with each component of a new factor."""
    first = space.components.first[space.sectors.members[label]]
    return first[:, None] * dim + copy.components


def _embedding(
    space: _Space, label: int, flat: np.ndarray, components: Orbits, sectors: _Sectors
) -> "_Embedding":
    """The projection on the larger symmetry, between the orthonormal bases of orbits."""
    number = components.number[flat.ravel()]
    rows = np.flatnonzero(number >= 0)
    place = sectors.place[number[rows]]
    order = np.argsort(place, kind="stable")
    rows, place = rows[order], place[order]
    size = np.repeat(space.components.size[space.sectors.members[label]], flat.shape[1])
    ratio = size[rows] / components.size[number[rows]]
    weight = components.sign[flat.ravel()[rows]] * np.sqrt(ratio)
    # every coordinate of the sector is reached, so the starts are those of 0, 1, 2, ...
    return _Embedding(rows, weight, np.flatnonzero(np.diff(place, prepend=-1)))


def _couple(
    tensors: np.ndarray, left: Irrep, right: Irrep, ir: Irrep, embedding: "_Embedding"
) -> np.ndarray:
    """Tensors (u, m, x) and a further factor, coupled to irrep ``ir`` and projected."""
    coefficients = wigner_3j(ir.l, left.l, right.l) * np.sqrt(ir.dim)
    coupled = np.tensordot(tensors, coefficients, axes=(1, 1))  # (u, x, M, n)
    coupled = coupled.transpose(0, 2, 1, 3).reshape(len(tensors) * ir.dim, -1)
    terms = coupled[:, embedding.rows] * embedding.weight
    projected = np.add.reduceat(terms, embedding.starts, axis=1)
    return projected.reshape(len(tensors), ir.dim, -1)


def _symmetric_part(projected: np.ndarray) -> np.ndarray:
    """Orthonormal basis of the tensors (u, m, x) in a span that lose nothing when projected.

    ``projected`` are the projections of orthonormal tensors. A combination loses nothing if it is
    an eigenvector of their Gram matrix with eigenvalue 1.
    """
    gram = np.einsum("umx,vmx->uv", projected, projected, optimize=True) / projected.shape[1]
    values, vectors = np.linalg.eigh(gram)
    kept = vectors[:, values > 1 - EIGENVALUE_TOLERANCE]
    return np.tensordot(_definite_basis(kept), projected, axes=(1, 0))


def _definite_basis(vectors: np.ndarray) -> np.ndarray:
    """Orthonormal rows that depend only on the span of the given orthonormal columns.

    Gram-Schmidt over the projections of the unit vectors, in order. One that is at an angle from
    the rows so far is always left, because a unit vector has a component of at least 1/√n.
    """
    n, rank = vectors.shape
    rows = np.empty((rank, n))
    found = 0
    for u in range(n):
        if found == rank:
            break
        row = vectors @ vectors[u]
        for _ in range(2):  # twice is enough (Parlett)
            row -= rows[:found].T @ (rows[:found] @ row)
        if np.linalg.norm(row) > 0.5 / np.sqrt(n):
            row = vectors @ (vectors.T @ row)
            rows[found] = row / np.linalg.norm(row)
            found += 1
    assert found == rank
    return rows


def _assemble(
    space: _Space, families: Families, dims: tuple[int, ...]
) -> tuple[Irreps, np.ndarray]:
    """Output irreps and the full change of basis, rows in channel-last order."""
    mul: dict[Irrep, int] = defaultdict(int)
    for (ir, _), tensors in families.items():
        mul[ir] += len(tensors)
    irreps = Irreps([(mul[ir], ir) for ir in mul])
    Q = np.zeros((irreps.dim, math.prod(dims)))
    components = space.components
    present = np.flatnonzero(components.number >= 0)
    columns_of = _members(space.sectors.label[components.number[present]], present)
    blocks = dict(zip(mul, irreps.slices(), strict=True))
    used: dict[Irrep, int] = defaultdict(int)
    for (ir, label), tensors in families.items():
        channels = used[ir] + np.arange(len(tensors))
        used[ir] += len(tensors)
        rows = blocks[ir].start + np.arange(ir.dim) * mul[ir] + channels[:, None]
        columns = columns_of[label]
        number = components.number[columns]
        weight = components.sign[columns] / np.sqrt(components.size[number])
        Q[rows[..., None], columns] = tensors[..., space.sectors.place[number]] * weight
    Q = Q.reshape(irreps.dim, *dims)
    Q.flags.writeable = False
    return irreps, Q


def _copies(irreps: Irreps) -> list[_Copy]:
    """Each single irrep in irreps, with its components in channel-last order."""
    return [
        _Copy(ir, where.start + np.arange(ir.dim) * mul + u)
        for (mul, ir), where in zip(irreps, irreps.slices(), strict=True)
        for u in range(mul)
    ]


def _sectors(components: Orbits, irreps: tuple[Irreps, ...], group: Group) -> _Sectors:
    """Orbits of components by the orbit of the copies of irreps that they belong to."""
    label = _labels(components, irreps, group)
    members = _members(label, np.arange(len(label)))
    place = np.empty(len(label), dtype=np.int64)
    for own in members:
        place[own] = np.arange(len(own))
    return _Sectors(label, place, members)


def _labels(components: Orbits, irreps: tuple[Irreps, ...], group: Group) -> np.ndarray:
    """For each orbit of components the orbit of copies of irreps."""
    at = np.unravel_index(components.first, tuple(x.dim for x in irreps))
    dims = tuple(x.num_irreps for x in irreps)
    owners = []
    for i, x in zip(at, irreps, strict=True):
        owner = np.empty(x.dim, dtype=np.int64)
        for number, copy in enumerate(_copies(x)):
            owner[copy.components] = number
        owners.append(owner[i])
    unsigned = frozenset(SignedPermutation(1, images) for _, images in group)
    return orbits(unsigned, dims).number[np.ravel_multi_index(owners, dims)]


def _members(label: np.ndarray, items: np.ndarray) -> list[np.ndarray]:
    """The items of each label, in order."""
    order = np.argsort(label, kind="stable")
    return np.split(items[order], np.cumsum(np.bincount(label))[:-1])


def _filter(irreps: Iterable[IrrepLike] | None) -> Filter:
    """Irreps of any form as a set."""
    if irreps is None:
        return None
    return frozenset(ir for _, ir in Irreps(irreps))


def _both(a: Filter, b: Filter) -> Filter:
    """What passes two filters."""
    if a is None or b is None:
        return b if a is None else a
    return a & b


def _irreps_of_indices(
    formula: str, symmetry: IndexSymmetry, given: dict[str, IrrepsLike]
) -> tuple[Irreps, ...]:
    """Irreps of every index, those that the formula exchanges being the same."""
    for name in given:
        if name not in symmetry.indices:
            raise ValueError(f"{name!r} has irreps, but is not an index of {formula!r}")
    out = []
    for i, index in enumerate(symmetry.indices):
        partners = {symmetry.indices[images[i]] for _, images in symmetry.group}
        choices = {Irreps(given[name]) for name in partners if name in given}
        if len(choices) > 1:
            one, two = sorted(choices, key=repr)[:2]
            raise ValueError(
                f"the indices {''.join(sorted(partners))!r} of {formula!r} are exchanged, "
                f"so their irreps must be the same, not {one} and {two}"
            )
        if not choices:
            raise ValueError(
                f"the index {index!r} of {formula!r} has no irreps: give e.g. {index}='1o'"
            )
        out.append(choices.pop())
    return tuple(out)
