"""Interatomic potentials: energy, and forces and stress as its derivatives."""

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from euclidium.atoms.elements import atomic_number, chemical_symbol
from euclidium.atoms.graph import Graph
from euclidium.models.config import PotentialConfig
from euclidium.models.nequip import NequIP
from euclidium.nn.linear import Linear
from euclidium.ops.segments import segment_sum

LARGEST_NUMBER = 118
DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True)
class Prediction:
    """What a potential says about a batch of structures; float64, eV and Å.

    Stress is positive under tension: σ = (1/V) ∂E/∂ε.
    """

    energy: Float[Tensor, " structure"]
    energies: Float[Tensor, " atom"]
    forces: Float[Tensor, "atom 3"] | None = None
    stress: Float[Tensor, "structure 3 3"] | None = None


class Potential(nn.Module):
    """An interatomic potential: a sum of atomic energies.

    E = Σ_i (E_ref(species_i) + scale · e_i),    F_i = −∂E/∂r_i,    σ = (1/V) ∂E/∂ε

    e_i is a linear readout of the backbone's scalars. Distances and sums are taken in float64, the
    network runs in ``config.dtype``. ``calibrate=False`` is for weights that are replaced at once,
    as by ``load``. Raises ``ValueError`` for a species that is not a chemical
    symbol, or reference energies of species it does not know.

    >>> from euclidium.models.config import NequIPConfig
    >>> network = NequIPConfig(channels=4, layers=2)
    >>> potential = Potential(PotentialConfig(species=["Si"], network=network))
    >>> potential.species, potential.cutoff
    ((14,), 5.0)
    """

    index_of: Tensor

    def __init__(self, config: PotentialConfig, calibrate: bool = True) -> None:
        super().__init__()
        self.config = config
        self.cutoff = config.cutoff
        self.species = tuple(atomic_number(symbol) for symbol in config.species)
        unknown = sorted(set(config.reference_energies) - set(config.species))
        if unknown:
            raise ValueError(f"reference energies of species that are not listed: {unknown}")
        index = torch.full((LARGEST_NUMBER + 1,), -1)
        index[list(self.species)] = torch.arange(len(self.species))
        self.register_buffer("index_of", index, persistent=False)
        self.references = [config.reference_energies.get(s, 0.0) for s in config.species]
        self.backbone = NequIP(
            config.network,
            len(self.species),
            config.cutoff,
            config.mean_neighbors,
            config.inputs,
            calibrate,
        )
        self.readout = Linear(self.backbone.irreps_out, "0e")
        self.to(DTYPES[config.dtype])

    @property
    def dtype(self) -> torch.dtype:
        """Type of the network's parameters."""
        return self.backbone.embedding.dtype

    def forward(self, graph: Graph, forces: bool = True, stress: bool = False) -> Prediction:
        """Energy, forces and stress of a batch; edges beyond the cutoff do no harm.

        In training mode the derivatives can be differentiated once more. Raises ``ValueError`` for
        a species the potential does not know, and for the stress of a structure without volume.
        """
        self._check(graph, stress)
        positions = graph.positions.detach().requires_grad_(forces)
        strain = torch.zeros_like(graph.cell, requires_grad=stress)
        wanted = [t for t in (positions, strain) if t.requires_grad]
        # validation loops switch gradients off, but forces are gradients
        with torch.enable_grad() if wanted else nullcontext():
            energies = self.atomic_energies(graph, positions, strain)
            energy = segment_sum(energies, graph.structure, graph.n_structures)
            derivatives = (
                list(torch.autograd.grad(energy.sum(), wanted, create_graph=self.training))
                if wanted
                else []
            )
        if not self.training:
            energy, energies = energy.detach(), energies.detach()
        return Prediction(
            energy,
            energies,
            -derivatives.pop(0) if forces else None,
            _stress(derivatives.pop(0), graph.cell) if stress else None,
        )

    def atomic_energies(
        self,
        graph: Graph,
        positions: Float[Tensor, "atom 3"],
        strain: Float[Tensor, "structure 3 3"] | None = None,
    ) -> Float[Tensor, " atom"]:
        """Energy of each atom (eV) at the given positions (Å) and strain: r → r (1 + ε).

        A pure function of the positions and the strain, so that ``torch.func`` and
        ``torch.compile`` can work on it.
        """
        vectors = graph.edge_vectors(positions)
        if strain is not None:
            symmetric = (strain + strain.mT) / 2
            of_edge = symmetric[graph.structure[graph.edges.receivers]]
            vectors = vectors + (vectors.unsqueeze(1) @ of_edge).squeeze(1)
        index = self.index_of[graph.species]
        features = self.backbone(index, vectors.to(self.dtype), graph.edges, graph.inputs)
        learned = self.readout(features).squeeze(-1).double()
        return self.config.scale * learned + learned.new_tensor(self.references)[index]

    def _check(self, graph: Graph, stress: bool) -> None:
        mixed = graph.occupations is not None and graph.occupations.amax(1).min() < 1 - 1e-6
        if mixed:
            raise ValueError(
                "the potential knows pure sites only, and a structure has sites that hold several "
                "elements: give an ordered or special quasirandom structure of the alloy"
            )
        known = self.index_of[graph.species] >= 0
        if not bool(known.all()):
            strange = sorted({chemical_symbol(z) for z in graph.species[~known].tolist()})
            raise ValueError(
                f"the potential does not know {', '.join(strange)}: "
                f"it was trained on {', '.join(self.config.species)}"
            )
        if stress and bool((torch.linalg.det(graph.cell).abs() < 1e-9).any()):
            raise ValueError("stress needs a cell with a volume: ask for energy and forces only")


def _stress(
    derivative: Float[Tensor, "structure 3 3"], cell: Float[Tensor, "structure 3 3"]
) -> Float[Tensor, "structure 3 3"]:
    """∂E/∂ε divided by the volume."""
    return derivative / torch.linalg.det(cell).abs()[:, None, None]
