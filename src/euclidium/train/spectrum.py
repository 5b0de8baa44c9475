"""The task of a spectrum model: phonon densities of states, and what follows from them."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from euclidium.atoms.dataset import Dataset
from euclidium.atoms.dos import KELVIN, LOWEST, SHARPEST, PhononDOS, smoothing
from euclidium.atoms.elements import atomic_number
from euclidium.atoms.graph import Graph
from euclidium.atoms.phonon_record import GRID51, WIDTH51, PhononRecord
from euclidium.atoms.symmetry import symmetric_graph
from euclidium.models.config import SpectrumConfig
from euclidium.models.crystal import site_weights
from euclidium.models.lattice import Vibrations
from euclidium.models.spectrum import (
    SOFT,
    Spectrum,
    SpectrumPrediction,
    check_crystal,
    grid_edges,
)
from euclidium.models.storage import save
from euclidium.train.loss import Term
from euclidium.train.metrics import Errors, Quantity
from euclidium.train.parts import Part
from euclidium.train.settings import SpectrumLossSettings, SpectrumSettings
from euclidium.train.task import Task
from euclidium.units import GAS_CONSTANT

ROOM = 300.0  # K
UNSTABLE = 0.02  # share of imaginary modes that counts as certainly unstable
PEAKS = 32  # of a site
NEAR = 0.3  # of the lowest frequency, where the penalty turns from a parabola to a line
UNIT, SHARE = 20.0, 0.05  # of errors of frequencies at Γ: cm⁻¹, and of the frequency
BOUNDS = (-300.0, 4600.0)  # cm⁻¹, of these frequencies
FINER = 8  # points of an interval at which the heat capacity is integrated


class SpectrumTask(Task[Spectrum, SpectrumPrediction]):
    """Learns spectra from graphs that :func:`spectrum_graph` labels.

    >>> from euclidium.models.config import NequIPConfig
    >>> config = SpectrumConfig(network=NequIPConfig(channels=4, layers=1))
    >>> SpectrumTask(config, SpectrumLossSettings(), np.ones(245)).build().config == config
    True
    """

    def __init__(
        self,
        config: SpectrumConfig,
        loss: SpectrumLossSettings,
        prior: Float[np.ndarray, " interval"],
    ) -> None:
        self.config, self.settings, self.prior = config, loss, np.asarray(prior)
        self.integrals = Integrals.on(grid_edges(config).numpy(), config.broadening)

    @property
    def description(self) -> dict[str, Any]:
        """The configuration of the model, and the mean curve it begins with."""
        return {"model": self.config.model_dump(mode="json"), "prior": self.prior.tolist()}

    def build(self) -> Spectrum:
        """A new model."""
        model = Spectrum(self.config)
        if self.config.curve == "modes":
            model.set_prior(torch.from_numpy(self.prior))
        return model

    def predict(self, model: Spectrum, graph: Graph) -> SpectrumPrediction:
        """The curves of a batch."""
        return model(graph)

    def loss(self, prediction: SpectrumPrediction, graph: Graph) -> dict[str, Term]:
        """The weighted terms of the curve, its integrals, and the two numbers beside it."""
        weights, n = self.settings, graph.n_structures
        terms = {}
        for name, values in self._penalties(prediction, graph).items():
            terms[name] = Term(getattr(weights, name), values.sum(), n)
        return terms

    def _penalties(self, prediction: SpectrumPrediction, graph: Graph) -> dict[str, Tensor]:
        """The penalties whose weight is not zero, one for each crystal."""
        weights, labels, own = self.settings, graph.labels, self.integrals.to(prediction.top)
        direct = prediction.total if prediction.direct is None else prediction.direct
        found = self._of_curves(direct, graph) | {
            "partial": lambda: _partial(prediction, graph),
            "last_peak": lambda: own.ranked_probability(prediction.top, labels["last_peak"]),
            "stability": lambda: functional.binary_cross_entropy_with_logits(
                prediction.unstable,
                (labels["imaginary"] / UNSTABLE).clamp(max=1.0),
                reduction="none",
            ),
        }
        if (lowest := prediction.lowest) is not None:
            found["lowest"] = partial(_of_lowest, lowest, labels["lowest"])
        if (vibrations := prediction.vibrations) is not None:
            found["lattice"] = partial(self._of_lattice, vibrations, graph)
            found["gamma"] = partial(_of_gamma, vibrations, graph)
            found["charges"] = partial(_of_charges, vibrations, graph)
        return {name: values() for name, values in found.items() if getattr(weights, name) > 0}

    def _of_curves(self, modes: Tensor, graph: Graph) -> dict[str, Callable[[], Tensor]]:
        """The penalties of curves and their integrals."""
        labels, own = graph.labels, self.integrals.to(modes)
        curve = own.paper_curve(modes)
        wanted = labels["curve51"].to(curve)
        return {
            "modes": lambda: (modes - labels["modes"]).abs().sum(1) / 3,
            "cumulative": lambda: own.distance(modes, labels["modes"]),
            "curve_mse": lambda: (curve - wanted).square().mean(1),
            "curve_mae": lambda: (curve - wanted).abs().mean(1),
            "heat_capacity": lambda: (modes @ own.heat - labels["heat_capacity"]).abs(),
        }

    def _of_lattice(self, vibrations: Vibrations, graph: Graph) -> Tensor:
        """The weighted penalties of the curves that force constants give, where they do."""
        parts = self._of_curves(vibrations.curve, graph).items()
        values = [getattr(self.settings, name) * penalty() for name, penalty in parts]
        return torch.stack(values).sum(0) * vibrations.known.to(vibrations.curve)

    def errors(self) -> Errors:
        """Empty sums of errors."""
        return Errors(
            [
                Quantity("dos51", "of the maximum", 1.0),
                Quantity("heat_capacity", "J/(K mol)", 1.0),
                Quantity("mean_frequency", "cm⁻¹", 1.0),
                Quantity("last_peak", "cm⁻¹", 1.0),
            ]
        )

    def measure(self, errors: Errors, prediction: SpectrumPrediction, graph: Graph) -> None:
        """Add the errors of a batch."""
        labels, own = graph.labels, self.integrals.to(prediction.total)
        modes = 3 * prediction.total / prediction.total.sum(1, keepdim=True)
        errors.add("dos51", own.paper_curve(modes) - labels["curve51"])
        errors.add("heat_capacity", modes @ own.heat - labels["heat_capacity"])
        errors.add("mean_frequency", own.mean_frequency(modes) - labels["mean_frequency"])
        errors.add("last_peak", own.median(prediction.top) - labels["last_peak"])

    def save(
        self,
        model: Spectrum,
        path: str | os.PathLike[str],
        metrics: Mapping[str, Any],
        provenance: Mapping[str, Any],
    ) -> None:
        """Write the model to one file."""
        save(model, path, metrics, provenance)


@dataclass(frozen=True)
class Integrals:
    """Matrices from modes in intervals to what is measured; all that a loss needs of a grid.

    >>> own = Integrals.on(np.array([0.0, 100.0, 200.0]))
    >>> own.paper.shape, own.heat.shape
    (torch.Size([2, 51]), torch.Size([2]))
    """

    edges: Float[Tensor, " edge"]
    paper: Float[Tensor, "interval 51"]
    heat: Float[Tensor, " interval"]  # C_v at 300 K of a mode, J/(K mol)

    @classmethod
    def on(cls, edges: Float[np.ndarray, " edge"], broadening: float = 0.0) -> "Integrals":
        """Those of a grid, for curves that have Gaussians of some width (cm⁻¹) already."""
        missing = max(WIDTH51**2 - broadening**2, SHARPEST**2) ** 0.5
        paper = smoothing(edges, GRID51, missing).T
        places = (np.arange(FINER) + 0.5) / FINER
        points = edges[:-1, None] + np.diff(edges)[:, None] * places
        x = KELVIN * np.maximum(points, LOWEST) / ROOM
        heat = np.where(points > LOWEST, np.square(x / 2 / np.sinh(x / 2)), 0.0).mean(axis=1)
        arrays = edges, paper, GAS_CONSTANT * heat
        return cls(*(torch.from_numpy(np.ascontiguousarray(a)) for a in arrays))

    def to(self, like: Float[Tensor, "..."]) -> "Integrals":
        """The same with the type and on the device of a tensor."""
        return Integrals(self.edges.to(like), self.paper.to(like), self.heat.to(like))

    @property
    def widths(self) -> Float[Tensor, " interval"]:
        """Widths of the intervals, cm⁻¹."""
        return self.edges.diff()

    @property
    def centers(self) -> Float[Tensor, " interval"]:
        """Middles of the intervals, cm⁻¹."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    def paper_curve(self, modes: Float[Tensor, "row interval"]) -> Float[Tensor, "row 51"]:
        """The curve at 0, 20, … 1000 cm⁻¹, of Chen et al. 2021, divided by its maximum."""
        curve = modes @ self.paper
        return curve / curve.amax(dim=1, keepdim=True).clamp_min(1e-9)

    def distance(
        self, a: Float[Tensor, "row interval"], b: Float[Tensor, "row interval"]
    ) -> Float[Tensor, " row"]:
        """Wasserstein distance of two curves of three modes, cm⁻¹: how far a mode is off."""
        return ((a - b).cumsum(1).abs() * self.widths).sum(1) / 3

    def mean_frequency(self, modes: Float[Tensor, "row interval"]) -> Float[Tensor, " row"]:
        """The mean over the modes whose frequency is real, cm⁻¹."""
        real = modes * (self.edges[1:] > 0)
        return real @ self.centers.clamp_min(0.0) / real.sum(1).clamp_min(1e-9)

    def ranked_probability(
        self, probability: Float[Tensor, "row interval"], value: Float[Tensor, " row"]
    ) -> Float[Tensor, " row"]:
        """Continuous ranked probability score ∫(P(ω) − [ω > ω₀])² dω, cm⁻¹.

        P at the middle of an interval is the sum of the probabilities up to it.

        Gneiting and Raftery, J. Am. Stat. Assoc. 102, 359 (2007),
        https://doi.org/10.1198/016214506000001437
        """
        places = self.centers - value[:, None]
        above = (places > 0).to(probability) + (places == 0).to(probability) / 2
        return ((probability.cumsum(1) - above).square() * self.widths).sum(1)

    def median(self, probability: Float[Tensor, "row interval"]) -> Float[Tensor, " row"]:
        """About the median of each distribution, cm⁻¹: half way between two middles."""
        return self.edges[(probability.cumsum(1) < 0.5).sum(1).clamp(max=len(self.heat) - 1)]


