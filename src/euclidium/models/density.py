"""Electron densities of molecules and crystals: coefficients of Gaussians on the atoms."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from euclidium.models.config import DensityConfig, check_alike
from euclidium.models.density_network import DensityNetwork, DensityPrediction
from euclidium.models.nequip import Interaction
from euclidium.models.potential import DTYPES


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
    :class:`~euclidium.models.LongRange`. With several ``members`` the density is the mean of those
    of several networks, see :func:`combine_densities`.

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
        self.members = nn.ModuleList(
            DensityNetwork(config, self.basis, calibrate) for _ in range(config.members)
        )
        index = torch.full((max(elements) + 1,), -1)
        index[list(elements)] = torch.arange(len(elements))
        self.register_buffer("index", index, persistent=False)
        self.to(DTYPES[config.dtype])

    @property
    def networks(self) -> list[DensityNetwork]:
        """The members, whose densities are averaged."""
        return [member for member in self.members if isinstance(member, DensityNetwork)]

    @property
    def dtype(self) -> torch.dtype:
        """Type of the network's parameters."""
        return self.networks[0].backbone.embedding.dtype

    @torch.no_grad()
    def set_statistics(
        self, channel: int, z: int, differences: Float[Tensor, "atom function"]
    ) -> None:
        """Begin with the mean and covariance of what is to be learned of an element.

        ``differences`` are coefficients less those of the isolated atom; ``channel`` 0 is the
        density, 1 the spin density.
        """
        irreps = self.basis.irreps(z)
        for block, where in zip(irreps, irreps.slices(), strict=True):
            own = differences[:, where].double().reshape(-1, block.ir.dim, block.mul)
            rows = own.flatten(0, 1)
            mean = rows.mean(0)
            if block.ir.l == 0:
                rows = rows - mean
            size, axes = torch.linalg.eigh(rows.T @ rows / len(rows))
            root = (axes * size.clamp_min(0.0).sqrt()).T
            for head in (network.head(channel, z) for network in self.networks):
                head.mix(block.ir.l).copy_(root)
                if block.ir.l == 0:
                    head.mean.copy_(mean)

    def graph(self, structure: Structure) -> Graph:
        """The graph of a structure as the model reads it, with its charge and unpaired electrons.

        With centres of bonds if the basis has functions for them, see
        :func:`~euclidium.atoms.centers.centered`. Raises ``DataError`` for an element that the
        basis lacks, and where the model knows the long range for a structure that is periodic in
        one or two directions.
        """
        structure = centered(structure, self.basis)
        if self.config.long_range is not None and structure.pbc.any() != structure.pbc.all():
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
        found = self.of_members(graph)
        if len(found) == 1:
            return found[0]
        spins = [one.spin for one in found if one.spin is not None]
        return DensityPrediction(
            found[0].atoms, _mean([one.density for one in found]), _mean(spins) if spins else None
        )

    def of_members(self, graph: Graph) -> list[DensityPrediction]:
        """What each network predicts of a batch; raises as :meth:`forward` does."""
        if not {"charge", "spin"} <= graph.labels.keys():
            raise ValueError("a density needs a graph with its charge: make it with .graph")
        vectors = graph.edge_vectors().to(self.dtype)
        species = self.index[graph.species]
        atoms = {z: torch.nonzero(graph.species == z)[:, 0] for z in self.basis.elements}
        atoms = {z: own for z, own in atoms.items() if len(own)}
        return [
            DensityPrediction(atoms, *network(graph, vectors, species, atoms))
            for network in self.networks
        ]

    def predict(self, structures: Iterable[Structure], batch_size: int = 16) -> Iterator[Density]:
        """The densities of many structures, in their order; each has the centres of its bonds.

        Raises ``DataError`` as :meth:`graph` does.
        """
        for batch, graph in self._batches(structures, batch_size):
            with torch.no_grad():
                yield from self._densities(batch, graph, self(graph))

    def predict_members(
        self, structures: Iterable[Structure], batch_size: int = 16
    ) -> Iterator[list[Density]]:
        """The densities by each network, whose mean :meth:`predict` gives.

        How far they are apart tells how far the mean is off. Raises ``DataError`` as :meth:`graph`.
        """
        for batch, graph in self._batches(structures, batch_size):
            with torch.no_grad():
                found = [self._densities(batch, graph, one) for one in self.of_members(graph)]
            yield from (list(densities) for densities in zip(*found, strict=True))

    def _batches(
        self, structures: Iterable[Structure], batch_size: int
    ) -> Iterator[tuple[list[Structure], Graph]]:
        """Structures with the centres of their bonds, some at a time, and their graph."""
        source = (centered(structure, self.basis) for structure in structures)
        while batch := list(islice(source, batch_size)):
            graph = collate([self.graph(structure) for structure in batch])
            yield batch, graph.to(self.index.device)

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


def combine_densities(models: Sequence[DensityModel]) -> DensityModel:
    """One model of several, which were trained alike: the mean of their densities.

    What single networks learned by heart differs between them, and errors of the mean are smaller.
    Their ``mean_neighbors`` may differ, which their weights make up for. Raises ``ValueError`` for
    none, and for models that differ in anything else.

    >>> from euclidium.models.config import NequIPConfig
    >>> basis = DensityBasis("s", {1: ((0, 0.5),)}, {1: np.array([0.4])})
    >>> config = DensityConfig(basis=basis.to_json(), network=NequIPConfig(channels=4, layers=1))
    >>> combine_densities([DensityModel(config), DensityModel(config)]).config.members
    2
    """
    configs = [model.config for model in models]
    check_alike(configs, {"members": 1, "mean_neighbors": 1.0})
    networks = [(model, network) for model in models for network in model.networks]
    config = configs[0].model_copy(update={"members": len(networks)})
    whole = DensityModel(config, calibrate=False)
    for own, (model, network) in zip(whole.networks, networks, strict=True):
        own.load_state_dict(network.state_dict())
        _rescale(own, config.mean_neighbors / model.config.mean_neighbors)
    return whole.eval()


@torch.no_grad()
def _rescale(network: DensityNetwork, factor: float) -> None:
    """The same network, where sums over neighbours are divided by a larger number of them."""
    for layer in network.modules():
        if isinstance(layer, Interaction):
            for weight in layer.down.parameters():
                weight.mul_(factor**0.5)


def _mean(members: Sequence[Mapping[int, Tensor]]) -> dict[int, Tensor]:
    """The mean of the coefficients of each element."""
    return {z: torch.stack([one[z] for one in members]).mean(0) for z in members[0]}


def _check_scalars(basis: DensityBasis) -> None:
    """Every element has functions that hold electrons."""
    without = [site_symbol(z) for z in basis.elements if basis.of(z)[0][0] > 0]
    if without:
        raise ValueError(
            f"the basis {basis.name} has no s functions for {', '.join(without)}, and the number "
            "of electrons is that of the nuclei: add one, or choose electrons: free"
        )


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
