"""What ABINIT is told, and what is read in its output."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.geometry import minkowski_reduce

from euclidium.simulate.abinit import (
    HARTREE_TO_CM1,
    Electrons,
    crystal_input,
    electrons_input,
    find_programs,
    find_pseudopotentials,
    finished,
    k_mesh,
    merge,
    read_born_charges,
    read_crystal,
    read_dielectric,
    read_dos,
    read_frequencies,
    run,
)
from euclidium.units import BOHR, HARTREE

# of ABINIT 9.6.2 on magnesium oxide: a part of each table is enough
RESPONSE = """\
   3    2   3    2         0.0528668211         0.0000000000

  Dielectric tensor, in cartesian coordinates,
     j1       j2             matrix element
  dir pert dir pert     real part    imaginary part

   1    4   1    4         3.2629939576        -0.0000000000
   1    4   2    4         0.0000000000        -0.0000000000
   1    4   3    4         0.1000000000        -0.0000000000

   2    4   1    4         0.0000000000        -0.0000000000
   2    4   2    4         3.2629939576        -0.0000000000
   2    4   3    4         0.0000000000        -0.0000000000

   3    4   1    4         0.1000000000        -0.0000000000
   3    4   2    4         0.0000000000        -0.0000000000
   3    4   3    4         3.5629939576        -0.0000000000

  Effective charges, in cartesian coordinates,
  (from electric field response)
   if specified in the inputs, asr has been imposed
     j1       j2             matrix element
  dir pert dir pert     real part    imaginary part

   1    1   1    4         1.9432447237         0.0000000000
   2    1   1    4         0.0000000000         0.0000000000
   3    1   1    4        -0.0000000000         0.0000000000
   1    2   1    4        -2.0382549991         0.0000000000
   2    2   1    4        -0.0000000000         0.0000000000
   3    2   1    4         0.0000000000         0.0000000000

   1    1   2    4         0.2500000000         0.0000000000
   2    1   2    4         1.9432447237         0.0000000000
   3    1   2    4        -0.0000000000         0.0000000000
   1    2   2    4        -0.0000000000         0.0000000000
   2    2   2    4        -2.0382549991         0.0000000000
   3    2   2    4         0.0000000000         0.0000000000

   1    1   3    4         0.0000000000         0.0000000000
   2    1   3    4        -0.0000000000         0.0000000000
   3    1   3    4         1.9432447237         0.0000000000
   1    2   3    4         0.0000000000         0.0000000000
   2    2   3    4        -0.0000000000         0.0000000000
   3    2   3    4        -2.0382549991         0.0000000000

  Effective charges, in cartesian coordinates,
  (from phonon response)
   1    4   1    1         9.9999999999         0.0000000000

  Phonon wavevector (reduced coordinates) :  0.00000  0.00000  0.00000
 Phonon energies in Hartree :
   2.982361E-05  2.982361E-05  2.982361E-05  1.733978E-03  1.733978E-03
   1.733978E-03
 Phonon frequencies in cm-1    :
-  6.545527E+00  6.545527E+00  6.545527E+00  3.805642E+02  3.805642E+02
-  3.805642E+02

 Phonon frequencies in cm-1    :
- -6.545527E+00  6.545527E+00  9.954663E+00  3.805642E+02  3.805642E+02
-  6.981635E+02
"""
ECHO = """\
-outvars: echo values of variables after computation  --------
            acell      7.2088734485E+00  7.2088734485E+00  7.2088734485E+00 Bohr
              amu      2.80855000E+01
-          fftalg         112
P           mkmem           6
            rprim      0.0000000000E+00  7.0710678119E-01  7.0710678119E-01
                       7.0710678119E-01  0.0000000000E+00  7.0710678119E-01
                       7.0710678119E-01  7.0710678119E-01  0.0000000000E+00
            xcart      0.0000000000E+00  0.0000000000E+00  0.0000000000E+00
                       2.5487216000E+00  2.5487216000E+00  2.5487216000E+00
             xred      0.0000000000E+00  0.0000000000E+00  0.0000000000E+00
                       2.5000000000E-01  2.5000000000E-01  2.5000000000E-01
            znucl       14.00000
"""
DOS = """\
#
# Phonon density of states and atom type projected DOS
#
# omega     PHDOS    INT_PHDOS   PJDOS[atom_type=1]  INT_PJDOS[atom_type=1] ...
#
  -1.0E-03   0.0E+00   0.0E+00   0.0E+00   0.0E+00     0.0E+00   0.0E+00
   0.0E+00   9.9E+00   0.5E+00   9.9E+00   0.5E+00     9.9E+00   0.0E+00
   1.0E-03   9.9E+00   6.0E+00   9.9E+00   3.0E+00     9.9E+00   3.0E+00
