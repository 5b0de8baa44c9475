"""What each degree l does in a trained network: sizes of features, paths, and errors by degree."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from euclidium.atoms.basis import DensityBasis
from euclidium.atoms.density import degrees_of
from euclidium.atoms.graph import Graph, collate
from euclidium.models.density import DensityModel, flat
from euclidium.models.nequip import Interaction, NequIP
from euclidium.o3.irreps import Irreps


@dataclass(frozen=True)
class LayerSizes:
    """Root mean squares over atoms, components and channels after a layer, by degree."""

    features: dict[int, float]
    gradients: dict[int, float]


@dataclass(frozen=True)
class DegreeErrors:
    """Errors of predicted densities: of each structure, and of the functions of each degree.

    ``epsilon`` is 100 ∫|Δρ|/N of each structure and ``by_degree`` the mean of 100 ∫|Δρ_l|/N, both
    in percent and estimated on random points; ``coefficients`` are root mean squares of Δc of each
    degree, e/bohr^1.5.
    """

    epsilon: Float[np.ndarray, " structure"]
    by_degree: Float[np.ndarray, " degree"]
    coefficients: Float[np.ndarray, " degree"]

    @property
    def mean(self) -> float:
        """The mean of ``epsilon``, percent."""
        return float(self.epsilon.mean())


def size_by_degree(x: Float[Tensor, "atom irreps"], irreps: Irreps) -> dict[int, float]:
    """Root mean square over atoms, components and channels of the features of each degree.

    >>> size_by_degree(torch.tensor([[3.0, 1.0, 1.0, 1.0]]), Irreps("1x0e+1x1o"))
    {0: 3.0, 1: 1.0}
    """
    squares: dict[int, list[float]] = {}
    for block, where in zip(irreps, irreps.slices(), strict=True):
        total = squares.setdefault(block.ir.l, [0.0, 0.0])
        total[0] += float(x[:, where].detach().double().square().sum())
        total[1] += x[:, where].numel()
    return {l: math.sqrt(total / max(n, 1)) for l, (total, n) in sorted(squares.items())}


def layer_sizes(model: nn.Module, loss: Callable[[], Float[Tensor, ""]]) -> list[LayerSizes]:
    """How large the features after each layer are, and the derivatives of a loss by them.

    ``loss`` runs the model on some structures. Gradients are those of the sum over all atoms; they
    are zero for features that the loss does not depend on. Parameters keep their gradients.

    Raises ``ValueError`` for a model without layers of NequIP.

    >>> from euclidium.models.config import NequIPConfig, PotentialConfig
    >>> from euclidium.models.potential import Potential
    >>> from ase.build import bulk
    >>> from euclidium.atoms.structure import Structure
    >>> model = Potential(PotentialConfig(species=["Si"], network=NequIPConfig(channels=4)))
    >>> graph = Graph.from_structures([Structure.from_ase(bulk("Si"))], 5.0)
    >>> [sorted(layer.features) for layer in layer_sizes(model, lambda: model(graph).energy.sum())]
    [[0, 1, 2], [0, 1, 2], [0]]
    """
    layers = _layers(model)
    with _recorded(layers) as states, torch.enable_grad():
        value = loss()
    gradients = torch.autograd.grad(value, states, allow_unused=True)
    return [
        LayerSizes(
            size_by_degree(x, layer.irreps_out),
            size_by_degree(torch.zeros_like(x) if g is None else g, layer.irreps_out),
        )
        for layer, x, g in zip(layers, states, gradients, strict=True)
    ]


@contextmanager
def without_degree(model: nn.Module, l: int) -> Iterator[None]:
    """Set the features of one degree to zero after every layer but the last of a network.

    So nothing of this degree is sent to neighbours, or read out of the layers in between.

    Raises ``ValueError`` for a model without layers of NequIP.

    >>> from euclidium.models.config import NequIPConfig
    >>> network = NequIP(NequIPConfig(channels=4), n_species=1, cutoff=5.0, mean_neighbors=20.0)
    >>> with without_degree(network, 1):
    ...     len(network.layers[0]._forward_hooks)
    1
    """
    _layers(model)
    handles = []
    for network in (module for module in model.modules() if isinstance(module, NequIP)):
        for layer in list(network.layers)[:-1]:
            assert isinstance(layer, Interaction)
            handles.append(layer.register_forward_hook(_zeroing(layer.irreps_out, l)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def path_sizes(
    model: nn.Module, distances: Float[Tensor, " edge"]
) -> list[dict[tuple[int, int, int], float]]:
    """What the radial networks of each layer put on the paths (l of features, of edges, of sums).

    Root mean squares over distances (Å) and channels of the weights of a path. They are near one at
    the start, whatever the path, and products with such weights have results of unit size.

    Raises ``ValueError`` for a model without layers of NequIP.

    >>> from euclidium.models.config import NequIPConfig
    >>> network = NequIP(NequIPConfig(lmax=1), n_species=1, cutoff=5.0, mean_neighbors=20.0)
    >>> sorted(path_sizes(network, torch.linspace(1.0, 4.0, 9))[0])
    [(0, 0, 0), (0, 1, 1)]
    """
    found = []
    for layer in _layers(model):
        convolution = layer.convolution
        plan = convolution.plan
        weights = convolution.radial(distances.to(next(layer.parameters()))).double()
        squares: dict[tuple[int, int, int], list[Tensor]] = {}
        start = 0
        for path in plan.paths:
            first, second = path.segments
            stop = start + plan.x[first].mul * plan.operands[1][second].mul
            key = (plan.x[first].ir.l, plan.operands[1][second].ir.l, plan.out[path.out].ir.l)
            squares.setdefault(key, []).append(weights[:, start:stop].square().flatten())
            start = stop
        found.append({key: float(torch.cat(own).mean().sqrt()) for key, own in squares.items()})
    return found


@torch.no_grad()
def degree_errors(
    model: DensityModel, graphs: Sequence[Graph], batch_size: int = 16
) -> DegreeErrors:
    """Errors of a model on labelled graphs, as those that it is trained on, by degree.

    Raises ``ValueError`` for graphs without random points.

    >>> from euclidium.models.config import DensityConfig
    >>> DegreeErrors(np.array([0.3, 0.5]), np.zeros(1), np.zeros(1)).mean
    0.4
    """
    differences = []
    for start in range(0, len(graphs), batch_size):
        part = [graphs[n] for n in range(start, min(start + batch_size, len(graphs)))]
        differences += _differences(model, part)
    return _errors(model.basis, graphs, differences)


def atoms_errors(basis: DensityBasis, graphs: Sequence[Graph]) -> DegreeErrors:
    """The same errors for isolated atoms side by side: what there is without a model.

    Raises as :func:`degree_errors` does, and ``DataError`` for an element whose atom the basis
    lacks.

    >>> atoms_errors(DensityBasis("one", {1: ((0, 0.5),)}), [])
    Traceback (most recent call last):
    ValueError: errors by degree need labelled graphs: give some, with loss.points above zero
    """
    return _errors(
        basis,
        graphs,
        [
            torch.from_numpy(basis.superposition(graph.species.tolist())).float()
            - graph.labels["coefficients"].float()
            for graph in graphs
        ],
    )


def _errors(
    basis: DensityBasis, graphs: Sequence[Graph], differences: Sequence[Tensor]
) -> DegreeErrors:
    """Errors of differences of coefficients."""
    if not len(graphs) or "points" not in graphs[0].labels:
        raise ValueError(
            "errors by degree need labelled graphs: give some, with loss.points above zero"
        )
    epsilon: list[float] = []
    spatial = np.zeros(basis.lmax + 1)
    squares = np.zeros((basis.lmax + 1, 2))
    for graph, off in zip(graphs, differences, strict=True):
        degrees = degrees_of(basis, graph.species.numpy())
        points = graph.labels["points"].view(-1, len(off))
        scale = 100 / float(graph.labels["electrons"])
        epsilon.append(scale * float((points @ off).abs().sum()))
        for l in range(len(spatial)):
            own = torch.from_numpy(np.flatnonzero(degrees == l))
            spatial[l] += scale * float((points[:, own] @ off[own]).abs().sum())
            squares[l] += (float(off[own].double().square().sum()), len(own))
    roots = np.sqrt(squares[:, 0] / np.maximum(squares[:, 1], 1))
    return DegreeErrors(np.array(epsilon), spatial / len(epsilon), roots)


def _differences(model: DensityModel, graphs: Sequence[Graph]) -> list[Tensor]:
    """Coefficients of each structure less its labels."""
    batch = collate(list(graphs)).to(model.index.device)
    sizes = np.array([model.basis.size(int(z)) for z in batch.species.tolist()])
    found = model(batch)
    off = (flat(found.atoms, found.density, sizes) - batch.labels["coefficients"]).float().cpu()
    return list(off.split([len(graph.labels["coefficients"]) for graph in graphs]))


def _layers(model: nn.Module) -> list[Interaction]:
    """The layers of a model's networks."""
    layers = [module for module in model.modules() if isinstance(module, Interaction)]
    if not layers:
        raise ValueError(f"a {type(model).__name__} has no layers of NequIP to look at")
    return layers


@contextmanager
def _recorded(layers: Sequence[Interaction]) -> Iterator[list[Tensor]]:
    """The results of the layers, in the order in which they ran."""
    states: list[Tensor] = []

    def keep(module: nn.Module, inputs: object, output: Tensor) -> None:
        states.append(output)

    handles = [layer.register_forward_hook(keep) for layer in layers]
    try:
        yield states
    finally:
        for handle in handles:
            handle.remove()


def _zeroing(irreps: Irreps, l: int) -> Callable[[nn.Module, object, Tensor], Tensor]:
    """A hook that sets the features of a degree to zero."""
    keep = torch.cat(
        [torch.full((block.dim,), float(block.ir.l != l)) for block in irreps] or [torch.ones(0)]
    )

    def zero(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        return output * keep.to(output)

    return zero
