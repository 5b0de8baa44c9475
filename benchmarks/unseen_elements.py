"""How well spectra are predicted of crystals with an element that was never seen in training.

    python benchmarks/unseen_elements.py --data ../shared/data/phonons --epochs 6

For each element in turn all crystals that contain it are left out of training, and a new network
is trained on the rest (benchmarks/configs/phonon-dos.yaml with fewer epochs, a few minutes each);
its errors on the crystals that were left out are printed and written to ``runs/unseen/table.json``.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from euclidium.atoms import read_phonons
from euclidium.atoms.elements import atomic_number
from euclidium.models import load
from euclidium.train import load_config, train

HERE = Path(__file__).parent
# of every part of the periodic table, with a hundred crystals or more each
ELEMENTS = ("Li", "Mg", "Al", "Sr", "Ti", "Fe", "Zn", "Sb", "Se", "Br")


def main() -> None:
    """Train and measure for each element."""
    arguments = parsed()
    records = read_phonons(arguments.data)
    table = {}
    for element in arguments.elements:
        run = (arguments.runs / "unseen" / element).absolute()
        if not (run / "metrics.json").exists():
            config = load_config(
                HERE / "configs" / "phonon-dos.yaml",
                [
                    f"data.train={arguments.data.absolute()}",
                    f"data.without=[{element}]",
                    f"output={run}",
                    f"training.epochs={arguments.epochs}",
                    "logging.tensorboard=false",
                ],
            )
            train(config, resume=(run / "last.ckpt").exists())
        number = atomic_number(element)
        own = [r for r in records if number in r.structure.species and r.imaginary < 0.01]
        results = load(run / "model.euclidium").predict(record.structure for record in own)
        found = np.array([float(result.dos.heat_capacity(300.0)) for result in results])
        wanted = np.array([record.heat_capacity for record in own])
        relative = np.abs(found - wanted) / wanted
        table[element] = {
            "n": len(own),
            "cv300_mae": float(np.abs(found - wanted).mean()),
            "cv300_percent": float(100 * relative.mean()),
        }
        print(
            f"{element:3} {len(own):5} crystals: C_v {100 * relative.mean():.2f} % off", flush=True
        )
    target = arguments.runs / "unseen" / "table.json"
    target.write_text(json.dumps(table, indent=2))


def parsed() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/phonons"))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--elements", nargs="+", default=list(ELEMENTS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
