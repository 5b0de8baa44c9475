"""Nonlinearities of scalars that keep the second moment at one."""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from euclidium.o3.irreps import Irrep, Irreps
from euclidium.ops.reference import split_blocks

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "abs": torch.abs,
    "identity": lambda x: x,
    "sigmoid": torch.sigmoid,
    "silu": nn.functional.silu,
    "softplus": lambda x: nn.functional.softplus(x) - float(np.log(2)),
    "tanh": torch.tanh,
}
"""Scalar functions by name."""


class Activation(nn.Module):
    """A scalar function, scaled so that it keeps unit second moment.

    y = f(x) / √E[f(z)²]   with z ~ N(0, 1)

    The factor comes from Gauss–Hermite quadrature. Raises ``ValueError`` for an unknown name.

    >>> Activation("silu").factor
    1.6765...
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        if name not in ACTIVATIONS:
            raise ValueError(
                f"there is no activation {name!r}: choose one of {', '.join(ACTIVATIONS)}"
            )
        self.name = name
        self.function = ACTIVATIONS[name]
        self.factor, self.parity = _moments(name)

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Apply the scaled function to every element."""
        return self.function(x) * self.factor

    def parity_out(self, p: int) -> int:
        """Parity of f(x) for x of parity p.

        Raises ``ValueError`` if x is odd and f is neither even nor odd.
        """
        if p == 1:
            return 1
        if self.parity == 0:
            raise ValueError(
                f"{self.name} is neither even nor odd, so it breaks the parity of odd scalars: "
                "use tanh, abs or identity for them"
            )
        return self.parity

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return self.name


@cache
def _moments(name: str) -> tuple[float, int]:
    """Normalisation factor, and parity: 1 even, -1 odd, 0 neither."""
    points, weights = np.polynomial.hermite_e.hermegauss(201)
    x = torch.from_numpy(points)
    y = ACTIVATIONS[name](x).numpy()
    factor = float((weights @ y**2 / weights.sum()) ** -0.5)
    even, odd = np.allclose(y, y[::-1]), np.allclose(y, -y[::-1])
    return factor, 1 if even else -1 if odd else 0


class ScalarActivation(nn.Module):
    """One activation for even and one for odd scalars.

    Raises ``ValueError`` for irreps with l > 0, or a function that breaks parity.

    >>> ScalarActivation("4x0e + 2x0o", even="silu", odd="abs").irreps_out
    4x0e+2x0e
    """

    def __init__(self, irreps: Irreps | str, even: str = "silu", odd: str = "tanh") -> None:
        super().__init__()
        self.irreps_in = Irreps(irreps)
        if self.irreps_in.lmax > 0 if len(self.irreps_in) else False:
            raise ValueError(f"activations act on scalars, got {self.irreps_in}: use a Gate")
        self.even, self.odd = Activation(even), Activation(odd)
        self.irreps_out = Irreps(
            [
                (b.mul, Irrep(0, (self.even if b.ir.p == 1 else self.odd).parity_out(b.ir.p)))
                for b in self.irreps_in
            ]
        )

    def forward(self, x: Float[Tensor, "*batch scalars"]) -> Float[Tensor, "*batch scalars"]:
        """Apply the function of each block's parity."""
        blocks = [
            (self.even if block.ir.p == 1 else self.odd)(values.flatten(-2))
            for values, block in zip(split_blocks(x, self.irreps_in), self.irreps_in, strict=True)
        ]
        return torch.cat(blocks, dim=-1) if blocks else x
