"""Make the shipped model ``phonon-dos``: train its members, join them, calibrate, write the card.

    python benchmarks/phonon_dos.py --data ../shared/data/phonons

trains the networks of ``MEMBERS`` with benchmarks/configs/phonon-dos.yaml, each resumable, into
``runs/phonon-dos-<name>``; makes one model of them, with the weights in its curve and the
uncertainties that are best on the validation part; grows the trees that tell of stability with
them; measures it on compositions that nothing of it has seen; and writes the model and its card.
"""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from euclidium.analyze.calibration import calibrate
from euclidium.analyze.spectra import UNSTABLE, SpectrumErrors, evaluate_spectra
from euclidium.atoms import (
    PhononDOS,
    PhononRecord,
    chemical_symbol,
    composition_split,
    read_phonons,
)
from euclidium.models import (
    Spectrum,
    SpectrumResult,
    combine,
    describe_crystal,
    load,
    save,
)
from euclidium.train import grow_trees
from euclidium.train.checkpoint import AtomicCheckpointIO
from trainings import finished

HERE = Path(__file__).parent
WIDE = ["model.network.channels=128", "optimizer.learning_rate=0.0015"]
DROPOUT = "model.feature_dropout=0.1"
LONG = [DROPOUT, "model.softest=false", "training.epochs=100"]
# force constants give the curve of these
FORCES = ["model.lattice=1", "model.feature_dropout=0.05", "loss.lattice=2", "loss.gamma=5"]
# of each member its settings beside those of the configuration; of all the last epoch is taken, not
# the best one
MEMBERS = {
    "lattice": [*WIDE, *FORCES, "training.epochs=43", "seed=6"],
    "lattice-long": [*WIDE, *FORCES, "training.epochs=48", "seed=7"],
    "longest": [*WIDE, *LONG, "seed=3"],
}
QUANTITIES = ("cv300", "mean_frequency", "last_peak", "dos51")
# a model that reports the disagreement itself, from which uncertainties are then made
BARE = {name: (0.0, 1.0) for name in QUANTITIES}
FACTORS = (1.0, 0.85, 0.7, 0.6, 0.5)  # of the widths of waves in the curve
GRID = np.linspace(0.0, 1000.0, 51)


def main() -> None:
    """Train, join, calibrate, measure, write."""
    arguments = parsed()
    names = arguments.members or list(MEMBERS)
    runs = [arguments.runs / f"phonon-dos-{name}" for name in names]
    for name, run in zip(names, runs, strict=True):
        finished(run, "phonon-dos", [f"data={arguments.data.absolute()}", *MEMBERS[name]])
    records = read_phonons(arguments.data)
    parts = {name: [records[n] for n in own] for name, own in composition_split(records).items()}
    members = [trained(run) for run in runs]
    for member in members:
        sharpen(member, parts["val"])
    weights = curve_weights(combine(members), parts["val"])
    print("weights in the curve:", dict(zip(names, weights, strict=True)))
    model = calibrated(combine(members, weights), parts["val"])
    plant(model, parts)
    told = stability(model, parts["test"])
    errors = {name: measured(model, parts[name]) for name in ("val", "test")}
    provenance = {
        "data": "phonondb (A. Togo, 2018-04-17), CC BY 4.0",
        "structures": {name: len(own) for name, own in parts.items()},
        "test": "compositions by hash, one in twenty, not seen in training",
        "trees": "of the training part, grown by scikit-learn; weighed on the validation part",
    }
    metrics = {name: found.as_dict() for name, found in errors.items()}
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    save(model, arguments.output, plain(metrics), provenance, half=True)
    card = arguments.output.with_suffix(".md")
    card.write_text(written(model, errors, told, parts, arguments.output.stat().st_size))
    print(json.dumps({name: brief(found) for name, found in errors.items()}, indent=2))


def trained(run: Path) -> Spectrum:
    """The model of the last epoch of a run.

    The loss on the validation part, by which the best epoch is chosen, is ruled by the last peak,
    which large networks soon learn by heart, while curves get better to the end.
    """
    model: Spectrum = load(run / "model.euclidium")
    state = AtomicCheckpointIO().load_checkpoint(run / "last.ckpt")["state_dict"]
    average = {key: value for key, value in state.items() if key.startswith("average.")}
    model.load_state_dict({k.removeprefix("average."): v for k, v in average.items()})
    return model


def sharpen(model: Spectrum, records: Sequence[PhononRecord]) -> None:
    """Scale the widths of the waves in the curve so that its error on some records is smallest.

    Training takes a few waves at a time, which make noise that wide Gaussians smooth; with all
    waves of the mesh narrower ones are better.
    """
    for member in model.members:
        if member.lattice is None:
            continue
        bias = member.lattice.widths[-1].bias
        begin, share, member.share = bias.detach().clone(), member.share, 1.0
        errors = {}
        for factor in FACTORS:
            bias.data = begin + math.log(factor)
            errors[factor] = measured(model, records).dos51_mae
        best = min(errors, key=lambda factor: errors[factor])
        bias.data, member.share = begin + math.log(best), share
        print(f"widths of waves times {best:g}: {errors}")