"""


def test_tensors():
    dielectric = read_dielectric(RESPONSE)
    np.testing.assert_allclose(np.diag(dielectric), [3.2629939576, 3.2629939576, 3.5629939576])
    assert dielectric[0, 2] == 0.1
    charges = read_born_charges(RESPONSE, 2)
    np.testing.assert_allclose(charges[1], -2.0382549991 * np.eye(3), atol=1e-9)
    # a field along y moves the first atom along x
    assert charges[0, 1, 0] == 0.25
    assert charges[0, 0, 1] == 0.0


def test_tensors_that_are_missing():
    with pytest.raises(ValueError, match="ABINIT's output has no complete dielectric tensor"):
        read_dielectric("Calculation completed")
    with pytest.raises(ValueError, match="ABINIT's output has no complete Born charges"):
        read_born_charges(RESPONSE, 3)


def test_frequencies():
    found = read_frequencies(RESPONSE, 6)
    assert found.shape == (2, 6)
    assert found[0, 3] == 380.5642
    assert found[1].tolist() == [-6.545527, 6.545527, 9.954663, 380.5642, 380.5642, 698.1635]


def test_the_relaxed_crystal():
    """5.395 Å, from 7.2088734485 bohr times the square root of two."""
    found = read_crystal(ECHO, bulk("Si", a=5.0))
    a = 7.2088734485 * BOHR * np.sqrt(2)
    np.testing.assert_allclose(found.cell.array, bulk("Si", a=a).cell.array, atol=1e-8)
    np.testing.assert_allclose(found.positions[1], np.full(3, a / 4), atol=1e-8)
    with pytest.raises(ValueError, match="ABINIT echoes 6 numbers for xred, not 3"):
        read_crystal(ECHO, Atoms("Si", cell=np.eye(3), pbc=True))


def test_density_of_states():
    edges, modes = read_dos(DOS, 2)
    np.testing.assert_allclose(edges, HARTREE_TO_CM1 * np.array([-1e-3, 0, 1e-3]))
    assert modes.tolist() == [[0.5, 5.5], [0.5, 2.5], [0.0, 3.0]]
    with pytest.raises(ValueError, match=r"the shape \(3, 7\), expected 9 columns"):
        read_dos(DOS, 3)


def test_a_crystal_survives_the_input():
    """What is written reads back, as ABINIT would echo it."""
    atoms = bulk("ZnS", "zincblende", a=5.4)
    lines = crystal_input(atoms).splitlines()
    rprim = np.array([line.split() for line in lines[2:5]], dtype=float)
    np.testing.assert_allclose(rprim * BOHR, atoms.cell.array, atol=1e-12)
    assert "znucl 30 16" in lines
    assert "typat 1 2" in lines


def test_electrons(tmp_path: Path):
    for name in ("a/Mg.psp8", "b/8o.6.hgh"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("")
    files = {"Mg": tmp_path / "a" / "Mg.psp8", "O": tmp_path / "b" / "8o.6.hgh"}
    crystal = bulk("MgO", "rocksalt", a=4.2)
    text = electrons_input(crystal, Electrons(files, cutoff=40 * HARTREE, kpoints=10.0))
    assert f'pp_dirpath "{tmp_path}"\npseudos "a/Mg.psp8, b/8o.6.hgh"' in text
    assert "ecut 40.000000" in text
    assert "occopt 1" in text
    metal = electrons_input(crystal, Electrons(files, smearing=0.01 * HARTREE))
    assert "occopt 4\ntsmear 0.01000000" in metal
    with pytest.raises(ValueError, match="there is no pseudopotential for Si: give one for each"):
        electrons_input(bulk("Si"), Electrons(files))
    with pytest.raises(ValueError, match="the cutoff is an energy in eV above zero"):
        electrons_input(crystal, Electrons(files, cutoff=-1.0))


@pytest.mark.parametrize("multiple", [1, 2, 4])
@pytest.mark.parametrize("length", [5.0, 12.0, 18.0, 25.0])
def test_mesh_of_k_points(length: float, multiple: int):
    """Long enough, with k + q in the mesh, and with all symmetries of the crystal."""
    crystal = bulk("Si")
    matrix, shift = k_mesh(crystal, length, (multiple,) * 3)
    assert not (matrix % multiple).any()
    counts = np.stack(np.meshgrid(*[range(-3, 4)] * 3), axis=-1).reshape(-1, 3)
    lengths = np.linalg.norm(counts @ matrix @ crystal.cell.array, axis=1)
    assert lengths[lengths > 1e-9].min() >= length - 1e-6
    # k = inverse(matrix) (n + shift), turned by the threefold axis of the lattice
    points = (counts + shift) @ np.linalg.inv(matrix).T
    turned = points[:, [1, 2, 0]] @ matrix.T - shift
    np.testing.assert_allclose(turned, np.rint(turned), atol=1e-9)


def test_mesh_of_other_lattices():
    slab = Atoms("Si", cell=[3.0, 3.0, 6.0], pbc=True)
    assert np.diag(k_mesh(slab, 12.0)[0]).tolist() == [4, 4, 2]
    assert np.diag(k_mesh(slab, 10.0, (2, 2, 2))[0]).tolist() == [4, 4, 2]
    for a, angle in ((10.5, 24.2), (6.3, 34.0)):  # Bi₂Te₃ and MgCl₂
        skew = Atoms("Bi", cell=[a, a, a, angle, angle, angle], pbc=True)
        matrix = k_mesh(skew, 16.0, (2, 2, 2))[0]
        assert len(set(np.diag(matrix))) == 1
        reduced = minkowski_reduce(matrix @ skew.cell.array)[0]
        assert np.linalg.norm(reduced, axis=1).min() >= 16.0 - 1e-6
    with pytest.raises(ValueError, match="the length of the mesh of k points is in Å, above zero"):
        k_mesh(slab, 0.0)


def test_pseudopotentials(tmp_path: Path):
    for name in ("14si.4.hgh", "12mg.2.hgh", "12mg.10.hgh", "12mg.notes", "Si.psp8"):
        (tmp_path / name).write_text("")
    found = find_pseudopotentials(["Si", "Mg", "Si"], [tmp_path / "none", tmp_path])
    assert {symbol: path.name for symbol, path in found.items()} == {
        "Si": "Si.psp8",
        "Mg": "12mg.10.hgh",
    }
    with pytest.raises(ValueError, match=r"give folders with Ge\.psp8 or 32ge\.\*\.hgh"):
        find_pseudopotentials(["Ge"], [tmp_path])


def script(folder: Path, name: str, text: str) -> None:
    """A program of that name."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_runs_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    script(tmp_path, "abinit", 'echo run >> ../runs; echo "Calculation completed" > run.abo')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    folder = tmp_path / "one"
    assert not finished(folder, "natom 1")
    run(folder, "natom 1")
    assert finished(folder, "natom 1")
    run(folder, "natom 1")
    assert (tmp_path / "runs").read_text() == "run\n"
    run(folder, "natom 2")
    assert (tmp_path / "runs").read_text() == "run\nrun\n"


