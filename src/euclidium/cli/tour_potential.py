"""The tour's first chapter: train a potential on silicon, and measure its errors."""

import copy
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from euclidium.cli.chapter import Chapter, Finding, Tour, picture
from euclidium.cli.evaluate import parity_figure
from euclidium.cli.files import replacing
from euclidium.cli.train import watching

if TYPE_CHECKING:
    from euclidium.atoms.structure import Structure
    from euclidium.plot.page import Picture, Table
    from euclidium.train.result import Result

# The number of steps is fixed, not the time, so that every tour ends with the same potential.
SETTINGS: dict[str, Any] = {
    "data": {"train": "silicon", "validation": 25},
    "task": "potential",
    "model": {
        "cutoff": 4.5,
        "network": {"kind": "nequip", "channels": 16, "lmax": 2, "layers": 2},
    },
    "loss": {"kind": "huber", "energy": 0.3, "stress": 3.0},
    "optimizer": {"learning_rate": 0.01},
    "schedule": {"kind": "cosine"},
    "training": {"epochs": 60, "early_stopping": None, "accelerator": "cpu"},
    "logging": {"tensorboard": False},
}
QUICK: dict[str, Any] = {"data": {"index": ":60", "validation": 5}, "training": {"epochs": 20}}

# Name in the metrics, what people call it, unit.
QUANTITIES = (
    ("energy", "energy", "meV/atom"),
    ("forces", "force components", "meV/Å"),
    ("stress_GPa", "stress components", "GPa"),
)

TEXT = """
A crystal's atoms move on a landscape: its energy as a function of all their positions. Quantum
mechanics gives one point of this landscape in minutes to days; a neural network that has learned
it does so in milliseconds. This network, a NequIP, writes the energy as a sum over atoms,
E = Σ Eᵢ. Each atom sees its neighbours within {cutoff:g} Å and, through {layers} layers of
messages, theirs. Forces and stress are not separate outputs but derivatives of the energy, so that
energy is conserved by construction. And because all that flows through the network is scalars,
vectors and tensors that turn with the crystal, a rotated crystal gives exactly rotated forces.

The network has {parameters:,} parameters. It learned from {train} small cells of silicon, rattled
and strained, with energies, forces and stresses from density-functional theory. {test} further
cells that it never saw give the errors below.
"""


def potential(tour: Tour) -> Chapter:
    """Train a potential on the embedded silicon data, and measure its errors on the test part."""
    from euclidium.atoms.embedded import embedded
    from euclidium.models.storage import describe, load
    from euclidium.plot.page import Fact, Section

    result = _train(tour)
    test = embedded("silicon", "test")
    header = describe(tour.model)
    errors = result.metrics["test"].as_dict()
    spread = _spread(test)
    size = {**header["provenance"]["structures"], "test": len(test)}
    text = TEXT.format(
        cutoff=header["config"]["cutoff"],
        layers=header["config"]["network"]["layers"],
        parameters=result.parameters,
        **size,
    )
    pictures = [_learning(result), _parity(load(tour.model), test)]
    section = Section("Learning the forces", text, (), pictures, [_table(errors, spread)])
    findings = tuple(
        Finding(f"error of the {label}", errors[key]["mae"], unit)
        for key, label, unit in QUANTITIES
    )
    force = errors["forces"]["mae"]
    share = force / spread["forces"]
    facts = (Fact("force error", f"{force:.0f} meV/Å", f"{share:.1%} of the mean force"),)
    return Chapter("potential", section, _numbers(result, size, spread), findings, facts)


def _train(tour: Tour) -> "Result":
    """Train in a folder that is thrown away, and keep the model."""
    from euclidium.train.run import train
    from euclidium.train.settings import TrainConfig

    settings = copy.deepcopy(SETTINGS)
    for section, values in QUICK.items() if tour.quick else ():
        settings[section].update(values)
    with tempfile.TemporaryDirectory() as folder:
        config = TrainConfig.model_validate({**settings, "output": folder})
        with watching(config.training.epochs) as progress:
            result = train(config, progress=progress)
        with replacing(tour.model) as temporary:
            shutil.copyfile(result.model_path, temporary)
    return result


def _spread(structures: "Sequence[Structure]") -> dict[str, float]:
    """How large the labels are: what a model that knows only their mean would be wrong by."""
    from euclidium.units import GPA, MEV

    energy = np.array([float(s.labels["energy"]) / s.n_atoms for s in structures])
    forces = np.concatenate([s.labels["forces"].ravel() for s in structures])
    stress = np.concatenate([s.labels["stress"].ravel() for s in structures])
    return {
        "energy": float(np.abs(energy - energy.mean()).mean()) / MEV,
        "forces": float(np.abs(forces).mean()) / MEV,
        "stress_GPa": float(np.abs(stress).mean()) / GPA,
    }


def _numbers(
    result: "Result", size: Mapping[str, int], spread: Mapping[str, float]
) -> dict[str, Any]:
    """The chapter for machines."""
    test = result.metrics["test"].as_dict()
    return {
        "structures": dict(size),
        "parameters": result.parameters,
        "epochs": result.epochs,
        "best_epoch": result.best_epoch,
        "steps": result.history[-1]["step"],
        "training_seconds": result.seconds,
        "test": {
            key: {**{k: test[key][k] for k in ("unit", "mae", "rmse")}, "spread": spread[key]}
            for key, *_ in QUANTITIES
        },
    }


def _table(errors: Mapping[str, Any], spread: Mapping[str, float]) -> "Table":
    """Errors on the test structures beside the size of what was to be predicted."""
    from euclidium.plot.page import Table

    rows = [
        (
            label,
            f"{errors[key]['mae']:#.3g}".rstrip("."),
            f"{errors[key]['rmse']:#.3g}".rstrip("."),
            f"{spread[key]:#.3g}".rstrip("."),
            unit,
            f"{errors[key]['mae'] / spread[key]:.1%}",
        )
        for key, label, unit in QUANTITIES
    ]
    return Table(
        ("quantity", "mean error", "RMS error", "mean size", "unit", "error / size"),
        rows,
        "Errors on the test cells against density-functional theory. The mean size is that of the "
        "quantity itself (for the energy, of its deviation from the mean).",
    )


def _learning(result: "Result") -> "Picture":
    """Validation errors against the epoch."""
    from euclidium.plot.curves import learning_curve

    epochs = np.array([row["epoch"] for row in result.history])
    curves = {
        f"{key} ({unit})": np.array([float(row[f"validation_{key}_mae"]) for row in result.history])
        for key, unit in (("forces", "meV/Å"), ("energy", "meV/atom"))
    }
    axes = learning_curve(epochs, curves, "mean error, validation")
    axes.locator_params("x", integer=True)
    return picture(
        axes,
        "Learning. Mean errors on cells kept aside for validation, after each pass over the "
        "training data. The step length falls along a cosine, and the errors with it.",
    )


def _parity(model: Any, test: "Sequence[Structure]") -> "Picture":
    """Predicted against computed energies, forces and stresses."""
    from euclidium.plot.page import Picture

    return Picture(
        parity_figure(model, test, width=3.0),
        "Prediction against calculation, for the test cells. A perfect potential would put every "
        "point on the line. Energies are relative to their mean.",
    )
