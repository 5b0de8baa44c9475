"""Phonopy's files of a crystal that was computed here, and of those that come with phonopy."""

import json
import lzma
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from phonopy import Phonopy
from phonopy.file_IO import write_FORCE_CONSTANTS, write_FORCE_SETS
from phonopy.interface.vasp import write_vasp

from euclidium.atoms.phonon_record import GRID51
from euclidium.atoms.problem import DataError
from euclidium.simulate.lattice import ase_atoms, lattice
from euclidium.simulate.phonopy_files import phonopy_record, read_phonopy
from euclidium.units import GAS_CONSTANT, THZ_TO_CM1

EXAMPLES = Path(__file__).parents[3] / "shared" / "data" / "phonons" / "phonopy_examples"
MESH = (4, 4, 4)
# charges of a salt, on an alloy: only the splitting of its modes is of interest
BORN = "14.400\n4 0 0 0 4 0 0 0 4\n2 0 0 0 2 0 0 0 2\n-2 0 0 0 -2 0 0 0 -2\n"


@pytest.fixture(scope="module")
def computed() -> Phonopy:
    """CuAu of the CsCl structure in EMT, 2 × 2 × 2 cells."""
    crystal = Atoms("CuAu", scaled_positions=[[0, 0, 0], [0.5] * 3], cell=[3.05] * 3, pbc=True)
    phonopy = lattice(crystal, 2 * np.eye(3, dtype=np.int64))
    phonopy.generate_displacements(distance=0.01)
    forces = []
    for cell in phonopy.supercells_with_displacements:
        atoms = ase_atoms(cell)
        atoms.calc = EMT()
        forces.append(atoms.get_forces())
    phonopy.forces = forces
    phonopy.produce_force_constants(calculate_full_force_constants=False)
    phonopy.symmetrize_force_constants(show_drift=False)
    return phonopy


@pytest.fixture(scope="module")
def expected(computed):
    return phonopy_record(computed, "CuAu", MESH)


def same(found, expected, **tolerance):
    assert found.structure.formula == "AuCu"
    tolerance = {"rel": 1e-6, **tolerance}
    for name in ("heat_capacity", "mean_frequency", "imaginary"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), **tolerance)
    np.testing.assert_allclose(found.dos.modes, expected.dos.modes, atol=1e-3)


def in_files(folder, phonopy, conf="DIM = 2 2 2\n"):
    folder.mkdir()
    write_vasp(folder / "POSCAR-unitcell", phonopy.unitcell)
    write_FORCE_SETS(phonopy.dataset, filename=folder / "FORCE_SETS")
    if conf:
        (folder / "phonopy.conf").write_text(conf)
    return folder


def in_kyoto(folder, phonopy):
    """The layout of the phonon database: the cells in phonon.yaml."""
    in_files(folder, phonopy, "ATOM_NAME = Cu Au\nDIM = 2 0 0 0 2 0 0 0 2\nMP = 8 8 8\n")
    settings = dict.fromkeys(("force_sets", "displacements", "force_constants"), False)
    phonopy.save(folder / "phonon.yaml", settings=settings)
    (folder / "BORN").write_text(BORN)
    (folder / "KPOINTS-force").write_text("Automatic mesh")
    return folder


def test_the_record_is_that_of_phonopy(computed, expected):
    """C_v and S against phonopy's own sums; modes by element against its eigenvectors."""
    computed.run_mesh(MESH, with_eigenvectors=True, is_gamma_center=True)
    computed.run_thermal_properties(t_min=300, t_max=300, t_step=1, cutoff_frequency=0.03)
    thermal = computed.thermal_properties
    assert 2 * expected.heat_capacity == pytest.approx(thermal.heat_capacity[0], rel=1e-5)
    room = 6
    entropy = GAS_CONSTANT * expected.info["S_kB"][room]
    assert entropy == pytest.approx(thermal.entropy[0], rel=1e-5)
    frequencies, w = computed.mesh.frequencies * THZ_TO_CM1, computed.mesh.weights
    real = np.where(frequencies > -1.0, w[:, None], 0.0)
    mean = (real * frequencies).sum() / real.sum()
    assert expected.mean_frequency == pytest.approx(mean)
    gold = np.square(np.abs(computed.mesh.eigenvectors))[:, 3:].sum(axis=1)
    mean = (w[:, None] * frequencies * gold).sum() / w.sum() / 2
    modes = expected.partial["Au"]
    assert modes.sum() == pytest.approx(1.5, rel=1e-3)
    assert modes @ expected.dos.centers == pytest.approx(mean, rel=1e-3)
    assert expected.info["spg"] == 221
    assert expected.info["nac"] is False
    np.testing.assert_allclose(expected.info["gamma"][:3], 0.0, atol=0.1)


