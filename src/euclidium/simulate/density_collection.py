"""Densities of many molecules: computed in parallel, kept as they come, failures set apart."""

import dataclasses
import hashlib
import math
import multiprocessing
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import ase.io

from euclidium.atoms.basis import DensityBasis
from euclidium.atoms.centers import centered
from euclidium.atoms.density import DensityRecord
from euclidium.atoms.density_file import read_densities, write_densities
from euclidium.atoms.problem import DataError
from euclidium.atoms.reader import read_structures
from euclidium.atoms.structure import Structure
from euclidium.simulate.quantum import label


@dataclass(frozen=True)
class Labelling:
    """How densities are computed, with the arguments of :func:`euclidium.simulate.label`.

    >>> basis = DensityBasis("s", {1: ((0, 1.0),)})
    >>> Labelling(basis).identity() == Labelling(basis, "PBE").identity()
    False
    """

    basis: DensityBasis
    method: str = "PBE0"
    orbital_basis: str = "def2-TZVP"
    metric: str = "coulomb"
    forces: bool = True

    def identity(self) -> str:
        """Words that change when the results would."""
        basis = self.basis.to_json()
        words: tuple[object, ...] = (
            ("", {}, {}),
            self.method,
            self.orbital_basis,
            self.metric,
            self.forces,
        )
        bonds = f"{basis['bond_factor']}" if "bond_factor" in basis else ""
        return f"{words!r}{basis['shells']!r}{bonds}"


@dataclass(frozen=True)
class DensityJob:
    """A molecule whose density is wanted, with its charge and its unpaired electrons.

    >>> import numpy as np
    >>> atom = Structure(np.array([1]), np.zeros((1, 3)))
    >>> DensityJob("H", atom, spin=1).file(Path("work"), "PBE0").name[:2]
    'H-'
    """

    name: str
    structure: Structure
    charge: int = 0
    spin: int = 0

    def file(self, folder: Path, identity: str) -> Path:
        """Where its result is kept: a name that another molecule or method does not have."""
        digest = hashlib.sha256(f"{identity} {self.charge} {self.spin}".encode())
        digest.update(self.structure.species.tobytes())
        digest.update(self.structure.positions.round(8).tobytes())
        plain = re.sub(r"[^\w.+-]", "_", self.name)
        return folder / f"{plain}-{digest.hexdigest()[:12]}.npz"


@dataclass(frozen=True)
class Labelled:
    """Records in the order of their jobs, and a sentence for each job that failed."""

    records: list[DensityRecord]
    failed: dict[str, str]


def density_jobs(path: str | os.PathLike[str], charge: int = 0, spin: int = 0) -> list[DensityJob]:
    r"""A job for each molecule in a file, with a name that no other has.

    ``charge`` and ``spin`` in ``atoms.info``, as in the comment of an extended XYZ file, go before
    those given here; ``name`` or ``id`` there is the name.

    Raises ``DataError`` for a file that cannot be read, and a charge that is no whole number.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "ions.xyz"
    ...     _ = path.write_text("1\nProperties=species:S:1:pos:R:3 charge=-1\nF 0 0 0\n")
    ...     [job] = density_jobs(path)
    >>> job.name, job.charge
    ('ions-0000', -1)
    """
    path = Path(path)
    jobs: dict[str, DensityJob] = {}
    structures = read_structures(path, keys=None)
    for i, (structure, atoms) in enumerate(zip(structures, ase.io.iread(path, ":"), strict=True)):
        name = str(atoms.info.get("name", atoms.info.get("id", f"{path.stem}-{i:04d}")))
        plain, extra = name, i
        while name in jobs:
            name, extra = f"{plain}-{extra:04d}", extra + 1
        jobs[name] = DensityJob(
            name,
            structure,
            _whole(structure.origin, "charge", atoms.info.get("charge", charge)),
            _whole(structure.origin, "spin", atoms.info.get("spin", spin)),
        )
    return list(jobs.values())


