"""What a run has made, as plain values, and where a model comes from."""

import json
from pathlib import Path

from euclidium.train.metrics import Metrics, Row
from euclidium.train.parts import read_parts
from euclidium.train.result import Result, provenance


def test_a_result_as_plain_values():
    metrics = Metrics((Row("energy", None, "meV/atom", 1.0, 2.0, 3),))
    result = Result(
        output=Path("run"),
        model_path=Path("run/model.euclidium"),
        metrics={"test": metrics},
        history=({"epoch": 1, "step": 2},),
        epochs=1,
        best_epoch=1,
        stopped="epochs",
        seconds=0.12345,
        parameters=99,
    )
    values = json.loads(json.dumps(result.as_dict()))
    assert values["test"]["energy"] == {"unit": "meV/atom", "mae": 1.0, "rmse": 2.0, "count": 3}
    assert (values["epochs"], values["seconds"], values["parameters"]) == (1, 0.123, 99)


def test_provenance_names_files_and_no_folders(make_config, tmp_path):
    config = make_config("data.test=2")
    found = provenance(config, read_parts(config))
    text = json.dumps(found)
    assert str(tmp_path) not in text
    assert str(Path(config.data.train).parent) not in text
    assert found["settings"]["data"]["train"] == "argon.xyz"
    assert found["settings"]["optimizer"]["learning_rate"] == 0.005
    assert found["structures"] == {"train": 9, "validation": 1, "test": 2}
    assert found["versions"].keys() == {"euclidium", "torch", "python"}
