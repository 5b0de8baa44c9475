"""What a verb answers: one JSON document for machines, tables and sentences for people."""

import contextlib
import functools
import inspect
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document, and nothing else.")]


@dataclass(frozen=True)
class Report:
    """What a verb found: a document for machines, and the same for people.

    ``view`` holds what rich can print: strings and tables.
    """

    document: Mapping[str, Any]
    view: tuple[Any, ...] = ()


def verb(function: Callable[..., Report]) -> Callable[..., None]:
    """Make a command of a function that returns a report: it gets ``--json``, and it is printed.

    While the function works, stdout belongs to the report: what libraries print goes to stderr.
    """

    @functools.wraps(function)
    def command(*, as_json: bool, **arguments: Any) -> None:
        with contextlib.redirect_stdout(sys.stderr):
            report = function(**arguments)
        show(report, as_json)

    kind = inspect.Parameter.KEYWORD_ONLY
    option = inspect.Parameter("as_json", kind, default=False, annotation=Json)
    signature = inspect.signature(function)
    named = [p.replace(kind=kind) for p in signature.parameters.values()]
    command.__signature__ = inspect.Signature([*named, option])  # type: ignore[attr-defined]
    command.__doc__ = _paragraphs(function.__doc__ or "")
    command.__annotations__ = {**function.__annotations__, "as_json": Json, "return": None}
    return command


def show(report: Report, as_json: bool) -> None:
    """Print a report to stdout."""
    if as_json:
        print(to_json(report.document))
        return
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 120  # a file has no edge at 80 characters
    for part in report.view:
        console.print(part, markup=False, soft_wrap=isinstance(part, str))


def to_json(document: object) -> str:
    """The document as JSON; what is not a finite number becomes ``null``.

    >>> print(to_json({"n": np.int64(2), "mae": float("nan"), "labels": ["Γ", "X"]}))
    {
      "n": 2,
      "mae": null,
      "labels": ["Γ", "X"]
    }
    """
    return _indented(_plain(document))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Any:
    """A table for people; columns of numbers are aligned to the right."""
    from rich import box
    from rich.table import Table

    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    for n, name in enumerate(columns):
        numbers = all(isinstance(row[n], int | float | None) for row in rows)
        made.add_column(name, justify="right" if numbers else "left")
    for row in rows:
        made.add_row(*(number(cell) for cell in row))
    return made


def number(value: object) -> str:
    """A value in a table: a float with four significant digits, and a dash for none.

    >>> [number(value) for value in (3.14159, 1234.567, 2e-7, 12, "Si", None)]
    ['3.142', '1235', '2.000e-07', '12', 'Si', '–']
    """
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return "–"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if 1e3 <= abs(value) < 1e7 else f"{value:#.4g}".rstrip(".")


def _paragraphs(text: str) -> str:
    """The text with one line for each paragraph, for a help page as wide as the terminal."""
    parts = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(" ".join(part.split()) for part in parts)


def _plain(value: object) -> Any:
    """The value in terms of what JSON knows."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value


def _indented(value: Any, before: str = "") -> str:
    """JSON with one entry on a line, and lists of numbers or words on one."""
    inner = before + "  "
    if isinstance(value, dict) and value:
        pairs = ((json.dumps(key, ensure_ascii=False), item) for key, item in value.items())
        lines = [f"{inner}{key}: {_indented(item, inner)}" for key, item in pairs]
        return "{\n" + ",\n".join(lines) + f"\n{before}}}"
    if isinstance(value, list) and any(isinstance(item, list | dict) for item in value):
        lines = [f"{inner}{_indented(item, inner)}" for item in value]
        return "[\n" + ",\n".join(lines) + f"\n{before}]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
