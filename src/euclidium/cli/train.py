"""``euclidium train``: fit a model to data, from a few lines of YAML."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from euclidium.cli.errors import error_table
from euclidium.cli.progress import bar, note
from euclidium.cli.report import Report

if TYPE_CHECKING:
    from euclidium.train.run import Result
    from euclidium.train.state import Progress

REASONS = {
    "epochs": "all epochs are done",
    "time": "the time is over: go on with --resume",
    "patience": "the validation loss no longer falls",
}


def train(
    config: Annotated[
        Path, typer.Argument(help="The configuration, a YAML file.", metavar="CONFIG")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Settings to change, such as training.epochs=20.", metavar="KEY=VALUE"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was interrupted.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", "--overwrite", help="Replace the run in the output folder.")
    ] = False,
) -> Report:
    """Train a model on labelled structures.

    A configuration needs three keys: data, task and output. [bold]euclidium config[/bold] prints
    all others. The output folder then holds the model, its errors and its learning curve.

    Example: [bold]euclidium train silicon.yaml training.epochs=100[/bold]
    """
    from euclidium.train.config import load_config
    from euclidium.train.run import train as run

    settings = load_config(config, overrides or [])
    with watching(settings.training.epochs) as progress:
        result = run(settings, resume=resume, overwrite=force, progress=progress)
    return _report(result)


@contextmanager
def watching(epochs: int) -> "Iterator[Callable[[Progress], None]]":
    """A bar of the whole run on stderr, and a line of errors about every tenth of it."""
    due = {max(1, round(n * epochs / 10)) for n in range(1, 11)}
    with bar("training", total=1.0) as shown:

        def progress(state: "Progress") -> None:
            words = f"epoch {state.epoch} of {epochs}"
            shown.set(state.done, words)
            if state.row is not None and state.epoch in due:
                note(f"{words}: {errors_of_epoch(state.row)}")

        yield progress


def errors_of_epoch(row: Mapping[str, float]) -> str:
    """The losses and validation errors of an epoch, in a few words.

    >>> errors_of_epoch({"training_loss": 0.25, "validation_forces_mae": 31.4})
    'training loss 0.25, forces 31.4 meV/Å'
    """
    words = [f"training loss {row['training_loss']:.4g}"]
    units = {"energy": "meV/atom", "forces": "meV/Å"}
    for name, unit in units.items():
        if f"validation_{name}_mae" in row:
            words.append(f"{name} {row[f'validation_{name}_mae']:.3g} {unit}")
    return ", ".join(words)


def _report(result: "Result") -> Report:
    """What a run has made."""
    document = {"model": result.model_path, "output": result.output, **result.as_dict()}
    titles = {"validation": "Errors on the validation structures", "test": "Errors on the test"}
    tables = [error_table(titles[part], metrics) for part, metrics in result.metrics.items()]
    time = f"{result.epochs} epochs in {result.seconds:.0f} s, best after {result.best_epoch}"
    return Report(
        document,
        (*tables, f"{time}; {REASONS[result.stopped]}", f"model: {result.model_path}"),
    )
