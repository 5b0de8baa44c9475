"""The parts of the data of a run on electron densities."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from euclidium.atoms.basis import DensityBasis
from euclidium.atoms.dataset import Dataset
from euclidium.atoms.density import DensityRecord
from euclidium.atoms.density_file import embedded_densities, read_densities
from euclidium.atoms.elements import chemical_symbol
from euclidium.atoms.embedded import embedded_file
from euclidium.atoms.splits import split_indices
from euclidium.train.config import EMBEDDED_DENSITIES, ConfigError
from euclidium.train.density import density_graph
from euclidium.train.parts import NAMES, Part, Parts, file_checksum
from euclidium.train.settings import DensityTrainConfig


@dataclass(frozen=True)
class DensityParts(Parts):
    """The structures of a run on densities, with the basis that all of them have."""

    basis: DensityBasis
    spin: bool


def read_density_parts(config: DensityTrainConfig) -> DensityParts:
    """Read the densities that a configuration names, and divide them.

    What is not a file of its own is taken from the training file, at random by ``config.seed``. The
    embedded set brings its test structures. With ``data.largest`` the larger structures of the
    training file belong to the test.

    Raises ``ConfigError`` if nothing is left to train on and for densities in different bases, and
    ``DataError`` for files that cannot be read.
    """
    data = config.data
    wanted = {"train": data.train, "validation": data.validation, "test": data.test}
    if "test" not in data.model_fields_set and _is_embedded(data.train):
        wanted["test"] = data.train
    files = {name: value for name, value in wanted.items() if isinstance(value, str)}
    records = {name: _records(value, name) for name, value in files.items()}
    indices = {name: list(range(len(own))) for name, own in records.items() if name != "train"}
    own = records["train"]
    small = [
        n
        for n, record in enumerate(own)
        if data.largest is None
        or np.count_nonzero(record.density.structure.species) <= data.largest
    ]
    sizes = {name: v for name, v in wanted.items() if not isinstance(v, str)}
    split = split_indices(
        len(small),
        validation=sizes.get("validation", 0),
        test=sizes.get("test", 0),
        seed=config.seed,
        species=[own[n].density.structure.species for n in small],
        balance=data.balance,
    )
    for name in NAMES:
        if name not in indices:
            indices[name] = [small[n] for n in getattr(split, name).tolist()]
    chosen = {name: [records.get(name, own)[n] for n in rows] for name, rows in indices.items()}
    if data.largest is not None:
        large = sorted(set(range(len(own))) - set(small))
        chosen["test"] = [*(own[n] for n in large), *chosen["test"]]
    if not chosen["train"]:
        raise ConfigError(f"data.train: none of {len(own)} densities is left to train on")
    basis = _common_basis([record for part in chosen.values() for record in part])
    graphs = {name: _graphs(part, config) for name, part in chosen.items()}
    return DensityParts(
        **{name: Part(Dataset(own), range(len(own))) for name, own in graphs.items()},
        files={name: _checksum(value, name) for name, value in files.items()},
        indices=indices,
        basis=basis,
        spin=all(record.density.spin is not None for record in chosen["train"]),
    )


def _graphs(records: Sequence[DensityRecord], config: DensityTrainConfig) -> list:
    """Labelled graphs; the points of each structure are its own."""
    return [
        density_graph(record, config.model.cutoff, config.loss, n)
        for n, record in enumerate(records)
    ]


def _common_basis(records: Sequence[DensityRecord]) -> DensityBasis:
    """The basis of all records, with their elements alone."""
    first = records[0].density.basis
    for record in records:
        if record.density.basis != first:
            raise ConfigError(
                f"data: {record.name} has the basis {record.density.basis.name}, {records[0].name} "
                f"has {first.name} or the same with other exponents or atoms: give densities of "
                "one basis"
            )
    there = {int(z) for record in records for z in np.unique(record.density.structure.species)}
    missing = sorted(there - first.atoms.keys())
    if missing:
        raise ConfigError(
            f"data: the basis {first.name} has no isolated atom of "
            f"{', '.join(map(chemical_symbol, missing))}, which a density is learned relative to: "
            "add them with `euclidium data make density`"
        )
    return replace(
        first,
        shells={z: shells for z, shells in first.shells.items() if z in there},
        atoms={z: own for z, own in first.atoms.items() if z in there},
    )


def _is_embedded(name: str) -> bool:
    """Whether a name is that of the embedded set; a file of the same name comes first."""
    return name == EMBEDDED_DENSITIES and not Path(name).is_file()


def _records(name: str, part: str) -> list[DensityRecord]:
    """The densities of a file, or of the embedded set."""
    if _is_embedded(name):
        return embedded_densities(name, "test" if part == "test" else "train")
    return read_densities(name)


def _checksum(name: str, part: str) -> str:
    """Name and SHA-256 of a file."""
    if _is_embedded(name):
        return f"{part} of {file_checksum(embedded_file(name, 'densities.npz'))}"
    return file_checksum(Path(name))
