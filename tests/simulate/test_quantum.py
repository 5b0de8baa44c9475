"""Densities by PySCF: electrons, atoms, ions and open shells."""

from dataclasses import replace

import ase.build
import numpy as np
import pytest

from euclidium.analyze.charges import hirshfeld, iterative_hirshfeld
from euclidium.atoms.basis import DensityBasis, even_tempered
from euclidium.atoms.centers import with_bond_functions
from euclidium.atoms.density import electrons_of
from euclidium.atoms.density_file import embedded_densities
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure

pytest.importorskip("pyscf")

from euclidium.simulate.quantum import (
    converged,
    coulomb_matrix,
    fit_atoms,
    fit_density,
    functions,
    label,
    mean_field,
    molecule,
)

HYDROXYL = Structure(np.array([8, 1]), np.array([[0.0, 0.0, 0.0], [0.3, -0.2, 0.9]]))
BASIS = even_tempered(["H", "O"], 0.15, 2.4, (12, 7, 4))


def test_a_monomer_of_the_package_is_reproduced():
    record = next(r for r in embedded_densities("water", "train") if r.name == "w1-000")
    found = label(record.density.structure, record.density.basis, "PBE0", "def2-SVP")
    np.testing.assert_allclose(
        found.density.coefficients, record.density.coefficients, rtol=0, atol=1e-5
    )
    np.testing.assert_allclose(found.forces, record.forces, atol=1e-4)
    np.testing.assert_allclose(found.dipole, record.dipole, atol=1e-5)
    assert found.energy == pytest.approx(record.energy, abs=1e-4)  # PySCF's hartree of 2014
    assert found.fit_error == pytest.approx(record.fit_error, abs=1e-4)


def test_atoms_of_the_package_are_reproduced():
    basis = embedded_densities("water", "test")[0].density.basis
    found = fit_atoms(basis, "PBE0", "def2-SVP")
    for z in (1, 8):
        np.testing.assert_allclose(found.atoms[z], basis.atoms[z], rtol=0, atol=1e-8)


@pytest.mark.parametrize("metric", ["coulomb", "overlap"])
def test_electrons_and_spin_of_a_radical_are_exact(metric: str):
    found = label(HYDROXYL, BASIS, "PBE", "sto-3g", spin=1, metric=metric, forces=False)
    assert found.density.electrons == pytest.approx(9, abs=1e-10)
    border = electrons_of(BASIS, HYDROXYL.species)
    assert found.density.spin @ border == pytest.approx(1, abs=1e-10)
    assert found.forces is None


def test_an_ion_has_its_charge_and_a_dipole_about_its_nuclei():
    found = label(HYDROXYL, BASIS, "HF", "sto-3g", charge=-1, forces=False)
    assert found.density.charge == pytest.approx(-1, abs=1e-10)
    moved = Structure(HYDROXYL.species, HYDROXYL.positions + np.array([0.0, 0.0, 5.0]))
    other = label(moved, BASIS, "HF", "sto-3g", charge=-1, forces=False)
    np.testing.assert_allclose(other.dipole, found.dipole, atol=1e-5)
    assert np.abs(found.density.dipole - found.dipole).max() < 0.03


def test_a_density_that_the_basis_holds_is_fitted_exactly():
    """One s orbital squared is one s function of twice the exponent."""
    atom = Structure(np.array([1]), np.array([[0.1, 0.2, 0.3]]))
    mole = molecule(atom, "sto-3g", -1)
    exponents = [float(a) for a in mole.bas_exp(0)]
    pairs = {a + b for a in exponents for b in exponents}
    basis = DensityBasis("pairs", {1: tuple((0, a) for a in sorted(pairs, reverse=True))})
    matrix = 2 * np.eye(1)
    for metric in ("coulomb", "overlap"):
        found = fit_density(atom, basis, mole, matrix, 2.0, metric)
        points = np.random.default_rng(1).normal(size=(20, 3))
        exact = 2 * mole.eval_gto("GTOval_sph", points)[:, 0] ** 2
        fitted = functions(atom, basis).eval_gto("GTOval_sph", points) @ found
        np.testing.assert_allclose(fitted, exact, atol=1e-9)


