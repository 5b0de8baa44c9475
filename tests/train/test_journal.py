"""The journal: a table that is always whole, TensorBoard events, and wandb if it is there."""

import csv
import importlib.machinery
import importlib.util
import sys
import types
from pathlib import Path

import pytest

from euclidium.train.config import ConfigError
from euclidium.train.journal import Journal, check_wandb, table
from euclidium.train.settings import LoggingSettings, WandbSettings

ROWS = [{"epoch": n, "step": 10 * n, "training_loss": 1 / n} for n in (1, 2, 3)]


def read_table(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_every_row_stands_once(tmp_path):
    journal = Journal(tmp_path, LoggingSettings(tensorboard=False))
    for n in range(1, 4):
        journal.add(ROWS[:n])
    # a resumed run, which had lost the last epoch
    journal = Journal(tmp_path, LoggingSettings(tensorboard=False), step=20)
    journal.restore(ROWS[:2])
    assert [row["epoch"] for row in read_table(tmp_path)] == ["1", "2"]
    journal.add(ROWS)
    assert [row["epoch"] for row in read_table(tmp_path)] == ["1", "2", "3"]
    assert float(read_table(tmp_path)[2]["training_loss"]) == 1 / 3
    journal.close()


def test_a_table_keeps_every_digit():
    text = table([{"epoch": 1, "loss": 0.1 + 0.2}])
    assert float(text.splitlines()[1].split(",")[1]) == 0.1 + 0.2


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_events_after_a_resumed_step_are_hidden(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    journal = Journal(tmp_path, LoggingSettings())
    for n in range(1, 4):
        journal.add(ROWS[:n])
    journal.close()
    journal = Journal(tmp_path, LoggingSettings(), step=20)
    journal.add(ROWS)
    journal.close()
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    assert [event.step for event in events.Scalars("training/loss")] == [10, 20, 30]


@pytest.mark.skipif(importlib.util.find_spec("wandb") is not None, reason="wandb is installed")
def test_wandb_that_is_not_installed():
    settings = LoggingSettings(wandb=WandbSettings())
    sentence = r"logging.wandb needs wandb: pip install 'euclidium\[wandb\]'"
    with pytest.raises(ConfigError, match=sentence):
        check_wandb(settings)


def test_wandb_gets_every_row_and_one_run_for_a_folder(tmp_path, monkeypatch):
    class Run:
        def __init__(self, **options):
            self.options, self.rows = options, []
            runs.append(self)

        def log(self, row, step):
            self.rows.append((step, row))

        def finish(self):
            self.rows.append("finished")

    runs = []
    module = types.ModuleType("wandb")
    module.__spec__, module.init = importlib.machinery.ModuleSpec("wandb", None), Run
    monkeypatch.setitem(sys.modules, "wandb", module)
    settings = LoggingSettings(tensorboard=False, wandb=WandbSettings(project="crystals"))
    for n in (1, 2):
        journal = Journal(tmp_path, settings, config={"seed": 0})
        journal.add(ROWS[:n])
        journal.close()
    assert [run.rows for run in runs] == [[(10, ROWS[0]), "finished"], [(20, ROWS[1]), "finished"]]
    assert runs[0].options["project"] == "crystals"
    assert runs[0].options["name"] == tmp_path.name
    assert runs[0].options["id"] == runs[1].options["id"]


def test_wandb_that_is_not_wanted():
    check_wandb(LoggingSettings())
