"""Electron densities of molecules and crystals: coefficients of Gaussians on the atoms."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from euclidium.atoms.basis import DensityBasis
from euclidium.atoms.centers import centered
from euclidium.atoms.density import Density
from euclidium.atoms.elements import site_symbol
from euclidium.atoms.graph import Graph, collate
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure
from euclidium.models.config import DensityConfig
from euclidium.models.long_range import LongRange
from euclidium.models.nequip import Interaction, NequIP, radial_basis, scalar_columns
from euclidium.models.potential import DTYPES
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


class DensityModel(nn.Module):
    """The electron density of a molecule or crystal, predicted from its atoms in one step.

    ρ(r) = Σ_A Σ_k (c⁰_Ak + Δc_Ak) χ_k(r − R_A)

    c⁰ are the isolated atoms, Δc is learned: a feature of the irreps that the basis has for the
    element. With ``electrons="nuclei"`` the number of electrons is that of the nuclei less the
    charge, whatever the network says: every atom is made neutral, electrons flow between
    neighbours, see :class:`~euclidium.nn.ChargeFlow`, and a charge of the whole is spread over its
    atoms. Electrons are added to an atom where the training data vary most, along C q with the
    charges q of the functions and their covariance C. The total charge (e) is the label ``charge``
    of a structure, 0 without; the label ``spin`` is the number of unpaired electrons, which the
    spin density integrates to. Where the basis has functions for the middle of bonds, the model
    finds the bonds, and electrons flow to their centres as to atoms. With ``long_range`` the
    network also knows what charges beyond its cutoff do to each atom, see
    :class:`~euclidium.models.LongRange`.

    Rackers, Tecot, Geiger and Smidt, Mach. Learn.: Sci. Technol. 4, 015027 (2023),
    https://doi.org/10.1088/2632-2153/acb314, with another network, readout and loss.

    >>> from ase.build import molecule
    >>> from euclidium.models.config import NequIPConfig
    >>> basis = DensityBasis("s", {1: ((0, 0.5),)}, {1: np.array([0.4])})
    >>> config = DensityConfig(basis=basis.to_json(), network=NequIPConfig(channels=4, layers=1))
    >>> found = next(DensityModel(config).eval().predict([Structure.from_ase(molecule("H2"))]))
    >>> round(found.electrons, 9)
    2.0
    """

    index: Tensor

    def __init__(self, config: DensityConfig, calibrate: bool = True) -> None:
        super().__init__()
        self.config = config
        self.cutoff = config.cutoff
        self.basis = DensityBasis.from_json(config.basis)
        elements = self.basis.elements
        if config.electrons == "nuclei":
            _check_scalars(self.basis)
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
            Irreps([(network.channels, Irrep(l, (-1) ** l)) for l in range(self.basis.lmax + 1)]),
        )
        for layer in self.backbone.layers:
            assert isinstance(layer, Interaction)
            self.features += layer.irreps_out
        self.scalars = scalar_columns(self.features)
        channels = 2 if config.spin else 1
        self.heads = nn.ModuleList(
            nn.ModuleDict(
                {
                    str(z): DensityHead(self.features, self.basis.irreps(z), config.head)
                    for z in elements
                }
            )
            for _ in range(channels)
        )
        self.flow: ChargeFlow | None = None
        if config.electrons == "nuclei":
            self.flow = ChargeFlow(len(self.scalars), radial_basis(network.radial, config.cutoff))
        index = torch.full((max(elements) + 1,), -1)
        index[list(elements)] = torch.arange(len(elements))
        self.register_buffer("index", index, persistent=False)
        self.to(DTYPES[config.dtype])

    @property
    def dtype(self) -> torch.dtype:
        """Type of the network's parameters."""
        return self.backbone.embedding.dtype

    @torch.no_grad()
    def set_statistics(
        self, channel: int, z: int, differences: Float[Tensor, "atom function"]
    ) -> None:
        """Begin with the mean and covariance of what is to be learned of an element.

        ``differences`` are coefficients less those of the isolated atom; ``channel`` 0 is the
        density, 1 the spin density.
        """
        head = self._head(channel, z)
        irreps = self.basis.irreps(z)
        for block, where in zip(irreps, irreps.slices(), strict=True):
            own = differences[:, where].double().reshape(-1, block.ir.dim, block.mul)
            rows = own.flatten(0, 1)
            if block.ir.l == 0:
                head.mean.copy_(rows.mean(0))
                rows = rows - rows.mean(0)
            size, axes = torch.linalg.eigh(rows.T @ rows / len(rows))
            root = (axes * size.clamp_min(0.0).sqrt()).T
            head.mix(block.ir.l).copy_(root)

    def graph(self, structure: Structure) -> Graph:
        """The graph of a structure as the model reads it, with its charge and unpaired electrons.

        With centres of bonds if the basis has functions for them, see
        :func:`~euclidium.atoms.centers.centered`. Raises ``DataError`` for an element that the
        basis lacks, and where the model knows the long range for a structure that is periodic in
        one or two directions.
        """
        structure = centered(structure, self.basis)
        if self.long_range is not None and structure.pbc.any() != structure.pbc.all():
            raise DataError(
                f"{structure.origin} is periodic in {int(structure.pbc.sum())} directions, where "
                "this model has no long range: make it periodic in three, with vacuum, or in none"
            )
        for z in np.unique(structure.species).tolist():
            self.basis.of(int(z))
        graph = Graph.from_structures([structure], self.cutoff, labels=(), centers=True)
        return graph.replace(labels=counts(structure))

    def forward(self, graph: Graph) -> DensityPrediction:
        """Coefficients of the atoms of a batch.

        Raises ``ValueError`` for a graph without the labels that :meth:`graph` gives.
        """
        if not {"charge", "spin"} <= graph.labels.keys():
            raise ValueError("a density needs a graph with its charge: make it with .graph")
        distances, x = self._states(graph)
        atoms = {z: torch.nonzero(graph.species == z)[:, 0] for z in self.basis.elements}
        atoms = {z: own for z, own in atoms.items() if len(own)}
        nuclei = segment_sum(graph.species.double(), graph.structure, graph.n_structures)
        totals = [nuclei - graph.labels["charge"], graph.labels["spin"]]
        found = []
        for n in range(len(self.heads)):
            coefficients = {z: self._head(n, z)(x[own]).double() for z, own in atoms.items()}
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
        return DensityPrediction(atoms, *found)

    def _states(
        self, graph: Graph
    ) -> tuple[Float[Tensor, " edge"], Float[Tensor, "atom features"]]:
        """Lengths of the edges; element, long range and every layer, side by side."""
        species = self.index[graph.species]
        vectors = graph.edge_vectors().to(self.dtype)
        inputs = {}
        if self.config.charge:
            share = graph.labels["charge"] / graph.atoms_per_structure
            inputs = {"charge": share[graph.structure][:, None].to(self.dtype)}
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
        root = self._head(channel, z).mix(0).double()
        way = torch.zeros_like(charge)
        way[:n] = root.T @ (root @ charge[:n]) + SMALL * charge[:n]
        return charge, way

    def _head(self, channel: int, z: int) -> DensityHead:
        """What reads out an element."""
        heads = self.heads[channel]
        assert isinstance(heads, nn.ModuleDict)
        head = heads[str(z)]
        assert isinstance(head, DensityHead)
        return head

    def predict(self, structures: Iterable[Structure], batch_size: int = 16) -> Iterator[Density]:
        """The densities of many structures, in their order; each has the centres of its bonds.

        Raises ``DataError`` as :meth:`graph` does.
        """
        source = (centered(structure, self.basis) for structure in structures)
        device = self.backbone.embedding.device
        while batch := list(islice(source, batch_size)):
            graph = collate([self.graph(structure) for structure in batch]).to(device)
            with torch.no_grad():
                yield from self._densities(batch, graph, self(graph))

    def _densities(
        self, batch: Sequence[Structure], graph: Graph, found: DensityPrediction
    ) -> Iterator[Density]:
        """One density for each structure of a batch."""
        sizes = np.array([self.basis.size(int(z)) for z in graph.species.tolist()])
        channels = [found.density] if found.spin is None else [found.density, found.spin]
        values = [flat(found.atoms, c, sizes).double().cpu().numpy() for c in channels]
        ends = np.cumsum(sizes)[np.cumsum([structure.n_atoms for structure in batch]) - 1]
        parts = [np.split(value, ends[:-1]) for value in values]
        for n, structure in enumerate(batch):
            own = [part[n] for part in parts]
            yield Density(structure, self.basis, own[0], own[1] if len(own) > 1 else None)


