"""What a tensor product computes: an immutable, printable value that every backend executes."""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from jaxtyping import Float

from euclidium.o3.coupling import wigner_3j
from euclidium.o3.irreps import Irrep, Irreps
from euclidium.o3.reduced import ReducedTensorProducts


@dataclass(frozen=True)
class Coupling:
    """Sparse real coefficients C[m_1, …, m_n, m_out] of an equivariant multilinear map.

    >>> Coupling.from_array(np.eye(3)).entries[1]
    ((1, 1), 1.0)
    """

    shape: tuple[int, ...]
    entries: tuple[tuple[tuple[int, ...], float], ...]

    @classmethod
    def from_array(cls, array: Float[np.ndarray, "..."]) -> "Coupling":
        """The non-zero entries of a dense array; round-off below 1e-14 counts as zero."""
        indices = np.argwhere(np.abs(array) > 1e-14)
        entries = tuple((tuple(map(int, i)), float(array[tuple(i)])) for i in indices)
        return cls(tuple(array.shape), entries)

    @cached_property
    def array(self) -> Float[np.ndarray, "..."]:
        """The dense coefficients, float64, read-only."""
        dense = np.zeros(self.shape)
        for index, value in self.entries:
            dense[index] = value
        dense.flags.writeable = False
        return dense

    @cached_property
    def _hash(self) -> int:
        return hash((self.shape, self.entries))

    def __hash__(self) -> int:
        return self._hash


@cache
def _wigner_coupling(l1: int, l2: int, l3: int) -> Coupling:
    return Coupling.from_array(wigner_3j(l1, l2, l3))


@dataclass(frozen=True)
class Path:
    """One term of a plan.

    z[c, …] += coefficient · Σ C[a, b, …, c] W[…] x[a, …] y[b, …] …

    ``segments`` names one block per operand and ``out`` the block of the result. ``subscripts``
    tells what happens to the channels, in einsum's notation with the weights first:
    ``"uvw,u,v->w"`` mixes fully, ``"uv,u,v->u"`` keeps the channels of x, ``"u,u,u->u"`` multiplies
    channel by channel, and ``",u,v->uv"`` has no weights and forms every pair.
    """

    segments: tuple[int, ...]
    out: int
    subscripts: str
    coupling: Coupling
    coefficient: float

    @property
    def weight_subscripts(self) -> str:
        """Channel indices of the weights; empty for a path without weights."""
        return self.subscripts.partition(",")[0]

    @property
    def operand_subscripts(self) -> tuple[str, ...]:
        """Channel indices of each operand."""
        return tuple(self.subscripts.partition("->")[0].split(",")[1:])

    @property
    def out_subscripts(self) -> str:
        """Channel indices of the result."""
        return self.subscripts.partition("->")[2]


