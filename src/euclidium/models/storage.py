"""A model is one file: safetensors with a JSON header. No code runs on load."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from euclidium.models.config import DensityConfig, PotentialConfig, SpectrumConfig
from euclidium.models.density import DensityModel
from euclidium.models.potential import DTYPES, Potential
from euclidium.models.spectrum import Spectrum
from euclidium.o3.convention import CONVENTION

KEY = "euclidium"
SCHEMA = 1
UNITS = {
    "potential": {
        "length": "Å",
        "energy": "eV",
        "forces": "eV/Å",
        "stress": "eV/Å³, tension positive",
    },
    "spectrum": {"length": "Å", "frequency": "cm⁻¹", "modes": "three for each atom"},
    "density": {"length": "Å", "exponents": "1/bohr²", "coefficients": "e/bohr^1.5"},
}
Model = Potential | Spectrum | DensityModel
TASKS = {Potential: "potential", Spectrum: "spectrum", DensityModel: "density"}


class ModelFileError(ValueError):
    """A file that is not a model, or not the one that was written."""


def save(
    model: Model,
    path: str | os.PathLike[str],
    metrics: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
    half: bool = False,
) -> None:
    """Write a model to one file, under a temporary name first.

    The header holds the schema version, the sign conventions, the configuration, units, metrics,
    provenance and a checksum; ``metrics`` and ``provenance`` are any JSON values. The same model
    gives the same bytes. ``half`` keeps the weights with half the digits, in half the space; the
    model is loaded with the type of its configuration.

    >>> import tempfile, pathlib
    >>> from euclidium.models.config import NequIPConfig
    >>> config = PotentialConfig(species=["Si"], network=NequIPConfig(channels=4))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "si.euclidium"
    ...     save(Potential(config), file)
    ...     load(file).config.species
    ('Si',)
    """
    task = TASKS[type(model)]
    tensors = {name: t.detach().cpu().contiguous() for name, t in model.state_dict().items()}
    if half:
        tensors = {k: t.half() if t.is_floating_point() else t for k, t in tensors.items()}
    header = {
        "schema": SCHEMA,
        "task": task,
        "convention": CONVENTION,
        "units": UNITS[task],
        "config": model.config.model_dump(mode="json"),
        "metrics": dict(metrics or {}),
        "provenance": dict(provenance or {}),
    }
    # one entry: safetensors writes several in any order
    metadata = {KEY: _json({"header": header, "sha256": _checksum(header, tensors)})}
    path = Path(path)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as f:
        f.write(to_bytes(tensors, metadata))
        f.flush()
        os.fsync(f.fileno())
    os.chmod(f.name, 0o644)
    os.replace(f.name, path)


def load(
    path: str | os.PathLike[str],
    device: torch.device | str = "cpu",
    dtype: str | None = None,
) -> Any:
    """Read a model, in evaluation mode; what it predicts is what its file says.

    ``dtype`` is ``"float32"`` or ``"float64"``; without it the type in which the model was trained.

    Raises ``FileNotFoundError`` if there is no such file, and ``ModelFileError`` for a file that is
    not a model, that is truncated or altered, or that a newer version wrote.

    >>> load("nothing.euclidium")
    Traceback (most recent call last):
    FileNotFoundError: there is no model file nothing.euclidium: check the path
    """
    header, tensors = _read(Path(path))
    try:
        model = _build(header)
        model.load_state_dict(tensors)
    except (KeyError, ValidationError, RuntimeError) as error:
        raise ModelFileError(
            f"{path} holds a model that does not fit its own header: write it again"
        ) from error
    if dtype is not None:
        if dtype not in DTYPES:
            raise ValueError(f"dtype is float32 or float64, got {dtype!r}")
        model = model.to(DTYPES[dtype])
    return model.to(device).eval().requires_grad_(False)


def describe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The header of a model file: schema, convention, configuration, units, metrics, provenance.

    Raises as ``load`` does.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "si.euclidium"
    ...     save(Potential(PotentialConfig(species=["Si"])), file)
    ...     describe(file)["units"]["forces"]
    'eV/Å'
    """
    return _read(Path(path))[0]


def _build(header: Mapping[str, Any]) -> Model:
    """The model that a header describes, its weights not yet those of the file."""
    if header["task"] == "spectrum":
        return Spectrum(SpectrumConfig.model_validate(header["config"]), calibrate=False)
    if header["task"] == "density":
        return DensityModel(DensityConfig.model_validate(header["config"]), calibrate=False)
    return Potential(PotentialConfig.model_validate(header["config"]), calibrate=False)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and tensors of a file, verified."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no model file {path}: check the path")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelFileError(
            f"{path} is not a euclidium model, or it is truncated: it is not a readable "
            "safetensors file"
        ) from error
    if KEY not in metadata:
        raise ModelFileError(f"{path} is a safetensors file, but not a euclidium model")
    try:
        entry = json.loads(metadata[KEY])
        header, checksum = entry["header"], entry["sha256"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ModelFileError(f"{path} was altered: its header is not readable") from error
    if checksum != _checksum(header, tensors):
        raise ModelFileError(f"{path} was altered after it was written: its checksum is wrong")
    if header["schema"] > SCHEMA:
        raise ModelFileError(
            f"{path} has schema {header['schema']}, this version reads up to {SCHEMA}: "
            "update euclidium"
        )
    if header["convention"] != CONVENTION:
        raise ModelFileError(
            f"{path} uses the sign convention {header['convention']!r}, this version uses "
            f"{CONVENTION!r}: convert it with the version that wrote it"
        )
    return header, tensors


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _checksum(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the header and of every tensor."""
    digest = hashlib.sha256(_json(header).encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        data = tensor.flatten().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
        digest.update(data)
    return digest.hexdigest()
