"""Tensor products with learnable weights."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from euclidium.o3.irreps import Irreps
from euclidium.ops.dispatch import tensor_product
from euclidium.ops.plan import TensorProductPlan


class TensorProduct(nn.Module):
    """A plan with weights of its own, drawn with unit variance.

    >>> plan = TensorProductPlan.fully_connected("4x0e + 4x1o", "1o", "4x1o")
    >>> TensorProduct(plan)(torch.zeros(2, 16), torch.zeros(2, 3)).shape
    torch.Size([2, 12])
    """

    def __init__(self, plan: TensorProductPlan) -> None:
        super().__init__()
        self.plan = plan
        self.irreps_out = plan.out
        self.weights = nn.Parameter(torch.randn(plan.n_weights)) if plan.n_weights else None

    def forward(self, *operands: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The product of the operands, each (…, irreps.dim)."""
        return tensor_product(self.plan, *operands, weights=self.weights)

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return str(self.plan).partition("\n")[0]


class FullyConnectedTensorProduct(nn.Module):
    """Every path of x ⊗ y into z, each with a weight for every triple of channels.

    >>> product = FullyConnectedTensorProduct("4x0e + 4x1o", "0e + 1o", "8x0e + 2x2e")
    >>> product(torch.zeros(3, 16), torch.zeros(3, 4)).shape
    torch.Size([3, 18])
    """

    def __init__(self, x: Irreps | str, y: Irreps | str, z: Irreps | str) -> None:
        super().__init__()
        self.product = TensorProduct(TensorProductPlan.fully_connected(x, y, z))
        self.irreps_out = self.product.irreps_out

    def forward(
        self, x: Float[Tensor, "*batch x"], y: Float[Tensor, "*batch y"]
    ) -> Float[Tensor, "*batch z"]:
        """The product of x and y."""
        return self.product(x, y)
