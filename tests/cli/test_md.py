from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import pytest


def test_energy_is_conserved_and_frames_are_kept(
    model: Path, crystal_file: Path, tmp_path: Path, answer: Callable[..., dict[str, Any]]
):
    out, log = tmp_path / "out.extxyz", tmp_path / "log.csv"
    words = ("md", model, crystal_file, "--steps", 40, "--timestep", 0.5, "--interval", 5)
    found = answer(*words, "-o", out, "--log", log)
    assert found["n_atoms"] == 8
    assert found["time_fs"] == 20.0
    assert abs(found["drift_meV_per_atom"]) < 0.5
    assert found["pressure_GPa"] is None
    frames = ase.io.read(out, ":")
    assert len(frames) == found["frames"] == 9
    assert frames[0].get_temperature() == pytest.approx(300 * 7 / 8, rel=0.01)  # drift removed
    assert log.read_text().startswith("time (fs),temperature (K)")


def test_tables_of_the_radial_functions(
    model: Path, crystal_file: Path, answer: Callable[..., dict[str, Any]], refused: Callable
):
    """A model that has knots has its tables already, and the same energy."""
    words = ("md", model, crystal_file, "--steps", 10, "--timestep", 0.5)
    with_networks = answer(*words)
    with_tables = answer(*words, "--radial-tolerance", 1e-6)
    key = "potential_eV_per_atom"
    assert with_tables[key] == with_networks[key]
    assert abs(with_tables["drift_meV_per_atom"]) < 0.5
    assert "the tolerance is a positive number, got -1" in refused(*words, "--radial-tolerance", -1)


def test_a_supercell_in_a_bath(model: Path, crystal_file: Path, run: Callable[..., Any]):
    words = ("--ensemble", "npt", "--supercell", 2, 1, 1, "--steps", 2, "--temperature", 100)
    result = run("md", model, crystal_file, *words)
    assert result.exit_code == 0, result.stderr
    assert "Molecular dynamics of Si16, npt" in result.stdout
    assert "GPa" in result.stdout


def test_the_same_seed_gives_the_same_run(
    model: Path, crystal_file: Path, answer: Callable[..., dict[str, Any]]
):
    words = ("md", model, crystal_file, "--ensemble", "langevin", "--steps", 3, "--seed")
    assert answer(*words, 1) == answer(*words, 1)
    assert answer(*words, 1) != answer(*words, 2)


def test_arguments_that_make_no_sense(model: Path, crystal_file: Path, refused: Callable[..., str]):
    assert "'nvx' is not one of" in refused("md", model, crystal_file, "--ensemble", "nvx")
    assert "the timestep is a time in fs above zero" in refused(
        "md", model, crystal_file, "--timestep", -1
    )
    assert "--supercell repeats the cell once or more, got (0, 1, 1)" in refused(
        "md", model, crystal_file, "--supercell", 0, 1, 1
    )
    assert "end the name with" in refused("md", model, crystal_file, "-o", "out.pdb", "--steps", 1)
