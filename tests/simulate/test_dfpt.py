"""Linear response: the order of the runs, and what becomes of their output."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from euclidium.simulate.abinit import DATA, PROGRAMS, Electrons
from euclidium.simulate.dfpt import dfpt, irreducible, primitive

# Programs that answer as those of ABINIT do for a crystal of two atoms, with frequencies of lithium
# chloride, and note what they were asked for.
ABINIT = r"""#!/bin/sh
folder=$(basename $(pwd)); echo $folder >> ../../runs
{
if grep -q optcell run.abi; then
  echo " At Broyd/MD step   4, gradients are converged :"
  echo "-outvars: echo values of variables after computation"
  echo "  acell 9.4 9.4 9.4 Bohr"
  echo "  rprim 0.0 0.5 0.5 0.5 0.0 0.5 0.5 0.5 0.0"
  echo "  xred 0.0 0.0 0.0 0.5 0.5 0.5"
fi
if grep -q rfelfd run.abi; then
  echo "  Dielectric tensor, in cartesian coordinates,"
  for i in 1 2 3; do for j in 1 2 3; do
    if [ $i = $j ]; then x=3.25; else x=0.00; fi; echo "   $i    4   $j    4   $x   0.00"
  done; done
  echo "  Effective charges, in cartesian coordinates,"
  for j in 1 2 3; do for a in 1 2; do for i in 1 2 3; do
    if [ $i = $j ]; then x=1.20; else x=0.00; fi; [ $a = 2 ] && x=-$x
    echo "   $i    $a   $j    4   $x   0.00"
  done; done; done
fi
echo " Phonon frequencies in cm-1    :"
echo "-  1.0E+00  1.0E+00  1.0E+00  2.0E+02  2.0E+02"
echo "-  2.0E+02"
echo " Calculation completed."
} > run.abo
touch runo_WFK
if grep -q ndtset run.abi; then touch runo_DS2_DDB; else touch runo_DDB; fi
"""
ANADDB = r"""#!/bin/sh
cat > run.abo <<END
 Phonon frequencies in cm-1    :
-  0.0E+00  0.0E+00  0.0E+00  2.0E+02  2.0E+02
-  2.0E+02
 Phonon frequencies in cm-1    :
