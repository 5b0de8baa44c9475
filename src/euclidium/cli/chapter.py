"""A chapter of the tour: what it is given, and what it found."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from euclidium.plot.page import Fact, Picture, Section


@dataclass(frozen=True)
class Tour:
    """What every chapter knows: the model file that the first one writes, and how much to do."""

    model: Path
    quick: bool = False


@dataclass(frozen=True)
class Finding:
    """A number that people read in the terminal, and what it is to be compared with."""

    what: str
    value: float
    unit: str
    reference: float | None = None


@dataclass(frozen=True)
class Chapter:
    """What a chapter found: a section of the report, numbers for machines, findings for people."""

    name: str  # in the JSON document
    section: "Section"
    numbers: Mapping[str, Any]
    findings: tuple[Finding, ...]
    facts: "tuple[Fact, ...]"  # for the top of the report
    seconds: float = 0.0
    cpu_seconds: float = 0.0


def timed(write: Callable[[Tour], Chapter], tour: Tour) -> Chapter:
    """Write a chapter, and note how long it took."""
    start, cpu = time.perf_counter(), time.process_time()
    chapter = write(tour)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return replace(chapter, seconds=seconds, cpu_seconds=cpu)


def picture(axes: Any, caption: str) -> "Picture":
    """The figure that some axes belong to, for the report."""
    from euclidium.plot.page import Picture

    return Picture(axes.figure, caption)