def test_the_potential_of_a_fitted_density_is_nearly_that_of_the_orbitals():
    record = label(HYDROXYL, BASIS, "HF", "sto-3g", charge=-1, forces=False)
    field = converged(mean_field(HYDROXYL, "HF", "sto-3g", charge=-1))
    exact = field.get_j(field.mol, field.make_rdm1())
    assert np.abs(coulomb_matrix(record.density, field.mol) - exact).max() < 0.01


def test_what_cannot_be_computed_gets_a_sentence():
    with pytest.raises(DataError, match="HO with the charge 0 has 9 electrons, of which 0"):
        label(HYDROXYL, BASIS)
    with pytest.raises(DataError, match="PySCF knows no functional 'PBEE0'"):
        mean_field(HYDROXYL, "PBEE0", "sto-3g", -1)
    with pytest.raises(DataError, match="PySCF has no orbital basis 'sto-4321' for H"):
        molecule(HYDROXYL, "sto-4321", -1)
    with pytest.raises(DataError, match="a fit is coulomb or overlap, not 'mass'"):
        label(HYDROXYL, BASIS, charge=-1, metric="mass")
    carbon = Structure(np.array([6]), np.zeros((1, 3)))
    with pytest.raises(DataError, match="has no functions for C"):
        label(carbon, BASIS)
    iodide = Structure(np.array([53]), np.zeros((1, 3)))
    with pytest.raises(DataError, match="replaces the core of I by a potential"):
        molecule(iodide, "def2-SVP", -1)
    crystal = Structure(np.array([2]), np.zeros((1, 3)), 5 * np.eye(3), np.ones(3, dtype=bool))
    with pytest.raises(DataError, match="is periodic: only molecules"):
        molecule(crystal, "sto-3g")


def test_the_middle_of_bonds_lowers_the_floor():
    ethene = Structure.from_ase(ase.build.molecule("C2H4"))
    plain = even_tempered(["H", "C"], 0.15, 2.4, (10, 5))
    bonds = with_bond_functions(plain)
    one, more = (label(ethene, b, "LDA", "sto-3g") for b in (plain, bonds))
    assert more.fit_error < 0.3 * one.fit_error < 3
    assert more.density.electrons == pytest.approx(16, abs=1e-9)
    assert more.density.structure.species.tolist() == [*ethene.species.tolist(), 0, 0, 0, 0, 0]
    np.testing.assert_allclose(more.forces[:6], one.forces, atol=1e-6)
    assert not more.forces[6:].any()
    assert np.abs(more.density.dipole).max() < 1e-6


def test_isolated_atoms_leave_the_middle_of_bonds_empty():
    basis = with_bond_functions(DensityBasis("s", {1: ((0, 4.0), (0, 1.0), (0, 0.3))}))
    found = fit_atoms(basis, "LDA", "sto-3g")
    assert found.atoms[0].tolist() == [0.0, 0.0, 0.0]
    assert found.atoms[1] @ electrons_of(found, np.array([1]))[:3] == pytest.approx(1)


def test_iterative_charges_of_water_are_larger_than_those_of_hirshfeld():
    density = embedded_densities("water", "train")[0].density
    basis = fit_atoms(density.basis, "PBE0", "def2-SVP", ions=(-1, 1))
    for z, ions in basis.ions.items():
        border = electrons_of(basis, np.array([z]))[: len(basis.atoms[z])]
        assert sorted(ions) == [-1, 1]
        for charge, own in ions.items():
            assert own @ border == pytest.approx(z - charge, abs=1e-9)
    assert not basis.ions[1][1].any()
    density = replace(density, basis=basis)
    found = iterative_hirshfeld(density, 1)
    assert found.charges.sum() == pytest.approx(0, abs=1e-3)
    assert found.charges[0] == pytest.approx(-0.91, abs=0.01)
    assert found.charges[0] < 2 * hirshfeld(density, 1).charges[0]
    other = iterative_hirshfeld(density, 1, np.array([1.0, -0.5, -0.5]))
    assert other.charges == pytest.approx(found.charges, abs=5e-4)
