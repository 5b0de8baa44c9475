from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Run = Callable[..., Result]


def test_help_names_every_verb(run: Run):
    text = run("phonons", "--help").stdout
    assert all(f" {name} " in text for name in ("bands", "gruneisen", "expansion", "animate"))
    assert "euclidium phonons MODEL STRUCTURE" in text
    assert run("phonons", "-h").stdout == text
    assert "--supercell" in run("phonons", "bands", "--help").stdout


@pytest.mark.parametrize("name", [(), ("bands",)])
def test_bands_need_not_be_named(name: tuple[str, ...], tmp_path: Path, refused: Any):
    out = tmp_path / "phonons.txt"
    for words in ((), ("--mesh", 20.0)):
        text = refused("phonons", *name, *words, __file__, "si.cif", "-o", out)
        assert "a picture ends with .png, .pdf, .svg, got phonons.txt" in text


def test_wrong_usage_is_a_sentence(refused: Callable[..., str]):
    assert "missing argument 'MODEL'" in refused("phonons")
    assert "no such option: --foo" in refused("phonons", "--foo")
    assert "there is no model si.euclidium" in refused("phonons", "si.euclidium", "si.cif")
