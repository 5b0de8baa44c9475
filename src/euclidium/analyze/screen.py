"""Screening of databases of crystals: in parts, on many processes, from where it stopped."""

import hashlib
import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import torch

from euclidium.analyze.duplicates import TOLERANCE
from euclidium.analyze.screen_chunk import CrystalFilter, Predictor, screen_chunk
from euclidium.atoms.database import Database, open_database
from euclidium.models.storage import describe, load

CHUNK = 128  # entries; what is lost at most when a process dies
PLAN = "screening.json"
CHUNKS = "chunks"
VERSION = 2  # of the files in the folder

Observer = Callable[[int, int], None]


@dataclass(frozen=True)
class ScreeningPlan:
    """What makes a screening: parts of it that were made with another plan cannot be joined."""

    database: str
    entries: int
    model: str  # the SHA-256 of its file
    wanted: CrystalFilter
    tolerance: float
    chunk: int
    duplicates: bool = False
    content: str = ""  # the checksum of the database
    version: int = VERSION

    @property
    def n_chunks(self) -> int:
        """Into how many pieces the database falls."""
        return -(-self.entries // self.chunk)

    def part(self, shard: tuple[int, int]) -> range:
        """The chunks of a shard (i, n), i from 1 to n: every nth.

        >>> plan = ScreeningPlan("mp.jsonl", 1000, "", CrystalFilter(), 0.01, chunk=100)
        >>> list(plan.part((2, 4)))
        [1, 5, 9]
        """
        return range(shard[0] - 1, self.n_chunks, shard[1])


@dataclass(frozen=True)
class ScreeningProgress:
    """How far a screening is, after a run: pieces that are finished, of all, and what was done."""

    plan: ScreeningPlan
    finished: int
    entries: int  # looked at in this run
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether all entries of the database were looked at, by whichever process."""
        return self.finished == self.plan.n_chunks


def screen(
    model: Path | Predictor,
    database: str | Path,
    output: Path,
    wanted: CrystalFilter = CrystalFilter(),  # noqa: B008  (frozen)
    tolerance: float = TOLERANCE,
    duplicates: bool = False,
    shard: tuple[int, int] = (1, 1),
    workers: int = 1,
    chunk: int = CHUNK,
    device: str = "cpu",
    anew: bool = False,
    observe: Observer | None = None,
) -> ScreeningProgress:
    """Predict the crystals of a database, and keep the results in a folder, piece by piece.

    ``model`` is a file, or something that predicts; ``database`` as for :func:`open_database`. A
    piece of ``chunk`` entries is written when it is finished, and what is there is not done again:
    call this once more to go on. ``shard`` (i, n) takes every nth piece from the ith; shards may
    run at the same time on machines that share the folder. ``workers`` are processes, each with its
    share of the processor; they need a model file. Symmetry is that to ``tolerance`` (Å), and of
    crystals that are the same to it within a piece the first is predicted, with ``duplicates`` all.
    With ``anew`` what the folder has is removed, once model and database are open. ``observe`` is
    told how many entries of the shard are done, and how many there are. :func:`rank` makes a table
    of the folder.

    Raises ``ValueError`` for a shard that cannot be, a model that gives no spectra, and a folder
    that holds another screening, and ``DataError`` for a database that cannot be opened.

    >>> screen(Path("model.euclidium"), "mp.jsonl", Path("out"), shard=(0, 4))
    Traceback (most recent call last):
    ValueError: there is no shard 0/4: shards are counted from 1 to 4
    """
    begin = time.perf_counter()
    if not 1 <= shard[0] <= shard[1]:
        raise ValueError(
            f"there is no shard {shard[0]}/{shard[1]}: shards are counted from 1 to {shard[1]}"
        )
    source = open_database(database)
    identity = _identity(model)
    plan = ScreeningPlan(
        str(database),
        len(source),
        identity,
        wanted,
        tolerance,
        chunk,
        duplicates,
        source.checksum(),
    )
    if anew:
        forget(output)
    _settle(plan, output)
    folder = output / CHUNKS
    missing = [n for n in plan.part(shard) if not _file(folder, n).exists()]
    total = sum(_size(plan, n) for n in plan.part(shard))
    done = before = total - sum(_size(plan, n) for n in missing)
    tell = observe or (lambda done, total: None)
    tell(done, total)
    for n in _run(model, plan, folder, missing, min(workers, len(missing)), device, source):
        done += _size(plan, n)
        tell(done, total)
    finished = sum(_file(folder, n).exists() for n in range(plan.n_chunks))
    return ScreeningProgress(plan, finished, done - before, time.perf_counter() - begin)


def open_plan(output: Path) -> ScreeningPlan:
    """The plan of the screening in a folder.

    Raises ``ValueError`` if there is none.
    """
    try:
        found = json.loads((output / PLAN).read_text(encoding="utf-8"))
        wanted: dict[str, Any] = found["wanted"]
        wanted = {k: tuple(v) if isinstance(v, list) else v for k, v in wanted.items()}
        return ScreeningPlan(**{**found, "wanted": CrystalFilter(**wanted)})
    except FileNotFoundError:
        raise ValueError(f"the folder {output} holds no screening") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{output / PLAN} is not the plan of a screening: remove it") from error


def chunk_files(output: Path) -> list[Path]:
    """The files of the pieces that are finished, in the order of the database."""
    return sorted((output / CHUNKS).glob("[0-9]*.npz"))


def forget(output: Path) -> None:
    """Remove what a screening has written to a folder, so that it begins anew."""
    temporary = (output / CHUNKS).glob(".*.npz")  # of processes that were killed
    for file in [*chunk_files(output), *temporary, output / PLAN]:
        file.unlink(missing_ok=True)


def _run(
    model: Path | Predictor,
    plan: ScreeningPlan,
    folder: Path,
    missing: Sequence[int],
    workers: int,
    device: str,
    source: Database,
) -> Iterator[int]:
    """Do the missing chunks, and give the number of each when its file is there."""
    if workers <= 1:
        predictor = _open(model, device) if missing else None
        for n in missing:
            yield _do(predictor, source, plan, folder, n)
        return
    if not isinstance(model, Path):
        raise ValueError("several workers need a model file, which each of them opens")
    threads = max(1, torch.get_num_threads() // workers)
    executor = ProcessPoolExecutor(
        workers, get_context("spawn"), _begin_work, (model, device, threads, plan, folder)
    )
    try:
        for future in as_completed([executor.submit(_work, n) for n in missing]):
            yield future.result()
    except BrokenProcessPool as error:
        raise OSError(
            "a worker process died, perhaps for lack of memory: run again with fewer --workers; "
            "what is finished is kept"
        ) from error
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _do(predictor: Any, source: Database, plan: ScreeningPlan, folder: Path, n: int) -> int:
    """One chunk, from its entries to its file."""
    start = n * plan.chunk
    entries = source.entries(start, start + plan.chunk)
    made = screen_chunk(predictor, entries, start, plan.wanted, plan.tolerance, plan.duplicates)
    made.save(_file(folder, n))
    return n


# What a worker process has opened once, for all of its chunks.
_opened: dict[str, Any] = {}


def _begin_work(model: Path, device: str, threads: int, plan: ScreeningPlan, folder: Path) -> None:
    """In a worker: open the model and the database, and end with the process that began it."""
    threading.Thread(target=_follow_parent, daemon=True).start()
    torch.set_num_threads(threads)
    _opened.update(
        predictor=_open(model, device),
        source=open_database(plan.database),
        plan=plan,
        folder=folder,
    )


def _work(n: int) -> int:
    return _do(n=n, **_opened)


def _follow_parent() -> None:
    """Wait until the parent process is gone; nobody would tell a worker of one that was killed."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _open(model: Path | Predictor, device: str) -> Predictor:
    """The model, ready to predict."""
    found: Any = load(model, device=device) if isinstance(model, Path) else model
    return found


def _identity(model: Path | Predictor) -> str:
    """What tells models apart: the checksum of the file, if it holds a model of spectra."""
    if not isinstance(model, Path):
        return f"{type(model).__module__}.{type(model).__qualname__}"
    task = describe(model).get("task", "potential")
    if task != "spectrum":
        raise ValueError(
            f"{model} is a {task}: a screening needs a model of phonon spectra, such as phonon-dos"
        )
    return hashlib.sha256(model.read_bytes()).hexdigest()


def _settle(plan: ScreeningPlan, output: Path) -> None:
    """Write the plan to the folder, or make sure that it is the one that is there."""
    (output / CHUNKS).mkdir(parents=True, exist_ok=True)
    temporary = output / f".{secrets.token_hex(4)}.{PLAN}"
    temporary.write_text(json.dumps(asdict(plan), indent=2), encoding="utf-8")
    try:
        os.link(temporary, output / PLAN)  # fails if another shard was faster
    except FileExistsError:
        _compare(plan, open_plan(output), output)
    finally:
        temporary.unlink()


def _compare(plan: ScreeningPlan, found: ScreeningPlan, output: Path) -> None:
    """Raise ``ValueError`` if two plans differ, with the first difference."""
    flat = [{**asdict(p), **asdict(p.wanted)} for p in (found, plan)]
    for name in flat[0]:
        there, here = (values[name] for values in flat)
        if name != "wanted" and there != here:
            words = {"model": "", "content": " of the database"}
            shown = words.get(name, f" ({name} {there}, now {here})")
            raise ValueError(
                f"the folder {output} holds a screening with another {name}{shown}: choose another "
                "folder, or begin anew with --force"
            )


def _size(plan: ScreeningPlan, n: int) -> int:
    """Entries of a chunk: the last may have fewer."""
    return min(plan.chunk, plan.entries - n * plan.chunk)


def _file(folder: Path, n: int) -> Path:
    return folder / f"{n:06d}.npz"
