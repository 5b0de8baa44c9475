from pathlib import Path

import ase.io
import pytest
from ase import Atoms

from euclidium.atoms.embedded import embedded
from euclidium.atoms.labels import LabelKeys
from euclidium.atoms.problem import DataError
from euclidium.cli.structures import open_data, open_structure


def test_the_last_frame_repeated(tmp_path: Path, silicon: Atoms):
    path = tmp_path / "two.traj"
    ase.io.write(path, [silicon.repeat(2), silicon])
    assert len(open_structure(path)) == 8
    assert len(open_structure(path, frame=0)) == 64
    assert len(open_structure(path, supercell=(1, 2, 3))) == 48
    with pytest.raises(DataError, match="has no frame"):
        open_structure(path, frame=7)


def test_labels_do_not_matter_for_a_simulation(tmp_path: Path, silicon: Atoms):
    silicon.info["energy"], silicon.info["dft_energy"] = 1.0, 2.0  # ambiguous, but not asked for
    silicon.write(tmp_path / "si.xyz")
    assert open_structure(tmp_path / "si.xyz").calc is None


def test_a_slab_is_not_repeated_through_the_vacuum(tmp_path: Path, silicon: Atoms):
    silicon.pbc = [True, True, False]
    silicon.write(tmp_path / "slab.xyz")
    assert len(open_structure(tmp_path / "slab.xyz", supercell=(2, 2, 1))) == 32
    with pytest.raises(ValueError, match="is not periodic along c: --supercell cannot repeat it"):
        open_structure(tmp_path / "slab.xyz", supercell=(1, 1, 2))


def test_data_by_name_and_by_file(tmp_path: Path, silicon: Atoms):
    assert len(list(open_data("silicon"))) == len(embedded("silicon", "test"))
    assert len(list(open_data("silicon:train"))) == len(embedded("silicon", "train"))
    silicon.info["own"] = -3.0
    silicon.write(tmp_path / "si.xyz")
    found = next(open_data(str(tmp_path / "si.xyz"), LabelKeys(energy="own")))
    assert float(found.labels["energy"]) == -3.0
