"""Phonon spectra of crystals: a density of states from every site, and what follows from it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from euclidium.atoms.dos import PhononDOS
from euclidium.atoms.elements import chemical_symbol
from euclidium.atoms.graph import Graph, collate
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure
from euclidium.atoms.symmetry import primitive, symmetric_graph
from euclidium.models.config import NequIPConfig, SpectrumConfig, check_alike
from euclidium.models.crystal import describe_crystal, element_shares, site_weights
from euclidium.models.elements import ElementEmbedding, MassEmbedding
from euclidium.models.lattice import Lattice, Vibrations
from euclidium.models.nequip import NequIP
from euclidium.models.peaks import Peaks
from euclidium.models.trees import Trees
from euclidium.ops.segments import segment_sum

DTYPES = {"float32": torch.float32, "float64": torch.float64}
NEAREST = 0.4  # Å, atoms closer than this overlap
ROOM = 300.0  # K
FEW = 1e-6  # share of the modes that every interval is given before training
LARGE = 8.0  # of logarithms of weights
BELOW = -1.0  # cm⁻¹, the upper border of intervals whose modes are imaginary
LEAST = 1e-3  # share of imaginary modes that makes no difference
SOFT = 20.0  # cm⁻¹, below which a lowest frequency is hardly told from zero


@dataclass(frozen=True)
class SpectrumPrediction:
    """What a model says about a batch: curves on its grid, and two numbers for each crystal.

    ``sites`` are the modes of each site in each interval, for one site of each orbit; a site has
    three (with the curve ``maximum`` no scale is meant). ``total`` is their mean over the atoms,
    with the share of the curve that comes from force constants in models that have them.
    ``top`` is the probability that the last peak lies between the middle of the interval before and
    that of each interval, ``unstable`` the logarithm of the odds that the crystal has imaginary
    modes, by the networks alone. ``lowest`` is arsinh(ω/20 cm⁻¹) of the lowest frequency, negative
    if imaginary, from a single network that learned it; ``direct`` are the curves of the sites
    alone and ``vibrations`` the waves, both of a single network with force constants.
    """

    sites: Float[Tensor, "orbit interval"]
    total: Float[Tensor, "structure interval"]
    top: Float[Tensor, "structure interval"]
    unstable: Float[Tensor, " structure"]
    lowest: Float[Tensor, " structure"] | None = None
    direct: Float[Tensor, "structure interval"] | None = None
    vibrations: Vibrations | None = None


@dataclass(frozen=True)
class SpectrumResult:
    """The phonon spectrum that a model predicts for a crystal.

    ``partial`` are the modes by element on the intervals of ``dos``, whose sum is the total;
    ``last_peak`` in cm⁻¹; ``unstable`` is the probability that more than 1 % of the modes are
    imaginary. ``uncertainty`` are standard deviations: of ``cv300`` (J/(K mol) for a mole of
    atoms), ``mean_frequency`` and ``last_peak`` (cm⁻¹), and ``dos51`` (the curve, as a share of its
    maximum). ``members`` are the totals of the single networks.
    """

    structure: Structure
    dos: PhononDOS
    partial: Mapping[str, Float[np.ndarray, " interval"]]
    last_peak: float
    unstable: float
    uncertainty: Mapping[str, float] = field(default_factory=dict)
    members: Float[np.ndarray, "member interval"] | None = None


class Readouts(NamedTuple):
    """What a network says about each site of a batch.

    ``curve`` are logarithms of modes in intervals; ``peaks`` are modes in intervals, with the share
    of all modes that they stand for. ``attention`` are the logarithms of the weights with which
    ``top`` is averaged, and those of ``stability`` and ``softest``. ``vibrations`` are those of the
    whole crystals.
    """

    curve: Float[Tensor, "orbit interval"]
    peaks: tuple[Float[Tensor, "orbit 1"], Float[Tensor, "orbit interval"]] | None
    top: Float[Tensor, "orbit interval"]
    stability: Float[Tensor, "orbit 1"]
    attention: Float[Tensor, "orbit 2"]
    softest: Float[Tensor, "orbit 1"] | None = None
    vibrations: Vibrations | None = None


class SpectrumNetwork(nn.Module):
    """One network of a ``Spectrum``: sites, neighbours, and what each site contributes.

    Site i contributes g_i = 3 [(1 − a_i) softmax(MLP(h_i)) + a_i p(h_i)], from the scalars h_i of
    all layers and the element, with p and a those of ``Peaks`` (without them a = 0); other readouts
    are means over the sites with learned weights. With ``lattice``, the share of the crystal's
    curve that it gives, there are force constants, too, see :class:`Lattice`.

    Raises as its parts do.
    """

    def __init__(
        self,
        config: SpectrumConfig,
        network: NequIPConfig,
        calibrate: bool = True,
        lattice: float = 0.0,
    ) -> None:
        super().__init__()
        channels, intervals = network.channels, config.n_intervals
        kinds = {"properties": ElementEmbedding, "masses": MassEmbedding}
        self.elements = kinds[config.elements](channels)
        self.backbone = NequIP(
            network,
            1,
            config.cutoff,
            config.mean_neighbors,
            {"elements": f"{channels}x0e"},
            calibrate,
        )
        width = channels * network.layers
        self.norm = nn.Sequential(nn.LayerNorm(width), nn.Dropout(config.feature_dropout))
        self.curve = _readout(width + channels, config.hidden, intervals, config.dropout)
        self.peaks = (
            Peaks(width + channels, config.hidden, grid_edges(config), config.peaks, config.dropout)
            if config.peaks
            else None
        )
        # one number of a crystal is learned by heart sooner than a curve of a site
        more = min(2 * config.dropout, 0.5)
        self.top = _readout(width + channels, config.hidden // 2, intervals, more)
        self.stability = _readout(width + channels, config.hidden // 4, 1, more)
        self.attention = _readout(width + channels, config.hidden // 4, 2, 0.0)
        self.imaginary = nn.Parameter(torch.tensor(0.5))
        self.softest: nn.Sequential | None = None
        if config.softest:
            self.softest = _readout(width + channels, config.hidden // 4, 1, more)
            self.softness = nn.Parameter(torch.tensor(0.5))
        self.channels, self.share = channels, lattice
        self.lattice: Lattice | None = None
        if lattice:
            irreps = self.backbone.hidden
            self.lattice = Lattice(
                irreps, width + channels, config.cutoff, grid_edges(config), config.symmetry
            )

    def forward(self, graph: Graph, vectors: Float[Tensor, "edge 3"]) -> Readouts:
        """Readouts of each site."""
        orbits = graph.orbits
        assert orbits is not None
        mixed = graph.occupations
        elements = self.elements(
            graph.species[orbits.representatives],
            None if mixed is None else mixed[orbits.representatives],
        )
        one = torch.zeros(orbits.n_orbits, dtype=torch.long, device=vectors.device)
        states = self.backbone.states(one, vectors, graph.edges, {"elements": elements}, orbits)
        scalars = torch.cat([state[:, : self.channels] for state in states], dim=1)
        h = torch.cat([self.norm(scalars), elements], dim=1)
        vibrations = None
        if self.lattice is not None:
            weights = site_weights(graph)[0].to(h)
            vibrations = self.lattice(graph, vectors, h, states[-2], weights)
        return Readouts(
            curve=self.curve(h),
            peaks=None if self.peaks is None else self.peaks(h),
            top=self.top(h),
            stability=self.stability(h),
            attention=self.attention(h),
            softest=None if self.softest is None else self.softest(h),
            vibrations=vibrations,
        )

    @torch.no_grad()
    def deviate(self, change: Float[Tensor, " interval"], curve: bool) -> None:
        """Say the same as before where the mean curve that it deviates from is less by a change.

        Of the logarithms of the modes; with ``curve``, those of the sites are deviations, too.
        """
        for readout in (self.top, self.curve) if curve else (self.top,):
            last = readout[-1]
            assert isinstance(last, nn.Linear)
            last.bias.add_(change.to(last.bias))


class Spectrum(nn.Module):
    """The phonon density of states of a crystal, predicted from its atoms in one step.

    g = (1/N) Σ_i c_i g_i,   ∫ g_i dω = 3

    Every site contributes a curve with three modes, whatever surrounds it, so the sum is a density
    of states of 3N modes that is nowhere negative, and curves of elements are parts of it.
    Imaginary frequencies are negative ones on the same grid. c_i is the occupation of the site; a
    mixed site is described by the average over its elements. Atoms that the space group makes
    equivalent are computed once: a supercell costs what its primitive cell does, and gives the
    same.

    Whether a crystal is stable depends on the whole of it, and networks soon know the training data
    by heart: a model may have :class:`Trees`, too, that tell from :func:`describe_crystal`. The
    logarithm of the odds that it is unstable is then a weighted sum, a network + b trees + c.

    Chen et al., Adv. Sci. 8, 2004214 (2021), https://doi.org/10.1002/advs.202004214, with other
    inputs, readouts and losses; ``SpectrumConfig`` can describe theirs.

    >>> from ase.build import bulk
    >>> from euclidium.models.config import NequIPConfig
    >>> model = Spectrum(SpectrumConfig(network=NequIPConfig(channels=4, layers=1))).eval()
    >>> result = next(model.predict([Structure.from_ase(bulk("MgO", "rocksalt", 4.21))]))
    >>> round(float(result.dos.modes.sum()), 4), sorted(result.partial)
    (3.0, ['Mg', 'O'])
    """

    edges: Tensor
    prior: Tensor
    weights: Tensor
    number_weights: Tensor

    def __init__(self, config: SpectrumConfig, calibrate: bool = True) -> None:
        super().__init__()
        self.config = config
        self.cutoff = config.cutoff
        self.members = nn.ModuleList(
            SpectrumNetwork(config, network, calibrate, lattice)
            for network, lattice in zip(config.network_of_each, config.lattice_of_each, strict=True)
        )
        for name in ("weights", "number_weights"):
            weights = torch.tensor(getattr(config, name) or (1.0,) * config.members)
            self.register_buffer(name, weights / weights.sum(), persistent=False)
        self.register_buffer("edges", grid_edges(config), persistent=False)
        self.trees = Trees(*config.trees) if config.trees else None
        # the mean curve of the training data, which sites deviate from
        self.register_buffer("prior", torch.zeros(config.n_intervals))
        self.to(DTYPES[config.dtype])

    @property
    def dtype(self) -> torch.dtype:
        """Type of the network's parameters."""
        return self.prior.dtype

    def set_prior(self, modes: Float[Tensor, " interval"]) -> None:
        """Begin with the mean curve of some data: the sites then learn the differences."""
        share = modes / modes.sum()
        self.prior.copy_(torch.log(share + FEW).to(self.prior))

    def set_trees(self, trees: Trees, stability: tuple[float, float, float]) -> None:
        """Tell of stability with trees: the weight of the networks, that of the trees, a constant.

        The trees read what :func:`describe_crystal` says of a crystal.
        """
        self.trees = trees.to(self.prior)
        size = len(trees.roots), len(trees.value)
        self.config = self.config.model_copy(update={"trees": size, "stability": stability})

    def graph(self, structure: Structure) -> Graph:
        """The graph of a crystal as the model reads it, symmetric atoms once.

        Force constants are those of a primitive cell, on whose waves the curve depends. Raises
        ``DataError`` as :func:`check_crystal` does.
        """
        check_crystal(structure)
        if any(member.share for member in self.members):
            structure = primitive(structure, self.config.symmetry)
        return symmetric_graph(structure, self.cutoff, self.config.symmetry)

    def forward(self, graph: Graph) -> SpectrumPrediction:
        """The mean of the members' predictions for a batch of graphs made by :meth:`graph`.

        Raises ``ValueError`` for a graph without orbits.
        """
        found = self.of_members(graph)
        if len(found) == 1:
            return found[0]
        curves, numbers = self.weights, self.number_weights
        return SpectrumPrediction(
            sites=_mean(curves, torch.stack([one.sites for one in found])),
            total=_mean(curves, torch.stack([one.total for one in found])),
            top=_mean(numbers, torch.stack([one.top for one in found])),
            unstable=_mean(numbers, torch.stack([one.unstable for one in found])),
        )

    def of_members(self, graph: Graph) -> list[SpectrumPrediction]:
        """The prediction of each network by itself; raises as :meth:`forward` does."""
        if graph.orbits is None:
            raise ValueError("a spectrum needs a graph with orbits: make it with Spectrum.graph")
        vectors = graph.edge_vectors().to(self.dtype)
        weights, crystal = site_weights(graph)
        return [
            self._prediction(graph, member, vectors, weights.to(self.dtype), crystal)
            for member in self.members
        ]

    def _prediction(
        self, graph: Graph, member: nn.Module, vectors: Tensor, weights: Tensor, crystal: Tensor
    ) -> SpectrumPrediction:
        """From readouts of sites to curves and numbers of crystals."""
        assert isinstance(member, SpectrumNetwork)
        curve, peaks, top, stability, attention, softest, vibrations = member(graph, vectors)
        n = graph.n_structures
        if self.config.curve == "maximum":
            # small, so that the scale by the largest value is defined everywhere
            sites = torch.relu(curve) + FEW
        else:
            sites = torch.softmax(curve + self.prior, dim=1)
            if peaks is not None:
                share, modes = peaks
                sites = (1 - share) * sites + share * modes
            sites = 3 * sites
        shares = weights[:, None] * attention.clamp(-LARGE, LARGE).exp()
        shares = shares / segment_sum(shares, crystal, n)[crystal]
        tops = torch.softmax(top + self.prior, dim=1)
        total = segment_sum(sites * weights[:, None], crystal, n)
        below = total[:, self.edges[1:] < BELOW].sum(dim=1) / total.sum(dim=1)
        unstable = segment_sum(stability * shares[:, 1:], crystal, n)[:, 0]
        unstable = unstable + member.imaginary * torch.log(below + LEAST)
        lowest = None
        if softest is not None:
            lowest = segment_sum(softest * shares[:, 1:], crystal, n)[:, 0]
            unstable = unstable - member.softness * lowest
        direct = None
        if vibrations is not None:
            direct = total
            share = member.share * vibrations.known.to(direct)[:, None]
            total = (1 - share) * direct + share * vibrations.curve
            if vibrations.sites is not None:
                sites = (1 - share[crystal]) * sites + share[crystal] * vibrations.sites
        return SpectrumPrediction(
            sites=sites,
            total=total,
            top=segment_sum(tops * shares[:, :1], crystal, n),
            unstable=unstable,
            lowest=lowest,
            direct=direct,
            vibrations=vibrations,
        )

    def predict(
        self, structures: Iterable[Structure], batch_size: int = 64
    ) -> Iterator[SpectrumResult]:
        """The spectra of many crystals, in their order.

        Raises ``DataError`` as :func:`check_crystal` does, ``RuntimeError`` for a model in training
        mode, whose predictions would be random.
        """
        if self.training:
            raise RuntimeError("the model is in training mode: call model.eval() first")
        source = iter(structures)
        device = self.prior.device
        while batch := list(islice(source, batch_size)):
            graphs, numbers = [], []
            for structure in batch:  # one after the other, while its symmetry is at hand
                graphs.append(self.graph(structure))
                if self.trees is not None:
                    numbers.append(describe_crystal(structure, self.config.symmetry))
            graph = collate(graphs).to(device)
            with torch.no_grad():
                found = self.of_members(graph)
            yield from self._results(batch, graph, found, self._unstable(found, numbers))

    def _unstable(
        self,
        found: Sequence[SpectrumPrediction],
        numbers: Sequence[Float[np.ndarray, " number"]],
    ) -> list[float]:
        """The probability that each crystal of a batch is unstable; trees read the numbers."""
        odds = _mean(self.number_weights, torch.stack([one.unstable for one in found]))
        if self.trees is not None:
            of_networks, of_trees, constant = self.config.stability
            said = self.trees(torch.from_numpy(np.stack(numbers)).to(odds.device))
            odds = of_networks * odds + of_trees * said + constant
        return odds.sigmoid().tolist()

    def _results(
        self,
        batch: Sequence[Structure],
        graph: Graph,
        found: Sequence[SpectrumPrediction],
        unstable: Sequence[float],
    ) -> Iterator[SpectrumResult]:
        """One result for each crystal of a batch."""
        assert graph.orbits is not None
        edges = self.edges.cpu().numpy()
        weights, crystal = site_weights(graph)
        shares = element_shares(graph) * weights[:, None]
        sites = _mean(self.weights, torch.stack([one.sites for one in found])).double().cpu()
        share, number_share = (
            w.double().cpu().numpy() for w in (self.weights, self.number_weights)
        )
        totals = torch.stack([one.total for one in found], dim=1).double().cpu()
        tops = torch.stack([one.top for one in found], dim=1).double().cpu()
        for n, structure in enumerate(batch):
            own = (crystal == n).cpu()
            scale = 3 / totals[n].sum(dim=1, keepdim=True)
            members = (totals[n] * scale).numpy()
            modes = share @ members
            parts = (shares[own].cpu().T @ sites[own]).numpy()
            parts *= modes / np.maximum(parts.sum(axis=0), 1e-300)
            peaks = _medians(edges, tops[n].numpy())
            top = number_share @ tops[n].numpy()
            disagreement = _disagreement(edges, members, peaks, self.config.broadening)
            yield SpectrumResult(
                structure=structure,
                dos=PhononDOS.of(structure, edges, modes, self.config.broadening),
                partial={
                    chemical_symbol(int(z)): parts[z] for z in np.flatnonzero(parts.sum(axis=1) > 0)
                },
                last_peak=float(_medians(edges, top[None])[0]),
                unstable=unstable[n],
                uncertainty=self._uncertainty(disagreement),
                members=members,
            )

    def _uncertainty(self, disagreement: Mapping[str, float]) -> dict[str, float]:
        """Standard deviations, from how far the members disagree."""
        known = self.config.uncertainty
        return {
            name: known[name][0] + known[name][1] * value
            for name, value in disagreement.items()
            if name in known
        }


