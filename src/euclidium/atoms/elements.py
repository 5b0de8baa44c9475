"""Chemical symbols, atomic numbers, and what is known of the elements."""

from ase.data import atomic_masses, atomic_numbers, chemical_symbols, covalent_radii

# on Pauling's scale, by atomic number; elements without a value are left out
ELECTRONEGATIVITIES = {
    **{1: 2.20, 3: 0.98, 4: 1.57, 5: 2.04, 6: 2.55, 7: 3.04, 8: 3.44, 9: 3.98, 11: 0.93, 12: 1.31},
    **{13: 1.61, 14: 1.90, 15: 2.19, 16: 2.58, 17: 3.16, 19: 0.82, 20: 1.00, 21: 1.36, 22: 1.54},
    **{23: 1.63, 24: 1.66, 25: 1.55, 26: 1.83, 27: 1.88, 28: 1.91, 29: 1.90, 30: 1.65, 31: 1.81},
    **{32: 2.01, 33: 2.18, 34: 2.55, 35: 2.96, 37: 0.82, 38: 0.95, 39: 1.22, 40: 1.33, 41: 1.6},
    **{42: 2.16, 43: 2.10, 44: 2.2, 45: 2.28, 46: 2.20, 47: 1.93, 48: 1.69, 49: 1.78, 50: 1.96},
    **{51: 2.05, 52: 2.1, 53: 2.66, 54: 2.60, 55: 0.79, 56: 0.89, 57: 1.10, 58: 1.12, 59: 1.13},
    **{60: 1.14, 62: 1.17, 64: 1.20, 66: 1.22, 67: 1.23, 68: 1.24, 69: 1.25, 71: 1.0, 72: 1.3},
    **{73: 1.5, 74: 1.7, 75: 1.9, 76: 2.2, 77: 2.2, 78: 2.2, 79: 2.4, 80: 1.9, 81: 1.8, 82: 1.8},
    **{83: 1.9, 84: 2.0, 85: 2.2, 87: 0.7, 88: 0.9, 89: 1.1, 90: 1.3, 91: 1.5, 92: 1.7, 93: 1.3},
    94: 1.3,
}


def atomic_number(symbol: str) -> int:
    """Atomic number of a chemical symbol.

    Raises ``ValueError`` for anything else.

    >>> atomic_number("Si")
    14
    """
    if symbol not in atomic_numbers or symbol == "X":
        raise ValueError(f"{symbol!r} is not a chemical symbol: write for example 'Si' or 'O'")
    return int(atomic_numbers[symbol])


def chemical_symbol(number: int) -> str:
    """Chemical symbol of an atomic number.

    Raises ``ValueError`` if there is no such element.

    >>> chemical_symbol(14)
    'Si'
    """
    if not 1 <= number < len(chemical_symbols):
        raise ValueError(f"there is no element with the atomic number {number}")
    return chemical_symbols[number]


def site_symbol(number: int) -> str:
    """Chemical symbol, or X for 0: a centre of functions without an atom.

    Raises ``ValueError`` for anything else.

    >>> site_symbol(0), site_symbol(14)
    ('X', 'Si')
    """
    return chemical_symbols[0] if number == 0 else chemical_symbol(number)


def site_number(symbol: str) -> int:
    """Atomic number of a chemical symbol, or 0 for X; the inverse of :func:`site_symbol`.

    Raises ``ValueError`` for anything else.

    >>> site_number("X"), site_number("Si")
    (0, 14)
    """
    return 0 if symbol == chemical_symbols[0] else atomic_number(symbol)


def atomic_mass(number: int) -> float:
    """Standard atomic mass in amu. Raises ``ValueError`` if there is no such element.

    >>> atomic_mass(14)
    28.085
    """
    chemical_symbol(number)
    return float(atomic_masses[number])


def covalent_radius(number: int) -> float:
    """Covalent radius in Å; Cordero et al., https://doi.org/10.1039/b801115j, through ASE.

    Raises ``ValueError`` if there is no such element.

    >>> covalent_radius(14)
    1.11
    """
    chemical_symbol(number)
    return float(covalent_radii[number])


def electronegativity(number: int) -> float | None:
    """Electronegativity on Pauling's scale, None of an element that has no value there.

    Of the commonest oxidation state; L. Pauling, The Nature of the Chemical Bond (1960), A. L.
    Allred, J. Inorg. Nucl. Chem. 17, 215 (1961), https://doi.org/10.1016/0022-1902(61)80142-5, as
    the tables of chemistry and physics of CRC Press list them (2005).

    Raises ``ValueError`` if there is no such element.

    >>> electronegativity(8), electronegativity(18)
    (3.44, None)
    """
    chemical_symbol(number)
    return ELECTRONEGATIVITIES.get(number)
