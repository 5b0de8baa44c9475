"""Sections of a configuration: what they refuse."""

import pytest
from pydantic import ValidationError

from euclidium.train.settings import DataSettings, Section, TrainConfig, seconds

BASE = {"data": "a.xyz", "task": "potential", "output": "run"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1h", 3600), ("1h30m", 5400), ("2m5s", 125), ("0.5h", 1800), (7.0, 7)],
)
def test_durations(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "90", "h", "5 minutes", "1m1h"])
def test_other_texts_are_no_durations(text):
    with pytest.raises(ValueError, match="a time is written in seconds or like 1h30m, got"):
        seconds(text)


def test_a_duration_is_positive():
    with pytest.raises(ValueError, match="a time is positive, got 0"):
        seconds(0.0)


def test_a_file_is_data():
    assert TrainConfig(**BASE).data == DataSettings(train="a.xyz")


def test_everything_else_has_a_default():
    config = TrainConfig(**BASE)
    sections = [v for v in vars(config).values() if isinstance(v, Section)]
    assert len(sections) == 7


def test_records_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        TrainConfig(**BASE).seed = 3


def test_truth_is_no_number():
    with pytest.raises(ValidationError, match="seed is not a yes-or-no setting, got true"):
        TrainConfig(**BASE, seed=True)


@pytest.mark.parametrize("value", [1.0, 2.5, -0.1])
def test_a_fraction_is_below_one(value):
    with pytest.raises(ValidationError, match="a fraction lies between 0 and 1, got"):
        DataSettings(train="a.xyz", validation=value)


def test_a_number_of_structures_is_not_negative():
    with pytest.raises(ValidationError, match="a number of structures is not negative, got -1"):
        DataSettings(train="a.xyz", test=-1)


def test_a_number_a_fraction_and_a_file_stay_what_they_are():
    data = DataSettings(train="a.xyz", validation=10, test=0.2)
    assert (data.validation, data.test) == (10, 0.2)
    assert isinstance(data.validation, int)
    assert DataSettings(train="a.xyz", validation="b.xyz").validation == "b.xyz"


def test_mixed_precision_needs_float32():
    with pytest.raises(ValidationError, match="bf16-mixed needs model.dtype float32"):
        TrainConfig(**BASE, training={"precision": "bf16-mixed"}, model={"dtype": "float64"})
