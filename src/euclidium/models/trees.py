"""Decision trees that add up, as tensors that a model file holds."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class Tree(NamedTuple):
    """A decision tree, its nodes in depth-first order: the left branch of a node follows it.

    Node n asks whether number ``feature[n]`` is at most ``value[n]``; if not, the way goes on
    ``skip[n]`` nodes further. Where ``skip`` is 0 the tree ends, and ``value`` is what it says.

    >>> Tree(feature=np.array([0]), skip=np.array([0]), value=np.array([0.5])).value
    array([0.5])
    """

    feature: Int[np.ndarray, " node"]
    skip: Int[np.ndarray, " node"]
    value: Float[np.ndarray, " node"]


class Trees(nn.Module):
    """The sum of what decision trees say about a row of numbers.

    f(x) = Σ_t value_t(x)

    Built with the numbers of trees and of all their nodes, empty until the weights of a file are
    loaded or :meth:`of` fills it. Input ``[row number]``, output ``[row]``.

    >>> stump = Tree(np.array([1, 0, 0]), np.array([2, 0, 0]), np.array([0.5, -1.0, 3.0]))
    >>> Trees.of([stump, stump])(torch.tensor([[9.0, 0.4], [0.0, 0.6]]))
    tensor([-2.,  6.])
    """

    roots: Tensor
    feature: Tensor
    skip: Tensor
    value: Tensor

    def __init__(self, n_trees: int, n_nodes: int) -> None:
        super().__init__()
        self.register_buffer("roots", torch.zeros(n_trees, dtype=torch.int32))
        self.register_buffer("feature", torch.zeros(n_nodes, dtype=torch.uint8))
        self.register_buffer("skip", torch.zeros(n_nodes, dtype=torch.int16))
        self.register_buffer("value", torch.zeros(n_nodes))

    @classmethod
    def of(cls, trees: Sequence[Tree]) -> "Trees":
        """The sum of some trees.

        Raises ``ValueError`` for none, for more than 256 numbers, and for trees of more than 2¹⁵
        nodes.
        """
        if not trees:
            raise ValueError("there is no tree to add up")
        sizes = [len(tree.value) for tree in trees]
        feature, skip, value = (np.concatenate(arrays) for arrays in zip(*trees, strict=True))
        if feature.max() > 255 or max(sizes) > 2**15:
            raise ValueError(
                f"trees ask for at most 256 numbers and have at most {2**15} nodes, got "
                f"{feature.max() + 1} and {max(sizes)}"
            )
        found = cls(len(sizes), sum(sizes))
        found.roots.copy_(torch.from_numpy(np.cumsum([0, *sizes[:-1]])))
        for name, values in (("feature", feature), ("skip", skip), ("value", value)):
            getattr(found, name).copy_(torch.from_numpy(values))
        return found

    def forward(self, numbers: Float[Tensor, "row number"]) -> Float[Tensor, " row"]:
        """What all trees together say about each row."""
        node = self.roots.long().repeat(len(numbers), 1)
        numbers = numbers.to(self.value)
        while (skip := self.skip[node].long()).any():
            low = numbers.gather(1, self.feature[node].long()) <= self.value[node]
            node = node + torch.where((skip > 0) & ~low, skip, (skip > 0).long())
        return self.value[node].sum(dim=1)
