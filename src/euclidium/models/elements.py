"""What a network knows of the elements: their properties, and what it learns of each."""

import math
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from euclidium.atoms.elements import atomic_mass, covalent_radius

LARGEST = 118
COMMON = 103  # elements that the properties are scaled over
NOBLE_GASES = (0, 2, 10, 18, 36, 54, 86)
LETTERS = 4  # s, p, d, f


class ElementEmbedding(nn.Module):
    """Features of a site from the elements on it: properties through a network, plus a learned row.

    e_i = Σ_Z c_iZ (MLP(properties_Z) + row_Z) / Σ_Z c_iZ

    with the occupations c. The rows begin at zero and, in training, each is left out of a step with
    the probability ``dropout``: so an element that was never seen is described by its properties
    alone, as others often were.

    >>> embedding = ElementEmbedding(8)
    >>> embedding(torch.tensor([14, 8])).shape
    torch.Size([2, 8])
    """

    properties: Tensor

    def __init__(self, width: int, hidden: int = 128, dropout: float = 0.05) -> None:
        super().__init__()
        table = torch.from_numpy(element_properties()).float()
        self.register_buffer("properties", table, persistent=False)
        self.network = nn.Sequential(
            nn.Linear(table.shape[1], hidden), nn.SiLU(), nn.Linear(hidden, width)
        )
        self.rows = nn.Parameter(torch.zeros(len(table), width))
        self.dropout = dropout

    def forward(
        self,
        species: Int[Tensor, " site"],
        occupations: Float[Tensor, "site element"] | None = None,
    ) -> Float[Tensor, "site width"]:
        """Features of sites with one element each, or mixed by their occupations."""
        rows: Tensor = self.rows
        if self.training and self.dropout > 0:
            rows = rows * (torch.rand(len(rows), 1, device=rows.device) >= self.dropout)
        table = self.network(self.properties) + rows
        if occupations is None:
            return table[species]
        shares = occupations / occupations.sum(dim=1, keepdim=True)
        return shares.to(table) @ table


class MassEmbedding(nn.Module):
    """Features of a site from the masses of its elements, as in Chen et al. 2021.

    e = ReLU(A x + b), x_Z = c_Z m_Z for the elements on the site: a one-hot vector times the mass.

    >>> MassEmbedding(8)(torch.tensor([14])).shape
    torch.Size([1, 8])
    """

    masses: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        masses = torch.tensor([0.0, *(atomic_mass(z) for z in range(1, LARGEST + 1))])
        self.register_buffer("masses", masses, persistent=False)
        self.linear = nn.Linear(LARGEST + 1, width)

    def forward(
        self,
        species: Int[Tensor, " site"],
        occupations: Float[Tensor, "site element"] | None = None,
    ) -> Float[Tensor, "site width"]:
        """Features of sites with one element each, or mixed by their occupations."""
        if occupations is None:
            occupations = nn.functional.one_hot(species, LARGEST + 1)
        return torch.relu(self.linear(occupations.to(self.masses) * self.masses))


@cache
def element_properties() -> Float[np.ndarray, "element property"]:
    """Properties of each element by atomic number, scaled to mean 0 and variance 1; row 0 is zero.

    Mass (its logarithm, and 1/√mass as frequencies have it), covalent radius (Cordero et al. 2008,
    through ASE, https://doi.org/10.1039/b801115j), and of the free atom in Madelung's order:
    period, electrons and holes of each open shell, and all electrons outside the noble gas core.

    >>> element_properties().shape[0]
    119
    """
    rows = np.array([_properties(z) for z in range(1, LARGEST + 1)])
    common = rows[:COMMON]
    scale = common.std(axis=0)
    scaled = (rows - common.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
    return np.concatenate([np.zeros((1, rows.shape[1])), scaled])


def _properties(z: int) -> list[float]:
    """Numbers that describe an element."""
    core = max(n for n in NOBLE_GASES if n < z)
    shells, inner = _shells(z), _shells(core)
    valence = [0] * LETTERS
    for (_, l), electrons in shells.items():
        valence[l] += electrons
    for (_, l), electrons in inner.items():
        valence[l] -= electrons
    capacities = [2 * (2 * l + 1) for l in range(LETTERS)]
    filled = [v / full for v, full in zip(valence, capacities, strict=True)]
    open_shells = [f if f < 1 else 0.0 for f in filled]
    holes = [1 - f if f > 0 else 0.0 for f in filled]
    period = max(n for n, _ in shells)
    periods = [float(period == n) for n in range(1, 8)]
    mass = atomic_mass(z)
    sizes = [math.log(mass), mass**-0.5, covalent_radius(z), float(z - core), float(z)]
    return [*sizes, *filled, *open_shells, *holes, float(period), *periods]


def _shells(z: int) -> dict[tuple[int, int], int]:
    """Electrons of each shell (n, l), filled by n + l, then n."""
    order = sorted((n + l, n, l) for n in range(1, 9) for l in range(min(n, LETTERS)))
    found = {}
    for _, n, l in order:
        if z > 0:
            found[n, l] = min(z, 2 * (2 * l + 1))
            z -= found[n, l]
    return found
