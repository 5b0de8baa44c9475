"""A piece of a screening: some entries of a database, read, compared, predicted, and stored."""

import json
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from euclidium.analyze.duplicates import TOLERANCE, Crystal, identify
from euclidium.analyze.expression import Expression, Properties
from euclidium.analyze.spectra import Prediction
from euclidium.atoms.database import Entry
from euclidium.atoms.dos import PhononDOS
from euclidium.atoms.problem import DataError
from euclidium.atoms.sites import formula
from euclidium.atoms.structure import Structure
from euclidium.atoms.symmetry import formula_units
from euclidium.models.spectrum import check_crystal

SUSPICIOUS = 1.0  # Å, between atoms: what is closer is looked at again
BATCH_ATOMS = 768  # of one call of the model: fills a processor, and fits its memory
DEVIATIONS = ("cv300", "mean_frequency", "last_peak")
# The columns of the table, beside those about the crystal and the rank.
COLUMNS = {
    "cv_300K_J_per_K_mol": "cv(300)",
    "cv_300K_J_per_K_kg": "cv_kg(300)",
    "cv_300K_J_per_K_m3": "cv_m3(300)",
    "entropy_300K_J_per_K_mol": "entropy(300)",
    "free_energy_300K_kJ_per_mol": "free_energy(300)",
    "omega_mean_cm1": "omega_mean",
    "omega_max_cm1": "omega_max",
    "last_peak_cm1": "last_peak",
    "debye_K": "debye",
    "zero_point_energy_eV": "zpe",
    "unstable": "unstable",
    "mass_amu": "mass",
    "volume_A3": "volume",
    "density_g_per_cm3": "density",
}


@runtime_checkable
class Predictor(Protocol):
    """What a screening asks of a model; a ``Spectrum`` has it."""

    def predict(
        self, structures: Iterable[Structure], batch_size: int = 64
    ) -> Iterator[Prediction]:
        """The spectra of crystals, in their order."""


@dataclass(frozen=True)
class CrystalFilter:
    """Which crystals are looked at.

    Made of ``elements`` alone (if any are given), with all of ``containing`` and none of
    ``without``, and with at most ``max_atoms`` sites in the primitive cell. Symbols of elements.
    """

    elements: tuple[str, ...] = ()
    containing: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    max_atoms: int | None = None

    def reason(self, structure: Structure) -> str | None:
        """Why a crystal is left out, before its symmetry is known; None if it is not.

        >>> argon = Structure(np.array([18]), np.zeros((1, 3)), 5 * np.eye(3), np.ones(3, bool))
        >>> [CrystalFilter(without=(s,)).reason(argon) for s in ("Ar", "Kr")]
        ['without', None]
        """
        found = set(structure.composition)
        if self.elements and not found <= set(self.elements):
            return "elements"
        if not set(self.containing) <= found:
            return "containing"
        if found & set(self.without):
            return "without"
        # no primitive cell is smaller than a formula unit: spares the symmetry of large cells
        sites = structure.n_atoms // formula_units(structure)
        return "max_atoms" if self.is_large(sites) else None

    def is_large(self, sites: int) -> bool:
        """Whether a primitive cell has too many sites."""
        return self.max_atoms is not None and sites > self.max_atoms


@dataclass(frozen=True)
class Refused:
    """An entry that could not be read or predicted, and why."""

    number: int
    place: str
    reason: str


@dataclass(frozen=True)
class Duplicate:
    """An entry that is another one in a different description; numbers count from 0."""

    number: int
    name: str
    place: str
    same_as: int


@dataclass(frozen=True)
class Found:
    """A crystal that was predicted: what is known of it beside its spectrum.

    ``number`` is its place in the database, from 0; ``n_atoms`` and ``formula`` are those of the
    primitive cell.
    """

    number: int
    place: str
    name: str
    formula: str
    n_atoms: float
    space_group: int
    symbol: str
    key: str
    formula_atoms: float