def curve_weights(model: Spectrum, records: Sequence[PhononRecord]) -> list[float]:
    """The weights of a model's members, in tenths, whose curve has the least error on some records.

    Numbers (stability, last peak) are averages of all members alike.
    """
    results = list(model.predict(record.structure for record in records))
    curves = np.stack([member_curves(result, model.config.broadening) for result in results], 1)
    wanted = np.stack([record.dos51 / max(record.dos51.max(), 1e-9) for record in records])
    errors = {}
    for tenths in product(range(11), repeat=len(curves)):
        if sum(tenths) == 10:
            curve = np.tensordot(tenths, curves, axes=1)
            away = curve / curve.max(axis=1, keepdims=True) - wanted
            errors[tenths] = float(np.abs(away).mean())
    return [n / 10 for n in min(errors, key=lambda tenths: errors[tenths])]


def member_curves(result: SpectrumResult, broadening: float) -> np.ndarray:
    """The curves of the single networks on the grid of the paper."""
    assert result.members is not None
    curves = [PhononDOS(result.dos.edges, one, broadening=broadening) for one in result.members]
    return np.stack([curve.at(GRID) for curve in curves])


def plant(model: Spectrum, parts: Mapping[str, Sequence[PhononRecord]]) -> None:
    """Trees of the training part in the model, with weights by logistic regression on validation.

    They are grown of the description of the whole crystals, which the networks do not see.
    """
    described = {
        name: np.stack([describe_crystal(r.structure, model.config.symmetry) for r in parts[name]])
        for name in ("train", "val")
    }
    unstable = {
        name: np.array([record.imaginary > UNSTABLE for record in parts[name]])
        for name in described
    }
    trees = grow_trees(described["train"], unstable["train"]).half()  # as the file keeps them
    results = model.predict(record.structure for record in parts["val"])
    of_networks = torch.logit(torch.tensor([result.unstable for result in results]), eps=1e-6)
    of_trees = trees.float()(torch.from_numpy(described["val"]))
    fitted = LogisticRegression(C=np.inf).fit(
        torch.stack([of_networks, of_trees], dim=1).numpy(), unstable["val"]
    )
    weights = [*fitted.coef_[0].tolist(), float(fitted.intercept_[0])]
    print("log-odds of networks and of trees, and a constant:", weights)
    model.set_trees(trees, (weights[0], weights[1], weights[2]))


def stability(model: Spectrum, records: Sequence[PhononRecord]) -> dict[str, float | None]:
    """How well networks alone, trees alone and both tell unstable crystals: areas below the ROC."""
    assert model.trees is not None
    both = model.config.stability
    found = {}
    weights = {"networks": (1.0, 0.0, 0.0), "trees": (0.0, 1.0, 0.0), "both": both}
    for name, weight in weights.items():
        model.set_trees(model.trees, weight)
        found[name] = measured(model, records).stability_auroc
    return found


def calibrated(model: Spectrum, records: Sequence[PhononRecord]) -> Spectrum:
    """The model with uncertainties that hold on some records."""
    model.config = model.config.model_copy(update={"uncertainty": BARE})
    results = list(model.predict(record.structure for record in records))
    errors = {
        "cv300": [
            float(r.dos.heat_capacity(300.0)) - d.heat_capacity
            for r, d in zip(results, records, strict=True)
        ],
        "mean_frequency": [
            r.dos.mean_frequency - d.mean_frequency for r, d in zip(results, records, strict=True)
        ],
        "last_peak": [r.last_peak - d.last_peak for r, d in zip(results, records, strict=True)],
        "dos51": [curve_error(r, d) for r, d in zip(results, records, strict=True)],
    }
    found = {
        name: calibrate(np.array([r.uncertainty[name] for r in results]), np.array(errors[name]))
        for name in QUANTITIES
    }
    model.config = model.config.model_copy(update={"uncertainty": found})
    return model


def curve_error(result: SpectrumResult, record: PhononRecord) -> float:
    """Root mean square error of the curve that is scaled to its maximum."""
    curve = result.dos.at(GRID)
    away = curve / curve.max() - record.dos51 / max(record.dos51.max(), 1e-9)
    return float(np.sqrt(np.square(away).mean()))


def measured(model: Spectrum, records: Sequence[PhononRecord]) -> SpectrumErrors:
    """The errors on some records."""
    return evaluate_spectra(model.predict(record.structure for record in records), records)


def brief(errors: SpectrumErrors) -> dict[str, float]:
    """The measures that are single numbers."""
    return {k: v for k, v in plain(errors.as_dict()).items() if isinstance(v, int | float)}


