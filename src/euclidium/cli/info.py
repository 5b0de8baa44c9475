"""``euclidium info``: what is installed and what can run here, or what a model file says."""

import os
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer

from euclidium.cli.model import find_model
from euclidium.cli.report import Report, table

PACKAGES = (
    "euclidium",
    "torch",
    "numpy",
    "ase",
    "vesin",
    "lightning",
    "llvmlite",
    "phonopy",
    "spglib",
    "seekpath",
    "matplotlib",
    "pyscf",
    "triton",
)

# What a model file says of itself, but few people ask.
HIDDEN = ("provenance.settings", "config.network.radial")


def info(
    model: Annotated[
        str | None,
        typer.Argument(help="A model file to describe, instead of this computer.", metavar="MODEL"),
    ] = None,
) -> Report:
    """Show versions, backends, devices and embedded data, or what a model file says of itself.

    Put its output into a report of a problem.
    """
    return _computer() if model is None else _model(model)


def _computer() -> Report:
    """What is installed, and what can run here."""
    import torch

    from euclidium.atoms.embedded import embedded_names
    from euclidium.ops.dispatch import available_backends, choose_backend

    backends = available_backends()
    found = {"python": platform.python_version(), **versions()}
    devices, names = _devices(), list(embedded_names())
    chosen = {
        device.partition(":")[0]: choose_backend(device.partition(" ")[0]) for device in devices
    }
    document = {
        "versions": found,
        "platform": platform.platform(),
        "executable": sys.executable,
        "devices": devices,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "backends": [
            {"name": b.name, "available": b.available, "reason": b.reason} for b in backends
        ],
        "chosen_backend": chosen,
        "embedded_data": names,
    }
    rows = [(name, number or "not installed") for name, number in found.items()]
    marks = [(b.name, "yes" if b.available else "no", b.reason) for b in backends]
    return Report(
        document,
        (
            table("Versions", ("package", "version"), rows),
            table("Backends", ("name", "runs here", "because"), marks),
            f"devices        {', '.join(devices)}",
            f"threads        {document['threads']} of {document['cores']} cores",
            f"embedded data  {', '.join(names)}",
            f"platform       {document['platform']}",
        ),
    )


def _model(name: str) -> Report:
    """What a model file says of itself."""
    from euclidium.models.storage import describe

    path = find_model(name)
    header = describe(path)
    rows = [
        (key, value)
        for key, value in flat(header).items()
        if not key.startswith(HIDDEN) and value is not None
    ]
    words = "--json also shows the settings of its training"
    made = table(f"The model {path}", ("key", "value"), rows)
    return Report({"model": path, **header}, (made, words))


def versions() -> dict[str, str | None]:
    """The version of each package that matters here; ``None`` for what is not installed.

    >>> versions()["numpy"] is None
    False
    """
    found: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys joined with dots.

    >>> flat({"a": {"b": 1, "c": [1, 2]}})
    {'a.b': 1, 'a.c': '1, 2'}
    """
    lines: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            lines |= flat(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            lines[prefix + key] = ", ".join(str(item) for item in value)
        else:
            lines[prefix + key] = value
    return lines


def _devices() -> list[str]:
    """The CPU, and the GPUs that torch sees."""
    import torch

    gpus = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    return ["cpu", *(f"cuda:{n} ({name})" for n, name in enumerate(gpus))]
