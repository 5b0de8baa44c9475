"""``euclidium config``: every key of a configuration, its default and what it means."""

from enum import Enum
from typing import Annotated

import typer

from euclidium.cli.report import Report


class Task(str, Enum):
    """What can be learned."""

    potential = "potential"
    spectrum = "spectrum"
    density = "density"


def config(
    task: Annotated[Task, typer.Option(help="What is to be learned.")] = Task.potential,
) -> Report:
    """Print every key of a training configuration with its default, ready to be edited.

    Only data, task and output must be there; all the rest is what you get without writing it:
    [bold]euclidium config > all.yaml[/bold].
    """
    import yaml

    from euclidium.train.config import render_defaults

    text = render_defaults(task.value)
    return Report(yaml.safe_load(text), (text.rstrip("\n"),))
