"""A part of the compositions is kept out of training, by a rule that never changes."""

import hashlib

import numpy as np
import pytest
from ase.build import bulk
from ase.data import atomic_numbers

from euclidium.atoms.dos import PhononDOS
from euclidium.atoms.phonon_record import PhononRecord
from euclidium.atoms.spectra_split import composition, composition_split, held_out
from euclidium.atoms.structure import Structure

DOS = PhononDOS(np.array([0.0, 50.0]), np.array([3.0]))


def crystal(*symbols: str) -> Structure:
    """Atoms in a row, in a cell that is large enough."""
    positions = np.zeros((len(symbols), 3))
    positions[:, 0] = 2.0 * np.arange(len(symbols))
    numbers = np.array([atomic_numbers[symbol] for symbol in symbols])
    return Structure(numbers, positions, np.diag([2.0 * len(symbols), 5.0, 5.0]), np.ones(3, bool))


def record(split: str | None, *symbols: str) -> PhononRecord:
    return PhononRecord.of("-".join(symbols), crystal(*symbols), DOS, split=split)


def test_the_string_that_is_hashed():
    assert composition(crystal("O", "Mg", "O", "Mg")) == "[(8, 1), (12, 1)]"
    assert composition(crystal("Mg", "F", "F")) == "[(9, 2), (12, 1)]"
    assert composition(Structure.from_ase(bulk("Si", cubic=True))) == "[(14, 1)]"


@pytest.mark.parametrize("symbols", [("K",), ("Hg",), ("Ca", "H"), ("Mg", "F")])
def test_held_out_compositions_never_change(symbols: tuple[str, ...]):
    """What a published model did not see must stay what it did not see."""
    numbers = sorted((atomic_numbers[symbol], 1) for symbol in symbols)
    assert int(hashlib.sha1(str(numbers).encode()).hexdigest(), 16) % 20 == 0
    assert held_out(crystal(*symbols))
    assert held_out(crystal(*reversed(symbols), *symbols)), "a larger cell is the same composition"


def test_parts():
    records = [
        record("train", "Si"),
        record("val", "K"),  # its composition is held out, whatever the file says
        record("val", "Mg", "O"),
        record(None, "Ge"),
        record("train", "F", "Mg"),
        record("test", "Na", "Cl"),
    ]
    parts = {name: indices.tolist() for name, indices in composition_split(records).items()}
    assert parts == {"train": [0, 3, 5], "val": [2], "test": [1, 4]}


def test_about_a_twentieth_is_held_out():
    symbols = list(atomic_numbers)[1:90]
    pairs = [(a, b) for a in symbols for b in symbols if a < b]
    share = np.mean([held_out(crystal(*pair)) for pair in pairs[::4]])
    assert share == pytest.approx(0.05, abs=0.02)
