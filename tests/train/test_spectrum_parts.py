"""Phonon spectra in a run: read, divided by composition, trained on and resumed."""

import json

import numpy as np
import pytest
from ase.build import bulk

from euclidium.atoms import PhononDOS, PhononRecord, Structure, write_phonons
from euclidium.models import Spectrum, load
from euclidium.train import ConfigError, load_config, train
from euclidium.train.spectrum_parts import is_sound, read_spectra

METALS = {"Cu": 3.6, "Ag": 4.1, "Au": 4.1, "Al": 4.05, "Ni": 3.5, "Pd": 3.9, "Pt": 3.9, "Pb": 4.95}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A set of metals with spectra of one peak."""
    records = []
    for n, (symbol, a) in enumerate(METALS.items()):
        crystal = Structure.from_ase(bulk(symbol, "fcc", a))
        edges = np.arange(0.0, 401.0, 5.0)
        modes = np.histogram([100.0 + 20 * n], edges)[0] * 3.0
        dos = PhononDOS.of(crystal, edges, modes)
        records.append(PhononRecord.of(symbol, crystal, dos, {symbol: modes}))
    return write_phonons(tmp_path_factory.mktemp("set") / "metals", records)


def configuration(folder, path, **more):
    text = {
        "data": {"train": str(folder), "validation": 2, "test": 0},
        "task": "spectrum",
        "output": str(path / "run"),
        "model": {"network": {"channels": 4, "layers": 1}, "hidden": 8, "grid": [[0, 500, 20]]},
        "logging": {"tensorboard": False},
        **more,
    }
    file = path / "config.yaml"
    file.write_text(json.dumps(text))
    return load_config(file, ["training.epochs=2"])


def test_parts_do_not_overlap(folder, tmp_path):
    parts = read_spectra(configuration(folder, tmp_path))
    assert len(parts.train) == 6
    assert len(parts.validation) == 2
    assert not set(parts.indices["train"]) & set(parts.indices["validation"])
    assert "sha256:" in parts.files["train"]


def test_task_defaults_hold_beside_a_value_that_is_given(folder, tmp_path):
    config = configuration(folder, tmp_path)
    assert (config.training.epochs, config.training.batch_size) == (2, 16)
    assert config.optimizer.kind == "adamw"


def test_a_run_writes_a_model_that_predicts(folder, tmp_path):
    result = train(configuration(folder, tmp_path))
    model = load(result.model_path)
    assert isinstance(model, Spectrum)
    assert next(model.predict([Structure.from_ase(bulk("Cu"))])).dos.modes.sum() == pytest.approx(3)
    assert result.metrics["validation"]["last_peak"].unit == "cm⁻¹"


def test_a_run_goes_on(folder, tmp_path):
    first = train(configuration(folder, tmp_path))
    config = configuration(folder, tmp_path)
    longer = config.model_copy(update={"training": config.training})
    again = train(longer, resume=True)
    assert again.epochs == first.epochs == 2
    assert again.as_dict()["validation"] == first.as_dict()["validation"]


def test_all_for_the_test_leaves_nothing_to_train_on(folder, tmp_path):
    config = configuration(folder, tmp_path)
    data = config.data.model_copy(update={"validation": 8})
    with pytest.raises((ConfigError, ValueError), match="train"):
        read_spectra(config.model_copy(update={"data": data}))


def test_artefacts_are_not_learned_from():
    crystal = Structure.from_ase(bulk("Cu"))
    dos = PhononDOS.of(crystal, np.array([0.0, 100.0]), np.array([3.0]))
    good, low, high = (
        PhononRecord.of("Cu", crystal, dos, info=info)
        for info in ({}, {"wmin": -600.0}, {"wmax": 5000.0})
    )
    assert is_sound(good, 4600.0)
    assert not is_sound(low, 4600.0)
    assert not is_sound(high, 4600.0)
