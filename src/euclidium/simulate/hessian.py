"""Second derivatives of a potential's energy: Hessians and force constants, without differences."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from jaxtyping import Float
from torch import Tensor

from euclidium.atoms.graph import Graph, collate
from euclidium.simulate.calculator import Calculator, Model
from euclidium.simulate.lattice import ase_atoms, lattice
from euclidium.simulate.supercell import supercell_matrix

# Directions are taken together, as copies of the structure in one batch, until it has so many
# edges: below that the time goes into calls, above it into memory.
EDGES = 4096


def hessian(
    model: Model | BaseCalculator | str | os.PathLike[str],
    atoms: Atoms,
    moved: Sequence[int] | np.ndarray | None = None,
    *,
    observe: Callable[[int, int], None] | None = None,
) -> Float[np.ndarray, "moved 3 atom 3"]:
    """Second derivatives of the energy with respect to positions, exact, in eV/Å².

    H_iajb = ∂²E/∂r_ia ∂r_jb

    The rows of the atoms in ``moved``, or of all; as a matrix,
    ``hessian(...).reshape(3 * n, 3 * n)``. ``model`` is a potential or the path of one, evaluated
    in float64, or a ``Calculator``. Periodic images move together. ``observe`` is called with the
    number of directions done and their total. Forces are differentiated once more, in batches of
    directions, which takes the time of one or two calculations of forces for each.

    Raises ``ValueError`` for an atom that is not there, and for a model without a graph of
    derivatives, such as other ASE calculators.

    >>> from ase.build import bulk
    >>> from euclidium.models.config import NequIPConfig, PotentialConfig
    >>> from euclidium.models.potential import Potential
    >>> config = PotentialConfig(species=["Si"], network=NequIPConfig(channels=4, layers=2))
    >>> hessian(Potential(config), bulk("Si")).shape
    (2, 3, 2, 3)
    """
    indices = np.arange(len(atoms)) if moved is None else np.asarray(moved, dtype=np.int64)
    if indices.ndim != 1 or (np.abs(indices + 0.5) > len(atoms)).any():
        raise ValueError(f"moved is a list of indices of {len(atoms)} atoms, got {moved}")
    directions = np.zeros((len(indices), 3, len(atoms), 3))
    for row, index in enumerate(indices):
        directions[row, [0, 1, 2], index, [0, 1, 2]] = 1.0
    products = hessian_products(model, atoms, directions.reshape(-1, len(atoms), 3), observe)
    return products.reshape(len(indices), 3, len(atoms), 3)


def hessian_products(
    model: Model | BaseCalculator | str | os.PathLike[str],
    atoms: Atoms,
    directions: Float[np.ndarray, "direction atom 3"],
    observe: Callable[[int, int], None] | None = None,
) -> Float[np.ndarray, "direction atom 3"]:
    """How forces fall when atoms move: the Hessian times each of some displacements (Å), in eV/Å.

    (H u)_ia = Σ_jb ∂²E/∂r_ia ∂r_jb u_jb = −∂F_ia/∂s at r + s u

    Takes what ``hessian`` takes, and raises as it does; also ``ValueError`` for directions that do
    not fit the atoms.

    >>> from ase.build import bulk
    >>> from euclidium.models.config import NequIPConfig, PotentialConfig
    >>> from euclidium.models.potential import Potential
    >>> config = PotentialConfig(species=["Si"], network=NequIPConfig(channels=4, layers=2))
    >>> float(abs(hessian_products(Potential(config), bulk("Si"), np.ones((1, 2, 3)))).max()) < 1e-9
    True
    """
    if directions.shape[1:] != (len(atoms), 3):
        raise ValueError(
            f"directions have the shape {directions.shape}, expected (any, {len(atoms)}, 3)"
        )
    calculator = differentiable(model)
    graph = calculator._graph(atoms).within(calculator.model.cutoff)
    calculator.model(graph.to(calculator.device), forces=False)  # refuses what it does not know
    wanted = torch.from_numpy(np.asarray(directions, dtype=np.float64))
    found: list[np.ndarray] = []
    for products in _products(calculator, graph, wanted):
        found.append(products.cpu().numpy())
        if observe is not None:
            observe(sum(map(len, found)), len(wanted))
    return np.concatenate(found) if found else np.zeros((0, len(atoms), 3))


def force_constants(
    model: Model | BaseCalculator | str | os.PathLike[str],
    atoms: Atoms,
    supercell: float | Sequence[int] | Sequence[Sequence[int]] | np.ndarray = 10.0,
    *,
    symprec: float = 1e-5,
    observe: Callable[[int, int], None] | None = None,
) -> Float[np.ndarray, "primitive super 3 3"]:
    """Force constants between a primitive cell and a supercell, exact, in eV/Å².

    Φ_ij = ∂²E/∂r_i ∂r_j

    In phonopy's compact form and order of atoms: for each atom of the primitive cell the 3 × 3
    blocks with all atoms of the supercell. Only directions of motion that the space group does not
    give from others are computed, one for silicon. Sum over the supercell zero, and
    Φ_ij = Φ_jiᵀ. The crystal is taken as it is: relax it before. ``supercell`` is what ``phonons``
    takes: three numbers of repetitions, a matrix, or a length in Å.

    Raises ``ValueError`` as ``hessian``, and as ``phonons`` for a supercell that makes no sense.

    >>> from ase.build import bulk
    >>> from euclidium.models.config import NequIPConfig, PotentialConfig
    >>> from euclidium.models.potential import Potential
    >>> config = PotentialConfig(species=["Si"], network=NequIPConfig(channels=4, layers=2))
    >>> force_constants(Potential(config), bulk("Si"), (2, 2, 2)).shape
    (2, 16, 3, 3)
    """
    phonopy = lattice(atoms, supercell_matrix(atoms, supercell, symprec), None, symprec)
    find_force_constants(phonopy, differentiable(model), observe)
    return np.array(phonopy.force_constants)


def find_force_constants(
    phonopy: Any, calculator: Calculator, observe: Callable[[int, int], None] | None = None
) -> None:
    """Give an object of phonopy its force constants, from exact derivatives of the forces.

    Phonopy's displacements are directions here: of two opposite ones, one is enough.

    >>> from ase.build import bulk
    >>> from euclidium.models.config import NequIPConfig, PotentialConfig
    >>> from euclidium.models.potential import Potential
    >>> config = PotentialConfig(species=["Si"], network=NequIPConfig(channels=4, layers=2))
    >>> silicon = lattice(bulk("Si"), 2 * np.eye(3, dtype=np.int64))
    >>> find_force_constants(silicon, differentiable(Potential(config)))
    >>> silicon.force_constants.shape
    (2, 16, 3, 3)
    """
    phonopy.generate_displacements(distance=1.0, is_plusminus=False)
    atoms = ase_atoms(phonopy.supercell)
    moved = phonopy.dataset["first_atoms"]
    directions = np.zeros((len(moved), len(atoms), 3))
    for direction, first in zip(directions, moved, strict=True):
        direction[first["number"]] = first["displacement"]
    phonopy.forces = -hessian_products(calculator, atoms, directions, observe)
    phonopy.produce_force_constants(calculate_full_force_constants=False, show_drift=False)
    phonopy.symmetrize_force_constants(show_drift=False)


def differentiable(model: Model | BaseCalculator | str | os.PathLike[str]) -> Calculator:
    """A calculator whose energy can be differentiated twice, in float64 unless it is one already.

    Raises ``ValueError`` for anything else.

    >>> from ase.calculators.emt import EMT
    >>> differentiable(EMT())
    Traceback (most recent call last):
    ValueError: second derivatives need a euclidium potential, EMT has none: use displacements
    """
    calculator = model if isinstance(model, BaseCalculator) else Calculator(model, dtype="float64")
    inner = calculator.model if isinstance(calculator, Calculator) else calculator
    if not isinstance(calculator, Calculator) or not hasattr(inner, "atomic_energies"):
        raise ValueError(
            f"second derivatives need a euclidium potential, {type(inner).__name__} has none: "
            "use displacements"
        )
    return calculator


def _products(calculator: Calculator, graph: Graph, directions: Tensor) -> Iterator[Tensor]:
    """The Hessian times directions, in blocks: one graph of forces is differentiated for each."""
    copies = max(1, min(len(directions), EDGES // max(graph.n_edges, 1)))
    batch = collate([graph] * copies).to(calculator.device)
    positions = batch.positions.clone().requires_grad_()
    with torch.enable_grad():
        energy = calculator.model.atomic_energies(batch, positions).sum()
        (slope,) = torch.autograd.grad(energy, positions, create_graph=True)
    for block in directions.split(copies):
        vector = torch.zeros_like(slope)
        vector[: block[..., 0].numel()] = block.reshape(-1, 3).to(slope.device)
        (product,) = torch.autograd.grad(slope, positions, vector, retain_graph=True)
        yield product.reshape(copies, -1, 3)[: len(block)]
