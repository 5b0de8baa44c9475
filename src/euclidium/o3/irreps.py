"""Irreducible representations of O(3) and their direct sums, as printable values."""

import functools
import itertools
import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, SupportsIndex, TypeAlias, Union, overload

import numpy as np
from jaxtyping import Float, Real

from euclidium.o3.rotations import (
    Angle,
    Rng,
    axis_angle_to_matrix,
    check_orthogonal,
    quaternion_to_matrix,
)
from euclidium.o3.wigner import wigner_D, wigner_D_of_matrix

# Irrep, "1o", or (1, -1)
IrrepLike: TypeAlias = Any
# Irreps, Irrep, "2x0e+1o", or an iterable of (2, "0e"), Irrep, "1o"
IrrepsLike: TypeAlias = Any

LETTERS = {1: "e", -1: "o"}
REMEDY = "Write the degree and the parity, e.g. '0e' for a scalar or '1o' for a vector."


@functools.total_ordering
@dataclass(frozen=True, init=False, eq=False, repr=False)
class Irrep:
    """Irreducible representation of O(3): degree ``l`` >= 0 and parity ``p`` = ±1.

    Written as the degree and a letter: ``e`` even, ``o`` odd, ``y`` the parity (-1)^l of the
    spherical harmonics. Ordered by (l, p), and equal to its text. Immutable and hashable.

    Raises ``ValueError`` for anything that is not an irrep.

    >>> Irrep("1o"), Irrep(1, -1), Irrep("1y")
    (1o, 1o, 1o)
    >>> Irrep("1o") * Irrep("1o")
    [0e, 1e, 2e]
    >>> 3 * Irrep("1o") + Irrep("0e")
    3x1o+1x0e
    """

    l: int
    p: int

    def __init__(self, l: IrrepLike, p: SupportsIndex | None = None):
        if p is None:
            l, p = _parse_irrep(l)
        l, p = _integer(l, "degree"), _integer(p, "parity")
        if l < 0 or p not in LETTERS:
            raise ValueError(f"not an irrep: degree {l}, parity {p}. {REMEDY}")
        object.__setattr__(self, "l", l)
        object.__setattr__(self, "p", p)

    @classmethod
    def parse(cls, text: str) -> "Irrep":
        """Irrep from its text; raises ``ValueError`` if it is not one.

        >>> Irrep.parse("1v")
        Traceback (most recent call last):
        ValueError: not an irrep: '1v'. Write the degree and the parity, ...
        """
        return cls(text)

    @staticmethod
    def iterator(lmax: int | None = None) -> Iterator["Irrep"]:
        """All irreps up to degree ``lmax``, or without end.

        >>> list(Irrep.iterator(1))
        [0e, 0o, 1o, 1e]
        """
        for l in itertools.count() if lmax is None else range(lmax + 1):
            yield Irrep(l, (-1) ** l)
            yield Irrep(l, -((-1) ** l))

    @property
    def dim(self) -> int:
        """Dimension 2l + 1.

        >>> Irrep("2e").dim
        5
        """
        return 2 * self.l + 1

    def is_scalar(self) -> bool:
        """Whether this is 0e, what no rotation and no reflection changes.

        >>> Irrep("0e").is_scalar(), Irrep("0o").is_scalar()
        (True, False)
        """
        return self.l == 0 and self.p == 1

    def D_from_angles(
        self, alpha: Angle, beta: Angle, gamma: Angle, k: Angle = 0
    ) -> Float[np.ndarray, "*batch component component"]:
        """Matrix p^k D^l(alpha, beta, gamma), with ``k`` the number of inversions.

        Angles in radians, Y-X-Y, of broadcastable shapes (...); result (..., 2l+1, 2l+1).

        >>> float(Irrep("0o").D_from_angles(0.1, 0.2, 0.3, k=1)[0, 0])
        -1.0
        """
        return wigner_D(self.l, alpha, beta, gamma) * self._inversions(k)

    def D_from_matrix(
        self, R: Real[np.ndarray, "*batch row column"]
    ) -> Float[np.ndarray, "*batch component component"]:
        """Matrix of this irrep for orthogonal matrices R (..., 3, 3), reflections included.

        Exact to rounding everywhere, also near the identity. Result (..., 2l+1, 2l+1).
        Raises ``ValueError`` if R is not orthogonal.

        >>> Irrep("1o").D_from_matrix(-np.eye(3)).diagonal()
        array([-1., -1., -1.])
        """
        proper, flipped = _without_reflection(R)
        return wigner_D_of_matrix(self.l, proper) * np.where(flipped, self.p, 1)[..., None, None]

    def D_from_quaternion(
        self, q: Real[np.ndarray, "*batch wxyz"], k: Angle = 0
    ) -> Float[np.ndarray, "*batch component component"]:
        """Matrix of this irrep for quaternions (w, x, y, z) of shape (..., 4).

        ``k`` is the number of inversions; result (..., 2l+1, 2l+1).

        >>> Irrep("1e").D_from_quaternion(np.array([1.0, 0.0, 0.0, 0.0])).diagonal()
        array([1., 1., 1.])
        """
        return wigner_D_of_matrix(self.l, quaternion_to_matrix(q)) * self._inversions(k)

    def D_from_axis_angle(
        self, axis: Real[np.ndarray, "*#batch xyz"], angle: Angle
    ) -> Float[np.ndarray, "*batch component component"]:
        """Matrix of this irrep for a rotation about an axis (..., 3) by an angle (...).

        >>> Irrep("1o").D_from_axis_angle(np.array([0, 1, 0]), 0.0).diagonal()
        array([1., 1., 1.])
        """
        return wigner_D_of_matrix(self.l, axis_angle_to_matrix(axis, angle))

    def _inversions(self, k: Angle) -> np.ndarray:
        """The factor p^k, ready to multiply matrices."""
        return float(self.p) ** np.asarray(k)[..., None, None]

    def __mul__(self, other: IrrepLike) -> list["Irrep"]:
        other = Irrep(other)
        degrees = range(abs(self.l - other.l), self.l + other.l + 1)
        return [Irrep(l, self.p * other.p) for l in degrees]

    def __rmul__(self, mul: SupportsIndex) -> "Irreps":
        return Irreps([(mul, self)])

    def __add__(self, other: IrrepsLike) -> "Irreps":
        return Irreps(self) + Irreps(other)

    def __iter__(self) -> Iterator[int]:
        return iter((self.l, self.p))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return str(self) == other.strip()
        if isinstance(other, tuple):
            return (self.l, self.p) == other
        return isinstance(other, Irrep) and (self.l, self.p) == (other.l, other.p)

    def __lt__(self, other: "Irrep") -> bool:
        return (self.l, self.p) < (other.l, other.p)

    def __hash__(self) -> int:
        return hash((self.l, self.p))

    def __repr__(self) -> str:
        return f"{self.l}{LETTERS[self.p]}"


