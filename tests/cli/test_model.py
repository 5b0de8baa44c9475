from pathlib import Path

import pytest
import torch

from euclidium.cli.model import find_device, find_model, open_model
from euclidium.cli.options import Device, Precision


def test_a_file_and_the_folder_of_a_run(workshop: Path, model: Path):
    assert find_model(str(model)) == model
    assert find_model(str(workshop / "run")) == model


def test_the_nearest_name(workshop: Path):
    with pytest.raises(ValueError, match=r"did you mean .*run/model\.euclidium\?"):
        find_model(str(workshop / "run" / "modle.euclidium"))


def test_precision(model: Path):
    assert open_model(str(model)).dtype == torch.float32
    assert open_model(str(model), precision=Precision.float64).dtype == torch.float64


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_devices():
    assert find_device(Device.auto) == "cpu"
    with pytest.raises(ValueError, match="there is no CUDA device here: use --device cpu"):
        find_device(Device.cuda)
