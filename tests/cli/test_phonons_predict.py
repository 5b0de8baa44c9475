import gc
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk

from euclidium import models
from euclidium.analyze.expression import Properties
from euclidium.atoms import PhononDOS, Structure
from euclidium.cli.phonons_predict import prediction_figure, without_collection
from euclidium.models import NequIPConfig, Spectrum, SpectrumConfig

SURE = {"cv300": (0.3, 1.0), "mean_frequency": (8.0, 1.0), "last_peak": (15.0, 1.0)}
HEAVY = {"lightning", "phonopy", "seekpath", "scipy.stats", "tensorboard", "pandas", "pyarrow"}


def save(path: Path, **changes: Any) -> Path:
    """A model of spectra that has learned nothing: it answers all the same."""
    config = SpectrumConfig(
        network=NequIPConfig(channels=4, lmax=1, layers=1), hidden=8, uncertainty=SURE, **changes
    )
    models.save(Spectrum(config).eval(), path)
    return path


@pytest.fixture(scope="module")
def spectrum(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two networks, which disagree."""
    return save(tmp_path_factory.mktemp("spectrum") / "untrained.euclidium", members=2)


@pytest.fixture
def salt(tmp_path: Path) -> Path:
    """Rock salt in its cubic cell."""
    path = tmp_path / "salt.cif"
    bulk("NaCl", "rocksalt", a=5.64, cubic=True).write(path)
    return path


def words(salt: Path, spectrum: Path, picture: Path) -> tuple[object, ...]:
    """A command."""
    return ("phonons", "predict", salt, "--model", spectrum, "-o", picture)


def test_numbers_and_picture(
    salt: Path, spectrum: Path, tmp_path: Path, answer: Callable[..., dict[str, Any]]
):
    picture = tmp_path / "salt.svg"
    found = answer(*words(salt, spectrum, picture), "-T", 150)
    crystal = Structure.from_ase(bulk("NaCl", "rocksalt", a=5.64))
    edges, modes = np.array(found["dos"]["edges_cm1"]), np.array(found["dos"]["modes_per_atom"])
    dos = PhononDOS.of(crystal, edges, modes)
    assert modes.sum() == pytest.approx(3)
    partial = found["dos"]["partial_modes_per_atom"]
    assert partial.keys() == {"Na", "Cl"}
    np.testing.assert_allclose(np.sum(list(partial.values()), axis=0), modes, atol=1e-9)
    assert found["temperature_K"] == 150
    for key, value in {
        "cv_J_per_K_mol_atom": dos.heat_capacity(150.0),
        "cv_J_per_K_mol_formula": 2 * dos.heat_capacity(150.0),
        "cv_J_per_K_kg": dos.heat_capacity(150.0, "kg"),
        "cv_J_per_K_m3": dos.heat_capacity(150.0, "m3"),
        "entropy_J_per_K_mol_atom": dos.entropy(150.0),
        "free_energy_kJ_per_mol_atom": dos.free_energy(150.0),
        "mean_frequency_cm1": dos.mean_frequency,
        "max_frequency_cm1": dos.max_frequency,
        "debye_temperature_K": dos.debye_temperature,
        "zero_point_energy_eV_per_atom": dos.zero_point_energy,
    }.items():
        assert found[key] == pytest.approx(float(value), rel=1e-6), key
        sigma = found[f"{key}_uncertainty"]
        assert sigma is None if key == "max_frequency_cm1" else sigma > 0, key
    assert 0 < found["unstable"] < 1
    drawn = picture.read_text()
    assert "<svg" in drawn


def test_cells_do_not_matter(
    salt: Path, spectrum: Path, tmp_path: Path, answer: Callable[..., dict[str, Any]]
):
    primitive = tmp_path / "primitive.vasp"
    bulk("NaCl", "rocksalt", a=5.64).write(primitive)
    one = answer(*words(salt, spectrum, tmp_path / "1.png"))
    other = answer(*words(primitive, spectrum, tmp_path / "2.png"))
    assert (one["n_atoms"], other["n_atoms"]) == (8, 2)
    for key in ("cv_J_per_K_mol_formula", "cv_J_per_K_m3", "last_peak_cm1", "unstable"):
        assert one[key] == pytest.approx(other[key], rel=1e-4), key


def test_substitution(
    salt: Path, spectrum: Path, tmp_path: Path, answer: Callable[..., dict[str, Any]]
):
    picture = tmp_path / "mixed.png"
    found = answer(*words(salt, spectrum, picture), "--substitute", "Br:Cl=0.25")
    assert found["formula"] == "BrCl3Na4"
    assert found["dos"]["partial_modes_per_atom"].keys() == {"Na", "Cl", "Br"}
    assert picture.stat().st_size > 10_000


def test_people_get_a_table(salt: Path, tmp_path: Path, run: Callable[..., Any]):
    single = save(tmp_path / "single.euclidium")
    result = run(*words(salt, single, tmp_path / "salt.png"))
    assert result.exit_code == 0, result.stderr
    assert "Cl4Na4 at 300 K" in result.stdout
    assert "heat capacity, kilogram" in result.stdout
    assert "salt.png" in result.stdout


def test_people_are_warned_of_unstable_crystals(
    salt: Path, tmp_path: Path, run: Callable[..., Any]
):
    path = save(tmp_path / "single.euclidium")
    model = models.load(path)
    for network in model.members:
        network.stability[-1].weight.zero_()
        network.stability[-1].bias.fill_(3.0)  # odds of e³
        network.imaginary.zero_()
    models.save(model, path)
    result = run(*words(salt, path, tmp_path / "salt.png"))
    assert "this crystal is probably unstable (95%)" in result.stdout


@pytest.mark.slow
def test_nothing_heavy_is_loaded(salt: Path, spectrum: Path, tmp_path: Path):
    """A prediction is to take seconds from a cold start."""
    import subprocess
    import sys

    code = (
        "import json, sys\n"
        "from euclidium.cli.main import exit_code, app\n"
        "exit_code(lambda: app(sys.argv[1:], standalone_mode=False))\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    command = [sys.executable, "-c", code, *map(str, words(salt, spectrum, tmp_path / "p.png"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    modules = set(json.loads(done.stdout.splitlines()[-1]))
    assert "euclidium.models.spectrum" in modules
    assert not modules & HEAVY


def test_bad_input(
    salt: Path, spectrum: Path, model: Path, tmp_path: Path, refused: Callable[..., str]
):
    picture = tmp_path / "p.png"
    command = words(salt, spectrum, picture)
    assert "a picture ends with .png" in refused(*words(salt, spectrum, tmp_path / "p.txt"))
    for wrong in (0, 80_000, "inf"):
        assert "-T is a temperature above zero, up to 50000 K, got" in refused(
            *command, "-T", wrong
        )
    assert "not a substitution: 'Br=0.25'" in refused(*command, "--substitute", "Br=0.25")
    assert "has no I to replace" in refused(*command, "--substitute", "Br:I=0.25")
    sentence = refused(*words(salt, model, picture))
    assert "is a potential, which predicts energies" in sentence
    assert "no such file" in refused(*words(tmp_path / "none.cif", spectrum, picture))
    molecule, dense = tmp_path / "molecule.xyz", tmp_path / "dense.vasp"
    molecule.write_text("2\n\nSi 0 0 0\nSi 0 0 2.2\n")
    assert "is not periodic along three axes" in refused(*words(molecule, spectrum, picture))
    bulk("Cu", a=0.4).write(dense)
    assert "they overlap: check the cell" in refused(*words(dense, spectrum, picture))
    assert not picture.exists()
    picture.touch()
    assert "p.png exists" in refused(*command)


@pytest.mark.parametrize("members", [1, 2])
def test_the_band_is_as_wide_as_the_model_says(tmp_path: Path, members: int):
    """Its root mean square on the points of the literature, as a share of the maximum."""
    path = save(tmp_path / "model.euclidium", members=members)
    (result,) = models.load(path).predict([Structure.from_ase(bulk("Cu", a=3.61))])
    result = replace(result, uncertainty={**result.uncertainty, "dos51": 0.12})
    known = Properties(result.dos, result.last_peak, result.unstable, 1, result.uncertainty)
    axes = prediction_figure(result, known, 300.0).axes[0]
    (x, y) = axes.lines[0].get_data()
    (band,) = [item for item in axes.collections if item.get_label() == "± σ"]
    outline = band.get_paths()[0].vertices
    upper = np.array([outline[np.isclose(outline[:, 0], place), 1].max() for place in x])
    grid = np.linspace(0, 1000, 51)
    sigma, curve = np.interp(grid, x, upper - y), np.interp(grid, x, y)
    assert np.sqrt(np.mean(sigma**2)) / curve.max() == pytest.approx(0.12, rel=1e-3)


def test_garbage_is_collected_afterwards():
    assert gc.isenabled()
    with without_collection():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ValueError, match="no crystal"), without_collection():
        raise ValueError("no crystal")
    assert gc.isenabled()
