import importlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from euclidium.cli.model import (
    find_device,
    find_model,
    open_calculator,
    open_model,
    open_potential,
    open_spectrum,
)
from euclidium.cli.options import Device, Precision
from euclidium.models.config import NequIPConfig, SpectrumConfig
from euclidium.models.potential import Potential
from euclidium.models.spectrum import Spectrum
from euclidium.models.storage import save


@pytest.fixture
def spectrum_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a model of spectra that learned nothing yet."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("models") / "tiny-spectra.euclidium"
    save(Spectrum(SpectrumConfig(network=NequIPConfig(channels=2, layers=1))), path)
    return path


def test_a_file_and_the_folder_of_a_run(workshop: Path, model: Path):
    assert find_model(str(model)) == model
    assert find_model(str(workshop / "run")) == model


def test_the_nearest_name(workshop: Path):
    with pytest.raises(ValueError, match=r"did you mean .*run/model\.euclidium\?"):
        find_model(str(workshop / "run" / "modle.euclidium"))


def test_a_potential_is_no_model_of_spectra(model: Path):
    assert isinstance(open_potential(str(model)), Potential)
    assert open_calculator(str(model), Device.cpu, Precision.model) is not None
    with pytest.raises(ValueError, match=r"is a potential, .* needs a model of phonon spectra"):
        open_spectrum(str(model))


def test_a_model_of_spectra_is_no_potential(spectrum_model: Path):
    assert isinstance(open_spectrum(str(spectrum_model)), Spectrum)
    sentence = "is no potential, and predicts no energies or forces: this command needs one"
    with pytest.raises(ValueError, match=sentence):
        open_potential(str(spectrum_model))
    with pytest.raises(ValueError, match=sentence):
        open_calculator(str(spectrum_model), Device.cpu, Precision.model)


def test_verbs_say_what_they_need(
    spectrum_model: Path, crystal_file: Path, tmp_path: Path, refused: Callable[..., str]
):
    for words in (
        ("md", spectrum_model, crystal_file),
        ("predict", spectrum_model, crystal_file, "-o", tmp_path / "out.xyz"),
    ):
        assert "is no potential" in refused(*words)


def test_a_model_of_the_package(
    spectrum_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # the function of the same name hides the module
    module = importlib.import_module("euclidium.models.shipped")
    monkeypatch.setattr(module, "_root", lambda _: spectrum_model.parent)
    monkeypatch.chdir(tmp_path)
    assert find_model("tiny-spectra") == spectrum_model
    with pytest.raises(ValueError, match=r"did you mean tiny-spectra\?"):
        find_model("tiny-spectrum")
    (tmp_path / "tiny-spectra").write_bytes(b"")
    assert find_model("tiny-spectra") == Path("tiny-spectra"), "what lies here comes first"


def test_precision(model: Path):
    assert open_model(str(model)).dtype == torch.float32
    assert open_model(str(model), precision=Precision.float64).dtype == torch.float64


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_devices():
    assert find_device(Device.auto) == "cpu"
    with pytest.raises(ValueError, match="there is no CUDA device here: use --device cpu"):
        find_device(Device.cuda)
