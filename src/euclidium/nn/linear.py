"""Mixing of the channels of each irrep."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from euclidium.o3.irreps import Irrep, Irreps
from euclidium.ops.reference import split_blocks


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
        # plain numbers and names, which a compiler can follow
        self._sources = {
            str(ir): [n for n, block in enumerate(self.irreps_in) if block.ir == ir]
            for ir in self.shared
        }
        self._targets = [(str(block.ir), block.dim) for block in self.irreps_out]
        self._widths = {
            str(ir): [block.mul for block in self.irreps_out if block.ir == ir]
            for ir in self.shared
        }

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
        blocks = split_blocks(x, self.irreps_in)
        mixed = {
            name: list(self._mix(name, blocks, species).split(widths, dim=-1))
            for name, widths in self._widths.items()
        }
        results = [
            mixed[name].pop(0).flatten(-2) if name in mixed else x.new_zeros(*x.shape[:-1], dim)
            for name, dim in self._targets
        ]
        return torch.cat(results, dim=-1) if results else x.new_zeros(*x.shape[:-1], 0)

    def _mix(self, name: str, blocks: list[Tensor], species: Tensor | None) -> Tensor:
        """All channels of one irrep, (…, component, channel)."""
        same = [blocks[n] for n in self._sources[name]]
        values = same[0] if len(same) == 1 else torch.cat(same, dim=-1)
        weights = self.weights[name]
        weights = weights if species is None else weights[species]
        result = values @ weights / math.sqrt(weights.shape[-2])
        if self.bias is not None and name == "0e":
            bias = self.bias if species is None else self.bias[species]
            result = result + bias.unsqueeze(-2)
        return result

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        species = "" if self.n_species is None else f", {self.n_species} species"
        return f"{self.irreps_in} -> {self.irreps_out}{species}"


def _irreps(irreps: Irreps) -> list[Irrep]:
    """Each irrep once, in order of appearance."""
    return list(dict.fromkeys(block.ir for block in irreps if block.mul))