def _of_lowest(lowest: Float[Tensor, " row"], wanted: Float[Tensor, " row"]) -> Tensor:
    """How far the lowest frequencies are off; crystals for which it is not known do not count."""
    known = wanted.isfinite()
    reduced = torch.asinh(torch.where(known, wanted, 0.0) / SOFT).to(lowest)
    return functional.smooth_l1_loss(lowest, reduced, beta=NEAR, reduction="none") * known


def _of_gamma(vibrations: Vibrations, graph: Graph) -> Tensor:
    """How far frequencies at Γ are off, where both are known."""
    labels = graph.labels["gamma"].to(vibrations.curve)
    found = []
    for waves, rows in zip(
        vibrations.frequencies, labels.split(graph.atoms_per_structure.tolist()), strict=True
    ):
        if waves is None or not bool(rows.isfinite().all()):
            found.append(labels.new_zeros(()))
        else:
            wanted = rows.flatten()
            found.append(((waves[0] - wanted).abs() / (UNIT + SHARE * wanted.abs())).mean())
    return torch.stack(found)


def _of_charges(vibrations: Vibrations, graph: Graph) -> Tensor:
    """How far Born charges are off, where they are known."""
    wanted = graph.labels["born"].to(vibrations.charges)
    known = wanted.isfinite().flatten(1).all(1)
    off = torch.where(known[:, None, None], vibrations.charges - wanted, 0.0).abs().mean((1, 2))
    sums = off.new_zeros(graph.n_structures).index_add(0, graph.structure, off)
    return sums / graph.atoms_per_structure


