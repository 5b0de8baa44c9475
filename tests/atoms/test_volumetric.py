import gzip
from pathlib import Path

import numpy as np
import pytest

from euclidium.atoms import DataError, Structure
from euclidium.atoms.volumetric import Volume, read_volume, volume_format, write_volume

SHARED = Path(__file__).parents[3] / "shared" / "data" / "densities" / "pymatgen"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs the files of other programs")
RNG = np.random.default_rng(0)
BOX = np.array([[3.0, 0.1, 0.0], [0.2, 4.0, -0.3], [0.0, 0.5, 5.0]])
SHAPE = (3, 4, 7)


def molecule() -> Volume:
    structure = Structure(np.array([8, 1, 1]), RNG.normal(size=(3, 3)))
    return Volume(structure, RNG.random(SHAPE), BOX, np.array([-1.0, -2.0, -3.0]))


def crystal() -> Volume:
    positions = RNG.random((3, 3)) @ BOX
    structure = Structure(np.array([17, 11, 17]), positions, BOX, np.ones(3, dtype=bool))
    return Volume(structure, RNG.random(SHAPE), BOX, np.zeros(3), RNG.normal(size=SHAPE))


@pytest.mark.parametrize("make", [molecule, crystal])
@pytest.mark.parametrize("name", ["rho.cube", "rho.xsf", "CHGCAR"])
def test_round_trips(make, name: str, tmp_path: Path):
    volume = make()
    write_volume(tmp_path / name, volume, exact=10.0)
    found = read_volume(tmp_path / name)
    assert found.values == pytest.approx(volume.values, rel=1e-6)
    assert found.box == pytest.approx(volume.box, abs=1e-8)
    assert found.electrons == pytest.approx(volume.electrons, rel=1e-6)
    if name == "CHGCAR":  # sorts the elements, and begins at zero
        order = np.argsort(volume.structure.species, kind="stable")
        assert found.structure.pbc.all()
        assert found.structure.species.tolist() == volume.structure.species[order].tolist()
        here = found.structure.positions
        assert here == pytest.approx(volume.structure.positions[order] - volume.origin, abs=1e-7)
    else:
        assert found.origin == pytest.approx(volume.origin, abs=1e-8)
        assert found.structure.species.tolist() == volume.structure.species.tolist()
        assert found.structure.positions == pytest.approx(volume.structure.positions, abs=1e-8)
    if volume.spin is not None and name != "rho.cube":
        assert found.spin is not None
        assert found.spin == pytest.approx(volume.spin, rel=1e-6)
    assert "electrons on this grid, 10.000000 exactly" in (tmp_path / name).read_text()
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["rho.cube", "rho.xsf"])
def test_ase_reads_them(name: str, tmp_path: Path):
    from ase.io.cube import read_cube
    from ase.io.xsf import read_xsf

    volume = crystal()
    write_volume(tmp_path / name, volume)
    with open(tmp_path / name) as file:
        if name == "rho.cube":
            found = read_cube(file)
            values, factor = found["data"], 0.529177210903**3
        else:
            values, _, _, _ = read_xsf(file, read_data=True)
            values, factor = values[:-1, :-1, :-1], 1.0
    assert values == pytest.approx(volume.values * factor, rel=1e-6)


@needs_shared
def test_reads_a_calculation_with_spin():
    """Bcc lithium: one valence electron, or three with the core, and spins that cancel or not."""
    volume = read_volume(SHARED / "CHGCAR.spin.gz")
    assert volume.values.shape == (48, 48, 48)
    assert volume.spin is not None
    assert volume.electrons == pytest.approx(round(volume.electrons), abs=1e-3)
    assert volume.structure.formula == "Li"


@needs_shared
def test_ase_reads_the_same_numbers():
    import gzip
    import shutil
    import tempfile

    from ase.calculators.vasp import VaspChargeDensity

    volume = read_volume(SHARED / "CHGCAR.nospin.gz")
    with tempfile.NamedTemporaryFile() as plain:
        with gzip.open(SHARED / "CHGCAR.nospin.gz") as packed:
            shutil.copyfileobj(packed, plain)
        plain.flush()
        reference = VaspChargeDensity(plain.name)
    assert volume.values == pytest.approx(reference.chg[0], rel=1e-9)


