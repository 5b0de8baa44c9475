"""The NequIP network: an equivariant backbone of convolutions and gates."""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from euclidium.models.config import NequIPConfig, RadialConfig
from euclidium.nn.calibration import hard_spheres
from euclidium.nn.convolution import Convolution
from euclidium.nn.gate import Gate
from euclidium.nn.linear import Linear
from euclidium.nn.radial import (
    BesselBasis,
    ChebyshevBasis,
    CosineEnvelope,
    Enveloped,
    GaussianBasis,
    PolynomialEnvelope,
    RadialBasis,
    XPLOREnvelope,
)
from euclidium.o3.irreps import Irrep, Irreps
from euclidium.ops.harmonics import lengths, spherical_harmonics
from euclidium.ops.orbits import Orbits, Spread
from euclidium.ops.reference import split_blocks
from euclidium.ops.segments import Edges


class NequIP(nn.Module):
    """Backbone of Batzner et al.: from species and edge vectors to features of each atom.

    Each layer does, with x the features of the layer before,

    x ← Gate( (Linear(Convolution(Linear(x), Y(r̂), r)) + SelfConnection_species(x)) / √2 )

    and the last keeps even scalars only, so that ``irreps_out`` is ``channels x 0e``, or what of
    ``target`` can be reached. ``inputs`` names extra features of the atoms by their irreps; they
    join the species at the first layer.
    With ``modulation`` the scalars among these first features scale the messages of each channel,
    x ← Gate((1 + A s) · Linear(…) + …): so what an atom makes of its neighbours depends on what it
    is. ``hidden`` are the irreps before the last layer. ``calibrate=False`` leaves out the scaling
    of the initial weights, for weights that are replaced.

    Batzner et al., Nat. Commun. 13, 2453 (2022), https://doi.org/10.1038/s41467-022-29939-5

    >>> from euclidium.models.config import NequIPConfig
    >>> NequIP(NequIPConfig(channels=8), n_species=2, cutoff=5.0, mean_neighbors=20.0).irreps_out
    8x0e
    """

    def __init__(
        self,
        config: NequIPConfig,
        n_species: int,
        cutoff: float,
        mean_neighbors: float,
        inputs: Mapping[str, str] | None = None,
        calibrate: bool = True,
        target: Irreps | None = None,
    ) -> None:
        super().__init__()
        self.inputs = {name: Irreps(irreps) for name, irreps in (inputs or {}).items()}
        self.lmax = config.lmax
        self.irreps_edge = Irreps.spherical_harmonics(config.harmonics)
        self.embedding = nn.Parameter(torch.randn(n_species, config.channels))
        irreps = sum(self.inputs.values(), Irreps([(config.channels, Irrep(0, 1))]))
        self.scalars = scalar_columns(irreps)
        first = len(self.scalars) if config.modulation else 0
        last = Irreps(f"{config.channels}x0e") if target is None else target
        layers = []
        for n in range(config.layers):
            self.hidden: Irreps = irreps
            wanted = _hidden(config) if n < config.layers - 1 else last
            basis = radial_basis(config.radial, cutoff)
            layer = Interaction(
                irreps, self.irreps_edge, wanted, basis, config, n_species, mean_neighbors, first
            )
            layers.append(layer)
            irreps = layer.irreps_out
        self.layers = nn.ModuleList(layers)
        self.irreps_out = irreps
        if calibrate:
            self._calibrate(cutoff, mean_neighbors)

    def forward(
        self,
        species: Int[Tensor, " atom"],
        vectors: Float[Tensor, "edge 3"],
        edges: Edges,
        inputs: Mapping[str, Tensor],
    ) -> Float[Tensor, "atom irreps_out"]:
        """Features of each atom; ``species`` are indices, edge vectors in Å.

        Raises ``ValueError`` if a declared input is missing or has the wrong width.
        """
        return self.states(species, vectors, edges, inputs)[-1]

    def states(
        self,
        species: Int[Tensor, " site"],
        vectors: Float[Tensor, "edge 3"],
        edges: Edges,
        inputs: Mapping[str, Tensor],
        orbits: Orbits | None = None,
    ) -> list[Float[Tensor, "site _"]]:
        """The features after each layer, the last as ``forward`` gives them.

        With ``orbits`` the edges end at their representatives only, and species, inputs and results
        are those of the representatives: what an atom equivalent to one sends to its neighbours
        follows by rotation. Raises as ``forward`` does.
        """
        harmonics = spherical_harmonics(self.irreps_edge, vectors)
        distances = lengths(vectors)
        x = torch.cat([self.embedding[species], *self._extra(inputs, vectors)], dim=-1)
        first = x[:, self.scalars]
        spread = None if orbits is None else Spread(orbits, self.lmax, vectors.dtype)
        found = []
        for layer in self.layers:
            x = layer(x, species, harmonics, distances, edges, first, spread)
            found.append(x)
        return found

    @torch.no_grad()
    def _calibrate(self, cutoff: float, mean_neighbors: float) -> None:
        """Scale the weights, layer after layer, to unit variance on a random gas.

        Mishkin and Matas, ICLR 2016, https://doi.org/10.48550/arXiv.1511.06422
        """
        vectors, edges = hard_spheres(cutoff, mean_neighbors)
        generator = torch.Generator().manual_seed(0)
        species = torch.arange(edges.n_nodes) % len(self.embedding)
        width = sum(irreps.dim for irreps in self.inputs.values())
        extra = torch.randn(edges.n_nodes, width, generator=generator)
        x = torch.cat([self.embedding[species], extra], dim=-1)
        harmonics = spherical_harmonics(self.irreps_edge, vectors).to(x)
        distances = lengths(vectors).to(x)
        first = x[:, self.scalars]
        for layer in self.layers:
            assert isinstance(layer, Interaction)
            x = layer.calibrate(x, species, harmonics, distances, edges, first)

    def _extra(self, inputs: Mapping[str, Tensor], like: Tensor) -> list[Tensor]:
        """The extra input features, checked."""
        found = []
        for name, irreps in self.inputs.items():
            if name not in inputs or inputs[name].shape[-1] != irreps.dim:
                got = tuple(inputs[name].shape) if name in inputs else "nothing"
                raise ValueError(
                    f"the model needs the input {name!r} ({irreps}, {irreps.dim} numbers for each "
                    f"atom), got {got}"
                )
            found.append(inputs[name].to(like))
        return found


