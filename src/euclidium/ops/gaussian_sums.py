"""Sums of Gaussians on many centres at many points, by degree, with gradient and Laplacian."""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from euclidium.ops import machine
from euclidium.ops.dispatch import choose_backend
from euclidium.ops.gaussian_kernel import BLOCK, COLUMNS, gaussian_kernel
from euclidium.ops.harmonics import spherical_harmonics

# exponents and coefficients of the shells of each degree, from l = 0
Contraction = Sequence[tuple[Float[np.ndarray, "_"], Float[np.ndarray, "_ _"]]]

# Pairs of blocks and centres that are looked through at once.
PAIRS = 4_000_000

# Numbers that a step of the plain formula may hold.
CHUNK = 4_000_000


def gaussian_sums(
    atoms: Sequence[Contraction],
    owners: Int[Tensor, " centre"],
    centres: Float[Tensor, "centre 3"],
    points: Float[Tensor, "point 3"],
    order: int = 0,
    tolerance: float = 1e-10,
) -> Float[Tensor, "degree column point"]:
    """Σ c exp(−a |r − R|²) S_lm(r − R) at each point, of each degree by itself.

    ``atoms`` are contractions: for each degree from l = 0 exponents and coefficients of its shells,
    one for each component; S are solid harmonics with the normalization ``integral``. ``owners``
    says which of them is at which of the ``centres``. All lengths are in one unit. The columns are
    the value, with ``order`` 1 also the gradient, with 2 also the Laplacian. Where a shell is below
    ``tolerance`` it is left out. Not differentiable by torch.

    On processors it is a kernel that never writes a function of the basis; elsewhere, and with
    ``EUCLIDIUM_BACKEND=reference``, plain torch.

    Raises ``ValueError`` for an order other than 0, 1, 2, and ``TypeError`` for other numbers than
    float64.

    >>> one = [(np.array([1.0]), np.array([[math.sqrt(4 * math.pi)]]))]
    >>> where = torch.zeros(1, 3).double()
    >>> gaussian_sums([one], torch.tensor([0]), where, where + 0.5).round(decimals=6).tolist()
    [[[0.472367]]]
    """
    if order not in range(len(COLUMNS)):
        raise ValueError(f"derivatives are of order 0, 1 or 2, got {order}")
    if points.dtype != torch.float64 or centres.dtype != torch.float64:
        raise TypeError(f"points are float64, got {points.dtype} and {centres.dtype}: convert them")
    lmax = max((len(atom) for atom in atoms), default=1) - 1
    if len(points) == 0 or len(centres) == 0:
        return points.new_zeros(lmax + 1, COLUMNS[order], len(points))
    reaches = _reaches(atoms, tolerance)
    if points.device.type == "cpu" and choose_backend(points.device) == "cpu":
        return _by_kernel(atoms, reaches, owners, centres, points, order, lmax)
    return _by_torch(atoms, reaches, owners, centres, points, order, lmax)


def reach(atoms: Sequence[Contraction], tolerance: float = 1e-10) -> list[float]:
    """How far from its centre each contraction is above the tolerance, in the unit of the lengths.

    >>> reach([[(np.array([1.0]), np.array([[1.0]]))]], 1e-4)[0] < 3.1
    True
    """
    return [max(float(r.max(initial=0.0)) for r in atom) for atom in _reaches(atoms, tolerance)]


def _reaches(atoms: Sequence[Contraction], tolerance: float) -> list[list[np.ndarray]]:
    """How far each shell of each degree of each atom counts."""
    found: list[list[np.ndarray]] = [[] for _ in atoms]
    for l in range(max((len(atom) for atom in atoms), default=0)):
        own = [n for n, atom in enumerate(atoms) if len(atom) > l]
        shells = [atoms[n][l] for n in own]
        exponents = np.concatenate([a for a, _ in shells])
        sizes = np.concatenate([np.abs(c).max(axis=1, initial=0.0) for _, c in shells])
        ends = np.cumsum([len(a) for a, _ in shells])[:-1]
        far = np.split(_reach(l, exponents, sizes, tolerance), ends)
        for n, radii in zip(own, far, strict=True):
            found[n].append(radii)
    return found


