"""Curves of peaks: a readout that says where modes are, not how many there are in each interval."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

FIRST, LAST = 20.0, 700.0  # cm⁻¹, where the first and the last peak begin
SHIFT = 60.0  # cm⁻¹, by which a unit of the readout moves a peak
WIDTH, NARROWEST = 15.0, 2.0  # cm⁻¹
STEEPEST = 4.0  # of logarithms of widths
SMALL = 0.3  # of the weights of the last layer, against the usual ones
NORMAL = 80.0  # beyond, exp(−x) is no normal number, and ten times as slow


class Peaks(nn.Module):
    """The modes of a site in each interval, as a mixture of Gaussians at places that it learns.

    p_j = Σ_k w_k [Φ((ω_{j+1} − μ_k)/σ_k) − Φ((ω_j − μ_k)/σ_k)],   Σ_k w_k = 1

    A stiffer or lighter crystal has the same peaks elsewhere: a mixture follows by moving a few
    numbers, where a softmax over intervals changes all of them. Places are
    μ_k = (μ_k⁰ + 60 m_k) exp(s/2) cm⁻¹ with μ_k⁰ from 20 to 700 and readouts m_k and s of the site;
    what lies outside the grid is counted at its ends. The last readout is the share of the site's
    modes that are meant to lie in these peaks.

    Input ``[site width]``, with ``edges`` the borders of the intervals (cm⁻¹); output
    ``(share [site 1], modes [site interval])``, where the modes of each site sum to one.

    >>> peaks = Peaks(8, 16, torch.linspace(-100, 1000, 56), n=5, dropout=0.0)
    >>> share, modes = peaks(torch.randn(3, 8))
    >>> modes.shape, bool(torch.allclose(modes.sum(1), torch.ones(3)))
    (torch.Size([3, 55]), True)
    """

    edges: Tensor
    places: Tensor

    def __init__(
        self, width: int, hidden: int, edges: Float[Tensor, " edge"], n: int, dropout: float
    ) -> None:
        super().__init__()
        self.n = n
        last = nn.Linear(hidden, 3 * n + 2)
        with torch.no_grad():
            last.weight *= SMALL
            last.bias.zero_()
        self.readout = nn.Sequential(nn.Linear(width, hidden), nn.SiLU(), nn.Dropout(dropout), last)
        self.register_buffer("edges", edges.float(), persistent=False)
        self.register_buffer("places", torch.linspace(FIRST, LAST, n), persistent=False)

    def forward(
        self, x: Float[Tensor, "site width"]
    ) -> tuple[Float[Tensor, "site 1"], Float[Tensor, "site interval"]]:
        """The share of the modes in peaks, and where these are."""
        moved, widths, weights, (stretch, share) = self._split(self.readout(x))
        centers = (self.places + SHIFT * moved) * torch.exp(stretch / 2)
        widths = NARROWEST + WIDTH * torch.exp(widths.clamp(-STEEPEST, STEEPEST))
        return share.sigmoid(), gaussian_modes(self.edges, centers, widths, weights.softmax(1))

    def _split(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, Tensor]]:
        """Readouts of places, widths, weights, and the two numbers of a site."""
        moved, widths, weights, stretch, share = values.split([self.n] * 3 + [1, 1], dim=1)
        return moved, widths, weights, (stretch, share)


def gaussian_modes(
    edges: Float[Tensor, " edge"],
    centers: Float[Tensor, "site peak"],
    widths: Float[Tensor, "site peak"],
    weights: Float[Tensor, "site peak"],
) -> Float[Tensor, "site interval"]:
    """The modes of Gaussians in each interval; the first and the last one reach to infinity.

    Borders, centres and widths in cm⁻¹; weights of each site sum to one, and so do the modes.

    >>> one = torch.ones(1, 1)
    >>> gaussian_modes(torch.tensor([0.0, 50.0, 100.0]), 50 * one, 10 * one, one).tolist()
    [[0.5, 0.5]]
    """
    below = _Below.apply(edges[1:-1], centers, widths, weights)
    ends = below.new_zeros(len(below), 1)
    below = torch.cat([ends, below, ends + 1], dim=1)
    return below.diff(dim=1).clamp_min(0.0)


class _Below(torch.autograd.Function):
    """The modes below each frequency: Σ_k w_k Φ((ω − μ_k)/σ_k), with Σ_k w_k = 1.

    What automatic differentiation of Φ does takes a quarter of a training step; here the largest
    tensors, those of sites × peaks × frequencies, are met a few times only. Higher derivatives are
    left to it.
    """

    @staticmethod
    def forward(
        ctx: Any,
        frequencies: Float[Tensor, " frequency"],
        centers: Float[Tensor, "site peak"],
        widths: Float[Tensor, "site peak"],
        weights: Float[Tensor, "site peak"],
    ) -> Float[Tensor, "site frequency"]:
        reduced = _reduced(frequencies, centers, widths)
        risen = torch.erf(reduced)
        ctx.save_for_backward(frequencies, centers, widths, weights, reduced, risen)
        return (weights[:, None] @ risen)[:, 0].mul_(0.5).add_(0.5)

    @staticmethod
    def backward(
        ctx: Any, gradient: Float[Tensor, "site frequency"]
    ) -> tuple[None, Tensor, Tensor, Tensor]:
        frequencies, centers, widths, weights, reduced, risen = ctx.saved_tensors
        if torch.is_grad_enabled():  # to be differentiated once more
            reduced = _reduced(frequencies, centers, widths)
            risen = torch.erf(reduced)
        column = gradient[:, :, None]
        density = reduced.square().clamp_(max=NORMAL).neg_().exp_()
        slope = -weights / (widths * math.sqrt(2 * math.pi))
        of_centers = slope * (density @ column)[:, :, 0]
        of_widths = slope * ((density * reduced) @ column)[:, :, 0] * math.sqrt(2)
        return None, of_centers, of_widths, 0.5 * (risen @ column)[:, :, 0]


def _reduced(
    frequencies: Float[Tensor, " frequency"],
    centers: Float[Tensor, "site peak"],
    widths: Float[Tensor, "site peak"],
) -> Float[Tensor, "site peak frequency"]:
    """(ω − μ)/(√2 σ) of every peak, as one product of matrices."""
    steep = math.sqrt(0.5) / widths
    lines = torch.stack([steep, -steep * centers], dim=2)
    return lines @ torch.stack([frequencies, torch.ones_like(frequencies)])
