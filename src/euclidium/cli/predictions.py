"""What a model says about structures, one batch after the other."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from euclidium.atoms.structure import Structure
    from euclidium.models.potential import Potential

BATCH_ATOMS = 512  # enough to keep a processor busy, little enough for its memory


def predictions(
    model: "Potential", structures: "Iterable[Structure]"
) -> "Iterator[tuple[Structure, Structure]]":
    """Each structure as it came, and with the labels that a potential gives it instead.

    Energy and forces; the stress, too, where the cell has a volume. Raises ``ValueError`` for an
    element that the potential does not know, with the place of the structure.
    """
    for batch in batches(structures):
        for structure in batch:
            check_elements(model, structure)
        yield from zip(batch, _predicted(model, batch), strict=True)


def batches(
    structures: "Iterable[Structure]", n_atoms: int = BATCH_ATOMS
) -> "Iterator[list[Structure]]":
    """Neighbouring structures of at most so many atoms, all of them periodic or none."""
    batch: list[Structure] = []
    size = 0
    for structure in structures:
        full = size + structure.n_atoms > n_atoms
        if batch and (full or has_volume(structure) != has_volume(batch[0])):
            yield batch
            batch, size = [], 0
        batch.append(structure)
        size += structure.n_atoms
    if batch:
        yield batch


def has_volume(structure: "Structure") -> bool:
    """Whether the structure is periodic along three axes, so that it has a stress."""
    return bool(structure.pbc.all())


def check_elements(model: "Potential", structure: "Structure") -> None:
    """Raise ``ValueError`` if a structure has an element that the model does not know."""
    unknown = sorted(set(structure.species.tolist()) - set(model.species))
    if unknown:
        from euclidium.atoms.elements import chemical_symbol

        strange = ", ".join(chemical_symbol(z) for z in unknown)
        known = ", ".join(model.config.species)
        raise ValueError(f"{structure.origin} has {strange}, but the model knows only {known}")


def _predicted(model: "Potential", batch: "list[Structure]") -> "Iterator[Structure]":
    """The structures of a batch with predicted labels."""
    from euclidium.atoms.graph import Graph

    graph = Graph.from_structures(batch, model.cutoff, labels=()).to(model.index_of.device)
    found = model(graph, forces=True, stress=has_volume(batch[0]))
    arrays = {name: value.cpu().numpy() for name, value in vars(found).items() if value is not None}
    start = 0
    for n, structure in enumerate(batch):
        atoms = slice(start, start := start + structure.n_atoms)
        labels = {"energy": np.asarray(arrays["energy"][n]), "forces": arrays["forces"][atoms]}
        if "stress" in arrays:
            labels["stress"] = arrays["stress"][n]
        labels["energies"] = arrays["energies"][atoms]
        yield replace(structure, labels=labels, per_atom=frozenset({"forces", "energies"}))