def grid_edges(config: SpectrumConfig) -> Float[Tensor, " edge"]:
    """The borders of the intervals of a model's grid, cm⁻¹.

    >>> grid_edges(SpectrumConfig(grid=[(0, 20, 10), (20, 60, 20)])).tolist()
    [0.0, 10.0, 20.0, 40.0, 60.0]
    """
    parts = [
        torch.arange(round((stop - start) / width), dtype=torch.float64) * width + start
        for start, stop, width in config.grid
    ]
    return torch.cat([*parts, torch.tensor([config.grid[-1][1]], dtype=torch.float64)])


def check_crystal(structure: Structure) -> None:
    """Refuse what has no phonon spectrum: no cell along three axes, or atoms that overlap.

    Raises ``DataError`` with a sentence.

    >>> check_crystal(Structure(np.array([18]), np.zeros((1, 3))))
    Traceback (most recent call last):
    euclidium.atoms.problem.DataError: the structure is not periodic along three axes: ...
    """
    if not structure.pbc.all():
        raise DataError(
            f"{structure.origin} is not periodic along three axes: a phonon spectrum needs a "
            "crystal, give its three lattice vectors"
        )
    near = Graph.from_structures([structure], NEAREST, labels=())
    if near.n_edges:
        pair = int(near.edges.receivers[0]), int(near.edges.senders[0])
        distance = float(near.edge_vectors()[0].norm())
        raise DataError(
            f"{structure.origin}: atoms {pair[0]} and {pair[1]} are {distance:.2f} Å apart, they "
            "overlap: check the cell and the units of the positions (Å)"
        )


