"""Chemical symbols and atomic numbers."""

from ase.data import atomic_numbers, chemical_symbols


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
