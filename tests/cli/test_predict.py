from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms

from euclidium.simulate.calculator import Calculator


def test_what_is_written_can_be_read_and_is_what_the_model_says(
    model: Path, tmp_path: Path, silicon: Atoms, answer: Callable[..., dict[str, Any]]
):
    given, out = tmp_path / "given.traj", tmp_path / "out.extxyz"
    frames = [silicon, silicon.repeat((2, 1, 1))]
    ase.io.write(given, frames)
    found = answer("predict", model, given, "-o", out, "--precision", "float64")
    assert (found["n"], found["n_atoms"], found["device"]) == (2, 24, "cpu")
    for before, after in zip(frames, ase.io.read(out, ":"), strict=True):
        before.calc = Calculator(model, dtype="float64")
        np.testing.assert_allclose(after.get_forces(), before.get_forces(), atol=1e-8)
        np.testing.assert_allclose(after.get_stress(), before.get_stress(), atol=1e-8)
        assert after.get_potential_energy() == pytest.approx(before.get_potential_energy())


def test_nothing_is_replaced_without_being_told(
    model: Path, tmp_path: Path, crystal_file: Path, refused: Callable[..., str]
):
    out = tmp_path / "out.extxyz"
    out.write_text("precious")
    assert "out.extxyz exists" in refused("predict", model, crystal_file, "-o", out)
    assert out.read_text() == "precious"


def test_the_name_says_the_format(model: Path, crystal_file: Path, refused: Callable[..., str]):
    assert "written as extended XYZ: call the file out.extxyz, not out.cif" in refused(
        "predict", model, crystal_file, "-o", "out.cif"
    )


def test_a_bad_frame_leaves_no_half_file(
    model: Path, tmp_path: Path, silicon: Atoms, refused: Callable[..., str]
):
    given, out = tmp_path / "given.xyz", tmp_path / "out.extxyz"
    ase.io.write(given, [silicon] * 80)
    with given.open("a") as file:
        file.write("two\n")
    assert "frame 80 of given.xyz cannot be read" in refused("predict", model, given, "-o", out)
    assert {path.name for path in tmp_path.iterdir()} == {"given.xyz"}
