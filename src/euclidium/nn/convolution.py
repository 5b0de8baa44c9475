"""The equivariant convolution: messages from neighbours, weighted by a radial network."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from euclidium.nn.radial import RadialBasis, RadialNetwork
from euclidium.o3.irreps import Irreps
from euclidium.ops.dispatch import convolution, radial_convolution
from euclidium.ops.plan import TensorProductPlan
from euclidium.ops.segments import Edges

# Weights on all edges, above which they are formed block by block, and anew for each derivative.
MANY = 2**26


class Convolution(nn.Module):
    """Sum over neighbours of features times harmonics times learned radial functions.

    z_i = 1/√n Σ_{j → i} w(r_ij) · (x_j ⊗ Y(r̂_ij)),    n = mean number of neighbours

    Every path of the product keeps the channels of x and has its own radial function for each of
    them. With the division by √n features of unit component variance keep it.

    ``keep`` limits the irreps of the result. The basis must vanish at its cutoff. With ``knots``
    the radial functions are splines through the network there (see ``RadialNetwork``); without,
    above ``MANY`` weights (edges × paths × channels), they are formed block by block, which takes
    less memory and more time.

    >>> from euclidium.nn.radial import BesselBasis, Enveloped, PolynomialEnvelope
    >>> basis = Enveloped(BesselBasis(8, 5.0), PolynomialEnvelope(5.0))
    >>> Convolution("4x0e", "0e + 1o", "0e + 1o", basis, [16], mean_neighbors=20.0).irreps_out
    4x0e+4x1o
    """

    def __init__(
        self,
        irreps_in: Irreps | str,
        irreps_edge: Irreps | str,
        keep: Irreps | str,
        basis: RadialBasis,
        hidden: Sequence[int],
        mean_neighbors: float,
        backend: str | None = None,
        knots: int | None = None,
    ) -> None:
        super().__init__()
        self.plan = TensorProductPlan.channelwise(irreps_in, irreps_edge, keep)
        self.irreps_in, self.irreps_out = self.plan.x, self.plan.out
        self.radial = RadialNetwork(basis, hidden, self.plan.n_weights, knots=knots)
        self.scale = 1 / math.sqrt(mean_neighbors)
        self.backend = backend

    def forward(
        self,
        x: Float[Tensor, "node irreps_in"],
        harmonics: Float[Tensor, "edge irreps_edge"],
        distances: Float[Tensor, " edge"],
        edges: Edges,
    ) -> Float[Tensor, "node irreps_out"]:
        """Messages of all neighbours, summed; distances in Å."""
        radial = self.radial
        if isinstance(radial, RadialNetwork) and radial.knots is None and self._many(edges):
            hidden, matrix = radial.hidden(distances), radial.matrices[-1]
            summed = radial_convolution(
                self.plan, x, harmonics, hidden, matrix, edges, self.backend
            )
        else:
            weights = radial(distances)
            summed = convolution(self.plan, x, harmonics, weights, edges, self.backend)
        # there are fewer sums to scale than weights
        return summed * self.scale

    def _many(self, edges: Edges) -> bool:
        """Whether there are too many weights to keep; programs for all sizes do not ask."""
        if torch.compiler.is_compiling():
            return False
        return edges.n_edges * self.plan.n_weights > MANY

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return str(self.plan).partition("\n")[0]
