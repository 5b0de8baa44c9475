"""A radial network as a table, for a model that is trained no more."""

import copy
from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from euclidium.nn.radial import RadialNetwork
from euclidium.ops.splines import hermite_spline, spline_table

FEWEST_INTERVALS, MOST_INTERVALS = 64, 16384

# Value, slope and curvature at each knot: a spline of degree five with two continuous derivatives.
DERIVATIVES = 3

# Distances between two knots at which the error is measured.
SAMPLES = 8

# Numbers that the network gives at a time.
CHUNK = 2**21


class TabulatedRadial(nn.Module):
    """The functions of a radial network as splines, on processors several times faster than it.

    w(r) is a Hermite spline of degree five on knots at equal distances 0 … cutoff. Values, slopes
    and curvatures at the knots are those of the network, taken in float64. Knots are doubled until

    max |w_spline − w| ≤ tolerance · max |w|,    max |w_spline′ − w′| ≤ tolerance · max |w′|

    at eight distances between any two of them, the maxima taken over all functions and distances.
    The table has the network's type, and what it loses by that is part of the error. Radial
    networks are largest and steepest below the first physical distances, so that errors where
    atoms are lie far below the bound. Where there are no kernels, as on a GPU, plain torch reads
    the table, more slowly than the network runs.

    A network that has knots is a spline already: its table is taken as it is, without an error.

    Derivatives are exactly those of the spline, in any order; the second is continuous. At and
    beyond the cutoff all is zero. There are no parameters: a table cannot be trained and is not
    stored, it is made from a network that can. Its ``train()`` and ``state_dict()`` refuse.

    ``error`` and ``slope_error`` are the two errors that were measured, relative to the largest
    value and slope; ``n_knots`` and ``n_bytes`` are the size of the table.

    Raises ``ValueError`` for a tolerance that is not positive, or that 16384 intervals do not meet.

    >>> from euclidium.nn.radial import BesselBasis, Enveloped, PolynomialEnvelope
    >>> basis = Enveloped(BesselBasis(4, 5.0), PolynomialEnvelope(5.0))
    >>> radial = TabulatedRadial(RadialNetwork(basis, [16], 96), tolerance=1e-3)
    >>> radial(torch.tensor([1.0, 5.0])).shape
    torch.Size([2, 96])
    >>> radial.error < 1e-3, radial.slope_error < 1e-3
    (True, True)
    """

    table: Tensor

    def __init__(self, network: RadialNetwork, tolerance: float = 1e-5) -> None:
        super().__init__()
        if not tolerance > 0:
            raise ValueError(f"the tolerance is a positive number, got {tolerance}")
        self.cutoff, self.tolerance = network.basis.cutoff, tolerance
        last = network.matrices[-1]
        self.n_weights = last.shape[1]
        if network.knots is None:
            exact = copy.deepcopy(network).to("cpu", torch.float64).requires_grad_(False)
            table = self._meet(exact, last.dtype).to(last.device)
        else:
            self.n_intervals, self.error, self.slope_error = network.knots, 0.0, 0.0
            table = network.table().detach()
        self.register_buffer("table", table, persistent=False)
        self.register_state_dict_pre_hook(_refuse_to_be_stored)
        self.eval()

    def forward(self, r: Float[Tensor, " edge"]) -> Float[Tensor, "edge weight"]:
        """The weights at each distance."""
        return hermite_spline(r, self.table, self.spacing, self.n_weights)

    @property
    def n_knots(self) -> int:
        """Distances at which the network was evaluated."""
        return self.n_intervals + 1

    @property
    def spacing(self) -> float:
        """From knot to knot, Å."""
        return self.cutoff / self.n_intervals

    @property
    def n_bytes(self) -> int:
        """Memory of the table."""
        return self.table.numel() * self.table.element_size()

    def train(self, mode: bool = True) -> "TabulatedRadial":
        """Evaluation mode, and nothing else. Raises ``ValueError`` for training mode."""
        if mode:
            raise ValueError(
                "tabulated radial functions cannot be trained: train the model they were made from"
            )
        super().train(False)
        return self

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return (
            f"{self.n_weights} functions, {self.n_knots} knots up to {self.cutoff} Å, "
            f"error {self.error:.1e}, of slopes {self.slope_error:.1e}, "
            f"{self.n_bytes / 1e6:.1f} MB"
        )

    @torch.enable_grad()  # second derivatives of activations need it, though no graph is kept
    def _meet(self, network: RadialNetwork, dtype: torch.dtype) -> Tensor:
        """The table of a type with the fewest knots that meets the tolerance."""
        self.n_intervals = FEWEST_INTERVALS
        while True:
            table = self._fill(network).to(dtype)
            self.error, self.slope_error = self._errors(network, table.double())
            if max(self.error, self.slope_error) <= self.tolerance:
                return table
            if self.n_intervals == MOST_INTERVALS:
                raise ValueError(
                    f"{MOST_INTERVALS} intervals leave errors of {self.error:.1e} in the functions "
                    f"and {self.slope_error:.1e} in their slopes: allow a tolerance above "
                    f"{self.tolerance:.1e}"
                )
            self.n_intervals *= 2

    @property
    def _chunk(self) -> int:
        return CHUNK // max(self.n_weights, 64)

    def _fill(self, network: RadialNetwork) -> Tensor:
        """The table of a network."""
        knots = torch.arange(self.n_intervals + 1, dtype=torch.float64) * self.spacing
        parts = [
            torch.stack(_derivatives(network, r, DERIVATIVES)) for r in knots.split(self._chunk)
        ]
        rows = torch.cat(parts, dim=1).movedim(0, 1)
        rows[-1] = 0.0
        return spline_table(rows, self.spacing)

    def _errors(self, network: RadialNetwork, table: Tensor) -> tuple[float, float]:
        """Largest errors of values and slopes between knots, relative to the largest of each."""
        n_samples = self.n_intervals * SAMPLES
        samples = (torch.arange(n_samples, dtype=torch.float64) + 0.5) * (self.cutoff / n_samples)
        errors, largest = torch.zeros(2).double(), torch.zeros(2).double()
        for r in samples.split(self._chunk):
            exact = torch.stack(_derivatives(network, r, 2))
            got = [hermite_spline(r, table, self.spacing, self.n_weights, d) for d in range(2)]
            errors = torch.maximum(errors, _largest(torch.stack(got) - exact))
            largest = torch.maximum(largest, _largest(exact))
        error, slope_error = (errors / largest.clamp(min=1e-300)).tolist()
        return error, slope_error


def _derivatives(function: Callable[[Tensor], Tensor], r: Tensor, count: int) -> list[Tensor]:
    """A function of distance, its first derivative, and so on."""
    found = [function(r)]
    for _ in range(count - 1):
        function = partial(_derivative, function)
        found.append(function(r))
    return found


def _derivative(function: Callable[[Tensor], Tensor], r: Tensor) -> Tensor:
    return torch.func.jvp(function, (r,), (torch.ones_like(r),))[1]


def _largest(values: Tensor) -> Tensor:
    """The largest magnitude of each of several arrays."""
    flat = values.flatten(1).abs()
    return flat.amax(dim=1) if flat.shape[1] else flat.new_zeros(len(flat))


def _refuse_to_be_stored(module: nn.Module, prefix: str, keep_vars: bool) -> None:
    raise ValueError(
        "tabulated radial functions are not stored: save the model they were made from, and make "
        "them anew after loading"
    )