def _partial(prediction: SpectrumPrediction, graph: Graph) -> Tensor:
    """Modes of each element in wrong intervals, by crystal, zero where these are not known."""
    assert graph.orbits is not None
    weights, crystal = site_weights(graph)
    weights = weights.to(prediction.sites)
    chosen = graph.orbits.representatives
    keys, group = torch.unique(crystal * 128 + graph.species[chosen], return_inverse=True)
    wanted = graph.labels["site_modes"][chosen].to(prediction.sites)
    error = torch.where(wanted.isfinite(), prediction.sites - wanted, 0.0) * weights[:, None]
    of_group = error.new_zeros(len(keys), error.shape[1]).index_add(0, group, error)
    misplaced = of_group.abs().sum(1) / 3
    return misplaced.new_zeros(graph.n_structures).index_add(0, keys // 128, misplaced)


def spectrum_graph(record: PhononRecord, config: SpectrumConfig) -> Graph:
    """The graph of a record with its labels: modes on the grid of the model, and numbers.

    Raises ``DataError`` for what is no crystal.

    >>> from euclidium.atoms.structure import Structure
    >>> argon = Structure(np.array([18]), np.zeros((1, 3)), 5 * np.eye(3), np.ones(3, bool))
    >>> record = PhononRecord.of("argon", argon, PhononDOS(np.array([0.0, 60.0]), np.array([3.0])))
    >>> graph = spectrum_graph(record, SpectrumConfig())
    >>> tuple(graph.labels["modes"].shape), round(float(graph.labels["modes"].sum()), 3)
    ((1, 245), 3.0)
    """
    check_crystal(record.structure)
    graph = symmetric_graph(record.structure, config.cutoff, config.symmetry)
    edges = grid_edges(config).numpy()
    numbers = {
        "heat_capacity": record.heat_capacity,
        "mean_frequency": record.mean_frequency,
        "last_peak": record.last_peak,
        "imaginary": record.imaginary,
        "lowest": float(str(record.info.get("wmin", "nan"))),
    }
    labels = {name: torch.tensor([value]).float() for name, value in numbers.items()}
    labels["modes"] = torch.from_numpy(rebinned(record.dos, edges)[None]).float()
    labels |= _of_waves(record)
    largest = float(record.dos51.max())
    labels["curve51"] = torch.from_numpy(record.dos51[None] / (largest or 1.0)).float()
    labels["site_modes"] = torch.from_numpy(_site_modes(record, edges)).float()
    return graph.replace(labels=labels)


def _of_waves(record: PhononRecord) -> dict[str, Tensor]:
    """Frequencies at Γ and charges as rows of the atoms, not a number where they are not known."""
    n = record.structure.n_atoms
    gamma, born = torch.full((n, 3), math.nan), torch.full((n, 3, 3), math.nan)
    found, charges, constant = (_array(record.info.get(k)) for k in ("gamma", "born", "eps"))
    if found.shape == (3 * n,):
        gamma = torch.from_numpy(np.sort(found).clip(*BOUNDS)).float().reshape(n, 3)
    if charges.shape == (n, 3, 3) and constant.shape == (3, 3):
        born = torch.from_numpy(charges / (np.trace(constant) / 3) ** 0.5).float()
    return {"gamma": gamma, "born": born}


def _array(value: Any) -> np.ndarray:
    """Numbers, or one that is none."""
    return np.asarray(math.nan if value is None else value, dtype=np.float64)


def _site_modes(record: PhononRecord, edges: np.ndarray) -> np.ndarray:
    """For each atom the mean curve of its element; not numbers where these are not known."""
    species = record.structure.species
    found = np.full((len(species), len(edges) - 1), np.nan)
    if record.partial is None or record.structure.occupations is not None:
        return found
    found[:] = 0.0
    for symbol, modes in record.partial.items():
        own = species == atomic_number(symbol)
        if modes.sum() > 0:
            curve = PhononDOS(record.dos.edges, np.maximum(modes, 0.0) * 3 / modes.sum())
            found[own] = rebinned(curve, edges)
    return found


def rebinned(dos: PhononDOS, edges: Float[np.ndarray, " edge"]) -> Float[np.ndarray, " interval"]:
    """The modes of a curve in other intervals; what lies outside is counted at the ends.

    >>> curve = PhononDOS(np.array([0.0, 10.0, 20.0]), np.array([1.0, 2.0]))
    >>> rebinned(curve, np.array([5.0, 15.0, 25.0])).tolist()
    [2.0, 1.0]
    """
    below = np.append(0.0, np.cumsum(dos.modes))
    at = np.interp(edges, dos.edges, below)
    at[0], at[-1] = 0.0, below[-1]
    return np.asarray(np.diff(at))


def spectrum_dataset(records: Sequence[PhononRecord], config: SpectrumConfig) -> Dataset:
    """Labelled graphs of many records, in memory."""
    return Dataset([spectrum_graph(record, config) for record in records])


def spectrum_config(settings: SpectrumSettings, mean_neighbors: float) -> SpectrumConfig:
    """The configuration of a model, with what is ``auto`` taken from the training crystals."""
    own = settings.model_dump()
    if own["mean_neighbors"] == "auto":
        own["mean_neighbors"] = mean_neighbors
    if own["peaks"] == "auto":
        own["peaks"] = PEAKS if settings.curve == "modes" else 0
    return SpectrumConfig(**own)


def mean_curve(part: Part) -> Float[np.ndarray, " interval"]:
    """The mean of the curves of some graphs."""
    return np.asarray(torch.cat([graph.labels["modes"] for graph in part]).double().mean(0))


def mean_site_neighbors(part: Part) -> float:
    """Mean number of neighbours of the representatives."""
    edges = sum(graph.n_edges for graph in part)
    return edges / sum(graph.orbits.n_orbits for graph in part if graph.orbits is not None)
