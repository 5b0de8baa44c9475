"""How well a model predicts phonon spectra, beside what one knows without the structure.

    python benchmarks/phonon_spectra.py phonon-dos ../shared/data/phonons --output figures

measures the model on the validation part of the data and on compositions that no training part
has, beside the mean of all training spectra and the mean of the three with the nearest
compositions; and, to say what such numbers mean, the spectra themselves with all frequencies of a
crystal some percent too high or too low. ``--tutorial FILE`` adds the network of 2021, a model file
that euclidium train made with ``configs/phonon-dos-2021.yaml`` from the same parts. Tables are
printed, and written with all figures to a folder.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from euclidium.analyze import (
    SpectrumErrors,
    evaluate_spectra,
    mean_spectrum,
    nearest_compositions,
    roc,
)
from euclidium.analyze.baselines import Guess
from euclidium.atoms import composition_split, read_phonons
from euclidium.atoms.phonon_record import PhononRecord
from euclidium.cli.files import replacing
from euclidium.cli.model import find_model
from euclidium.cli.spectra_page import NAMES, elements, pictures, write
from euclidium.models import load
from euclidium.plot import roc_curve, spectrum
from euclidium.plot.canvas import STYLE
from euclidium.plot.spectra import formula
from harness import write_json

DATA = Path(__file__).parents[1] / ".." / "shared" / "data" / "phonons"
PARTS = {"val": "validation", "test": "compositions that training has not"}
UNSTABLE = 0.01  # share of imaginary modes
STRETCHES = (0.01, 0.02, 0.03)  # of all frequencies of a crystal
ROWS_SHOWN, COLUMNS_SHOWN = 2, 3  # crystals whose whole spectrum is drawn
HEADER = {
    "dos51_mae": "curve, mean absolute",
    "dos51_mse": "curve, mean square",
    "cv300_mae": "C_v at 300 K (J/(K mol-atom))",
    "mean_freq_mae": "mean frequency (cm⁻¹)",
    "last_peak_mae": "last peak (cm⁻¹)",
    "wasserstein": "Wasserstein distance (cm⁻¹)",
}


def main() -> None:
    """Measure, print, write."""
    arguments = parsed()
    records = read_phonons(arguments.data)
    parts = {name: [records[n] for n in own] for name, own in composition_split(records).items()}
    models = contestants(arguments, parts["train"])
    own, folder = next(iter(models)), arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    text, numbers = [], {}
    for part, words in PARTS.items():
        errors = {name: measured(model, parts[part]) for name, model in models.items()}
        text.append(f"## {words[0].upper()}{words[1:]}: {len(parts[part])} crystals\n")
        text += tables(errors, own)
        text += stretches(parts[part])
        numbers[part] = {name: found.as_dict() for name, found in errors.items()}
        draw(errors, own, folder, part)
        figure = whole_spectra(models[own], parts[part], errors[own])
        keep(figure, folder / f"{part}-spectra.png")
        write(errors[own], folder / f"{part}.html", own, f"{arguments.data}, {words}")
    page = "\n".join([f"# Phonon spectra: {own}\n", *text])
    with replacing(folder / "tables.md") as temporary:
        temporary.write_text(page, encoding="utf-8")
    write_json(folder / "errors.json", json.loads(json.dumps(numbers, default=plain)))
    print(page)
    print(f"figures: {folder}")


def contestants(arguments: argparse.Namespace, train: Sequence[PhononRecord]) -> dict[str, Any]:
    """What predicts, by name: the model first."""
    name = "model" if Path(arguments.model).exists() else arguments.model
    found = {name: load(find_model(arguments.model), device=arguments.device)}
    if arguments.tutorial is not None:
        found["network of 2021"] = load(find_model(arguments.tutorial), device=arguments.device)
    found["three nearest compositions"] = nearest_compositions(train)
    found["mean spectrum"] = mean_spectrum(train)
    return found


def measured(model: Any, records: Sequence[PhononRecord]) -> SpectrumErrors:
    """The errors of one contestant."""
    return evaluate_spectra(model.predict(record.structure for record in records), records)


def tables(errors: Mapping[str, SpectrumErrors], own: str) -> list[str]:
    """Markdown: all contestants, on all crystals and on stable ones; details of the model."""
    keys, header = list(HEADER), ["", *HEADER.values()]
    everything = [
        [name, *(getattr(found, key) for key in keys), found.stability_auroc]
        for name, found in errors.items()
    ]
    stable = [[name, *(found.stable[key] for key in keys)] for name, found in errors.items()]
    quartiles = [[name, *found.quartiles] for name, found in errors.items()]
    systems = [
        [name, part["n"], *(part[key] for key in keys)]
        for name, part in errors[own].by_crystal_system.items()
    ]
    text = [
        "Mean errors:\n",
        markdown([*header, "unstable found (area)"], everything),
        f"Of the {errors[own].stable['n']} stable ones (less than 1 % imaginary modes):\n",
        markdown(header, stable),
        "Quartiles of the mean square error of a curve:\n",
        markdown(["", "25 %", "median", "75 %"], quartiles),
        f"{own} by crystal system:\n",
        markdown(["", "crystals", *header[1:]], systems),
    ]
    trust = [
        [NAMES.get(name, "curve"), c.within_1_sigma, c.within_2_sigma, c.spearman, c.auroc]
        for name, c in errors[own].calibration.items()
    ]
    if trust:
        text += [
            f"Uncertainties of {own}: shares of the errors within one and two standard deviations "
            "(0.683 and 0.954 for honest Gaussian ones), and how well they sort the errors:\n",
            markdown(["", "within σ", "within 2σ", "rank correlation", "area"], trust),
        ]
    return text


def stretches(records: Sequence[PhononRecord]) -> list[str]:
    """Markdown: what wrong frequencies alone do to the errors."""
    rows = []
    for share in STRETCHES:
        found = evaluate_spectra(stretched(records, share), records)
        rows.append([f"{share:.0%}", *(getattr(found, key) for key in HEADER)])
    return [
        "The spectra themselves, all frequencies of a crystal off by a share of them:\n",
        markdown(["", *HEADER.values()], rows),
    ]


def stretched(records: Sequence[PhononRecord], share: float) -> Iterator[Guess]:
    """The right spectra with frequencies that are too high, and too low, by a share, in turns."""
    for n, record in enumerate(records):
        factor = 1 + (share if n % 2 else -share)
        dos = replace(record.dos, edges=record.dos.edges * factor)
        unstable = float(record.imaginary > UNSTABLE)
        yield Guess(record.structure, dos, record.last_peak * factor, unstable)


def markdown(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table, with an empty line after it."""
    lines = [header, ["---"] * len(header), *([cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def cell(value: Any) -> str:
    """A value with three significant digits, and a dash for none."""
    if value is None:
        return "–"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def draw(errors: Mapping[str, SpectrumErrors], own: str, folder: Path, part: str) -> None:
    """Every figure of the model, and those that compare the contestants."""
    for name, picture in pictures(errors[own]).items():
        keep(picture.figure, folder / f"{part}-{name.replace('_', '-')}.png")
    for key, name in (("dos51_mse", "curve"), ("last_peak_mae", "last-peak")):
        keep(elements(errors[own], key), folder / f"{part}-elements-{name}.png")
    curves = {
        name: roc(found.crystals.unstable, found.crystals.imaginary > UNSTABLE)
        for name, found in errors.items()
        if found.stability_auroc is not None and name != "mean spectrum"
    }
    if curves:
        keep(roc_curve(curves).figure, folder / f"{part}-stability.png")


def whole_spectra(model: Any, records: Sequence[PhononRecord], errors: SpectrumErrors) -> Any:
    """Spectra with their elements on all frequencies, at equal distances in the order of errors."""
    order, shown = np.argsort(errors.crystals.mse, kind="stable"), ROWS_SHOWN * COLUMNS_SHOWN
    places = np.linspace(0, len(order) - 1, 2 * shown + 1)[1::2].round().astype(int)
    chosen = order[np.unique(places)]
    results = list(model.predict(records[n].structure for n in chosen))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.0 * COLUMNS_SHOWN, 3.4 * ROWS_SHOWN), layout="constrained")
        axes = figure.subplots(ROWS_SHOWN, COLUMNS_SHOWN).ravel()
    for axis, n, result in zip(axes, chosen, results, strict=False):
        widths, reference = np.diff(result.dos.edges), records[n].dos
        partial = {symbol: modes / widths for symbol, modes in result.partial.items()}
        members = getattr(result, "members", None)
        many = members is not None and len(members) > 1
        spectrum(
            result.dos.centers,
            result.dos.density,
            partial,
            members.std(axis=0, ddof=1) / widths if many else None,
            (reference.centers, reference.density),
            axes=axis,
        )
        axis.set_title(f"{formula(errors.crystals.formulas[n])}, {records[n].name}")
    return figure


def keep(figure: Any, path: Path) -> None:
    """Write a figure under a temporary name first."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=160, facecolor="white")


def plain(value: Any) -> Any:
    """What JSON can hold, of NumPy's types."""
    return np.asarray(value).tolist()


def parsed() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="a model file, or a model of the package: phonon-dos")
    parser.add_argument("data", nargs="?", type=Path, default=DATA, help="folder of spectra")
    parser.add_argument("--output", type=Path, default=Path("figures"), help="folder to write to")
    parser.add_argument("--tutorial", metavar="FILE", help="model file of the network of 2021")
    parser.add_argument("--device", default="cpu", help="where to compute: cpu or cuda")
    return parser.parse_args()


if __name__ == "__main__":
    main()
