"""How far a verb has come, for people who watch: a bar with the time left, on stderr."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bar:
    """A bar that is being filled; ``live`` says whether anybody sees it."""

    def __init__(self, progress: "Progress", task: "TaskID") -> None:
        self._progress, self._task = progress, task
        self.live = not progress.disable

    def advance(self, n: float = 1) -> None:
        """Go on by so much."""
        self._progress.advance(self._task, n)

    def set(self, done: float, words: str | None = None) -> None:
        """Go to a point, and say in a few words what is being done."""
        self._progress.update(self._task, completed=done, description=words)


@contextmanager
def bar(words: str, total: float | None = None) -> Iterator[Bar]:
    """A bar on stderr with the time left, gone when the work is done; nothing for a file or pipe.

    Without a total it shows that something happens, and for how long already.

    >>> with bar("relaxing", total=2) as shown:
    ...     shown.advance()
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(file=sys.stderr)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("[dim]time[/dim]"),
        TimeElapsedColumn(),
        TextColumn("[dim]left[/dim]"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with progress:
        yield Bar(progress, progress.add_task(words, total=total))


def note(text: str) -> None:
    """One line on stderr."""
    print(text, file=sys.stderr, flush=True)
