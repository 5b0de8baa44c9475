"""Euclidean (E(3)-equivariant) neural networks for materials science.

The layers load when they are first used, so that ``import euclidium`` stays fast:

>>> import euclidium as eu
>>> eu.o3.Irreps("2x0e + 1o").dim
5
"""

import importlib
from importlib.metadata import version as _version
from types import ModuleType as _ModuleType

__all__ = [
    "analyze",
    "atoms",
    "models",
    "nn",
    "o3",
    "ops",
    "plot",
    "simulate",
    "testing",
    "train",
    "units",
]
__version__ = _version("euclidium")


def __getattr__(name: str) -> _ModuleType:
    """Import a layer at its first use."""
    if name in __all__:
        return importlib.import_module(f"euclidium.{name}")
    raise AttributeError(f"module 'euclidium' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
