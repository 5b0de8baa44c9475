"""Phonon records of many crystals: computed one by one, kept as they come, failures set apart."""

import dataclasses
import hashlib
import multiprocessing
import os
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import torch
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.calculators.emt import EMT

from euclidium.atoms.phonon_folder import is_phonon_folder
from euclidium.atoms.phonon_record import PhononRecord
from euclidium.atoms.spectra import read_phonons, write_phonons
from euclidium.simulate.abinit import Electrons, find_pseudopotentials
from euclidium.simulate.calculator import Calculator
from euclidium.simulate.dfpt import dfpt
from euclidium.simulate.phonons import phonons
from euclidium.simulate.spectra import phonon_record

TOY = "emt"


@dataclass(frozen=True)
class Displacement:
    """Phonons by displacing atoms in a supercell, with the arguments of :func:`phonons`.

    ``model`` is the path of a potential, or ``emt`` for ASE's effective medium theory, a toy.
    ``supercell`` is a width in Å.
    """

    model: str
    supercell: float = 11.0
    displacement: float = 0.01
    relax: bool = True
    device: str = "cpu"

    def identity(self) -> str:
        """Words that change when the results would; of a potential the file's own sum.

        >>> Displacement("emt", supercell=8.0).identity()
        "Displacement(model='emt', supercell=8.0, displacement=0.01, relax=True)"
        """
        words = repr(self).replace(f", device={self.device!r}", "")
        if self.model == TOY:
            return words
        digest = hashlib.sha256(Path(self.model).read_bytes()).hexdigest()
        return words.replace(repr(self.model), digest)

    def record(self, name: str, atoms: Atoms, folder: Path) -> PhononRecord:
        """The record of one crystal; nothing is written to the folder."""
        found = phonons(
            atoms,
            _calculator(self.model, self.device),
            self.supercell,
            displacement=self.displacement,
            relax=self.relax,
        )
        kind = TOY if self.model == TOY else "displacements"
        return phonon_record(name, found, method=kind)


@dataclass(frozen=True)
class Response:
    """Phonons by density-functional perturbation theory with ABINIT, as :func:`dfpt` does it.

    ``cutoff`` and ``smearing`` in eV, ``kpoints`` in Å, ``mesh`` of wave vectors;
    ``pseudopotentials`` are files by element, and others are looked for in the ``folders``.
    """

    cutoff: float = 1100.0
    kpoints: float = 16.0
    smearing: float = 0.0
    mesh: tuple[int, ...] = (2, 2, 2)
    relax: bool = True
    pseudopotentials: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()

    def identity(self) -> str:
        """Words that change when the results would.

        >>> Response(mesh=(4, 4, 4)).identity() == Response().identity()
        False
        """
        return repr(self)

    def record(self, name: str, atoms: Atoms, folder: Path) -> PhononRecord:
        """The record of one crystal; the folder keeps what ABINIT writes, to go on later."""
        symbols = set(atoms.symbols)
        files = find_pseudopotentials(sorted(symbols - set(self.pseudopotentials)), self.folders)
        files |= {s: Path(self.pseudopotentials[s]) for s in symbols if s not in files}
        electrons = Electrons(files, self.cutoff, self.kpoints, smearing=self.smearing)
        fine = [max(12, round(60.0 / length)) for length in atoms.cell.lengths()]
        found = dfpt(
            atoms, electrons, folder, self.mesh, relax=self.relax, interpolated=[min(fine)] * 3
        )
        names = {symbol: path.name for symbol, path in sorted(files.items())}
        return phonon_record(
            name,
            found,
            cutoff_eV=round(self.cutoff, 2),
            kpoints_A=self.kpoints,
            pseudopotentials=names,
        )


@dataclass(frozen=True)
class Job:
    """A crystal whose phonons are wanted, how they are computed, and what else is known of it.

    >>> from ase.build import bulk
    >>> copper = Job("copper", bulk("Cu"), Displacement("emt"), split="train")
    >>> copper.folder(Path("parts")).name[:7]
    'copper-'
    """

    name: str
    atoms: Atoms
    method: Displacement | Response
    split: str | None = None
    info: Mapping[str, object] = field(default_factory=dict)

    def folder(self, parent: Path) -> Path:
        """Where its results are kept: a name that another crystal or method does not have."""
        digest = hashlib.sha256(self.method.identity().encode())
        for array in (self.atoms.numbers, self.atoms.positions.round(6), self.atoms.cell.array):
            digest.update(array.tobytes())
        plain = re.sub(r"[^\w.+-]", "_", self.name)
        return parent / f"{plain}-{digest.hexdigest()[:12]}"


