"""Runs: what they write, how they end, and that a killed one goes on to the same bytes."""

import csv
import itertools
import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from euclidium.atoms.reader import read
from euclidium.models.storage import describe, load
from euclidium.train.config import ConfigError, load_config
from euclidium.train.folder import RunError
from euclidium.train.potential import evaluate
from euclidium.train.run import read_data, train
from euclidium.train.state import TrainingError

RUN = """
import sys
from euclidium.train.config import load_config
from euclidium.train.run import train

config = load_config(sys.argv[2], sys.argv[3:])
train(config, resume=sys.argv[1] == "resume", progress=lambda p: print(p.step, flush=True))
"""


def table(folder: Path) -> list[dict[str, str]]:
    """The rows of metrics.csv, without the clock."""
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def test_a_run_writes_its_files(make_config):
    result = train(make_config("data.test=2", "logging.tensorboard=true"))
    names = {path.name for path in result.output.iterdir()}
    assert names == {
        "config.yaml",
        "events",
        "last.ckpt",
        "metrics.csv",
        "metrics.json",
        "model.euclidium",
        "splits.json",
    }
    rows = table(result.output)
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [row["step"] for row in rows] == ["3", "6", "9"]
    assert float(rows[0]["learning_rate"]) == 0.005
    assert (result.epochs, result.stopped) == (3, "epochs")
    assert json.loads((result.output / "metrics.json").read_text()) == result.as_dict()
    assert load_config(result.output / "config.yaml").output == str(result.output)


def test_training_learns(make_config):
    result = train(make_config("training.epochs=6", "optimizer.learning_rate=0.01"))
    losses = [row["validation_loss"] for row in result.history]
    assert losses[-1] < 0.5 * losses[0]
    assert result.history[result.best_epoch - 1]["validation_loss"] == min(losses)


def test_the_file_holds_the_best_model_and_its_errors(make_config, crystals):
    config = make_config("data.test=2")
    result = train(config)
    model, header = load(result.model_path), describe(result.model_path)
    assert header["metrics"] == {k: v.as_dict() for k, v in result.metrics.items()}
    assert header["provenance"]["structures"] == {"train": 9, "validation": 1, "test": 2}
    assert header["provenance"]["files"]["train"].startswith("argon.xyz sha256:")
    assert str(result.output) not in json.dumps(header)
    indices = json.loads((result.output / "splits.json").read_text())["test"]
    structures = list(read(crystals))
    errors = evaluate(model, [structures[n] for n in indices])
    for name in ("energy", "forces", "stress"):
        assert errors[name].rmse == pytest.approx(result.metrics["test"][name].rmse, rel=1e-4)


def test_the_row_of_the_best_epoch_is_that_of_the_model(make_config):
    """The errors while training are those of the averaged weights, which are the ones written."""
    result = train(make_config("model.dtype=float64"))
    row = result.history[result.best_epoch - 1]
    found = result.metrics["validation"]
    assert row["validation_forces_rmse"] == pytest.approx(found["forces"].rmse, rel=1e-9)
    assert row["validation_energy_mae"] == pytest.approx(found["energy"].mae, rel=1e-6)


def test_the_same_run_gives_the_same_file(make_config):
    one, two = (train(make_config("training.epochs=1", output=name)) for name in ("one", "two"))
    assert one.model_path.read_bytes() == two.model_path.read_bytes()
    other = train(make_config("training.epochs=1", "seed=1", output="three"))
    assert one.model_path.read_bytes() != other.model_path.read_bytes()


