"""Vibrations as something to learn from: force constants, frequencies, densities of states."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from euclidium.atoms.dos import PhononDOS
from euclidium.atoms.graph import Graph, collate
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure
from euclidium.models.potential import Potential
from euclidium.train.loss import Term
from euclidium.units import SQRT_DYNAMICAL_TO_THZ, THZ_TO_CM1

SAME_PLACE = 1e-3  # Å
# Softens errors of the squares of frequencies near zero, where they say little, THz.
SOFT = 1.0


@dataclass(frozen=True, eq=False)
class Vibrations:
    """What is known of a crystal's vibrations, for a potential to be trained on.

    ``structure`` is a supercell of the ``primitive`` cell (rows are vectors, Å), at rest, and
    ``cell_atoms`` are those of its atoms that make up one primitive cell. Known are
    ``force_constants`` between these and all atoms (eV/Å², as phonopy's compact ones), or
    ``frequencies`` (THz, imaginary ones negative, without a field of charges) at points ``q`` in
    reciprocal vectors of the primitive cell, or a density of states ``dos``, for which ``q`` is a
    mesh that the potential's own is taken on, with ``weights``; or several of these. ``masses``
    (amu) of the primitive cell are those of the elements if they are not given.

    Raises ``DataError`` for arrays that do not fit each other, and if nothing is known.

    >>> two = Structure(
    ...     np.array([18, 18]),
    ...     np.array([[0.0, 0, 0], [3.7, 0, 0]]),
    ...     np.diag([7.4, 9.0, 9.0]),
    ...     np.ones(3, dtype=bool),
    ... )
    >>> chain = Vibrations(two, np.array([0]), np.diag([3.7, 9.0, 9.0]), np.zeros((1, 2, 3, 3)))
    >>> chain.members.tolist()
    [0, 0]
    """

    structure: Structure
    cell_atoms: Int[np.ndarray, " row"]
    primitive: Float[np.ndarray, "3 3"]
    force_constants: Float[np.ndarray, "row atom 3 3"] | None = None
    q: Float[np.ndarray, "q 3"] | None = None
    frequencies: Float[np.ndarray, "q band"] | None = None
    dos: PhononDOS | None = None
    weights: Float[np.ndarray, " q"] | None = None
    masses: Float[np.ndarray, " row"] | None = None
    name: str = "a crystal"

    def __post_init__(self) -> None:
        rows, atoms = len(self.cell_atoms), self.structure.n_atoms
        shapes = {
            "force_constants": (rows, atoms, 3, 3),
            "frequencies": (0 if self.q is None else len(self.q), 3 * rows),
            "weights": (0 if self.q is None else len(self.q),),
            "masses": (rows,),
        }
        for key, shape in shapes.items():
            value = getattr(self, key)
            if value is not None and value.shape != shape:
                raise DataError(
                    f"{self.name}: {key} have the shape {value.shape}, expected {shape}"
                )
            if value is not None and not np.isfinite(value).all():
                raise DataError(f"{self.name}: {key} hold a number that is not finite")
        if self.force_constants is None and self.frequencies is None and self.dos is None:
            raise DataError(f"{self.name} has neither force constants nor frequencies nor a DOS")
        if self.q is not None and self.frequencies is None and self.dos is None:
            raise DataError(f"{self.name} has points q, but neither frequencies nor a DOS there")
        if self.dos is not None and self.q is None:
            raise DataError(f"{self.name}: a density of states needs a mesh of points q")
        if not self.structure.pbc.all() or atoms % max(rows, 1) or not rows:
            raise DataError(
                f"{self.name}: {atoms} atoms are no supercell, periodic along all axes, of a cell "
                f"with {rows}"
            )

    @cached_property
    def members(self) -> Int[np.ndarray, " atom"]:
        """Which atom of the primitive cell each atom of the supercell is an image of.

        Raises ``DataError`` for an atom that is the image of none.
        """
        positions = self.structure.positions
        apart = positions[:, None] - positions[self.cell_atoms]
        steps = apart @ np.linalg.inv(self.primitive)
        off = np.linalg.norm((steps - np.rint(steps)) @ self.primitive, axis=2)
        if off.min(axis=1).max() > SAME_PLACE * 10:
            atom = int(off.min(axis=1).argmax())
            raise DataError(
                f"{self.name}: atom {atom} of the supercell is {off.min(axis=1).max():.3g} Å from "
                "where the primitive cell puts one"
            )
        return off.argmin(axis=1)

    @cached_property
    def phases(self) -> Complex[np.ndarray, "q row atom"]:
        """exp(2πi q·r) of the vectors between atoms, the mean over their shortest images."""
        assert self.q is not None
        positions, cell = self.structure.positions, self.structure.cell
        steps = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), axis=-1)
        images = steps.reshape(-1, 3).astype(np.float64)
        inverse = np.linalg.inv(self.primitive)
        found = np.empty((len(self.q), len(self.cell_atoms), len(positions)), dtype=complex)
        for row, atom in enumerate(self.cell_atoms):
            apart = (positions - positions[atom]) @ np.linalg.inv(cell)
            vectors = ((apart - np.rint(apart))[:, None] + images) @ cell
            lengths = np.linalg.norm(vectors, axis=2)
            nearest = lengths < lengths.min(axis=1, keepdims=True) + SAME_PLACE
            waves = np.exp(2j * np.pi * (vectors @ inverse) @ self.q.T)
            found[:, row] = ((waves * nearest[..., None]).sum(axis=1).T) / nearest.sum(axis=1)
        return found

    def squares(self, rows: Float[Tensor, "row 3 atom 3"]) -> Float[Tensor, "q band"]:
        """Squares of the frequencies (THz²) at q, of rows of a Hessian (eV/Å²); differentiable.

        D_κκ′(q) = 1/√(m_κ m_κ′) Σ_j∈κ′ Φ_κj ⟨exp(2πi q·r_κj)⟩
        """
        n = len(self.cell_atoms)
        masses = self.masses
        if masses is None:
            masses = self.structure.masses[self.cell_atoms]
        phases = torch.from_numpy(self.phases).to(rows.device)
        belongs = torch.zeros(len(self.members), n, dtype=torch.complex128, device=rows.device)
        belongs[torch.arange(len(self.members)), torch.from_numpy(self.members)] = 1.0
        inverse = torch.from_numpy(masses**-0.5).to(rows.device)
        weighted = torch.einsum("iajb,qij,jk->qiakb", rows.to(torch.complex128), phases, belongs)
        weighted = weighted * inverse[:, None, None, None] * inverse[:, None]
        matrices = weighted.reshape(len(phases), 3 * n, 3 * n) * SQRT_DYNAMICAL_TO_THZ**2
        return torch.linalg.eigvalsh((matrices + matrices.mH) / 2)


def hessian_products(
    model: Potential,
    graph: Graph,
    directions: Float[Tensor, "direction atom 3"],
    differentiable: bool = True,
) -> tuple[Float[Tensor, "direction atom 3"], Float[Tensor, "atom 3"], Float[Tensor, ""]]:
    """The Hessian (eV/Å²) of a structure times some directions, the forces (eV/Å) and energy (eV).

    All are differentiable with respect to the parameters unless that is switched off: the third
    derivatives of the energy. All directions are one batch, of copies of the structure.

    >>> from euclidium.models.config import NequIPConfig, PotentialConfig
    >>> network = NequIPConfig(channels=4, layers=1)
    >>> model = Potential(PotentialConfig(species=["Ar"], network=network))
    >>> two = Structure(np.array([18, 18]), np.array([[0.0, 0.0, 0.0], [3.0, 0.0, 0.0]]))
    >>> graph = Graph.from_structures([two], model.cutoff)
    >>> products, forces, energy = hessian_products(model, graph, torch.ones(1, 2, 3).double())
    >>> products.shape, products.requires_grad
    (torch.Size([1, 2, 3]), True)
    """
    n = len(directions)
    batch = collate([graph] * n)
    positions = batch.positions.detach().clone().requires_grad_()
    with torch.enable_grad():
        energy = model.atomic_energies(batch, positions).sum()
        (slope,) = torch.autograd.grad(energy, positions, create_graph=True)
        vector = directions.reshape(-1, 3).to(slope)
        (products,) = torch.autograd.grad(slope, positions, vector, create_graph=differentiable)
    forces, energy = -slope.reshape(n, -1, 3)[0], energy / n
    if not differentiable:
        forces, energy = forces.detach(), energy.detach()
    return products.reshape(n, -1, 3), forces, energy


def columns(
    vibrations: Vibrations, chosen: Int[np.ndarray, " direction"] | None = None
) -> Float[Tensor, "direction atom 3"]:
    """Unit displacements of the primitive cell's atoms, of all coordinates or of some.

    >>> one = Structure(np.array([18]), np.zeros((1, 3)), 3.7 * np.eye(3), np.ones(3, dtype=bool))
    >>> crystal = Vibrations(one, np.array([0]), 3.7 * np.eye(3), np.zeros((1, 1, 3, 3)))
    >>> columns(crystal).shape
    torch.Size([3, 1, 3])
    """
    rows = len(vibrations.cell_atoms)
    coordinates = np.arange(3 * rows) if chosen is None else chosen
    made = torch.zeros(len(coordinates), vibrations.structure.n_atoms, 3, dtype=torch.float64)
    atoms = torch.from_numpy(vibrations.cell_atoms[coordinates // 3])
    made[torch.arange(len(made)), atoms, torch.from_numpy(coordinates % 3)] = 1.0
    return made


def constants_term(
    products: Float[Tensor, "direction atom 3"],
    vibrations: Vibrations,
    chosen: Int[np.ndarray, " direction"],
    weight: float = 1.0,
) -> Term:
    """Squared errors of columns of the force constants, relative to their mean square.

    ℓ = ⟨(H u − Φ u)²⟩ / ⟨Φ²⟩

    Koker et al., https://arxiv.org/abs/2601.07742.
    """
    assert vibrations.force_constants is not None
    known = torch.from_numpy(vibrations.force_constants).to(products.device)
    wanted = known.permute(0, 2, 1, 3).flatten(0, 1)[torch.from_numpy(chosen)]
    error = (products - wanted) / known.square().mean().sqrt()
    return Term(weight, error.square().sum(), error.numel())


def frequency_term(
    squares: Float[Tensor, "q band"], vibrations: Vibrations, weight: float = 1.0
) -> Term:
    """Squared errors of frequencies, relative to their mean square.

    ℓ = ⟨((ω² − ω*²) / 2(|ω*| + 1 THz))²⟩ / ⟨ω*²⟩,

    which for most modes is (ω − ω*)², and has a derivative where ω is zero. Of a density of states
    ω* are its quantiles, given to the modes of the mesh from the lowest to the highest; the measure
    is then the Wasserstein distance between the two densities.
    """
    wanted, weights = _wanted(squares, vibrations)
    error = (squares - wanted.sign() * wanted.square()) / (2 * (wanted.abs() + SOFT))
    size = (wanted.square() * weights).sum() / weights.sum()
    total = (error.square() * weights).sum() / size * (weights.numel() / weights.sum())
    return Term(weight, total, weights.numel())


def _wanted(squares: Tensor, vibrations: Vibrations) -> tuple[Tensor, Tensor]:
    """Frequencies that the modes should have (THz), and weights of the modes."""
    q = vibrations.q
    assert q is not None
    points = np.ones(len(q)) if vibrations.weights is None else vibrations.weights
    weights = torch.from_numpy(points).to(squares.device)[:, None].expand(squares.shape)
    if vibrations.frequencies is not None:
        return torch.from_numpy(vibrations.frequencies).to(squares.device), weights
    assert vibrations.dos is not None
    order = squares.detach().flatten().argsort()
    share = weights.flatten()[order]
    middle = (share.cumsum(0) - share / 2) / share.sum()
    quantiles = _quantiles(vibrations.dos, middle.cpu().numpy()) / THZ_TO_CM1
    wanted = torch.empty_like(share)
    wanted[order] = torch.from_numpy(quantiles).to(squares.device)
    return wanted.reshape(squares.shape), weights


def _quantiles(dos: PhononDOS, shares: np.ndarray) -> np.ndarray:
    """Frequencies (cm⁻¹) below which some shares of the modes lie."""
    below = np.concatenate([[0.0], np.cumsum(dos.modes)])
    kept = np.concatenate([[True], np.diff(below) > 0])
    return np.interp(shares, below[kept] / below[-1], np.asarray(dos.edges)[kept])


@dataclass(frozen=True)
class VibrationErrors:
    """Root mean square errors of a potential's vibrations; NaN where nothing is known."""

    force_constants: float  # eV/Å²
    frequencies: float  # THz; of quantiles, where a density of states is known
    forces: float  # eV/Å, at the places of the atoms at rest


def vibration_errors(model: Potential, known: Sequence[Vibrations]) -> VibrationErrors:
    """How far a potential's force constants and frequencies are from what is known.

    Frequencies are those of the model's force constants; errors are root mean squares over all
    force constants, modes and atoms. Raises ``ValueError`` if nothing is given.

    >>> from euclidium.models.config import NequIPConfig, PotentialConfig
    >>> network = NequIPConfig(channels=4, layers=1)
    >>> model = Potential(PotentialConfig(species=["Ar"], network=network, cutoff=3.0))
    >>> one = Structure(np.array([18]), np.zeros((1, 3)), 3.7 * np.eye(3), np.ones(3, dtype=bool))
    >>> crystal = Vibrations(one, np.array([0]), 3.7 * np.eye(3), np.ones((1, 1, 3, 3)))
    >>> vibration_errors(model, [crystal]).force_constants
    1.0
    """
    if not known:
        raise ValueError("there are no vibrations to compare with: give one crystal or more")
    sums = {"force_constants": [0.0, 0.0], "frequencies": [0.0, 0.0], "forces": [0.0, 0.0]}
    for one in known:
        graph = Graph.from_structures([one.structure], model.cutoff).to(model.index_of.device)
        products, forces, _ = hessian_products(model, graph, columns(one), differentiable=False)
        found = {"forces": forces}
        rows = products.reshape(-1, 3, *products.shape[1:])
        if one.force_constants is not None:
            wanted = torch.from_numpy(one.force_constants).to(rows.device)
            found["force_constants"] = rows - wanted.permute(0, 2, 1, 3)
        if one.q is not None:
            squares = one.squares(rows)
            wanted, weights = _wanted(squares, one)
            error = squares.sign() * squares.abs().sqrt() - wanted
            found["frequencies"] = error * (weights / weights.mean()).sqrt()
        for key, error in found.items():
            sums[key][0] += float(error.square().sum())
            sums[key][1] += error.numel()
    means = {key: np.sqrt(total / n) if n else np.nan for key, (total, n) in sums.items()}
    return VibrationErrors(**{key: float(value) for key, value in means.items()})
