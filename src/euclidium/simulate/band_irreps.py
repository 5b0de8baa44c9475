"""Names of vibrations: the irreps of the bands at a point of the Brillouin zone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

import numpy as np
import spglib

from euclidium.simulate.phonons import Bands, Phonons

# Multiplicities of irreps are integers up to this, or the symmetry is not that of the modes.
INTEGER = 0.05


@dataclass(frozen=True)
class DegenerateSet:
    """Bands of one frequency.

    ``label`` is the irrep in Mulliken's notation, such as ``T2g``; ``A1+B2`` if bands of different
    irreps happen to meet, and None where the little group has no ordinary irreps. Whether light
    sees the modes is said at Γ only: by absorption (``infrared``) or by scattering (``raman``).
    """

    bands: tuple[int, ...]  # from 0
    frequency: float  # THz, imaginary ones negative
    label: str | None
    infrared: bool | None = None
    raman: bool | None = None


@dataclass(frozen=True)
class PointIrreps:
    """The bands at one point q, in reciprocal vectors of the primitive cell."""

    q: tuple[float, float, float]
    group: str  # the little co-group, in the notation of Hermann and Mauguin
    sets: tuple[DegenerateSet, ...]


def band_irreps(
    phonons: Phonons, q: Sequence[float] = (0.0, 0.0, 0.0), tolerance: float = 0.01
) -> PointIrreps:
    """The irreps of the bands at q, in reciprocal vectors of the primitive cell.

    n_i = 1/h Σ_R χ_i(R)* χ(R),    χ(R) = Σ_ν e_ν† P(R) e_ν exp(2πi q·t)

    Bands nearer than ``tolerance`` (THz) belong to one set. At the surface of the zone labels refer
    to an origin at an atom where that is possible, else in the middle of a short bond along q; in a
    crystal with screw axes or glide planes the irreps may be those of no point group, and have no
    label here. Which of two like axes counts as first, as in B1 and B2, is a convention too.

    Maradudin and Vosko, Rev. Mod. Phys. 40, 1 (1968), https://doi.org/10.1103/RevModPhys.40.1.

    >>> from ase.build import bulk
    >>> from ase.calculators.emt import EMT
    >>> from euclidium.simulate.phonons import phonons
    >>> copper = phonons(bulk("Cu"), EMT(), supercell=(2, 2, 2), mesh=(4, 4, 4))
    >>> found = band_irreps(copper, (0.5, 0.5, 0.0))
    >>> found.group, [(len(one.bands), one.label) for one in found.sets]
    ('4/mmm', [(2, 'Eu'), (1, 'A2u')])
    """
    phonopy, point = phonons._phonopy, np.array([float(x) for x in q])
    phonopy.run_qpoints([point], with_eigenvectors=True)
    frequencies = np.array(phonopy.qpoints.frequencies[0])
    vectors = np.array(phonopy.qpoints.eigenvectors[0])
    operations = phonopy.primitive_symmetry.symmetry_operations
    rotations, translations = _little_group(
        np.asarray(operations["rotations"]), np.asarray(operations["translations"]), point
    )
    symbol: Any = spglib.get_pointgroup(rotations)
    group = symbol[0].strip()
    gauge = _gauge(point, rotations, translations, phonopy.primitive)
    table, traces = None, np.zeros((len(rotations), len(frequencies)))
    if gauge is not None:
        table = _table(group, _settings(phonopy.primitive, rotations))
        moved = _representation(phonopy.primitive, rotations, translations, point, *gauge)
        traces = np.einsum("av,gab,bv->gv", vectors.conj(), moved, vectors)
    at_center = bool(np.abs(point - np.rint(point)).max() < 1e-6)
    sets = tuple(
        _named(members, frequencies, traces[:, list(members)].sum(axis=1), table, at_center)
        for members in _degenerate(frequencies, tolerance)
    )
    return PointIrreps((float(point[0]), float(point[1]), float(point[2])), group, sets)


def path_irreps(phonons: Phonons, tolerance: float = 0.01) -> Mapping[str, PointIrreps]:
    """The irreps at each special point of the path of the bands, by its name.

    >>> from ase.build import bulk
    >>> from ase.calculators.emt import EMT
    >>> from euclidium.simulate.phonons import phonons
    >>> copper = phonons(bulk("Cu"), EMT(), supercell=(2, 2, 2), mesh=(4, 4, 4))
    >>> [(name, found.group) for name, found in path_irreps(copper).items()][:3]
    [('GAMMA', 'm-3m'), ('X', '4/mmm'), ('U', 'mm2')]
    """
    found: dict[str, PointIrreps] = {}
    for name, q in _special_points(phonons.bands):
        if name not in found:
            found[name] = band_irreps(phonons, q.tolist(), tolerance)
    return found


def _special_points(bands: Bands) -> Iterator[tuple[str, np.ndarray]]:
    """Names and places of the ends of the path's pieces; U|K are two."""
    for tick, label in zip(bands.ticks, bands.labels, strict=True):
        here = np.flatnonzero(np.abs(bands.distances - tick) < 1e-9)
        for name, index in zip(label.split("|"), (here[0], here[-1]), strict=False):
            yield name, bands.q[index]


