"""Mixing of the channels of each irrep."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from euclidium.o3.irreps import Irrep, Irreps
from euclidium.ops.mixing import mix


class Linear(nn.Module):
    """Equivariant linear map: the channels of each irrep mix, irreps do not.

    y[m, w] = Σ_u W[u, w] x[m, u] / √(number of u)   (+ b[w] for scalars)

    With ``n_species`` each species has weights of its own, and ``forward`` takes the species index
    of each item. Weights start with unit variance, so features of unit component variance keep it.
    Irreps of the result that the input lacks are zero. There is one weight matrix per irrep, over
    all blocks of that irrep in order.

    Raises ``ValueError`` for a wrong last dimension, or if species are given to a map without them.

    >>> linear = Linear("8x0e + 4x1o", "2x1o + 3x0e")
    >>> linear(torch.zeros(5, 20)).shape
    torch.Size([5, 9])
    """

    def __init__(
        self,
        irreps_in: Irreps | str,
        irreps_out: Irreps | str,
        bias: bool = False,
        n_species: int | None = None,
    ) -> None:
        super().__init__()
        self.irreps_in, self.irreps_out = Irreps(irreps_in), Irreps(irreps_out)
        self.n_species = n_species
        self.shared = [ir for ir in _irreps(self.irreps_out) if self.irreps_in.count(ir)]
        rows = () if n_species is None else (n_species,)
        self.weights = nn.ParameterDict(
            {
                str(ir): torch.randn(*rows, self.irreps_in.count(ir), self.irreps_out.count(ir))
                for ir in self.shared
            }
        )
        scalars = self.irreps_out.count("0e") if bias else 0
        self.bias = nn.Parameter(torch.zeros(*rows, scalars)) if scalars else None
        # plain names and numbers, which a compiler can follow
        self._names = [str(ir) for ir in self.shared]
        self._source, self._target = str(self.irreps_in), str(self.irreps_out)
        self._blocks = [(block.dim, block.ir == "0e") for block in self.irreps_out]

    def forward(
        self,
        x: Float[Tensor, "*batch irreps_in"],
        species: Int[Tensor, "*batch"] | None = None,
    ) -> Float[Tensor, "*batch irreps_out"]:
        """Mix the channels; ``species`` are indices 0 … n_species − 1."""
        if x.shape[-1] != self.irreps_in.dim:
            raise ValueError(
                f"Linear expects a last dimension of {self.irreps_in.dim} ({self.irreps_in}), "
                f"got {x.shape[-1]}"
            )
        if (species is None) != (self.n_species is None):
            wanted = "no species" if self.n_species is None else "the species of each item"
            raise ValueError(f"this Linear expects {wanted}: change n_species or the call")
        # past the ParameterDict, which takes as long as the product of small matrices
        weights: Mapping[str, Any] = self.weights._parameters
        matrices = [weights[name] for name in self._names]
        result = mix(self._source, self._target, x, matrices, species)
        return result if self.bias is None else result + self._shift(self.bias, species)

    def _shift(self, bias: Tensor, species: Tensor | None) -> Tensor:
        """The bias of the scalars, and zeros for the rest."""
        scalars = iter(bias.split([mul for mul, is_scalar in self._blocks if is_scalar], dim=-1))
        pieces = [
            next(scalars) if is_scalar else bias.new_zeros(*bias.shape[:-1], width)
            for width, is_scalar in self._blocks
        ]
        shift = torch.cat(pieces, dim=-1)
        return shift if species is None else shift[species]

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        species = "" if self.n_species is None else f", {self.n_species} species"
        return f"{self.irreps_in} -> {self.irreps_out}{species}"


def _irreps(irreps: Irreps) -> list[Irrep]:
    """Each irrep once, in order of appearance."""
    return list(dict.fromkeys(block.ir for block in irreps if block.mul))
