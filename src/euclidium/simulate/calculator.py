"""A potential as an ASE calculator."""

import copy
import dataclasses
import os
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import BaseCalculator, all_changes
from ase.calculators.calculator import Calculator as AseCalculator

from euclidium.atoms.graph import Graph
from euclidium.atoms.structure import Structure
from euclidium.models.compiled import compile_radial, freeze
from euclidium.models.potential import DTYPES, Potential, Prediction
from euclidium.models.storage import load
from euclidium.simulate.skin import SkinnedGraph

# xx, yy, zz, yz, xz, xy
VOIGT_ROWS, VOIGT_COLUMNS = (0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1)


@runtime_checkable
class Model(Protocol):
    """What can be simulated: a potential, or any torch module that honours its contract."""

    cutoff: float
    species: tuple[int, ...]

    def __call__(self, graph: Graph, forces: bool = True, stress: bool = False) -> Prediction:
        """Energy, forces and stress of a batch; edges beyond the cutoff do no harm."""
        ...


class Calculator(AseCalculator):
    """Energy, atomic energies, forces and stress of a potential, for everything that speaks ASE.

    eV, eV/Å, eV/Å³; the stress is in ASE's Voigt order xx, yy, zz, yz, xz, xy, positive under
    tension. ``model`` is a potential, of which a copy is kept, or the path of a model file;
    ``dtype`` is the type in which its network runs, and without it that of its training.

    The neighbour list is built up to cutoff + ``skin`` (Å) and kept until an atom could have
    come nearer than the cutoff unseen. Results are those of a new list at every step, to the bit.

    With a ``radial_tolerance``, 1e-5 for example, tables take the place of the radial networks, as
    by ``euclidium.models.compile_radial``: faster, with the same forces up to about this tolerance,
    which stay exact derivatives of the energy.

    Raises ``ValueError`` for an element that the potential does not know, a negative skin, an
    unknown type, a tolerance that cannot be met, and the stress of what has no volume.

    >>> from ase.build import bulk
    >>> from euclidium.models.config import NequIPConfig, PotentialConfig
    >>> config = PotentialConfig(species=["Si"], network=NequIPConfig(channels=4, layers=2))
    >>> silicon = bulk("Si")
    >>> silicon.calc = Calculator(Potential(config), dtype="float64")
    >>> silicon.get_forces().shape, silicon.get_stress().shape
    ((2, 3), (6,))
    """

    implemented_properties: ClassVar[list[str]] = [  # type: ignore[misc]
        "energy",
        "free_energy",
        "energies",
        "forces",
        "stress",
    ]

    def __init__(
        self,
        model: Model | str | os.PathLike[str],
        device: torch.device | str = "cpu",
        dtype: Literal["float32", "float64"] | None = None,
        skin: float = 0.5,
        radial_tolerance: float | None = None,
    ) -> None:
        super().__init__()
        if skin < 0:
            raise ValueError(f"the skin is a length in Å, zero or more, got {skin}")
        self.model = _prepared(model, device, dtype)
        if radial_tolerance is None:
            self.model = freeze(self.model)
        else:
            self.model = compile_radial(self.model, radial_tolerance)
        self.skin = skin
        self.device = device
        self.n_lists = 0  # neighbour lists built so far
        self._skinned: SkinnedGraph | None = None
        self._with_stress = False

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Fill ``results``; called by ASE."""
        super().calculate(atoms, list(properties), list(system_changes))
        assert self.atoms is not None  # super() has set a copy
        has_volume = bool(abs(np.linalg.det(self.atoms.cell.array)) > 1e-9)
        if "stress" in properties and not has_volume:
            raise ValueError("stress needs a cell with a volume: ask for energy and forces only")
        # who has asked for stress once will ask again, after the forces of every step
        self._with_stress |= "stress" in properties
        graph = self._graph(self.atoms).to(self.device)
        prediction = self.model(graph, forces=True, stress=self._with_stress and has_volume)
        self.results = _results(prediction)

    def _graph(self, atoms: Atoms) -> Graph:
        """The graph of the atoms, from the list at hand if that is still good."""
        structure = Structure.from_ase(atoms, keys=None)
        if isinstance(self.model, Potential) and self.model.config.inputs:
            inputs = _inputs(atoms, self.model.config.inputs)
            structure = dataclasses.replace(structure, inputs=inputs)
        skinned = self._skinned
        if (
            skinned is None
            or not _same_atoms(skinned.graph, structure)
            or not skinned.covers(structure.positions, structure.cell)
        ):
            self._skinned = skinned = SkinnedGraph.of(structure, self.model.cutoff, self.skin)
            self.n_lists += 1
        return skinned.moved(structure.positions, structure.cell)


def calculator_of(model: Model | BaseCalculator | str | os.PathLike[str]) -> BaseCalculator:
    """An ASE calculator as it is, anything else as a ``Calculator`` with its defaults."""
    return model if isinstance(model, BaseCalculator) else Calculator(model)


def _prepared(
    model: Model | str | os.PathLike[str], device: torch.device | str, dtype: str | None
) -> Any:
    """The model on its device and in its type, ready to evaluate."""
    if dtype is not None and dtype not in DTYPES:
        raise ValueError(f"dtype is float32 or float64, got {dtype!r}")
    if isinstance(model, str | os.PathLike):
        return load(model, device, dtype)
    assert isinstance(model, torch.nn.Module)
    own = copy.deepcopy(model).to(device).eval().requires_grad_(False)
    return own.to(DTYPES[dtype]) if dtype is not None else own


def _same_atoms(graph: Graph, structure: Structure) -> bool:
    """Whether only positions and cell may differ."""
    return (
        np.array_equal(graph.species.numpy(), structure.species)
        and np.array_equal(graph.pbc[0].numpy(), structure.pbc)
        and all(np.array_equal(graph.inputs[k].numpy(), v) for k, v in structure.inputs.items())
    )


def _inputs(atoms: Atoms, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Extra atomic features, from ``atoms.arrays``."""
    missing = [name for name in names if name not in atoms.arrays]
    if missing:
        raise ValueError(
            f"the potential reads the atomic input {missing[0]!r}, which these atoms do not have: "
            f"set atoms.arrays[{missing[0]!r}]"
        )
    return {name: np.asarray(atoms.arrays[name], dtype=np.float64) for name in names}


def _results(prediction: Prediction) -> dict[str, Any]:
    """A prediction as ASE wants it."""
    energy = float(prediction.energy[0])
    results: dict[str, Any] = {
        "energy": energy,
        "free_energy": energy,
        "energies": prediction.energies.cpu().numpy(),
    }
    if prediction.forces is not None:
        results["forces"] = prediction.forces.cpu().numpy()
    if prediction.stress is not None:
        results["stress"] = prediction.stress[0].cpu().numpy()[VOIGT_ROWS, VOIGT_COLUMNS]
    return results
