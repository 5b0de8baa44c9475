from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from euclidium.simulate.phonons import Phonons


@pytest.fixture
def words(model: Path, tmp_path: Path) -> tuple[object, ...]:
    """A small calculation of the undistorted crystal."""
    from ase.build import bulk

    bulk("Si").write(tmp_path / "si.cif")
    small = ("--supercell", 2, 2, 2, "--mesh", 20, "--no-relax")
    return ("phonons", model, tmp_path / "si.cif", *small)


def test_numbers_and_picture(
    words: tuple[object, ...], tmp_path: Path, answer: Callable[..., dict[str, Any]]
):
    picture = tmp_path / "si.svg"
    found = answer(*words, "-o", picture, "--unit", "cm-1")
    assert found["n_atoms"] == 2
    assert found["stable"] == (found["lowest_THz"] > -0.1)
    bands = np.array(found["bands"]["frequencies_THz"])
    assert bands.shape == (len(found["bands"]["distances"]), 6)
    np.testing.assert_allclose(bands[0, :3], 0, atol=1e-4)  # acoustic sum rule at Γ
    assert found["cv_300K_J_per_K_mol_atom"] == pytest.approx(found["cv_300K_J_per_K_mol"] / 2)
    density, grid = found["dos"]["density_per_THz"], found["dos"]["frequencies_THz"]
    assert np.trapezoid(density, grid) == pytest.approx(6, rel=0.02)
    center = found["irreps"]["GAMMA"]
    assert [one["label"] for one in center["sets"]].count("T1u") == 1
    assert "<svg" in picture.read_text()
    kept = Phonons.load(tmp_path / "si.npz")
    np.testing.assert_allclose(kept.bands.frequencies, bands)


def test_derivatives_in_place_of_displacements(
    words: tuple[object, ...], tmp_path: Path, answer: Callable[..., dict[str, Any]]
):
    one = answer(*words, "-o", tmp_path / "one.svg", "--displacement", 1e-4)
    two = answer(*words, "-o", tmp_path / "two.svg", "--method", "hessian")
    assert two["highest_THz"] == pytest.approx(one["highest_THz"], rel=1e-4)


def test_people_get_a_table(
    words: tuple[object, ...], tmp_path: Path, run: Callable[..., Any], refused: Callable[..., str]
):
    result = run(*words, "-o", tmp_path / "si.png")
    assert result.exit_code == 0, result.stderr
    assert "heat capacity at 300 K" in result.stdout
    assert "Modes at Γ, m-3m" in result.stdout
    assert "si.npz" in result.stdout
    assert "si.png exists" in refused(*words, "-o", tmp_path / "si.png")
    assert "a picture ends with .png, .pdf, .svg, got si.txt" in refused(*words, "-o", "si.txt")


def test_a_molecule_has_no_phonons(model: Path, tmp_path: Path, refused: Callable[..., str]):
    path = tmp_path / "molecule.xyz"
    path.write_text("2\n\nSi 0 0 0\nSi 0 0 2.2\n")
    assert "phonons need a crystal" in refused("phonons", model, path, "-o", tmp_path / "p.png")
