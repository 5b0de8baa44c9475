"""Imports point down, and each heavy package has one owner."""

import ast
import re
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
ROOT = REPOSITORY / "src" / "euclidium"

BELOW = {
    "o3": set(),
    "ops": {"o3"},
    "nn": {"o3", "ops"},
    "atoms": {"o3", "ops"},
    "descriptors": {"o3", "ops", "atoms"},
    "models": {"o3", "ops", "nn", "atoms", "descriptors"},
    "train": {"atoms", "models"},
    "analyze": {"o3", "ops", "atoms", "descriptors", "models"},
    "simulate": {"atoms", "models", "analyze"},
    "plot": {"o3", "atoms"},
}
BELOW["cli"] = set(BELOW)
AT_THE_ROOT = {"__init__.py": set(), "units.py": set(), "testing.py": {"o3", "ops", "atoms"}}

# Who imports a package: layers, or single files.
TORCH_LAYERS = BELOW.keys() - {"o3", "plot"}
OWNERS = {
    "ase": {"atoms", "simulate"},
    "basis_set_exchange": {"atoms/basis.py"},
    "jaxtyping": {*BELOW, "testing.py"},
    "lightning": {"train"},
    "llvmlite": {"ops/machine.py"},
    "matplotlib": {"plot"},
    "numpy": {*BELOW, "testing.py", "units.py"},
    "phono3py": {"simulate/conductivity.py"},
    "phonopy": {"simulate"},
    "pyscf": {"simulate"},
    "pydantic": {"models", "train", "cli"},
    "pyarrow": {"analyze/ranking.py"},
    "rich": {"cli"},
    "safetensors": {"models/storage.py"},
    "scipy": {"o3", "atoms", "descriptors", "simulate", "analyze", "units.py"},
    "seekpath": {"simulate/phonons.py"},
    "skimage": {"analyze/surfaces.py"},
    "sklearn": {"train/trees.py"},
    "spglib": {
        "analyze/duplicates.py",
        "analyze/spectra.py",
        "atoms/symmetry.py",
        "o3",
        "simulate",
    },
    "tensorboard": {"train"},
    "torch": {*TORCH_LAYERS, "testing.py"},
    "triton": {"ops/gpu.py"},
    "typer": {"cli"},
    "vesin": {"atoms/neighbors.py"},
    "wandb": {"train"},
    "yaml": {"train/config.py", "cli"},
}

FILES = {
    path.relative_to(ROOT).as_posix(): path
    for path in sorted(ROOT.rglob("*.py"))
    if path.relative_to(ROOT).parts[0] != "data"  # scripts that made the data, not part of a layer
}


def imports(path: Path) -> Iterator[str]:
    """Every module a file names, however deep in a function the import is.

    Of ``from package import name`` both are given, because the name may be a module.
    """
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_ours(name: str) -> bool:
    """Whether a name is euclidium, or a part of it."""
    return name.partition(".")[0] == "euclidium"


def file_of(name: str) -> str | None:
    """The file of one of our modules: ``euclidium.o3.irreps`` is ``o3/irreps.py``."""
    path = "/".join(name.split(".")[1:])
    candidates = (f"{path}.py", f"{path}/__init__.py".lstrip("/"))
    return next((candidate for candidate in candidates if candidate in FILES), None)


def test_every_folder_is_a_layer():
    folders = {path.partition("/")[0] for path in FILES if "/" in path}
    files = {path for path in FILES if "/" not in path}
    assert folders <= BELOW.keys(), f"not in the table: {sorted(folders - BELOW.keys())}"
    assert files <= AT_THE_ROOT.keys(), f"not in the table: {sorted(files - AT_THE_ROOT.keys())}"
    assert all(path.count("/") <= 1 for path in FILES), "a layer has no folders of its own"


@pytest.mark.parametrize("path", FILES)
def test_imports_point_down(path: str):
    layer = path.partition("/")[0]
    allowed = {layer, "units"} | (BELOW[layer] if layer in BELOW else AT_THE_ROOT[layer])
    for name in filter(is_ours, imports(FILES[path])):
        if name == "euclidium":
            continue  # the part after `import` follows, and is checked
        part = name.split(".")[1]
        assert part in allowed or part == "__version__", f"{path} imports {name}"


@pytest.mark.parametrize("path", [path for path in FILES if not path.endswith("__init__.py")])
def test_imports_name_the_file(path: str):
    """``from euclidium.o3.irreps import Irreps``, not ``from euclidium.o3 import Irreps``."""
    for node in ast.walk(ast.parse(FILES[path].read_text())):
        if isinstance(node, ast.ImportFrom) and is_ours(node.module):
            for alias in node.names:
                owner = file_of(f"{node.module}.{alias.name}") or file_of(node.module)
                named = owner is not None and not owner.endswith("__init__.py")
                assert named or alias.name == "__version__", (
                    f"{path} imports {alias.name} from {node.module}: name the file"
                )


@pytest.mark.parametrize("path", FILES)
def test_each_package_has_one_owner(path: str):
    layer = path.partition("/")[0]
    for package in {name.partition(".")[0] for name in imports(FILES[path])}:
        if package == "euclidium" or package in sys.stdlib_module_names:
            continue
        assert package in OWNERS, f"{path} imports {package}, which has no owner"
        assert OWNERS[package] & {layer, path}, f"{path} imports {package}"


def test_no_file_needs_itself():
    """No cycle, also not through an import inside a function."""
    needs = {
        path: {
            owner
            for name in filter(is_ours, imports(file))
            if (owner := file_of(name)) is not None and not owner.endswith("__init__.py")
        }
        for path, file in FILES.items()
    }
    TopologicalSorter(needs).prepare()  # raises CycleError with the files


def test_dependencies_are_declared():
    """What the source imports is what pyproject.toml declares, extras included."""
    text = (REPOSITORY / "pyproject.toml").read_text()
    declared = set(re.findall(r'"([A-Za-z][\w-]*)\s*>=', text))
    names = {
        "pyyaml": "yaml",
        "basis-set-exchange": "basis_set_exchange",
        "scikit-image": "skimage",
        "scikit-learn": "sklearn",
    }
    declared = {names.get(name, name) for name in declared}
    used = {name.partition(".")[0] for file in FILES.values() for name in imports(file)}
    missing = used - declared - sys.stdlib_module_names - {"euclidium"}
    assert not missing, f"imported, but not in pyproject.toml: {sorted(missing)}"
