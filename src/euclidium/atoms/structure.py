"""One arrangement of atoms, with what was computed for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import chemical_symbols
from jaxtyping import Bool, Float, Int

from euclidium.atoms.labels import FoundLabels, LabelKeys, find_labels
from euclidium.atoms.problem import DataError
from euclidium.atoms.sites import (
    check_occupations,
    composition,
    find_occupations,
    formula,
    mixed,
    one_hot,
    site_masses,
    store_occupations,
)

SHAPES = {"energy": (), "forces": ("atom", 3), "stress": (3, 3)}
LARGEST_ATOMIC_NUMBER = len(chemical_symbols) - 1


@dataclass(frozen=True, eq=False)
class Structure:
    """One arrangement of atoms: elements, positions, cell, and labels computed for it.

    Atomic numbers; positions and cell in Å, the rows of the cell are the lattice vectors, and rows
    of axes that are not periodic may be zero. Labels by name: ``energy`` in eV, ``forces`` in eV/Å,
    ``stress`` in eV/Å³ (positive under tension), and any other tensor. A label has one row per atom
    if its name is in ``per_atom``, and is one tensor per structure otherwise. ``inputs`` are
    further features of each atom that a model may ask for. ``info`` is for people; ``file`` and
    ``frame`` in it say in errors where the structure came from.

    ``occupations`` are the fractions of each element on each site of an alloy, a column for each
    atomic number (column 0 is not used), None if every site holds its element alone. They sum to
    one, or less where a site is empty in part; ``species`` is the element with the largest.

    Raises ``DataError`` for arrays whose shapes do not fit, an unknown element, a number that is
    not finite, a periodic axis without a lattice vector of its own, and fractions that cannot be.

    >>> bond = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.74]])
    >>> Structure(np.array([1, 1]), bond, labels={"energy": np.array(-31.7)})
    Structure(H2, labels: energy)
    """

    LOWEST: ClassVar[int] = 1  # atomic number

    species: Int[np.ndarray, " atom"]
    positions: Float[np.ndarray, "atom 3"]
    cell: Float[np.ndarray, "3 3"] = field(default_factory=lambda: np.zeros((3, 3)))
    pbc: Bool[np.ndarray, "3"] = field(default_factory=lambda: np.zeros(3, dtype=bool))
    labels: Mapping[str, np.ndarray] = field(default_factory=dict)
    inputs: Mapping[str, np.ndarray] = field(default_factory=dict)
    info: Mapping[str, object] = field(default_factory=dict)
    per_atom: frozenset[str] = frozenset({"forces"})
    occupations: Float[np.ndarray, "atom 119"] | None = None

    def __post_init__(self) -> None:
        _check_shapes(self)
        _check_species(self)
        _check_finite(self)
        _check_cell(self)
        if self.occupations is not None:
            check_occupations(self.occupations, self.species, self.origin)

    @property
    def n_atoms(self) -> int:
        """Number of atoms, or of sites where they are mixed."""
        return len(self.species)

    @property
    def formula(self) -> str:
        """Chemical formula in Hill order, such as ``C5H8O2`` or ``Bi0.5Mg3Sb1.5``."""
        return formula(self.composition)

    @property
    def fractions(self) -> Float[np.ndarray, "atom 119"]:
        """The occupations, also of pure sites: one in the column of the atomic number."""
        return one_hot(self.species) if self.occupations is None else self.occupations

    @property
    def composition(self) -> dict[str, float]:
        """Atoms of each element in the cell; a vacancy is no atom."""
        return composition(self.fractions)

    @property
    def masses(self) -> Float[np.ndarray, " atom"]:
        """The mean mass in amu of the atoms on each site."""
        return site_masses(self.fractions)

    @property
    def is_mixed(self) -> bool:
        """Whether a site holds several elements, or is empty in part."""
        return self.occupations is not None and bool(mixed(self.occupations).any())

    @property
    def volume(self) -> float:
        """Volume of the cell in Å³, zero if a lattice vector is missing."""
        return float(abs(np.linalg.det(self.cell)))

    @property
    def origin(self) -> str:
        """Where the structure came from, for the beginning of a sentence."""
        return _origin(self.info)

    def __repr__(self) -> str:
        """Formula, periodicity, number of mixed sites and names of the labels."""
        axes = "".join(axis for axis, periodic in zip("abc", self.pbc, strict=True) if periodic)
        parts = [self.formula]
        parts += [f"periodic: {axes}"] if axes else []
        parts += [f"mixed sites: {mixed(self.fractions).sum()}"] if self.is_mixed else []
        parts += [f"labels: {' '.join(self.labels)}"] if self.labels else []
        return f"Structure({', '.join(parts)})"

    @classmethod
    def from_ase(
        cls,
        atoms: Atoms,
        keys: LabelKeys | None = LabelKeys(),  # noqa: B008  (frozen)
        info: Mapping[str, object] | None = None,
    ) -> "Structure":
        """The structure in an ASE ``Atoms``, with the labels that are stored with it.

        Labels are read as they are stored, in the calculator's results, ``atoms.info`` or
        ``atoms.arrays``: nothing is computed, and constraints leave the forces alone. ``keys=None``
        takes no labels. Partial occupancies, which ASE keeps in ``info["occupancy"]`` and
        ``arrays["spacegroup_kinds"]``, are read. Raises ``DataError`` as the constructor and
        :func:`~euclidium.atoms.find_labels` do, and if the calculator's results belong to an
        arrangement that has changed since.

        >>> from ase.build import bulk
        >>> Structure.from_ase(bulk("Si"))
        Structure(Si2, periodic: abc)
        """
        info = dict(info or {})
        found = FoundLabels({}, {}, frozenset())
        if keys is not None:
            _check_results_are_current(atoms, _origin(info))
            found = find_labels(atoms, keys, _origin(info))
        return cls(
            species=np.array(atoms.numbers, dtype=np.int64),
            positions=np.array(atoms.positions, dtype=np.float64),
            cell=np.array(atoms.cell.array, dtype=np.float64),
            pbc=np.array(atoms.pbc, dtype=bool),
            labels=found.labels,
            inputs=found.inputs,
            info=info,
            per_atom=found.per_atom | {"forces"},
            occupations=find_occupations(atoms, _origin(info)),
        )

    def to_ase(self) -> Atoms:
        """An ASE ``Atoms`` with the same atoms, labels and inputs.

        Energy, forces and stress become the results of a calculator; other labels and inputs go to
        ``arrays`` where they have one row per atom, and to ``info`` otherwise. Occupations become
        ``info["occupancy"]`` and ``arrays["spacegroup_kinds"]``, as in structures that ASE reads.

        >>> Structure(np.array([18]), np.zeros((1, 3)), labels={"energy": np.array(-0.1)}).to_ase()
        Atoms(symbols='Ar', pbc=False, calculator=SinglePointCalculator(...))
        """
        atoms = Atoms(self.species, self.positions, cell=self.cell, pbc=self.pbc)
        results: dict[str, object] = {}
        for name, value in self.labels.items():
            if name == "energy":
                results[name] = float(value)
            elif name == "stress":
                results[name] = value[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]  # ASE's Voigt order
            elif name == "forces":
                results[name] = value
            elif name in self.per_atom:
                atoms.arrays[name] = value
            else:
                atoms.info[name] = value
        atoms.arrays.update(self.inputs)
        atoms.info.update(self.info)
        if self.occupations is not None:
            store_occupations(atoms, self.occupations)
        if results:
            atoms.calc = SinglePointCalculator(atoms, **results)
        return atoms


def _origin(info: Mapping[str, object]) -> str:
    """The beginning of a sentence about the structure with this information."""
    name = info.get("file")
    return "the structure" if name is None else f"frame {info.get('frame', '?')} of {name}"


def _check_results_are_current(atoms: Atoms, origin: str) -> None:
    """Results that were stored for other positions would be wrong labels."""
    computed = getattr(atoms.calc, "atoms", None)
    if computed is None or not getattr(atoms.calc, "results", None):
        return
    pairs = {
        "positions": (atoms.positions, computed.positions),
        "species": (atoms.numbers, computed.numbers),
        "cell": (atoms.cell.array, computed.cell.array),
        "periodic axes": (atoms.pbc, computed.pbc),
    }
    changed = [name for name, pair in pairs.items() if not np.array_equal(*pair)]
    if changed:
        raise DataError(
            f"{origin}: its calculator's results belong to other {' and '.join(changed)}: "
            "compute them again, or remove the calculator with atoms.calc = None"
        )


def _check_shapes(structure: Structure) -> None:
    n_atoms = len(structure.species)
    arrays = {name: getattr(structure, name) for name in ("species", "positions", "cell", "pbc")}
    expected: dict[str, tuple[int, ...]] = {
        "species": (n_atoms,),
        "positions": (n_atoms, 3),
        "cell": (3, 3),
        "pbc": (3,),
    }
    for name, shape in SHAPES.items():
        if name in structure.labels:
            arrays[name] = structure.labels[name]
            expected[name] = tuple(n_atoms if size == "atom" else int(size) for size in shape)
    for name, value in arrays.items():
        if value.shape != expected[name]:
            raise DataError(
                f"{structure.origin}: {name} has the shape {value.shape}, expected {expected[name]}"
            )
    rows = {name: value for name, value in structure.labels.items() if name in structure.per_atom}
    for name, value in {**rows, **structure.inputs}.items():
        if value.shape[:1] != (n_atoms,):
            raise DataError(
                f"{structure.origin}: {name!r} has the shape {value.shape}, "
                f"expected one row for each of the {n_atoms} atoms"
            )
    if n_atoms == 0:
        raise DataError(f"{structure.origin} has no atoms: leave it out")


def _check_species(structure: Structure) -> None:
    low, high = int(structure.species.min()), int(structure.species.max())
    if low < structure.LOWEST or high > LARGEST_ATOMIC_NUMBER:
        unknown = low if low < structure.LOWEST else high
        atom = int(np.argmax(structure.species == unknown))
        raise DataError(
            f"{structure.origin}: atom {atom} has the atomic number {unknown}, which is not an "
            f"element: use 1 (H) to {LARGEST_ATOMIC_NUMBER}"
        )


def _check_finite(structure: Structure) -> None:
    arrays = {"positions": structure.positions, "cell": structure.cell}
    for name, value in {**arrays, **structure.labels, **structure.inputs}.items():
        if np.isfinite(value).all():
            continue
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(value))[0])
        raise DataError(
            f"{structure.origin}: {name}{list(where) if where else ''} is {value[where]}: "
            "repair the data, or leave the structure out"
        )


def _check_cell(structure: Structure) -> None:
    vectors = structure.cell[structure.pbc]
    if len(vectors) == 0:
        return
    lengths = np.linalg.norm(vectors, axis=1)
    gram = np.linalg.det(vectors @ vectors.T) if lengths.all() else 0.0
    # relative to a box of these lengths; Gram determinants are squares
    if gram <= 1e-12 * np.prod(lengths) ** 2:
        axes = [axis for axis, periodic in zip("abc", structure.pbc, strict=True) if periodic]
        raise DataError(
            f"{structure.origin} is periodic along {', '.join(axes)}, but its cell has no volume "
            f"there: {structure.cell.tolist()}; give the lattice vectors, or set pbc to false"
        )
