import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from euclidium.cli.report import Report, number, table, to_json, verb


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner()


@pytest.fixture
def app() -> typer.Typer:
    """A command line with one verb, which prints while it works."""

    def greet(name: str, times: int = 1) -> Report:
        """Greet somebody."""
        print("a library says something")
        rows = [(name, times)]
        return Report(
            {"name": name, "times": times}, (table("Greetings", ("to", "n"), rows), "bye")
        )

    app = typer.Typer()
    app.command()(verb(greet))
    return app


def test_json_is_all_that_reaches_stdout(runner: CliRunner, app: typer.Typer):
    result = runner.invoke(app, ["Ada", "--times", "2", "--json"])
    assert json.loads(result.stdout) == {"name": "Ada", "times": 2}
    assert result.stderr == "a library says something\n"


def test_people_get_tables_and_sentences(runner: CliRunner, app: typer.Typer):
    result = runner.invoke(app, ["Ada"])
    assert "Greetings" in result.stdout
    assert "Ada" in result.stdout
    assert result.stdout.endswith("bye\n")
    assert "library" not in result.stdout


def test_a_verb_keeps_its_help(runner: CliRunner, app: typer.Typer):
    text = runner.invoke(app, ["--help"]).stdout
    assert "Greet somebody." in text
    assert "--json" in text


def test_json_of_arrays_records_and_what_is_not_a_number():
    document = {
        "bands": np.arange(4.0).reshape(2, 2),
        "flag": np.bool_(True),
        "nan": float("nan"),
        "inner": {"nothing": None, "none": [], 3: "Å"},
        "tuple": (np.float32(0.5), np.int64(1)),
    }
    text = to_json(document)
    assert json.loads(text) == {
        "bands": [[0.0, 1.0], [2.0, 3.0]],
        "flag": True,
        "nan": None,
        "inner": {"nothing": None, "none": [], "3": "Å"},
        "tuple": [0.5, 1],
    }
    assert "    [0.0, 1.0],\n" in text  # a row of an array is one line


def test_what_json_does_not_know_is_an_error():
    with pytest.raises(TypeError, match="not JSON serializable"):
        to_json({"bad": object()})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.000"),
        (0.0123456, "0.01235"),
        (-12.3456, "-12.35"),
        (99999.0, "99999"),
        (999.96, "1000"),
        (float("inf"), "–"),
        (True, "True"),
    ],
)
def test_numbers_in_tables(value: object, text: str):
    assert number(value) == text
