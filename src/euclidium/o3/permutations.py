"""Index symmetry of a tensor: signed permutation groups and their orbits on components."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int


class SignedPermutation(NamedTuple):
    """A permutation of tensor indices with the sign that the tensor takes under it.

    >>> SignedPermutation(-1, (1, 0))
    SignedPermutation(sign=-1, images=(1, 0))
    """

    sign: int
    images: tuple[int, ...]


Group = frozenset[SignedPermutation]


@dataclass(frozen=True)
class IndexSymmetry:
    """What a formula such as ``ij=-ji`` says: the indices and the group of their permutations.

    >>> symmetry = parse_formula("ijk=jik=ikj")
    >>> symmetry.indices, len(symmetry.group)
    ('ijk', 6)
    """

    indices: str
    group: Group

    def fixing_last(self, n: int) -> Group:
        """The subgroup that leaves the last ``n`` indices in place, acting on the others.

        >>> len(parse_formula("ijk=jik=ikj").fixing_last(1))
        2
        """
        kept = len(self.indices) - n
        tail = tuple(range(kept, len(self.indices)))
        return frozenset(
            SignedPermutation(sign, images[:kept])
            for sign, images in self.group
            if images[kept:] == tail
        )


@dataclass(frozen=True, eq=False)
class Orbits:
    """Orbits of tensor components, the coordinates of a symmetric tensor.

    A tensor with the symmetry is Σ_o c_o e_o with orthonormal e_o = Σ_{x in o} sign_x δ_x / √|o|.
    Orbits whose components must vanish have no number. Components are flat indices, row-major.

    >>> orbits(parse_formula("ij=-ji").group, (2, 2)).number  # of 00, 01, 10, 11
    array([-1,  0,  0, -1])
    """

    number: Int[np.ndarray, "component"]  # of the orbit of each component, or -1
    sign: Float[np.ndarray, "component"]  # relative to the first component of its orbit
    first: Int[np.ndarray, "orbit"]  # the lowest component
    size: Int[np.ndarray, "orbit"]  # how many components


@lru_cache(maxsize=256)
def parse_formula(formula: str) -> IndexSymmetry:
    """Index symmetry from a formula such as ``ijkl=jikl=klij`` or ``ij=-ji``.

    Each term is a permutation of the first one, with a minus sign where the tensor changes sign;
    the group is all their products. Raises ``ValueError`` if the formula is not of this kind.

    >>> sorted(parse_formula("ij=-ji").group)
    [SignedPermutation(sign=-1, images=(1, 0)), SignedPermutation(sign=1, images=(0, 1))]
    """
    first, *others = formula.replace(" ", "").split("=")
    if not first.isalpha() or len(set(first)) != len(first):
        raise ValueError(
            f"the formula {formula!r} must begin with different letters, e.g. 'ij' or 'ij=ji'"
        )
    generators = []
    for term in others:
        letters = term.removeprefix("-")
        if sorted(letters) != sorted(first):
            raise ValueError(
                f"{term!r} in the formula {formula!r} is not a permutation of {first!r}, "
                "with or without a minus sign"
            )
        sign = -1 if term.startswith("-") else 1
        generators.append(SignedPermutation(sign, tuple(letters.index(i) for i in first)))
    return IndexSymmetry(first, generate(generators, len(first)))


def generate(generators: Iterable[SignedPermutation], n: int) -> Group:
    """The group of all products of some signed permutations of ``n`` indices.

    >>> len(generate([SignedPermutation(1, (1, 2, 0))], 3))
    3
    """
    generators = list(generators)
    found = {SignedPermutation(1, tuple(range(n)))}
    edge = list(found)
    while edge:
        edge = [
            product for g in generators for h in edge if (product := _product(g, h)) not in found
        ]
        edge = list(dict.fromkeys(edge))
        found.update(edge)
    return frozenset(found)


def orbits(group: Group, dims: tuple[int, ...]) -> Orbits:
    """Orbits of the components of a tensor of shape ``dims`` under a group of its indices.

    Indices that the group exchanges must have the same dimension.

    >>> orbits(parse_formula("ij=ji").group, (2, 2)).size  # 00, 01 with 10, 11
    array([1, 2, 1])
    """
    # each component twice, with + and with -, so that signs travel along the orbits
    n = math.prod(dims)
    label = _connected(_signed_moves(group, dims), 2 * n)
    plus, minus = label[:n], label[n:]
    vanishes: Bool[np.ndarray, "component"] = plus == minus
    key = np.where(vanishes, -1, np.minimum(plus, minus))
    names, first, where, size = np.unique(
        key, return_index=True, return_inverse=True, return_counts=True
    )
    sign = np.where(plus == plus[first[where]], 1.0, -1.0)
    if names.size and names[0] == -1:
        first, size, where = first[1:], size[1:], where - 1
    order = np.argsort(first)  # the numbers follow the lowest components
    rank = np.append(np.argsort(order), -1)
    return Orbits(rank[where], sign, first[order], size[order])


def _signed_moves(group: Group, dims: tuple[int, ...]) -> list[np.ndarray]:
    """Where the generators of the group take each signed component."""
    n = math.prod(dims)
    at = np.unravel_index(np.arange(n), dims)
    moves = []
    for sign, images in _few_generators(group, len(dims)):
        to = np.ravel_multi_index([at[i] for i in images], dims)
        moves.append(np.concatenate([to, to + n] if sign == 1 else [to + n, to]))
    return moves


def _connected(moves: list[np.ndarray], n: int) -> np.ndarray:
    """For each of n items the lowest one that the permutations ``moves`` connect it with."""
    lowest, before = np.arange(n), np.full(n, -1)
    while not np.array_equal(lowest, before):
        before = lowest
        for move in moves:
            lowest = np.minimum(lowest, lowest[move])
        lowest = lowest[lowest]
    return lowest


def _few_generators(group: Group, n: int) -> list[SignedPermutation]:
    """A small set that generates the group: each one at least doubles what was reached."""
    generators: list[SignedPermutation] = []
    reached = generate(generators, n)
    for element in sorted(group):
        if element not in reached:
            generators.append(element)
            reached = generate(generators, n)
    return generators


def _product(g: SignedPermutation, h: SignedPermutation) -> SignedPermutation:
    """The signed permutation g after h."""
    return SignedPermutation(g.sign * h.sign, tuple(h.images[i] for i in g.images))
