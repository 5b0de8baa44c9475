"""Densities of other programs, from the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from euclidium.atoms.density_file import embedded_densities, read_densities
from euclidium.atoms.density_orders import to_pyscf


def folder(path: Path) -> Path:
    """A folder of one molecule in PySCF's order."""
    record = embedded_densities("water", "train")[0]
    density = record.density
    lines = [str(density.structure.n_atoms), ""]
    for z, r in zip(density.structure.species, density.structure.positions, strict=True):
        lines.append(f"{'H' if z == 1 else 'O'} {r[0]:.12f} {r[1]:.12f} {r[2]:.12f}")
    path.mkdir()
    (path / "one.xyz").write_text("\n".join([*lines, ""]))
    basis = [f"{symbol} 0\n" + "".join(
        f"{'SPDFG'[l]} 1 1.00\n  {a!r} 1.0\n" for l, a in density.basis.of(z)
    ) + "****\n" for symbol, z in (("H", 1), ("O", 8))]  # fmt: skip
    (path / "jfit.gbs").write_text("****\n" + "".join(basis))
    (path / "ALL_C").mkdir()
    ordered = to_pyscf(density.coefficients, density.basis, density.structure.species)
    np.savetxt(path / "ALL_C" / "mol_0.dat", ordered)
    return path


def test_a_folder_becomes_one_file(tmp_path: Path, answer: Callable[..., dict[str, Any]]):
    output = tmp_path / "out.npz"
    found = answer("data", "import", folder(tmp_path / "one"), "-o", output)
    assert (found["densities"], found["basis"], found["isolated_atoms"]) == (1, ["jfit"], False)
    assert found["electrons_error"] < 1e-12
    [record] = read_densities(output)
    assert abs(record.density.electrons - 10) < 1e-11


def test_what_cannot_be_read_or_written_gets_a_sentence(
    tmp_path: Path, refused: Callable[..., str]
):
    words = ("data", "import", tmp_path / "a.pkl", "-o")
    assert "kept in a file that ends in .npz" in refused(*words, tmp_path / "out.h5")
    assert "there is no file or folder" in refused(*words, tmp_path / "out.npz")