class Block(NamedTuple):
    """``mul`` copies of the irrep ``ir``.

    >>> Block(4, Irrep("1o")), Block(4, Irrep("1o")).dim
    (4x1o, 12)
    """

    mul: int
    ir: Irrep

    @property
    def dim(self) -> int:
        """Dimension mul (2l + 1)."""
        return self.mul * self.ir.dim

    def __repr__(self) -> str:
        return f"{self.mul}x{self.ir}"


class Sorted(NamedTuple):
    """Irreps in order, with the permutation that sorted them.

    ``p[i]`` is the new place of block i, ``inv[j]`` the old place of block j.

    >>> Irreps("1o + 0e").sort()
    Sorted(irreps=1x0e+1x1o, p=(1, 0), inv=(1, 0))
    """

    irreps: "Irreps"
    p: tuple[int, ...]
    inv: tuple[int, ...]


class Irreps:
    """Direct sum of irreps of O(3), the type of a feature.

    Made from text, an ``Irrep``, or an iterable of irreps and (multiplicity, irrep) pairs. A
    feature of irreps ``32x0e+8x1o`` is an array whose last axis has size ``dim``; inside a block
    the order is (component m, channel u), channel contiguous. (e3nn has (u, m); see
    ``to_e3nn_permutation``.) Iterates over ``Block``; immutable, hashable, equal to its text.

    Raises ``ValueError`` for anything that does not describe irreps.

    >>> x = Irreps("32x0e + 8x1o")
    >>> x, x.dim, x.num_irreps, x.lmax
    (32x0e+8x1o, 56, 40, 1)
    >>> [block.mul for block in x], x[1], x[:1]
    ([32, 8], 8x1o, 32x0e)
    >>> x == "32x0e+8x1o", "1o" in x
    (True, True)
    >>> Irreps([(2, "0e"), "1o"]) + "3x2e"
    2x0e+1x1o+3x2e
    """

    __slots__ = ("_blocks", "_hash", "dim")

    _blocks: tuple[Block, ...]
    _hash: int
    dim: int

    def __init__(self, irreps: IrrepsLike = ()):
        blocks = _parse_blocks(irreps)
        object.__setattr__(self, "_blocks", blocks)
        object.__setattr__(self, "_hash", hash(blocks))
        object.__setattr__(self, "dim", sum(block.dim for block in blocks))

    @classmethod
    def parse(cls, text: str) -> "Irreps":
        """Irreps from text; raises ``ValueError`` if it is none.

        >>> Irreps.parse("2x1v")
        Traceback (most recent call last):
        ValueError: not irreps: '2x1v', because of '2x1v'. Write e.g. '16x0e+4x1o'.
        """
        return cls(text)

    @staticmethod
    def spherical_harmonics(lmax: int, p: int = -1) -> "Irreps":
        """Irreps of the spherical harmonics to degree ``lmax`` of a vector of parity ``p``.

        >>> Irreps.spherical_harmonics(3)
        1x0e+1x1o+1x2e+1x3o
        """
        return Irreps([(1, (l, p**l)) for l in range(lmax + 1)])

    # numbers about it

    @property
    def num_irreps(self) -> int:
        """Number of irreps, the sum of the multiplicities.

        >>> Irreps("2x0e+1o").num_irreps
        3
        """
        return sum(mul for mul, _ in self)

    @property
    def ls(self) -> list[int]:
        """Degrees, each as often as its irrep occurs.

        >>> Irreps("2x0e+1o").ls
        [0, 0, 1]
        """
        return [ir.l for mul, ir in self for _ in range(mul)]

    @property
    def lmax(self) -> int:
        """Highest degree; raises ``ValueError`` if there is none.

        >>> Irreps("2x0e+1o+0x2e").lmax
        1
        """
        degrees = [ir.l for mul, ir in self if mul]
        if not degrees:
            raise ValueError("empty irreps have no highest degree: ask for dim first")
        return max(degrees)

    def slices(self) -> list[slice]:
        """Where each block lies on the last axis.

        >>> Irreps("2x0e+1o").slices()
        [slice(0, 2, None), slice(2, 5, None)]
        """
        ends = list(itertools.accumulate((block.dim for block in self), initial=0))
        return [slice(start, stop) for start, stop in itertools.pairwise(ends)]

    def count(self, ir: IrrepLike) -> int:
        """Multiplicity of ``ir`` over all blocks.

        >>> Irreps("2x0e+1o+3x0e").count("0e")
        5
        """
        wanted = Irrep(ir)
        return sum(mul for mul, own in self if own == wanted)

    # other irreps from it

    def simplify(self) -> "Irreps":
        """Neighbours of the same irrep joined, empty blocks dropped, order kept.

        >>> Irreps("1e+1e+0x2e+0e+1e").simplify()
        2x1e+1x0e+1x1e
        """
        out: list[tuple[int, Irrep]] = []
        for mul, ir in self:
            if out and out[-1][1] == ir:
                out[-1] = (out[-1][0] + mul, ir)
            elif mul > 0:
                out.append((mul, ir))
        return Irreps(out)

    def sort(self) -> Sorted:
        """Blocks in the order of (l, p), and the permutation; equal irreps keep their order.

        >>> Irreps("2o+1e+0e+1e").sort()
        Sorted(irreps=1x0e+1x1e+1x1e+1x2o, p=(3, 1, 0, 2), inv=(2, 1, 3, 0))
        """
        inv = tuple(sorted(range(len(self)), key=lambda i: self._blocks[i].ir))
        p = tuple(sorted(range(len(inv)), key=inv.__getitem__))
        return Sorted(Irreps([self._blocks[i] for i in inv]), p, inv)

    def regroup(self) -> "Irreps":
        """Sorted, then simplified: each irrep once.

        >>> Irreps("1e+0e+1e+0x2e").regroup()
        1x0e+2x1e
        """
        return self.sort().irreps.simplify()

    def remove_zero_multiplicities(self) -> "Irreps":
        """Without the empty blocks.

        >>> Irreps("4x0e+0x1o+2x3e").remove_zero_multiplicities()
        4x0e+2x3e
        """
        return Irreps([block for block in self if block.mul > 0])

    def filter(
        self, keep: object = None, *, drop: object = None, lmax: int | None = None
    ) -> "Irreps":
        """Blocks whose irrep is in ``keep``, or is not in ``drop``, or has degree up to ``lmax``.

        ``keep`` and ``drop`` are irreps in any form, or a function of a ``Block``. Give one of
        the three; raises ``ValueError`` for more.

        >>> x = Irreps("1e+2e+0e")
        >>> x.filter("0e+1e"), x.filter(drop="2e"), x.filter(lmax=0)
        (1x1e+1x0e, 1x1e+1x0e, 1x0e)
        >>> x.filter(lambda block: block.ir.l > 0)
        1x1e+1x2e
        """
        if sum(rule is not None for rule in (keep, drop, lmax)) > 1:
            raise ValueError("give only one of keep, drop and lmax, or filter twice")
        if keep is not None:
            return Irreps([block for block in self if _matches(block, keep)])
        if drop is not None:
            return Irreps([block for block in self if not _matches(block, drop)])
        if lmax is not None:
            return Irreps([block for block in self if block.ir.l <= lmax])
        return self

    @property
    def slice_by_mul(self) -> "SliceByMul":
        """Slices counted in single irreps instead of blocks.

        >>> Irreps("4x0e+2x1o").slice_by_mul[3:5]
        1x0e+1x1o
        """
        return SliceByMul(self)

    # arrays of its kind

    def randn(
        self, *size: int, normalization: str = "component", rng: Rng = None
    ) -> Float[np.ndarray, "..."]:
        """Random features: the size -1 among ``size`` becomes ``dim``.

        With ``normalization="component"`` each element is a standard normal number; with
        ``"norm"`` each irrep is a uniform direction of length one. ``rng`` is a NumPy generator
        or a seed. Raises ``ValueError`` if ``size`` has no single -1.

        >>> Irreps("5x0e+10x1o").randn(2, -1, 5, rng=0).shape
        (2, 35, 5)
        """
        if size.count(-1) != 1:
            raise ValueError(f"the size {size} needs exactly one -1, the place of the irreps")
        if normalization not in ("component", "norm"):
            raise ValueError(f"normalization is {normalization!r}: choose 'component' or 'norm'")
        axis = size.index(-1)
        before, after = size[:axis], size[axis + 1 :]
        x = np.random.default_rng(rng).normal(size=(*before, *after, self.dim))
        if normalization == "norm":
            for block, where in zip(self, self.slices(), strict=True):
                part = x[..., where].reshape(*before, *after, block.ir.dim, block.mul)
                part /= np.linalg.norm(part, axis=-2, keepdims=True)
                x[..., where] = part.reshape(*before, *after, block.dim)
        return np.moveaxis(x, -1, axis)

    def D_from_angles(
        self, alpha: Angle, beta: Angle, gamma: Angle, k: Angle = 0
    ) -> Float[np.ndarray, "*batch component component"]:
        """Block-diagonal matrix of the representation for Euler angles Y-X-Y and k inversions.

        Result (..., dim, dim), in the order (m, u) inside a block: D_l ⊗ 1.

        >>> Irreps("2x0e+1o").D_from_angles(0.1, 0.2, 0.3).shape
        (5, 5)
        """
        return self._D(lambda ir: ir.D_from_angles(alpha, beta, gamma, k))

    def D_from_matrix(
        self, R: Real[np.ndarray, "*batch row column"]
    ) -> Float[np.ndarray, "*batch component component"]:
        """Block-diagonal matrix of the representation for orthogonal R (..., 3, 3).

        Reflections included, exact to rounding everywhere. Result (..., dim, dim), in the order
        (m, u) inside a block: D_l ⊗ 1. Raises ``ValueError`` if R is not orthogonal.

        >>> Irreps("2x0o+1o").D_from_matrix(-np.eye(3)).diagonal()
        array([-1., -1., -1., -1., -1.])
        """
        return self._D(lambda ir: ir.D_from_matrix(R))

    def D_from_quaternion(
        self, q: Real[np.ndarray, "*batch wxyz"], k: Angle = 0
    ) -> Float[np.ndarray, "*batch component component"]:
        """Block-diagonal matrix of the representation for quaternions and k inversions.

        >>> Irreps("2x0e+1o").D_from_quaternion(np.array([1.0, 0.0, 0.0, 0.0])).shape
        (5, 5)
        """
        return self._D(lambda ir: ir.D_from_quaternion(q, k))

    def D_from_axis_angle(
        self, axis: Real[np.ndarray, "*#batch xyz"], angle: Angle
    ) -> Float[np.ndarray, "*batch component component"]:
        """Block-diagonal matrix of the representation for an axis (..., 3) and an angle (...).

        >>> Irreps("2x0e+1o").D_from_axis_angle(np.array([0, 1, 0]), 0.1).shape
        (5, 5)
        """
        return self._D(lambda ir: ir.D_from_axis_angle(axis, angle))

    def _D(self, of_irrep: Callable[[Irrep], np.ndarray]) -> np.ndarray:
        """Direct sum of the matrices of the irreps, each computed once."""
        matrix = functools.lru_cache(maxsize=None)(of_irrep)
        batch = matrix(Irrep(0, 1)).shape[:-2]
        out = np.zeros((*batch, self.dim, self.dim))
        for (mul, ir), where in zip(self, self.slices(), strict=True):
            block = matrix(ir)[..., :, None, :, None] * np.eye(mul)[:, None, :]
            out[..., where, where] = block.reshape(*batch, mul * ir.dim, mul * ir.dim)
        return out

    # a sequence of blocks

    def __iter__(self) -> Iterator[Block]:
        return iter(self._blocks)

    def __len__(self) -> int:
        return len(self._blocks)

    @overload
    def __getitem__(self, index: int) -> Block: ...

    @overload
    def __getitem__(self, index: slice) -> "Irreps": ...

    def __getitem__(self, index: int | slice) -> Union[Block, "Irreps"]:
        if isinstance(index, slice):
            return Irreps(self._blocks[index])
        return self._blocks[index]

    def __contains__(self, ir: IrrepLike) -> bool:
        wanted = Irrep(ir)
        return any(own == wanted for _, own in self)

    def __add__(self, other: IrrepsLike) -> "Irreps":
        return Irreps(self._blocks + Irreps(other)._blocks)

    def __radd__(self, other: IrrepsLike) -> "Irreps":
        return Irreps(other) + self

    def __mul__(self, times: SupportsIndex) -> "Irreps":
        if not hasattr(times, "__index__"):
            raise TypeError(
                f"irreps repeat an integer number of times, not {times!r}: "
                "for the product of two representations make a tensor product"
            )
        return Irreps(self._blocks * operator.index(times))

    __rmul__ = __mul__

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            try:
                return self._blocks == _blocks_of_text(other)
            except ValueError:
                return False
        return isinstance(other, Irreps) and self._blocks == other._blocks

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return "+".join(map(repr, self._blocks))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"irreps are immutable: make new ones instead of setting {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"irreps are immutable: {name!r} cannot be deleted")

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return Irreps, (repr(self),)


