"""Parts of a set of phonon spectra: one of them has compositions that no other part has."""

import hashlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from euclidium.atoms.phonon_record import PhononRecord
from euclidium.atoms.structure import Structure

PARTS = 20  # one composition in so many is kept out of training


def composition_split(records: Sequence[PhononRecord]) -> dict[str, Int[np.ndarray, " record"]]:
    """Indices of the records of each part: ``train``, ``val`` and ``test``.

    Polymorphs of one composition may stand in different parts of a published split, so that a
    model meets in a test what it was trained on. Here a twentieth of all compositions, drawn by a
    hash and so the same in every set, is ``test``; ``val`` are the records whose ``split`` says so
    and whose composition is not in ``test``; ``train`` is the rest.

    >>> from euclidium.atoms.dos import PhononDOS
    >>> argon = Structure(np.array([18]), np.zeros((1, 3)), 5 * np.eye(3), np.ones(3, bool))
    >>> dos = PhononDOS(np.array([0.0, 50.0]), np.array([3.0]))
    >>> record = PhononRecord("Ar", argon, dos, None, 24.9, 25.0, 40.0, 0.0, np.ones(51), "val", {})
    >>> {part: indices.tolist() for part, indices in composition_split([record]).items()}
    {'train': [], 'val': [0], 'test': []}
    """
    parts: dict[str, list[int]] = {"train": [], "val": [], "test": []}
    for n, record in enumerate(records):
        if held_out(record.structure):
            parts["test"].append(n)
        else:
            parts["val" if record.split == "val" else "train"].append(n)
    return {name: np.array(indices, dtype=np.int64) for name, indices in parts.items()}


def held_out(structure: Structure) -> bool:
    """Whether the composition of a structure belongs to the ``test`` part.

    >>> magnesia = Structure(np.array([12, 8]), np.array([[0.0, 0, 0], [2.1, 0, 0]]))
    >>> held_out(magnesia)
    False
    """
    return (
        int(hashlib.sha1(composition(structure).encode(), usedforsecurity=False).hexdigest(), 16)
        % PARTS
        == 0
    )


def composition(structure: Structure) -> str:
    """Atomic numbers with their counts in the smallest formula unit, as one string.

    >>> composition(Structure(np.array([8, 8, 12, 12]), np.arange(12.0).reshape(4, 3)))
    '[(8, 1), (12, 1)]'
    """
    numbers, counts = np.unique(structure.species, return_counts=True)
    reduced = counts // np.gcd.reduce(counts)
    return str(sorted(zip(numbers.tolist(), reduced.tolist(), strict=True)))
