"""The figures of predicted phonon spectra: one by one, or as a page."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from euclidium.cli.report import number

if TYPE_CHECKING:
    from euclidium.analyze.spectra import SpectrumErrors
    from euclidium.plot.page import Picture, Table

NAMES = {
    "cv300": "heat capacity at 300 K",
    "mean_frequency": "mean frequency",
    "last_peak": "last peak",
}
# Key of the averages, what it is, its unit.
ROWS = (
    ("dos51_mae", "curve, mean absolute error", "of the maximum"),
    ("dos51_mse", "curve, mean square error", "of the maximum²"),
    ("cv300_mae", "heat capacity at 300 K", "J/(K mol-atom)"),
    ("mean_freq_mae", "mean frequency", "cm⁻¹"),
    ("last_peak_mae", "last peak", "cm⁻¹"),
    ("wasserstein", "Wasserstein distance", "cm⁻¹"),
    ("n", "crystals", ""),
)
COLUMNS = 5  # spectra in a row
LEVELS = 41  # points of a calibration curve


def error_rows(errors: "SpectrumErrors") -> list[tuple[str, Any, Any, str]]:
    """One row for each error: name, value for all crystals, for stable ones, and unit."""
    rows: list[tuple[str, Any, Any, str]] = [
        (name, getattr(errors, key), errors.stable[key], unit) for key, name, unit in ROWS
    ]
    rows.append(("unstable crystals found, area below the curve", errors.stability_auroc, None, ""))
    return rows


def pictures(errors: "SpectrumErrors") -> "dict[str, Picture]":
    """All figures by name; those that the crystals are too few for are left out."""
    from euclidium.analyze.scores import roc
    from euclidium.analyze.spectra import UNSTABLE
    from euclidium.plot.page import Picture
    from euclidium.plot.scores import density_parity, roc_curve

    crystals = errors.crystals
    found = {}
    if errors.n >= 4:
        found["quartiles"] = Picture(
            quartiles(errors),
            "Spectra in the order of their error, a quarter of the crystals in each row; each row "
            "shows crystals at equal distances. The number is the mean square error.",
        )
    for name, pairs, unit in (
        ("heat_capacity", crystals.heat_capacity, "J/(K mol-atom)"),
        ("mean_frequency", crystals.mean_frequency, "cm⁻¹"),
        ("last_peak", crystals.last_peak, "cm⁻¹"),
    ):
        words = {"heat_capacity": "C$_v$ (300 K)"}.get(name, name.replace("_", " "))
        drawn: Any = density_parity(pairs[:, 1], pairs[:, 0], words, unit)
        found[name] = Picture(drawn.figure, f"{words[0].upper()}{words[1:]} of each crystal.")
    found["elements"] = Picture(
        elements(errors),
        "Mean error of the crystals that contain an element, and their number. The worst "
        "twentieth of the elements has one colour.",
    )
    if errors.stability_auroc is not None:
        curve = roc(crystals.unstable, crystals.imaginary > UNSTABLE)
        figure: Any = roc_curve({"model": curve}).figure
        found["stability"] = Picture(
            figure, "How well unstable crystals are told from stable ones."
        )
    if errors.calibration:
        found["calibration"] = Picture(
            calibration(errors), "How often intervals of a probability hold the reference."
        )
    return found


def quartiles(errors: "SpectrumErrors") -> Any:
    """Spectra in four rows, the best quarter on top. Raises ``ValueError`` below four crystals."""
    from euclidium.atoms.phonon_record import GRID51
    from euclidium.plot.spectra import quartile_panel

    crystals = errors.crystals
    columns = max(1, min(COLUMNS, errors.n // 4))
    return quartile_panel(
        GRID51, crystals.predicted, crystals.reference, crystals.mse, crystals.formulas, columns
    )


def elements(errors: "SpectrumErrors", key: str = "cv300_mae") -> Any:
    """A mean error by element on the periodic table."""
    from euclidium.plot.periodic import periodic_table

    words = {name: (text, unit) for name, text, unit in ROWS}
    values = {symbol: float(part[key]) for symbol, part in errors.by_element.items()}
    counts = {symbol: int(part["n"]) for symbol, part in errors.by_element.items()}
    limits = _limits(np.array(list(values.values())))
    text, unit = words[key]
    return periodic_table(values, counts, f"error: {text}", unit, limits=limits).figure


def calibration(errors: "SpectrumErrors") -> Any:
    """Shares of references inside intervals against the probability of the intervals."""
    from euclidium.analyze.scores import coverage
    from euclidium.plot.scores import calibration_curve

    crystals, levels = errors.crystals, np.linspace(0.0, 1.0, LEVELS)
    observed = {}
    for name in NAMES:
        known = np.isfinite(crystals.sigma[name])
        if known.any():
            error, sigma = crystals.error(name)[known], crystals.sigma[name][known]
            observed[NAMES[name]] = coverage(error, sigma, levels)
    return calibration_curve(levels, observed).figure


def page(errors: "SpectrumErrors", model: str, data: str) -> str:
    """An HTML page with all numbers and figures, which needs nothing but itself."""
    from euclidium.plot.page import Fact, Section, report

    drawn = pictures(errors)
    spectra = [drawn[name] for name in ("quartiles",) if name in drawn]
    numbers = [drawn[name] for name in ("heat_capacity", "mean_frequency", "last_peak")]
    trust = [drawn[name] for name in ("stability", "calibration") if name in drawn]
    facts = [
        Fact("curve", f"{errors.dos51_mse:.3g}", "mean square error"),
        Fact("heat capacity", f"{errors.cv300_mae:.3g}", "J/(K mol-atom) at 300 K"),
        Fact("mean frequency", f"{errors.mean_freq_mae:.3g}", "cm⁻¹"),
        Fact("last peak", f"{errors.last_peak_mae:.3g}", "cm⁻¹"),
    ]
    sections = [
        Section("Errors", "\n\n".join(errors.notes), tables=tables(errors)),
        Section("Spectra", pictures=spectra),
        Section("Quantities", pictures=numbers),
        Section("Elements", pictures=[drawn["elements"]]),
        Section("Stability and uncertainty", pictures=trust),
    ]
    shown = [s for s in sections if s.pictures or s.tables]
    summary = f"`{model}` on {errors.n} crystals of `{data}`."
    return report("Errors of phonon spectra", shown, summary, facts)


def tables(errors: "SpectrumErrors") -> "list[Table]":
    """The errors of all, by crystal system, and of the uncertainties."""
    from euclidium.plot.page import Table

    header = ["error", "all", "stable", "unit"]
    found = [Table(header, [[number(cell) for cell in row] for row in error_rows(errors)])]
    keys = [key for key, _, _ in ROWS if key != "wasserstein"]
    words = {key: name for key, name, _ in ROWS}
    systems = [
        [system, *(number(part[key]) for key in keys)]
        for system, part in errors.by_crystal_system.items()
    ]
    found.append(Table(["system", *(words[key] for key in keys)], systems, "By crystal system."))
    if errors.calibration:
        rows = [
            [NAMES.get(name, "curve"), *(number(v) for v in vars(c).values())]
            for name, c in errors.calibration.items()
        ]
        header = ["quantity", "crystals", "within σ", "within 2σ", "rank correlation", "area", "σ"]
        found.append(Table(header, rows, "Uncertainties against errors."))
    return found


def write(errors: "SpectrumErrors", path: Path, model: str, data: str) -> None:
    """Write the page to an .html file, or the spectra in quarters to any other picture."""
    if path.suffix == ".html":
        path.write_text(page(errors, model, data), encoding="utf-8")
    else:
        quartiles(errors).savefig(path, dpi=160, facecolor="white")


def _limits(values: NDArray[np.float64]) -> tuple[float, float]:
    """The ends of the colours: zero, and what only the worst few of the elements exceed."""
    return 0.0, float(max(np.quantile(values, 0.95), 1e-9))
