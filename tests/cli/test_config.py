from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from euclidium.train.config import load_config


def test_what_is_printed_is_a_configuration(tmp_path: Path, run: Callable[..., Any]):
    text = run("config").stdout
    assert "# cutoff radius, Å" in text
    path = tmp_path / "all.yaml"
    path.write_text(text.replace("train.xyz", "silicon"))
    short = tmp_path / "short.yaml"
    short.write_text("data: silicon\ntask: potential\noutput: run\n")
    assert load_config(path) == load_config(short)


@pytest.mark.parametrize("task", ["potential", "spectrum", "density"])
def test_for_machines(answer: Callable[..., dict[str, Any]], task: str):
    found = answer("config", "--task", task)
    assert found["task"] == task
    assert found["training"]["batch_size"] >= 1