@dataclass(frozen=True)
class TensorProductPlan:
    """A multilinear equivariant map of irreps: what to compute, not how.

    Frozen, hashable and printable. Features are flat and channel-last: inside an irrep block the
    order is (component m, channel u). The weights of all paths form one flat vector in the order of
    the paths, inside a path in the order of its weight subscripts, last index fastest.

    With weights of unit variance and inputs whose components have unit variance, the components of
    the result have unit variance ("component" normalisation, as in e3nn).

    >>> plan = TensorProductPlan.channelwise("4x0e + 3x1o", "0e + 1o", keep="0e + 1o")
    >>> print(plan)
    4x0e+3x1o ⊗ 1x0e+1x1o -> 4x0e+3x0e+4x1o+3x1o  (14 weights)
      4x0e ⊗ 1x0e -> 4x0e  uv,u,v->u  * 1.000
      4x0e ⊗ 1x1o -> 4x1o  uv,u,v->u  * 1.732
      3x1o ⊗ 1x0e -> 3x1o  uv,u,v->u  * 1.732
      3x1o ⊗ 1x1o -> 3x0e  uv,u,v->u  * 1.000
    >>> plan == TensorProductPlan.channelwise("4x0e + 3x1o", "0e + 1o", keep="1o + 0e")
    True
    """

    operands: tuple[Irreps, ...]
    out: Irreps
    paths: tuple[Path, ...]

    # -- constructors ------------------------------------------------------------------------

    @classmethod
    def full(
        cls, x: Irreps | str, y: Irreps | str, keep: Irreps | str | None = None
    ) -> "TensorProductPlan":
        """Every pair of channels, without weights: z = x ⊗ y reduced to irreps.

        ``keep`` limits the irreps of the result. Raises ``ValueError`` if nothing is left.

        >>> TensorProductPlan.full("1o", "1o").out
        1x0e+1x1e+1x2e
        """
        x, y = Irreps(x), Irreps(y)
        terms = [
            _Term((i, j), bx.mul * by.mul, ir, ",u,v->uv")
            for i, j, bx, by, ir in _pairs(x, y, keep)
        ]
        return cls._sorted((x, y), terms, keep)

    @classmethod
    def fully_connected(
        cls, x: Irreps | str, y: Irreps | str, z: Irreps | str
    ) -> "TensorProductPlan":
        """Every path into each block of ``z``, each with a weight for every triple of channels.

        z[w] = Σ_{u,v} W[u, v, w] (x[u] ⊗ y[v]), divided by the root of the number of terms.

        >>> TensorProductPlan.fully_connected("4x0e + 4x1o", "1o", "2x0e + 2x1o").n_weights
        16
        """
        x, y, z = Irreps(x), Irreps(y), Irreps(z)
        triples = [
            (i, j, k, bx.mul * by.mul)
            for (i, bx), (j, by), (k, bz) in itertools.product(
                enumerate(x), enumerate(y), enumerate(z)
            )
            if bz.ir in bx.ir * by.ir
        ]
        if not triples:
            raise ValueError(f"{x} ⊗ {y} contains none of {z}: change the irreps of the result")
        terms_into = Counter[int]()
        for *_, k, n in triples:
            terms_into[k] += n
        paths = tuple(
            Path(
                (i, j),
                k,
                "uvw,u,v->w",
                _wigner_coupling(x[i].ir.l, y[j].ir.l, z[k].ir.l),
                math.sqrt(z[k].ir.dim / terms_into[k]),
            )
            for i, j, k, _ in triples
        )
        return cls((x, y), z, paths)

    @classmethod
    def channelwise(
        cls, x: Irreps | str, y: Irreps | str, keep: Irreps | str | None = None
    ) -> "TensorProductPlan":
        """Each path keeps the channels of ``x`` and has its own block in the result ("uvu").

        z[u] = Σ_v W[u, v] (x[u] ⊗ y[v]), divided by the root of the number of v. The blocks of the
        result are sorted by irrep. Raises ``ValueError`` if ``keep`` leaves nothing.
        """
        x, y = Irreps(x), Irreps(y)
        terms = [
            _Term((i, j), bx.mul, ir, "uv,u,v->u", 1 / by.mul)
            for i, j, bx, by, ir in _pairs(x, y, keep)
        ]
        return cls._sorted((x, y), terms, keep)

    @classmethod
    def elementwise(
        cls,
        x: Irreps | str,
        y: Irreps | str,
        keep: Irreps | str | None = None,
        weighted: bool = False,
    ) -> "TensorProductPlan":
        """Channel by channel: z[u] = (W[u]) (x[u] ⊗ y[u]).

        Block n of ``x`` meets block n of ``y``; raises ``ValueError`` unless they have equal
        multiplicities.

        >>> TensorProductPlan.elementwise("3x1o", "3x1o", keep="0e").out
        3x0e
        """
        x, y = Irreps(x), Irreps(y)
        if [b.mul for b in x] != [b.mul for b in y]:
            raise ValueError(
                f"an element-wise product needs blocks of equal multiplicities, got {x} and {y}"
            )
        subscripts = "u,u,u->u" if weighted else ",u,u->u"
        terms = [
            _Term((i, j), bx.mul, ir, subscripts)
            for i, j, bx, _, ir in _pairs(x, y, keep)
            if i == j
        ]
        return cls._sorted((x, y), terms, keep)

    @classmethod
    def symmetric_power(
        cls, x: Irreps | str, degree: int, keep: Irreps | str
    ) -> "TensorProductPlan":
        """Every symmetric equivariant of ``degree`` factors of ``x``, channel by channel.

        z[u] = Σ_η W[η, u] B_η(x[u], …, x[u]), the symmetric contraction of MACE. The operands of
        the plan are ``degree`` copies of ``x``, whose blocks must have one multiplicity; the result
        has one block per irrep of ``keep``, into which all its paths add.

        Batatia et al., NeurIPS 35 (2022), https://doi.org/10.48550/arXiv.2206.07697

        >>> plan = TensorProductPlan.symmetric_power("8x0e + 8x1o", 2, keep="0e")
        >>> plan.out, plan.n_weights
        (8x0e, 16)
        """
        x, keep = Irreps(x), Irreps(keep)
        if degree < 1:
            raise ValueError(f"the degree of a symmetric power is at least 1, got {degree}")
        if len({b.mul for b in x}) != 1:
            raise ValueError(f"a symmetric power needs blocks of one multiplicity, got {x}")
        kept = sorted({b.ir for b in keep})
        found = [
            (segments, ir, coupling)
            for segments in itertools.combinations_with_replacement(range(len(x)), degree)
            for ir, coupling in _symmetric_couplings(tuple(x[s].ir for s in segments), tuple(kept))
        ]
        present = [ir for ir in kept if any(ir == other for _, other, _ in found)]
        if not present:
            raise ValueError(f"degree {degree} of {x} contains none of {keep}")
        out = Irreps([(x[0].mul, ir) for ir in present])
        subscripts = ",".join(["u"] * (degree + 1)) + "->u"
        terms_into = Counter(ir for _, ir, _ in found)
        paths = tuple(
            Path(segments, present.index(ir), subscripts, coupling, 1 / math.sqrt(terms_into[ir]))
            for segments, ir, coupling in found
        )
        return cls((x,) * degree, out, paths)

    @classmethod
    def _sorted(
        cls,
        operands: tuple[Irreps, Irreps],
        terms: "Sequence[_Term]",
        keep: Irreps | str | None,
    ) -> "TensorProductPlan":
        """A plan in which every term has a block of its own, blocks sorted by irrep."""
        if not terms:
            x, y = operands
            raise ValueError(f"{x} ⊗ {y} contains none of {keep}")
        order = sorted(range(len(terms)), key=lambda n: (terms[n].ir, n))
        block = {n: k for k, n in enumerate(order)}
        out = Irreps([(terms[n].mul, terms[n].ir) for n in order])
        x, y = operands
        paths = tuple(
            Path(
                t.segments,
                block[n],
                t.subscripts,
                _wigner_coupling(x[t.segments[0]].ir.l, y[t.segments[1]].ir.l, t.ir.l),
                math.sqrt(t.ir.dim * t.share),
            )
            for n, t in enumerate(terms)
        )
        return cls(operands, out, paths)

    # -- what follows from the paths ---------------------------------------------------------

    @property
    def x(self) -> Irreps:
        """Irreps of the first operand."""
        return self.operands[0]

    @property
    def y(self) -> Irreps:
        """Irreps of the second operand."""
        return self.operands[1]

    @property
    def z(self) -> Irreps:
        """Irreps of the result."""
        return self.out

    @cached_property
    def weight_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of the weights of each path; ``()`` where a path has none."""
        return tuple(
            tuple(self._channels(path)[letter] for letter in path.weight_subscripts)
            for path in self.paths
        )

    @cached_property
    def weight_slices(self) -> tuple[slice, ...]:
        """Where the weights of each path lie in the flat vector; empty where a path has none."""
        sizes = [math.prod(shape) if shape else 0 for shape in self.weight_shapes]
        ends = list(itertools.accumulate(sizes))
        return tuple(slice(end - size, end) for size, end in zip(sizes, ends, strict=True))

    @cached_property
    def n_weights(self) -> int:
        """Number of weights."""
        return self.weight_slices[-1].stop if self.paths else 0

    def _channels(self, path: Path) -> dict[str, int]:
        """Size of each channel index of a path."""
        sizes = {
            letter: operand[segment].mul
            for operand, segment, letter in zip(
                self.operands, path.segments, path.operand_subscripts, strict=True
            )
        }
        if len(path.out_subscripts) == 1:
            sizes.setdefault(path.out_subscripts, self.out[path.out].mul)
        return sizes

    def transpose(self, operand: int) -> "TensorProductPlan":
        """The plan of the derivative with respect to an operand.

        With F = ⟨g, plan(x_0, x_1, …; W)⟩, the transposed plan takes g in the place of operand n
        and gives ∂F/∂x_n; transposing twice gives the plan back. So the derivatives of a plan, of
        any order, are plans. Only for plans whose operands and result have one channel index each.

        >>> plan = TensorProductPlan.channelwise("4x0e + 3x1o", "0e + 1o", keep="0e + 1o")
        >>> plan.transpose(0).out, plan.transpose(0).transpose(0) == plan
        (4x0e+3x1o, True)
        """
        paths = tuple(_transposed(path, operand) for path in self.paths)
        operands = list(self.operands)
        out, operands[operand] = operands[operand], self.out
        return TensorProductPlan(tuple(operands), out, paths)

    @cached_property
    def _hash(self) -> int:
        return hash((self.operands, self.out, self.paths))

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        operands = " ⊗ ".join(str(irreps) for irreps in self.operands)
        lines = [f"{operands} -> {self.out}  ({self.n_weights} weights)"]
        for path in self.paths:
            blocks = zip(self.operands, path.segments, strict=True)
            left = " ⊗ ".join(str(Irreps([irreps[s]])) for irreps, s in blocks)
            right = str(Irreps([self.out[path.out]]))
            lines.append(f"  {left} -> {right}  {path.subscripts}  * {path.coefficient:.3f}")
        return "\n".join(lines)


@dataclass(frozen=True)
class _Term:
    """A path of a two-operand plan before its block in the result is known."""

    segments: tuple[int, int]
    mul: int
    ir: Irrep
    subscripts: str
    share: float = 1.0


def _pairs(x: Irreps, y: Irreps, keep: Irreps | str | None) -> Iterable[tuple]:
    """Every pair of blocks with every irrep of its product that is kept."""
    kept = None if keep is None else {block.ir for block in Irreps(keep)}
    for (i, bx), (j, by) in itertools.product(enumerate(x), enumerate(y)):
        for ir in bx.ir * by.ir:
            if kept is None or ir in kept:
                yield i, j, bx, by, ir


def _transposed(path: Path, operand: int) -> Path:
    """The path with operand and result exchanged."""
    if any(len(s) != 1 for s in (*path.operand_subscripts, path.out_subscripts)):
        raise ValueError(
            f"a path {path.subscripts!r} that forms pairs of channels has no transpose"
        )
    segments, letters = list(path.segments), list(path.operand_subscripts)
    out, segments[operand] = segments[operand], path.out
    out_letter, letters[operand] = letters[operand], path.out_subscripts
    axes = list(range(len(segments) + 1))
    axes[operand], axes[-1] = axes[-1], axes[operand]
    array = np.transpose(path.coupling.array, axes)
    subscripts = ",".join([path.weight_subscripts, *letters]) + "->" + out_letter
    coupling = Coupling.from_array(array)
    return Path(tuple(segments), out, subscripts, coupling, path.coefficient)


@cache
def _symmetric_couplings(
    irreps: tuple[Irrep, ...], keep: tuple[Irrep, ...]
) -> tuple[tuple[Irrep, Coupling], ...]:
    """An orthonormal basis of the equivariants of a product, symmetric under equal factors."""
    letters = "abcdefghijkl"[: len(irreps)]
    swaps = [
        letters[:n] + letters[n + 1] + letters[n] + letters[n + 2 :]
        for n in range(len(irreps) - 1)
        if irreps[n] == irreps[n + 1]
    ]
    basis = ReducedTensorProducts(
        "=".join([letters, *swaps]),
        filter_ir_out=list(keep),
        **{letter: Irreps([(1, ir)]) for letter, ir in zip(letters, irreps, strict=True)},
    )
    found = []
    for block, where in zip(basis.irreps_out, basis.irreps_out.slices(), strict=True):
        # channel-last: the copies of an irrep are its fastest index
        rows = basis.change_of_basis[where].reshape(
            block.ir.dim, block.mul, *(i.dim for i in irreps)
        )
        found += [
            (block.ir, Coupling.from_array(np.moveaxis(rows[:, u], 0, -1)))
            for u in range(block.mul)
        ]
    return tuple(found)
