"""Records of computed phonons: what a data set keeps of them."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from euclidium.atoms.dos import PhononDOS
from euclidium.atoms.structure import Structure
from euclidium.simulate.dfpt import LinearResponse
from euclidium.simulate.phonons import phonons
from euclidium.simulate.spectra import phonon_record
from euclidium.units import THZ_TO_CM1


@pytest.fixture(scope="module")
def alloy():
    """Cu3Au, and the cubic crystal in a cell that is not primitive."""
    atoms = bulk("Cu", a=3.7, cubic=True)
    atoms.symbols[0] = "Au"
    return phonons(atoms, EMT(), (2, 2, 2), mesh=(8, 8, 8))


def test_modes_of_an_alloy(alloy):
    record = phonon_record("Cu3Au", alloy, "val", prototype="L12")
    assert (record.name, record.split, record.info["prototype"]) == ("Cu3Au", "val", "L12")
    assert record.structure.formula == "AuCu3"
    assert record.dos.modes.sum() == pytest.approx(3)
    # each element has the modes of its atoms
    assert record.partial["Cu"].sum() == pytest.approx(3 * 3 / 4)
    assert record.partial["Au"].sum() == pytest.approx(3 * 1 / 4)
    np.testing.assert_allclose(record.partial["Cu"] + record.partial["Au"], record.dos.modes)
    # heavy atoms are slow
    mean = {s: modes @ record.dos.centers / modes.sum() for s, modes in record.partial.items()}
    assert mean["Au"] < mean["Cu"]
    assert record.info["spg"] == 221
    assert record.info["dim"].tolist() == alloy.supercell.tolist()
    gamma = alloy.frequencies_at(np.zeros((1, 3)))[0] * THZ_TO_CM1
    np.testing.assert_allclose(record.info["gamma"], gamma, atol=6e-3)


def test_thermodynamics_is_that_of_the_phonons(alloy):
    record = phonon_record("Cu3Au", alloy)
    heat = alloy.thermal_at([300.0]).heat_capacity[0] / alloy.n_atoms
    assert record.heat_capacity == pytest.approx(heat, abs=0.03)
    assert record.info["wmax"] == pytest.approx(alloy.mesh_frequencies.max() * THZ_TO_CM1, rel=0.01)


def test_the_record_is_of_the_primitive_cell():
    found = phonons(bulk("Al", cubic=True), EMT(), (2, 2, 2), mesh=(8, 8, 8))
    record = phonon_record("Al", found)
    assert record.structure.n_atoms == 1
    assert record.info["method"] == "displacements"
    assert record.info["nac"] is False


def test_charges_split_optical_modes():
    charges = np.array([1.0, -1.0])[:, None, None] * np.eye(3)
    crystal = bulk("CuAu", "rocksalt", a=5.5)  # no such crystal: only the field matters
    found = phonons(
        crystal, EMT(), (2, 2, 2), mesh=(4, 4, 4), relax=False, born_charges=charges,
        dielectric=5.0 * np.eye(3),
    )  # fmt: skip
    without = phonons(crystal, EMT(), (2, 2, 2), mesh=(4, 4, 4), relax=False)
    split, plain = phonon_record("split", found), phonon_record("plain", without)
    assert split.info["nac"]
    assert split.info["born"].shape == (2, 3, 3)
    assert split.info["wmax"] > plain.info["wmax"]
    np.testing.assert_allclose(split.info["gamma"], plain.info["gamma"])


def test_records_of_linear_response():
    atoms = Atoms(
        "NaCl", scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5]], cell=bulk("Cu", a=5.6).cell
    )
    atoms.pbc = True
    edges, modes = np.array([0.0, 100.0, 200.0, 300.0]), np.array([1.0, 1.5, 0.5])
    found = LinearResponse(
        atoms=atoms,
        mesh=(2, 2, 2),
        q=np.zeros((1, 3)),
        raw=np.zeros((1, 6)),
        gamma=np.array([0, 0, 0, 164.0, 164, 164]),
        gamma_along_x=np.array([0, 0, 0, 164.0, 164, 264]),
        dos=PhononDOS.of(Structure.from_ase(atoms), edges, modes),
        partial={"Na": 0.5 * modes, "Cl": 0.5 * modes},
        born_charges=np.array([1.1, -1.1])[:, None, None] * np.eye(3),
        dielectric=2.4 * np.eye(3),
    )
    record = phonon_record("NaCl", found, cutoff_eV=800.0)
    assert record.info["method"] == "dfpt"
    assert record.info["spg"] == 225
    assert record.info["wmax"] == pytest.approx(300.0, abs=0.2)
    assert record.info["eps"][1, 1] == 2.4
    assert record.info["cutoff_eV"] == 800.0
    assert record.mean_frequency == pytest.approx((50 + 1.5 * 150 + 0.5 * 250) / 3)