@dataclass(frozen=True)
class Collection:
    """Records in the order of their jobs, and a sentence for each job that failed."""

    records: list[PhononRecord]
    failed: dict[str, str]


def collect(
    jobs: Sequence[Job],
    folder: str | os.PathLike[str],
    workers: int = 1,
    observe: Callable[[str, str | None], None] | None = None,
) -> Collection:
    """Phonon records of many crystals, each kept in the folder as soon as it is there.

    What the folder has is not computed again, what failed before is tried again. A crystal that
    fails, in whatever way, is left out, and the others go on. With several ``workers`` as many
    processes compute at the same time. ``observe`` is called with the name of each crystal that is
    done, and what went wrong with it or None.

    Raises ``ValueError`` for two crystals of one name, and ``RuntimeError`` if a worker is killed.

    >>> from tempfile import TemporaryDirectory
    >>> from ase.build import bulk
    >>> jobs = [Job(name, bulk(name), Displacement("emt", 4.0)) for name in ("Cu", "Ge")]
    >>> with TemporaryDirectory() as folder:
    ...     found = collect(jobs, folder)
    >>> [record.name for record in found.records], found.failed
    (['Cu'], {'Ge': 'No EMT-potential for Ge'})
    """
    _check_names(jobs)
    parent = Path(folder)
    failed: dict[str, str] = {}

    def note(job: Job, sentence: str | None) -> None:
        if sentence is not None:
            failed[job.name] = sentence
        if observe is not None:
            observe(job.name, sentence)

    waiting = []
    for job in jobs:
        if is_phonon_folder(job.folder(parent)):
            note(job, None)
        else:
            waiting.append(job)
    if workers == 1 or len(waiting) < 2:
        for job in waiting:
            note(job, _compute(job, parent))
    else:
        _share(waiting, parent, workers, note)
    records = [_kept(job, parent) for job in jobs if job.name not in failed]
    return Collection(records, {job.name: failed[job.name] for job in jobs if job.name in failed})


def _check_names(jobs: Sequence[Job]) -> None:
    """No two crystals of one name."""
    found: set[str] = set()
    for job in jobs:
        if job.name in found:
            raise ValueError(f"two crystals are called {job.name}: give each a name of its own")
        found.add(job.name)


def _compute(job: Job, parent: Path) -> str | None:
    """Compute and keep a record; what went wrong, or None."""
    folder = job.folder(parent)
    try:
        write_phonons(folder, [job.method.record(job.name, job.atoms, folder)])
    except Exception as error:  # whatever it is, the other crystals go on
        return " ".join(str(error).split()) or type(error).__name__
    return None


def _kept(job: Job, parent: Path) -> PhononRecord:
    """The record that was kept, with what the job says of it."""
    record = read_phonons(job.folder(parent))[0]
    return dataclasses.replace(record, split=job.split, info={**record.info, **job.info})


def _share(
    jobs: Sequence[Job], parent: Path, workers: int, note: Callable[[Job, str | None], None]
) -> None:
    """Compute in processes of their own, which begin without anything of this one."""
    context = multiprocessing.get_context("spawn")
    count = min(workers, len(jobs))
    with ProcessPoolExecutor(
        count, context, initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        running = {pool.submit(_compute, job, parent): job for job in jobs}
        try:
            for done in as_completed(running):
                note(running[done], done.result())
        except BrokenProcessPool:
            raise RuntimeError(
                f"one of {count} workers was killed, perhaps for want of memory: what is finished "
                "is kept, run again with fewer workers"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _calculator(model: str, device: str) -> BaseCalculator:
    """The calculator of forces."""
    # EMT is made anew, because an element that it does not know leaves it in a bad state
    return EMT() if model == TOY else _loaded(model, device)


@lru_cache(maxsize=1)
def _loaded(model: str, device: str) -> Calculator:
    """The potential, loaded once in each process."""
    return Calculator(model, device, "float64")
