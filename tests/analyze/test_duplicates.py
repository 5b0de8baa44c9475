"""A crystal is the same in any cell, from any origin, in any direction."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from ase.spacegroup import crystal

from euclidium.analyze.duplicates import TOLERANCE, identify
from euclidium.atoms import DataError, Structure


def quartz() -> Atoms:
    """α-quartz: nine atoms of two kinds, with free coordinates and a hand."""
    return crystal(
        ["Si", "O"],
        [(0.4697, 0, 2 / 3), (0.4135, 0.2669, 0.7858)],
        spacegroup=154,
        cellpar=[4.916, 4.916, 5.405, 90, 90, 120],
    )


def found(atoms: Atoms):
    """What is left of a crystal without its description."""
    return identify(Structure.from_ase(atoms))


def disguised(atoms: Atoms, seed: int) -> Atoms:
    """The same crystal: another cell of twice the volume, turned, shifted, atoms shuffled."""
    rng = np.random.default_rng(seed)
    cell = make_supercell(atoms, np.array([[1, 1, 0], [0, 1, 0], [1, 0, 2]]))
    cell.rotate(rng.uniform(0, 360), rng.normal(size=3), rotate_cell=True)
    cell.positions += rng.normal(size=3)
    cell.wrap()
    return cell[rng.permutation(len(cell))]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "atoms",
    [
        bulk("Si", a=5.43),
        bulk("NaCl", "rocksalt", a=5.64),
        bulk("ZnO", "wurtzite", a=3.25, c=5.21, u=0.382),
        quartz(),
    ],
    ids=lambda atoms: atoms.get_chemical_formula(),
)
def test_the_same_in_another_cell(atoms: Atoms, seed: int):
    one, other = found(atoms), found(disguised(atoms, seed))
    assert one.key == other.key
    assert one.space_group == other.space_group
    assert other.structure.n_atoms == one.structure.n_atoms == len(atoms)
    np.testing.assert_allclose(one.distances, other.distances, atol=1e-6)
    assert one.is_same(other)
    assert other.structure.volume == pytest.approx(one.structure.volume)


def test_the_primitive_cell_keeps_its_distances():
    cubic = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    primitive = found(cubic).structure
    assert primitive.n_atoms == 2
    # six neighbours of the other kind at a/2, twelve of its own at a/√2
    distances = found(cubic).distances
    assert found(cubic).nearest == pytest.approx(2.82)
    np.testing.assert_allclose(distances[0, 1, :6], 2.82)
    np.testing.assert_allclose(distances[0, 0, :12], 5.64 / np.sqrt(2))
    np.testing.assert_allclose(distances[0, 1, 6:14], 2.82 * np.sqrt(3))


def test_symmetry():
    assert (found(quartz()).space_group, found(quartz()).symbol) == (154, "P3_221")
    assert found(quartz()).key == "154: 6O 3Si"
    np.testing.assert_allclose(found(quartz()).distances[1, 0, :4], 1.61, atol=0.01)  # Si to O
    assert found(bulk("Cu")).key == "225: 1Cu"


def test_what_is_not_the_same():
    zincblende = bulk("ZnS", "zincblende", a=5.41)
    others = {
        "polytype": bulk("ZnS", "wurtzite", a=3.82, c=6.26),
        "elements": bulk("ZnSe", "zincblende", a=5.41),
        "swapped": bulk("SZn", "zincblende", a=5.41),
        "larger": bulk("ZnS", "zincblende", a=5.45),
        "distorted": bulk("ZnS", "zincblende", a=5.41, cubic=True),
    }
    others["distorted"].positions[0] += (0.1, 0.05, 0.02)
    one = found(zincblende)
    same = {name: one.is_same(found(atoms)) for name, atoms in others.items()}
    # exchanging the two sublattices of zincblende is a rotation
    assert same == dict.fromkeys(others, False) | {"swapped": True}


def test_noise_below_the_tolerance_does_not_matter():
    clean, noisy = quartz(), quartz()
    noisy.positions += np.random.default_rng(0).uniform(-1, 1, (9, 3)) * TOLERANCE / 5
    assert found(clean).is_same(found(noisy))
    noisy.positions[0] += 0.05
    assert not found(clean).is_same(found(noisy))


def test_mirror_images_are_not_told_apart_within_a_group():
    """P2_12_12_1 is its own mirror image: a chiral crystal and its image have equal distances."""
    left = crystal("Se", [(0.1, 0.23, 0.31)], spacegroup=19, cellpar=[5, 6, 7, 90, 90, 90])
    right = left.copy()
    right.positions *= (-1, 1, 1)
    assert found(left).is_same(found(right))


def test_mixed_sites_are_kinds_of_their_own():
    pure = Structure.from_ase(bulk("Si", a=5.43))
    rows = np.zeros((2, 119))
    rows[:, 14], rows[:, 32] = 0.75, 0.25
    mixed = Structure(pure.species, pure.positions, pure.cell, pure.pbc, occupations=rows)
    one, other = identify(mixed), identify(pure)
    assert one.key == "227: 2" + "0.75Si+0.25Ge"
    assert not one.is_same(other)
    np.testing.assert_allclose(one.structure.occupations, rows)


def test_a_single_atom_in_a_large_flat_cell():
    """Images must reach as far as the neighbours that are asked for."""
    atoms = Atoms("Ar", cell=[2.0, 40.0, 45.0], pbc=True)
    distances = found(atoms).distances[0, 0]
    np.testing.assert_allclose(distances, 2.0 * np.repeat(np.arange(1, 9), 2))


def test_molecules_are_no_crystals():
    with pytest.raises(DataError, match="is not periodic along three axes: it is no crystal"):
        identify(Structure.from_ase(Atoms("H2", [(0, 0, 0), (0, 0, 0.74)])))


def test_the_shortest_distance_is_that_of_two_atoms_and_not_a_mean():
    cell = bulk("Cu", a=3.6, cubic=True) * 2
    cell.append("Cu")
    cell.positions[-1] = cell.positions[5] + (0.0, 0.0, 0.3)
    assert found(cell).nearest == pytest.approx(0.3)
    cell.positions[-1] = cell.positions[5]
    assert found(cell).nearest == pytest.approx(0.0)
