"""Weights at the border to e3nn."""

import torch
from jaxtyping import Float
from torch import Tensor

from euclidium.nn.linear import Linear
from euclidium.nn.product import FullyConnectedTensorProduct, TensorProduct
from euclidium.o3.irreps import Irreps


def to_e3nn_weights(
    module: Linear | TensorProduct | FullyConnectedTensorProduct,
) -> Float[Tensor, " weights"]:
    """The flat weights with which e3nn's module of the same irreps computes the same.

    For ``e3nn.o3.Linear`` and, path by path in equal order, ``e3nn.o3.TensorProduct``. Raises
    ``ValueError`` for a Linear with weights for each species, which e3nn does not have.

    >>> to_e3nn_weights(Linear("4x0e + 2x1o", "3x0e + 1x1o")).shape
    torch.Size([14])
    """
    if isinstance(module, FullyConnectedTensorProduct):
        return to_e3nn_weights(module.product)
    if isinstance(module, TensorProduct):
        return torch.empty(0) if module.weights is None else module.weights.detach()
    pieces = [piece.flatten() for piece in _linear_pieces(module)]
    return torch.cat(pieces).detach() if pieces else torch.empty(0)


@torch.no_grad()
def from_e3nn_weights(
    module: Linear | TensorProduct | FullyConnectedTensorProduct,
    weights: Float[Tensor, " weights"],
) -> None:
    """Give a module the flat weights of e3nn's module of the same irreps.

    Raises ``ValueError`` if their number differs.

    >>> ours, copy = Linear("4x0e", "3x0e"), Linear("4x0e", "3x0e")
    >>> from_e3nn_weights(copy, to_e3nn_weights(ours))
    >>> torch.equal(to_e3nn_weights(copy), to_e3nn_weights(ours))
    True
    """
    expected = to_e3nn_weights(module).numel()
    if weights.numel() != expected:
        raise ValueError(f"the module has {expected} weights, got {weights.numel()}")
    if isinstance(module, FullyConnectedTensorProduct):
        module = module.product
    if isinstance(module, TensorProduct):
        if module.weights is not None:
            module.weights.copy_(weights)
        return
    pieces = _linear_pieces(module)
    for piece, values in zip(pieces, weights.split([p.numel() for p in pieces]), strict=True):
        piece.copy_(values.view(piece.shape))


def _linear_pieces(linear: Linear) -> list[Tensor]:
    """Views of the weights between each pair of blocks, in the order of e3nn."""
    if linear.n_species is not None:
        raise ValueError("e3nn has no Linear with weights for each species")
    pieces = []
    for i, source in enumerate(linear.irreps_in):
        for j, target in enumerate(linear.irreps_out):
            if source.ir == target.ir:
                row = _channels_before(linear.irreps_in, i)
                column = _channels_before(linear.irreps_out, j)
                matrix = linear.weights[str(source.ir)]
                pieces.append(matrix[row : row + source.mul, column : column + target.mul])
    return pieces


def _channels_before(irreps: Irreps, n: int) -> int:
    """Channels of the irrep of block n in the blocks before it."""
    return sum(block.mul for block in irreps[:n] if block.ir == irreps[n].ir)
