"""The command ``euclidium``: its verbs, and what becomes of an error."""

import functools
import gc
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from euclidium import __version__
from euclidium.cli.config import config
from euclidium.cli.data import data
from euclidium.cli.density import density
from euclidium.cli.evaluate import evaluate
from euclidium.cli.finetune import finetune
from euclidium.cli.info import info
from euclidium.cli.md import md
from euclidium.cli.phonons import phonons
from euclidium.cli.predict import predict
from euclidium.cli.report import verb
from euclidium.cli.screen import screen
from euclidium.cli.tour import tour
from euclidium.cli.train import train

# Typer brings its own copy of click in newer versions, so the class is found by its name.
ClickException: type[Exception] = next(
    c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException"
)


class Commands(TyperGroup):
    """The verbs. An error of the user ends with one sentence on stderr and exit code 2."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        """Run a verb and end the process with its exit code."""
        words = list(sys.argv[1:] if args is None else args) or ["--help"]
        options = {**extra, "standalone_mode": False}
        run = functools.partial(super().main, words, *rest, **options)
        if not extra.get("standalone_mode", True):
            return run()
        sys.exit(exit_code(run, traceback="--traceback" in words))


def exit_code(run: Callable[[], Any], traceback: bool = False) -> int:
    """Run, and turn what it raises into an exit code and a sentence; bugs pass through.

    With ``traceback`` everything passes through.

    >>> exit_code(lambda: None)
    0
    """
    try:
        code = run()
        sys.stdout.flush()  # so that a closed pipe is noticed here
    except BrokenPipeError:
        # the reader has left; without this Python complains once more when it closes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except (ClickException, ValueError, OSError) as error:
        if traceback:
            raise
        print(f"euclidium: {sentence(error)}", file=sys.stderr)
        return 2
    return code if isinstance(code, int) else 0


def sentence(error: BaseException) -> str:
    r"""What a user reads about an error: one sentence on one line.

    >>> sentence(FileNotFoundError(2, "No such file or directory", "si.xyz"))
    'there is no file si.xyz: check the path'
    >>> sentence(ValueError("it broke,\n  twice"))
    'it broke, twice'
    """
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        return f"there is no file {error.filename}: check the path"
    if isinstance(error, OSError) and error.filename is not None:
        return f"cannot open {error.filename}: {str(error.strerror).lower()}"
    text = _usage(error) if isinstance(error, ClickException) else str(error)
    return " ".join(text.split())


def _usage(error: Any) -> str:
    """What typer says about a wrong command, and where to read how it is right."""
    text = error.format_message().replace(". Did you mean", ": did you mean").rstrip(".")
    text = text.replace("Value error, ", "")
    context = getattr(error, "ctx", None)
    where = f" (see {context.command_path} --help)" if context is not None else ""
    return f"{text[0].lower()}{text[1:]}{where}"


app = typer.Typer(
    cls=Commands,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
)


@app.callback(invoke_without_command=True)
def euclidium(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads to compute with; by default one a core.")
    ] = None,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show where in the code an error comes from.")
    ] = False,
) -> None:
    """Euclidean neural networks for materials: train, simulate, and see crystals vibrate.

    New here? [bold]euclidium tour[/bold] does all of it on data that comes with the package.
    """
    if version:
        print(f"euclidium {__version__}")
        raise typer.Exit
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


app.command()(verb(tour))
app.command()(verb(train))
app.command()(verb(finetune))
app.command()(verb(evaluate))
app.command()(verb(predict))
app.command()(verb(md))
app.command()(verb(screen))
app.add_typer(phonons)
app.add_typer(density)
app.command()(verb(info))
app.command()(verb(config))
app.add_typer(data)


def main() -> None:
    """The entry point of the command ``euclidium``."""
    try:
        app(prog_name="euclidium")
    finally:
        # or Python looks through all objects once more as it ends; Triton would report them as lost
        if "triton" not in sys.modules:
            gc.freeze()


if __name__ == "__main__":
    main()
