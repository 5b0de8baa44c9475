"""Gated nonlinearity: scalars act on themselves and scale everything else."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from euclidium.nn.activation import ScalarActivation
from euclidium.o3.irreps import Irrep, Irreps
from euclidium.ops.gates import gate, gate_name, has_kernel
from euclidium.ops.reference import split_blocks


class Gate(nn.Module):
    """Equivariant nonlinearity for features with l > 0.

    (s, g, x)  →  (φ(s), γ(g) x)   channel by channel

    The input is ``scalars + gates + gated`` in this order: one gate for each gated channel. Even
    scalars go through ``even``, odd ones through ``odd``, even gates through ``even_gate``, odd
    gates through ``odd_gate``, all normalised to unit second moment. Gates are bounded by default:
    products of unbounded ones make the variance grow from layer to layer.

    Raises ``ValueError`` if the gates are not scalars or their number is not that of the gated
    channels.

    Weiler et al., NeurIPS 31 (2018), https://doi.org/10.48550/arXiv.1807.02547

    >>> gate = Gate("8x0e", "6x0e", "4x1o + 2x2e")
    >>> gate.irreps_in, gate.irreps_out
    (8x0e+6x0e+4x1o+2x2e, 8x0e+4x1o+2x2e)
    """

    def __init__(
        self,
        scalars: Irreps | str,
        gates: Irreps | str,
        gated: Irreps | str,
        even: str = "silu",
        odd: str = "tanh",
        even_gate: str = "sigmoid",
        odd_gate: str = "tanh",
    ) -> None:
        super().__init__()
        scalars, gates, gated = Irreps(scalars), Irreps(gates), Irreps(gated)
        if gates.num_irreps != gated.num_irreps:
            raise ValueError(
                f"{gated.num_irreps} gated channels ({gated}) need as many gates, "
                f"got {gates.num_irreps} ({gates})"
            )
        self.scalars = ScalarActivation(scalars, even, odd)
        self.gates = ScalarActivation(gates, even_gate, odd_gate)
        self.irreps_in = scalars + gates + gated
        self.gated = gated
        self.pieces = _gate_of_each_piece(self.gates.irreps_out, gated)
        gated_out = Irreps([(mul, Irrep(ir.l, ir.p * p)) for mul, ir, p in self.pieces])
        self.irreps_out = self.scalars.irreps_out + gated_out
        self.sizes = [scalars.dim, gates.dim, gated.dim]
        # of even and odd scalars, of even and odd gates
        both = self.scalars, self.gates
        self._functions = tuple(f for act in both for f in (act.even, act.odd))
        muls = [mul for mul, _, _ in self.pieces]
        self._name = gate_name(scalars, gates, gated, muls, [f.name for f in self._functions])

    @classmethod
    def for_irreps(cls, irreps: Irreps | str, parity_of_gates: int = 1) -> "Gate":
        """The gate whose result has these irreps: scalars first, gated by even (or odd) scalars.

        >>> Gate.for_irreps("8x0e + 4x1o").irreps_in
        8x0e+4x0e+4x1o
        """
        irreps = Irreps(irreps)
        scalars = Irreps([b for b in irreps if b.ir.l == 0])
        gated = Irreps([b for b in irreps if b.ir.l > 0])
        n = gated.num_irreps
        gates = Irreps([(n, Irrep(0, parity_of_gates))] if n else [])
        return cls(scalars, gates, gated)

    def forward(self, x: Float[Tensor, "*batch irreps_in"]) -> Float[Tensor, "*batch irreps_out"]:
        """Apply the gate; raises ``ValueError`` for a wrong last dimension."""
        if x.shape[-1] != self.irreps_in.dim:
            raise ValueError(
                f"Gate expects a last dimension of {self.irreps_in.dim} ({self.irreps_in}), "
                f"got {x.shape[-1]}"
            )
        if has_kernel(self._name, x):
            return gate(self._name, [f.factor for f in self._functions], x)
        scalars, gates, gated = x.split(self.sizes, dim=-1)
        results, factors, start = [self.scalars(scalars)], self.gates(gates), 0
        for values in split_blocks(gated, self.gated):
            stop = start + values.shape[-1]
            scaled = values * factors[..., None, start:stop]
            results += [piece.flatten(-2) for piece in self._split(scaled, start, stop)]
            start = stop
        return torch.cat(results, dim=-1)

    def _split(self, values: Tensor, start: int, stop: int) -> list[Tensor]:
        """A gated block, cut where the parity of its gates changes."""
        sizes, position = [], 0
        for mul, _, _ in self.pieces:
            if start <= position < stop:
                sizes.append(mul)
            position += mul
        return list(values.split(sizes, dim=-1))


def _gate_of_each_piece(gates: Irreps, gated: Irreps) -> list[tuple[int, Irrep, int]]:
    """Runs of channels with one irrep and one gate parity: (multiplicity, irrep, gate parity)."""
    parities = [block.ir.p for block in gates for _ in range(block.mul)]
    pieces: list[tuple[int, Irrep, int]] = []
    position = 0
    for block in gated:
        runs: list[tuple[int, Irrep, int]] = []
        for p in parities[position : position + block.mul]:
            if runs and runs[-1][2] == p:
                runs[-1] = (runs[-1][0] + 1, block.ir, p)
            else:
                runs.append((1, block.ir, p))
        pieces += runs
        position += block.mul
    return pieces
