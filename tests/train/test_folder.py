"""The output folder: what may begin in it, and what may go on."""

import pytest

from euclidium.train.config import ConfigError
from euclidium.train.folder import RunError, begin, run_in, same_config, same_data, write_config


def test_a_new_folder(tmp_path, make_config):
    folder = tmp_path / "some" / "where"
    begin(folder)
    write_config(folder, make_config())
    assert run_in(folder) == make_config()


def test_files_of_others_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    begin(tmp_path)
    begin(tmp_path, overwrite=True)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["config.yaml", "last.ckpt", "model.euclidium"])
def test_a_run_is_not_overwritten_unasked(tmp_path, name):
    (tmp_path / name).write_text("precious")
    sentence = rf"holds a run already \({name}\): continue it with resume, replace it with overwri"
    with pytest.raises(RunError, match=sentence):
        begin(tmp_path)
    assert (tmp_path / name).exists()
    begin(tmp_path, overwrite=True)
    assert not list(tmp_path.iterdir())


def test_an_output_that_is_a_file(tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(RunError, match="output is a folder, but .*run is a file: choose another"):
        begin(tmp_path / "run")


def test_an_output_that_cannot_be_written(tmp_path, make_config):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot write to the output .*: Not a directory; choose"):
        write_config(tmp_path / "file" / "run", make_config())


def test_no_run_to_resume(tmp_path):
    with pytest.raises(RunError, match="holds no run to resume: start it without resume"):
        run_in(tmp_path / "none")


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("optimizer.learning_rate=0.1", r"\(optimizer.learning_rate: 0.005, now 0.1\)"),
        ("seed=5", r"\(seed: 0, now 5\)"),
        ("model.network.lmax=2", r"\(model.network.lmax: 1, now 2\)"),
        ("training.ema=null", r"\(training.ema: 0.99, now None\)"),
        ("data.validation=2", r"\(data.validation: 0.1, now 2\)"),
    ],
)
def test_another_configuration_is_named(tmp_path, make_config, override, sentence):
    with pytest.raises(RunError, match=rf"another configuration {sentence}"):
        same_config(tmp_path, make_config(), make_config(override))


def test_what_changes_no_weight_may_change(tmp_path, make_config):
    new = make_config(
        "output=elsewhere",
        "logging.tensorboard=true",
        "training.max_time=1h",
        "training.epochs=7",
        "training.checkpoint.steps=2",
        "data.workers=2",
    )
    same_config(tmp_path, make_config(), new)


def test_the_epochs_of_a_cosine_may_not_change(tmp_path, make_config):
    old = make_config("schedule.kind=cosine")
    with pytest.raises(RunError, match="training.epochs: 3, now 7"):
        same_config(tmp_path, old, make_config("schedule.kind=cosine", "training.epochs=7"))


def test_a_file_that_has_changed(tmp_path):
    same_data(tmp_path, {"train": "a"}, {"train": "a"})
    with pytest.raises(RunError, match="the data is not that of the run in .*: train has changed"):
        same_data(tmp_path, {"train": "a"}, {"train": "b"})
    with pytest.raises(RunError, match="test has changed"):
        same_data(tmp_path, {"train": "a"}, {"train": "a", "test": "b"})
