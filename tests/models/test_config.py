import pytest
from pydantic import ValidationError

from euclidium.models import NequIPConfig, PotentialConfig, RadialConfig


def test_frozen_and_closed():
    config = PotentialConfig(species=["Si"])
    with pytest.raises(ValidationError, match="frozen"):
        config.cutoff = 3.0
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        NequIPConfig(chanels=3)


def test_through_json_and_back():
    config = PotentialConfig(
        species=["Si", "O"], network=NequIPConfig(radial=RadialConfig(hidden=(16,)))
    )
    assert PotentialConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    "wrong", [{"cutoff": 0}, {"species": []}, {"species": ["H", "H"]}, {"dtype": "float16"}]
)
def test_values_that_make_no_sense(wrong):
    with pytest.raises(ValidationError):
        PotentialConfig(**{"species": ["H"], **wrong})