def killed(mode: str, arguments: list[str], steps: int, wait: float) -> None:
    """Begin or resume a run in a process of its own, and kill it some time after some steps."""
    command = [sys.executable, "-c", RUN, mode, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for _ in range(steps):
            assert process.stdout.readline(), "the run ended before it could be killed"
        time.sleep(wait)
        process.kill()
    assert process.returncode == -signal.SIGKILL


def test_a_killed_run_resumes_to_the_same_bytes(make_config, tmp_path):
    """SIGKILL in the middle of an epoch, at random moments of a step; float32, same threads.

    Killed once with a checkpoint after every epoch, and again with one after every step.
    """
    chance = random.Random(0)
    whole = train(make_config("training.epochs=4", output="whole"))
    path = whole.output / "config.yaml"
    config = load_config(path, ["output=killed"])
    # a line for each step, and one for each epoch of 4 steps
    steps, wait = chance.choice([6, 7, 8]), chance.uniform(0, 0.02)
    killed("start", [str(path), "output=killed"], steps, wait)
    often = "training.checkpoint.steps=1"
    killed("resume", [str(path), "output=killed", often], 3, chance.uniform(0, 0.02))
    assert not (Path(config.output) / "metrics.json").exists()
    resumed = train(config, resume=True)
    assert resumed.model_path.read_bytes() == whole.model_path.read_bytes()
    assert table(resumed.output) == table(whole.output)
    final = [torch.load(r.output / "last.ckpt", weights_only=True) for r in (whole, resumed)]
    for name, weights in final[0]["state_dict"].items():
        assert torch.equal(weights, final[1]["state_dict"][name]), name


class Interrupted(Exception):
    """Stands for whatever ends a process."""


def interrupt_at(step: int):
    """A progress function that ends the run after a step."""

    def progress(report):
        if report.step == step and report.row is None:
            raise Interrupted

    return progress


def test_an_interrupted_run_resumes_exactly_from_anywhere(make_config):
    """In the first epoch, at the end of one before its validation, and in the second."""
    settings = ["training.checkpoint.steps=2", "schedule.kind=cosine", "schedule.warmup=3"]
    settings.append("training.epochs=2")
    whole = train(make_config(*settings, output="whole"))
    for step in (1, 4, 5):
        config = make_config(*settings, output=f"interrupted-{step}")
        with pytest.raises(Interrupted):
            train(config, progress=interrupt_at(step))
        resumed = train(config, resume=True)
        assert resumed.model_path.read_bytes() == whole.model_path.read_bytes()
        assert table(resumed.output) == table(whole.output)


def test_an_interrupt_ends_the_run_and_not_the_process(make_config):
    """Lightning would exit, and leave the process deaf to the next Ctrl-C."""

    def progress(report):
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(make_config(), progress=progress)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_finished_run_can_be_resumed_to_more_epochs(make_config):
    whole = train(make_config("training.epochs=3", output="whole"))
    train(make_config("training.epochs=1"))
    more = train(make_config("training.epochs=3"), resume=True)
    assert table(more.output) == table(whole.output)
    again = train(make_config("training.epochs=3"), resume=True)
    assert again.as_dict() == more.as_dict()


def test_what_cannot_be_resumed(make_config, write_crystals):
    with pytest.raises(RunError, match="holds no run to resume"):
        train(make_config(), resume=True)
    data = write_crystals("a.xyz", 5)
    train(make_config("training.epochs=1", data=data))
    with pytest.raises(RunError, match="holds a run already"):
        train(make_config("training.epochs=1", data=data))
    with pytest.raises(RunError, match="another configuration .*seed: 0, now 1"):
        train(make_config("training.epochs=1", "seed=1", data=data), resume=True)
    write_crystals("a.xyz", 6)
    with pytest.raises(RunError, match="train has changed"):
        train(make_config("training.epochs=1", data=data), resume=True)
    train(make_config("training.epochs=1", data=data), overwrite=True)


def test_early_stopping(make_config):
    settings = [
        "optimizer.learning_rate=1e-12",
        "training.early_stopping={patience: 2, min_delta: 1}",
    ]
    result = train(make_config("training.epochs=30", *settings))
    assert (result.epochs, result.stopped) == (3, "patience")


def test_a_plateau_cuts_the_learning_rate(make_config):
    settings = ["schedule={kind: plateau, patience: 0, factor: 0.1}", "training.ema=null"]
    result = train(make_config("training.epochs=6", "optimizer.learning_rate=0.5", *settings))
    losses = [row["validation_loss"] for row in result.history]
    worse = np.cumsum([loss > min(losses[:n], default=np.inf) for n, loss in enumerate(losses)])
    assert worse[-2] > 0
    rates = [row["learning_rate"] for row in result.history]
    assert np.allclose(rates, 0.5 * 0.1 ** np.array([0, *worse[:-1]]))


def test_the_time_is_limited(make_config):
    result = train(make_config("training.max_time=0.01", "training.epochs=1000"))
    assert result.stopped == "time"
    assert len(table(result.output)) == result.epochs == 1
    assert int(table(result.output)[0]["step"]) < 5  # in the middle of an epoch
    assert load(result.model_path).species == (18,)


def test_a_watched_run_is_the_same_and_seen_from_the_start(make_config):
    seen = []

    def watch(training):
        weights = [p.detach().clone() for p in training.model.parameters()]
        seen.append((training.state.step, weights))

    first = train(make_config("training.epochs=2"))
    plain = load(first.model_path).state_dict()
    config = make_config("training.epochs=2")
    second = train(config, overwrite=True, watch=watch, parts=read_data(config))
    watched = load(second.model_path).state_dict()
    assert all(torch.equal(plain[name], watched[name]) for name in plain)
    assert [step for step, _ in seen] == list(range(len(seen)))
    assert len(seen) == 1 + first.history[-1]["step"]
    assert all(not torch.equal(a, b) for a, b in zip(seen[0][1], seen[-1][1], strict=True))


def test_a_limited_run_writes_what_it_learned_from(make_config):
    result = train(make_config("data.limit=4", "training.epochs=1"))
    splits = json.loads((result.output / "splits.json").read_text())
    assert len(splits["train"]) == 4


def test_progress_is_reported(make_config):
    reports = []
    train(make_config("training.epochs=2"), progress=reports.append)
    assert [report.step for report in reports if report.row is None] == list(range(1, 9))
    assert [(report.epoch, report.row["epoch"]) for report in reports if report.row] == [
        (1, 1),
        (2, 2),
    ]
    assert reports[-1].done == 1.0
    assert all(a.done <= b.done for a, b in itertools.pairwise(reports))


@pytest.mark.parametrize(
    "settings",
    [
        ["training.precision=bf16-mixed"],
        ["model.dtype=float64"],
        ["training.ema=null", "training.clip=null", "training.early_stopping=null"],
        ["loss.kind=huber", "optimizer.kind=adamw", "optimizer.weight_decay=0.01"],
        ["data.validation=0", "loss.stress=0"],
        ["data.workers=1", "training.validation_batch_size=1"],
    ],
    ids=lambda settings: settings[0],
)
def test_settings_train(make_config, settings):
    result = train(make_config("training.epochs=1", *settings))
    assert np.isfinite(result.history[-1]["training_loss"])
    dtype = torch.float64 if "model.dtype=float64" in settings else torch.float32
    assert {p.dtype for p in load(result.model_path).parameters()} == {dtype}
    assert ("validation" in result.metrics) == ("data.validation=0" not in settings)


def test_energies_alone(make_config, write_crystals):
    result = train(make_config("training.epochs=1", data=write_crystals("e.xyz", 5, ("energy",))))
    assert [row.quantity for row in result.metrics["validation"].rows] == ["energy"]
    assert "training_loss_forces" not in result.history[0]


def test_stress_is_learned(make_config):
    settings = [
        "loss.energy=0",
        "loss.forces=0",
        "loss.stress=1000",
        "optimizer.learning_rate=0.01",
    ]
    result = train(make_config("training.epochs=5", *settings))
    assert (
        result.history[-1]["validation_stress_rmse"] < result.history[0]["validation_stress_rmse"]
    )
    assert "stress_GPa" in result.metrics["validation"]


def test_a_loss_that_is_not_a_number(make_config):
    sentence = (
        r"training diverged in epoch \d+ at step \d+: the loss is .*; lower "
        r"optimizer.learning_rate \(1e\+30 now\), or look for wrong labels"
    )
    with pytest.raises(TrainingError, match=sentence):
        train(make_config("optimizer.learning_rate=1e30", "training.clip=null"))


def test_devices_that_are_not_there(make_config):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ConfigError, match="training.accelerator, devices or strategy: "):
        train(make_config("training.accelerator=cuda"))


def test_a_run_changes_nothing_global(make_config, capfd):
    def state():
        return {
            "torch": torch.get_rng_state().tolist(),
            "numpy": repr(np.random.get_state()),
            "filters": list(warnings.filters),
            "levels": [logging.getLogger(f"lightning.{n}").level for n in ("pytorch", "fabric")],
            "signals": [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)],
            "environment": dict(os.environ),
            "folder": os.getcwd(),
        }

    train(make_config("training.epochs=1", output="warm"))  # what loading Lightning changes
    before = state()
    capfd.readouterr()
    train(make_config("training.epochs=1"))
    after = state()
    assert [key for key in before if before[key] != after[key]] == []
    assert capfd.readouterr() == ("", "")
