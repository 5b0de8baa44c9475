"""``euclidium phonons``: what has to do with vibrations of crystals, a group of verbs."""

from typing import Any

import typer
from typer.core import TyperGroup

from euclidium.cli.animate import animate
from euclidium.cli.bands import bands
from euclidium.cli.conductivity import conductivity
from euclidium.cli.expansion import expansion
from euclidium.cli.gruneisen import gruneisen
from euclidium.cli.phonons_predict import phonons_predict
from euclidium.cli.report import verb

DEFAULT = "bands"


class Phonons(TyperGroup):
    """Verbs about phonons; without the name of one it is ``bands``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name of the default verb before words that begin with no other one's name."""
        wants_help = bool(args) and args[0] in ctx.help_option_names
        if not wants_help and (not args or args[0] not in self.commands):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


SUMMARY = "Compute the phonons of a crystal, and what follows from them."
HELP = f"""{SUMMARY}

[bold]euclidium phonons MODEL STRUCTURE[/bold] is short for [bold]euclidium phonons bands[/bold]
with the same words. Every verb has --help and --json.
"""

phonons = typer.Typer(
    name="phonons",
    cls=Phonons,
    short_help=SUMMARY,
    help=HELP,
    subcommand_metavar="[VERB] ARGS...",
)
# A line for each verb, with its function in a file of its own.
phonons.command(DEFAULT)(verb(bands))
phonons.command()(verb(gruneisen))
phonons.command()(verb(expansion))
phonons.command()(verb(animate))
phonons.command()(verb(conductivity))
phonons.command("predict")(verb(phonons_predict))
