"""What each row of some results is, computed from the same row of some inputs."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from euclidium.ops.expression import Graph, Number, evaluate


@dataclass(frozen=True)
class Formula:
    """Columns of results as numbers of the columns of inputs, with the widths of the inputs.

    The derivatives of a formula are formulas, so that there are derivatives of every order.

    >>> x, y = Graph().inputs(0, 2)
    >>> product = Formula((2,), ((x * y,),))
    >>> product([torch.tensor([[2.0, 3.0]])])
    [tensor([[6.]])]
    >>> product.pulled()([torch.tensor([[2.0, 3.0]]), torch.ones(1, 1)])
    [tensor([[3., 2.]])]
    """

    inputs: tuple[int, ...]
    results: tuple[tuple[Number, ...], ...]

    def __call__(
        self, blocks: Sequence[Float[Tensor, "*batch _"]]
    ) -> list[Float[Tensor, "*batch _"]]:
        """The results by operations of torch, differentiable to any order."""
        columns = evaluate([number for result in self.results for number in result], blocks)
        return list(torch.stack(columns, -1).split(self.widths, -1))

    @property
    def widths(self) -> list[int]:
        """How many columns each result has."""
        return [len(result) for result in self.results]

    def pulled(self) -> "Formula":
        """Cotangents of the inputs, from the inputs and then the cotangents of the results."""
        given = self._columns(self.widths, len(self.inputs))
        columns = self._graph.pull(self._numbers, given, self._columns(self.inputs))
        return Formula((*self.inputs, *self.widths), _split(columns, self.inputs))

    def pushed(self) -> "Formula":
        """Tangents of the results, from the inputs and then the tangents of the inputs."""
        given = self._columns(self.inputs, len(self.inputs))
        columns = self._graph.push(self._numbers, self._columns(self.inputs), given)
        return Formula((*self.inputs, *self.inputs), _split(columns, self.widths))

    @property
    def _graph(self) -> Graph:
        return self._numbers[0].graph

    @property
    def _numbers(self) -> list[Number]:
        return [number for result in self.results for number in result]

    def _columns(self, widths: Sequence[int], first: int = 0) -> list[Number]:
        """All columns of inputs of some widths, counted from the first."""
        blocks = enumerate(widths, first)
        return [column for n, width in blocks for column in self._graph.inputs(n, width)]


def _split(columns: Sequence[Number], widths: Sequence[int]) -> tuple[tuple[Number, ...], ...]:
    starts = [sum(widths[:n]) for n in range(len(widths))]
    return tuple(tuple(columns[s : s + w]) for s, w in zip(starts, widths, strict=True))
