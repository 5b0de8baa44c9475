"""The benchmark of matrices between Gaussians runs; nothing here asserts a time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "density_matrices.py"


def test_one_molecule(tmp_path: Path):
    pytest.importorskip("pyscf")
    pytest.importorskip("basis_set_exchange")
    written = tmp_path / "rows.json"
    options = ["--molecules", "1", "--repeats", "1", "--threads", "1", "--json", str(written)]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *options], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(written.read_text())["rows"]
    assert [row["case"] for row in rows] == 2 * ["1 waters, overlap"] + 2 * ["1 waters, Coulomb"]
    assert all(row["trace_error"] < 1e-12 and not row["failed"] for row in rows)
    assert {row["peer"] for row in rows} == {"PySCF", None}
