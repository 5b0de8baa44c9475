"""Lattice dynamics inside a network: force constants that it predicts, frequencies from these."""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Inexact, Int
from torch import Tensor, nn

from euclidium.atoms.elements import atomic_mass
from euclidium.atoms.graph import Graph
from euclidium.atoms.symmetry import TOLERANCE, irreducible_waves, waves_of_mesh
from euclidium.models.elements import LARGEST
from euclidium.models.peaks import gaussian_modes
from euclidium.nn.radial import BesselBasis, Enveloped, PolynomialEnvelope
from euclidium.o3.coupling import wigner_3j
from euclidium.o3.irreps import Irrep, Irreps
from euclidium.ops.segments import segment_sum
from euclidium.units import COULOMB, SQRT_DYNAMICAL_TO_THZ, THZ_TO_CM1

FREQUENCY = SQRT_DYNAMICAL_TO_THZ * THZ_TO_CM1  # of √(1 eV/(Å² amu)), cm⁻¹
STIFFEST, BOND, DECAY = 40.0, 1.0, 0.55  # eV/Å², Å, Å: springs before training
WEAKEST = 0.02  # eV/Å²
SOFTEST, HARDEST = -4.0, 3.0  # of logarithms of springs, against those
BASIS = 8  # functions of the distance
HIDDEN = 96
KINDS = 8  # of vectors, and of quadrupoles
ACROSS, TENSOR, VECTOR, CHARGE = 0.2, 0.5, 0.25, 0.3  # how much less than along the bond
RANGE = 0.4  # 1/Å, of the Gaussians of the charges; what is closer is left to force constants
REACH = 5.0  # of these Gaussians, where they end in reciprocal space
MESHES = ((4, 6), (16, 4), (40, 3))  # atoms, and up to how many which mesh of waves; beyond, 2
SOME = 24  # atoms, above which training takes stationary waves, whose matrices are real
MANY, MOST = 64, 256  # atoms, above which there are no waves in training, and at all
SAMPLES = 64  # atoms times waves of a small cell, of which is learned at a time
FULL = 1e-6  # by which the fractions on a site may fall short of one
SMOOTH = 5.0  # cm⁻¹, below which ω is no longer the root of ω²
WIDTH, SPREAD = 6.0, 0.03  # of the curve, cm⁻¹, and as a share of the frequency
LIMIT = 2.0  # of logarithms of widths, against those


@dataclass(frozen=True)
class Vibrations:
    """The waves of a batch of crystals, and the curves that they make.

    For each crystal ``frequencies`` (cm⁻¹, ascending, imaginary ones negative), the first row those
    of Γ without macroscopic field, None for cells that are too large or lack atoms; and ``shares``,
    how many of all waves a row stands for. ``charges`` of all atoms (e, over the square root of the
    dielectric constant, their mean taken away); ``curve``, three modes an atom in intervals.
    ``sites`` are the three modes of a site of each orbit, by the squares of the eigenvectors,
    without gradients; None in training.
    """

    frequencies: tuple[Float[Tensor, "_ _"] | None, ...]
    shares: tuple[Float[Tensor, "_"], ...]
    charges: Float[Tensor, "atom 3 3"]
    curve: Float[Tensor, "structure interval"]
    sites: Float[Tensor, "orbit interval"] | None = None

    @property
    def known(self) -> Bool[Tensor, " structure"]:
        """Of which crystals there are waves; curves of others are zero."""
        there = [waves is not None for waves in self.frequencies]
        return torch.tensor(there, device=self.curve.device)