def test_a_run_that_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    words = "--- !ERROR\\nsrc_line: 9\\nmessage: |\\n    The input has no\\n    atoms.\\n...\\n"
    script(tmp_path, "abinit", f'printf -- "{words}"; exit 14')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(RuntimeError, match=r"\(exit code 14\): The input has no atoms\."):
        run(tmp_path / "one", "natom 0")


def test_merging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    script(tmp_path, "mrgddb", "cat > words; head -1 words | xargs touch")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    parts = [tmp_path / name for name in ("a_DDB", "b_DDB")]
    for part in parts:
        part.write_text(part.name)
    assert merge(tmp_path, parts[:1]).read_text() == "a_DDB"
    merge(tmp_path, parts)
    assert (tmp_path / "words").read_text().split() == [
        "merged_DDB",
        "euclidium",
        "2",
        "a_DDB",
        "b_DDB",
    ]
    script(tmp_path, "mrgddb", "echo wrong >&2; exit 1")
    with pytest.raises(RuntimeError, match="mrgddb could not merge 2 files in .*: wrong"):
        merge(tmp_path, parts)


def test_programs_that_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="the program abinit is not on the PATH: install ABINIT"):
        find_programs()
    script(tmp_path, "abinit", "")
    with pytest.raises(ValueError, match="the program mrgddb is not on the PATH"):
        find_programs()
    script(tmp_path, "mrgddb", "")
    script(tmp_path, "anaddb", "")
    find_programs()
    assert shutil.which("abinit") == str(tmp_path / "abinit")
