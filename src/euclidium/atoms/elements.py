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
