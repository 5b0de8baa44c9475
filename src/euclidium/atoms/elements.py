"""Chemical symbols and atomic numbers."""

from ase.data import atomic_masses, atomic_numbers, chemical_symbols, covalent_radii


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
