"""Whether the error of a predicted density grows with the size of a cluster.

    python benchmarks/density_size.py --model water-density

gives each point of space to the molecule of the nearest atom, and so each molecule of the embedded
test clusters of 5 to 30 its own ε = 100 ∫|Δρ|/N. A molecule of a large cluster has more neighbours
than one of a small cluster, and more neighbours change it more; so errors are compared at equal
numbers of neighbours (oxygen atoms within 3.6 Å), and the slope with size is fitted together with
that with neighbours, ε = a + b neighbours + c size, with an interval by the bootstrap over
clusters. Those of 7 and more molecules were made in one way.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import cKDTree

from euclidium.analyze import becke_grid, density_at
from euclidium.atoms import Density, DensityRecord, embedded_densities
from euclidium.cli.model import find_model
from euclidium.models import DensityModel, load
from harness import write_json

SHELL = 3.6  # Å, of the first neighbours of an oxygen atom
ATOMS, ELECTRONS = 3, 10  # of a molecule
SAMPLES = 2000


@dataclass(frozen=True)
class Molecule:
    """One molecule of a cluster: ε in percent of its electrons, and how many are near it."""

    cluster: str
    size: int
    neighbours: int
    epsilon: float


def main() -> None:
    """Predict, share out, print."""
    arguments = parsed()
    torch.set_num_threads(arguments.threads)
    model: DensityModel = load(find_model(arguments.model))
    parts = {
        part: [m for r in embedded_densities("water", part) for m in molecules_of(model, r)]
        for part in ("test", "medium-test", "large")
    }
    everything = [molecule for part in parts.values() for molecule in part]
    print(table(everything))
    for title, found in (
        ("5 to 30 molecules", everything),
        ("7 to 30 molecules, made alike", parts["medium-test"] + parts["large"]),
        ("10 to 30 molecules", parts["large"]),
    ):
        for names in (("size",), ("neighbours", "size")):
            print(f"{title}: {slopes_of(found, names)}")
    if arguments.json:
        write_json(arguments.json, [asdict(molecule) for molecule in everything])


def slopes_of(found: Sequence[Molecule], names: Sequence[str]) -> str:
    """The slopes of ε in words, with intervals of 95 %."""
    unit = {"neighbours": "neighbour", "size": "10 molecules"}
    rows = zip(names, *fitted(found, names), strict=True)
    return ", ".join(f"{x:+.4f} % for each {unit[n]} ({a:+.4f} to {b:+.4f})" for n, x, a, b in rows)


def molecules_of(model: DensityModel, record: DensityRecord) -> list[Molecule]:
    """The molecules of a cluster; its atoms are O H H of one after the other."""
    label = record.density
    structure = label.structure
    predicted = next(model.predict([structure]))
    off = Density(structure, label.basis, predicted.coefficients - label.coefficients)
    grid = becke_grid(structure, 2)
    errors = grid.weights * np.abs(density_at(off, grid.points))
    owners = cKDTree(structure.positions).query(grid.points)[1] // ATOMS
    size = structure.n_atoms // ATOMS
    epsilons = 100 / ELECTRONS * np.bincount(owners, errors, size)
    oxygen = structure.positions[::ATOMS]
    near = cKDTree(oxygen).query_ball_point(oxygen, SHELL, return_length=True) - 1
    return [
        Molecule(record.name, size, int(n), float(e)) for n, e in zip(near, epsilons, strict=True)
    ]


def table(found: Sequence[Molecule]) -> str:
    """Means and standard errors by number of neighbours, in clusters of several sizes."""
    ranges = ((5, 6), (7, 12), (13, 30))
    lines = ["neighbours" + "".join(f"{f'{a} to {b} molecules':>24}" for a, b in ranges)]
    for n in sorted({molecule.neighbours for molecule in found}):
        line = f"{n:10}"
        for a, b in ranges:
            own = [m.epsilon for m in found if m.neighbours == n and a <= m.size <= b]
            text = "–"
            if len(own) > 1:
                error = np.std(own, ddof=1) / np.sqrt(len(own))
                text = f"{np.mean(own):.3f} ± {error:.3f} ({len(own)})"
            line += f"{text:>24}"
        lines.append(line)
    return "\n".join(lines)


def fitted(
    found: Sequence[Molecule], names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slopes of ε by least squares, and the ends of their intervals; the size counts in tens."""
    columns = {"neighbours": [m.neighbours for m in found], "size": [m.size / 10 for m in found]}
    inputs = np.column_stack([np.ones(len(found)), *(columns[name] for name in names)])
    errors = np.array([m.epsilon for m in found])
    clusters = sorted({m.cluster for m in found})
    rows = [[n for n, m in enumerate(found) if m.cluster == name] for name in clusters]

    def slopes(chosen: np.ndarray) -> np.ndarray:
        return np.linalg.lstsq(inputs[chosen], errors[chosen], rcond=None)[0][1:]

    generator = np.random.default_rng(0)
    drawn = [
        slopes(np.concatenate([rows[n] for n in generator.integers(len(rows), size=len(rows))]))
        for _ in range(SAMPLES)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    return slopes(np.arange(len(found))), low, high


def parsed() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="water-density")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
