from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms

from euclidium.atoms.embedded import embedded
from euclidium.cli.evaluate import parity_figure
from euclidium.models.storage import load


def test_errors_of_an_embedded_set(model: Path, answer: Callable[..., dict[str, Any]]):
    found = answer("evaluate", model, "silicon")
    assert found["n"] == len(embedded("silicon", "test"))
    units = {name: found[name]["unit"] for name in ("energy", "forces", "stress", "stress_GPa")}
    assert units == {
        "energy": "meV/atom",
        "forces": "meV/Å",
        "stress": "meV/Å³",
        "stress_GPa": "GPa",
    }
    # one element: its error is that of all
    assert found["forces"]["by_element"]["Si"]["mae"] == pytest.approx(found["forces"]["mae"])
    assert found["forces"]["rmse"] >= found["forces"]["mae"]


def test_the_folder_of_a_run_is_its_model(
    workshop: Path, model: Path, answer: Callable[..., dict[str, Any]]
):
    found = answer("evaluate", workshop / "run", "silicon:test")
    assert found["model"] == str(model)


def test_parity_plot_of_a_file_with_its_own_names(
    model: Path,
    tmp_path: Path,
    answer: Callable[..., dict[str, Any]],
    refused: Callable[..., str],
    labelled: Callable[..., Atoms],
):
    atoms = labelled(energy=None, my_forces=np.ones((8, 3)))
    del atoms.arrays["forces"]
    atoms.write(tmp_path / "own.xyz")
    picture = tmp_path / "parity.png"
    words = (
        "evaluate",
        model,
        tmp_path / "own.xyz",
        "--forces-key",
        "my_forces",
        "--plot",
        picture,
    )
    found = answer(*words)
    assert set(found) == {"model", "data", "n", "forces", "plot"}
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "parity.png exists: replace it with --force" in refused(*words)
    assert answer(*words, "--force")["n"] == 1


def test_a_panel_for_each_label(model: Path):
    figure = parity_figure(load(model), embedded("silicon", "test")[:3])
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert len(labels) == 3
    assert labels[0] == "reference energy (eV/atom)"
