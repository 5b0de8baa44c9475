"""What the benchmarks share: fair timing, memory, tables, JSON and the command line.

Contestants take turns (A B A B …), so that whatever else the machine does falls on all of them
alike. The minimum of the repetitions is the time that is compared, the median stands beside it.
Needs nothing beyond torch, so that a peer's environment can import it too.
"""

import argparse
import ctypes
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NoReturn

import torch

Runner = Callable[[int], float]
"""Does its work so many times and returns the seconds that took, of all together."""

MODES = ("forward", "backward", "double")
SAMPLE = 0.05  # s, the least that one measurement lasts
PACKAGES = ("torch", "llvmlite", "e3nn", "sphericart-torch", "cuequivariance-torch")


# -- time -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Timing:
    """Seconds of one run."""

    minimum: float
    median: float


def timed(work: Callable[[], object]) -> Runner:
    """A runner that times a function in this process."""

    def run(number: int) -> float:
        start = time.perf_counter()
        for _ in range(number):
            work()
        return time.perf_counter() - start

    return run


def race(
    contestants: Mapping[str, Runner], repeats: int = 5, sample: float = SAMPLE
) -> tuple[dict[str, Timing], dict[str, str]]:
    """Time the contestants in turns; returns their timings, and why others could not run.

    Each is run twice to warm up, then ``repeats`` times for at least ``sample`` seconds.
    """
    numbers: dict[str, int] = {}
    failed: dict[str, str] = {}
    for name, run in contestants.items():
        try:
            run(1)
            numbers[name] = max(1, round(sample / max(run(1), 1e-7)))
        except Exception as error:  # a peer may fail in any way, and the table says so
            failed[name] = first_line(error)
    seconds: dict[str, list[float]] = {name: [] for name in numbers}
    for _ in range(repeats):
        for name, number in numbers.items():
            seconds[name].append(contestants[name](number) / number)
    timings = {name: Timing(min(s), statistics.median(s)) for name, s in seconds.items()}
    return timings, failed


def first_line(error: Exception) -> str:
    """The kind of an error and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:160]}" if lines else type(error).__name__


# -- memory ---------------------------------------------------------------------------------


def peak_growth(work: Callable[[], object]) -> int | None:
    """Bytes by which the memory of this process grows at its highest while the work is done.

    Free pages are given back first. Linux only, ``None`` elsewhere.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark
        before = _status("VmRSS")
        work()
        return max(0, _status("VmHWM") - before)
    except OSError:
        return None


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0]) * 1024
    raise OSError(f"the system does not tell {key}")


# -- rows, tables, files ----------------------------------------------------------------------


def row(
    case: str,
    mode: str,
    timings: Mapping[str, Timing],
    failed: Mapping[str, str] | None = None,
    own: str = "euclidium",
    **extras: object,
) -> dict[str, object]:
    """One line of the result: euclidium against the fastest peer that could do it."""
    peers = {name: timing for name, timing in timings.items() if name != own}
    best = min(peers, key=lambda name: peers[name].minimum, default=None)
    mine = timings.get(own)
    theirs = peers[best] if best is not None else None
    return {
        "case": case,
        "mode": mode,
        "euclidium_s": mine.minimum if mine else None,
        "euclidium_median_s": mine.median if mine else None,
        "peer": best,
        "peer_s": theirs.minimum if theirs else None,
        "peer_median_s": theirs.median if theirs else None,
        "ratio": theirs.minimum / mine.minimum if theirs and mine else None,
        "peers": {name: timing.minimum for name, timing in peers.items()},
        "failed": dict(failed or {}),
        **extras,
    }


def table(rows: Sequence[Mapping[str, object]], columns: Mapping[str, str]) -> str:
    """Rows as aligned text.

    ``columns`` maps a key to how it is shown: s, x, MB, G/s, %, error or text.
    """
    heads = [
        (key.removesuffix("_s") if kind == "s" else key).replace("_", " ")
        for key, kind in columns.items()
    ]
    lines = [[_shown(r.get(key), kind) for key, kind in columns.items()] for r in rows]
    widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
    right = [kind != "text" for kind in columns.values()]

    def aligned(cells: Sequence[str]) -> str:
        pairs = zip(cells, widths, right, strict=True)
        return "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in pairs).rstrip()

    return "\n".join([aligned(heads), aligned(["-" * w for w in widths]), *map(aligned, lines)])


def _shown(value: object, kind: str) -> str:
    if value is None:
        return "-"
    if kind == "text" or not isinstance(value, int | float):
        return str(value)
    if kind == "s":
        return _duration(value)
    if kind == "error":
        return f"{value:.0e}"
    if kind == "G/s":
        return f"{value / 1e9:.1f} G/s"
    forms = {"x": "{:.2f}x", "%": "{:.0%}"}
    return f"{value / 1e6:.1f} MB" if kind == "MB" else forms.get(kind, "{:g}").format(value)


def _duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def failures(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """One sentence for each contestant that could not run, the same reason told once."""
    told: dict[tuple[str, str], list[str]] = {}
    for r in rows:
        for name, reason in dict(r.get("failed") or {}).items():  # type: ignore[call-overload]
            told.setdefault((name, reason), []).append(f"{r['mode']}")
    return [
        f"{name} did not run {'/'.join(dict.fromkeys(modes))}: {reason}"
        for (name, reason), modes in told.items()
    ]


def write_json(path: str | os.PathLike[str], content: object) -> None:
    """Write JSON under a temporary name, then rename."""
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
    temporary.replace(target)


def environment() -> dict[str, object]:
    """What the numbers depend on besides the code."""
    versions = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return {
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "python": platform.python_version(),
        "versions": versions,
    }


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def report(
    arguments: argparse.Namespace,
    rows: Sequence[Mapping[str, object]],
    columns: Mapping[str, str],
    **extras: object,
) -> None:
    """Print the table and what did not run, and write the JSON if it was asked for."""
    print(table(rows, columns))
    for sentence in failures(rows):
        print(sentence)
    if arguments.json:
        name = Path(sys.argv[0]).stem
        content = {"benchmark": name, "environment": environment(), **extras, "rows": list(rows)}
        write_json(arguments.json, content)


# -- the command line -----------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence and ends with exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Print the sentence without the usage."""
        print(f"{self.prog}: {message}", file=sys.stderr)
        raise SystemExit(2)


def parser(description: str | None) -> Parser:
    """The options that every benchmark has; the first line of the docstring describes it."""
    result = Parser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--json", metavar="FILE", type=_writable, help="also write the rows here")
    result.add_argument("--threads", type=positive, metavar="N", help="threads of torch")
    result.add_argument("--repeats", type=positive, default=5, metavar="N", help="repetitions")
    result.add_argument("--full", action="store_true", help="the whole grid of cases")
    return result


def start(arguments: argparse.Namespace) -> None:
    """Apply the options that hold for the whole process."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)


def positive(text: str) -> int:
    """A whole number above zero, from the command line."""
    with suppress(ValueError):
        if int(text) > 0:
            return int(text)
    raise argparse.ArgumentTypeError(f"expected a whole number above zero, got {text!r}")


def natural(text: str) -> int:
    """A whole number, zero or above, from the command line."""
    with suppress(ValueError):
        if int(text) >= 0:
            return int(text)
    raise argparse.ArgumentTypeError(f"expected a whole number, zero or above, got {text!r}")


def _writable(text: str) -> Path:
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"cannot write {text!r}: give a file in a folder that is")
    return path
