"""What a predicted density saves: energies by one Kohn-Sham step, and cycles of self-consistency.

    python benchmarks/density_scf.py --model water-density --clusters 8

takes embedded water clusters that no model has learned, predicts their densities, and compares, at
the level of theory of the labels (PBE0/def2-SVP), the energy of one step with the self-consistent
one, also with potentials renewed without a grid, and the cycles and seconds from there with those
from PySCF's own guess; beside it the same from the fitted labels and from isolated atoms, and with
``--shares 0.5 0.25`` from labels with so much of the error of the prediction: how good would a
model have to be? ``--method`` takes another functional, for which densities of PBE0 are only near
the right ones. Needs the extra ``density``.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from euclidium.atoms import Density, DensityRecord, embedded_densities
from euclidium.cli.model import find_model
from euclidium.models import load
from euclidium.simulate import one_step, scf_from
from euclidium.units import HARTREE
from harness import write_json

METHOD, ORBITALS = "PBE0", "def2-SVP"  # of the labels


@dataclass(frozen=True)
class Start:
    """A self-consistent calculation from one density."""

    cluster: str
    molecules: int
    density: str
    step_error: float  # mHa for each molecule
    renewed_error: float  # before the first cycle
    cycles: int
    seconds: float
    default_cycles: int
    default_seconds: float


def main() -> None:
    """Predict, compute, print."""
    arguments = parsed()
    torch.set_num_threads(arguments.threads)
    model = load(find_model(arguments.model))
    found: list[Start] = []
    for record in chosen(arguments.clusters):
        structure = record.density.structure
        predicted = next(model.predict([structure]))
        densities = {
            "predicted": predicted,
            **{f"{s:g} of its error": between(record, predicted, s) for s in arguments.shares},
            "label": record.density,
            "isolated atoms": Density.superposition(structure, record.density.basis),
        }
        molecules = structure.n_atoms // 3
        first = None
        for name, density in densities.items():
            restart = scf_from(density, arguments.method, ORBITALS, compare=first is None)
            first = restart if first is None else first
            assert first.default_cycles is not None
            assert first.default_seconds is not None
            step = one_step(density, arguments.method, ORBITALS)
            energies = np.array([step.energy, restart.step_energy]) - restart.energy
            errors = (energies / HARTREE * 1000 / molecules).tolist()
            own = (restart.cycles, restart.seconds)
            default = (first.default_cycles, first.default_seconds)
            found.append(Start(record.name, molecules, name, *errors, *own, *default))
            print(written(found[-1]), flush=True)
    for name in densities:
        print(summary(name, [start for start in found if start.density == name]))
    if arguments.json:
        write_json(arguments.json, [asdict(start) for start in found])


def between(record: DensityRecord, predicted: Density, share: float) -> Density:
    """The label with a share of the error of a prediction."""
    label = record.density.coefficients
    return replace(record.density, coefficients=label + share * (predicted.coefficients - label))


def chosen(n: int) -> list[DensityRecord]:
    """Test clusters of five and six molecules in turns."""
    records = embedded_densities("water", "test")
    half = len(records) // 2  # eight of each
    return [records[k // 2 + half * (k % 2)] for k in range(n)]


def written(start: Start) -> str:
    """One line."""
    return (
        f"{start.cluster:10} {start.density:17} one step {start.step_error:8.4f}, renewed "
        f"{start.renewed_error:8.4f} mHa a molecule, "
        f"cycles {start.cycles} against {start.default_cycles}, {start.seconds:.1f} s against "
        f"{start.default_seconds:.1f} s"
    )


def summary(name: str, starts: Sequence[Start]) -> str:
    """The mean of all clusters."""
    error = np.mean([abs(start.step_error) for start in starts])
    renewed = np.mean([abs(start.renewed_error) for start in starts])
    saved = 1 - sum(s.cycles for s in starts) / sum(s.default_cycles for s in starts)
    faster = 1 - sum(s.seconds for s in starts) / sum(s.default_seconds for s in starts)
    return (
        f"{name}: one step {error:.4f}, renewed {renewed:.4f} mHa a molecule, "
        f"{saved:.0%} fewer cycles, {faster:.0%} less time"
    )


def parsed() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="water-density")
    parser.add_argument("--clusters", type=int, default=8, choices=range(1, 17), metavar="1..16")
    parser.add_argument("--shares", type=float, nargs="+", default=[])
    parser.add_argument("--method", default=METHOD)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