def _check_scalars(basis: DensityBasis) -> None:
    """Every element has functions that hold electrons."""
    without = [site_symbol(z) for z in basis.elements if basis.of(z)[0][0] > 0]
    if without:
        raise ValueError(
            f"the basis {basis.name} has no s functions for {', '.join(without)}, and the number "
            "of electrons is that of the nuclei: add one, or choose electrons: free"
        )


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


def counts(structure: Structure) -> dict[str, Tensor]:
    """Charge (e) and number of unpaired electrons of a structure, as labels of a graph.

    >>> counts(Structure(np.array([1]), np.zeros((1, 3)), labels={"charge": np.array(1.0)}))
    {'charge': tensor([1.], dtype=torch.float64), 'spin': tensor([0.], dtype=torch.float64)}
    """
    return {
        name: torch.tensor([float(structure.labels.get(name, 0.0))], dtype=torch.float64)
        for name in ("charge", "spin")
    }


def flat(
    atoms: Mapping[int, Tensor], coefficients: Mapping[int, Tensor], sizes: Int[np.ndarray, " atom"]
) -> Float[Tensor, " function"]:
    """The coefficients of all atoms one after the other; ``sizes`` is how many each atom has.

    >>> rows = {1: torch.tensor([[1.0], [3.0]]), 8: torch.tensor([[2.0, 2.5]])}
    >>> flat({1: torch.tensor([0, 2]), 8: torch.tensor([1])}, rows, np.array([1, 2, 1]))
    tensor([1.0000, 2.0000, 2.5000, 3.0000])
    """
    ends = torch.from_numpy(np.cumsum(sizes))
    starts = ends - torch.from_numpy(np.asarray(sizes))
    first = next(iter(coefficients.values()))
    places = [
        (starts[own.cpu(), None] + torch.arange(coefficients[z].shape[1])).flatten()
        for z, own in atoms.items()
    ]
    values = [coefficients[z].flatten() for z in atoms]
    found = first.new_zeros(int(ends[-1]))
    return found.index_copy(0, torch.cat(places).to(first.device), torch.cat(values))
