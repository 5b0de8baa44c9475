import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.db import connect
from ase.io import write

from euclidium import models
from euclidium.models import NequIPConfig, Spectrum, SpectrumConfig

SURE = {"cv300": (0.3, 1.0), "mean_frequency": (8.0, 1.0), "last_peak": (15.0, 1.0)}
CELLS = {
    "Si": bulk("Si", a=5.43),
    "Si again": bulk("Si", a=5.43, cubic=True),
    "NaCl": bulk("NaCl", "rocksalt", a=5.64),
    "MgO": bulk("MgO", "rocksalt", a=4.21),
    "LiF": bulk("LiF", "rocksalt", a=4.03),
    "Cu": bulk("Cu", a=3.61, cubic=True),
    "ZnS": bulk("ZnS", "wurtzite", a=3.82, c=6.26),
}


@pytest.fixture(scope="module")
def spectrum(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of spectra that has learned nothing: it answers all the same."""
    config = SpectrumConfig(
        network=NequIPConfig(channels=4, lmax=1, layers=1), hidden=8, uncertainty=SURE
    )
    path = tmp_path_factory.mktemp("spectrum") / "untrained.euclidium"
    models.save(Spectrum(config).eval(), path)
    return path


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Seven crystals, one twice, two atoms that overlap, and a line that is broken."""
    records = []
    overlapping = bulk("Cu", a=0.4)
    for name, atoms in {**CELLS, "overlap": overlapping}.items():
        frac = atoms.get_scaled_positions().tolist()
        symbols = atoms.get_chemical_symbols()
        records.append({"id": name, "lattice": atoms.cell.tolist(), "frac": frac})
        records[-1]["symbols"] = symbols
    path = tmp_path / "crystals.jsonl"
    path.write_text("\n".join([*map(json.dumps, records), '{"broken": ']))
    return path


def many(folder: Path, n: int) -> Path:
    """A database of copper at many volumes."""
    path = folder / "rows.db"
    with connect(path) as database:
        for k in range(n):
            database.write(bulk("Cu", a=3.5 + 0.02 * k), mp_id=f"mp-{k}")
    return path


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    """The rows of a list."""
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_whole_of_it(
    spectrum: Path, database: Path, tmp_path: Path, answer: Callable[..., dict[str, Any]]
):
    output = tmp_path / "out"
    words = ("screen", spectrum, database, "-o", output, "--rank", "cv_kg(300)", "--workers", 1)
    found = answer(*words, "--where", "n_atoms < 3", "--top", 3)
    counts = {k: found[k] for k in ("entries", "crystals", "ranked", "duplicates", "refused")}
    assert counts == {"entries": 9, "crystals": 6, "ranked": 5, "duplicates": 1, "refused": 2}
    assert (found["complete"], found["unit"]) == (True, "J/(K kg)")
    values = [row["value"] for row in found["top"]]
    assert len(values) == 3
    assert values == sorted(values, reverse=True)
    first = found["top"][0]
    share = first["cv_300K_uncertainty_J_per_K_mol"] / first["cv_300K_J_per_K_mol"]
    assert first["uncertainty"] == pytest.approx(share * first["value"], rel=1e-3)
    assert json.loads((output / "summary.json").read_text()) == found
    assert [row["name"] for row in rows(output, "duplicates.csv")] == ["Si again"]
    reasons = [row["reason"] for row in rows(output, "refused.csv")]
    assert "they overlap: check the cell" in reasons[0]
    assert "line 9 of crystals.jsonl is not JSON" in reasons[1]
    page = (output / "ranking.html").read_text()
    assert page.count("<svg") == 3
    assert "n_atoms &lt; 3" in page
    assert "http" not in page
    table = found["files"]["results"]
    assert Path(table).exists()
    assert {"ranking.html", "summary.json", "chunks"} <= {path.name for path in output.iterdir()}


def test_another_order_needs_no_model_again(
    spectrum: Path, database: Path, tmp_path: Path, answer: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    words = ("screen", spectrum, database, "-o", tmp_path / "out", "--workers", 1)
    assert answer(*words)["entries_now"] == 9
    monkeypatch.setattr(sys.modules["euclidium.analyze.screen"], "load", pytest.fail)
    found = answer(*words, "--rank", "density", "--lowest")
    assert found["entries_now"] == 0
    assert found["top"][0]["name"] == "NaCl"  # 2.2 g/cm³
    assert np.diff([row["density_g_per_cm3"] for row in found["top"]]).min() > 0


def test_people_get_a_table(
    spectrum: Path, database: Path, tmp_path: Path, run: Callable[..., Any]
):
    words = ("screen", spectrum, database, "-o", tmp_path / "out", "--workers", 1)
    result = run(*words, "--without", "Na,Li")
    assert result.exit_code == 0, result.stderr
    assert "cv_kg(300) (J/(K kg))" in result.stdout
    assert "Of 9 entries 2 were filtered out, 2 could not be used" in result.stdout
    assert "ranking.html" in result.stdout


def test_shards(spectrum: Path, tmp_path: Path, run: Callable[..., Any]):
    """Two pieces; the shard that comes last ranks."""
    path = many(tmp_path, 6)
    words = ("screen", spectrum, path, "-o", tmp_path / "out", "--workers", 1, "--chunk", 4)
    result = run(*words, "--shard", "2/2")
    assert result.exit_code == 0, result.stderr
    assert "shard 2/2 is done: 1 of 2 pieces are finished" in result.stdout
    assert not (tmp_path / "out" / "ranking.html").exists()
    result = run(*words, "--shard", "1/2", "--json")
    found = json.loads(result.stdout)
    assert (found["complete"], found["entries_now"], found["crystals"]) == (True, 4, 6)


@pytest.mark.slow
def test_workers(
    spectrum: Path, database: Path, tmp_path: Path,
    shell: Callable[..., Any], answer: Callable[..., dict[str, Any]],
):  # fmt: skip
    """Processes that start by themselves give what one gives."""
    words = ("screen", spectrum, database, "--chunk", 2)
    done = shell(*words, "-o", tmp_path / "two", "--workers", 2, "--json")
    assert done.returncode == 0, done.stderr
    two = json.loads(done.stdout)
    one = answer(*words, "-o", tmp_path / "one", "--workers", 1)
    for key in ("crystals", "duplicates", "refused", "complete"):
        assert two[key] == one[key], key
    assert [row["name"] for row in two["top"]] == [row["name"] for row in one["top"]]
    values = [[row["value"] for row in found["top"]] for found in (one, two)]
    np.testing.assert_allclose(*values, rtol=1e-4)


@pytest.mark.slow
def test_killed_at_any_moment(spectrum: Path, tmp_path: Path, answer: Callable[..., Any]):
    """A process that is killed leaves whole pieces, and the next one goes on from there."""
    path, output = many(tmp_path, 40), tmp_path / "out"
    words = ["screen", spectrum, path, "-o", output, "--workers", "1", "--chunk", "2"]
    command = [sys.executable, "-m", "euclidium.cli.main", *map(str, words)]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    until = time.monotonic() + 200
    while not list(output.glob("chunks/0*.npz")) and time.monotonic() < until:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = len(list(output.glob("chunks/0*.npz")))
    assert 0 < kept <= 20
    found = answer(*words)
    assert found["crystals"] == 40
    assert found["entries_now"] == 40 - 2 * kept


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--rank", "cv(300"], "'cv(300' is not an expression"),
        (["--rank", "omega_maks"], "there is no 'omega_maks'; did you mean 'omega_max'"),
        (["--rank", "mass > 3"], "--rank 'mass > 3' is a condition: rank by a number"),
        (["--where", "mass"], "--where 'mass' is a number: compare it, as in mass < 1"),
        (["--elements", "Li,Xx"], "'Xx' is not a chemical symbol"),
        (["--shard", "3"], "--shard is written as 3/16"),
        (["--shard", "0/4"], "there is no shard 0/4: shards are counted from 1 to 4"),
        (["--shard", "1/2", "--force"], "would remove what other shards do"),
        (["--tolerance", "0"], "--tolerance is a distance above zero"),
        (["--max-atoms", "0"], "invalid value for '--max-atoms'"),
    ],
)
def test_bad_words(
    spectrum: Path, database: Path, tmp_path: Path, refused: Callable[..., str],
    words: list[str], sentence: str,
):  # fmt: skip
    command = ("screen", spectrum, database, "-o", tmp_path / "out", "--workers", 1, *words)
    assert sentence in refused(*command)
    assert not list((tmp_path / "out").glob("chunks/*"))


def test_nothing_is_removed_for_a_word_that_is_wrong(
    spectrum: Path, model: Path, database: Path, tmp_path: Path,
    refused: Callable[..., str], answer: Callable[..., dict[str, Any]],
):  # fmt: skip
    output = ("-o", tmp_path / "out", "--workers", 1)
    answer("screen", spectrum, database, *output)
    assert "no such file" in refused("screen", spectrum, tmp_path / "typo", *output, "--force")
    assert "is a potential" in refused("screen", model, database, *output, "--force")
    assert answer("screen", spectrum, database, *output)["entries_now"] == 0


def test_a_database_that_changed_is_another_one(
    spectrum: Path, tmp_path: Path,
    refused: Callable[..., str], answer: Callable[..., dict[str, Any]],
):  # fmt: skip
    folder = tmp_path / "crystals"
    folder.mkdir()
    write(folder / "a.cif", CELLS["Si"])
    words = ("screen", spectrum, folder, "-o", tmp_path / "out", "--workers", 1)
    answer(*words)
    write(folder / "a.cif", CELLS["Cu"])
    assert "another content of the database: choose another folder" in refused(*words)
    assert answer(*words, "--force")["top"][0]["formula"] == "Cu"


def test_the_tolerance_holds_with_duplicates(
    spectrum: Path, tmp_path: Path, answer: Callable[..., dict[str, Any]]
):
    salt = CELLS["NaCl"].copy()
    salt.positions[1] += 0.03
    write(tmp_path / "off.cif", salt)
    found = answer(
        "screen", spectrum, tmp_path, "-o", tmp_path / "out", "--workers", 1,
        "--tolerance", 0.2, "--duplicates",
    )  # fmt: skip
    assert found["top"][0]["symbol"] == "Fm-3m"


def test_a_name_that_is_no_utf8(
    spectrum: Path, tmp_path: Path, answer: Callable[..., dict[str, Any]]
):
    folder = tmp_path / "crystals"
    folder.mkdir()
    write(folder / "a.cif", CELLS["Si"])
    os.rename(os.fsencode(folder / "a.cif"), os.fsencode(folder) + b"/caf\xe9.cif")
    found = answer("screen", spectrum, folder, "-o", tmp_path / "out", "--workers", 1)
    assert found["top"][0]["name"] == r"caf\xe9.cif"


def test_bad_files(
    spectrum: Path, database: Path, model: Path, tmp_path: Path, refused: Callable[..., str]
):
    output = tmp_path / "out"
    command = ("screen", spectrum, tmp_path / "nothing.jsonl", "-o", output)
    assert "no such file" in refused(*command)
    (tmp_path / "empty").mkdir()
    command = ("screen", spectrum, tmp_path / "empty", "-o", output)
    assert "holds no CIF or POSCAR files" in refused(*command)
    assert "is a potential: a screening needs" in refused("screen", model, database, "-o", output)
    assert "it is a file, give the name of a folder" in refused(
        "screen", spectrum, database, "-o", database
    )


def test_a_folder_of_another_screening(
    spectrum: Path, database: Path, tmp_path: Path,
    refused: Callable[..., str], answer: Callable[..., dict[str, Any]],
):  # fmt: skip
    words = ("screen", spectrum, database, "-o", tmp_path / "out", "--workers", 1)
    answer(*words)
    sentence = refused(*words, "--max-atoms", 1)
    assert "another max_atoms (max_atoms None, now 1): choose another folder, or begin" in sentence
    found = answer(*words, "--max-atoms", 1, "--force")
    assert (found["crystals"], found["filtered"]) == (1, {"max_atoms": 6})
