"""Models that come with the package."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from ase.spacegroup import crystal
from scipy.spatial.transform import Rotation

from euclidium.atoms import Structure
from euclidium.atoms.symmetry import ask_spglib
from euclidium.models.shipped import shipped, shipped_names
from euclidium.models.storage import load


def test_names_are_those_of_the_files(tmp_path):
    (tmp_path / "phonon-dos.euclidium").write_bytes(b"")
    (tmp_path / "phonon-dos.md").write_text("card")
    assert shipped_names(tmp_path) == ["phonon-dos"]
    assert shipped("phonon-dos", tmp_path).name == "phonon-dos.euclidium"


def test_another_name_is_refused_with_the_nearest(tmp_path):
    (tmp_path / "phonon-dos.euclidium").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match="did you mean 'phonon-dos'"):
        shipped("phonons-dos", tmp_path)


CRYSTALS = {
    "NaCl": bulk("NaCl", "rocksalt", 5.64, cubic=True),
    "CsCl": bulk("CsCl", "cesiumchloride", 4.12),
    "quartz": crystal(
        ["Si", "O"],
        [(0.4697, 0, 1 / 3), (0.4135, 0.2669, 0.1191)],
        spacegroup=152,
        cellpar=[4.916, 4.916, 5.4054, 90, 90, 120],
    ),
    "Bi2Te3": crystal(
        ["Bi", "Te", "Te"],
        [(0, 0, 0.4), (0, 0, 0), (0, 0, 0.2117)],
        spacegroup=166,
        cellpar=[4.386, 4.386, 30.497, 90, 90, 120],
    ),
}


def descriptions(conventional: Atoms) -> list[Atoms]:
    """One crystal five times: primitive, conventional, two supercells, turned and moved."""
    given = (conventional.cell.array, conventional.get_scaled_positions(), conventional.numbers)
    cell, positions, numbers = ask_spglib("find_primitive", given)
    primitive = Atoms(numbers, scaled_positions=positions, cell=cell, pbc=True)
    turned = conventional.copy()
    rotation = Rotation.random(random_state=1).as_matrix()
    turned.set_cell(conventional.cell.array @ rotation.T, scale_atoms=True)
    turned.positions += [0.3, -0.7, 1.1]
    turned.wrap()
    larger = make_supercell(primitive, 2 * np.eye(3))
    askew = make_supercell(conventional, [[1, 1, 0], [-1, 1, 0], [0, 0, 1]])
    return [primitive, conventional, larger, askew, turned]


@pytest.mark.parametrize("name", CRYSTALS)
def test_a_crystal_has_one_spectrum_however_it_is_described(name):
    """The model that comes with the package computes in float32."""
    model = load(shipped("phonon-dos"))
    cells = [Structure.from_ase(atoms) for atoms in descriptions(CRYSTALS[name])]
    reference, *others = model.predict(cells)
    modes = reference.dos.modes
    assert modes.sum() == pytest.approx(3.0, abs=1e-5)
    for other in others:
        np.testing.assert_allclose(other.dos.modes, modes, atol=1e-5 * modes.max(), rtol=0)
        assert other.last_peak == pytest.approx(reference.last_peak, abs=1e-2)
        assert other.unstable == pytest.approx(reference.unstable, abs=1e-5)