def combine(
    models: Sequence[Spectrum], weights: Sequence[float] = (), number_weights: Sequence[float] = ()
) -> Spectrum:
    """One model of several: their predictions are averaged.

    Curves have ``weights`` if there are some, last peaks and stabilities ``number_weights``: these
    numbers are learned by heart sooner than curves, so that another member may know them best.
    Trees are left out.

    Networks, dropout, the mean curves that they began with, and whether the lowest frequency was
    learned may differ. Raises ``ValueError`` for none, and for models that differ in their grid,
    cutoff, or anything else.

    >>> from euclidium.models.config import NequIPConfig
    >>> small = SpectrumConfig(network=NequIPConfig(channels=2, layers=1))
    >>> combine([Spectrum(small), Spectrum(small)]).config.members
    2
    """
    # dropout is a matter of training
    free = {"members": 1, "networks": (), "network": NequIPConfig(), "dropout": 0.0}
    free |= {"feature_dropout": 0.0, "weights": (), "number_weights": (), "softest": False}
    free |= {"lattice": 0.0, "lattices": (), "trees": None, "stability": (1.0, 0.0, 0.0)}
    check_alike([model.config for model in models], free)
    count = sum(len(model.members) for model in models)
    networks = [one for model in models for one in model.config.network_of_each]
    lattices = [one for model in models for one in model.config.lattice_of_each]
    differ = any(network != networks[0] for network in networks)
    config = models[0].config.model_dump() | {
        "members": count,
        "networks": networks if differ else (),
        "lattices": lattices if any(lattices) else (),
        "weights": weights,
        "number_weights": number_weights,
        "trees": None,
        "stability": (1.0, 0.0, 0.0),
        "softest": any(model.config.softest for model in models),
    }
    whole = Spectrum(SpectrumConfig.model_validate(config), calibrate=False)
    members = [(member, model.prior) for model in models for member in model.members]
    whole.prior.copy_(models[0].prior)
    for own, (member, prior) in zip(whole.members, members, strict=True):
        assert isinstance(own, SpectrumNetwork)
        _take(own, member)
        own.deviate(prior - whole.prior, whole.config.curve == "modes")
    return whole.eval()


