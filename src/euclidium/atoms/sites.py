"""What stands on the sites of a crystal: one element each, or fractions of several."""

from collections.abc import Iterable, Mapping

import numpy as np
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers, chemical_symbols
from jaxtyping import Float, Int

from euclidium.atoms.problem import DataError

N_COLUMNS = 119  # one for each atomic number, and column 0, which is not used
TOLERANCE = 1e-6  # by which fractions may miss what they should be
ROUNDING = 5e-3  # by which the fractions of a site in a file may exceed one
# Where ASE keeps fractions: a dictionary of kinds of sites, and the kind of each atom.
OCCUPANCY, KINDS = "occupancy", "spacegroup_kinds"


def one_hot(species: Int[np.ndarray, " atom"]) -> Float[np.ndarray, "atom 119"]:
    """Occupations of pure sites: one in the column of the atomic number.

    >>> one_hot(np.array([14]))[0, 13:16].tolist()
    [0.0, 1.0, 0.0]
    """
    rows = np.zeros((len(species), N_COLUMNS))
    rows[np.arange(len(species)), species] = 1.0
    return rows


def majority(occupations: Float[np.ndarray, "atom 119"]) -> Int[np.ndarray, " atom"]:
    """The element with the largest fraction on each site, the lightest of equals.

    >>> majority(0.25 * one_hot(np.array([83])) + 0.75 * one_hot(np.array([51]))).tolist()
    [51]
    """
    largest = occupations.max(axis=1, keepdims=True)
    return np.argmax(occupations >= largest - TOLERANCE, axis=1).astype(np.int64)


def mixed(occupations: Float[np.ndarray, "atom 119"]) -> np.ndarray:
    """Which sites hold more than one element, or are empty in part.

    >>> mixed(np.stack([one_hot(np.array([5]))[0], 0.9 * one_hot(np.array([5]))[0]])).tolist()
    [False, True]
    """
    pure = occupations.max(axis=1) >= 1.0 - TOLERANCE
    return np.asarray(~(pure & (occupations.sum(axis=1) <= 1.0 + TOLERANCE)))


def site_masses(occupations: Float[np.ndarray, "atom 119"]) -> Float[np.ndarray, " atom"]:
    """The mean mass in amu of the atoms on each site, m = Σ_e f_e m_e / Σ_e f_e.

    >>> site_masses(one_hot(np.array([14, 1]))).tolist()
    [28.085, 1.008]
    """
    return np.asarray(occupations @ atomic_masses[:N_COLUMNS] / occupations.sum(axis=1))


def composition(occupations: Float[np.ndarray, "atom 119"]) -> dict[str, float]:
    """Atoms of each element in the cell, by atomic number.

    >>> composition(one_hot(np.array([14, 8, 8])))
    {'O': 2.0, 'Si': 1.0}
    """
    amounts = occupations.sum(axis=0)
    return {chemical_symbols[z]: float(amounts[z]) for z in np.flatnonzero(amounts)}


def formula(amounts: Mapping[str, float], order: Iterable[str] | None = None) -> str:
    """Chemical formula of amounts that need not be whole, in Hill order if no other is given.

    >>> formula({"Mg": 3, "Sb": 1.5, "Bi": 0.5})
    'Bi0.5Mg3Sb1.5'
    """
    if order is None:
        first = ["C", "H"] if "C" in amounts else []
        order = [e for e in first if e in amounts] + sorted(amounts.keys() - set(first))
    return "".join(e + ("" if _text(amounts[e]) == "1" else _text(amounts[e])) for e in order)


def check_occupations(
    occupations: Float[np.ndarray, "atom 119"], species: Int[np.ndarray, " atom"], origin: str
) -> None:
    """Raise ``DataError`` for fractions that cannot be; ``origin`` begins the sentence.

    >>> check_occupations(2 * one_hot(np.array([14])), np.array([14]), "the structure")
    Traceback (most recent call last):
    euclidium.atoms.problem.DataError: the structure: the fractions on site 0 sum to 2 (2 Si): \
they must not exceed one
    """
    if occupations.shape != (len(species), N_COLUMNS):
        raise DataError(
            f"{origin}: occupations has the shape {occupations.shape}, expected "
            f"{(len(species), N_COLUMNS)}: a fraction for each atomic number on each site"
        )
    if not np.isfinite(occupations).all() or (occupations < 0).any():
        site = int(np.flatnonzero(~(occupations >= 0).all(1) | ~np.isfinite(occupations).all(1))[0])
        raise DataError(
            f"{origin}: site {site} has a fraction of an element that is negative or not a "
            "number: fractions are from zero to one"
        )
    totals = occupations[:, 1:].sum(axis=1)
    for wrong, sentence in (
        (occupations[:, 0] > 0, "has a fraction of element 0: column 0 is not used"),
        (totals <= 0, "is empty: leave it out"),
    ):
        if wrong.any():
            raise DataError(f"{origin}: site {int(np.argmax(wrong))} {sentence}")
    if (totals > 1 + TOLERANCE).any():
        site = int(np.argmax(totals))
        raise DataError(
            f"{origin}: the fractions on site {site} sum to {totals[site]:g} "
            f"({_fractions(occupations[site])}): they must not exceed one"
        )
    own = occupations[np.arange(len(species)), species]
    behind = own < occupations.max(axis=1) - TOLERANCE
    if behind.any():
        site = int(np.argmax(behind))
        raise DataError(
            f"{origin}: the species of site {site} is {chemical_symbols[species[site]]}, but it "
            f"holds {_fractions(occupations[site])}: the species is the element with the largest "
            "fraction"
        )