@dataclass(frozen=True)
class SliceByMul:
    """Slicing of irreps one irrep at a time; see ``Irreps.slice_by_mul``.

    >>> SliceByMul(Irreps("4x0e+2x1o"))[:1]
    1x0e
    """

    irreps: Irreps

    def __getitem__(self, index: slice) -> Irreps:
        start, stop, step = index.indices(self.irreps.num_irreps)
        if step != 1:
            raise ValueError(f"irreps are sliced in steps of 1, not {step}")
        out = []
        first = 0
        for mul, ir in self.irreps:
            taken = min(stop, first + mul) - max(start, first)
            if taken > 0:
                out.append((taken, ir))
            first += mul
        return Irreps(out)


def _parse_irrep(value: IrrepLike) -> tuple[int, int]:
    """Degree and parity of an irrep in any form."""
    if isinstance(value, Irrep):
        return value.l, value.p
    if isinstance(value, Block):
        return value.ir.l, value.ir.p
    if isinstance(value, str):
        return _parse_irrep_text(value)
    if isinstance(value, tuple) and len(value) == 2:
        return value
    raise ValueError(f"not an irrep: {value!r}. {REMEDY}")


@functools.lru_cache(maxsize=1024)
def _parse_irrep_text(text: str) -> tuple[int, int]:
    """Degree and parity of '1o'."""
    name = text.strip()
    degree, letter = name[:-1], name[-1:]
    if not (degree.isascii() and degree.isdigit()) or letter not in ("e", "o", "y"):
        raise ValueError(f"not an irrep: {text!r}. {REMEDY}")
    l = int(degree)
    return l, {"e": 1, "o": -1, "y": (-1) ** l}[letter]


