"""The task of a density model: coefficients of Gaussians, compared as densities."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from euclidium.atoms.basis import DensityBasis
from euclidium.atoms.density import DensityRecord, degrees_of, electrons_of, moments_of
from euclidium.atoms.density_metric import Metric, density_metric
from euclidium.atoms.density_points import function_values, sample_points
from euclidium.atoms.graph import Graph
from euclidium.atoms.problem import DataError
from euclidium.models.config import DensityConfig
from euclidium.models.density import DensityModel, counts, flat
from euclidium.models.density_network import DensityHead, DensityPrediction
from euclidium.models.storage import save
from euclidium.train.loss import Term
from euclidium.train.metrics import Errors, Quantity
from euclidium.train.settings import DensityLossSettings, DensitySettings
from euclidium.train.task import Task
from euclidium.units import BOHR, HARTREE

MEV = 1e-3  # eV
METRICS: tuple[Metric, ...] = ("coulomb", "overlap")


@dataclass(frozen=True)
class Difference:
    """What is predicted less what is known of a structure: the density, and the spin density.

    ``charges`` are the electrons of each function, ``moments`` what it adds to the dipole (e·Å),
    ``factors`` the roots of the metrics, ``points`` the functions at some points, times the weights
    of the points.
    """

    values: Float[Tensor, "channel function"]
    electrons: float
    charges: Float[Tensor, " function"]
    moments: Float[Tensor, "function 3"]
    factors: Mapping[str, Float[Tensor, "function function"]]
    points: Float[Tensor, "point function"]


class DensityTask(Task[DensityModel, DensityPrediction]):
    """Learns densities from graphs that :func:`density_graph` labels.

    >>> basis = DensityBasis("one", {1: ((0, 0.5),)}, {1: np.array([0.7])})
    >>> config = DensityConfig(basis=basis.to_json())
    >>> DensityTask(config, DensityLossSettings(), {}).build().basis == basis
    True
    """

    def __init__(
        self,
        config: DensityConfig,
        loss: DensityLossSettings,
        statistics: Mapping[tuple[int, int], Float[Tensor, "atom function"]],
    ) -> None:
        self.config, self.settings, self.statistics = config, loss, statistics
        self.basis = DensityBasis.from_json(config.basis)

    @property
    def description(self) -> dict[str, Any]:
        """The configuration of the model."""
        return {"model": self.config.model_dump(mode="json")}

    def build(self) -> DensityModel:
        """A new model."""
        model = DensityModel(self.config)
        for (channel, z), differences in self.statistics.items():
            model.set_statistics(channel, z, differences)
        if self.settings.degrees is not None:
            leave_out(model, set(range(self.basis.lmax + 1)) - set(self.settings.degrees))
        return model

    def predict(self, model: DensityModel, graph: Graph) -> DensityPrediction:
        """The coefficients of a batch."""
        return model(graph)

    def loss(self, prediction: DensityPrediction, graph: Graph) -> dict[str, Term]:
        """The weighted terms: each is the mean of what is off for an electron."""
        differences = self._differences(prediction, graph)
        each = self.settings.average == "structures"
        shares = [1.0 if each else one.electrons for one in differences]
        found = {}
        for name in ("real_space", "dipole", *METRICS):
            if not getattr(self.settings, name):
                continue
            pairs = zip(shares, differences, strict=True)
            values = [share * self._penalty(name, one) for share, one in pairs]
            total = torch.stack(values).sum()
            found[name] = Term(getattr(self.settings, name), total, sum(shares))
        return found

    def _penalty(self, name: str, one: Difference) -> Tensor:
        """What is off in a structure, for an electron."""
        if name == "real_space":
            return 100 * (one.points @ one.values.T).abs().sum() / one.electrons
        if name == "dipole":
            return (one.values[0] @ one.moments).square().sum() / one.electrons
        square = (one.factors[name] @ one.values.T).square().sum()
        unit = HARTREE / MEV / 2 if name == "coulomb" else BOHR**-3
        return unit * square / one.electrons

    def errors(self) -> Errors:
        """Empty sums of errors."""
        quantities = [Quantity("electrons", "e", 1.0), Quantity("dipole", "e·Å", 1.0)]
        if self.settings.points:
            quantities.append(Quantity("epsilon", "% of electrons", 1.0))
        if self.settings.coulomb:
            quantities.append(Quantity("self_energy", "meV/electron", 1.0))
        return Errors(quantities)

    def measure(self, errors: Errors, prediction: DensityPrediction, graph: Graph) -> None:
        """Add the errors of a batch; ε is estimated on the points of the loss."""
        with torch.no_grad():
            for one in self._differences(prediction, graph):
                errors.add("electrons", one.values[0].double() @ one.charges)
                errors.add("dipole", one.values[0].double() @ one.moments.double())
                if self.settings.points:
                    errors.add("epsilon", self._penalty("real_space", one))
                if self.settings.coulomb:
                    errors.add("self_energy", self._penalty("coulomb", one))

    def _differences(self, prediction: DensityPrediction, graph: Graph) -> list[Difference]:
        """Of every structure of a batch, what is predicted less what is known."""
        sizes = np.array([self.basis.size(int(z)) for z in graph.species.tolist()])
        atoms = graph.atoms_per_structure.tolist()
        ends = np.cumsum(sizes)[np.cumsum(atoms) - 1]
        functions = np.diff(ends, prepend=0).tolist()
        labels = graph.labels
        values = [flat(prediction.atoms, prediction.density, sizes) - labels["coefficients"]]
        if prediction.spin is not None:
            values.append(flat(prediction.atoms, prediction.spin, sizes) - labels["spins"])
        off = torch.stack(values).to(next(iter(prediction.density.values())).dtype)
        if self.settings.degrees is not None:
            degrees = degrees_of(self.basis, graph.species.cpu().numpy())
            learned = np.isin(degrees, self.settings.degrees)
            off = off * torch.from_numpy(learned).to(off)
        squares = [n * n for n in functions]
        factors = {
            name: labels[name].split(squares) for name in METRICS if getattr(self.settings, name)
        }
        count = self.settings.points
        samples = labels["points"].split([n * count for n in functions]) if count else None
        charges = labels["charges"].split(functions)
        moments = labels["moments"].split(functions)
        found = []
        for i, (n, own) in enumerate(zip(functions, off.split(functions, dim=1), strict=True)):
            own = own.to(torch.float32)
            found.append(
                Difference(
                    values=own,
                    electrons=float(labels["electrons"][i]),
                    charges=charges[i],
                    moments=moments[i].to(own),
                    factors={name: f[i].view(n, n) for name, f in factors.items()},
                    points=samples[i].view(count, n) if samples else own.new_zeros(0, n),
                )
            )
        return found

    def save(
        self,
        model: DensityModel,
        path: str | os.PathLike[str],
        metrics: Mapping[str, Any],
        provenance: Mapping[str, Any],
    ) -> None:
        """Write the model to one file."""
        save(model, path, metrics, provenance)


@torch.no_grad()
def leave_out(model: DensityModel, degrees: Collection[int]) -> None:
    """Let a new model give the coefficients of some degrees as they are in isolated atoms.

    No loss that counts only the others changes them.

    >>> basis = DensityBasis("one", {1: ((0, 0.5), (1, 0.5))}, {1: np.array([0.7])})
    >>> model = DensityModel(DensityConfig(basis=basis.to_json()))
    >>> leave_out(model, {1})
    >>> model.networks[0].head(0, 1).second.weights["1o"].abs().max().item()
    0.0
    """
    for head in (module for module in model.modules() if isinstance(module, DensityHead)):
        for block in head.irreps_out:
            if block.ir.l in degrees and str(block.ir) in head.second.weights:
                head.second.weights[str(block.ir)].zero_()
        if 0 in degrees:
            head.mean.zero_()
    flows = [network.flow for network in model.networks if network.flow is not None]
    if 0 in degrees:
        for parameter in (p for flow in flows for p in flow.network.parameters()):
            parameter.zero_()


def density_graph(
    record: DensityRecord, cutoff: float, settings: DensityLossSettings, seed: int = 0
) -> Graph:
    """The graph of a record with its labels, and all that the loss needs of its functions.

    ``cutoff`` in Å. The matrices of the metrics are kept as their Cholesky factors.

    Raises ``DataError`` where a metric or the sampling of points does, and where functions are so
    similar that a matrix has no root.

    >>> from euclidium.atoms import Density, Structure
    >>> basis = DensityBasis("one", {1: ((0, 0.5),)}, {1: np.array([0.3])})
    >>> structure = Structure(np.array([1]), np.zeros((1, 3)))
    >>> record = DensityRecord("H", Density(structure, basis, np.array([0.3])))
    >>> graph = density_graph(record, 5.0, DensityLossSettings(points=100))
    >>> graph.labels["points"].shape, graph.labels["coefficients"].tolist()
    (torch.Size([100]), [0.3])
    """
    density = record.density
    structure, basis = density.structure, density.basis
    charges = electrons_of(basis, structure.species)
    labels = counts(record.structure)
    labels["electrons"] = torch.tensor([density.electrons], dtype=torch.float64)
    labels["coefficients"] = torch.from_numpy(np.array(density.coefficients))
    labels["charges"] = torch.from_numpy(charges)
    labels["moments"] = torch.from_numpy(moments_of(basis, structure))
    if density.spin is not None:
        labels["spins"] = torch.from_numpy(np.array(density.spin))
    for name in METRICS:
        if getattr(settings, name):
            labels[name] = _root(record, name).float().flatten()
    if settings.points:
        points, weights = sample_points(structure, basis, settings.points, seed)
        values = function_values(structure, basis, points) * torch.from_numpy(weights)[:, None]
        labels["points"] = (values / BOHR**3).float().flatten()
    graph = Graph.from_structures([structure], cutoff, labels=(), centers=True)
    return graph.replace(labels=labels)


def _root(record: DensityRecord, metric: Metric) -> Float[Tensor, "function function"]:
    """U with UᵀU the matrix of a metric.

    In a small cell sums of wide functions over the lattice are the same on all atoms, or nothing:
    then the matrix is singular, and what rounding makes of its zeros is left out.
    """
    density = record.density
    matrix = density_metric(density.structure, density.basis, metric)
    if density.structure.pbc.any():
        squares, axes = torch.linalg.eigh(matrix)
        return squares.clamp_min(0.0).sqrt()[:, None] * axes.T
    found, problem = torch.linalg.cholesky_ex(matrix)
    if problem:
        raise DataError(
            f"{record.name}: functions of the basis {density.basis.name} are so similar that their "
            f"{metric} matrix is singular to rounding: leave out the smallest exponents"
        )
    return found.T


def density_config(
    settings: DensitySettings, basis: DensityBasis, spin: bool, part: Sequence[Graph]
) -> DensityConfig:
    """The configuration of a model, with what is ``auto`` taken from some graphs."""
    found = settings.mean_neighbors
    if found == "auto":
        found = sum(graph.n_edges for graph in part) / sum(graph.n_atoms for graph in part)
    return DensityConfig(
        **settings.model_dump(exclude={"mean_neighbors"}),
        basis=basis.to_json(),
        mean_neighbors=max(float(found), 1.0),
        spin=spin,
    )


def learned_differences(
    part: Sequence[Graph], config: DensityConfig
) -> dict[tuple[int, int], Float[Tensor, "atom function"]]:
    """What is to be learned of the atoms of each element, by channel and atomic number.

    Channel 0 is the density less the isolated atoms, channel 1 the spin density.
    """
    basis = DensityBasis.from_json(config.basis)
    rows: dict[tuple[int, int], list[Tensor]] = {}
    for graph in part:
        species = graph.species.tolist()
        sizes = [basis.size(z) for z in species]
        isolated = torch.from_numpy(basis.superposition(species))
        channels = [graph.labels["coefficients"] - isolated]
        if config.spin:
            channels.append(graph.labels["spins"])
        for n, values in enumerate(channels):
            for z, own in zip(species, values.split(sizes), strict=True):
                rows.setdefault((n, z), []).append(own)
    return {key: torch.stack(own) for key, own in rows.items()}
