"""The model that a command names: a file, the folder of a training run, or a shipped model."""

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from euclidium.cli.options import Device, Precision

if TYPE_CHECKING:
    from euclidium.models.density import DensityModel
    from euclidium.models.potential import Potential
    from euclidium.models.spectrum import Spectrum
    from euclidium.simulate.calculator import Calculator

MODEL = "model.euclidium"  # what a training run calls its model


def find_model(name: str) -> Path:
    """The file of a model: one on disk, or else one that comes with the package, by its name.

    Raises ``ValueError`` if there is none, with the nearest name that exists.

    >>> find_model("si.euclidium")
    Traceback (most recent call last):
    ValueError: there is no model si.euclidium: give a model file, or the folder of a training run
    """
    from euclidium.models.shipped import shipped, shipped_names

    path = Path(name)
    if path.is_dir():
        if (path / MODEL).is_file():
            return path / MODEL
        raise ValueError(f"the folder {name} holds no {MODEL}: has the training finished?")
    if path.is_file():
        return path
    own = shipped_names()
    if name in own:
        return shipped(name)
    beside = [str(p) for p in path.parent.glob("*.euclidium")] if path.parent.is_dir() else []
    near = difflib.get_close_matches(name, [*beside, *own], n=1)
    hint = (
        f"did you mean {near[0]}?" if near else "give a model file, or the folder of a training run"
    )
    raise ValueError(f"there is no model {name}: {hint}")


def open_model(
    name: str, device: Device = Device.cpu, precision: Precision = Precision.model
) -> "Potential | Spectrum | DensityModel":
    """The model, loaded and ready. Raises as ``find_model`` and ``euclidium.models.load`` do."""
    from euclidium.models.storage import load

    return load(find_model(name), device=find_device(device), dtype=_dtype(precision))


def open_potential(
    name: str, device: Device = Device.cpu, precision: Precision = Precision.model
) -> "Potential":
    """A model of energies. Raises as ``open_model`` does, and for a model of another kind."""
    from euclidium.models.potential import Potential

    model = open_model(name, device, precision)
    if not isinstance(model, Potential):
        raise ValueError(_not_a_potential(name))
    return model


def open_spectrum(
    name: str, device: Device = Device.cpu, precision: Precision = Precision.model
) -> "Spectrum":
    """A model of phonon spectra. Raises as ``open_model``, and for a model of another kind."""
    from euclidium.models.spectrum import Spectrum

    model = open_model(name, device, precision)
    if not isinstance(model, Spectrum):
        raise ValueError(
            f"{name} is a potential, which predicts energies: this command needs a model of phonon "
            "spectra, such as phonon-dos"
        )
    return model


def open_calculator(
    name: str, device: Device, precision: Precision, radial_tolerance: float | None = None
) -> "Calculator":
    """The model as an ASE calculator.

    Raises as ``open_model`` and the calculator do, and for a model that is no potential.
    """
    from euclidium.models.storage import describe
    from euclidium.simulate.calculator import Calculator

    path = find_model(name)
    if describe(path).get("task", "potential") != "potential":
        raise ValueError(_not_a_potential(name))
    where, dtype = find_device(device), _dtype(precision)
    return Calculator(path, where, dtype, radial_tolerance=radial_tolerance)


def find_device(device: Device) -> str:
    """The name of a device that is there: ``auto`` is the GPU, and without one the CPU.

    Raises ``ValueError`` for a GPU that is not there.

    >>> find_device(Device.cpu)
    'cpu'
    """
    import torch

    if device is Device.auto:
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device is Device.cuda and not torch.cuda.is_available():
        raise ValueError("there is no CUDA device here: use --device cpu")
    return device.value


def _not_a_potential(name: str) -> str:
    """The sentence about a model that has no energies."""
    return (
        f"{name} is no potential, and predicts no energies or forces: this command needs one, as "
        "euclidium train makes it"
    )


def _dtype(precision: Precision) -> Literal["float32", "float64"] | None:
    """The type to which a model is converted, if to any."""
    return None if precision is Precision.model else precision.value
