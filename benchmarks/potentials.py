"""What the benchmarks of whole potentials share: networks of equal size, and their contest."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import harness
from workers import FOLDER, Worker, WorkerError, peer_python

CUTOFF = 5.0  # Å
OWN = "euclidium"


@dataclass(frozen=True)
class Network:
    """Sizes of a NequIP network."""

    channels: int
    lmax: int
    layers: int

    def __str__(self) -> str:
        return f"{self.channels}ch l{self.lmax} {self.layers} layers"


@dataclass(frozen=True)
class Contestant:
    """A library in one of its settings."""

    name: str
    python: Path
    script: str
    setting: str = ""


@dataclass(frozen=True)
class Files:
    """The batch that is timed, a small one to warm up with, and the neighbours of an atom."""

    data: Path
    warm: Path
    mean_neighbors: float


NETWORKS = (Network(32, 2, 4), Network(64, 2, 3))


def add_options(parser: argparse.ArgumentParser) -> None:
    """The network, and where the peers live."""
    parser.add_argument("--channels", type=harness.positive, help="one network: channels")
    parser.add_argument("--lmax", type=harness.natural, help="one network: largest degree")
    parser.add_argument("--layers", type=harness.positive, help="one network: layers")
    parser.add_argument("--cutoff", type=float, default=CUTOFF, help="cutoff radius, Å")
    parser.add_argument(
        "--peers",
        type=Path,
        default=FOLDER / ".peers",
        metavar="DIR",
        help="folder for the peers' environments, made on demand",
    )
    parser.add_argument(
        "--nequip-python", type=_program, metavar="PATH", help="a Python that has nequip"
    )
    parser.add_argument("--no-compile", action="store_true", help="peers in eager mode only")
    parser.add_argument("--no-peer", action="store_true", help="euclidium alone")


def networks(arguments: argparse.Namespace) -> Sequence[Network]:
    """The one network that was asked for, or the grid."""
    given = (arguments.channels, arguments.lmax, arguments.layers)
    if given == (None, None, None):
        return NETWORKS if arguments.full else NETWORKS[:1]
    lmax = 2 if arguments.lmax is None else arguments.lmax
    return [Network(arguments.channels or 32, lmax, arguments.layers or 4)]


def contestants(arguments: argparse.Namespace, compiled: str) -> list[Contestant]:
    """Euclidium, and nequip in eager mode and in the named compiled one."""
    found = [Contestant(OWN, Path(sys.executable), "worker_euclidium.py")]
    if arguments.no_peer:
        return found
    python = arguments.nequip_python or peer_python(arguments.peers / "nequip", ["nequip>=0.19"])
    settings = ["eager"] if arguments.no_compile else ["eager", compiled]
    return found + [Contestant(f"nequip {s}", python, "peer_nequip.py", s) for s in settings]


def request(task: str, network: Network, cutoff: float, files: Files) -> dict[str, Any]:
    """What a worker is to build: parities (-1)^l, 8 Bessel functions, two radial layers of 64."""
    return {
        "task": task,
        "data": str(files.data),
        "warm": str(files.warm),
        "model": {
            "channels": network.channels,
            "lmax": network.lmax,
            "layers": network.layers,
            "cutoff": cutoff,
            "bessel": 8,
            "hidden": [64, 64],
            "mean_neighbors": files.mean_neighbors,
        },
    }


class Contest:
    """The contestants, each in a process of its own with the model that was asked for.

    ``failed`` tells why others could not start. Raises ``WorkerError`` if euclidium could not.
    """

    def __init__(
        self,
        found: Sequence[Contestant],
        request: dict[str, Any],
        arguments: argparse.Namespace,
    ) -> None:
        self.workers: dict[str, Worker] = {}
        self.facts: dict[str, dict[str, Any]] = {}
        self.failed: dict[str, str] = {}
        self.repeats = arguments.repeats
        self.stack = ExitStack()
        try:
            for contestant in found:
                self._start(contestant, request, arguments)
        except WorkerError:
            self.stack.close()
            raise

    def _start(
        self, contestant: Contestant, request: dict[str, Any], arguments: argparse.Namespace
    ) -> None:
        name, threads = contestant.name, arguments.threads
        worker = Worker(contestant.python, contestant.script, threads)
        self.stack.enter_context(worker)
        try:
            settings = {"setting": contestant.setting, "threads": threads}
            self.facts[name] = worker.ask(do="build", **settings, **request)
            self.workers[name] = worker
        except WorkerError as error:
            if name == OWN:
                raise WorkerError(f"euclidium could not start: {error}") from None
            self.failed[name] = str(error)

    def load(self, data: str, names: Sequence[str]) -> None:
        """Give other data to some of the contestants."""
        for name in names:
            self.workers[name].ask(do="load", data=data)

    def race(
        self, names: Sequence[str] | None = None
    ) -> tuple[dict[str, harness.Timing], dict[str, str]]:
        """Time them in turns: timings, and who failed and why."""
        names = list(self.workers) if names is None else names
        runners = {name: self.workers[name].time for name in names}
        timings, failed = harness.race(runners, self.repeats)
        if OWN in failed:
            raise WorkerError(f"euclidium could not run: {failed[OWN]}")
        return timings, self.failed | failed

    def memory(self) -> dict[str, int | None]:
        """Growth of the memory in one step; only the first step of a process tells it."""
        result: dict[str, int | None] = {}
        for name, worker in self.workers.items():
            try:
                result[name] = worker.ask(do="memory")["bytes"]
            except WorkerError:
                result[name] = None
        return result

    def __enter__(self) -> "Contest":
        return self

    def __exit__(self, *error: object) -> None:
        self.stack.close()


def run(main: Callable[[], Iterator[dict]]) -> list[dict]:
    """The rows, or one sentence and exit code 1 if a worker failed."""
    try:
        return list(main())
    except WorkerError as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None


def _program(text: str) -> Path:
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text!r}: give a Python with nequip")
    return Path(text)