def test_one_yaml_with_everything(computed, expected, tmp_path):
    computed.save(tmp_path / "phonopy_params.yaml")
    same(read_phonopy(tmp_path / "phonopy_params.yaml", MESH), expected, rel=1e-4)
    text = (tmp_path / "phonopy_params.yaml").read_bytes()
    packed = tmp_path / "phonopy_params_gold.yaml.xz"
    packed.write_bytes(lzma.compress(text))
    found = read_phonopy(packed, MESH)
    same(found, expected, rel=1e-4)
    assert found.name == "gold"
    with zipfile.ZipFile(tmp_path / "mp-1-20180417.zip", "w") as archive:
        archive.writestr("phonopy_params.yaml.xz", packed.read_bytes())
        archive.writestr("vasp-settings.tar.xz", b"")
    found = read_phonopy(tmp_path / "mp-1-20180417.zip", MESH)
    same(found, expected, rel=1e-4)
    assert found.name == "mp-1"


@pytest.mark.parametrize(
    "conf",
    [
        "DIM = 2 2 2\n",
        "# cells\nDIM = 2 0 0  0 2 0  0 0 2 # nine\nPRIMITIVE_AXES = 1 0 0  0 1 0  0 0 2/2\n",
        "dim = 2 2 2\nprimitive_axis = P\n",
        None,  # the number of atoms says it
    ],
)
def test_a_folder_of_files(computed, expected, conf, tmp_path):
    folder = in_files(tmp_path / "CuAu", computed, conf)
    found = read_phonopy(folder, MESH)
    same(found, expected, rel=1e-4)
    assert found.name == "CuAu"
    assert found.info["dim"] == (2 * np.eye(3)).tolist()


def test_force_constants_instead_of_forces(computed, expected, tmp_path):
    folder = in_files(tmp_path / "CuAu", computed)
    (folder / "FORCE_SETS").unlink()
    write_FORCE_CONSTANTS(
        computed.force_constants, folder / "FORCE_CONSTANTS", p2s_map=computed.primitive.p2s_map
    )
    same(read_phonopy(folder, MESH), expected, rel=1e-4)


def test_the_layout_of_the_phonon_database(computed, expected, tmp_path):
    """Packed as .tar.lzma, and with charges, which change the modes but not those at Γ."""
    folder = in_kyoto(tmp_path / "mp-1018-20180417", computed)
    packed = tmp_path / "mp-1018-20180417.tar.lzma"
    plain = tmp_path / "plain.tar"
    with tarfile.open(plain, "w") as tar:
        tar.add(folder, folder.name)
    packed.write_bytes(lzma.compress(plain.read_bytes(), format=lzma.FORMAT_ALONE))
    found = read_phonopy(packed, MESH)
    assert found.name == "mp-1018"
    assert found.info["nac"] is True
    np.testing.assert_allclose(found.info["eps"], 4 * np.eye(3))
    np.testing.assert_allclose(found.info["born"], [2 * np.eye(3), -2 * np.eye(3)])
    charged = lattice(ase_atoms(computed.unitcell), computed.supercell_matrix)
    charged.force_constants = computed.force_constants
    charges = 2.0 * np.stack([np.eye(3), -np.eye(3)])
    charged.nac_params = {"born": charges, "dielectric": 4.0 * np.eye(3), "factor": 14.4}
    same(found, phonopy_record(charged, "CuAu", MESH), rel=1e-4)
    assert np.abs(found.dos.at(GRID51) - expected.dos.at(GRID51)).max() > 1e-3
    np.testing.assert_allclose(found.info["gamma"], expected.info["gamma"], atol=0.1)
    from_folder = read_phonopy(folder, MESH)
    same(from_folder, found)


def test_files_of_the_working_folder_are_left_alone(computed, expected, tmp_path, monkeypatch):
    """Phonopy itself takes what lies in the current folder: another crystal's, here."""
    folder = in_files(tmp_path / "CuAu", computed)
    for name in ("BORN", "FORCE_CONSTANTS", "FORCE_SETS"):
        (tmp_path / name).write_text("of another crystal")
    monkeypatch.chdir(tmp_path)
    found = read_phonopy(folder, MESH)
    same(found, expected, rel=1e-4)
    assert found.info["nac"] is False