CARD = """# phonon-dos

Phonon densities of states of crystals, straight from their atoms: an ensemble of {members} networks
(neighbours within {cutoff:g} Å, {layers} layers, l ≤ {lmax}, {channels} channels; {parameters:,}
parameters), with weights in the curve of {weights}. Whether a crystal is stable is told by {trees}
decision trees as well, from 74 numbers of its sites, size and symmetry. Made by
`benchmarks/phonon_dos.py`, {size:.1f} MB.

**Use** for heat capacities, entropies, mean frequencies, last peaks and the shape of the spectrum
of inorganic crystals near their relaxed structure, and to rank many of them. **Do not use** it for
structures far from a minimum of their energy, molecules, surfaces, phase transitions, crystals
under high pressure, single modes or band structures, or as the only evidence that a crystal is
stable.
Elements that the training data lack ({missing}, and all beyond Pu) are guessed from their
properties.

**Data**: phonondb of A. Togo (Kyoto, 2018-04-17), finite displacements with PBEsol, CC BY 4.0;
taken from WMD-group/phononDB; {train:,} crystals to train on, {val} to validate, {test} to test.
The test are all crystals of one composition in twenty, chosen by a hash; no network has seen them.
Training leaves out crystals with frequencies below 500i cm⁻¹ or above the grid of the model; the
trees know all.

**Licence** of the weights: CC BY 4.0, as the data.

## Errors on the test

Curves at 0, 20, … 1000 cm⁻¹ divided by their maximum; C_v at 300 K in J/(K mol) for a mole of
atoms; frequencies in cm⁻¹. Stable: less than 1 % of the modes imaginary.

{overall}

Quartiles of the mean square error of a curve: {quartiles}. Unstable crystals found, area below the
ROC curve: {told}.
The validation part has chosen the weights of all this, and is no test.

### By crystal system

{systems}

### By element (crystals that contain it)

{elements}

## Uncertainties

σ = a + b · (spread of the members), fitted to the validation part. On the test, errors within one
and two σ (68 and 95 % for Gaussian errors):

{calibration}
"""
COLUMNS = ("dos51_mae", "dos51_mse", "cv300_mae", "mean_freq_mae", "last_peak_mae")


def written(
    model: Spectrum,
    errors: dict[str, SpectrumErrors],
    told: Mapping[str, float | None],
    parts: dict[str, list[PhononRecord]],
    size: int,
) -> str:
    """The card of the model."""
    network, test = model.config.network, errors["test"]
    networks = model.config.networks or (network,)
    channels = sorted({one.channels for one in networks})
    whole = {**brief(test), "n": test.n}
    overall = {"test": whole, "test, stable": test.stable, "validation": brief(errors["val"])}
    return CARD.format(
        members=len(model.members),
        cutoff=model.cutoff,
        layers=network.layers,
        lmax=network.lmax,
        channels=" and ".join(str(n) for n in channels),
        parameters=sum(p.numel() for p in model.parameters()),
        size=size / 1e6,
        weights=", ".join(f"{weight:g}" for weight in model.config.weights),
        trees=0 if model.trees is None else len(model.trees.roots),
        **{name: len(own) for name, own in parts.items()},
        missing=", ".join(unseen(parts["train"])),
        overall=markdown("part", overall, ("stability_auroc",)),
        quartiles=", ".join(f"{value:.4f}" for value in test.quartiles),
        told=", ".join(f"{name} {number(area)}" for name, area in told.items()),
        systems=markdown("system", test.by_crystal_system),
        elements=markdown("element", test.by_element),
        calibration=markdown_calibration(test),
    )


def unseen(records: Sequence[PhononRecord]) -> list[str]:
    """The elements up to plutonium that no record has."""
    seen = {z for record in records for z in record.structure.species.tolist()}
    return [chemical_symbol(z) for z in range(1, 95) if z not in seen]


def markdown(title: str, rows: Mapping[str, Mapping[str, float]], more: tuple = ()) -> str:
    """A table of errors."""
    columns = ("n", *COLUMNS, *more)
    lines = [f"| {title} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, row in rows.items():
        cells = [number(row.get(column)) for column in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def number(value: float | None) -> str:
    """A number of a table: counts whole, others with three digits."""
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.3g}"


def markdown_calibration(errors: SpectrumErrors) -> str:
    """How often errors are within one and two standard deviations."""
    lines = ["| quantity | within 1 σ | within 2 σ |", "|---|---|---|"]
    for name, found in errors.calibration.items():
        lines.append(f"| {name} | {found.within_1_sigma:.0%} | {found.within_2_sigma:.0%} |")
    return "\n".join(lines)


def plain(value: object) -> object:
    """The same without arrays and other types that JSON has not."""
    return json.loads(json.dumps(value, default=lambda v: np.asarray(v).tolist()))


def parsed() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/phonons"))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--members", nargs="+", choices=list(MEMBERS), help="only these")
    default = Path("src/euclidium/data/models/phonon-dos.euclidium")
    parser.add_argument("--output", type=Path, default=default)
    return parser.parse_args()


if __name__ == "__main__":
    main()
