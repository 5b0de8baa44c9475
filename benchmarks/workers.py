"""Processes that take turns: each holds one library and does its step when it is asked to.

A worker reads requests from its standard input and answers on its standard output, one line of
JSON each, so that libraries that cannot live in one environment are timed in turns.

    {"do": "build", "task": …, "setting": …, "data": …, "warm": …, "model": {…}, "threads": …}
    {"do": "load", "data": …}
    {"do": "time", "number": 3}
    {"do": "memory"}
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

import harness

FOLDER = Path(__file__).parent


Work = Callable[[], object]


@dataclass(frozen=True)
class Model:
    """What a worker has built: how to make its step for the data in a file, and facts to tell."""

    step: Callable[[str], Work]
    facts: dict[str, Any] = field(default_factory=dict)


class WorkerError(RuntimeError):
    """A worker could not do what it was asked for."""


class Worker:
    """The side that asks."""

    def __init__(self, python: str | Path, script: str, threads: int | None) -> None:
        variables = dict(os.environ)
        if threads:
            variables |= {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        self.name = Path(script).stem
        self.process = subprocess.Popen(
            [str(python), str(FOLDER / script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=variables,
        )

    def ask(self, **request: object) -> dict[str, Any]:
        """Send a request and wait for its answer; raises ``WorkerError`` if it failed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            print(json.dumps(request), file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise WorkerError(f"{self.name} ended with exit code {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def time(self, number: int) -> float:
        """Seconds of so many steps together."""
        return self.ask(do="time", number=number)["seconds"]

    def __enter__(self) -> "Worker":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def serve(build: Callable[[dict[str, Any]], Model]) -> None:
    """The side that answers, until its input ends."""
    # whatever libraries print must not be taken for an answer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    server = _Server(build)
    for line in sys.stdin:
        try:
            answer = server.answer(json.loads(line))
        except Exception as error:  # told to the other side, whatever it is
            answer = {"error": harness.first_line(error)}
        print(json.dumps(answer), file=answers, flush=True)


class _Server:
    """The model of a worker, and its step for the data at hand."""

    def __init__(self, build: Callable[[dict[str, Any]], Model]) -> None:
        self.build = build
        self.model: Model
        self.run: Work
        self.warm: Work

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what is asked for."""
        if request["do"] == "build":
            if request["threads"]:
                torch.set_num_threads(request["threads"])
            torch.manual_seed(0)
            self.model = self.build(request)
            self.warm = self.model.step(request["warm"])
            self.run = self.model.step(request["data"])
            return self.model.facts
        if request["do"] == "load":
            self.run = self.model.step(request["data"])
            return {}
        if request["do"] == "time":
            return {"seconds": harness.timed(self.run)(request["number"])}
        self.warm()
        return {"bytes": harness.peak_growth(self.run)}


def training_step(
    model: torch.nn.Module, loss: Callable[[], torch.Tensor]
) -> Callable[[], torch.Tensor]:
    """Loss, its gradient, and a step of Adam."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

    def run() -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        value = loss()
        value.backward()
        optimizer.step()
        return value.detach()

    return run


# -- a peer's own environment -----------------------------------------------------------------


def peer_python(folder: Path, packages: Sequence[str]) -> Path:
    """The Python of an environment of its own, which is made and filled if it is not there.

    torch of the same version as here is installed first, so that both run on the same one.
    """
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    complete = folder / "complete"
    if complete.exists():
        return python
    print(f"making an environment for {', '.join(packages)}: this takes some minutes", flush=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    pip = [str(python), "-m", "pip", "install", "--quiet"]
    torch_version = version("torch").partition("+")[0]
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [*pip, f"torch=={torch_version}"],
        [*pip, *packages],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise WorkerError(f"{' '.join(command[1:])} failed: {' '.join(reason)}")
    (folder / ".gitignore").write_text("*\n")
    complete.touch()
    return python