@dataclass(frozen=True, eq=False)
class Chunk:
    """What became of some neighbouring entries of a database.

    ``modes`` and ``edges`` are spectra as in ``PhononDOS``, ``members`` those of the networks of an
    ensemble; ``columns`` are the numbers of ``COLUMNS``, ``deviations`` those of ``DEVIATIONS``
    (nan: not known); ``distances`` are those of :class:`Crystal`, as one row. ``filtered`` counts
    what the filters left out, by their names.
    """

    found: Sequence[Found]
    edges: Float[np.ndarray, " edge"]
    modes: Float[np.ndarray, "crystal interval"]
    columns: Float[np.ndarray, "crystal column"]
    deviations: Float[np.ndarray, "crystal deviation"]
    distances: Sequence[Float[np.ndarray, " _"]]  # of different lengths
    members: Float[np.ndarray, "crystal member interval"]
    n_entries: int
    refused: Sequence[Refused] = ()
    duplicates: Sequence[Duplicate] = ()
    filtered: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def properties(self, row: int) -> Properties:
        """What expressions may speak of, for one of the crystals."""
        values = dict(zip(COLUMNS.values(), self.columns[row].tolist(), strict=True))
        dos = PhononDOS(
            self.edges,
            self.modes[row].astype(np.float64),
            mass=values["mass"],
            volume=values["volume"],
            formula_atoms=self.found[row].formula_atoms,
        )
        known = dict(zip(DEVIATIONS, self.deviations[row].tolist(), strict=True))
        return Properties(
            dos,
            values["last_peak"],
            values["unstable"],
            self.found[row].n_atoms,
            {name: value for name, value in known.items() if np.isfinite(value)},
            self.members[row].astype(np.float64),
        )

    def save(self, path: Path) -> None:
        """Write everything to a file: under a temporary name first, so that it is never half there.

        Raises ``OSError`` if that is not possible.
        """
        words = {
            "found": [asdict(item) for item in self.found],
            "refused": [asdict(item) for item in self.refused],
            "duplicates": [asdict(item) for item in self.duplicates],
            "filtered": dict(self.filtered),
            "n_entries": self.n_entries,
            "seconds": self.seconds,
        }
        temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
        try:
            with temporary.open("wb") as file:
                np.savez_compressed(
                    file,
                    words=np.frombuffer(json.dumps(words).encode(), dtype=np.uint8),
                    edges=self.edges,
                    modes=self.modes.astype(np.float32),
                    members=self.members.astype(np.float16),  # of which deviations are taken
                    columns=self.columns,
                    deviations=self.deviations,
                    distances=np.concatenate([np.zeros(0), *self.distances]),
                    lengths=np.array([len(row) for row in self.distances], dtype=np.int64),
                )
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path) -> "Chunk":
        """Read what :meth:`save` wrote."""
        with np.load(path) as file:
            words = json.loads(file["words"].tobytes())
            ends = np.cumsum(file["lengths"])[:-1]
            rows = np.split(file["distances"], ends) if len(file["lengths"]) else []
            return cls(
                found=[Found(**item) for item in words["found"]],
                edges=file["edges"],
                modes=file["modes"],
                members=file["members"],
                columns=file["columns"],
                deviations=file["deviations"],
                distances=rows,
                n_entries=words["n_entries"],
                refused=[Refused(**item) for item in words["refused"]],
                duplicates=[Duplicate(**item) for item in words["duplicates"]],
                filtered=words["filtered"],
                seconds=words["seconds"],
            )


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A crystal to be predicted."""

    number: int
    place: str
    crystal: Crystal


@dataclass(eq=False)
class _Pile:
    """Entries of a chunk, sorted by what is to become of them."""

    candidates: list[_Candidate] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)
    filtered: dict[str, int] = field(default_factory=dict)


def screen_chunk(
    model: Predictor,
    entries: Iterable[Entry],
    start: int = 0,
    wanted: CrystalFilter = CrystalFilter(),
    tolerance: float = TOLERANCE,
    duplicates: bool = False,
) -> Chunk:
    """Read, filter, compare and predict some entries, the first of which has the number ``start``.

    Symmetry is that to ``tolerance`` (Å). Of crystals that are the same to it the first is
    predicted, with ``duplicates`` all.

    >>> class Silent:
    ...     def predict(self, structures, batch_size=64):
    ...         yield from ()
    >>> screen_chunk(Silent(), []).n_entries
    0
    """
    begin = time.perf_counter()
    pile, number = _Pile(), start - 1
    for number, entry in enumerate(entries, start):
        _sort(pile, number, entry, wanted, tolerance, duplicates)
    results = _predict(model, pile)
    kept = [c for c, result in zip(pile.candidates, results, strict=True) if result is not None]
    spectra = [result for result in results if result is not None]
    edges = _common_edges(spectra)
    return Chunk(
        found=[_found(candidate, s) for candidate, s in zip(kept, spectra, strict=True)],
        edges=edges,
        modes=np.array([s.dos.modes for s in spectra]).reshape(len(spectra), len(edges) - 1),
        members=_members(spectra, len(edges) - 1),
        columns=_columns(kept, spectra),
        deviations=np.array(
            [[s.uncertainty.get(name, np.nan) for name in DEVIATIONS] for s in spectra]
        ).reshape(-1, len(DEVIATIONS)),
        distances=[c.crystal.distances.ravel() for c in kept],
        n_entries=number + 1 - start,
        refused=sorted(pile.refused, key=lambda refused: refused.number),
        duplicates=pile.duplicates,
        filtered=pile.filtered,
        seconds=time.perf_counter() - begin,
    )


def _sort(
    pile: _Pile,
    number: int,
    entry: Entry,
    wanted: CrystalFilter,
    tolerance: float,
    duplicates: bool,
) -> None:
    """Read one entry, and say what is to become of it."""
    try:
        structure = entry.read()
        reason = wanted.reason(structure)
        if reason is None:
            crystal = identify(structure, tolerance)
            if crystal.nearest < SUSPICIOUS:
                check_crystal(structure)
            reason = "max_atoms" if wanted.is_large(crystal.structure.n_atoms) else None
    except DataError as error:
        pile.refused.append(Refused(number, entry.place, str(error)))
        return
    if reason is not None:
        pile.filtered[reason] = pile.filtered.get(reason, 0) + 1
        return
    if not duplicates:
        for other in pile.candidates:
            if crystal.is_same(other.crystal, tolerance):
                name = _name(structure, entry.place)
                pile.duplicates.append(Duplicate(number, name, entry.place, other.number))
                return
    pile.candidates.append(_Candidate(number, entry.place, crystal))


def _predict(model: Predictor, pile: _Pile) -> list[Prediction | None]:
    """The spectra of the candidates; None where the model refuses one, which is noted."""
    results: list[Prediction | None] = [None] * len(pile.candidates)
    predicted: list[Prediction | None]
    for batch in _batches([c.crystal.structure.n_atoms for c in pile.candidates]):
        structures = [pile.candidates[n].crystal.structure for n in batch]
        try:
            predicted = list(model.predict(structures, batch_size=len(batch)))
        except ValueError:  # of one of them: the others are to be had one by one
            predicted = [_alone(model, pile, n) for n in batch]
        for n, result in zip(batch, predicted, strict=True):
            results[n] = result
    return results


def _alone(model: Predictor, pile: _Pile, n: int) -> Prediction | None:
    """The spectrum of one candidate, if the model does not refuse it."""
    candidate = pile.candidates[n]
    try:
        return next(iter(model.predict([candidate.crystal.structure], batch_size=1)))
    except ValueError as error:
        pile.refused.append(Refused(candidate.number, candidate.place, str(error)))
        return None


def _batches(sizes: Sequence[int]) -> Iterator[list[int]]:
    """Crystals of similar size together, not too many atoms at once."""
    batch: list[int] = []
    atoms = 0
    for n in np.argsort(sizes, kind="stable").tolist():
        if batch and atoms + sizes[n] > BATCH_ATOMS:
            yield batch
            batch, atoms = [], 0
        batch.append(n)
        atoms += sizes[n]
    if batch:
        yield batch


def _found(candidate: _Candidate, result: Prediction) -> Found:
    crystal = candidate.crystal
    return Found(
        number=candidate.number,
        place=candidate.place,
        name=_name(crystal.structure, candidate.place),
        formula=_formula(crystal.structure),
        n_atoms=crystal.structure.n_atoms,
        space_group=crystal.space_group,
        symbol=crystal.symbol,
        key=crystal.key,
        formula_atoms=float(result.dos.formula_atoms),
    )


def _name(structure: Structure, place: str) -> str:
    """What the database calls a crystal."""
    return str(structure.info.get("name", place))


def _formula(structure: Structure) -> str:
    """The formula of the smallest whole number of atoms, or sites."""
    units = formula_units(structure)
    return formula({symbol: amount / units for symbol, amount in structure.composition.items()})


def _columns(
    kept: Sequence[_Candidate], spectra: Sequence[Prediction]
) -> Float[np.ndarray, "crystal column"]:
    """The numbers of the table."""
    expressions = [Expression(text) for text in COLUMNS.values()]
    rows = []
    for candidate, result in zip(kept, spectra, strict=True):
        atoms = candidate.crystal.structure.n_atoms
        known = Properties(result.dos, result.last_peak, result.unstable, atoms, {})
        rows.append([expression.value(known) for expression in expressions])
    return np.array(rows).reshape(-1, len(COLUMNS))


def _members(
    spectra: Sequence[Prediction], n_intervals: int
) -> Float[np.ndarray, "crystal member interval"]:
    """What each network of an ensemble says, if the model tells."""
    found = [getattr(result, "members", None) for result in spectra]
    told = [modes for modes in found if modes is not None]
    if not told or len(told) < len(found):
        return np.zeros((len(found), 0, n_intervals))
    return np.array(told)


def _common_edges(spectra: Sequence[Prediction]) -> Float[np.ndarray, " edge"]:
    """The intervals of all spectra, which are those of the model."""
    if not spectra:
        return np.zeros(1)
    edges = spectra[0].dos.edges
    if not all(np.array_equal(s.dos.edges, edges) for s in spectra):
        raise ValueError("the model gives spectra on different intervals: it must use one grid")
    return edges
