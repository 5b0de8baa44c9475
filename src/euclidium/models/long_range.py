"""What a model of neighbours knows of atoms beyond its cutoff: the field of their charges."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from euclidium.atoms.graph import Graph
from euclidium.models.config import LongRangeConfig
from euclidium.models.nequip import NequIP, radial_basis
from euclidium.nn.charges import ChargeField, ChargeFlow
from euclidium.ops.harmonics import lengths

SIZE = 0.25  # of the first weights, so that what atoms see is of the order of one


class LongRange(nn.Module):
    """Charges that a small network puts on the atoms, and what every atom sees of them.

    They flow between neighbours, :class:`~euclidium.nn.ChargeFlow`, and act at any distance,
    :class:`~euclidium.nn.ChargeField`. They are learned from whatever the model learns, and need
    not be those of a chemist: a molecule without neighbours has none in sum, also if it is an ion.

    >>> far = LongRange(LongRangeConfig(channels=4), n_species=2, cutoff=4.0, mean_neighbors=10.0)
    >>> far.irreps
    8x0e+8x1o+8x2e
    """

    def __init__(
        self,
        config: LongRangeConfig,
        n_species: int,
        cutoff: float,
        mean_neighbors: float,
        calibrate: bool = True,
    ) -> None:
        super().__init__()
        network = config.network
        self.backbone = NequIP(network, n_species, cutoff, mean_neighbors, calibrate=calibrate)
        basis = radial_basis(network.radial, cutoff)
        self.flow = ChargeFlow(network.channels, basis, config.channels, SIZE)
        self.field = ChargeField(config.channels, config.widths)
        self.irreps = self.field.irreps

    def forward(
        self, graph: Graph, species: Int[Tensor, " atom"], vectors: Float[Tensor, "edge 3"]
    ) -> Float[Tensor, "atom irreps"]:
        """What each atom of a graph sees; ``species`` are indices, vectors those of its edges (Å).

        Raises ``ValueError`` for a structure that is periodic in one or two directions.
        """
        scalars = self.backbone(species, vectors, graph.edges, {})
        charges = self.flow(scalars, lengths(vectors), graph.edges)
        return self.field(charges, graph.positions, graph.structure, graph.cell, graph.pbc)
