"""The tour's last chapter: spectra of crystals, straight from their atoms."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from euclidium.cli.chapter import Chapter, Finding, Tour, picture

if TYPE_CHECKING:
    from euclidium.atoms.phonon_record import PhononRecord
    from euclidium.models.spectrum import Spectrum, SpectrumResult
    from euclidium.plot.page import Picture, Table

MODEL = "phonon-dos"
SETTINGS: dict[str, Any] = {
    "task": "spectrum",
    "model": {
        "network": {"channels": 16, "layers": 2, "modulation": True},
        "grid": [[-50, 400, 5]],
        "hidden": 64,
    },
    "training": {"epochs": 30, "batch_size": 8},
    "logging": {"tensorboard": False},
}
QUICK = 3  # epochs
SHOWN = 4  # crystals in a picture
ROOM = 300.0  # K

TEXT = """
There is a shorter way to the phonons of a crystal. Displacing atoms, a potential gives every wave;
but heat capacity, entropy and much else follow from the density of states alone, how many
vibrations there are at each frequency. A network can learn that curve from the crystals whose
phonons are known, and then say it for a new one in milliseconds: every atom, seeing its
surroundings, contributes three modes, and the sum is the curve.

First a network learned {n_train} metals and ordered alloys of a toy potential (EMT), here and now;
below are {n_test} alloys whose compositions it has never seen. Then the model `phonon-dos`, which
comes with the package and has learned thousands of real crystals, predicts {n_real} crystals whose
phonons were computed from first principles for this project, with another functional and program
than its training data. Their heat capacities at 300 K agree to {real:.2f} J/(K mol) for a mole of
atoms, of about 20.
"""


def spectra(tour: Tour) -> Chapter:
    """Train on the spectra of metals, and predict crystals with the model of the package."""
    from euclidium.atoms.embedded import embedded_phonons
    from euclidium.models.shipped import shipped
    from euclidium.models.storage import load
    from euclidium.plot.page import Fact, Section

    metals, crystals = embedded_phonons("emt"), embedded_phonons("dfpt")
    toy, kept = _trained(metals, tour.quick)
    unseen = [metals[n] for n in kept["test"]]
    own = _errors(toy, unseen)
    model: Spectrum = load(shipped(MODEL))
    results = list(model.predict(record.structure for record in crystals))
    real = np.array([float(r.dos.heat_capacity(ROOM)) for r in results])
    wanted = np.array([record.heat_capacity for record in crystals])
    error = float(np.abs(real - wanted).mean())
    numbers = {
        "alloys": {"train": len(kept["train"]), **own},
        "crystals": {"n": len(crystals), "cv300_mae": error},
    }
    text = TEXT.format(
        n_train=len(kept["train"]), n_test=len(unseen), n_real=len(crystals), real=error
    )
    facts = (Fact("spectra, no force needed", f"{error:.2f} J/(K mol)", "error of C_v at 300 K"),)
    pictures = [_alloys(toy, unseen), _crystals(results, crystals)]
    section = Section("Spectra at a glance", text, facts, pictures, [_table(results, crystals)])
    findings = (
        Finding("heat capacity of unseen alloys, mean error", own["cv300_mae"], "J/(K mol)"),
        Finding("heat capacity of crystals, mean error", error, "J/(K mol)"),
    )
    return Chapter("spectra", section, numbers, findings, facts)


def _trained(
    records: "Sequence[PhononRecord]", quick: bool
) -> "tuple[Spectrum, dict[str, list[int]]]":
    """A small network that has learned the metals, and which of them are in which part."""
    import json

    from euclidium.atoms.spectra import write_phonons
    from euclidium.models.storage import load
    from euclidium.train.run import train
    from euclidium.train.settings import SpectrumTrainConfig

    with tempfile.TemporaryDirectory() as folder:
        data = write_phonons(Path(folder, "metals"), records)
        training = {**SETTINGS["training"], **({"epochs": QUICK} if quick else {})}
        settings = {**SETTINGS, "training": training, "data": str(data)}
        config = SpectrumTrainConfig.model_validate({**settings, "output": f"{folder}/run"})
        result = train(config)
        kept = json.loads(Path(folder, "run", "splits.json").read_text())
        return load(result.model_path), kept


def _errors(model: "Spectrum", records: "Sequence[PhononRecord]") -> dict[str, Any]:
    """Mean errors of a model on some records."""
    from euclidium.analyze.spectra import compare

    found = compare(model.predict(record.structure for record in records), records).averages()
    return {name: found[name] for name in ("n", "cv300_mae", "mean_freq_mae", "dos51_mae")}


def _alloys(model: "Spectrum", records: "Sequence[PhononRecord]") -> "Picture":
    """Predicted and computed spectra of alloys."""
    results = list(model.predict(record.structure for record in records))
    return _panels(
        results,
        records,
        400.0,
        f"Metals of the toy potential whose compositions the network has not seen, {SHOWN} at "
        "equal distances in the order of their formulas: predicted (blue) and computed (dashed).",
    )


def _crystals(results: "Sequence[SpectrumResult]", records: "Sequence[PhononRecord]") -> "Picture":
    """Predicted and computed spectra of real crystals."""
    return _panels(
        results,
        records,
        1000.0,
        f"{SHOWN} of the real crystals: `{MODEL}` (blue) and linear response with ABINIT (dashed).",
    )


def _panels(
    results: "Sequence[SpectrumResult]",
    records: "Sequence[PhononRecord]",
    end: float,
    caption: str,
) -> "Picture":
    """Some spectra side by side."""
    from euclidium.analyze.spectra import reduced_formula
    from euclidium.plot.canvas import canvas
    from euclidium.plot.spectra import formula, spectrum

    count = min(SHOWN, len(records))
    order = np.argsort([reduced_formula(record.structure) for record in records], kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, count).round().astype(int)]
    axes = canvas(columns=count, size=(3 * count, 2.8))
    points = np.linspace(0.0, end, 401)
    for axis, n in zip(axes, chosen, strict=True):
        reference = points, records[n].dos.at(points, 8.0)
        spectrum(points, results[n].dos.at(points, 8.0), reference=reference, axes=axis)
        axis.set_title(formula(reduced_formula(records[n].structure)), loc="left")
        if axis is not axes[0]:
            axis.set_ylabel("")
            if (legend := axis.get_legend()) is not None:
                legend.remove()
    return picture(axes[0], caption)


def _table(results: "Sequence[SpectrumResult]", records: "Sequence[PhononRecord]") -> "Table":
    """Heat capacities and frequencies, predicted and computed."""
    from euclidium.analyze.spectra import reduced_formula
    from euclidium.plot.page import Table

    rows = [
        (
            reduced_formula(record.structure),
            f"{float(result.dos.heat_capacity(ROOM)):.2f}",
            f"{record.heat_capacity:.2f}",
            f"{result.dos.mean_frequency:.0f}",
            f"{record.dos.mean_frequency:.0f}",
        )
        for result, record in zip(results, records, strict=True)
    ]
    columns = ("crystal", "C_v predicted", "computed", "mean frequency predicted", "computed")
    caption = "Heat capacity at 300 K, J/(K mol) for a mole of atoms, and mean frequency, cm⁻¹."
    return Table(columns, sorted(rows), caption)
