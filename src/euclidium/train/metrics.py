"""Measures of error: sums over batches, and the table that comes of them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Quantity:
    """What an error is measured of: its name, its unit, and the size of the unit in ours.

    ``of`` names a part, such as an element.
    """

    name: str
    unit: str
    size: float
    of: str | None = None


@dataclass(frozen=True)
class Row:
    """The error of one quantity: mean absolute, root mean square, number of values."""

    quantity: str
    of: str | None
    unit: str
    mae: float
    rmse: float
    count: int


@dataclass(frozen=True)
class Metrics:
    """A table of errors.

    >>> errors = Errors([Quantity("energy", "meV/atom", 1e-3)])
    >>> errors.add("energy", torch.tensor([0.003, -0.004], dtype=torch.float64))
    >>> metrics = errors.metrics()
    >>> round(metrics["energy"].mae, 6), round(metrics["energy"].rmse, 3)
    (3.5, 3.536)
    """

    rows: tuple[Row, ...]

    def __getitem__(self, quantity: str) -> Row:
        """The row of a whole quantity. Raises ``KeyError`` with the names that are there."""
        return self.of(quantity, None)

    def __contains__(self, quantity: str) -> bool:
        return any(row.quantity == quantity for row in self.rows)

    def of(self, quantity: str, part: str | None) -> Row:
        """The row of a part of a quantity, such as the forces on one element."""
        for row in self.rows:
            if (row.quantity, row.of) == (quantity, part):
                return row
        there = ", ".join(f"{row.quantity} {row.of or ''}".strip() for row in self.rows)
        raise KeyError(f"no error of {quantity} {part or ''}".strip() + f": there are {there}")

    def as_dict(self) -> dict[str, Any]:
        """Plain values: ``{quantity: {unit, mae, rmse, count, by_element: {…}}}``."""
        table: dict[str, Any] = {}
        for row in self.rows:
            values = {"mae": row.mae, "rmse": row.rmse, "count": row.count}
            if row.of is None:
                table[row.quantity] = {"unit": row.unit, **values}
            else:
                table[row.quantity].setdefault("by_element", {})[row.of] = values
        return table


class Errors:
    """Sums of errors that grow batch by batch, and add up over processes.

    >>> errors = Errors([Quantity("forces", "meV/Å", 1e-3)])
    >>> for _ in range(2):
    ...     errors.add("forces", torch.full((4, 3), 0.01, dtype=torch.float64))
    >>> errors.metrics()["forces"].count
    24
    """

    def __init__(self, quantities: Sequence[Quantity]) -> None:
        self.quantities = tuple(quantities)
        self._place = {(q.name, q.of): n for n, q in enumerate(self.quantities)}
        self.sums = torch.zeros(len(self.quantities), 3, dtype=torch.float64)  # Σ|x|, Σx², count

    def add(self, name: str, errors: Float[Tensor, "*shape"], of: str | None = None) -> None:
        """Add the errors of a batch, in eV and Å."""
        place = self._place[name, of]
        x = errors.detach().double() / self.quantities[place].size
        sums = torch.stack([x.abs().sum(), x.square().sum(), x.new_tensor(x.numel())])
        self.sums[place] += sums.to(self.sums.device)

    def reduce(self, total: Callable[[Tensor], Tensor]) -> None:
        """Replace the sums by those over all processes; ``total`` adds up a tensor."""
        self.sums = total(self.sums)

    def metrics(self) -> Metrics:
        """The table; quantities without values are left out."""
        rows = []
        for quantity, (absolute, square, count) in zip(
            self.quantities, self.sums.tolist(), strict=True
        ):
            if count:
                mae, rmse = absolute / count, math.sqrt(square / count)
                rows.append(Row(quantity.name, quantity.of, quantity.unit, mae, rmse, int(count)))
        return Metrics(tuple(rows))
