"""Train on the embedded densities of crystals, and measure what the model has wrong on others.

    python benchmarks/crystal_density.py

trains for some minutes into ``runs`` (resumable), predicts the strained and rattled test cells, and
compares with the densities of the calculation on their grids, not with the fits to them. Beside
the model stands the floor, which is what the fitted labels have wrong, and the spherical atoms it
begins with. ``--part validation`` measures other cells, to choose a configuration by; the test is
for what was chosen. With ``--degrees`` it also fits the three crystals of the first test cells with
Gaussians up to each degree, and prints the floor of each.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from euclidium.analyze import fit_volume, volume_error
from euclidium.atoms import Density, DensityRecord, Volume, embedded_densities, even_tempered
from euclidium.atoms.embedded import embedded_file
from euclidium.models import DensityModel, load
from harness import write_json
from trainings import finished

HERE = Path(__file__).parent
NAME = "crystal-density"
GRIDS = {"validation": "validation-grids.npz", "test": "grids.npz"}
SHOWN = ("Al", "Si", "NaCl")  # whose floor is printed for each degree
SERIES = (0.12, 2.0, 6)  # smallest exponent in 1/bohr², ratio, number of each degree


def main() -> None:
    """Train, measure, print."""
    arguments = parsed()
    torch.set_num_threads(arguments.threads)
    records = embedded_densities("crystals", arguments.part)
    if arguments.degrees:
        show_degrees(records, arguments.part)
    run = finished(arguments.runs / NAME, NAME, arguments.set)
    model: DensityModel = load(run / "model.euclidium")
    rows = errors(model, records, arguments.part)
    seconds = json.loads((run / "metrics.json").read_text())["seconds"]
    show(rows, seconds)
    if arguments.json:
        write_json(arguments.json, {"seconds": seconds, "errors": rows})


def volume(record: DensityRecord, part: str) -> Volume:
    """The density that the calculation of a record found."""
    structure = record.density.structure
    with np.load(embedded_file("crystals", GRIDS[part])) as grids:
        values = grids[record.name].astype(float)
    return Volume(structure, values, structure.cell, np.zeros(3))


def errors(
    model: DensityModel, records: Sequence[DensityRecord], part: str = "test"
) -> dict[str, dict[str, float]]:
    """Means of what is wrong in the cells of each crystal, in percent of the electrons."""
    found = defaultdict(list)
    predictions = model.predict(record.density.structure for record in records)
    for record, prediction in zip(records, predictions, strict=True):
        structure, basis = record.density.structure, record.density.basis
        known = volume(record, part)
        atoms = volume_error(Density.superposition(structure, basis), known)
        label = volume_error(record.density, known)
        row = (volume_error(prediction, known), label, atoms)
        size = "4 atoms" if structure.n_atoms > 2 else "2 atoms"
        for group in (record.name.partition("-")[0], size, "all"):
            found[group].append(row)
    means = {group: np.mean(rows, axis=0).tolist() for group, rows in found.items()}
    return {
        group: dict(zip(("model", "floor", "atoms"), row, strict=True), n=len(found[group]))
        for group, row in means.items()
    }


def show(rows: dict[str, dict[str, float]], seconds: float) -> None:
    """Print the table."""
    print(f"trained for {seconds:.0f} s; percent of the electrons, against the calculation")
    print(f"{'':8}{'n':>4}{'model':>9}{'floor':>9}{'ratio':>8}{'spherical atoms':>18}")
    for group, row in sorted(
        rows.items(), key=lambda item: item[0] in ("2 atoms", "4 atoms", "all")
    ):
        print(
            f"{group:8}{row['n']:4d}{row['model']:9.3f}{row['floor']:9.3f}"
            f"{row['model'] / row['floor']:8.2f}{row['atoms']:18.2f}"
        )


def show_degrees(records: Sequence[DensityRecord], part: str) -> None:
    """Print the floor of some crystals, for Gaussians up to each degree."""
    smallest, ratio, count = SERIES
    for name in SHOWN:
        record = next(r for r in records if r.name.startswith(f"{name}-"))
        elements = np.unique(record.density.structure.species).tolist()
        floors = [
            fit_volume(
                volume(record, part),
                even_tempered(elements, smallest, ratio, [count] * n),
                ridge=1e-12,
            ).fit_error
            for n in range(1, 6)
        ]
        print(f"{name:5} l ≤ 0 … 4:", *(f"{floor:7.2f} %" for floor in floors))


def parsed() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--part", choices=GRIDS, default="test", help="cells to measure")
    parser.add_argument("--degrees", action="store_true", help="also the floor by degree")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE of the configuration")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
