"""Fine-tuning of a potential on vibrations: on second derivatives of the energy."""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from euclidium.atoms.graph import Graph
from euclidium.atoms.structure import Structure
from euclidium.models.potential import DTYPES, Potential
from euclidium.train.force_constants import (
    VibrationErrors,
    Vibrations,
    columns,
    constants_term,
    frequency_term,
    hessian_products,
    vibration_errors,
)
from euclidium.train.loss import Term, energy_term, forces_term, stress_term, total_loss
from euclidium.train.state import TrainingError

LABELS = ("energy", "forces", "stress")
WARMUP = 10  # steps


@dataclass(frozen=True)
class FinetuneSettings:
    """How a potential is fine-tuned.

    Each step takes one crystal and, of its force constants, ``directions`` random columns; of
    frequencies all of them. ``force_constants`` and ``frequencies`` weigh these terms; ``forces``
    and ``energy`` weigh squared forces (eV/Å) on the crystal's atoms and changes of its energy
    (eV/atom), and with ``stress`` (eV/Å³) the labels of further structures, of which a step takes
    ``batch_size``. Adam, with a learning rate that falls along half a cosine after ten steps; the
    best weights of all checks are kept.
    """

    steps: int = 300
    learning_rate: float = 3e-4
    directions: int = 6
    force_constants: float = 1.0
    frequencies: float = 10.0
    energy: float = 10.0
    forces: float = 1.0
    stress: float = 10.0
    batch_size: int = 5
    clip: float = 10.0
    check: int = 25
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Finetuned:
    """A potential after fine-tuning, with its errors before and after."""

    model: Potential
    before: VibrationErrors
    after: VibrationErrors
    losses: Float[np.ndarray, " step"]
    best_step: int  # after which the weights were taken; 0 if none was better than the first