def _reach(l: int, exponents: np.ndarray, sizes: np.ndarray, tolerance: float) -> np.ndarray:
    """From which distance on |c| r^l exp(−a r²) stays below the tolerance, for each shell."""
    size = sizes * math.sqrt((2 * l + 1) / (4 * math.pi))
    found = np.zeros(len(exponents))
    some = size > 0
    a, height = exponents[some], np.log(size[some] / tolerance)
    r = np.sqrt(l / (2 * a))  # where it is largest
    top = height - a * r * r + (l * np.log(np.maximum(r, 1e-300)) if l else 0.0)
    far = np.maximum(r, 1e-3)
    for _ in range(30):  # r² = (height + l log r) / a, which converges from the right
        far = np.sqrt(np.maximum(height + l * np.log(far), 0.0) / a).clip(r + 1e-12)
    found[some] = np.where(top > 0, far, 0.0)
    return found


# -- the kernel ------------------------------------------------------------------------------------


def _by_kernel(
    atoms: Sequence[Contraction],
    reaches: list[list[np.ndarray]],
    owners: Tensor,
    centres: Tensor,
    points: Tensor,
    order: int,
    lmax: int,
) -> Tensor:
    """The sums by the kernel of the processor."""
    tables, begins = _tables(atoms, lmax)
    where = centres.detach().contiguous().numpy()
    sorting = _sorted_in_space(points)
    n_blocks = -(-len(points) // BLOCK)
    padded = torch.nn.functional.pad(sorting, (0, n_blocks * BLOCK - len(points)), mode="constant")
    padded[len(points) :] = sorting[-1]
    blocks = points.detach()[padded].view(n_blocks, BLOCK, 3).transpose(1, 2).contiguous()
    starts, entries = _entries(reaches, begins, owners.numpy(), where, blocks.numpy(), lmax)
    columns = COLUMNS[order]
    results = points.new_zeros(n_blocks, lmax + 1, columns, BLOCK)
    arrays = (starts, entries, where, tables)
    addresses = [blocks.data_ptr(), *(a.ctypes.data for a in arrays), results.data_ptr()]
    threads = machine.threads_for(len(entries) * BLOCK * 100, n_blocks)
    grain = max(1, min(16, n_blocks // (4 * threads)))
    _kernel(lmax, order)([n_blocks, grain, *addresses], threads)
    out = points.new_empty(lmax + 1, columns, len(points))
    flat = results.permute(1, 2, 0, 3).reshape(lmax + 1, columns, -1)
    out[..., sorting] = flat[..., : len(points)]
    return out


@cache
def _kernel(lmax: int, order: int) -> machine.Kernel:
    lanes = machine.processor().lanes("double")

    def write() -> str:
        return gaussian_kernel(lmax, order, lanes)

    return machine.kernel(write, "gaussian sums", lmax, order)


def _tables(atoms: Sequence[Contraction], lmax: int) -> tuple[np.ndarray, np.ndarray]:
    """All shells one after another, and in bytes where each degree of each atom begins and ends."""
    parts, begins, place = [np.zeros(0)], np.zeros((len(atoms), lmax + 1, 2), np.int64), 0
    for n, atom in enumerate(atoms):
        for l, (exponents, coefficients) in enumerate(atom):
            rows = np.column_stack([exponents, coefficients.reshape(len(exponents), 2 * l + 1)])
            parts.append(rows.ravel())
            begins[n, l] = place, place + 8 * rows.size
            place += 8 * rows.size
    return np.concatenate(parts), begins


def _sorted_in_space(points: Tensor) -> Tensor:
    """An order of points in which neighbours follow each other: along a curve through octants."""
    low = points.amin(0)
    size = float((points - low).amax()) or 1.0
    cells = ((points.detach() - low) * ((2**20 - 1) / size)).long()
    key = torch.zeros(len(points), dtype=torch.int64)
    for axis in range(3):
        bits = cells[:, axis]
        # spread 20 bits to every third place
        for shift, mask in (
            (32, 0x1F00000000FFFF),
            (16, 0x1F0000FF0000FF),
            (8, 0x100F00F00F00F00F),
            (4, 0x10C30C30C30C30C3),
            (2, 0x1249249249249249),
        ):
            bits = (bits | (bits << shift)) & mask
        key |= bits << axis
    return torch.argsort(key)


def _entries(
    reaches: list[list[np.ndarray]],
    begins: np.ndarray,
    owners: np.ndarray,
    centres: np.ndarray,
    blocks: np.ndarray,
    lmax: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Which centres reach which block, and with which shells."""
    low, high = blocks.min(axis=2), blocks.max(axis=2)
    middle, half = (low + high) / 2, (high - low) / 2
    skip = [_Skipped([atom[l] for atom in reaches if len(atom) > l]) for l in range(lmax + 1)]
    largest = np.array([max(float(r.max(initial=0.0)) for r in atom) for atom in reaches])
    has_degree = np.array([[len(atom) > l for atom in reaches] for l in range(lmax + 1)])
    place = np.cumsum(has_degree, axis=1) - 1  # of an atom among those with the degree
    found = []
    step = max(1, PAIRS // len(centres))
    for first in range(0, len(blocks), step):
        part = slice(first, first + step)
        away = np.abs(middle[part, None] - centres[None]) - half[part, None]
        distance = np.sqrt((np.maximum(away, 0.0) ** 2).sum(-1))
        block, centre = np.nonzero(distance < largest[owners][None])
        rows = np.zeros((len(block), 2 + 2 * (lmax + 1)), np.int64)
        rows[:, 0], rows[:, 1] = block + first, centre
        near, own = distance[block, centre], owners[centre]
        for l in range(lmax + 1):
            some = has_degree[l][own]
            skipped = skip[l](place[l][own[some]], near[some]) * 8 * (2 * l + 2)
            rows[some, 2 + 2 * l] = begins[own[some], l, 0] + skipped
            rows[some, 3 + 2 * l] = begins[own[some], l, 1]
        found.append(rows)
    rows = np.concatenate(found)
    counts = np.bincount(rows[:, 0], minlength=len(blocks))
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]).astype(np.int64)
    return starts, np.ascontiguousarray(rows[:, 1:])


class _Skipped:
    """How many of the first shells of an atom do not reach so far, for many atoms at once."""

    def __init__(self, reaches: Sequence[np.ndarray]) -> None:
        # a shell counts as far as any that stands before it
        grown = [np.maximum.accumulate(r) for r in reaches]
        self.first = np.cumsum([0, *map(len, grown)])
        self.apart = 1.0 + max((float(r.max(initial=0.0)) for r in grown), default=0.0)
        keys = [r + n * self.apart for n, r in enumerate(grown)]
        self.keys = np.concatenate([np.zeros(0), *keys])

    def __call__(self, atoms: np.ndarray, distances: np.ndarray) -> np.ndarray:
        """For atoms by their place, and distances."""
        limited = np.minimum(distances, self.apart - 0.5) + atoms * self.apart
        return np.searchsorted(self.keys, limited, side="right") - self.first[atoms]


# -- plain torch -----------------------------------------------------------------------------------


def _by_torch(
    atoms: Sequence[Contraction],
    reaches: list[list[np.ndarray]],
    owners: Tensor,
    centres: Tensor,
    points: Tensor,
    order: int,
    lmax: int,
) -> Tensor:
    """The sums by operations of torch, centre by centre."""
    out = points.new_zeros(lmax + 1, COLUMNS[order], len(points))
    radii = [max((float(r.max(initial=0.0)) for r in atom), default=0.0) for atom in reaches]
    for owner, centre in zip(owners.tolist(), centres, strict=True):
        r = points - centre
        near = torch.nonzero(r.square().sum(-1) < radii[owner] ** 2)[:, 0]
        for some in near.split(CHUNK // 100):
            for l, (exponents, coefficients) in enumerate(atoms[owner]):
                if len(exponents):
                    values = _degree(l, exponents, coefficients, r[some], order)
                    out[l].index_add_(1, some, values)
    return out


def _degree(
    l: int, exponents: np.ndarray, coefficients: np.ndarray, r: Tensor, order: int
) -> Tensor:
    """One degree of one centre at vectors from it."""
    a, c = (torch.from_numpy(np.ascontiguousarray(x)).to(r) for x in (exponents, coefficients))
    with torch.enable_grad():
        r = r.detach().requires_grad_(order > 0)
        harmonics = spherical_harmonics(l, r, False, "integral", backend="reference")
    square = r.detach().square().sum(-1)
    powers = torch.exp(-square[:, None] * a)
    radial = [(powers * (-a) ** n) @ c for n in range(order + 1)]
    values = [(harmonics.detach() * x).sum(-1) for x in radial]
    columns = [values[0]]
    if order > 0:
        slope = torch.zeros_like(r)
        if l > 0:
            (slope,) = torch.autograd.grad(harmonics, r, radial[0])
        columns += list((2 * r.detach() * values[1][:, None] + slope).T)
    if order > 1:
        columns.append((6 + 4 * l) * values[1] + 4 * square * values[2])
    return torch.stack(columns)
