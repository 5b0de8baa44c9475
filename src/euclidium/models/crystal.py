"""What a crystal is made of, as numbers that nothing had to learn: its sites, size and symmetry."""

from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from euclidium.atoms.elements import covalent_radius, electronegativity
from euclidium.atoms.graph import Graph
from euclidium.atoms.structure import Structure
from euclidium.atoms.symmetry import (
    TOLERANCE,
    primitive,
    reduced_lengths,
    site_kinds,
    space_group,
    symmetric_graph,
)
from euclidium.models.elements import LARGEST
from euclidium.ops.segments import segment_sum

CUTOFF = 5.0  # Å, of neighbours
REACH = 1.35  # sums of covalent radii, where a neighbour counts half
BORDER = 0.05  # the same unit, over which it ceases to count
DECAY = 0.37  # Å, by which a bond grows that is weaker by a factor e
UNLIKE = 0.2  # on Pauling's scale, a difference of two kinds of atoms
FARTHEST = 3.0  # sums of covalent radii, where no neighbour is nearer
LEAST = 1e-3  # of the bonds of an atom, so that one without any is described
DIGITS = 6  # what symmetry makes zero, or equal, shall be so to the bit
# space groups that are mirror images of one with a lower number
MIRRORED = {78: 76, 95: 91, 96: 92, 145: 144, 153: 151, 154: 152, 170: 169, 172: 171, 179: 178}
MIRRORED |= {181: 180, 213: 212}
STATISTICS = 4  # of the sites: mean, deviation, smallest, largest
OF_SITES, OF_SIZE, OF_SYMMETRY = 13, 6, 16
NUMBERS = STATISTICS * OF_SITES + OF_SIZE + OF_SYMMETRY


def site_weights(graph: Graph) -> tuple[Float[Tensor, " orbit"], Int[Tensor, " orbit"]]:
    """The share of the atoms that each orbit holds, and the crystal that it belongs to.

    >>> from ase.build import bulk
    >>> from euclidium.atoms.symmetry import symmetric_graph
    >>> salt = Structure.from_ase(bulk("NaCl", "rocksalt", 5.64))
    >>> [t.tolist() for t in site_weights(symmetric_graph(salt, 5.0))]
    [[0.5, 0.5], [0, 0]]
    """
    orbits = graph.orbits
    assert orbits is not None
    crystal = graph.structure[orbits.representatives]
    weights = orbits.multiplicities.double()
    if graph.occupations is not None:
        weights = weights * graph.occupations[orbits.representatives].sum(dim=1)
    return weights / segment_sum(weights, crystal, graph.n_structures)[crystal], crystal


def element_shares(graph: Graph) -> Float[Tensor, "orbit element"]:
    """The share of each element on the sites of the orbits.

    >>> from ase.build import bulk
    >>> from euclidium.atoms.symmetry import symmetric_graph
    >>> salt = symmetric_graph(Structure.from_ase(bulk("NaCl", "rocksalt", 5.64)), 5.0)
    >>> element_shares(salt).nonzero().tolist()
    [[0, 11], [1, 17]]
    """
    assert graph.orbits is not None
    chosen = graph.orbits.representatives
    if graph.occupations is not None:
        shares = graph.occupations[chosen].double()
        return shares / shares.sum(dim=1, keepdim=True)
    return nn.functional.one_hot(graph.species[chosen], LARGEST + 1).double()


def describe_crystal(
    structure: Structure, tolerance: float = TOLERANCE
) -> Float[np.ndarray, " number"]:
    """A crystal as 74 numbers, the same in every orientation and for every choice of its cell.

    Positions may be off its symmetry by the tolerance (Å). Of each site thirteen numbers, with
    b_ij = c_j exp((r_i + r_j − d_ij)/0.37 Å) the order of the bond of two sites with the radii r
    (covalent) at a distance d of at most 5 Å, and c_j the occupation of the neighbour:

    - the nearest neighbour, that which is more electronegative, and that which is alike (all in
      sums of radii); the spread of the distances, weighted with b;
    - the number of neighbours, soft at 1.35 sums of radii, and of those more electronegative;
    - Σ_j b_ij, and the parts from more and from less electronegative neighbours;
    - abs(Σ_j b_ij r̂_ij) and abs(Σ_j b_ij (r̂_ij r̂_ijᵀ − 1/3)) over Σ_j b_ij: how one-sided and how
      flat its surroundings are;
    - radius (Å) and electronegativity, of mixtures their means.

    They come as their mean over the atoms, deviation, smallest and largest. Then the size: sites
    and symmetrically different ones in the primitive cell, their ratio, elements, volume of a site
    (Å³), and the share of space that spheres of covalent radii fill. Then the symmetry: number of
    the space group (of mirror images the lower), order of the point group, inversion; order of the
    sites' symmetry (smallest, mean, largest; share of sites without any; largest and smallest mean
    over one kind of atom); primitive cells in the conventional one; shortest and longest lattice
    vectors (Å) with their ratio, of the reduced and of the conventional cell. All are rounded to
    six decimals.

    >>> from ase.build import bulk
    >>> numbers = describe_crystal(Structure.from_ase(bulk("NaCl", "rocksalt", 5.64)))
    >>> numbers[[58, 59, 60]].tolist()  # space group, operations, inversion
    [225.0, 48.0, 1.0]
    """
    structure = primitive(structure, tolerance)  # a supercell may have less symmetry
    graph = symmetric_graph(structure, CUTOFF, tolerance)
    assert graph.orbits is not None
    weights = site_weights(graph)[0].numpy()
    shares = element_shares(graph)
    held = shares.new_ones(len(shares))
    if graph.occupations is not None:
        held = graph.occupations[graph.orbits.representatives].sum(dim=1)
    radii, pulls = (shares @ table for table in _tables())
    sites = _sites(graph, held, radii, pulls)
    mean = weights @ sites
    spread = np.sqrt(weights @ np.square(sites - mean))
    n_sites, n_orbits = graph.n_atoms, len(weights)
    n_elements = int((shares.numpy() > 0).any(axis=0).sum())
    volume = abs(float(torch.linalg.det(graph.cell[0])))
    spheres = 4 / 3 * np.pi * (shares @ _tables()[0] ** 3)
    filled = float((graph.orbits.multiplicities * held) @ spheres) / volume
    size = [n_sites, n_orbits, n_orbits / n_sites, n_elements, volume / n_sites, filled]
    symmetry = _symmetry(structure, tolerance)
    numbers = [mean, spread, sites.min(axis=0), sites.max(axis=0), size, symmetry]
    return np.concatenate(numbers).round(DIGITS)


