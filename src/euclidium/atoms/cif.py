"""Crystals in CIF files, with sites that several elements share."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io.cif import CIFBlock, parse_cif
from ase.io.formats import open_with_compression

from euclidium.atoms.sites import N_COLUMNS, majority, store_occupations

SAME_SITE = 0.1  # Å: what is closer shares a site
UNSAID = (".", "?")  # in a CIF: the default, which is one


def read_cif(path: str | Path) -> Iterator[Atoms]:
    """The crystals in a CIF file; partial occupancies stand where ASE keeps them.

    Atoms that share a site, within 0.1 Å, become one, also where the file gives them at equivalent
    positions or in several rows of one element; its species is the element with the largest
    fraction. Raises what ASE raises for a file that cannot be read.

    >>> from tempfile import TemporaryDirectory
    >>> copper = Atoms("Cu", cell=[3, 3, 3], pbc=True)
    >>> copper.info["occupancy"] = {"0": {"Cu": 0.75, "Au": 0.25}}
    >>> copper.arrays["spacegroup_kinds"] = np.array([0])
    >>> with TemporaryDirectory() as folder:
    ...     copper.write(Path(folder, "x.cif"))
    ...     [atoms.info["occupancy"] for atoms in read_cif(Path(folder, "x.cif"))]
    [{'0': {'Cu': 0.75, 'Au': 0.25}}]
    """
    with open_with_compression(str(path), "rb") as file:
        blocks = list(parse_cif(file))
    return (_crystal(block) for block in blocks if block.has_structure())


def _crystal(block: CIFBlock) -> Atoms:
    """The crystal of a block."""
    given = block.get("_atom_site_occupancy")
    fractions = [1.0 if value in UNSAID else float(value) for value in given or []]
    if all(fraction == 1.0 for fraction in fractions) or block.get_cell().rank != 3:
        return block.get_atoms()
    rows = block.get_unsymmetrized_structure()
    places = rows.get_scaled_positions(wrap=False)
    group = block.get_spacegroup(True)
    sites = np.zeros((0, 3))
    occupations = np.zeros((0, N_COLUMNS))
    for species, fraction, place in zip(rows.numbers, fractions, places, strict=True):
        if fraction == 0.0:
            continue
        for site in np.asarray(group.equivalent_sites([place], onduplicates="keep")[0]):
            apart = sites - site
            distances = np.linalg.norm((apart - np.rint(apart)) @ rows.cell.array, axis=1)
            near = np.flatnonzero(distances < SAME_SITE)
            if len(near) == 0:
                near = np.array([len(sites)])
                sites = np.vstack([sites, site])
                occupations = np.vstack([occupations, np.zeros(N_COLUMNS)])
            occupations[near[0], species] += fraction
    atoms = Atoms(majority(occupations), scaled_positions=sites, cell=rows.cell, pbc=True)
    atoms.info["spacegroup"] = group
    store_occupations(atoms, occupations)
    return atoms
