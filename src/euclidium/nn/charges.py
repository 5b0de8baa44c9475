"""Charges that flow between neighbours, and what they do to atoms far away."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from euclidium.nn.radial import Enveloped
from euclidium.o3.irreps import Irreps
from euclidium.ops.harmonics import lengths, spherical_harmonics
from euclidium.ops.lattice import half_of_waves
from euclidium.ops.segments import Edges

WIDTH = 32  # of the network of pairs of atoms
PAIRS = 1_000_000  # of atoms, or of atoms and waves, at a time
NEGLIGIBLE = 1e-7  # of the longest wave of a crystal


class ChargeFlow(nn.Module):
    """Charges that atoms take from their neighbours: as many as they are given by them.

    n_i = Σ_j t_ij,   t_ij = f(s_i, s_j, r_ij) − f(s_j, s_i, r_ij)

    with the scalars s of the atoms, so that Σ_i n_i = 0 and charges move along edges only, over no
    more than the cutoff of the radial basis. There are ``channels`` kinds of them; ``size`` is how
    large the first weights are.

    >>> from euclidium.nn.radial import BesselBasis, PolynomialEnvelope
    >>> flow = ChargeFlow(4, Enveloped(BesselBasis(8, 4.0), PolynomialEnvelope(4.0, 6)))
    >>> edges = Edges.from_receivers(torch.tensor([1, 0]), torch.tensor([0, 1]), n_nodes=2)
    >>> n = flow(torch.randn(2, 4), torch.tensor([0.8, 0.8]), edges)
    >>> n.shape, round(float(n.sum().detach()), 6)
    (torch.Size([2, 1]), 0.0)
    """

    def __init__(
        self, scalars: int, basis: Enveloped, channels: int = 1, size: float = 0.1
    ) -> None:
        super().__init__()
        self.basis, self.channels = basis, channels
        self.ends = nn.Linear(scalars, 2 * WIDTH)
        last = nn.Linear(WIDTH, basis.size * channels)
        nn.init.normal_(last.weight, std=size / WIDTH)
        nn.init.zeros_(last.bias)
        self.network = nn.Sequential(nn.SiLU(), last)

    def forward(
        self, scalars: Float[Tensor, "atom scalar"], distances: Float[Tensor, " edge"], edges: Edges
    ) -> Float[Tensor, "atom channel"]:
        """The charges that each atom gains, from its scalars and the lengths of the edges (Å)."""
        to, of = self.ends(scalars).chunk(2, dim=1)
        taken = self.network(to[edges.receivers] + of[edges.senders])
        radial = self.basis(distances)[:, :, None]
        taken = (taken.unflatten(1, (-1, self.channels)) * radial).sum(dim=1)
        found = scalars.new_zeros(len(scalars), self.channels)
        return found.index_add(0, edges.receivers, taken).index_add(0, edges.senders, -taken)


class ChargeField(nn.Module):
    """Potential, field and gradient of the field, at each atom, of the charges of all others.

    x_i^l = Σ_(j≠i) q_j K_l(r_ij) Y_l(r_ij),   K_l = (−r)^l (1/r d/dr)^l K_0,
    K_0 = erf(r / √2σ) / r

    for l = 0, 1, 2: charges that are Gaussians of the width σ, seen from a point, without cutoff.
    Each channel of charges has all ``widths`` (Å). A crystal, periodic in three directions, is the
    sum over its lattice of charges that add up to nothing, in waves,

    x_i^l = 4π/V Σ_(k≠0) exp(−σ²k²/2) k^(l−2) Y_l(k) (−i)^l Σ_j q_j exp(ik·r_ij)

    less what an atom adds to its own. Y_l are :func:`~euclidium.ops.spherical_harmonics`, of the
    component normalization. Everything is differentiable to any order.

    Such potentials describe atoms in Huguenin-Dumittan et al.,
    https://doi.org/10.48550/arXiv.2308.13208, and charges are learned from them in Cheng,
    https://doi.org/10.48550/arXiv.2408.15165.

    >>> field = ChargeField(1, [1.0])
    >>> field.irreps
    1x0e+1x1o+1x2e
    >>> places = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 10.0]])
    >>> cell, pbc = torch.zeros(1, 3, 3), torch.zeros(1, 3, dtype=torch.bool)
    >>> x = field(torch.tensor([[1.0], [0.0]]), places, torch.tensor([0, 0]), cell, pbc)
    >>> x[1, 0]  # a charge 10 Å away
    tensor(0.1000)
    """

    def __init__(self, channels: int, widths: Sequence[float]) -> None:
        super().__init__()
        self.widths = tuple(widths)
        mul = channels * len(self.widths)
        self.irreps = Irreps(f"{mul}x0e+{mul}x1o+{mul}x2e")

    def forward(
        self,
        charges: Float[Tensor, "atom channel"],
        positions: Float[Tensor, "atom 3"],
        structure: Int[Tensor, " atom"],
        cell: Float[Tensor, "structure 3 3"],
        pbc: Bool[Tensor, "structure 3"],
    ) -> Float[Tensor, "atom irreps"]:
        """What each atom sees; positions and cells in Å, ``structure`` sorted.

        Raises ``ValueError`` for a structure that is periodic in one or two directions.
        """
        periodic = pbc.all(1)
        if bool((pbc.any(1) != periodic).any()):
            raise ValueError(
                "charges of a structure that is periodic in one or two directions have no field: "
                "make it periodic in three, with vacuum, or in none"
            )
        found = charges.new_zeros(len(charges), self.irreps.dim)
        if not bool(periodic.all()):
            own = torch.nonzero(~periodic[structure])[:, 0]
            values = self._molecules(charges[own], positions[own], structure[own])
            found = found.index_add(0, own, values)
        for n in torch.nonzero(periodic)[:, 0].tolist():
            own = torch.nonzero(structure == n)[:, 0]
            found = found.index_add(0, own, self._crystal(charges[own], positions[own], cell[n]))
        return found

    def _molecules(self, charges: Tensor, positions: Tensor, structure: Tensor) -> Tensor:
        """Sums over all pairs of atoms of each molecule, some rows of the pairs at a time."""
        structure = torch.unique_consecutive(structure, return_inverse=True)[1]
        counts = torch.bincount(structure)
        place = torch.arange(len(structure), device=structure.device)
        place = place - (counts.cumsum(0) - counts)[structure]
        shape = (len(counts), int(counts.max()))
        there = positions.new_zeros(*shape, 3).index_put((structure, place), positions)
        sources = charges.new_zeros(*shape, charges.shape[1])
        sources = sources.index_put((structure, place), charges)
        atoms = torch.arange(shape[1], device=structure.device)
        real = atoms < counts[:, None]
        parts = []
        for rows in atoms.split(max(1, PAIRS // (shape[0] * shape[1]))):
            pairs = real[:, rows, None] & real[:, None] & (rows[:, None] != atoms)
            vectors = there[:, rows, None] - there[:, None]
            vectors = torch.where(pairs[..., None], vectors, torch.ones_like(vectors))
            parts.append(self._pairs(vectors, pairs, sources))
        return torch.cat(parts, dim=1)[structure, place]

    def _pairs(
        self,
        vectors: Float[Tensor, "molecule row atom 3"],
        pairs: Bool[Tensor, "molecule row atom"],
        sources: Float[Tensor, "molecule atom channel"],
    ) -> Float[Tensor, "molecule row irreps"]:
        """What the rows see of all atoms of their molecule."""
        distances = lengths(vectors)
        harmonics = spherical_harmonics([0, 1, 2], vectors.to(sources))
        kernels = [_kernels(distances, width) for width in self.widths]
        found = []
        for l in range(3):
            own = harmonics[..., l * l : (l + 1) ** 2]
            sums = []
            for kernel in kernels:
                seen = own * (kernel[l] * pairs).to(sources)[..., None]
                sums.append(torch.einsum("srjm,sjc->srmc", seen, sources))
            found.append(torch.cat(sums, dim=-1).flatten(2))
        return torch.cat(found, dim=-1)

    def _crystal(self, charges: Tensor, positions: Tensor, cell: Tensor) -> Tensor:
        """Sums over the waves of a lattice, one of each pair k and −k, some at a time."""
        reach = math.sqrt(-2 * math.log(NEGLIGIBLE)) / min(self.widths)
        inverse = 2 * math.pi * torch.linalg.inv(cell).T
        volume = torch.linalg.det(cell).abs()
        own = [charges * (-math.sqrt(2 / math.pi) / width) for width in self.widths]
        found = [torch.cat(own, dim=1)[:, None], charges.new_zeros(()), charges.new_zeros(())]
        for numbers in half_of_waves(cell, reach).split(max(1, PAIRS // len(charges))):
            waves = numbers.to(cell) @ inverse
            square = waves.square().sum(1)
            harmonics = spherical_harmonics([0, 1, 2], waves).to(charges)
            phases = positions @ waves.T
            cosines, sines = torch.cos(phases).to(charges), torch.sin(phases).to(charges)
            sums = (cosines.T @ charges, sines.T @ charges)
            for l, sign, seen in (
                (0, 1, (cosines, sines)),
                (1, 1, (sines, -cosines)),
                (2, -1, (cosines, sines)),
            ):
                parts = []
                for width in self.widths:
                    size = torch.exp(-0.5 * width**2 * square) * square ** (l / 2 - 1)
                    size = (sign * 8 * math.pi / volume * size).to(charges)
                    factors = (harmonics[:, l * l : (l + 1) ** 2] * size[:, None])[:, :, None]
                    both = [
                        torch.einsum("ik,kmc->imc", one, factors * other[:, None])
                        for one, other in zip(seen, sums, strict=True)
                    ]
                    parts.append(both[0] + both[1])
                found[l] = found[l] + torch.cat(parts, dim=2)
        return torch.cat([part.flatten(1) for part in found], dim=1)


def _kernels(distances: Tensor, width: float) -> list[Tensor]:
    """K_0, K_1 and K_2 of a Gaussian charge of this width."""
    a = 1 / (math.sqrt(2) * width)
    tail = torch.exp(-((a * distances) ** 2)) * (2 * a / math.sqrt(math.pi))
    potential = torch.erf(a * distances) / distances
    field = (potential - tail) / distances
    return [potential, field, 3 * field / distances - 2 * a**2 * tail]
