import copy

import numpy as np
import pytest

from euclidium.atoms.embedded import embedded
from euclidium.cli.tour_potential import QUANTITIES, QUICK, SETTINGS, _spread
from euclidium.train.settings import TrainConfig


def test_the_settings_are_valid():
    settings = copy.deepcopy(SETTINGS)
    assert TrainConfig.model_validate({**settings, "output": "run"}).data.train == "silicon"
    for section, values in QUICK.items():
        settings[section].update(values)
    quick = TrainConfig.model_validate({**settings, "output": "run"})
    assert quick.training.max_time is None  # a run that ends by the clock ends somewhere else
    assert quick.training.epochs < SETTINGS["training"]["epochs"]


def test_spread_is_the_error_of_knowing_nothing():
    test = embedded("silicon", "test")
    spread = _spread(test)
    assert set(spread) == {key for key, *_ in QUANTITIES}
    forces = np.concatenate([s.labels["forces"] for s in test])
    assert spread["forces"] == pytest.approx(1000 * np.abs(forces).mean())