def _whole(origin: str, key: str, value: object) -> int:
    """A number of electrons, as a file has it."""
    try:
        number = float(str(value))
    except ValueError:
        number = 0.5
    if not math.isfinite(number) or number != round(number):
        raise DataError(f"{origin} has the {key} {value}, expected a whole number")
    return round(number)


def label_all(
    jobs: Sequence[DensityJob],
    how: Labelling,
    folder: str | os.PathLike[str],
    processes: int = 1,
    observe: Callable[[str, str | None], None] | None = None,
) -> Labelled:
    """Densities of many molecules, each kept in the folder as soon as it is there.

    What the folder has is not computed again, what failed before is tried again. A molecule that
    fails is left out with a sentence, and the others go on. Each of the ``processes`` has one
    thread. ``observe`` is called with the name of each molecule that is done, and what went wrong
    with it or None.

    Raises ``RuntimeError`` if a process is killed.

    >>> import numpy as np
    >>> from tempfile import TemporaryDirectory
    >>> how = Labelling(DensityBasis("s", {1: ((0, 1.0), (0, 0.3))}), "LDA", "sto-3g", forces=False)
    >>> atom = Structure(np.array([1]), np.zeros((1, 3)))
    >>> jobs = [DensityJob("H-", atom, -1), DensityJob("H", atom)]
    >>> with TemporaryDirectory() as work:
    ...     found = label_all(jobs, how, work)
    >>> [record.name for record in found.records], list(found.failed)
    (['H-'], ['H'])
    """
    parent = Path(folder)
    parent.mkdir(parents=True, exist_ok=True)
    identity = how.identity()
    failed: dict[int, str] = {}
    place = {i: job.file(parent, identity) for i, job in enumerate(jobs)}

    def note(i: int, sentence: str | None) -> None:
        if sentence is not None:
            failed[i] = sentence
        if observe is not None:
            observe(jobs[i].name, sentence)

    waiting = []
    for i in range(len(jobs)):
        if place[i].exists():
            note(i, None)
        else:
            waiting.append(i)
    if processes == 1 or len(waiting) < 2:
        for i in waiting:
            note(i, _compute(jobs[i], how, place[i]))
    else:
        _share(waiting, jobs, how, place, processes, note)
    records = [_kept(jobs[i], how, place[i]) for i in place if i not in failed]
    return Labelled(records, {jobs[i].name: failed[i] for i in sorted(failed)})


def _compute(job: DensityJob, how: Labelling, path: Path) -> str | None:
    """Compute and keep a record; what went wrong, or None."""
    from pyscf import lib

    lib.num_threads(1)
    try:
        record = label(
            job.structure,
            how.basis,
            how.method,
            how.orbital_basis,
            job.charge,
            job.spin,
            how.metric,
            how.forces,
            job.name,
        )
        write_densities(path, [record])
    except Exception as error:  # whatever it is, the other molecules go on
        return " ".join(str(error).split()) or type(error).__name__
    return None


def _kept(job: DensityJob, how: Labelling, path: Path) -> DensityRecord:
    """The record that was kept, with the isolated atoms in its basis."""
    [record] = read_densities(path)
    structure = centered(job.structure, how.basis)
    density = dataclasses.replace(record.density, structure=structure, basis=how.basis)
    return dataclasses.replace(record, name=job.name, density=density)


def _share(
    waiting: Sequence[int],
    jobs: Sequence[DensityJob],
    how: Labelling,
    place: dict[int, Path],
    processes: int,
    note: Callable[[int, str | None], None],
) -> None:
    """Compute in processes of their own, which begin without anything of this one."""
    context = multiprocessing.get_context("spawn")
    count = min(processes, len(waiting))
    with ProcessPoolExecutor(count, context) as pool:
        running = {pool.submit(_compute, jobs[i], how, place[i]): i for i in waiting}
        try:
            for done in as_completed(running):
                note(running[done], done.result())
        except BrokenProcessPool:
            raise RuntimeError(
                f"one of {count} processes was killed, perhaps for want of memory: what is "
                "finished is kept, run again with fewer"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)