def _take(member: nn.Module, other: nn.Module) -> None:
    """Take the weights of another member; a readout that it lacks has no effect."""
    weights = member.state_dict()
    zeros = {name: torch.zeros_like(w) for name, w in weights.items() if name.startswith("soft")}
    member.load_state_dict({**zeros, **other.state_dict()})


def _mean(
    weights: Float[Tensor, " member"], values: Float[Tensor, "member *shape"]
) -> Float[Tensor, "*shape"]:
    """The average over the members, with their weights."""
    return torch.tensordot(weights.to(values), values, dims=1)


def _readout(width: int, hidden: int, out: int, dropout: float) -> nn.Sequential:
    """A network of one hidden layer."""
    return nn.Sequential(
        nn.Linear(width, hidden), nn.SiLU(), nn.Dropout(dropout), nn.Linear(hidden, out)
    )


def _medians(
    edges: Float[np.ndarray, " edge"], probability: Float[np.ndarray, "row interval"]
) -> Float[np.ndarray, " row"]:
    """The median of each distribution over what lies between the middles of intervals."""
    below = np.pad(np.cumsum(probability, axis=1), ((0, 0), (1, 0)))
    below /= below[:, -1:]
    middles = np.append(edges[0], (edges[1:] + edges[:-1]) / 2)
    return np.array([np.interp(0.5, row + np.arange(len(row)) * 1e-12, middles) for row in below])


def _disagreement(
    edges: Float[np.ndarray, " edge"],
    members: Float[np.ndarray, "member interval"],
    peaks: Float[np.ndarray, " member"],
    broadening: float,
) -> dict[str, float]:
    """How far the members' predictions spread, as standard deviations."""
    if len(members) < 2:
        return dict.fromkeys(("cv300", "mean_frequency", "last_peak", "dos51"), 0.0)
    curves = [PhononDOS(edges, modes, broadening=broadening) for modes in members]
    paper = np.stack([curve.at(np.linspace(0, 1000, 51)) for curve in curves])
    paper /= paper.max(axis=1, keepdims=True)
    return {
        "cv300": float(np.std([float(curve.heat_capacity(ROOM)) for curve in curves], ddof=1)),
        "mean_frequency": float(np.std([curve.mean_frequency for curve in curves], ddof=1)),
        "last_peak": float(peaks.std(ddof=1)),
        "dos51": float(paper.std(axis=0, ddof=1).mean()),
    }
