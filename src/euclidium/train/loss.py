"""Losses: penalties of errors, and their weighted sum."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Term:
    """One term of a loss, weight · total / count: a weighted mean that can be summed over batches.

    >>> Term(weight=2.0, total=torch.tensor(3.0), count=6).value.item()
    1.0
    """

    weight: float
    total: Float[Tensor, ""]
    count: float

    @property
    def value(self) -> Float[Tensor, ""]:
        """What the term adds to the loss."""
        return self.weight * self.total / max(self.count, 1)


def total_loss(terms: Mapping[str, Term]) -> Float[Tensor, ""]:
    """The sum of the terms, Σ weight · total / count.

    >>> total_loss({"energy": Term(10.0, torch.tensor(0.5), 2)}).item()
    2.5
    """
    return torch.stack([term.value for term in terms.values()]).sum()


def penalty(
    error: Float[Tensor, "*shape"], kind: str = "mse", delta: float = 0.01
) -> Float[Tensor, "*shape"]:
    """The penalty of each error x.

    mse: x².  mae: |x|.  huber: x²/2 for |x| < δ, else δ (|x| − δ/2), a parabola near zero and a
    line far from it, so that a few wrong labels do not rule the fit.

    Raises ``ValueError`` for another kind.

    >>> penalty(torch.tensor([0.1, 2.0]), "huber", delta=1.0)
    tensor([0.0050, 1.5000])
    """
    if kind == "mse":
        return error.square()
    if kind == "mae":
        return error.abs()
    if kind == "huber":
        return functional.huber_loss(error, torch.zeros_like(error), reduction="none", delta=delta)
    raise ValueError(f"not a penalty: {kind!r}, choose mse, huber or mae")


def energy_term(
    predicted: Float[Tensor, " structure"],
    reference: Float[Tensor, " structure"],
    n_atoms: Int[Tensor, " structure"],
    weight: float = 1.0,
    kind: str = "mse",
    delta: float = 0.01,
) -> Term:
    """Penalty of the energy per atom, ℓ((E − E*)/N), over structures; eV.

    >>> two = torch.tensor([2.0, 6.0]), torch.tensor([0.0, 0.0]), torch.tensor([2, 3])
    >>> energy_term(*two).value.item()  # (1² + 2²) / 2
    2.5
    """
    return _term((predicted - reference) / n_atoms, weight, kind, delta)


def forces_term(
    predicted: Float[Tensor, "atom 3"],
    reference: Float[Tensor, "atom 3"],
    weight: float = 1.0,
    kind: str = "mse",
    delta: float = 0.01,
) -> Term:
    """Penalty of each force component, ℓ(F − F*), over 3N components; eV/Å.

    >>> forces_term(torch.ones(2, 3), torch.zeros(2, 3)).count
    6
    """
    return _term(predicted - reference, weight, kind, delta)


def stress_term(
    predicted: Float[Tensor, "structure 3 3"],
    reference: Float[Tensor, "structure 3 3"],
    weight: float = 1.0,
    kind: str = "mse",
    delta: float = 0.01,
) -> Term:
    """Penalty of each stress component, ℓ(σ − σ*), over 9 components a structure; eV/Å³.

    >>> stress_term(torch.ones(2, 3, 3), torch.zeros(2, 3, 3), weight=3.0).value.item()
    3.0
    """
    return _term(predicted - reference, weight, kind, delta)


def _term(error: Tensor, weight: float, kind: str, delta: float) -> Term:
    return Term(weight, penalty(error, kind, delta).sum(), error.numel())
