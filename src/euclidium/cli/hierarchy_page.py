"""What ``euclidium density hierarchy`` has found: numbers, figures, and a page about them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from euclidium.cli.report import Report, number, table

if TYPE_CHECKING:
    from euclidium.analyze.hierarchy import CellResult, Curve
    from euclidium.plot.page import Picture, Table

PAGE, FIGURES = "hierarchy.html", "figures"


def finish(
    results: "Sequence[CellResult]", output: Path, isolated: "Mapping[str, Any] | None"
) -> Report:
    """Write page and figures, and answer with all numbers.

    ``isolated`` are the errors of isolated atoms, ``total``, ``by_degree`` and ``coefficients``;
    None where there are none.
    """
    from euclidium.plot.page import write_report

    found = document(results, output, isolated)
    drawn = pictures(results, isolated)
    folder = output / FIGURES
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in drawn.items():
        picture.figure.savefig(folder / f"{name}.png", dpi=160, facecolor="white")
    write_report(output / PAGE, page(results, drawn, isolated))
    columns, rows = curve_rows(_curves(results))
    view = (table("Error by hidden degree and structures", columns, rows), f"{output / PAGE}")
    return Report(found, view)


def document(
    results: "Sequence[CellResult]", output: Path, isolated: "Mapping[str, Any] | None"
) -> dict[str, Any]:
    """All numbers of a study, for machines."""
    from dataclasses import asdict

    from euclidium.analyze.hierarchy import by_degree, half_times, largest

    return {
        "page": output / PAGE,
        "quantity": results[0].quantity,
        "unit": results[0].unit,
        "trainings": len(results),
        "isolated_atoms": isolated,
        "curves": [asdict(curve) for curve in _curves(results)],
        "by_degree": by_degree(results),
        "coefficients": by_degree(results, coefficients=True),
        "half_steps": {r.cell.name: half_times(r) for r in largest(results)},
        "half_error_steps": {r.cell.name: half_times(r, floor=False) for r in largest(results)},
        "without_degree": {l: knocked(own) for l, own in by_lmax(largest(results)).items()},
        "alone": alone(results),
        "paths": {r.cell.name: r.paths for r in largest(results)},
    }


def by_lmax(results: "Sequence[CellResult]") -> "dict[int, list[CellResult]]":
    """Results by the largest hidden degree."""
    found: dict[int, list[CellResult]] = {}
    for result in sorted(results, key=lambda result: result.cell.lmax):
        found.setdefault(result.cell.lmax, []).append(result)
    return found


def knocked(results: "Sequence[CellResult]") -> dict[str, float]:
    """The mean error as trained (``none``), and without each hidden degree."""
    found = {"none": float(np.mean([r.mean for r in results]))}
    for l in results[0].knocked:
        found[l] = float(np.mean([r.knocked[l]["total"] for r in results]))
    return found


def alone(results: "Sequence[CellResult]") -> dict[str, dict[int, float]]:
    """Error of a degree of the output that was learned alone, by the largest hidden degree."""
    found: dict[str, dict[int, float]] = {}
    for result in results:
        degrees = result.cell.degrees
        if degrees is not None and len(degrees) == 1:
            own = found.setdefault(str(degrees[0]), {})
            own[result.cell.lmax] = result.by_degree[degrees[0]]
    return found


def curve_rows(curves: "Sequence[Curve]") -> tuple[list[str], list[list[object]]]:
    """A table of learning curves: headings, and a row for each."""
    sizes = sorted({size for curve in curves for size in curve.sizes})
    columns = ["width", "hidden degrees", "channels", "parameters", *map(str, sizes), "slope"]
    rows: list[list[object]] = []
    for curve in curves:
        means = dict(zip(curve.sizes, curve.mean, strict=True))
        slope = curve.slope
        words = f"{slope.value:.2f} ({slope.low:.2f} … {slope.high:.2f})" if slope else "–"
        rows.append(
            [
                "matched" if curve.matched else "fixed",
                f"0–{curve.lmax}" if curve.lmax else "0",
                curve.channels,
                curve.parameters,
                *(means.get(size) for size in sizes),
                words.replace("-", "−"),
            ]
        )
    return columns, rows


def pictures(
    results: "Sequence[CellResult]", isolated: "Mapping[str, Any] | None"
) -> "dict[str, Picture]":
    """All figures by name; those that have nothing to show are left out."""
    from euclidium.analyze.hierarchy import largest

    most = largest(results)
    deepest = by_lmax(most)[max(r.cell.lmax for r in most)][0]
    found = {"learning_curves": _learning(results)}
    if deepest.by_degree:
        found |= _degrees(results, isolated)
    if deepest.dynamics:
        found["sizes"] = _sizes(deepest)
        if "by_degree" in deepest.dynamics[0]:
            found["training"] = _training(deepest)
    found["without_degree"] = _knocked(most)
    if deepest.by_degree:
        found["without_degree_outputs"] = _knocked_outputs(by_lmax(most)[deepest.cell.lmax])
    found["paths"] = _paths(deepest)
    return found


def page(
    results: "Sequence[CellResult]",
    drawn: "Mapping[str, Picture]",
    isolated: "Mapping[str, Any] | None",
) -> str:
    """The page."""
    from euclidium.analyze.hierarchy import largest
    from euclidium.plot.page import Fact, Section, Table, report

    columns, rows = curve_rows(_curves(results))
    cells = [[number(value) for value in row] for row in rows]
    most = largest(results)
    best = min(most, key=lambda r: r.mean)
    facts = [
        Fact("trainings", str(len(results))),
        Fact("lowest error", f"{best.mean:.3g}", f"{best.unit}, hidden l ≤ {best.cell.lmax}"),
    ]
    if isolated is not None:
        facts.append(Fact("isolated atoms", f"{isolated['total']:.3g}", best.unit))

    def some(*names: str) -> "list[Picture]":
        return [drawn[name] for name in names if name in drawn]

    sections = [
        Section("Learning curves", CURVES, pictures=some("learning_curves"),
                tables=[Table(columns, cells)]),
        Section("Degrees of the output", OUTPUTS, pictures=some("real_space", "coefficients"),
                tables=_degree_tables(results)),
        Section("Through training", TRAINING, pictures=some("training", "sizes"),
                tables=_half_tables(most)),
        Section("Without a degree", KNOCKED,
                pictures=some("without_degree", "without_degree_outputs")),
        Section("Weights of the paths", PATHS, pictures=some("paths")),
    ]  # fmt: skip
    shown = [section for section in sections if section.pictures or section.tables]
    return report("What each degree is good for", shown, SUMMARY, facts)


SUMMARY = (
    "Networks that differ in the degrees l of their hidden features, trained on the same data for "
    "the same number of steps. Errors are those of the test structures."
)
CURVES = (
    "Lines are means over seeds, bands reach from the lowest to the highest. The slope is that of "
    "log error against log size, with a 95 % interval by the bootstrap over seeds and test "
    "structures; of two or three seeds it is too narrow. Smaller sets are repeated, so that every "
    "training has the same number of steps. Matched networks have as many parameters as the "
    "largest one of fixed width."
)
OUTPUTS = "100 ∫|Δρ_l| / N of the functions of each degree, and the root mean square of Δc."
TRAINING = (
    "On validation structures, with the weights as they are at a step, not averaged. The gradient "
    "is that of the loss by the features. A half step is where half of what the training gains in "
    "the end is gained."
)
KNOCKED = (
    "Features of one degree are set to zero after every layer but the last, in trained networks: "
    "nothing of that degree reaches a neighbour, or is read out of the layers in between."
)
PATHS = (
    "Root mean squares over the distances of the test structures and over channels. At the start "
    "all are near one over a filled sphere, and a product with such a weight has unit size."
)


def _curves(results: "Sequence[CellResult]") -> "list[Curve]":
    from euclidium.analyze.hierarchy import curves

    reference = max(r.cell.lmax for r in results if not r.cell.matched)
    return curves(results, reference)


def _hidden(lmax: int) -> str:
    """What the hidden features are."""
    return f"l ≤ {lmax}" if lmax else "l = 0"


def _learning(results: "Sequence[CellResult]") -> "Picture":
    from euclidium.plot.canvas import canvas
    from euclidium.plot.hierarchy import learning_curves
    from euclidium.plot.page import Picture

    found = _curves(results)
    kinds = sorted({curve.matched for curve in found})
    axes = canvas(len(kinds), size=(1.0 + 4.0 * len(kinds), 3.8), share_y=True)
    quantity = f"{_quantity(results[0])} ({results[0].unit})"
    for own, matched in zip(axes, kinds, strict=True):
        lines = {
            _hidden(c.lmax): (c.sizes, c.mean, c.low, c.high) for c in found if c.matched == matched
        }
        title = "same number of parameters" if matched else "same number of channels"
        learning_curves(lines, quantity, title, own)
        if own is not axes[0]:
            own.set_ylabel("")
        legend = own.get_legend()
        if own is not axes[-1] and legend is not None:
            legend.remove()  # one is enough
    caption = "Error against the number of structures to learn from."
    return Picture(axes[0].figure, caption)  # type: ignore[arg-type]


def _degrees(
    results: "Sequence[CellResult]", isolated: "Mapping[str, Any] | None"
) -> "dict[str, Picture]":
    from euclidium.analyze.hierarchy import by_degree
    from euclidium.plot.hierarchy import errors_by_degree
    from euclidium.plot.page import Picture

    found = {}
    for name, words, unit in (
        ("real_space", "error in space", "% of electrons"),
        ("coefficients", "error of coefficients", "e/bohr$^{1.5}$"),
    ):
        without = None
        if isolated is not None:
            without = np.array(isolated["coefficients" if name == "coefficients" else "by_degree"])
        drawn: Any = errors_by_degree(
            by_degree(results, name == "coefficients"), f"{words} ({unit})", without
        )
        caption = f"{words.capitalize()} of each degree of the output, all structures learned from."
        found[name] = Picture(drawn.figure, caption)
    return found


def _training(result: "CellResult") -> "Picture":
    from euclidium.analyze.hierarchy import half_times
    from euclidium.plot.hierarchy import errors_through_training
    from euclidium.plot.page import Picture

    steps = np.array([float(row["step"]) for row in result.dynamics])
    errors = np.array([row["by_degree"] for row in result.dynamics])
    drawn: Any = errors_through_training(steps, errors, half_times(result))
    caption = f"Error of each degree of the output through the training of {result.cell.name}."
    return Picture(drawn.figure, caption)


def _sizes(result: "CellResult") -> "Picture":
    from euclidium.plot.hierarchy import sizes_through_training
    from euclidium.plot.page import Picture

    steps = np.array([float(row["step"]) for row in result.dynamics])
    parts = [_by_layer(result.dynamics, name) for name in ("features", "gradients")]
    caption = (
        f"Features after each layer, and the derivatives of the loss by them, through the training "
        f"of {result.cell.name}."
    )
    return Picture(sizes_through_training(steps, *parts), caption)


def _by_layer(rows: Sequence[Mapping[str, Any]], name: str) -> NDArray[np.float64]:
    """Measurements as an array (time, layer, degree), NaN where a layer lacks a degree."""
    layers = len(rows[0][name])
    most = max(int(l) for layer in rows[0][name] for l in layer)
    found = np.full((len(rows), layers, most + 1), np.nan)
    for t, row in enumerate(rows):
        for n, layer in enumerate(row[name]):
            for l, value in layer.items():
                found[t, n, int(l)] = value
    return found


def _knocked(results: "Sequence[CellResult]") -> "Picture":
    from euclidium.plot.hierarchy import knock_outs
    from euclidium.plot.page import Picture

    networks = by_lmax(results)
    removed = ["none", *map(str, range(max(networks) + 1))]
    values = np.array([[knocked(own).get(l, np.nan) for l in removed] for own in networks.values()])
    quantity = f"{_quantity(results[0])} ({results[0].unit})"
    drawn: Any = knock_outs(values, [_hidden(l) for l in networks], removed, quantity)
    return Picture(drawn.figure, "Error of trained networks without features of one degree.")


def _knocked_outputs(results: "Sequence[CellResult]") -> "Picture":
    from euclidium.plot.hierarchy import knock_outs
    from euclidium.plot.page import Picture

    lmax = results[0].cell.lmax
    rows = [np.mean([r.by_degree for r in results], axis=0)]
    rows += [
        np.mean([r.knocked[str(l)]["by_degree"] for r in results], axis=0) for l in range(lmax + 1)
    ]
    values = np.array(rows).T
    outputs = [str(l) for l in range(len(values))]
    removed = ["none", *map(str, range(lmax + 1))]
    axes = knock_outs(values, outputs, removed, "error in space (% of electrons)")
    axes.set_ylabel("degree of the output")
    figure: Any = axes.figure
    return Picture(figure, f"The same by degree of the output, hidden features {_hidden(lmax)}.")


def _paths(result: "CellResult") -> "Picture":
    from euclidium.plot.hierarchy import path_weights
    from euclidium.plot.page import Picture

    layers = [
        {tuple(map(int, key.split())): size for key, size in layer.items()}
        for layer in result.paths
    ]
    caption = f"Weights of the paths of {result.cell.name}, root mean square."
    return Picture(path_weights(layers), caption)  # type: ignore[arg-type]


def _degree_tables(results: "Sequence[CellResult]") -> "list[Table]":
    """Errors by degree of the output, learned together and alone."""
    from euclidium.analyze.hierarchy import by_degree
    from euclidium.plot.page import Table

    whole = by_degree(results)
    if not whole or not len(next(iter(whole.values()))):
        return []
    outputs = range(len(next(iter(whole.values()))))
    rows = [[_hidden(h), *(number(float(v)) for v in own)] for h, own in whole.items()]
    header = ["hidden", *(f"l = {l}" for l in outputs)]
    found = [Table(header, rows, "100 ∫|Δρ_l| / N, percent; all degrees learned together.")]
    single = alone(results)
    if single:
        degrees = sorted(single)
        hidden = sorted({h for own in single.values() for h in own})
        rows = [[_hidden(h), *(number(single[l].get(h)) for l in degrees)] for h in hidden]
        header = ["hidden", *(f"l = {l}" for l in degrees)]
        found.append(Table(header, rows, "The same where one degree is learned alone."))
    return found


def _half_tables(results: "Sequence[CellResult]") -> "list[Table]":
    """Half steps by degree of the output, means over seeds."""
    from euclidium.analyze.hierarchy import half_times
    from euclidium.plot.page import Table

    found = []
    for floor, words in (
        (True, "Steps to half of what the training gains in the end."),
        (False, "Steps to half of the first error; – where it is not reached."),
    ):
        rows = []
        for lmax, own in by_lmax(results).items():
            times = [half_times(result, floor) for result in own]
            if times[0]:
                columns = zip(*times, strict=True)
                rows.append([_hidden(lmax), *(number(_mean(column)) for column in columns)])
        if rows:
            header = ["hidden", *(f"l = {l}" for l in range(len(rows[0]) - 1))]
            found.append(Table(header, rows, words))
    return found


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean, if there are all."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def _quantity(result: "CellResult") -> str:
    """What is measured, in words."""
    return {"epsilon": "ε", "forces": "error of forces"}[result.quantity]
