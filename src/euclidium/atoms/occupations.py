"""Alloys from crystals: elements replaced in part, and mixtures of two end members."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import polar
from scipy.optimize import linear_sum_assignment

from euclidium.atoms.elements import atomic_number, chemical_symbol
from euclidium.atoms.problem import DataError
from euclidium.atoms.sites import TOLERANCE, majority, mixed
from euclidium.atoms.structure import Structure

Substitution = Mapping[str, Mapping[str, float]]

FORM = re.compile(r"([A-Za-z]+)\s*:\s*([A-Za-z]+)\s*=\s*([^\s,]+)")
FARTHEST = 1.0  # Å, between positions of one site in two end members
STRAIN = 0.25  # between the cells of two end members


def parse_substitution(texts: str | Iterable[str]) -> dict[str, dict[str, float]]:
    """What is written as ``Bi:Sb=0.25`` (a quarter of Sb becomes Bi), for :func:`substitute`.

    Several stand in a list or between commas. Raises ``DataError`` for other text, for what is not
    an element, and for the same replacement twice.

    >>> parse_substitution(["Bi:Sb=0.25", "As:Sb=0.1, Ca:Mg=0.05"])
    {'Sb': {'Bi': 0.25, 'As': 0.1}, 'Mg': {'Ca': 0.05}}
    """
    given = [texts] if isinstance(texts, str) else texts
    found: dict[str, dict[str, float]] = {}
    for text in (part.strip() for item in given for part in item.split(",")):
        match = FORM.fullmatch(text)
        try:
            new, old, fraction = match.groups() if match else ("", "", "")
            numbers = atomic_number(new), atomic_number(old)
            value = float(fraction)
        except ValueError:
            raise DataError(
                f"not a substitution: {text!r}; write the new element, the old one and a fraction, "
                "such as Bi:Sb=0.25"
            ) from None
        new, old = (chemical_symbol(number) for number in numbers)
        if new in found.setdefault(old, {}):
            raise DataError(f"{new}:{old} is given twice: give each replacement once")
        found[old][new] = value
    return found


def substitute(structure: Structure, changes: Substitution) -> Structure:
    """The structure with elements replaced in part: {old: {new: fraction of its sites}}.

    On every site, f_new ← f_new + x f_old and f_old ← (1 − x) f_old; all replacements see the
    fractions of the given structure. Cell and positions stay, and labels are left out, as they
    belong to the other composition.

    Raises ``DataError`` for an old element that the structure has not, for fractions outside of
    [0, 1] or whose sum for one old element exceeds one, and for an element in its own place.

    >>> from ase.build import bulk
    >>> salt = Structure.from_ase(bulk("NaCl", "rocksalt", a=5.64))
    >>> substitute(salt, {"Cl": {"Br": 0.25, "I": 0.05}}).composition
    {'Na': 1.0, 'Cl': 0.7, 'Br': 0.25, 'I': 0.05}
    """
    before = structure.fractions
    after = before.copy()
    for old, shares in changes.items():
        _check_shares(structure, old, shares)
        column = before[:, atomic_number(old)]
        for new, share in shares.items():
            after[:, atomic_number(new)] += share * column
            after[:, atomic_number(old)] -= share * column
    after[np.abs(after) < 1e-12] = 0.0
    return with_occupations(structure, after)


def with_occupations(structure: Structure, occupations: Float[np.ndarray, "atom 119"]) -> Structure:
    """The structure with other elements on its sites, and without its labels.

    Raises ``DataError`` for fractions that cannot be.

    >>> from euclidium.atoms.sites import one_hot
    >>> argon = Structure(np.array([18]), np.zeros((1, 3)), labels={"energy": np.array(-0.1)})
    >>> with_occupations(argon, 0.5 * one_hot(np.array([18])) + 0.5 * one_hot(np.array([36])))
    Structure(Ar0.5Kr0.5, mixed sites: 1)
    """
    return replace(
        structure,
        species=majority(occupations),
        occupations=occupations if mixed(occupations).any() else None,
        labels={},
        per_atom=frozenset({"forces"}),
    )


def interpolate(a: Structure, b: Structure, fraction: float) -> Structure:
    """The mixture of two end members with the same sites: cell, positions and occupations linear.

    q(x) = (1 − x) q(a) + x q(b)

    This is Vegard's law. Sites of ``b`` are matched to those of ``a`` by position: they may come in
    another order, from another origin, and in a cell that is rotated. The sites of ``a`` keep their
    order. Labels and inputs are left out.

    Raises ``DataError`` if the fraction is outside of [0, 1], or the two have other numbers of
    sites, cells that differ by more than a quarter, or a site further than 1 Å from its partner.
    Vegard, Z. Phys. 5, 17 (1921), https://doi.org/10.1007/BF01349680; of phonons as in Chen et al.,
    Adv. Sci. 8, 2004214 (2021), https://doi.org/10.1002/advs.202004214.

    >>> from ase.build import bulk
    >>> salts = [
    ...     Structure.from_ase(bulk(f"Na{x}", "rocksalt", a=a))
    ...     for x, a in (("Cl", 5.64), ("Br", 5.97))
    ... ]
    >>> half = interpolate(*salts, 0.5)
    >>> half.formula, round((4 * half.volume) ** (1 / 3), 3)
    ('Br0.5Cl0.5Na', 5.805)
    """
    if not 0.0 <= fraction <= 1.0:
        raise DataError(f"the fraction of the second end member is {fraction:g}: give 0 to 1")
    other = _aligned(a, b)
    mean = (1 - fraction) * a.fractions + fraction * other.fractions
    mixture = replace(
        a,
        cell=(1 - fraction) * a.cell + fraction * other.cell,
        positions=(1 - fraction) * a.positions + fraction * other.positions,
        inputs={},
        info={},
    )
    return with_occupations(mixture, mean)


def _check_shares(structure: Structure, old: str, shares: Mapping[str, float]) -> None:
    """Raise ``DataError`` for a replacement that cannot be made."""
    held = structure.composition
    if old not in held:
        raise DataError(
            f"{structure.origin} has no {old} to replace: it is {structure.formula}, with "
            f"{', '.join(held)}"
        )
    for new, share in shares.items():
        atomic_number(new)
        if not 0.0 <= share <= 1.0:
            raise DataError(f"{new}:{old}={share:g}: a fraction is from 0 to 1")
        if new == old:
            raise DataError(f"{new}:{old}={share:g} replaces an element by itself")
    total = sum(shares.values())
    if total > 1.0 + TOLERANCE:
        raise DataError(f"{total:g} of {old} would be replaced: fractions sum to one at most")


def _aligned(a: Structure, b: Structure) -> Structure:
    """``b`` turned, shifted and in the order of ``a``, each site the image nearest to its own."""
    if a.n_atoms != b.n_atoms:
        raise DataError(
            f"the end members {a.formula} and {b.formula} have {a.n_atoms} and {b.n_atoms} sites: "
            "give cells of the same number"
        )
    if not (a.pbc.all() and b.pbc.all()):
        raise DataError("end members of an alloy are crystals, periodic along all axes")
    # cell of b = cell of a · strain · rotation, with a symmetric strain
    strain = polar(np.linalg.solve(a.cell, b.cell), side="left")[1]
    if np.abs(strain - np.eye(3)).max() > STRAIN:
        raise DataError(
            f"the cells of {a.formula} and {b.formula} differ by a strain of "
            f"{np.abs(strain - np.eye(3)).max():.2f}: give both in the same setting"
        )
    cell = a.cell @ strain
    ours, theirs = (s.positions @ np.linalg.inv(s.cell) for s in (a, b))
    order, shift, farthest = _matched(a, b, ours, theirs, (a.cell + cell) / 2)
    if farthest > FARTHEST:
        raise DataError(
            f"the sites of {a.formula} and {b.formula} do not match: one is {farthest:.2f} Å from "
            "its partner; give both in the same setting"
        )
    moved = theirs[order] + shift
    moved -= np.rint(moved - ours)
    return with_occupations(replace(a, cell=cell, positions=moved @ cell), b.fractions[order])


def _matched(
    a: Structure,
    b: Structure,
    ours: Float[np.ndarray, "atom 3"],
    theirs: Float[np.ndarray, "atom 3"],
    cell: Float[np.ndarray, "3 3"],
) -> tuple[Int[np.ndarray, " atom"], Float[np.ndarray, "3"], float]:
    """The order of ``b``'s sites, a shift of its origin, and the largest distance that remains.

    Of all shifts that bring some site of ``b`` on one of ``a``, and none at all, that at which the
    sites come near each other and most elements stay in their place.
    """
    alike = a.fractions @ b.fractions.T
    best: tuple[tuple[float, float, float], np.ndarray, np.ndarray, float] | None = None
    for shift in (np.zeros(3), *(ours - theirs[0])):
        apart = ours[:, None] - theirs[None] - shift
        vectors = (apart - np.rint(apart)) @ cell
        distances = np.linalg.norm(vectors, axis=2)
        rows, order = linear_sum_assignment(np.square(distances))
        left = vectors[rows, order] - vectors[rows, order].mean(axis=0)  # the best rigid shift
        farthest = float(np.linalg.norm(left, axis=1).max())
        kept = float(alike[rows, order].sum())
        rank = (float(farthest <= FARTHEST), round(kept, 6), -round(farthest, 3))
        if best is None or rank > best[0]:
            rigid = np.linalg.solve(cell.T, vectors[rows, order].mean(axis=0))
            best = (rank, order, shift + rigid, farthest)
    assert best is not None
    return best[1], best[2], best[3]
