"""The border to e3nn: its features have the channel before the component."""

import torch
from jaxtyping import Float
from torch import Tensor

from euclidium.o3.convention import from_e3nn_permutation, to_e3nn_permutation
from euclidium.o3.irreps import Irreps


def to_e3nn(x: Float[Tensor, "*batch dim"], irreps: Irreps | str) -> Float[Tensor, "*batch dim"]:
    """Features in e3nn's order (channel u, component m) from ours (component m, channel u).

    >>> to_e3nn(torch.arange(6.0), "2x1o")
    tensor([0., 2., 4., 1., 3., 5.])
    """
    permutation = torch.as_tensor(to_e3nn_permutation(Irreps(irreps)), device=x.device)
    return x[..., permutation]


def from_e3nn(x: Float[Tensor, "*batch dim"], irreps: Irreps | str) -> Float[Tensor, "*batch dim"]:
    """Features in our order (component m, channel u) from e3nn's (channel u, component m).

    >>> from_e3nn(torch.tensor([0.0, 2.0, 4.0, 1.0, 3.0, 5.0]), "2x1o")
    tensor([0., 1., 2., 3., 4., 5.])
    """
    permutation = torch.as_tensor(from_e3nn_permutation(Irreps(irreps)), device=x.device)
    return x[..., permutation]
