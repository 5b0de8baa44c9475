"""Crystals in CIF files: no element of a shared site is lost."""

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.spacegroup import crystal

from euclidium.atoms.cif import read_cif
from euclidium.atoms.problem import DataError
from euclidium.atoms.reader import read

CUBE = "".join(
    [
        "data_x\n",
        *(f"_cell_length_{axis} 4\n" for axis in "abc"),
        *(f"_cell_angle_{angle} 90\n" for angle in ("alpha", "beta", "gamma")),
        "_symmetry_space_group_name_H-M 'F m -3 m'\nloop_\n_atom_site_label\n",
        "_atom_site_type_symbol\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n",
        "_atom_site_occupancy\n",
    ]
)


def written(folder: Path, *rows: str) -> Path:
    path = folder / "x.cif"
    path.write_text(CUBE + "".join(f"X{n} {row}\n" for n, row in enumerate(rows)))
    return path


@pytest.mark.parametrize(
    ("rows", "composition", "n_sites"),
    [
        (["Cu 0 0 0 0.75", "Au 0 0 0 0.25"], {"Cu": 3, "Au": 1}, 4),
        # at an equivalent position, which ASE takes for the first element alone
        (["Cu 0 0 0 0.75", "Au 0.5 0.5 0 0.25"], {"Cu": 3, "Au": 1}, 4),
        (["Cu 0 0 0 0.75", "Au 1 0 -1 0.25"], {"Cu": 3, "Au": 1}, 4),
        # refined a little apart
        (["Cu 0 0 0 0.75", "Au 0.5 0.5 0.01 0.25"], {"Cu": 3, "Au": 1.5 * 4}, None),
        # one element in two rows, such as two states of charge
        (["Fe 0 0 0 0.25", "Fe 0 0 0 0.50(1)", "Al 0 0 0 0.25"], {"Fe": 3, "Al": 1}, 4),
        (["Ti 0 0 0 0.9", "O 0.5 0.5 0.5 ."], {"Ti": 3.6, "O": 4}, 8),
        (["Ti 0 0 0 1.0", "O 0.5 0.5 0.5 0.0"], {"Ti": 4}, 4),
    ],
)
def test_every_row_is_counted(
    tmp_path: Path, rows: list[str], composition: dict[str, float], n_sites: int | None
):
    path = written(tmp_path, *rows)
    if n_sites is None:  # six positions around each site, too many for it
        with pytest.raises(DataError, match=r"the fractions on site 0 sum to 2.25 \(1.5 Au, 0.75"):
            list(read(path))
        return
    (structure,) = read(path)
    assert structure.n_atoms == n_sites
    assert structure.composition == pytest.approx(composition, rel=1e-12)


def test_a_split_position_is_one_site(tmp_path: Path):
    path = written(tmp_path, "Ag 0 0 0.01 0.15")  # six positions, 0.04 Å from the site
    (structure,) = read(path)
    assert structure.composition == pytest.approx({"Ag": 3.6})
    assert structure.n_atoms == 4


def test_without_partial_occupancies_it_is_what_ase_reads(tmp_path: Path):
    path = tmp_path / "x.cif"
    salt = crystal(
        "NaCl", [(0, 0, 0), (0.5, 0.5, 0.5)], spacegroup=225, cellpar=[5.64] * 3 + [90] * 3
    )
    ase.io.write(path, [salt, bulk("Si")])
    ours, theirs = list(read(path)), ase.io.read(path, index=":")
    assert [item.n_atoms for item in ours] == [8, 2]
    for structure, atoms in zip(ours, theirs, strict=True):
        assert structure.occupations is None
        np.testing.assert_array_equal(structure.species, atoms.numbers)
        np.testing.assert_array_equal(structure.positions, atoms.positions)
    assert [item.n_atoms for item in read(path, index=-1)] == [2]


def test_more_than_full(tmp_path: Path):
    path = written(tmp_path, "Cu 0 0 0 0.75", "Au 0 0 0 0.5")
    with pytest.raises(DataError, match=r"frame 0 of x.cif: the fractions on site 0 sum to 1.25"):
        list(read(path))


def test_a_broken_file_has_its_sentence(tmp_path: Path):
    path = written(tmp_path, "Cu 0 0 zero 0.75")
    with pytest.raises(DataError, match=r"frame 0 of x.cif cannot be read"):
        list(read(path))
    assert len(list(read_cif(written(tmp_path, "Cu 0 0 0 0.5")))) == 1