def _degenerate(frequencies: np.ndarray, tolerance: float) -> list[tuple[int, ...]]:
    """Bands in sets of one frequency."""
    ends = np.flatnonzero(np.diff(frequencies) > tolerance) + 1
    sets = np.split(np.arange(len(frequencies)), ends)
    return [tuple(int(band) for band in members) for members in sets]


def _little_group(
    rotations: np.ndarray, translations: np.ndarray, q: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The operations that leave q where it is, up to a reciprocal lattice vector."""
    change = q @ rotations - q
    stay = np.abs(change - np.rint(change)).max(axis=1) < 1e-6
    return np.asarray(rotations)[stay], np.asarray(translations)[stay]


def _gauge(
    q: np.ndarray, rotations: np.ndarray, translations: np.ndarray, primitive: Any
) -> tuple[np.ndarray, np.ndarray] | None:
    """The choice that makes exp(2πi (q + G)·t) D(R|t) representations of the point group.

    G, and an origin: an atom, the middle of a bond, or a point on a grid.
    None if there is no such choice, as at the surface of the zone of many crystals with glides.
    """
    grid = np.array(list(product(np.arange(8) / 8, repeat=3)))
    vectors = sorted(product((0, -1, 1), repeat=3), key=lambda G: float(np.sum((q + G) ** 2)))
    for origins in (primitive.scaled_positions, _middles(primitive, q), grid):
        shifted = translations + np.einsum("gxy,sy->sgx", rotations, origins) - origins[:, None]
        for G in vectors if origins is not grid else vectors[:1]:
            change = np.rint((q + G) @ rotations - (q + G))
            phases = np.exp(2j * np.pi * np.einsum("gx,shx->sgh", change, shifted))
            good = np.flatnonzero(np.abs(phases - 1).max(axis=(1, 2)) < 1e-3)
            if len(good):
                return np.array(G, dtype=np.float64), origins[good[0]]
    return None


def _middles(primitive: Any, q: np.ndarray, most: int = 64) -> np.ndarray:
    """The middles of bonds: of the shortest first, and of equal ones of those that lie along q."""
    positions, cell = primitive.scaled_positions, primitive.cell
    wave = np.linalg.inv(cell) @ q
    shifts = np.array(list(product((-1, 0, 1), repeat=3)))
    bonds = positions[None, :, None] + shifts - positions[:, None, None]
    middles = (positions[:, None, None] + bonds / 2).reshape(-1, 3)
    vectors = bonds.reshape(-1, 3) @ cell
    lengths = np.linalg.norm(vectors, axis=1)
    along = np.abs(vectors @ wave) / np.maximum(lengths, 1e-9)
    order = np.lexsort((-along.round(6), lengths.round(3)))
    return middles[order[lengths[order] > 1e-3]][:most]


def _representation(
    primitive: Any,
    rotations: np.ndarray,
    translations: np.ndarray,
    q: np.ndarray,
    G: np.ndarray,
    origin: np.ndarray,
) -> np.ndarray:
    """Matrices that act on displacements e_κ exp(2πi q·r) of the primitive cell's atoms."""
    positions, lattice = primitive.scaled_positions - origin, primitive.cell.T
    n, q = len(positions), q + G
    matrices = np.zeros((len(rotations), n, 3, n, 3), dtype=complex)
    for matrix, R, t in zip(matrices, rotations, translations, strict=True):
        turned = lattice @ R @ np.linalg.inv(lattice)
        t = t + R @ origin - origin
        change = np.rint(q @ np.linalg.inv(R) - q)
        for atom, place in enumerate(positions @ R.T + t):
            apart = positions - place
            apart -= np.rint(apart)
            image = int(np.argmin(np.linalg.norm(apart @ primitive.cell, axis=1)))
            phase = change @ (positions[image] - t)
            # the vectors are those at q, and not at q + G
            phase += G @ (positions[image] - positions[atom])
            matrix[image, :, atom] = np.exp(2j * np.pi * phase) * turned
    return matrices.reshape(len(rotations), 3 * n, 3 * n)


def _settings(primitive: Any, rotations: np.ndarray) -> Iterator[np.ndarray]:
    """The rotations in axes in which a table of characters may be written."""
    cell = (primitive.cell, primitive.scaled_positions, primitive.numbers)
    dataset: Any = spglib.get_symmetry_dataset(cell)
    of_crystal = np.asarray(dataset.transformation_matrix)
    group: Any = spglib.get_pointgroup(rotations)
    of_group = np.linalg.inv(group[2])
    for axes in (of_crystal, of_group):
        turned = axes @ rotations @ np.linalg.inv(axes)
        for order in map(list, permutations(range(3))):
            yield np.rint(turned[:, order][:, :, order]).astype(int)


def _table(group: str, settings: Iterator[np.ndarray]) -> Any:
    """Names of irreps with their characters, one for each rotation; None if no setting fits."""
    from phonopy.phonon.character_table import character_table

    for rotations in settings:
        for entry in character_table[group]:
            classes = {
                np.array(matrix).tobytes(): row
                for row, name in enumerate(_listed(entry["rotation_list"]))
                for matrix in entry["mapping_table"][name]
            }
            rows = [classes.get(np.asarray(rotation).tobytes(), -1) for rotation in rotations]
            if min(rows) >= 0:
                characters = {
                    name: np.atleast_1d(np.array(values, dtype=complex))[rows]
                    for name, values in entry["character_table"].items()
                }
                traces = np.trace(rotations, axis1=1, axis2=2)
                squares = np.trace(rotations @ rotations, axis1=1, axis2=2)
                return characters, traces, (traces**2 + squares) / 2
    return None


def _listed(names: str | Sequence[str]) -> Sequence[str]:
    """The names of the classes; a single one may stand alone."""
    return (names,) if isinstance(names, str) else names


def _named(
    members: tuple[int, ...],
    frequencies: np.ndarray,
    character: np.ndarray,
    table: Any,
    at_center: bool,
) -> DegenerateSet:
    """A set of bands with its name, and at Γ with what light makes of it."""
    frequency = float(frequencies[list(members)].mean())
    if table is None:
        return DegenerateSet(members, frequency, None)
    characters, vector, tensor = table
    parts: list[str] = []
    for name, values in characters.items():
        # for a pair of conjugate irreps under one name, one of them alone counts one half
        count = (values.conj() @ character).real / (values.conj() @ values).real
        size = round(2 * count) / 2
        if abs(count - size) > INTEGER:
            return DegenerateSet(members, frequency, None)
        parts += [name] * int(np.ceil(size))
    label = "+".join(parts) or None
    if not at_center:
        return DegenerateSet(members, frequency, label)
    active = [
        any(abs(characters[name].conj() @ seen) > 1e-6 for name in parts)
        for seen in (vector, tensor)
    ]
    return DegenerateSet(members, frequency, label, *active)
