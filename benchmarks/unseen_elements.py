"""How well spectra are predicted of crystals with an element that was never seen in training.

    python benchmarks/unseen_elements.py --data ../shared/data/phonons

For each of ten elements in turn all crystals that contain it are left out, and a small network (32
channels, two layers, a few epochs) is trained on the rest; its heat capacities of the stable ones
among the crystals that were left out are printed, and written to ``runs/unseen/table.json``. The
shipped model is larger and was trained for longer.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from euclidium.atoms.elements import atomic_number
from euclidium.models import load
from euclidium.train import load_config
from euclidium.train.engine import quiet, run
from euclidium.train.parts import Part, Parts
from euclidium.train.spectrum import Integrals
from euclidium.train.spectrum_parts import read_spectra

HERE = Path(__file__).parent
# of every part of the periodic table, with some hundred crystals each
ELEMENTS = ("Li", "Mg", "Al", "Sr", "Ti", "Cu", "Zn", "Sb", "Se", "Br")
SETTINGS = ("model.network.channels=32", "model.network.layers=2", "logging.tensorboard=false")
STABLE = 0.01  # share of imaginary modes


def main() -> None:
    """Train and measure for each element."""
    arguments = parsed()
    folder = (arguments.runs / "unseen").absolute()
    settings = [
        f"data={arguments.data.absolute()}",
        f"training.epochs={arguments.epochs}",
        *SETTINGS,
    ]
    config = load_config(HERE / "configs" / "phonon-dos.yaml", settings)
    parts = read_spectra(config)
    table = {}
    for element in arguments.elements:
        output = str(folder / element)
        with quiet():
            run(config.model_copy(update={"output": output}), without(parts, element))
        table[element] = measured(load(Path(output) / "model.euclidium"), parts, element)
        print(f"{element:3} {table[element]}", flush=True)
    (folder / "table.json").write_text(json.dumps(table, indent=2))


def has(part: Part, n: int, element: str) -> bool:
    """Whether a graph has an element."""
    return bool((part[n].species == atomic_number(element)).any())


def without(parts: Parts, element: str) -> Parts:
    """The parts without crystals that have an element; no test."""

    def rest(part: Part) -> Part:
        return Part(part.graphs, [n for n in range(len(part)) if not has(part, n, element)])

    nothing = Part(parts.test.graphs, [])
    return replace(parts, train=rest(parts.train), validation=rest(parts.validation), test=nothing)


@torch.no_grad()
def measured(model, parts: Parts, element: str) -> dict[str, float]:
    """Errors of C_v at 300 K on the stable crystals of all parts that have the element."""
    own = Integrals.on(model.edges.numpy(), model.config.broadening)
    pairs = []
    for part in (parts.train, parts.validation, parts.test):
        for n in range(len(part)):
            graph = part[n]
            if has(part, n, element) and float(graph.labels["imaginary"]) < STABLE:
                found = model(graph).total.double() @ own.heat
                pairs.append((float(found), float(graph.labels["heat_capacity"])))
    found, wanted = np.array(pairs).T
    error = np.abs(found - wanted)
    return {
        "n": len(pairs),
        "cv300_mae": round(float(error.mean()), 4),
        "cv300_percent": round(float(100 * (error / wanted).mean()), 3),
    }


def parsed() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/phonons"))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--elements", nargs="+", default=list(ELEMENTS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