class Lattice(nn.Module):
    """Frequencies of a crystal from force constants that are predicted for its pairs of atoms.

    D_ab(q) (m_a m_b)^½ = Σ_S Φ_ab(S) e^(2πi q·S) + Σ_K v(K) (Z_a K)(Z_b K)ᵀ e^(iK(r_b − r_a))

    and D(q) e = ω² e. Each pair nearer than the cutoff has a symmetric matrix Φ, made of its
    direction, and of vectors and quadrupoles of both atoms, with weights from their scalars and
    their distance; the pairs ab and ba are averaged, and Φ_aa is such that shifting the whole costs
    nothing. Charges Z (e/√ε) add what reaches far, with v = 4π/(Ω K²) e^(−K²/4Λ²), K = G − q ≠ 0,
    Λ = 0.4/Å. The waves q are a mesh through Γ, see :func:`mesh_size`, of the reciprocal lattice of
    the cell, which should be primitive, symmetric ones (to ``tolerance``, Å) once; in training a
    few of them at a time, of crystals with up to 64 atoms. Above 256 there are none, nor where
    sites are empty in part: their springs would be those of whole atoms.

    Every frequency is a Gaussian in the curve, the wider the higher it is, by two numbers that are
    read from the crystal. Only the force constants are learned: masses, modes that many atoms
    share, and how many there are follow.

    Input: features of the sites, in order of the orbits; :class:`Vibrations` come out. Raises
    ``ValueError`` for features without vectors or quadrupoles.

    >>> from ase.build import bulk
    >>> from euclidium.atoms import Structure
    >>> from euclidium.atoms.symmetry import symmetric_graph
    >>> lattice = Lattice(Irreps("4x0e+4x1o+4x2e"), 12, 5.0, torch.linspace(-100, 1000, 56))
    >>> salt = Structure.from_ase(bulk("NaCl", "rocksalt", 5.64))
    >>> graph = symmetric_graph(salt, 5.0)
    >>> h, x, weights = torch.randn(2, 12), torch.zeros(2, 36), torch.full((2,), 0.5)
    >>> lattice(graph, graph.edge_vectors().float(), h, x, weights).curve.shape
    torch.Size([1, 55])
    """

    edges: Tensor
    masses: Tensor
    quadrupole: Tensor

    def __init__(
        self,
        irreps: Irreps,
        width: int,
        cutoff: float,
        edges: Float[Tensor, " edge"],
        tolerance: float = TOLERANCE,
    ) -> None:
        super().__init__()
        self.tolerance = tolerance
        self.columns = {l: _columns(irreps, l) for l in (1, 2)}
        self.basis = Enveloped(BesselBasis(BASIS, cutoff), PolynomialEnvelope(cutoff))
        self.envelope = PolynomialEnvelope(cutoff)
        self.receiver = nn.Linear(width, HIDDEN)
        self.sender = nn.Linear(width, HIDDEN, bias=False)
        self.distance = nn.Linear(BASIS, HIDDEN, bias=False)
        self.pair = nn.Sequential(
            nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU(), _calm(HIDDEN, 3 + 4 * KINDS, 0.3)
        )
        mul = {l: (end - start) // (2 * l + 1) for l, (start, end) in self.columns.items()}
        self.vectors = nn.Linear(mul[1], KINDS, bias=False)
        self.tensors = nn.Linear(mul[2], KINDS, bias=False)
        self.charge = nn.Sequential(
            nn.Linear(width, HIDDEN // 2), nn.SiLU(), nn.Linear(HIDDEN // 2, 2)
        )
        self.charge_tensor = nn.Linear(mul[2], 1, bias=False)
        self.widths = nn.Sequential(
            nn.Linear(width, HIDDEN // 2), nn.SiLU(), _calm(HIDDEN // 2, 2, 0.1)
        )
        # with all digits, until the whole is given its type
        self.register_buffer("edges", edges.double(), persistent=False)
        masses = [1.0, *(atomic_mass(z) for z in range(1, LARGEST + 1))]
        self.register_buffer("masses", torch.tensor(masses, dtype=torch.float64), persistent=False)
        symbol = torch.from_numpy(np.array(wigner_3j(1, 1, 2)))
        self.register_buffer("quadrupole", symbol, persistent=False)

    def forward(
        self,
        graph: Graph,
        vectors: Float[Tensor, "edge 3"],
        h: Float[Tensor, "orbit width"],
        x: Float[Tensor, "orbit irreps"],
        weights: Float[Tensor, " orbit"],
    ) -> Vibrations:
        """The waves of the crystals of a graph with orbits.

        ``h`` are invariant features and ``x`` equivariant ones; ``weights`` are the shares of the
        orbits in their crystal.
        """
        orbits = graph.orbits
        assert orbits is not None
        forces, charges = self.force_constants(graph, vectors, h, x)
        rotations = orbits.rotations.to(h)
        charges = _turned(rotations, charges[orbits.members])
        sums = segment_sum(charges.flatten(1), graph.structure, graph.n_structures)
        means = sums / graph.atoms_per_structure[:, None]
        charges = charges - means.unflatten(1, (3, 3))[graph.structure]
        crystal = graph.structure[orbits.representatives]
        logs = segment_sum(self.widths(h) * weights[:, None], crystal, graph.n_structures)
        scales = logs.clamp(-LIMIT, LIMIT).exp()
        masses = self._masses(graph).to(h)
        found: list[tuple[Tensor | None, Tensor, Tensor, Tensor | None]] = []
        start = 0
        for n, count in enumerate(graph.atoms_per_structure.tolist()):
            own = slice(start, start + count)
            start += count
            first = orbits.members[own] - orbits.members[own.start]
            if count > (MANY if self.training else MOST) or _has_vacancies(graph, own):
                nothing = h.new_zeros(int(first.max()) + 1, len(self.edges) - 1)
                found.append((None, h.new_zeros(0), nothing[0], nothing))
                continue
            waves, parts = (values.to(h) for values in self._waves(graph, own))
            pairs = _pairs(graph, own, vectors, rotations)
            matrices = dynamical_matrices(
                _turned(rotations[own][pairs.receivers], forces[pairs.edges]),
                pairs,
                waves,
                graph.positions[own].to(h),
                graph.cell[n].to(h),
                masses[own],
                charges[own],
            )
            found.append(self._modes(matrices, parts, scales[n], first))
        frequencies, shares, curves, sites = zip(*found, strict=True)
        return Vibrations(
            frequencies=frequencies,
            shares=shares,
            charges=charges,
            curve=torch.stack(curves),
            sites=None if self.training else torch.cat([one for one in sites if one is not None]),
        )

    def _modes(
        self, matrices: Tensor, shares: Tensor, scales: Tensor, members: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Frequencies of one crystal, shares of its waves, its curve, and those of its orbits."""
        matrices = matrices.to(torch.complex128 if matrices.is_complex() else torch.float64)
        if self.training:
            squares, directions = torch.linalg.eigvalsh(matrices), None
        else:
            squares, directions = torch.linalg.eigh(matrices)
        frequencies, edges = signed_roots(squares).to(shares), self.edges.to(shares)
        widths = (WIDTH * scales[0]).square() + (SPREAD * scales[1] * frequencies).square()
        widths = widths.sqrt()
        weights = (shares[:, None] / frequencies.shape[1]).expand_as(frequencies)
        rows = (x.reshape(1, -1) for x in (frequencies, widths, weights))
        curve = 3 * gaussian_modes(edges, *rows)[0]
        if directions is None:
            return frequencies, shares, curve, None
        with torch.no_grad():  # eigenvectors of equal frequencies have no derivatives
            moved = directions.abs().square().unflatten(1, (-1, 3)).sum(2).to(shares)
            moved = (moved * shares[:, None, None]).transpose(0, 1).flatten(1)
            counts = torch.bincount(members)
            parts = segment_sum(moved, members, len(counts)) / counts[:, None]
            below = torch.special.ndtr(
                (edges[1:-1] - frequencies.reshape(-1, 1)) / widths.reshape(-1, 1)
            )
            ends = below.new_zeros(len(below), 1)
            sites = parts @ torch.cat([ends, below, ends + 1], dim=1).diff(dim=1)
        return frequencies, shares, curve, sites

    def force_constants(
        self,
        graph: Graph,
        vectors: Float[Tensor, "edge 3"],
        h: Float[Tensor, "orbit width"],
        x: Float[Tensor, "orbit irreps"],
    ) -> tuple[Float[Tensor, "edge 3 3"], Float[Tensor, "orbit 3 3"]]:
        """Force constants of the pairs of the graph (eV/Å²), and charges of the orbits (e/√ε).

        Those of pairs are not yet averaged over both directions.
        """
        orbits = graph.orbits
        assert orbits is not None
        receivers, senders = graph.edges.receivers, graph.edges.senders
        ours, theirs = orbits.members[receivers], orbits.members[senders]
        distances = torch.linalg.vector_norm(vectors, dim=1)
        along = vectors / distances[:, None]
        y = self.receiver(h)[ours] + self.sender(h)[theirs] + self.distance(self.basis(distances))
        stretch, more, across, *weights = self.pair(y).split([1, 1, 1] + [KINDS] * 4, dim=1)
        v = self.vectors(_block(x, self.columns[1], 3))
        quadrupoles = _block(x, self.columns[2], 5)
        symbol = self.quadrupole.to(h)
        t = torch.einsum("abm,nmk->nabk", symbol, self.tensors(quadrupoles))
        turn = orbits.rotations.to(h)[senders]
        tensor = torch.einsum("eabk,ek->eab", t[ours], weights[0])
        tensor = tensor + _turned(turn, torch.einsum("eabk,ek->eab", t[theirs], weights[1]))
        arrow = torch.einsum("eak,ek->ea", v[ours], weights[2])
        sent = torch.einsum("eak,ek->ea", v[theirs], weights[3])
        arrow = arrow + (turn @ sent[:, :, None])[:, :, 0]
        sided = along[:, :, None] * arrow[:, None, :]
        eye = torch.eye(3).to(h)
        spring = stretch.clamp(SOFTEST, HARDEST).exp() + more
        matrix = spring[:, :, None] * along[:, :, None] * along[:, None, :]
        matrix = matrix + ACROSS * across[:, :, None] * eye + TENSOR * tensor
        matrix = matrix + VECTOR * (sided + sided.transpose(1, 2))
        size = STIFFEST * torch.exp((BOND - distances) / DECAY) + WEAKEST
        size = size * self.envelope(distances)
        charge, gate = self.charge(h).split(1, dim=1)
        shape = torch.einsum("abm,nmk->nab", symbol, self.charge_tensor(quadrupoles))
        charges = (charge[:, :, None] * eye + CHARGE * shape) * gate.sigmoid()[:, :, None]
        return -size[:, None, None] * matrix, charges

    def _waves(self, graph: Graph, own: slice) -> tuple[Tensor, Tensor]:
        """The waves of one crystal; in inference those that differ by its symmetry."""
        count = own.stop - own.start
        if self.training:
            return sampled_waves(count)
        kinds = graph.species[own]
        if graph.occupations is not None:
            kinds = torch.unique(graph.occupations[own], dim=0, return_inverse=True)[1]
        cell = graph.cell[graph.structure[own.start]].detach().cpu().numpy()
        places = graph.positions[own].detach().cpu().numpy() @ np.linalg.inv(cell)
        crystal = cell, places, kinds.cpu().numpy()
        found = irreducible_waves(crystal, (mesh_size(count),) * 3, self.tolerance)
        if found is None:
            return _mesh(mesh_size(count))
        return torch.from_numpy(found[0]), torch.from_numpy(found[1])

    def _masses(self, graph: Graph) -> Float[Tensor, " atom"]:
        """Masses of the atoms (amu), of mixed sites their mean."""
        if graph.occupations is None:
            return self.masses[graph.species]
        shares = graph.occupations.to(self.masses)
        return shares @ self.masses / shares.sum(dim=1)


@dataclass(frozen=True)
class Pairs:
    """All pairs of neighbours in one cell, as images of those that end at representatives.

    ``edges`` are the latter's numbers; ``shifts`` lead to the cell of the sender, in lattice
    vectors.
    """

    receivers: Int[Tensor, " pair"]
    senders: Int[Tensor, " pair"]
    shifts: Float[Tensor, "pair 3"]
    edges: Int[Tensor, " pair"]


def _has_vacancies(graph: Graph, own: slice) -> bool:
    """Whether a site of the crystal that has some atoms is empty in part."""
    if graph.occupations is None:
        return False
    return bool((graph.occupations[own].sum(dim=1) < 1 - FULL).any())


def _pairs(graph: Graph, own: slice, vectors: Tensor, rotations: Tensor) -> Pairs:
    """The pairs of the crystal that has some atoms: where symmetry takes the graph's edges."""
    orbits, pointer = graph.orbits, graph.edges.row_pointer
    assert orbits is not None
    origin = orbits.representatives[orbits.members[own]]
    counts = pointer[origin + 1] - pointer[origin]
    receivers = torch.repeat_interleave(torch.arange(len(counts)).to(counts), counts)
    first = torch.repeat_interleave(pointer[origin] - (counts.cumsum(0) - counts), counts)
    edges = first + torch.arange(len(receivers)).to(first)
    inverse = torch.linalg.inv(graph.cell[graph.structure[own.start]])
    places = graph.positions[own] @ inverse
    turned = (rotations[own][receivers] @ vectors[edges][:, :, None])[:, :, 0].to(inverse)
    reached = places[receivers] + turned @ inverse
    away = reached[:, None] - places
    off = (away - away.round()).square().sum(dim=2)
    senders = off.argmin(dim=1)
    shifts = (reached - places[senders]).round()
    return Pairs(receivers, senders, shifts.to(vectors), edges)


def dynamical_matrices(
    forces: Float[Tensor, "pair 3 3"],
    pairs: Pairs,
    waves: Float[Tensor, "wave 3"],
    positions: Float[Tensor, "atom 3"],
    cell: Float[Tensor, "3 3"],
    masses: Float[Tensor, " atom"],
    charges: Float[Tensor, "atom 3 3"],
) -> Inexact[Tensor, "wave row row"]:
    """The dynamical matrices of one crystal, as in :class:`Lattice`, eV/(Å² amu).

    Real where all waves are stationary (half of a reciprocal lattice vector), else complex.
    """
    n, count = len(masses), len(waves)
    real = bool(((2 * waves).round() - 2 * waves).abs().max() < 1e-6)
    phases = 2 * math.pi * pairs.shifts @ waves.T
    place = pairs.receivers * n + pairs.senders

    def summed(factors: Tensor) -> Tensor:
        parts = (forces.reshape(-1, 1, 9) * factors[:, :, None]).flatten(1)
        blocks = parts.new_zeros(n * n, 9 * count).index_add(0, place, parts)
        return blocks.reshape(n, n, count, 3, 3).permute(2, 0, 3, 1, 4).reshape(count, 3 * n, 3 * n)

    own = forces.new_zeros(n, 3, 3).index_add(0, pairs.receivers, forces)
    own = own.index_add(0, pairs.senders, forces) / 2
    far, turned, own_far = _far(charges, positions, cell, waves, real)
    matrix = summed(torch.cos(phases)) + far - torch.block_diag(*(own + own_far))
    scale = masses.rsqrt().repeat_interleave(3)
    scale = scale[:, None] * scale / 2
    matrix = (matrix + matrix.transpose(1, 2)) * scale
    if turned is None:
        return matrix
    turned = summed(torch.sin(phases)) + turned
    return torch.complex(matrix, (turned - turned.transpose(1, 2)) * scale)


def _far(
    charges: Tensor, positions: Tensor, cell: Tensor, waves: Tensor, real: bool
) -> tuple[Tensor, Tensor | None, Float[Tensor, "atom 3 3"]]:
    """Force constants of the smeared charges: real and imaginary parts, and sums at Γ."""
    n = len(charges)
    reciprocal = 2 * math.pi * torch.linalg.inv(cell).T
    volume = torch.linalg.det(cell).abs()
    largest = REACH * RANGE
    steps = torch.ceil(largest / (2 * math.pi) * cell.norm(dim=1)).int() + 1
    mesh = torch.cartesian_prod(*(torch.arange(-int(s), int(s) + 1) for s in steps)).to(cell)
    k = (mesh - torch.cat([waves.new_zeros(1, 3), waves])[:, None]) @ reciprocal
    squares = k.square().sum(dim=2)
    near = (squares < largest**2) & (squares > 1e-8)
    some = near.any(dim=0)
    k, squares, near = k[:, some], squares[:, some], near[:, some]
    safe = torch.where(near, squares, 1.0)
    v = 4 * math.pi * COULOMB / volume * torch.exp(-safe / (2 * RANGE) ** 2) / safe
    root = torch.where(near, v, 0.0).sqrt()
    arrows = torch.einsum("nab,wkb->wnak", charges, k * root[:, :, None])
    angles = torch.einsum("nb,wkb->wnk", positions, k)[:, :, None]
    c = (arrows * torch.cos(angles)).flatten(1, 2)
    s = (arrows * torch.sin(angles)).flatten(1, 2)
    even = c @ c.transpose(1, 2) + s @ s.transpose(1, 2)
    sums = even[0].reshape(n, 3, n, 3).sum(dim=2)
    sums = (sums + sums.transpose(1, 2)) / 2
    if real:
        return even[1:], None, sums
    odd = c[1:] @ s[1:].transpose(1, 2)
    return even[1:], odd - odd.transpose(1, 2), sums


def signed_roots(squares: Float[Tensor, "*rows mode"]) -> Float[Tensor, "*rows mode"]:
    """Frequencies (cm⁻¹) from eigenvalues (eV/(Å² amu)), negative if imaginary; smooth at zero.

    >>> signed_roots(torch.tensor([-1.0, 0.0, 1.0]) / 521.47**2 * 100.0**2).round().tolist()
    [-100.0, 0.0, 100.0]
    """
    squares = squares * FREQUENCY**2
    return squares / (squares.square() + SMOOTH**4) ** 0.25


def mesh_size(n_atoms: int) -> int:
    """Waves along each axis for a primitive cell: 6 for up to 4 atoms, 4 to 16, 3 to 40, or 2.

    >>> [mesh_size(n) for n in (2, 8, 20, 50)]
    [6, 4, 3, 2]
    """
    return next((size for most, size in MESHES if n_atoms <= most), 2)


def sampled_waves(n_atoms: int) -> tuple[Float[Tensor, "wave 3"], Float[Tensor, " wave"]]:
    """Γ and some other waves of the mesh, drawn with torch's generator, and their shares of all.

    64 for one atom, fewer for more, one from 17 atoms on; from 25 on of 2×2×2, whose matrices are
    real. Wave vectors are in reciprocal lattice vectors.

    >>> waves, shares = sampled_waves(20)
    >>> waves[0].tolist(), round(27 * float(shares[1]))
    ([0.0, 0.0, 0.0], 26)
    """
    waves, shares = _mesh(2 if n_atoms > SOME else mesh_size(n_atoms))
    count = math.ceil(SAMPLES / n_atoms) if n_atoms <= 7 else 3 if n_atoms <= 16 else 1
    chosen = 1 + torch.multinomial(shares[1:], min(count, len(shares) - 1))
    rest = ((1 - shares[:1]) / len(chosen)).repeat(len(chosen))
    return torch.cat([waves[:1], waves[chosen]]), torch.cat([shares[:1], rest])


@cache
def _mesh(size: int) -> tuple[Float[Tensor, "wave 3"], Float[Tensor, " wave"]]:
    """The points of a mesh through Γ, one of each pair q and −q, and their shares."""
    waves, shares = waves_of_mesh((size,) * 3, np.eye(3, dtype=np.int64)[None])
    return torch.from_numpy(waves).float(), torch.from_numpy(shares).float()


def _columns(irreps: Irreps, l: int) -> tuple[int, int]:
    """The columns of features of degree l that are true tensors of this degree."""
    start = 0
    for block in irreps:
        if block.ir == Irrep(l, (-1) ** l):
            return start, start + block.dim
        start += block.dim
    raise ValueError(f"force constants need features of degree {l}, got {irreps}: use lmax ≥ 2")


def _block(x: Tensor, columns: tuple[int, int], dim: int) -> Float[Tensor, "site m channel"]:
    """Features of one degree."""
    return x[:, slice(*columns)].unflatten(1, (dim, -1))


def _turned(rotations: Tensor, matrices: Tensor) -> Tensor:
    """R M Rᵀ."""
    return rotations @ matrices @ rotations.transpose(1, 2)


def _calm(width: int, out: int, share: float) -> nn.Linear:
    """A last layer that begins with little to say."""
    last = nn.Linear(width, out)
    with torch.no_grad():
        last.weight *= share
        last.bias.zero_()
    return last
