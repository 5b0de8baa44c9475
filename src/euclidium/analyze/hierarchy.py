"""The study of Rackers and Rao: trainings over degrees, sizes and seeds, and what they say."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from euclidium.analyze.learning_curves import Slope, half_time, learning_slope


@dataclass(frozen=True)
class Cell:
    """One training of the study.

    ``lmax`` is the largest degree of the hidden features, ``size`` the number of structures to
    learn from, ``degrees`` those of the output that are learned, None for all; ``matched`` says
    that ``channels`` were chosen to give as many parameters as the widest reference.
    """

    lmax: int
    channels: int
    size: int
    seed: int
    matched: bool = False
    degrees: tuple[int, ...] | None = None

    @property
    def name(self) -> str:
        """A name for a folder; the same training has the same name, matched or not.

        >>> Cell(lmax=2, channels=16, size=60, seed=0, degrees=(1,)).name
        'l2-c16-n60-s0-o1'
        """
        outputs = "" if self.degrees is None else "-o" + "".join(map(str, self.degrees))
        return f"l{self.lmax}-c{self.channels}-n{self.size}-s{self.seed}{outputs}"


@dataclass(frozen=True)
class CellResult:
    """What a training has come to, on the test structures.

    ``errors`` of each structure in ``unit``; ``by_degree`` and ``coefficients`` for the degrees of
    the output (densities only), ``knocked`` the errors without each hidden degree (``total`` and
    ``by_degree``), ``paths`` the sizes of the weights of each layer's paths by "l1 l2 l3", and
    ``dynamics`` the measurements along the training.
    """

    cell: Cell
    parameters: int
    quantity: str
    unit: str
    errors: list[float]
    by_degree: list[float] = field(default_factory=list)
    coefficients: list[float] = field(default_factory=list)
    knocked: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    paths: list[dict[str, float]] = field(default_factory=list)
    dynamics: list[dict[str, Any]] = field(default_factory=list)

    @property
    def mean(self) -> float:
        """The mean error."""
        return float(np.mean(self.errors))

    def as_dict(self) -> dict[str, Any]:
        """Plain values.

        >>> result = CellResult(Cell(0, 8, 30, 0, degrees=(0, 1)), 99, "epsilon", "%", [0.5])
        >>> CellResult.from_dict(result.as_dict()) == result
        True
        """
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "CellResult":
        """The result of :meth:`as_dict`."""
        cell = dict(values["cell"])
        cell["degrees"] = None if cell["degrees"] is None else tuple(cell["degrees"])
        return cls(**{**values, "cell": Cell(**cell)})


@dataclass(frozen=True)
class Curve:
    """A learning curve: the errors of networks of one kind at each size, over seeds.

    ``mean``, ``low`` and ``high`` are over the seeds of the mean over test structures; ``slope`` is
    None where there is one size only.
    """

    lmax: int
    matched: bool
    channels: int
    parameters: int
    sizes: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    slope: Slope | None


def grid(
    lmax: Sequence[int],
    sizes: Sequence[int],
    seeds: Sequence[int],
    reference: tuple[int, int],
    matched: Callable[[int], int] | None = None,
    outputs: Iterable[tuple[int, ...]] = (),
) -> list[Cell]:
    """All trainings of a study, those first that say most.

    ``reference`` are the largest hidden degree and the channels of the reference network; every
    network has its channels, and then, with ``matched``, those that it gives for a degree. Each of
    ``outputs`` are degrees to learn alone, with all data and the first seed.

    >>> cells = grid([0, 1], [30, 60], [0], reference=(1, 16), matched=lambda l: 28)
    >>> [cell.name for cell in cells]
    ['l0-c16-n60-s0', 'l1-c16-n60-s0', 'l0-c16-n30-s0', 'l1-c16-n30-s0', 'l0-c28-n60-s0', \
'l0-c28-n30-s0']
    """
    falling = sorted(sizes, reverse=True)
    cells = []
    for seed in seeds:
        cells += [Cell(l, reference[1], n, seed) for n in falling for l in lmax]
        if matched is not None:
            cells += [
                Cell(l, matched(l), n, seed, matched=True)
                for n in falling
                for l in lmax
                if l != reference[0]
            ]
        if seed == seeds[0]:
            cells += [
                Cell(l, reference[1], falling[0], seed, degrees=tuple(own))
                for own in outputs
                for l in lmax
            ]
    return cells


def curves(results: Sequence[CellResult], reference: int) -> list[Curve]:
    """The learning curves of networks that learn the whole output, by width and hidden degree.

    The network of the largest hidden degree ``reference`` counts among those of matched width too.
    Only sizes that the same seeds have, as many as there are, are on a curve.

    >>> cells = [Cell(0, 8, n, 0) for n in (10, 40)]
    >>> results = [CellResult(c, 9, "epsilon", "%", [40 / c.size]) for c in cells]
    >>> round(curves(results, reference=1)[0].slope.value, 9)
    -1.0
    """
    whole = [result for result in results if result.cell.degrees is None]
    found = []
    for matched in (False, True):
        widths = [
            r for r in whole if r.cell.matched == matched or (matched and r.cell.lmax == reference)
        ]
        if matched and not any(r.cell.matched for r in widths):
            continue
        for l in sorted({r.cell.lmax for r in widths}):
            found.append(_curve([r for r in widths if r.cell.lmax == l], matched))
    return found


def half_times(result: CellResult, floor: bool = True) -> list[float | None]:
    """For each degree of the output, the step at which half of its error was gone.

    With ``floor`` half of what the training takes away in the end, otherwise half of the first
    error. None for a degree whose error never falls so far.

    >>> rows = [{"step": s, "by_degree": [e]} for s, e in ((0, 4.0), (10, 2.0), (20, 1.0))]
    >>> half_times(CellResult(Cell(0, 8, 30, 0), 9, "epsilon", "%", [1.0], dynamics=rows))
    [7.5]
    """
    rows = [row for row in result.dynamics if "by_degree" in row]
    steps = np.array([float(row["step"]) for row in rows])
    errors = np.array([row["by_degree"] for row in rows])
    if len(rows) == 0:
        return []
    return [half_time(steps, own, float(own[-1]) if floor else 0.0) for own in errors.T]


def by_degree(
    results: Sequence[CellResult], coefficients: bool = False
) -> dict[int, Float[np.ndarray, " degree"]]:
    """Errors by degree of the output at the largest size and fixed width: means over seeds.

    The keys are the largest hidden degrees. In percent of the electrons, or with ``coefficients``
    root mean squares in e/bohr^1.5.

    >>> by_degree([CellResult(Cell(0, 8, 30, 0), 9, "epsilon", "%", [1.0], [0.5, 0.2])])
    {0: array([0.5, 0.2])}
    """
    own = largest(results)
    return {
        l: np.mean(
            [r.coefficients if coefficients else r.by_degree for r in own if r.cell.lmax == l],
            axis=0,
        )
        for l in sorted({r.cell.lmax for r in own})
    }


def largest(results: Sequence[CellResult]) -> list[CellResult]:
    """The results of fixed width, of the whole output and of the largest size.

    >>> cells = [Cell(0, 8, n, 0) for n in (30, 60)]
    >>> [r.cell.size for r in largest([CellResult(c, 9, "epsilon", "%", [1.0]) for c in cells])]
    [60]
    """
    whole = [r for r in results if r.cell.degrees is None and not r.cell.matched]
    most = max((r.cell.size for r in whole), default=0)
    return [r for r in whole if r.cell.size == most]


def _curve(results: Sequence[CellResult], matched: bool) -> Curve:
    """The learning curve of results that differ in size and seed alone."""
    by_size = {
        n: [r for r in results if r.cell.size == n] for n in sorted({r.cell.size for r in results})
    }
    seeds = {n: sorted(r.cell.seed for r in own) for n, own in by_size.items()}
    most = max(seeds.values(), key=len)
    by_size = {n: own for n, own in by_size.items() if seeds[n] == most}
    errors = np.array([[r.errors for r in own] for own in by_size.values()]).swapaxes(0, 1)
    sizes = np.array([float(n) for n in by_size])
    means = errors.mean(axis=2)
    return Curve(
        results[0].cell.lmax,
        matched,
        results[0].cell.channels,
        results[0].parameters,
        tuple(by_size),
        tuple(means.mean(axis=0).tolist()),
        tuple(means.min(axis=0).tolist()),
        tuple(means.max(axis=0).tolist()),
        learning_slope(sizes, errors) if len(sizes) > 1 else None,
    )
