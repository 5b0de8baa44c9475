"""Heat capacities at 298 K against experiment: what is measured, what DFT and a model give.

    python benchmarks/heat_capacity.py phonon-dos ../shared/data/phonons --output figures

Measured are C_p of elements and simple solids (tables of CRC and NIST-JANAF), matched by formula to
the crystals of the data, of several polymorphs to that with the lowest energy. Computed are
harmonic C_v at 298.15 K: of the phonons of DFT, and of those that the model predicts. C_p − C_v, a
few percent for hard solids and up to ten for soft ones, is not included in either, nor are
electrons, magnetism and disorder; so both should lie below the measured values. Prints a table
and writes it with a figure to a folder.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from euclidium.analyze import reduced_formula
from euclidium.atoms import atomic_number, composition_split, read_phonons
from euclidium.atoms.phonon_record import PhononRecord
from euclidium.atoms.spectra_split import composition
from euclidium.cli.files import replacing
from euclidium.cli.model import find_model
from euclidium.models import load
from euclidium.plot import measured_parity
from euclidium.units import GAS_CONSTANT
from harness import write_json

DATA = Path(__file__).parents[1] / ".." / "shared" / "data" / "phonons"
MEASURED = Path("expt") / "expt_solid_heat_capacity_crc_janaf.json"
ROOM = 298.15  # K
# more than any solid has for a mole of its atoms: the formula of such an entry is not its own
LARGEST = 4 / 3 * 3 * GAS_CONSTANT
IMAGINARY = 0.01  # share of modes above which C_v is not that of the crystal


@dataclass(frozen=True)
class Solid:
    """One solid: C in J/(K mol-atom)."""

    formula: str
    name: str
    source: str
    crystal: str
    part: str
    imaginary: float
    measured: float
    computed: float
    predicted: float
    sigma: float | None


def main() -> None:
    """Match, predict, print, write."""
    arguments = parsed()
    entries = json.loads((arguments.data / MEASURED).read_text(encoding="utf-8"))
    known, wrong = measured(entries)
    records = read_phonons(arguments.data)
    parts = {n: part for part, own in composition_split(records).items() for n in own.tolist()}
    chosen = matched(known, records)
    model = load(find_model(arguments.model), device=arguments.device)
    results = model.predict(records[n].structure for n in chosen.values())
    solids = [
        solid(known[key], records[n], result, parts[n])
        for (key, n), result in zip(chosen.items(), results, strict=True)
    ]
    solids.sort(key=lambda one: one.formula)
    page = report(solids, arguments.model, len(known), wrong)
    folder = arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / "heat-capacity.md") as temporary:
        temporary.write_text(page, encoding="utf-8")
    write_json(folder / "heat-capacity.json", [vars(one) for one in solids])
    with replacing(folder / "heat-capacity.png") as temporary:
        drawn(solids).savefig(temporary, dpi=160, facecolor="white")
    print(page)
    print(f"figure: {folder / 'heat-capacity.png'}")


def measured(entries: Sequence[Mapping[str, Any]]) -> tuple[dict[str, tuple[float, str, str]], int]:
    """C_p (J/(K mol-atom)), name and source by composition; and how many formulas are wrong.

    The first entry of a composition counts, and CRC comes before JANAF.
    """
    known: dict[str, tuple[float, str, str]] = {}
    wrong = 0
    for entry in entries:
        counts = {symbol: int(count) for symbol, count in entry["comp"].items()}
        value = entry.get("Cp298")
        if value is None and entry.get("T") and entry["T"][0] <= ROOM <= entry["T"][-1]:
            value = float(np.interp(ROOM, entry["T"], entry["Cp"]))
        if value is None:
            continue
        per_atom = value / sum(counts.values())
        if per_atom > LARGEST:
            wrong += 1
            continue
        divisor = int(np.gcd.reduce(list(counts.values())))
        pairs = sorted((atomic_number(s), count // divisor) for s, count in counts.items())
        known.setdefault(str(pairs), (per_atom, entry["name"], entry["src"]))
    return known, wrong


def matched(known: Mapping[str, Any], records: Sequence[PhononRecord]) -> dict[str, int]:
    """For each measured composition the record with the lowest energy for an atom."""
    best: dict[str, tuple[float, int]] = {}
    for n, record in enumerate(records):
        key, energy = composition(record.structure), record.info.get("energy")
        if key in known and energy is not None:
            per_atom = float(energy) / int(record.info["nat_uc"])  # type: ignore[arg-type]
            best[key] = min(best.get(key, (np.inf, -1)), (per_atom, n))
    return {key: n for key, (_, n) in best.items()}


def solid(known: tuple[float, str, str], record: PhononRecord, result: Any, part: str) -> Solid:
    """What is known of one solid."""
    return Solid(
        formula=reduced_formula(record.structure),
        name=known[1],
        source=known[2],
        crystal=record.name,
        part=part,
        imaginary=record.imaginary,
        measured=known[0],
        computed=float(record.dos.heat_capacity(ROOM)),
        predicted=float(result.dos.heat_capacity(ROOM)),
        sigma=result.uncertainty.get("cv300"),
    )


def report(solids: Sequence[Solid], model: str, n_measured: int, n_wrong: int) -> str:
    """Markdown: what was found, means over parts of the solids, and every one of them."""
    groups = {
        "all": solids,
        "stable in DFT": [one for one in solids if one.imaginary <= IMAGINARY],
        "hydrogen-free": [one for one in solids if "H" not in symbols(one.formula)],
        "composition not in training": [one for one in solids if one.part == "test"],
        "structure not in training": [one for one in solids if one.part != "train"],
    }
    lines = [
        f"# C_v at 298 K against measured C_p: {model}\n",
        f"{n_measured} compositions have a measured C_p ({n_wrong} entries were left out, because "
        f"their formula has too few atoms for their value); {len(solids)} have a crystal in the "
        "data, of several polymorphs that with the lowest energy. C_p − C_v is not included.\n",
        "Deviations from the measured values; model against DFT in J/(K mol-atom):\n",
        "| solids | n | DFT: mean absolute | DFT: mean | model: mean absolute | model: mean | "
        "model − DFT: mean absolute |",
        "|---|---|---|---|---|---|---|",
        *(summary(name, group) for name, group in groups.items() if group),
        "\n| solid | crystal | part | measured | DFT | model | ± σ | DFT | model |",
        "|---|---|---|---|---|---|---|---|---|",
        *(row(one) for one in solids),
        "\nJ/(K mol-atom); parts of the data that the model was made with: train, val, test "
        "(composition kept out of training); * more than 1 % imaginary modes in DFT.\n",
    ]
    return "\n".join(lines)


def symbols(formula: str) -> set[str]:
    """The elements of a formula."""
    return set("".join(c if c.isalpha() else " " for c in spaced(formula)).split())


def spaced(formula: str) -> str:
    """A formula with a space before each element."""
    return "".join(f" {c}" if c.isupper() else c for c in formula)


def summary(name: str, solids: Sequence[Solid]) -> str:
    """One line of means over some solids."""
    c_p, dft, model = (
        np.array([getattr(one, key) for one in solids])
        for key in ("measured", "computed", "predicted")
    )
    cells = [
        f"{100 * f(values / c_p - 1):{sign}.1f} %"
        for values in (dft, model)
        for f, sign in ((lambda x: np.abs(x).mean(), ""), (np.mean, "+"))
    ]
    return f"| {name} | {len(solids)} | {' | '.join(cells)} | {np.abs(model - dft).mean():.2f} |"


def row(one: Solid) -> str:
    """One line of the table."""
    star = "*" if one.imaginary > IMAGINARY else ""
    deviation = [
        f"{100 * (value / one.measured - 1):+.1f} %" for value in (one.computed, one.predicted)
    ]
    sigma = "–" if one.sigma is None else f"{one.sigma:.2f}"
    values = f"{one.measured:.2f} | {one.computed:.2f} | {one.predicted:.2f} | {sigma}"
    return (
        f"| {one.formula}{star} | {one.crystal} | {one.part} | {values} | {' | '.join(deviation)} |"
    )


def drawn(solids: Sequence[Solid]) -> Any:
    """Measured, computed and predicted values."""
    measured, computed, predicted = (
        np.array([getattr(one, key) for one in solids])
        for key in ("measured", "computed", "predicted")
    )
    names = [one.formula for one in solids]
    return measured_parity(names, measured, predicted, computed).figure


def parsed() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="a model file, or a model of the package: phonon-dos")
    parser.add_argument("data", nargs="?", type=Path, default=DATA, help="folder of spectra")
    parser.add_argument("--output", type=Path, default=Path("figures"), help="folder to write to")
    parser.add_argument("--device", default="cpu", help="where to compute: cpu or cuda")
    return parser.parse_args()


if __name__ == "__main__":
    main()