def _sites(
    graph: Graph,
    held: Float[Tensor, " orbit"],
    radii: Float[Tensor, " orbit"],
    pulls: Float[Tensor, " orbit"],
) -> Float[np.ndarray, "orbit number"]:
    """What sites and their neighbours are like, by their occupations and electronegativities."""
    orbits = graph.orbits
    assert orbits is not None
    vectors = graph.edge_vectors()
    lengths = vectors.norm(dim=1)
    sender, receiver = orbits.members[graph.edges.senders], orbits.members[graph.edges.receivers]
    reach = radii[sender] + radii[receiver]
    relative = lengths / reach
    bonds = held[sender] * torch.exp((reach - lengths) / DECAY)
    counted = held[sender] * torch.sigmoid((REACH - relative) / BORDER)
    pull = pulls[sender] - pulls[receiver]
    more, less = pull > UNLIKE, pull < -UNLIKE
    unit = vectors / lengths[:, None]

    def summed(values: Tensor) -> Tensor:
        return segment_sum(values, receiver, len(radii))

    def nearest(chosen: Tensor) -> Tensor:
        distances = torch.where(chosen, relative, FARTHEST)
        return torch.full_like(radii, FARTHEST).scatter_reduce(0, receiver, distances, "amin")

    total = summed(bonds)
    order = total.clamp(min=LEAST)
    some = total.clamp(min=torch.finfo(total.dtype).tiny)
    middle = summed(bonds * relative) / some
    variance = summed(bonds * (relative - middle[receiver]).square()) / some
    flat = unit[:, :, None] * unit[:, None, :] - torch.eye(3).to(unit) / 3
    numbers = [
        nearest(torch.ones_like(more)),
        summed(counted),
        order,
        summed(bonds * more),
        summed(bonds * less),
        summed(counted * more),
        summed(bonds[:, None] * unit).norm(dim=1) / order,
        summed(bonds[:, None] * flat.flatten(1)).norm(dim=1) / order,
        nearest(more),
        nearest(~more & ~less),
        variance.sqrt(),
        radii,
        pulls,
    ]
    return torch.stack(numbers, dim=1).numpy()


def _symmetry(structure: Structure, tolerance: float) -> Float[np.ndarray, "16"]:
    """What the space group of a crystal, in its primitive cell, is like."""
    kinds = site_kinds(structure)
    fractional = structure.positions @ np.linalg.inv(structure.cell)
    found = space_group((structure.cell, fractional, kinds), tolerance)
    if found is None:  # as if there were nothing but translations
        short, _, long = reduced_lengths(structure.cell)
        return np.array([1.0, 1.0, 0.0, *[1.0] * 7, *[short, long, long / short] * 2])
    inverted = (found.rotations == -np.eye(3)).all(axis=(1, 2)).any()
    alike = np.bincount(found.equivalent_atoms)[found.equivalent_atoms]
    orders = len(found.rotations) / alike
    of_kinds = [orders[kinds == kind].mean() for kind in np.unique(kinds)]
    cells = abs(np.linalg.det(found.std_lattice) / np.linalg.det(structure.cell))
    numbers = [MIRRORED.get(found.number, found.number), len(found.rotations), inverted]
    numbers += [orders.min(), orders.mean(), orders.max(), (orders == 1).mean()]
    numbers += [max(of_kinds), min(of_kinds), cells]
    standard = np.sort(np.linalg.norm(found.std_lattice, axis=1))
    for short, _, long in (reduced_lengths(structure.cell), standard):
        numbers += [short, long, long / short]
    return np.array(numbers, dtype=np.float64)


@cache
def _tables() -> tuple[Float[Tensor, " element"], Float[Tensor, " element"]]:
    """Covalent radii (Å) and electronegativities by atomic number, the latter interpolated."""
    radii = [0.0, *(covalent_radius(z) for z in range(1, LARGEST + 1))]
    known = {z: value for z in range(1, LARGEST + 1) if (value := electronegativity(z)) is not None}
    pulls = np.interp(np.arange(LARGEST + 1), list(known), list(known.values()))
    return torch.tensor(radii, dtype=torch.float64), torch.from_numpy(pulls)