@needs_shared
def test_reads_a_cube_of_cp2k():
    volume = read_volume(SHARED / "elec.cube.gz")
    assert volume.structure.n_atoms == 9
    assert volume.values.shape == (23, 23, 24)
    assert 0 < volume.electrons < 200


POSCAR = "x\n{scale}\n1 0 0\n0 1 0\n0 0 1\n{symbol}\n1\n{kind}\n0.5 0.5 0.5{more}\n\n1 1 1\n8\n"


@pytest.mark.parametrize(
    ("scale", "kind", "size", "place"),
    [
        ("2", "Direct", (2, 2, 2), (1, 1, 1)),
        ("-8", "Direct", (2, 2, 2), (1, 1, 1)),
        ("-8", "Cartesian", (2, 2, 2), (1, 1, 1)),
        ("2 3 4", "Cartesian", (2, 3, 4), (1, 1.5, 2)),
        ("2", "Selective dynamics\nDirect", (2, 2, 2), (1, 1, 1)),
    ],
)
def test_headers_of_vasp(tmp_path: Path, scale: str, kind: str, size: tuple, place: tuple):
    more = " T T F" if kind.startswith("S") else ""
    text = POSCAR.format(scale=scale, kind=kind, symbol="H_h/1a2b", more=more)
    (tmp_path / "CHGCAR").write_text(text)
    found = read_volume(tmp_path / "CHGCAR")
    assert found.box == pytest.approx(np.diag(size))
    assert found.structure.positions == pytest.approx(np.array([place]))
    assert found.electrons == pytest.approx(8.0)


def test_headers_of_cubes_and_xsf(tmp_path: Path):
    write_volume(tmp_path / "rho.cube", molecule())
    lines = (tmp_path / "rho.cube").read_text().splitlines()
    lines[2] += " 4"
    (tmp_path / "gradient.cube").write_text("\n".join(lines))
    with pytest.raises(DataError, match="it holds 4 values for each point"):
        read_volume(tmp_path / "gradient.cube")
    write_volume(tmp_path / "rho.xsf", crystal())
    text = (tmp_path / "rho.xsf").read_text().replace("CRYSTAL", "SLAB")
    (tmp_path / "slab.xsf").write_text(text)
    assert read_volume(tmp_path / "slab.xsf").structure.pbc.tolist() == [True, True, False]
    write_volume(tmp_path / "free.xsf", molecule())
    text = (tmp_path / "free.xsf").read_text().replace("BEGIN_BLOCK", "# no atom\n\nBEGIN_BLOCK", 1)
    (tmp_path / "free.xsf").write_text(text)
    assert read_volume(tmp_path / "free.xsf").structure.n_atoms == 3


def test_a_damaged_archive_gets_a_sentence(tmp_path: Path):
    write_volume(tmp_path / "rho.cube", molecule())
    packed = bytearray(gzip.compress((tmp_path / "rho.cube").read_bytes()))
    packed[len(packed) // 2 :] = b"\xff" * (len(packed) - len(packed) // 2)
    (tmp_path / "rho.cube.gz").write_bytes(packed)
    with pytest.raises(DataError, match="is no cube file, or cut off"):
        read_volume(tmp_path / "rho.cube.gz")


def test_formats_go_by_the_name():
    assert volume_format("a.CUBE") == "cube"
    assert volume_format("water.chgcar") == "chgcar"
    assert volume_format("notes.txt") is None


def test_says_what_is_wrong(tmp_path: Path):
    volume = molecule()
    write_volume(tmp_path / "rho.cube", volume)
    text = (tmp_path / "rho.cube").read_text()
    (tmp_path / "cut.cube").write_text(text[: len(text) // 2])
    with pytest.raises(DataError, match=r"it ends after \d+ of 84 numbers"):
        read_volume(tmp_path / "cut.cube")
    (tmp_path / "other.xsf").write_text("MOLECULE\n")
    with pytest.raises(DataError, match="no atoms, or no DATAGRID_3D"):
        read_volume(tmp_path / "other.xsf")
    (tmp_path / "CHGCAR").write_text("")
    with pytest.raises(DataError, match="is no chgcar file, or cut off"):
        read_volume(tmp_path / "CHGCAR")
    with pytest.raises(DataError, match="give .cube, .xsf or CHGCAR"):
        read_volume(tmp_path / "rho.dat")
    with pytest.raises(DataError, match="has no volume"):
        Volume(volume.structure, volume.values, np.zeros((3, 3)), np.zeros(3))