def fractions(
    sites: Iterable[Iterable[tuple[str, float]]], origin: str
) -> Float[np.ndarray, "site 119"]:
    """Fractions by site and atomic number, from pairs of a symbol and a fraction.

    A sum that exceeds one by no more than 0.005 is the rounding of a file, and scaled to one.
    Raises ``DataError`` for what is not an element; ``origin`` begins the sentence.

    >>> fractions([[("Sb", 0.75), ("Bi", 0.25)]], "the crystal")[0, [51, 83]].tolist()
    [0.75, 0.25]
    """
    rows = []
    for site, held in enumerate(sites):
        row = np.zeros(N_COLUMNS)
        for symbol, fraction in held:
            row[_number(str(symbol), site, origin)] += float(fraction)
        rows.append(row)
    found = np.array(rows).reshape(-1, N_COLUMNS)
    totals = found.sum(axis=1, keepdims=True)
    rounded = (totals > 1 + TOLERANCE) & (totals < 1 + ROUNDING)
    return np.where(rounded, found / np.maximum(totals, 1), found)


def find_occupations(atoms: Atoms, origin: str) -> Float[np.ndarray, "atom 119"] | None:
    """The occupations that ASE stores with its atoms, None if all sites are pure.

    They stand in ``info["occupancy"]``, {kind of site: {symbol: fraction}}, and the kind of each
    atom in ``arrays["spacegroup_kinds"]``; without that each atom is a kind, by its number. Sums
    are rounded as in :func:`fractions`. Raises ``DataError`` for a kind or an element that is not
    known.

    >>> site = {"0": {"Sb": 0.75, "Bi": 0.25}}
    >>> found = find_occupations(Atoms("Sb", info={"occupancy": site}), "the structure")
    >>> found[0, [51, 83]].tolist()
    [0.75, 0.25]
    """
    table = atoms.info.get(OCCUPANCY)
    if not isinstance(table, Mapping):
        return None
    pure = all(len(held) == 1 and 1.0 in held.values() for held in table.values())
    if pure:  # as of every CIF that has a column of ones, whatever was made of the atoms since
        return None
    if KINDS not in atoms.arrays and len(table) != len(atoms):
        raise DataError(
            f"{origin} has {len(table)} kinds of sites in info['{OCCUPANCY}'] and {len(atoms)} "
            f"atoms: give the kind of each atom in arrays['{KINDS}'], or remove the fractions"
        )
    kinds = atoms.arrays.get(KINDS, np.arange(len(atoms)))
    sites = []
    for site, kind in enumerate(kinds.tolist()):
        held = table.get(str(kind), table.get(kind))
        if held is None:
            raise DataError(
                f"{origin}: info['{OCCUPANCY}'] has no kind {kind}, which atom {site} has: "
                "give fractions for all kinds, or remove it"
            )
        sites.append(held.items())
    rows = fractions(sites, origin)
    return rows if mixed(rows).any() else None


def store_occupations(atoms: Atoms, occupations: Float[np.ndarray, "atom 119"]) -> None:
    """Store occupations where ASE keeps them; extended XYZ, CIF and .traj files have them then.

    Each site is a kind of its own, as .traj files drop ``arrays``. Other formats, such as POSCAR
    and ASE's .json, keep the elements of ``species`` only.

    >>> atoms = Atoms("Sb")
    >>> store_occupations(atoms, 0.5 * one_hot(np.array([51])) + 0.5 * one_hot(np.array([83])))
    >>> atoms.info["occupancy"]
    {'0': {'Sb': 0.5, 'Bi': 0.5}}
    """
    atoms.info[OCCUPANCY] = {
        str(site): {chemical_symbols[z]: float(row[z]) for z in np.flatnonzero(row)}
        for site, row in enumerate(occupations)
    }
    atoms.arrays[KINDS] = np.arange(len(atoms))


def _number(symbol: str, site: int, origin: str) -> int:
    """The atomic number of an element on a site."""
    if symbol not in atomic_numbers or symbol == "X":
        raise DataError(
            f"{origin}: site {site} holds {symbol!r}, which is not an element: use chemical "
            "symbols such as 'Si' or 'O'"
        )
    return int(atomic_numbers[symbol])


def _fractions(row: np.ndarray) -> str:
    """Such as ``0.75 Sb, 0.25 Bi``."""
    order = sorted(np.flatnonzero(row), key=lambda z: -row[z])
    return ", ".join(f"{row[z]:.4g} {chemical_symbols[z]}" for z in order)


def _text(amount: float) -> str:
    """A number in a formula."""
    return f"{round(amount, 3):.7g}"