class Interaction(nn.Module):
    """One layer: convolution, self-connection and gate."""

    shares: Tensor

    def __init__(
        self,
        irreps_in: Irreps,
        irreps_edge: Irreps,
        target: Irreps,
        basis: RadialBasis,
        config: NequIPConfig,
        n_species: int,
        mean_neighbors: float,
        first: int = 0,
    ) -> None:
        super().__init__()
        reachable = {ir for a in irreps_in for b in irreps_edge for ir in a.ir * b.ir}
        target = Irreps([block for block in target if block.ir in reachable])
        self.gate = Gate.for_irreps(target)
        keep = Irreps([(1, ir) for ir in {block.ir for block in self.gate.irreps_in}])
        self.up = Linear(irreps_in, irreps_in)
        self.convolution = Convolution(
            irreps_in,
            irreps_edge,
            keep,
            basis,
            config.radial.hidden,
            mean_neighbors,
            knots=config.radial.knots,
        )
        self.down = Linear(self.convolution.irreps_out, self.gate.irreps_in)
        self.self_connection = Linear(irreps_in, self.gate.irreps_in, n_species=n_species)
        self.irreps_out = self.gate.irreps_out
        self.modulation: nn.Linear | None = None
        if first > 0:
            self.modulation = nn.Linear(first, sum(block.mul for block in self.gate.irreps_in))
            nn.init.normal_(self.modulation.weight, std=0.3 / math.sqrt(first))
            nn.init.zeros_(self.modulation.bias)
        self.register_buffer("shares", self._shares(), persistent=False)

    def forward(
        self,
        x: Float[Tensor, "atom irreps_in"],
        species: Int[Tensor, " atom"],
        harmonics: Float[Tensor, "edge irreps_edge"],
        distances: Float[Tensor, " edge"],
        edges: Edges,
        first: Float[Tensor, "atom scalar"] | None = None,
        spread: Spread | None = None,
    ) -> Float[Tensor, "atom irreps_out"]:
        """The features after this layer; ``first`` are the scalars before the first one."""
        messages = self._messages(x, harmonics, distances, edges, spread)
        return self._update(messages, x, species, first)

    def _messages(
        self,
        x: Tensor,
        harmonics: Tensor,
        distances: Tensor,
        edges: Edges,
        spread: Spread | None = None,
    ) -> Tensor:
        """What the neighbours send."""
        sent = self.up(x)
        if spread is None:
            return self.convolution(sent, harmonics, distances, edges)
        sent = spread(sent, self.up.irreps_out)
        return self.convolution(sent, harmonics, distances, edges)[spread.representatives]

    def _update(self, messages: Tensor, x: Tensor, species: Tensor, first: Tensor | None) -> Tensor:
        """Messages and self-connection, mixed and gated."""
        mixed = self.down(messages)
        if self.modulation is not None and first is not None:
            factors = _by_channel(1 + self.modulation(first), self.gate.irreps_in)
            mixed = mixed * factors
        return self.gate((mixed + self.self_connection(x, species)) * self.shares)

    @torch.no_grad()
    def calibrate(
        self,
        x: Float[Tensor, "atom irreps_in"],
        species: Int[Tensor, " atom"],
        harmonics: Float[Tensor, "edge irreps_edge"],
        distances: Float[Tensor, " edge"],
        edges: Edges,
        first: Float[Tensor, "atom scalar"] | None = None,
    ) -> Float[Tensor, "atom irreps_out"]:
        """Scale the weights to messages and self-connection of unit variance here.

        Returns the features after this layer, as ``forward`` then would.
        """
        messages = self._messages(x, harmonics, distances, edges)
        for linear, values in (
            (self.down, self.down(messages)),
            (self.self_connection, self.self_connection(x, species)),
        ):
            blocks = split_blocks(values, linear.irreps_out)
            for ir in linear.shared:
                pairs = zip(blocks, linear.irreps_out, strict=True)
                same = [values for values, block in pairs if block.ir == ir]
                square = torch.cat(same, dim=-1).square().mean()
                linear.weights[str(ir)].mul_(torch.where(square > 0, square, 1.0).rsqrt())
        return self._update(messages, x, species, first)

    def _shares(self) -> Tensor:
        """1/√2 where messages and self-connection add up, 1 where there is one of them."""
        shares = [
            torch.full((block.dim,), 0.5**0.5 if block.ir in self.self_connection.shared else 1.0)
            for block in self.gate.irreps_in
        ]
        return torch.cat(shares)


