import numpy as np
import pytest
from ase.build import bulk

from euclidium.analyze.electrostatics import field_at, fragment, interaction_energy, potential_at
from euclidium.analyze.forces import electrostatic_forces
from euclidium.analyze.multipoles import multipoles
from euclidium.atoms import DataError, Structure
from euclidium.atoms.basis import DensityBasis, even_tempered
from euclidium.atoms.centers import with_bond_centers
from euclidium.atoms.density import Density
from euclidium.atoms.density_file import embedded_densities
from euclidium.atoms.density_orders import to_pyscf
from euclidium.units import BOHR, COULOMB, HARTREE

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def dimer():
    return embedded_densities("water", "train")[60].density


def test_potential_agrees_with_pyscf(dimer):
    gto = pytest.importorskip("pyscf.gto")
    species, basis = dimer.structure.species.tolist(), dimer.basis
    points = dimer.structure.positions[RNG.integers(0, 6, 5)] + RNG.normal(size=(5, 3))
    shells = {n: [[l, [a, 1.0]] for l, a in basis.of(z)] for n, z in (("H", 1), ("O", 8))}
    atoms = list(zip("OHHOHH", dimer.structure.positions.tolist(), strict=True))
    molecule = gto.M(atom=atoms, basis=shells, verbose=0)
    molecule.set_geom_(dimer.structure.positions / BOHR, unit="Bohr")
    probes = gto.fakemol_for_charges(points / BOHR)
    both = gto.mole.conc_mol(molecule, probes)
    whole = both.intor("int2c2e")[: molecule.nao, molecule.nao :]
    electrons = to_pyscf(dimer.coefficients, basis, species) @ whole
    apart = np.linalg.norm(points[:, None] - dimer.structure.positions, axis=-1)
    expected = COULOMB * (dimer.structure.species / apart).sum(axis=1) - HARTREE * electrons
    assert potential_at(dimer, points) == pytest.approx(expected, abs=1e-7)


def test_the_field_is_minus_the_slope(dimer):
    points = RNG.normal(size=(4, 3)) * 2
    h = 1e-4
    steps = h * np.eye(3)
    slopes = [
        (potential_at(dimer, points + step) - potential_at(dimer, points - step)) / (2 * h)
        for step in steps
    ]
    assert field_at(dimer, points) == pytest.approx(-np.array(slopes).T, rel=1e-5, abs=1e-5)


def test_far_away_a_molecule_is_a_dipole(dimer):
    direction = np.array([[1.0, 2.0, -2.0]]) / 3
    expected = COULOMB * float(direction[0] @ dimer.dipole) / 400**2
    assert potential_at(dimer, 400 * direction)[0] == pytest.approx(expected, rel=0.02)


def test_interaction_is_that_of_the_potential(dimer):
    """Of a proton it is the potential; of molecules it does not depend on their order."""
    one, other = fragment(dimer, [0, 1, 2]), fragment(dimer, [3, 4, 5])
    place = one.structure.positions.mean(axis=0) + np.array([3.0, 1.0, 0.0])
    proton = Density(Structure(np.array([1]), place[None]), dimer.basis, np.zeros(16))
    energy = interaction_energy(one, proton)
    assert energy == pytest.approx(potential_at(one, place[None])[0], abs=1e-6)
    assert interaction_energy(one, other) == pytest.approx(interaction_energy(other, one))
    assert -0.6 < interaction_energy(one, other) < 0.2  # eV, of two water molecules
    assert one.electrons + other.electrons == pytest.approx(20)


def test_crystals_are_refused():
    structure = Structure.from_ase(bulk("Si"))
    basis = even_tempered(["Si"], 0.4, 2.0, [2])
    density = Density(structure, basis, np.ones(4))
    for call in (
        lambda: potential_at(density, np.zeros((1, 3))),
        lambda: interaction_energy(density, density),
    ):
        with pytest.raises(DataError, match="is periodic"):
            call()


def test_the_middle_of_a_bond_is_no_nucleus():
    atoms = Structure(np.array([1, 1]), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.8]]))
    structure = with_bond_centers(atoms)
    basis = DensityBasis("both", {0: ((0, 0.7), (1, 0.7)), 1: ((0, 0.5),)})
    density = Density(structure, basis, np.array([0.2, 0.2, 0.05, 0.0, 0.0, 0.0]))
    middle = structure.positions[2:]
    found = potential_at(density, middle)
    # a Gaussian of n electrons has the potential n √(4a/π) at its centre
    alone = Density(structure, basis, np.array([0.0, 0.0, 0.05, 0.0, 0.0, 0.0]))
    own = -alone.electrons * np.sqrt(4 * 0.7 / np.pi) * HARTREE
    rest = potential_at(Density(atoms, basis, np.array([0.2, 0.2])), middle)
    assert found == pytest.approx(own + rest, rel=1e-9)
    assert field_at(density, middle) == pytest.approx(np.zeros((1, 3)), abs=1e-6)
    assert multipoles(density, 1)[0][0] == pytest.approx(density.charge)
    assert np.isfinite(electrostatic_forces(density)).all()
    assert electrostatic_forces(density)[2].tolist() == [0.0, 0.0, 0.0]
