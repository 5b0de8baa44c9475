"""The parts of the data of a run on electron densities."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from euclidium.atoms.basis import DensityBasis
from euclidium.atoms.dataset import Dataset
from euclidium.atoms.density import DensityRecord
from euclidium.atoms.density_file import (
    embedded_densities,
    embedded_density_file,
    embedded_density_parts,
    read_densities,
)
from euclidium.atoms.elements import chemical_symbol
from euclidium.atoms.splits import split_indices
from euclidium.train.config import ConfigError
from euclidium.train.density import density_graph
from euclidium.train.parts import NAMES, Part, Parts, file_checksum
from euclidium.train.settings import DensityDataSettings, DensityTrainConfig


@dataclass(frozen=True)
class DensityParts(Parts):
    """The structures of a run on densities, with the basis that all of them have."""

    basis: DensityBasis
    spin: bool


def read_density_parts(config: DensityTrainConfig) -> DensityParts:
    """Read the densities that a configuration names, and divide them.

    What is not a file of its own is taken from the training files, at random by ``config.seed``.
    Embedded sets bring their test structures, and their validation structures if they have some.
    With ``data.largest`` the larger structures of the training files belong to the test.

    Raises ``ConfigError`` if nothing is left to train on, for densities in different bases and for
    a part that an embedded set does not have, and ``DataError`` for files that cannot be read.
    """
    data = config.data
    sources = _sources(data)
    records = {
        name: [record for source in own for record in source.read()]
        for name, own in sources.items()
    }
    indices = {name: list(range(len(own))) for name, own in records.items() if name != "train"}
    own = records["train"]
    small = [
        n
        for n, record in enumerate(own)
        if data.largest is None
        or np.count_nonzero(record.density.structure.species) <= data.largest
    ]
    split = split_indices(
        len(small),
        validation=0 if "validation" in sources else _size(data.validation),
        test=0 if "test" in sources else _size(data.test),
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
    records_of_all = [record for part in chosen.values() for record in part]
    basis = _common_basis(records_of_all)
    spin = any(record.density.spin is not None for record in records_of_all)
    if spin:
        chosen = {name: [_with_spin(record) for record in part] for name, part in chosen.items()}
    graphs = {name: _graphs(part, config) for name, part in chosen.items()}
    return DensityParts(
        **{name: Part(Dataset(own), range(len(own))) for name, own in graphs.items()},
        files={
            name: ", ".join(source.checksum() for source in own) for name, own in sources.items()
        },
        indices=indices,
        basis=basis,
        spin=spin,
    )


def _with_spin(record: DensityRecord) -> DensityRecord:
    """The record with its density of spin, which is zero where all electrons are paired."""
    density = record.density
    if density.spin is not None:
        return record
    paired = np.zeros_like(density.coefficients)
    return replace(record, density=replace(density, spin=paired))


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


@dataclass(frozen=True)
class _Source:
    """Densities of one file, or those of a part of an embedded set."""

    name: str
    part: str | None = None

    def read(self) -> list[DensityRecord]:
        """The densities."""
        if self.part is None:
            return read_densities(self.name)
        return embedded_densities(self.name, self.part)

    def checksum(self) -> str:
        """Name and SHA-256 of the file; which part, where a file has several."""
        if self.part is None:
            return file_checksum(Path(self.name))
        path = embedded_density_file(self.name, self.part)
        text = file_checksum(path)
        return text if path.stem == self.part else f"{self.part} of {text}"


def _sources(data: DensityDataSettings) -> dict[str, list[_Source]]:
    """Where the densities of each part come from that has densities of its own."""
    wanted = {name: _listed(getattr(data, name)) for name in NAMES}
    sets = embedded_density_parts()
    for name in ("validation", "test"):
        if name not in data.model_fields_set:
            own = (one for one in wanted["train"] if not Path(one).is_file())
            wanted[name] = [one for one in own if name in sets.get(one, ())]
    return {name: [_source(one, name) for one in own] for name, own in wanted.items() if own}


def _source(name: str, wanted: str) -> _Source:
    """What a name means as a part of a run; a file of the same name comes before a set."""
    owner, _, part = name.partition("/")
    sets = embedded_density_parts()
    if owner not in sets or Path(name).is_file():
        return _Source(name)
    part = part or wanted
    if part not in sets[owner]:
        names = ", ".join(f"{owner}/{own}" for own in sets[owner])
        raise ConfigError(
            f"data.{wanted}: the embedded set {owner} has no part {part!r}: give one of {names}, "
            "or how many of the training structures to take"
        )
    return _Source(owner, part)


def _listed(value: str | tuple[str, ...] | int | float) -> list[str]:
    """The names in a setting; none for a number."""
    if isinstance(value, str):
        return [value]
    return list(value) if isinstance(value, tuple) else []


def _size(value: str | tuple[str, ...] | int | float) -> int | float:
    """How many structures of the training files to take; none for names."""
    return value if isinstance(value, int | float) else 0
