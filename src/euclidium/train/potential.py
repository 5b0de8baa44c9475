"""The task of a potential: energies, forces and stress."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from euclidium.atoms.elements import atomic_number, chemical_symbol
from euclidium.atoms.graph import Graph, collate
from euclidium.atoms.references import reference_energies
from euclidium.atoms.statistics import statistics
from euclidium.atoms.structure import Structure
from euclidium.models.config import PotentialConfig
from euclidium.models.potential import Potential, Prediction
from euclidium.models.storage import save
from euclidium.train.config import ConfigError
from euclidium.train.loss import Term, energy_term, forces_term, stress_term
from euclidium.train.metrics import Errors, Metrics, Quantity
from euclidium.train.parts import Part, Parts
from euclidium.train.seeds import seeded
from euclidium.train.settings import LossSettings, PotentialSettings
from euclidium.train.task import Task
from euclidium.units import GPA

LABELS = ("energy", "forces", "stress")
SAMPLE = 16  # structures that set the scale
SMALLEST_FORCE = 1e-6  # eV/Å, below which there is none


class PotentialTask(Task[Potential, Prediction]):
    """Learns a potential from the labels whose weight in the loss is not zero.

    >>> from euclidium.models.config import NequIPConfig
    >>> config = PotentialConfig(species=["Si"], network=NequIPConfig(channels=4, layers=1))
    >>> PotentialTask(config, LossSettings(stress=0.0)).labels
    ('energy', 'forces')
    """

    def __init__(self, config: PotentialConfig, loss: LossSettings) -> None:
        self.config, self.settings = config, loss
        self.labels = tuple(name for name in LABELS if getattr(loss, name) > 0)

    @property
    def description(self) -> dict[str, Any]:
        """The configuration of the potential."""
        return self.config.model_dump(mode="json")

    def build(self) -> Potential:
        """A new potential."""
        return Potential(self.config)

    def predict(self, model: Potential, graph: Graph) -> Prediction:
        """Energies, and the derivatives that have a label to compare with."""
        return model(graph, forces="forces" in self.labels, stress="stress" in self.labels)

    def loss(self, prediction: Prediction, graph: Graph) -> dict[str, Term]:
        """The weighted terms of the energy per atom, the forces and the stress."""
        settings, labels = self.settings, graph.labels
        how = (settings.kind, settings.delta)
        terms = {}
        if settings.energy > 0:
            per_atom = graph.atoms_per_structure
            terms["energy"] = energy_term(
                prediction.energy, labels["energy"], per_atom, settings.energy, *how
            )
        if settings.forces > 0:
            assert prediction.forces is not None
            terms["forces"] = forces_term(
                prediction.forces, labels["forces"], settings.forces, *how
            )
        if settings.stress > 0:
            assert prediction.stress is not None
            terms["stress"] = stress_term(
                prediction.stress, labels["stress"], settings.stress, *how
            )
        return terms

    def errors(self) -> Errors:
        """Empty sums of errors of energy, forces and stress."""
        return potential_errors(self.config.species)

    def measure(self, errors: Errors, prediction: Prediction, graph: Graph) -> None:
        """Add the errors of a batch."""
        measure_potential(errors, prediction, graph)

    def save(
        self,
        model: Potential,
        path: str | os.PathLike[str],
        metrics: Mapping[str, Any],
        provenance: Mapping[str, Any],
    ) -> None:
        """Write the potential to one file."""
        save(model, path, metrics, provenance)


def used_losses(settings: LossSettings, labels: Mapping[str, int], n: int) -> LossSettings:
    """The settings with weight zero for every label that none of ``n`` structures has.

    Raises ``ConfigError`` if such a weight was asked for, if only some structures have a label, or
    if nothing is left to learn.

    >>> used_losses(LossSettings(), {"energy": 8, "forces": 8}, n=8).stress
    0.0
    """
    there = ", ".join(sorted(labels)) or "no labels"
    for name in LABELS:
        weight, found = getattr(settings, name), labels.get(name, 0)
        if weight > 0 and 0 < found < n:
            raise ConfigError(
                f"{n - found} of {n} structures have no {name!r}: leave them out, or set "
                f"loss.{name} to 0"
            )
        if weight > 0 and not found and name in settings.model_fields_set:
            raise ConfigError(
                f"loss.{name} is {weight:g}, but the structures have no {name!r} (they have "
                f"{there}): drop the key, or name the label in data.{name}_key"
            )
    absent = [name for name in LABELS if name not in labels]
    used = settings.model_copy(update=dict.fromkeys(absent, 0.0))
    if not any(getattr(used, name) > 0 for name in LABELS):
        raise ConfigError(
            f"there is nothing to learn: the structures have {there}, and the loss gives weight "
            "to none of them; name the labels in data.energy_key and data.forces_key"
        )
    return used


def evaluate(model: Potential, structures: Sequence[Structure], batch_size: int = 16) -> Metrics:
    """The errors of a potential on labelled structures: energy per atom, forces, stress.

    MAE and RMSE; energy in meV/atom, forces in meV/Å over components, also for each element,
    stress in meV/Å³ and GPa. Each quantity is measured where its label is, on the model's device.

    Raises ``ValueError`` if no structure has a label.

    >>> import numpy as np
    >>> from euclidium.models.config import NequIPConfig
    >>> network = NequIPConfig(channels=4, layers=1)
    >>> config = PotentialConfig(species=["Ar"], network=network, reference_energies={"Ar": -1.0})
    >>> atom = Structure(np.array([18]), np.zeros((1, 3)), labels={"energy": np.array(-1.0)})
    >>> evaluate(Potential(config), [atom])["energy"].count
    1
    """
    errors = potential_errors(model.config.species)
    device = model.index_of.device
    training = model.training
    model.eval()
    try:
        for group in _by_labels(structures):
            for n in range(0, len(group), batch_size):
                batch = group[n : n + batch_size]
                labels = [name for name in LABELS if name in batch[0].labels]
                graph = Graph.from_structures(batch, model.cutoff, labels).to(device)
                prediction = model(graph, forces="forces" in labels, stress="stress" in labels)
                measure_potential(errors, prediction, graph)
    finally:
        model.train(training)
    metrics = errors.metrics()
    if not metrics.rows:
        raise ValueError(
            f"none of the {len(structures)} structures has an energy, forces or a stress to "
            "compare with: name the labels when reading"
        )
    return metrics


def _by_labels(structures: Sequence[Structure]) -> Iterator[list[Structure]]:
    """The structures in groups that have the same labels."""
    groups: dict[frozenset[str], list[Structure]] = {}
    for structure in structures:
        groups.setdefault(frozenset(structure.labels) & set(LABELS), []).append(structure)
    yield from groups.values()


def potential_errors(species: Sequence[str]) -> Errors:
    """Empty sums for the quantities of a potential; the forces also for each element.

    >>> [q.name for q in potential_errors(["Si"]).quantities]
    ['energy', 'forces', 'forces', 'stress', 'stress_GPa']
    """
    return Errors(
        [
            Quantity("energy", "meV/atom", 1e-3),
            Quantity("forces", "meV/Å", 1e-3),
            *(Quantity("forces", "meV/Å", 1e-3, of=symbol) for symbol in species),
            Quantity("stress", "meV/Å³", 1e-3),
            Quantity("stress_GPa", "GPa", GPA),
        ]
    )


def measure_potential(errors: Errors, prediction: Prediction, graph: Graph) -> None:
    """Add the errors of a batch, for every quantity that is both predicted and labelled."""
    if "energy" in graph.labels:
        error = prediction.energy - graph.labels["energy"]
        errors.add("energy", error / graph.atoms_per_structure)
    if "forces" in graph.labels and prediction.forces is not None:
        error = prediction.forces - graph.labels["forces"]
        errors.add("forces", error)
        for quantity in errors.quantities:
            if quantity.name == "forces" and quantity.of is not None:
                errors.add(
                    "forces", error[graph.species == atomic_number(quantity.of)], quantity.of
                )
    if "stress" in graph.labels and prediction.stress is not None:
        error = prediction.stress - graph.labels["stress"]
        errors.add("stress", error)
        errors.add("stress_GPa", error)


def potential_config(settings: PotentialSettings, parts: Parts, seed: int = 0) -> PotentialConfig:
    """The configuration of a potential, with what is ``auto`` taken from the training structures.

    Reference energies by least squares over the compositions. The scale is such that the first
    forces of the network, its weights drawn from ``seed``, are as large as those it is to learn:
    steep radial functions make them a hundred times larger in a molecule, and the optimiser would
    remember such gradients for long. Without forces the scale is the spread of the energies.

    Raises ``ConfigError`` if the structures have elements that the settings leave out.
    """
    references = _references(settings, parts)
    found = statistics(parts.train, references)
    names = [chemical_symbol(z) for z in found.species]
    species = names if settings.species == "auto" else list(settings.species)
    missing = [symbol for symbol in names if symbol not in species]
    if missing:
        raise ConfigError(
            f"model.species lacks {', '.join(missing)}, which the training structures have: add "
            "them, or write auto"
        )
    config = PotentialConfig(
        species=tuple(species),
        cutoff=settings.cutoff,
        network=settings.network,
        mean_neighbors=_value(settings.mean_neighbors, found.mean_neighbors),
        reference_energies={chemical_symbol(z): energy for z, energy in references.items()},
        dtype=settings.dtype,
        inputs=settings.inputs,
    )
    scale = _force_scale(config, parts.train, seed) or found.energy_std
    return config.model_copy(update={"scale": _value(settings.scale, scale)})


def _value(setting: float | str, found: float | None) -> float:
    """A setting, or what was found for ``auto``; 1 where the data gives no scale."""
    return found or 1.0 if setting == "auto" else float(setting)


def _force_scale(config: PotentialConfig, graphs: Part, seed: int) -> float | None:
    """RMS of the forces over that of an untrained potential; ``None`` if there are no forces."""
    size = min(SAMPLE, len(graphs))
    few = [graphs[len(graphs) * n // size] for n in range(size)]
    batch = collate(few)
    if "forces" not in batch.labels:
        return None
    with seeded(seed):
        forces = Potential(config).eval()(batch).forces
    assert forces is not None
    labels, first = (float(x.square().mean().sqrt()) for x in (batch.labels["forces"], forces))
    # atoms at rest in perfect crystals say nothing
    return labels / first if min(labels, first) > SMALLEST_FORCE else None


def _references(settings: PotentialSettings, parts: Parts) -> dict[int, float]:
    """Reference energies in eV, by atomic number."""
    if not isinstance(settings.reference_energies, str):
        return {atomic_number(name): e for name, e in settings.reference_energies.items()}
    if settings.reference_energies == "none" or "energy" not in parts.labels:
        return {}
    return reference_energies(parts.train)
