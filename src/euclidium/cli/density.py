"""``euclidium density``: electron densities and what follows from them, a group of verbs."""

import typer

from euclidium.cli.density_fields import density_fields
from euclidium.cli.density_hierarchy import hierarchy
from euclidium.cli.density_predict import density_predict
from euclidium.cli.evaluate_density import density_evaluate
from euclidium.cli.report import verb

SUMMARY = "Predict electron densities, and compute what follows from them."
HELP = f"""{SUMMARY}

Every verb has --help and --json.
"""

density = typer.Typer(name="density", short_help=SUMMARY, help=HELP, no_args_is_help=True)
# A line for each verb, with its function in a file of its own.
density.command("predict")(verb(density_predict))
density.command("evaluate")(verb(density_evaluate))
density.command("fields")(verb(density_fields))
density.command("hierarchy")(verb(hierarchy))
