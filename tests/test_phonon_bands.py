"""Sodium chloride and magnesium oxide: what the data promise, and the benchmark that uses them."""

import importlib.util
import json
import subprocess
import sys
from itertools import permutations, product
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import scipy.constants as physics

from euclidium.atoms.embedded import embedded, embedded_file
from euclidium.cli.tour_phonons import fits

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks"
EXAMPLES = ROOT.parent / "shared" / "data" / "phonons" / "phonopy_examples"
IONIC = ("nacl", "mgo")


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch):
    """The benchmark as a module, forgotten after the test."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    spec = importlib.util.spec_from_file_location("phonon_bands", FOLDER / "phonon_bands.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "phonon_bands", module)
    spec.loader.exec_module(module)
    yield module
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "").parent == FOLDER:
            del sys.modules[name]


@pytest.fixture(params=IONIC)
def reference(request: pytest.FixtureRequest) -> dict[str, np.ndarray]:
    """The phonons of one of the crystals, with its name."""
    with np.load(embedded_file(request.param, "phonons.npz")) as archive:
        return {"name": request.param, **archive}


# -- the data ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", IONIC)
def test_frames_are_crystals_without_net_force(name: str):
    structures = [*embedded(name), *embedded(name, "test")]
    for structure in structures:
        assert structure.pbc.all()
        assert {"energy", "forces", "stress"} <= structure.labels.keys()
        assert len(set(np.unique(structure.species, return_counts=True)[1])) == 1
        np.testing.assert_allclose(structure.labels["forces"].sum(axis=0), 0, atol=1e-6)
    energies = np.array([s.labels["energy"] / s.n_atoms for s in structures])
    assert 0 < np.ptp(energies) < 0.8  # no frame of another method, none exploded


def test_training_cells_hold_every_wave_of_the_grid(reference: dict[str, np.ndarray]):
    """Or one that a rotation of the cube makes of it."""
    cells = np.array([structure.cell for structure in embedded(str(reference["name"]))])
    cell, rotations = reference["cell"], []
    for order in permutations(range(3)):
        for signs in product((-1.0, 1.0), repeat=3):
            rotations.append(np.diag(signs)[list(order)])
    for q in reference["direct_q"]:
        wave = q @ np.linalg.inv(cell).T
        star = np.array([wave @ rotation @ cell.T for rotation in rotations])
        assert fits(star, cells, cell).any(), q


def test_longitudinal_modes_are_split_by_the_born_charges(reference: dict[str, np.ndarray]):
    """ω²(LO) − ω²(TO) = Z² e²/(ε₀ ε μ V), beside Γ on the path."""
    start = reference["path_frequencies"][0]
    transverse, longitudinal = start[3:5].mean(), start[5]
    masses = reference["masses"] * physics.atomic_mass
    volume = np.linalg.det(reference["cell"]) * 1e-30
    charge = reference["born_charges"][0, 0, 0] * physics.e
    permittivity = reference["dielectric"][0, 0] * physics.epsilon_0
    plasma = charge**2 * masses.sum() / masses.prod() / (permittivity * volume)
    expected = np.sqrt(transverse**2 + plasma / (2e12 * np.pi) ** 2)
    assert longitudinal == pytest.approx(expected, rel=2e-3)
    np.testing.assert_allclose(reference["born_charges"].sum(axis=0), 0, atol=1e-10)


def test_reference_keeps_what_was_computed(reference: dict[str, np.ndarray]):
    """The interpolation returns the frequencies of linear response away from Γ."""
    grid, direct = reference["grid_q"], reference["direct_q"]
    for q, frequencies in zip(direct[1:], reference["direct_frequencies"][1:], strict=True):
        (row,) = np.flatnonzero(np.isclose(grid, q).all(axis=1))
        np.testing.assert_allclose(reference["grid_frequencies"][row], frequencies, atol=0.02)
    np.testing.assert_allclose(reference["grid_frequencies"][0, :3], 0, atol=1e-3)
    assert reference["grid_frequencies"].min() > -1e-3


def test_reference_is_near_what_was_measured(reference: dict[str, np.ndarray]):
    """Infrared frequencies (THz) at room temperature; density functionals are some percent off.

    Sangster, Peckham and Saunderson, J. Phys. C 3, 1026 (1970),
    https://doi.org/10.1088/0022-3719/3/5/017; Raunio, Almqvist and Stedman, Phys. Rev. 178, 1496
    (1969), https://doi.org/10.1103/PhysRev.178.1496.
    """
    measured = {"nacl": (4.92, 7.91), "mgo": (12.05, 21.5)}[str(reference["name"])]
    assert reference["path_frequencies"][0, [3, 5]] == pytest.approx(measured, rel=0.13)


def test_thermodynamics_of_the_reference(reference: dict[str, np.ndarray]):
    grid = reference["dos_frequency"]
    assert np.trapezoid(reference["dos"], grid) == pytest.approx(6.0, rel=2e-3)
    assert reference["heat_capacity"][-1] == pytest.approx(6 * physics.R, rel=0.04)
    # C = T dS/dT
    T, middle = reference["temperature"], slice(20, 80)
    slope = np.gradient(reference["entropy"], T)
    np.testing.assert_allclose((T * slope)[middle], reference["heat_capacity"][middle], rtol=2e-3)


# -- the benchmark ----------------------------------------------------------------------------


def test_rows_compare_grid_and_path(benchmark: ModuleType):
    reference = benchmark.Reference.of("silicon")
    found = benchmark.Bands(
        1.02 * reference.grid_frequencies, reference.path_frequencies, reference.lattice_constant
    )
    grid, path = benchmark.compare("silicon", "DFPT", found, reference)
    assert grid["relative_%"] == pytest.approx(2.0, abs=0.01)
    assert grid["largest_THz"] == pytest.approx(0.02 * reference.grid_frequencies.max(), abs=1e-3)
    assert (path["relative_%"], path["modes"]) == (0.0, reference.path_frequencies.size)


@pytest.mark.parametrize("name", ["silicon", *IONIC])
def test_special_points_follow_the_path(benchmark: ModuleType, name: str):
    reference = benchmark.Reference.of(name)
    ticks, labels, breaks = benchmark.special_points(reference)
    assert labels == ["Γ", "X", "U|K", "Γ", "L", "W", "X"]
    assert (np.diff(ticks) > 0).all()
    assert len(breaks) == 1


def test_picture(benchmark: ModuleType, tmp_path: Path):
    drawn = []
    for name in ("silicon", *IONIC):
        found = benchmark.Reference.of(name)
        bands = benchmark.Bands(found.grid_frequencies, found.path_frequencies, 5.0)
        drawn.append((name, found, bands))
    benchmark.draw(drawn, tmp_path / "bands.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["bands.svg"]


@pytest.mark.skipif(not EXAMPLES.exists(), reason="needs phonopy's examples in ../shared")
@pytest.mark.parametrize(("name", "formula"), [("nacl", "NaCl"), ("mgo", "MgO")])
def test_references_agree_with_another_program(benchmark: ModuleType, name: str, formula: str):
    """Other functionals and pseudopotentials: within a tenth or so."""
    reference = benchmark.Reference.of(name)
    found = benchmark.of_example(reference, EXAMPLES / formula)
    rows = list(benchmark.compare(name, "VASP", found, reference))
    assert all(0.1 < row["relative_%"] < 12 for row in rows)


def test_unknown_crystals_are_refused():
    command = [sys.executable, str(FOLDER / "phonon_bands.py"), "salt"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "no crystal 'salt': choose from silicon, nacl, mgo" in done.stderr


@pytest.mark.slow
def test_the_whole_way(tmp_path: Path):
    """A network of almost nothing: the rows are written, no number is promised."""
    small = ["model.network={channels: 2, lmax: 1, layers: 1}", "training.epochs=1"]
    options = [word for setting in small for word in ("--set", setting)]
    path = tmp_path / "rows.json"
    command = [sys.executable, str(FOLDER / "phonon_bands.py"), "mgo", *options]
    command += ["--models", str(tmp_path), "--json", str(path), "--threads", "1"]
    command += ["--examples", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    rows = json.loads(path.read_text())["rows"]
    assert [(row["crystal"], row["points"]) for row in rows] == [("mgo", "grid"), ("mgo", "path")]