def _parse_blocks(value: IrrepsLike) -> tuple[Block, ...]:
    """Blocks of irreps in any form."""
    if isinstance(value, Irreps):
        return value._blocks
    if isinstance(value, str):
        return _blocks_of_text(value)
    if isinstance(value, Irrep):
        return (Block(1, value),)
    if isinstance(value, Block):
        return (value,)
    if value is None:
        return ()
    if not isinstance(value, Iterable):
        raise ValueError(f"not irreps: {value!r}. Write e.g. '16x0e+4x1o'.")
    return tuple(_parse_block(item) for item in value)


@functools.lru_cache(maxsize=4096)
def _blocks_of_text(text: str) -> tuple[Block, ...]:
    """Blocks of '16x0e + 4x1o', remembered because modules ask for the same again and again."""
    if not text.strip():
        return ()
    blocks = []
    for part in text.split("+"):
        mul, times, ir = part.rpartition("x")
        mul = mul.strip()
        if times and not (mul.isascii() and mul.isdigit()):
            raise _not_irreps(text, part)
        try:
            blocks.append(Block(int(mul) if times else 1, Irrep(ir)))
        except ValueError:
            raise _not_irreps(text, part) from None
    return tuple(blocks)


def _not_irreps(text: str, part: str) -> ValueError:
    """The error that names the part of the text that is wrong."""
    what = f"not irreps: {text!r}, because of {part.strip()!r}."
    return ValueError(f"{what} Write e.g. '16x0e+4x1o'.")


def _parse_block(item: object) -> Block:
    """One block from a pair, an irrep or text."""
    if isinstance(item, (str, Irrep)):
        return Block(1, Irrep(item))
    if isinstance(item, (tuple, list)) and len(item) == 2:
        mul = _integer(item[0], "multiplicity")
        if mul >= 0:
            return Block(mul, Irrep(item[1]))
    raise ValueError(f"not irreps: {item!r}. Write pairs of a multiplicity and an irrep.")


def _integer(value: object, name: str) -> int:
    """An integer of any integer type."""
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise ValueError(f"the {name} {value!r} is not an integer") from None


def _matches(block: Block, rule: object) -> bool:
    """Whether a block is in irreps of any form, or satisfies a function."""
    if callable(rule):
        return bool(rule(block))
    return block.ir in Irreps(rule)


def _without_reflection(R: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rotation R or -R, and whether the sign was changed."""
    R = check_orthogonal(R)
    flipped = np.asarray(np.linalg.det(R) < 0)
    return np.where(flipped[..., None, None], -R, R), flipped
