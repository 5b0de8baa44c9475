"""Errors of a model, as tables."""

from typing import TYPE_CHECKING, Any

from euclidium.cli.report import table

if TYPE_CHECKING:
    from euclidium.train.metrics import Metrics

COLUMNS = ("quantity", "MAE", "RMSE", "unit", "values")


def error_rows(metrics: "Metrics") -> list[tuple[str, float, float, str, int]]:
    """One row for each quantity and each part of it: name, MAE, RMSE, unit, number of values."""
    return [
        (_name(row.quantity, row.of), row.mae, row.rmse, row.unit, row.count)
        for row in metrics.rows
    ]


def error_table(title: str, metrics: "Metrics") -> Any:
    """The errors as a table for people."""
    return table(title, COLUMNS, error_rows(metrics))


def _name(quantity: str, of: str | None) -> str:
    """What a row of the table is called."""
    name = quantity.partition("_")[0]
    return name if of is None else f"{name} on {of}"