def scalar_columns(irreps: Irreps) -> list[int]:
    """The columns of features that hold even scalars.

    >>> scalar_columns(Irreps("2x0e+1x1o+1x0e"))
    [0, 1, 5]
    """
    columns: list[int] = []
    start = 0
    for block in irreps:
        if block.ir == Irrep(0, 1):
            columns += range(start, start + block.dim)
        start += block.dim
    return columns


def _by_channel(values: Tensor, irreps: Irreps) -> Tensor:
    """One value for each channel, repeated for the components of its irrep."""
    parts = values.split([block.mul for block in irreps], dim=-1)
    pairs = zip(parts, irreps, strict=True)
    return torch.cat([part.repeat(1, block.ir.dim) for part, block in pairs], dim=-1)


def radial_basis(config: RadialConfig, cutoff: float) -> Enveloped:
    """The enveloped radial basis that a configuration names; cutoff in Å.

    >>> radial_basis(RadialConfig(size=6), cutoff=4.0).size
    6
    """
    basis: RadialBasis
    if config.basis == "bessel":
        basis = BesselBasis(config.size, cutoff, config.trainable)
    elif config.basis == "gaussian":
        basis = GaussianBasis(config.size, cutoff)
    else:
        basis = ChebyshevBasis(config.size, cutoff)
    if config.envelope == "polynomial":
        return Enveloped(basis, PolynomialEnvelope(cutoff, config.power))
    if config.envelope == "cosine":
        return Enveloped(basis, CosineEnvelope(cutoff))
    return Enveloped(basis, XPLOREnvelope(cutoff, config.onset * cutoff))


def _hidden(config: NequIPConfig) -> Irreps:
    """Irreps of the hidden features."""
    parities = {l: (1, -1) if config.parity else ((-1) ** l,) for l in range(config.lmax + 1)}
    return Irreps(
        [(config.channels, Irrep(l, p)) for l in range(config.lmax + 1) for p in parities[l]]
    )