def finetune(
    model: Potential,
    vibrations: Sequence[Vibrations],
    structures: Sequence[Structure] = (),
    settings: FinetuneSettings | None = None,
    *,
    validation: Sequence[Vibrations] = (),
    observe: Callable[[int, int, float], None] | None = None,
) -> Finetuned:
    """Train a potential further, on force constants, frequencies or densities of states.

    ℓ = ⟨(H u − Φ u)²⟩/⟨Φ²⟩ + ⟨(ω − ω*)²⟩/⟨ω*²⟩ + energies, forces and stresses

    Hessian-vector products and eigenvalues of the dynamical matrix are differentiated with respect
    to the weights: third derivatives of the energy, in float64. The ``model`` stays as it is, and a
    copy of its type is returned. ``structures`` with labels hold the potential where it is good
    already; without them it may forget what is far from the crystals. The weights kept are those
    with the lowest error on ``validation``, of force constants if they are known, else of
    frequencies; without it on ``vibrations``, and with ``structures`` those with the lowest loss.
    ``observe`` is called with the steps done, their total and
    the loss.

    Raises ``ValueError`` without vibrations, for species that the potential does not know, for
    structures whose labels are not those of the first, and for settings that make no sense;
    ``TrainingError`` if the loss is not finite.
    Koker et al., https://arxiv.org/abs/2601.07742.

    >>> from euclidium.models.config import NequIPConfig, PotentialConfig
    >>> network = NequIPConfig(channels=4, layers=1)
    >>> model = Potential(PotentialConfig(species=["Ar"], network=network, cutoff=4.0))
    >>> one = Structure(np.array([18]), np.zeros((1, 3)), 3.7 * np.eye(3), np.ones(3, dtype=bool))
    >>> at_x = np.array([[0.5, 0.0, 0.0]])
    >>> cell, bands = 3.7 * np.eye(3), np.full((1, 3), 2.0)
    >>> two = Structure(
    ...     np.array([18, 18]),
    ...     np.array([[0.0, 0, 0], [3.7, 0, 0]]),
    ...     np.diag([7.4, 3.7, 3.7]),
    ...     np.ones(3, dtype=bool),
    ... )
    >>> known = Vibrations(two, np.array([0]), cell, q=at_x, frequencies=bands)
    >>> tuned = finetune(model, [known], settings=FinetuneSettings(steps=20, check=5))
    >>> tuned.after.frequencies < tuned.before.frequencies
    True
    """
    settings = settings or FinetuneSettings()
    _check(model, vibrations, structures, settings)
    dtype = next(model.parameters()).dtype
    own = copy.deepcopy(model).to(DTYPES["float64"]).requires_grad_(True).train()
    crystals = [_Crystal.of(one, own) for one in vibrations]
    rng = np.random.default_rng(settings.seed)
    labelled = _batches(own, structures, settings.batch_size, rng)
    optimizer = torch.optim.Adam(own.parameters(), lr=settings.learning_rate)
    judged = validation or vibrations
    before = vibration_errors(own, judged)
    # the loss of structures is known after some steps only: then the first weights do not compete
    by_loss = bool(structures) and not validation
    best, best_step, weights = math.inf if by_loss else _score(before), 0, _weights(own)
    losses = np.zeros(settings.steps)
    for step, crystal in zip(range(settings.steps), _forever(crystals, rng), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * _share(step, settings.steps)
        terms = _vibration_terms(own, crystal, settings, rng)
        terms |= _label_terms(own, next(labelled, None), settings)
        losses[step] = _step(own, optimizer, terms, settings.clip, step)
        if (step + 1) % settings.check == 0 or step + 1 == settings.steps:
            recent = float(losses[max(0, step + 1 - settings.check) : step + 1].mean())
            score = recent if by_loss else _score(vibration_errors(own, judged))
            if score < best:
                best, best_step, weights = score, step + 1, _weights(own)
        if observe is not None:
            observe(step + 1, settings.steps, float(losses[step]))
    own.load_state_dict(weights)
    own = own.to(dtype).eval().requires_grad_(False)
    after = vibration_errors(own.double(), judged)
    return Finetuned(own.to(dtype), before, after, losses, best_step)


@dataclass(frozen=True, eq=False)
class _Crystal:
    """A crystal with its graph, and the energy (eV) that the model gave it at first."""

    known: Vibrations
    graph: Graph
    energy: float

    @classmethod
    def of(cls, known: Vibrations, model: Potential) -> "_Crystal":
        graph = Graph.from_structures([known.structure], model.cutoff, labels=[])
        graph = graph.to(model.index_of.device)
        return cls(known, graph, float(model(graph, forces=False).energy.detach()))


def _check(
    model: Potential,
    vibrations: Sequence[Vibrations],
    structures: Sequence[Structure],
    settings: FinetuneSettings,
) -> None:
    """What can be trained on, and how."""
    if not vibrations:
        raise ValueError("there are no vibrations to learn from: give one crystal or more")
    for name in ("steps", "directions", "batch_size", "check", "learning_rate", "clip"):
        if not getattr(settings, name) > 0:
            raise ValueError(f"{name} is a number above zero, got {getattr(settings, name)}")
    for one in vibrations:
        model._check(Graph.from_structures([one.structure], model.cutoff), stress=False)
    if structures and not set(LABELS) & set(structures[0].labels):
        raise ValueError("the structures have no energy, forces or stress to learn from")


def _vibration_terms(
    model: Potential, crystal: _Crystal, settings: FinetuneSettings, rng: np.random.Generator
) -> dict[str, Term]:
    """Errors of force constants, frequencies and forces at rest."""
    known = crystal.known
    n = 3 * len(known.cell_atoms)
    chosen = np.arange(n)
    if known.q is None and settings.directions < n:
        chosen = np.sort(rng.choice(n, settings.directions, replace=False))
    products, forces, energy = hessian_products(model, crystal.graph, columns(known, chosen))
    change = (energy - crystal.energy) / crystal.graph.n_atoms
    terms = {
        "rest": Term(settings.forces, forces.square().sum(), forces.numel()),
        "hold": Term(settings.energy, change.square(), 1),
    }
    if known.force_constants is not None:
        terms["force_constants"] = constants_term(products, known, chosen, settings.force_constants)
    if known.q is not None:
        squares = known.squares(products.reshape(-1, 3, *products.shape[1:]))
        terms["frequencies"] = frequency_term(squares, known, settings.frequencies)
    return terms


def _label_terms(
    model: Potential, batch: Graph | None, settings: FinetuneSettings
) -> dict[str, Term]:
    """Errors of energies, forces and stresses of other structures."""
    if batch is None:
        return {}
    labels, terms = batch.labels, {}
    prediction = model(batch, forces="forces" in labels, stress="stress" in labels)
    if "energy" in labels:
        per_atom = batch.atoms_per_structure
        terms["energy"] = energy_term(
            prediction.energy, labels["energy"], per_atom, settings.energy
        )
    if "forces" in labels:
        terms["forces"] = forces_term(prediction.forces, labels["forces"], settings.forces)
    if "stress" in labels:
        terms["stress"] = stress_term(prediction.stress, labels["stress"], settings.stress)
    return terms


def _step(
    model: Potential,
    optimizer: torch.optim.Optimizer,
    terms: dict[str, Term],
    clip: float,
    step: int,
) -> float:
    """One step down the gradient of the loss; returns the loss."""
    optimizer.zero_grad()
    loss = total_loss(terms)
    loss.backward()
    norm = float(nn.utils.clip_grad_norm_(model.parameters(), clip))
    if not math.isfinite(norm):
        raise TrainingError(
            f"fine-tuning diverged at step {step + 1}: the loss is {float(loss.detach()):g}; lower "
            "the learning rate"
        )
    optimizer.step()
    return float(loss.detach())


def _batches(
    model: Potential, structures: Sequence[Structure], size: int, rng: np.random.Generator
) -> Iterator[Graph]:
    """Random batches of labelled structures without end; none without structures."""
    names = [name for name in LABELS if structures and name in structures[0].labels]
    order: list[int] = []
    while structures:
        if len(order) < min(size, len(structures)):
            order += rng.permutation(len(structures)).tolist()
        chosen, order = order[:size], order[size:]
        batch = [structures[n] for n in chosen]
        yield Graph.from_structures(batch, model.cutoff, names).to(model.index_of.device)


def _forever(crystals: Sequence[_Crystal], rng: np.random.Generator) -> Iterator[_Crystal]:
    """The crystals in random order, again and again."""
    while True:
        for index in rng.permutation(len(crystals)):
            yield crystals[index]


def _share(step: int, steps: int) -> float:
    """The learning rate as a share of the highest: up in ten steps, then down to a hundredth."""
    falling = 0.01 + 0.99 * (1 + math.cos(math.pi * step / steps)) / 2
    return min(1.0, (step + 1) / WARMUP) * falling


def _score(errors: VibrationErrors) -> float:
    """What is to be small: the error of force constants, or of frequencies without them."""
    known = errors.force_constants
    return errors.frequencies if math.isnan(known) else known


def _weights(model: Potential) -> dict[str, torch.Tensor]:
    """A copy of the weights."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
