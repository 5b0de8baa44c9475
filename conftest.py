"""Examples in docstrings that need an extra are skipped where it is not installed."""

from collections.abc import Sequence
from importlib.util import find_spec

import pytest

NEEDS = {
    "euclidium.analyze.surfaces.surface_of": "skimage",
    "euclidium.atoms.basis.exchange_basis": "basis_set_exchange",
    "euclidium.simulate.density_collection.label_all": "pyscf",
    "euclidium.simulate.kohn_sham.one_step": "pyscf",
    "euclidium.simulate.kohn_sham.scf_from": "pyscf",
    "euclidium.simulate.quantum.": "pyscf",
}


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Mark the examples of functions that cannot run here."""
    for item in items:
        if not isinstance(item, pytest.DoctestItem):
            continue
        for name, package in NEEDS.items():
            if item.name.startswith(name) and find_spec(package) is None:
                item.add_marker(pytest.mark.skip(reason=f"{package} is not installed"))
