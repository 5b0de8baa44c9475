from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from euclidium import __version__
from euclidium.cli.info import flat, versions


def test_this_computer(answer: Callable[..., dict[str, Any]]):
    found = answer("info")
    assert found["versions"]["euclidium"] == __version__
    assert found["versions"]["numpy"] == np.__version__
    assert found["devices"][0] == "cpu"
    assert found["threads"] >= 1
    names = {backend["name"]: backend["available"] for backend in found["backends"]}
    assert names["reference"]
    assert found["chosen_backend"]["cpu"] in names
    assert "silicon" in found["embedded_data"]


def test_for_people(run: Callable[..., Any]):
    text = run("info").stdout
    assert f"{__version__}" in text
    assert "reference" in text


def test_a_model(model: Path, answer: Callable[..., dict[str, Any]], run: Callable[..., Any]):
    found = answer("info", model)
    assert found["model"] == str(model)
    assert found["config"]["species"] == ["Si"]
    assert found["units"]["forces"] == "eV/Å"
    assert found["provenance"]["settings"]["training"]["epochs"] == 2
    text = run("info", model).stdout
    assert "config.cutoff" in text
    assert "provenance.settings" not in text


def test_flat():
    assert flat({"a": {"b": {"c": 1}}, "d": ("x", "y")}) == {"a.b.c": 1, "d": "x, y"}


def test_versions_of_what_is_not_installed():
    assert "triton" in versions()
