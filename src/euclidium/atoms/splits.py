"""Which structures a model learns from, which choose it, and which judge it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Int

Part: TypeAlias = int | float | slice | Sequence[int] | Int[np.ndarray, " _"] | None
"""A part of a data set: a count, a fraction, a slice, indices, or what is left."""


@dataclass(frozen=True, eq=False)
class Split:
    """Indices of the structures for training, validation and test, sorted; no two overlap.

    >>> split_indices(10, validation=2, test=0.3).train.size
    5
    """

    train: Int[np.ndarray, " train"]
    validation: Int[np.ndarray, " validation"]
    test: Int[np.ndarray, " test"]


def split_indices(
    n: int,
    *,
    train: Part = None,
    validation: Part = 0.1,
    test: Part = 0,
    seed: int = 0,
    species: Sequence[Int[np.ndarray, " _"]] | None = None,
    balance: Literal["none", "elements"] = "none",
) -> Split:
    """Split ``n`` structures into three parts without overlap.

    A part is a number of structures (``int``), a fraction of all (``float``), a slice or a list of
    indices, or ``None`` for all that is left. The same seed gives the same split.

    ``balance="elements"`` gives each part its share of the structures that contain each element,
    the rarest first, from the atomic numbers ``species`` of each structure (iterative
    stratification: Sechidis et al., ECML PKDD 2011, doi:10.1007/978-3-642-23808-6_10).

    Raises ``ValueError`` for parts that overlap, leave the range or need more than there are, and
    if nothing is left to train on.

    >>> split_indices(5, train=slice(0, 3), validation=[4]).train.tolist()
    [0, 1, 2]
    """
    parts = {"train": train, "validation": validation, "test": test}
    chosen = {
        name: _indices(name, part, n)
        for name, part in parts.items()
        if isinstance(part, slice | Sequence | np.ndarray)
    }
    taken = _without_overlap(chosen)
    pool = np.setdiff1d(np.arange(n), taken)
    wanted = {name: part for name, part in parts.items() if name not in chosen}
    sizes = _sizes(wanted, n, len(pool))
    rng = np.random.default_rng(seed)
    if balance == "elements":
        if species is None or len(species) != n:
            raise ValueError(f"balance='elements' needs the species of each of the {n} structures")
        chosen |= _balanced(rng.permutation(pool), sizes, species)
    else:
        shuffled = iter(rng.permutation(pool))
        chosen |= {
            name: np.array(list(islice(shuffled, size)), dtype=np.int64)
            for name, size in sizes.items()
        }
    if len(chosen["train"]) == 0:
        raise ValueError(f"no structure is left to train on: {n} in all, {_describe(parts)}")
    return Split(**{name: np.sort(chosen[name]) for name in parts})


def _describe(parts: Mapping[str, Part]) -> str:
    return ", ".join(f"{name}: {part}" for name, part in parts.items() if part is not None)


def _indices(name: str, part: Part, n: int) -> Int[np.ndarray, " _"]:
    """A slice or a list as indices from 0 to n − 1."""
    if isinstance(part, slice):
        return np.arange(n)[part]
    indices = np.asarray(part, dtype=np.int64)
    outside = indices[(indices < 0) | (indices >= n)]
    if len(outside):
        raise ValueError(f"{name} has the index {outside[0]}, but there are {n} structures from 0")
    return indices


def _without_overlap(chosen: Mapping[str, np.ndarray]) -> Int[np.ndarray, " _"]:
    """All indices chosen by hand, each once."""
    taken = np.concatenate([np.empty(0, dtype=np.int64), *chosen.values()])
    values, counts = np.unique(taken, return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f"structure {values[counts > 1][0]} is chosen twice, in {' and '.join(chosen)}: "
            "parts must not overlap"
        )
    return values


def _sizes(wanted: Mapping[str, Part], n: int, available: int) -> dict[str, int]:
    """How many structures each part gets that is not chosen by hand."""
    sizes = {name: _size(name, part, n) for name, part in wanted.items() if part is not None}
    rest = [name for name, part in wanted.items() if part is None]
    left = available - sum(sizes.values())
    if left < 0:
        raise ValueError(f"{_describe(wanted)} is more than the {available} structures there are")
    if len(rest) > 1:
        raise ValueError(f"{' and '.join(rest)} cannot both be what is left: give one a size")
    return {name: sizes.get(name, left) for name in wanted}


def _size(name: str, part: Part, n: int) -> int:
    if isinstance(part, bool) or not isinstance(part, int | float) or part < 0:
        raise ValueError(f"{name} is {part!r}, expected a count, a fraction, a slice or indices")
    if isinstance(part, int):
        return part
    if part > 1:
        raise ValueError(
            f"{name} is {part}: a fraction is at most 1.0; write {part:.0f} for a count"
        )
    return max(round(part * n), 1) if part > 0 and n > 1 else 0


def _balanced(
    pool: Int[np.ndarray, " _"], sizes: Mapping[str, int], species: Sequence[Int[np.ndarray, " _"]]
) -> dict[str, Int[np.ndarray, " _"]]:
    """Each part gets its share of the structures with each element."""
    room = {**sizes, "": len(pool) - sum(sizes.values())}  # "" is for those left over
    elements = {int(i): frozenset(int(z) for z in species[i]) for i in pool}
    holders: dict[int, list[int]] = {}
    for i in elements:
        for z in elements[i]:
            holders.setdefault(z, []).append(i)
    share = {name: size / max(len(pool), 1) for name, size in room.items()}
    desire = {(name, z): share[name] * len(holders[z]) for name in room for z in holders}
    chosen: dict[str, list[int]] = {name: [] for name in room}
    waiting = {z: len(holders[z]) for z in holders}
    while waiting:
        rarest = min(waiting, key=lambda z: (waiting[z], z))
        for i in [i for i in holders[rarest] if i in elements]:
            open_parts = [name for name in room if room[name] > 0]
            name = max(open_parts, key=lambda name: (desire[name, rarest], room[name]))
            chosen[name].append(i)
            room[name] -= 1
            for z in elements.pop(i):
                desire[name, z] -= 1
                waiting[z] -= 1
        waiting = {z: number for z, number in waiting.items() if number > 0}
    return {name: np.array(chosen[name], dtype=np.int64) for name in sizes}
