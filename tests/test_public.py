"""Every public name has one door, says what it is, and shows it."""

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import types
from pathlib import Path

import numpy as np
import pytest
import torch

import euclidium

ROOT = Path(euclidium.__file__).parent
LAYERS = sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))
DOORS = sorted({*LAYERS, *euclidium.__all__})
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(euclidium.__path__, "euclidium.")
    if ".data" not in module.name
)


def public(module: types.ModuleType) -> dict[str, object]:
    """What is defined in a module and does not begin with an underscore."""
    return {
        name: value
        for name, value in vars(module).items()
        if name[0] != "_" and getattr(value, "__module__", None) == module.__name__
    }


def callables(layer: str) -> dict[str, type | types.FunctionType]:
    """The functions and classes that a user meets at a door."""
    module = importlib.import_module(f"euclidium.{layer}")
    found = {name: getattr(module, name) for name in module.__all__}
    return {
        name: value
        for name, value in found.items()
        if (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__.startswith("euclidium")
    }


def docstrings(value: type | types.FunctionType) -> list[str]:
    """The docstring of a function; of a class, also those of its public methods."""
    methods = vars(value).items() if inspect.isclass(value) else ()
    values = [value, *(method for name, method in methods if name[0] != "_")]
    return [inspect.getdoc(value) or "" for value in values]


def needs_example(value: type | types.FunctionType) -> bool:
    """Not so: exceptions, what cannot be instantiated, and records, which others return."""
    if not inspect.isclass(value):
        return True
    methods = {name for name, member in vars(value).items() if is_method(name, member)}
    is_record = dataclasses.is_dataclass(value) and not methods
    is_abstract = inspect.isabstract(value) or getattr(value, "_is_protocol", False)
    return not (issubclass(value, Exception) or is_abstract or is_record)


def is_method(name: str, member: object) -> bool:
    """Whether a member of a class is a public method of it."""
    return name[0] != "_" and callable(getattr(member, "__func__", member))


def signatures(value: type | types.FunctionType) -> list[tuple[str, inspect.Signature]]:
    """Public signatures: of a function, or of a class's constructor and public methods."""
    if not inspect.isclass(value):
        return [(value.__name__, inspect.signature(value))]
    found = []
    for name, member in vars(value).items():
        function = getattr(member, "__func__", None) or getattr(member, "fget", None) or member
        ours = getattr(function, "__module__", None) == value.__module__  # not typing.Protocol's
        public = name[0] != "_" or name in ("__init__", "__call__")
        if inspect.isfunction(function) and ours and public:
            found.append((f"{value.__name__}.{name}", inspect.signature(function)))
    return found


@pytest.mark.parametrize("layer", LAYERS)
def test_every_public_name_is_declared(layer: str):
    module = importlib.import_module(f"euclidium.{layer}")
    names = {
        name
        for name, value in vars(module).items()
        if name[0] != "_" and not inspect.ismodule(value)
    }
    assert names == set(module.__all__)
    assert len(module.__all__) == len(set(module.__all__))


@pytest.mark.parametrize("door", DOORS)
def test_star_import(door: str):
    namespace = {}
    exec(f"from euclidium.{door} import *", namespace)
    module = importlib.import_module(f"euclidium.{door}")
    assert namespace.keys() - {"__builtins__"} == set(module.__all__)


def test_the_package_offers_its_layers():
    assert set(LAYERS) - {"cli"} <= set(euclidium.__all__)
    for name in euclidium.__all__:
        assert getattr(euclidium, name).__name__ == f"euclidium.{name}"
    with pytest.raises(AttributeError, match="module 'euclidium' has no attribute 'o4'"):
        _ = euclidium.o4


@pytest.mark.parametrize("layer", LAYERS)
def test_a_door_holds_no_logic(layer: str):
    """A docstring, ``from file import name as name`` and ``__all__``: nothing else."""
    tree = ast.parse((ROOT / layer / "__init__.py").read_text())
    assert ast.get_docstring(tree)
    for node in tree.body[1:]:
        if isinstance(node, ast.ImportFrom):
            again = [alias.name for alias in node.names if alias.asname != alias.name]
            assert not again, f"write 'import {again[0]} as {again[0]}'"
        else:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            assert target.id == "__all__"


@pytest.mark.parametrize("name", MODULES)
def test_everything_says_what_it_is(name: str):
    """One sentence, then an empty line: for the file and for everything public in it."""
    module = importlib.import_module(name)
    for label, value in {name: module, **public(module)}.items():
        if label == name or inspect.isfunction(value) or inspect.isclass(value):
            first, *rest = (inspect.getdoc(value) or "").split("\n", 2)
            assert first.endswith((".", ":", "?")), f"{label}: the first line is one sentence"
            assert not rest or not rest[0], f"{label}: an empty line follows the first"


@pytest.mark.parametrize("door", DOORS)
def test_everything_shows_an_example(door: str):
    """A doctest, in the docstring or in that of a method."""
    without = [
        name
        for name, value in callables(door).items()
        if needs_example(value) and not any(">>>" in text for text in docstrings(value))
    ]
    assert not without, f"show how they are used: {', '.join(without)}"


@pytest.mark.parametrize("door", DOORS)
def test_shapes_stand_in_the_signature(door: str):
    """Every parameter and result is annotated, and an array with its shape."""
    wrong = []
    for value in callables(door).values():
        for name, signature in signatures(value):
            kinds = {p.name: p.annotation for p in signature.parameters.values()}
            kinds = {key: kind for key, kind in kinds.items() if key not in ("self", "cls")}
            if not name.endswith("__init__"):
                kinds["return"] = signature.return_annotation
            without = (inspect.Parameter.empty, torch.Tensor, np.ndarray)
            wrong += [f"{name}({key})" for key, kind in kinds.items() if kind in without]
    assert not wrong, f"annotate with the shape: {', '.join(wrong)}"
