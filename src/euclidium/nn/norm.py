"""Normalisation of features over a batch or over channels."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from euclidium.o3.irreps import Irreps
from euclidium.ops.reference import split_blocks


def _even_scalars(irreps: Irreps) -> int:
    """Number of channels whose mean may be taken: only even scalars have one."""
    return irreps.count("0e")


class _Affine(nn.Module):
    """A factor for each channel and a shift for each even scalar."""

    def __init__(self, irreps: Irreps) -> None:
        super().__init__()
        self.irreps = irreps
        self.weight = nn.Parameter(torch.ones(irreps.num_irreps))
        self.bias = nn.Parameter(torch.zeros(_even_scalars(irreps)))

    def forward(self, blocks: list[Tensor]) -> Float[Tensor, "*batch irreps"]:
        """Scale and shift the normalised blocks, and join them."""
        results, channel, scalar = [], 0, 0
        for values, block in zip(blocks, self.irreps, strict=True):
            values = values * self.weight[channel : channel + block.mul]
            channel += block.mul
            if block.ir == "0e":
                values = values + self.bias[scalar : scalar + block.mul]
                scalar += block.mul
            results.append(values.flatten(-2))
        return torch.cat(results, dim=-1)


class BatchNorm(nn.Module):
    """Batch normalisation of irreps: each channel has unit mean square over the batch.

    x[n, m, u]  →  w[u] (x − μ[u]) / √(mean_{n,m} (x − μ)² + ε) + b[u]

    Only even scalars have a mean μ and a shift b: for everything else they would break the
    symmetry. In evaluation the running averages of training are used. As in e3nn with
    ``normalization="component"``.

    Raises ``ValueError`` for a wrong last dimension, and in training for an empty batch.

    >>> BatchNorm("4x0e + 2x1o")(torch.randn(8, 10)).shape
    torch.Size([8, 10])
    """

    running_mean: Tensor
    running_square: Tensor

    def __init__(self, irreps: Irreps | str, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.irreps = Irreps(irreps)
        self.eps, self.momentum = eps, momentum
        self.affine = _Affine(self.irreps)
        self.register_buffer("running_mean", torch.zeros(_even_scalars(self.irreps)))
        self.register_buffer("running_square", torch.ones(self.irreps.num_irreps))

    def forward(self, x: Float[Tensor, "batch irreps"]) -> Float[Tensor, "batch irreps"]:
        """Normalise; in training also update the running averages."""
        _check(x, self.irreps, "BatchNorm")
        if self.training and len(x) == 0:
            raise ValueError("BatchNorm got an empty batch in training: it has no statistics")
        means, squares, centred = [], [], []
        channel = scalar = 0
        for values, block in zip(split_blocks(x, self.irreps), self.irreps, strict=True):
            if block.ir == "0e":
                running = self.running_mean[scalar : scalar + block.mul]
                mean = values.mean((0, 1)) if self.training else running
                scalar += block.mul
                means.append(mean)
                values = values - mean
            running = self.running_square[channel : channel + block.mul]
            square = values.square().mean((0, 1)) if self.training else running
            channel += block.mul
            squares.append(square)
            centred.append(values * (square + self.eps).rsqrt())
        if self.training:
            self._update(means, squares)
        return self.affine(centred)

    @torch.no_grad()
    def _update(self, means: list[Tensor], squares: list[Tensor]) -> None:
        """Move the running averages towards those of the batch."""
        if means:
            self.running_mean.lerp_(torch.cat(means), self.momentum)
        self.running_square.lerp_(torch.cat(squares), self.momentum)


class LayerNorm(nn.Module):
    """Layer normalisation of irreps: each irrep block has unit mean square over its channels.

    x[m, u]  →  w[u] (x − μ) / √(mean_{m,u} (x − μ)² + ε) + b[u]

    μ, the mean over channels, and b exist for even scalars only. Every item is normalised by
    itself, so a batch gives the same as its items alone.

    Raises ``ValueError`` for a wrong last dimension.

    >>> LayerNorm("4x0e + 2x1o")(torch.randn(8, 10)).shape
    torch.Size([8, 10])
    """

    def __init__(self, irreps: Irreps | str, eps: float = 1e-5) -> None:
        super().__init__()
        self.irreps, self.eps = Irreps(irreps), eps
        self.affine = _Affine(self.irreps)

    def forward(self, x: Float[Tensor, "*batch irreps"]) -> Float[Tensor, "*batch irreps"]:
        """Normalise every item."""
        _check(x, self.irreps, "LayerNorm")
        normalised = []
        for values, block in zip(split_blocks(x, self.irreps), self.irreps, strict=True):
            if block.ir == "0e":
                values = values - values.mean(-1, keepdim=True)
            square = values.square().mean((-2, -1), keepdim=True)
            normalised.append(values * (square + self.eps).rsqrt())
        return self.affine(normalised)


def _check(x: Tensor, irreps: Irreps, name: str) -> None:
    if x.shape[-1] != irreps.dim:
        raise ValueError(
            f"{name} expects a last dimension of {irreps.dim} ({irreps}), got {x.shape[-1]}"
        )
