"""One network of a density model: from neighbours, and charges far away, to coefficients."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from euclidium.atoms.basis import DensityBasis
from euclidium.atoms.graph import Graph
from euclidium.models.config import DensityConfig
from euclidium.models.long_range import LongRange
from euclidium.models.nequip import Interaction, NequIP, radial_basis, scalar_columns
from euclidium.nn.charges import ChargeFlow
from euclidium.nn.gate import Gate
from euclidium.nn.linear import Linear
from euclidium.o3.irreps import Irrep, Irreps
from euclidium.ops.gaussians import charges
from euclidium.ops.harmonics import lengths
from euclidium.ops.segments import segment_sum

FIRST = 0.1  # size of the first results, in standard deviations
SMALL = 1e-9  # of the covariance, so that electrons can be added before anything is known


@dataclass(frozen=True)
class DensityPrediction:
    """Coefficients of a batch, by element: of the density, and of the spin density if there is one.

    ``atoms`` are the indices of the atoms of each element in the batch, by atomic number;
    ``density`` and ``spin`` their coefficients, e/bohr^1.5, in the layout of the basis' irreps,
    in float64, so that electrons can be counted.
    """

    atoms: Mapping[int, Int[Tensor, " own"]]
    density: Mapping[int, Float[Tensor, "own function"]]
    spin: Mapping[int, Float[Tensor, "own function"]] | None = None


class DensityHead(nn.Module):
    """From features of the atoms of one element to coefficients of its Gaussians.

    c_l = mean_l + y_l D_l, with y the network's result, of unit size, and D_l the square root of
    the covariance of the training coefficients of degree l: shells vary together.

    >>> head = DensityHead(Irreps("4x0e+4x1o"), Irreps("3x0e+2x1o"), 8)
    >>> head(torch.zeros(5, 16)).shape
    torch.Size([5, 9])
    """

    mean: Tensor

    def __init__(self, irreps_in: Irreps, irreps_out: Irreps, channels: int) -> None:
        super().__init__()
        hidden = Irreps([(channels, block.ir) for block in irreps_out if block.ir in irreps_in])
        self.gate = Gate.for_irreps(hidden)
        self.first = Linear(irreps_in, self.gate.irreps_in, bias=True)
        self.second = Linear(self.gate.irreps_out + irreps_in, irreps_out, bias=True)
        with torch.no_grad():  # so that training begins near the mean
            for weight in self.second.weights.values():
                weight.mul_(FIRST)
        self.irreps_out = irreps_out
        scalars = irreps_out.count(Irrep(0, 1))
        self.register_buffer("mean", torch.zeros(scalars))
        for block in irreps_out:
            self.register_buffer(f"mix{block.ir.l}", torch.eye(block.mul))

    def forward(self, x: Float[Tensor, "atom irreps_in"]) -> Float[Tensor, "atom irreps_out"]:
        """The coefficients."""
        y = self.second(torch.cat([self.gate(self.first(x)), x], dim=-1))
        parts = []
        for block, where in zip(self.irreps_out, self.irreps_out.slices(), strict=True):
            own = y[:, where].unflatten(1, (block.ir.dim, block.mul)) @ self.mix(block.ir.l)
            parts.append((own + self.mean if block.ir.l == 0 else own).flatten(1))
        return torch.cat(parts, dim=1)

    def mix(self, l: int) -> Float[Tensor, "shell shell"]:
        """The square root of the covariance of the coefficients of a degree."""
        found = getattr(self, f"mix{l}")
        assert isinstance(found, Tensor)
        return found


class DensityNetwork(nn.Module):
    """Coefficients of every atom, with exactly the right number of electrons if they are counted.

    Features of the element, of the long range and of every layer are read out by one
    :class:`DensityHead` for each element. Any number of these are the members of a
    :class:`~euclidium.models.DensityModel`, which says what they compute.

    >>> basis = DensityBasis("s", {1: ((0, 0.5),)})
    >>> DensityNetwork(DensityConfig(basis=basis.to_json()), basis).features
    1x0e+32x0e+32x1o+32x2e+32x0e+32x1o+32x2e+32x0e
    """

    def __init__(self, config: DensityConfig, basis: DensityBasis, calibrate: bool = True) -> None:
        super().__init__()
        self.config, self.basis = config, basis
        elements = basis.elements
        network = config.network
        inputs = {"charge": "1x0e"} if config.charge else {}
        self.features = Irreps([(len(elements), Irrep(0, 1))])
        self.long_range: LongRange | None = None
        if config.long_range is not None:
            about = (len(elements), config.cutoff, config.mean_neighbors)
            self.long_range = LongRange(config.long_range, *about, calibrate)
            inputs["long_range"] = str(self.long_range.irreps)
            self.features += self.long_range.irreps
        self.backbone = NequIP(
            network,
            len(elements),
            config.cutoff,
            config.mean_neighbors,
            inputs,
            calibrate,
            Irreps([(network.channels, Irrep(l, (-1) ** l)) for l in range(basis.lmax + 1)]),
        )
        for layer in self.backbone.layers:
            assert isinstance(layer, Interaction)
            self.features += layer.irreps_out
        self.scalars = scalar_columns(self.features)
        self.heads = nn.ModuleList(
            nn.ModuleDict(
                {str(z): DensityHead(self.features, basis.irreps(z), config.head) for z in elements}
            )
            for _ in range(2 if config.spin else 1)
        )
        self.flow: ChargeFlow | None = None
        if config.electrons == "nuclei":
            self.flow = ChargeFlow(len(self.scalars), radial_basis(network.radial, config.cutoff))

    def forward(
        self,
        graph: Graph,
        vectors: Float[Tensor, "edge 3"],
        species: Int[Tensor, " atom"],
        atoms: Mapping[int, Int[Tensor, " own"]],
    ) -> list[dict[int, Tensor]]:
        """Coefficients by channel and element of a graph with the labels charge and spin.

        ``vectors`` are those of the edges (Å), ``species`` indices of the elements, ``atoms`` those
        of the atoms of each.
        """
        distances, x = self._states(graph, vectors, species)
        nuclei = segment_sum(graph.species.double(), graph.structure, graph.n_structures)
        totals = [nuclei - graph.labels["charge"], graph.labels["spin"]]
        found = []
        for n in range(len(self.heads)):
            coefficients = {z: self.head(n, z)(x[own]).double() for z, own in atoms.items()}
            ways = {z: self._way(n, z, totals[n]) for z in atoms}
            if n == 0 and self.flow is not None:
                gained = self.flow(x[:, self.scalars], distances, graph.edges)[:, 0]
                coefficients = _moved(atoms, coefficients, gained.double(), ways)
            if n == 0:
                isolated = {z: self.basis.superposition([z]) for z in atoms}
                coefficients = {z: c + c.new_tensor(isolated[z]) for z, c in coefficients.items()}
            if self.config.electrons == "nuclei":
                coefficients = _counted(graph, atoms, coefficients, totals[n], ways)
            found.append(coefficients)
        return found

    def head(self, channel: int, z: int) -> DensityHead:
        """What reads out an element; channel 0 is the density, 1 the spin density."""
        heads = self.heads[channel]
        assert isinstance(heads, nn.ModuleDict)
        head = heads[str(z)]
        assert isinstance(head, DensityHead)
        return head

    def _states(
        self, graph: Graph, vectors: Tensor, species: Tensor
    ) -> tuple[Float[Tensor, " edge"], Float[Tensor, "atom features"]]:
        """Lengths of the edges; element, long range and every layer, side by side."""
        inputs = {}
        if self.config.charge:
            share = graph.labels["charge"] / graph.atoms_per_structure
            inputs = {"charge": share[graph.structure][:, None].to(vectors)}
        found = [nn.functional.one_hot(species, len(self.basis.elements)).to(vectors)]
        if self.long_range is not None:
            inputs["long_range"] = self.long_range(graph, species, vectors)
            found.append(inputs["long_range"])
        found += self.backbone.states(species, vectors, graph.edges, inputs)
        return lengths(vectors), torch.cat(found, dim=1)

    def _way(self, channel: int, z: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """The electrons of each function of an element, and how electrons are added to it."""
        shells = [(l, like.new_tensor(a)) for l, a in self.basis.exponents(z).items()]
        charge = charges(shells)
        n = self.basis.irreps(z).count(Irrep(0, 1))
        root = self.head(channel, z).mix(0).double()
        way = torch.zeros_like(charge)
        way[:n] = root.T @ (root @ charge[:n]) + SMALL * charge[:n]
        return charge, way


Ways = Mapping[int, tuple[Tensor, Tensor]]


def _moved(
    atoms: Mapping[int, Tensor],
    coefficients: Mapping[int, Tensor],
    gained: Float[Tensor, " atom"],
    ways: Ways,
) -> dict[int, Tensor]:
    """Differences from isolated atoms, each with as many electrons as the atom gains."""
    found = {}
    for z, own in atoms.items():
        charge, way = ways[z]
        missing = (gained[own] - coefficients[z] @ charge) / (way @ charge)
        found[z] = coefficients[z] + missing[:, None] * way
    return found


def _counted(
    graph: Graph,
    atoms: Mapping[int, Tensor],
    coefficients: Mapping[int, Tensor],
    totals: Float[Tensor, " structure"],
    ways: Ways,
) -> dict[int, Tensor]:
    """The coefficients with exactly the right number of electrons."""
    missing = totals
    softness = torch.zeros_like(missing)
    for z, own in atoms.items():
        charge, way = ways[z]
        place = graph.structure[own]
        missing = missing.index_add(0, place, -(coefficients[z] @ charge))
        softness = softness.index_add(0, place, (way @ charge).expand(len(own)))
    share = missing / softness
    return {
        z: coefficients[z] + share[graph.structure[own]][:, None] * ways[z][1]
        for z, own in atoms.items()
    }