-  0.0E+00  0.0E+00  0.0E+00  2.0E+02  2.0E+02
-  4.0E+02
+Total cpu time      0.5
END
cat > run_PHDOS <<END
# omega PHDOS INT_PHDOS PJDOS INT_PJDOS PJDOS INT_PJDOS
0.0E+00  0.0E+00  0.0E+00  0.0E+00  0.0E+00  0.0E+00  0.0E+00
1.0E-03  1.0E+00  4.0E+00  1.0E+00  1.0E+00  1.0E+00  3.0E+00
2.0E-03  1.0E+00  6.0E+00  1.0E+00  3.0E+00  1.0E+00  3.0E+00
END
"""
MRGDDB = "#!/bin/sh\nread name; cat > asked; touch $name\n"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose programs stand for ABINIT, and a pseudopotential that they do not read."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name, text in zip(PROGRAMS, (ABINIT, MRGDDB, ANADDB), strict=True):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return tmp_path


@pytest.fixture
def electrons() -> Electrons:
    return Electrons(dict.fromkeys(("Li", "Cl"), Path("any.psp8")), kpoints=10.0)


def test_from_input_to_density_of_states(programs: Path, electrons: Electrons):
    told = []
    crystal = bulk("LiCl", "rocksalt", a=5.1)
    found = dfpt(crystal, electrons, programs / "work", observe=told.append)
    assert (programs / "runs").read_text().split() == ["relaxation", "ground", "q0", "q1", "q2"]
    assert told == [
        "relaxation",
        "ground state",
        "wave vector 1 of 3",
        "wave vector 2 of 3",
        "wave vector 3 of 3",
        "interpolation",
    ]
    assert found.atoms.get_volume() == pytest.approx((9.4 * 0.529177210) ** 3 / 4, rel=1e-6)
    assert found.q.tolist() == [[0, 0, 0], [0.5, 0, 0], [0.5, 0.5, 0]]
    assert found.raw.shape == (3, 6)
    assert found.gamma[-1] == 200
    assert found.gamma_along_x[-1] == 400
    np.testing.assert_allclose(found.dielectric, 3.25 * np.eye(3))
    np.testing.assert_allclose(found.born_charges[1], -1.2 * np.eye(3))
    np.testing.assert_allclose(found.dos.modes, [2, 1])
    np.testing.assert_allclose(found.partial["Li"], [0.5, 1])
    np.testing.assert_allclose(found.partial["Cl"], [1.5, 0])
    assert found.dos.formula_atoms == 2


def test_what_is_asked_of_abinit(programs: Path, electrons: Electrons):
    dfpt(bulk("LiCl", "rocksalt", a=5.1), electrons, programs / "work", relax=False)
    work = programs / "work"
    gamma, other = ((work / name / "run.abi").read_text() for name in ("q0", "q2"))
    assert "rfelfd2 3\n" in gamma
    assert "getddk2 1\n" in gamma
    assert "rfatpol2 1 2\n" in gamma
    assert "kptopt2 2\n" in gamma
    assert "rfelfd" not in other
    assert "qpt 0.500000000000 0.500000000000 0.000000000000\n" in other
    assert "kptopt 3\n" in other
    interpolation = (work / "interpolation" / "run.abi").read_text()
    assert "dipdip 1\n" in interpolation
    assert (work / "asked").read_text().split()[1:] == [
        "3",
        "q0/runo_DS2_DDB",
        "q1/runo_DDB",
        "q2/runo_DDB",
    ]
    # the cell is that of the input, and what is large is gone
    assert not (work / "relaxation").exists()
    assert not list(work.glob("*/*_WFK"))


def test_what_is_there_is_not_run_again(programs: Path, electrons: Electrons):
    crystal, runs = bulk("LiCl", "rocksalt", a=5.1), programs / "runs"
    first = dfpt(crystal, electrons, programs / "work")
    before = runs.read_text()
    again = dfpt(crystal, electrons, programs / "work")
    assert runs.read_text() == before
    np.testing.assert_array_equal(again.dos.modes, first.dos.modes)
    # one that is missing needs the ground state, whose wave functions were removed
    shutil.rmtree(programs / "work" / "q1")
    dfpt(crystal, electrons, programs / "work")
    assert runs.read_text() == before + "ground\nq1\n"


def test_elements_and_metals_have_no_field(programs: Path):
    silicon = Electrons({"Si": Path("any.psp8")})
    fake = programs / "programs" / "anaddb"
    fake.write_text(
        ANADDB.replace("  1.0E+00  3.0E+00\n", "\n").replace("  0.0E+00  0.0E+00\n", "\n")
    )
    found = dfpt(bulk("Si"), silicon, programs / "si")
    assert found.born_charges is None
    assert "rfelfd" not in (programs / "si" / "q0" / "run.abi").read_text()
    assert "dipdip 0\n" in (programs / "si" / "interpolation" / "run.abi").read_text()


def test_a_crystal_that_does_not_relax(programs: Path, electrons: Electrons):
    fake = programs / "programs" / "abinit"
    fake.write_text(ABINIT.replace("gradients are converged", "steps are used up"))
    with pytest.raises(RuntimeError, match="the crystal did not relax in .*relaxation"):
        dfpt(bulk("LiCl", "rocksalt", a=5.1), electrons, programs / "work")


def test_sentences(programs: Path, electrons: Electrons, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ValueError, match="phonons need a crystal, periodic along all axes"):
        dfpt(molecule("H2O"), electrons, programs / "work")
    crystal = bulk("LiCl", "rocksalt", a=5.1)
    with pytest.raises(ValueError, match="a mesh of wave vectors is three numbers above zero"):
        dfpt(crystal, electrons, programs / "work", (2, 2, 0))
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(ValueError, match="the program abinit is not on the PATH"):
        dfpt(crystal, electrons, programs / "work")


def test_primitive_cells_are_exact():
    rough = bulk("MgO", "rocksalt", a=4.2, cubic=True)
    rough.rattle(1e-6, seed=0)
    found = primitive(rough)
    assert len(found) == 2
    np.testing.assert_allclose(2 * found.get_scaled_positions() % 1, 0, atol=1e-12)
    with pytest.raises(ValueError, match="the symmetry of H2 cannot be found"):
        primitive(Atoms("H2", cell=np.eye(3), pbc=True))


@pytest.mark.parametrize(("mesh", "count"), [((2, 2, 2), 3), ((4, 4, 4), 8), ((1, 1, 1), 1)])
def test_wave_vectors(mesh: tuple[int, ...], count: int):
    """Three of the face-centred lattice are Γ, L and X; of 64 there are eight."""
    found = irreducible(bulk("Si"), mesh)
    assert len(found) == count
    assert not found[0].any()


@pytest.mark.slow
@pytest.mark.skipif(
    any(shutil.which(name) is None for name in PROGRAMS) or not DATA.is_dir(),
    reason="needs ABINIT and its pseudopotentials",
)
def test_silicon(tmp_path: Path):
    """The optical phonon at Γ is 519 cm⁻¹; here with few k points and a low cutoff."""
    files = {"Si": DATA / "PseudosTM_pwteter" / "14si.pspnc"}
    electrons = Electrons(files, cutoff=217.0, kpoints=10.0)
    found = dfpt(bulk("Si", a=5.4), electrons, tmp_path, interpolated=(8, 8, 8))
    np.testing.assert_allclose(found.gamma[:3], 0, atol=0.1)
    np.testing.assert_allclose(found.gamma[3:], 519, rtol=0.03)
    assert found.dos.modes.sum() == pytest.approx(3, abs=1e-6)
    assert found.atoms.get_volume() == pytest.approx(5.43**3 / 4, rel=0.03)