def test_folders_that_cannot_be_read(computed, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty holds no phonopy\*\.yaml, FORCE_SETS or"):
        read_phonopy(tmp_path / "empty")
    folder = in_files(tmp_path / "CuAu", computed)
    (folder / "BORN").write_text("nonsense\n1 2 3\n")
    with pytest.raises(DataError, match="CuAu cannot be read by phonopy: BORN file format"):
        read_phonopy(folder)
    (folder / "BORN").unlink()
    (folder / "phonopy.conf").write_text("DIM = 2 2\n")
    with pytest.raises(DataError, match="a matrix has three or nine numbers, got '2 2'"):
        read_phonopy(folder)
    (folder / "phonopy.conf").unlink()
    (folder / "FORCE_SETS").write_text("17\n1\n")
    with pytest.raises(DataError, match="does not say which supercell: add phonopy_disp.yaml"):
        read_phonopy(folder)
    (folder / "POSCAR-unitcell").unlink()
    with pytest.raises(DataError, match="has no structure: expected phonopy"):
        read_phonopy(folder)
    settings = dict.fromkeys(("force_sets", "force_constants"), False)
    computed.save(tmp_path / "phonopy_disp.yaml", settings=settings)
    with pytest.raises(DataError, match="has displacements, but neither FORCE_SETS nor FORCE_CON"):
        read_phonopy(tmp_path / "phonopy_disp.yaml")
    text = (tmp_path / "phonopy_disp.yaml").read_text()
    text = text.replace("phonopy:", "phonopy:\n  calculator: qe", 1)
    (tmp_path / "phonopy_qe.yaml").write_text(
        text.replace("eV/ang", "Ry/ang").replace("angstrom", "au")
    )
    with pytest.raises(DataError, match="is of qe, whose units may be others: convert it"):
        read_phonopy(tmp_path / "phonopy_qe.yaml")


def test_an_archive_of_two_crystals(tmp_path):
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("one/FORCE_SETS", "8")
        archive.writestr("two/FORCE_SETS", "8")
    with pytest.raises(DataError, match="holds FORCE_SETS twice: unpack it"):
        read_phonopy(tmp_path / "two.zip")


# C_v at 300 K below the C_p of tables (J/(K mol), NIST) for each atom; the highest transverse or
# longitudinal branch from neutron and infrared spectra within a few per cent (cm⁻¹)
@pytest.mark.parametrize(
    ("name", "spacegroup", "measured", "highest"),
    [("NaCl", 225, 50.5 / 2, 264), ("MgO", 225, 37.2 / 2, 718), ("ZnO", 186, 40.3 / 2, 591)],
)
def test_crystals_of_phonopy(name, spacegroup, measured, highest):
    if not EXAMPLES.is_dir():
        pytest.skip("needs the examples of phonopy beside the repository")
    found = read_phonopy(EXAMPLES / name, mesh=30.0)
    assert found.info["spg"] == spacegroup
    assert found.info["nac"] is True
    assert found.imaginary == 0.0
    assert 0.94 * measured < found.heat_capacity < 1.02 * measured
    assert found.info["wmax"] == pytest.approx(highest, rel=0.12)
    assert found.dos.modes.sum() == pytest.approx(3.0)
    np.testing.assert_allclose(sum(found.partial.values()), found.dos.modes, atol=1e-9)


def test_a_crystal_in_one_file():
    if not EXAMPLES.is_dir():
        pytest.skip("needs the examples of phonopy beside the repository")
    found = read_phonopy(EXAMPLES / "phonopy_params_NaCl-1.00.yaml.xz", mesh=30.0)
    assert (found.name, found.structure.formula, found.info["spg"]) == ("NaCl-1.00", "ClNa", 225)
    assert found.heat_capacity == pytest.approx(24.0, abs=0.1)


def test_the_phonon_database_has_the_same_crystal():
    """SnO2 (mp-856) of phonopy's examples, and as it was recomputed for the data of models."""
    rows = EXAMPLES.parent / "structures.jsonl.xz"
    if not rows.exists():
        pytest.skip("needs the phonon data beside the repository")
    with lzma.open(rows, "rt") as file:
        row = next(json.loads(line) for line in file if '"mp-856"' in line)
    found = read_phonopy(EXAMPLES / "SnO2")
    assert found.info["spg"] == row["spg"]
    assert found.info["dim"] == row["dim"]
    assert found.heat_capacity == pytest.approx(GAS_CONSTANT * row["cv_kB"][6] / 6, rel=5e-4)
    assert found.mean_frequency == pytest.approx(row["wavg"], rel=5e-4)
    assert found.info["wmax"] == pytest.approx(row["wmax"], rel=2e-3)
    assert found.info["zpe_eV"] == pytest.approx(row["zpe_eV"], rel=5e-4)
    hot = slice(2, None)  # from 100 K on, where the meshes make no difference
    np.testing.assert_allclose(found.info["S_kB"][hot], row["S_kB"][hot], rtol=1e-3)
    np.testing.assert_allclose(found.info["gamma"][3:], row["gamma"][3:], atol=2.0)
