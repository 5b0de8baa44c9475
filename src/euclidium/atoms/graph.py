"""A batch of structures with their neighbours, as tensors."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from euclidium.atoms.neighbors import NeighborList, neighbor_list
from euclidium.atoms.problem import DataError
from euclidium.atoms.sites import N_COLUMNS
from euclidium.atoms.structure import Structure
from euclidium.ops.orbits import Orbits
from euclidium.ops.segments import Edges


@dataclass(frozen=True, eq=False)
class Graph:
    """One or more structures with their neighbours: what a model reads.

    Atoms of all structures stand one after the other; ``structure`` is the index of the structure
    of each atom, sorted. Edges j → i are sorted by receiver i and never join two structures.
    Positions, cells (rows are lattice vectors, Å) and shifts are float64. A label has one row per
    atom or one row per structure; an input feature has one row per atom. ``occupations`` are the
    fractions of each element on each site, None if no structure has any. With ``orbits`` the edges
    end only at their representatives, see :meth:`reduced`.

    >>> argon = Structure(np.array([18, 18]), np.array([[0.0, 0.0, 0.0], [3.0, 0.0, 0.0]]))
    >>> Graph.from_structures([argon, argon], cutoff=4.0)
    Graph(2 structures, 4 atoms, 4 edges)
    """

    species: Int[Tensor, " atom"]
    positions: Float[Tensor, "atom 3"]
    cell: Float[Tensor, "structure 3 3"]
    pbc: Bool[Tensor, "structure 3"]
    structure: Int[Tensor, " atom"]
    edges: Edges
    shifts: Float[Tensor, "edge 3"]
    labels: Mapping[str, Tensor] = field(default_factory=dict)
    inputs: Mapping[str, Tensor] = field(default_factory=dict)
    occupations: Float[Tensor, "atom 119"] | None = None
    orbits: Orbits | None = None

    @classmethod
    def from_structures(
        cls,
        structures: Iterable[Structure],
        cutoff: float,
        labels: Sequence[str] | None = None,
        centers: bool = False,
    ) -> "Graph":
        """The graph of some structures, with edges between atoms closer than the cutoff (Å).

        ``labels`` names the labels to take along; by default all, and then each structure must have
        the same. ``centers`` lets centres of bonds in, which have no atom: most models know none.
        Raises ``DataError`` if a structure lacks one or its shape differs from the
        others', and as :func:`~euclidium.atoms.neighbor_list` does.

        >>> argon = Structure(np.array([18]), np.zeros((1, 3)))
        >>> Graph.from_structures([argon], cutoff=5.0).n_edges
        0
        """
        items = list(structures)
        if not items:
            raise ValueError("a graph needs at least one structure, got none")
        if not centers:
            _check_atoms(items)
        neighbors = [neighbor_list(item, cutoff) for item in items]
        sizes = np.array([item.n_atoms for item in items])
        return cls(
            species=_joined([item.species for item in items]),
            positions=_joined([item.positions for item in items]),
            cell=_joined([item.cell[None] for item in items]),
            pbc=_joined([item.pbc[None] for item in items]),
            structure=torch.from_numpy(np.repeat(np.arange(len(items)), sizes)),
            edges=_edges(neighbors, sizes),
            shifts=_joined([n.shifts.astype(np.float64) for n in neighbors]),
            labels=_labels(items, labels),
            inputs=_inputs(items),
            occupations=_occupations(items),
        )

    @property
    def n_atoms(self) -> int:
        """Number of atoms of all structures together."""
        return len(self.species)

    @property
    def n_structures(self) -> int:
        """Number of structures."""
        return len(self.cell)

    @property
    def n_edges(self) -> int:
        """Number of directed edges."""
        return len(self.shifts)

    @property
    def atoms_per_structure(self) -> Int[Tensor, " structure"]:
        """Number of atoms of each structure."""
        return torch.bincount(self.structure, minlength=self.n_structures)

    def edge_vectors(
        self,
        positions: Float[Tensor, "atom 3"] | None = None,
        cell: Float[Tensor, "structure 3 3"] | None = None,
    ) -> Float[Tensor, "edge 3"]:
        """Vectors from receiver to sender, r_j + S·cell − r_i, in Å.

        Other positions or cells than the graph's may be given; the result is differentiable with
        respect to both.

        >>> argon = Structure(np.array([18, 18]), np.array([[0.0, 0.0, 0.0], [3.0, 0.0, 0.0]]))
        >>> Graph.from_structures([argon], cutoff=4.0).edge_vectors().tolist()
        [[3.0, 0.0, 0.0], [-3.0, 0.0, 0.0]]
        """
        r = self.positions if positions is None else positions
        cell = self.cell if cell is None else cell
        of_edge = cell[self.structure[self.edges.receivers]]
        images = (self.shifts.to(cell.dtype).unsqueeze(1) @ of_edge).squeeze(1)
        return r[self.edges.senders] - r[self.edges.receivers] + images

    def within(self, cutoff: float) -> "Graph":
        """The graph without the edges that are longer than the cutoff (Å), order kept.

        >>> argon = Structure(np.array([18, 18]), np.array([[0.0, 0.0, 0.0], [3.0, 0.0, 0.0]]))
        >>> Graph.from_structures([argon], cutoff=4.0).within(2.5).n_edges
        0
        """
        return self._of(self.edge_vectors().square().sum(dim=1) <= cutoff**2)

    def _of(self, chosen: Bool[Tensor, " edge"]) -> "Graph":
        """The graph with the chosen edges alone, order kept."""
        before = torch.cat([chosen.new_zeros(1, dtype=torch.long), chosen.cumsum(0)])
        edges = Edges(
            self.edges.senders[chosen], self.edges.receivers[chosen], before[self.edges.row_pointer]
        )
        return self.replace(edges=edges, shifts=self.shifts[chosen])

    def reduced(self, orbits: Orbits) -> "Graph":
        """The graph with the edges alone that end at the representatives of symmetric atoms.

        Models that know ``orbits`` compute equivariant features of representatives, and turn them
        for the others.

        >>> argon = Structure(np.array([18, 18]), np.array([[0.0, 0.0, 0.0], [3.0, 0.0, 0.0]]))
        >>> pair = Orbits(torch.tensor([0]), torch.tensor([0, 0]), torch.eye(3).repeat(2, 1, 1))
        >>> Graph.from_structures([argon], cutoff=4.0).reduced(pair)
        Graph(1 structure, 2 atoms, 1 edges)
        """
        chosen = torch.zeros(self.n_atoms, dtype=torch.bool)
        chosen[orbits.representatives] = True
        return self._of(chosen[self.edges.receivers]).replace(orbits=orbits)

    def to(self, device: torch.device | str) -> "Graph":
        """The same graph on another device."""
        return _map(self, lambda tensor: tensor.to(device))

    def pin_memory(self) -> "Graph":
        """The same graph in page-locked memory, for faster copies to a GPU."""
        return _map(self, Tensor.pin_memory)

    def replace(self, **changes: object) -> "Graph":
        """A graph with some fields changed; the edges stay as they are.

        >>> argon = Structure(np.array([18]), np.zeros((1, 3)))
        >>> graph = Graph.from_structures([argon], cutoff=5.0)
        >>> graph.replace(positions=graph.positions + 1.0).positions.tolist()
        [[1.0, 1.0, 1.0]]
        """
        return replace(self, **changes)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        """The sizes."""
        plural = "" if self.n_structures == 1 else "s"
        return (
            f"Graph({self.n_structures} structure{plural}, {self.n_atoms} atoms, "
            f"{self.n_edges} edges)"
        )


def collate(graphs: Sequence[Graph]) -> Graph:
    """One graph of many: the ``collate_fn`` of a data loader.

    Raises ``DataError`` if the graphs do not have the same labels and inputs.

    >>> argon = Graph.from_structures([Structure(np.array([18]), np.zeros((1, 3)))], cutoff=5.0)
    >>> collate([argon, argon, argon]).n_structures
    3
    """
    if not graphs:
        raise ValueError("a graph needs at least one structure, got none")
    atoms = _offsets([graph.n_atoms for graph in graphs])
    edges = _offsets([graph.n_edges for graph in graphs])
    structures = _offsets([graph.n_structures for graph in graphs])
    parts = [graph.edges for graph in graphs]
    pointers = [part.row_pointer[:-1] + e for part, e in zip(parts, edges, strict=False)]
    return Graph(
        species=torch.cat([graph.species for graph in graphs]),
        positions=torch.cat([graph.positions for graph in graphs]),
        cell=torch.cat([graph.cell for graph in graphs]),
        pbc=torch.cat([graph.pbc for graph in graphs]),
        structure=torch.cat(
            [graph.structure + s for graph, s in zip(graphs, structures, strict=False)]
        ),
        edges=Edges(
            torch.cat([part.senders + a for part, a in zip(parts, atoms, strict=False)]),
            torch.cat([part.receivers + a for part, a in zip(parts, atoms, strict=False)]),
            torch.cat([*pointers, pointers[0].new_tensor(edges[-1:])]),
        ),
        shifts=torch.cat([graph.shifts for graph in graphs]),
        labels=_concatenated([graph.labels for graph in graphs], "labels"),
        inputs=_concatenated([graph.inputs for graph in graphs], "inputs"),
        occupations=_all_occupations(graphs),
        orbits=_all_orbits(graphs, atoms),
    )


def split(graph: Graph) -> list[Graph]:
    """The graphs of the single structures: the inverse of :func:`collate`.

    >>> argon = Structure(np.array([18, 18]), np.array([[0.0, 0.0, 0.0], [3.0, 0.0, 0.0]]))
    >>> split(Graph.from_structures([argon, argon], cutoff=4.0))
    [Graph(1 structure, 2 atoms, 2 edges), Graph(1 structure, 2 atoms, 2 edges)]
    """
    bounds = _offsets(graph.atoms_per_structure.tolist())
    return [_part(graph, index, slice(*atoms)) for index, atoms in enumerate(pairwise(bounds))]


def _part(graph: Graph, index: int, atoms: slice) -> Graph:
    """Structure number ``index``, which owns these atoms."""
    pointer = graph.edges.row_pointer[atoms.start : atoms.stop + 1]
    edges = slice(int(pointer[0]), int(pointer[-1]))

    def rows(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        # with as many atoms as structures the two slices are the same
        one = slice(index, index + 1)
        return {k: v[atoms if len(v) == graph.n_atoms else one] for k, v in values.items()}

    return Graph(
        species=graph.species[atoms],
        positions=graph.positions[atoms],
        cell=graph.cell[index : index + 1],
        pbc=graph.pbc[index : index + 1],
        structure=torch.zeros_like(graph.structure[atoms]),
        edges=Edges(
            graph.edges.senders[edges] - atoms.start,
            graph.edges.receivers[edges] - atoms.start,
            pointer - edges.start,
        ),
        shifts=graph.shifts[edges],
        labels=rows(graph.labels),
        inputs=rows(graph.inputs),
        occupations=None if graph.occupations is None else graph.occupations[atoms],
        orbits=None if graph.orbits is None else _orbits_of(graph.orbits, atoms),
    )


def _map(graph: Graph, change: Callable[[Tensor], Tensor]) -> Graph:
    """The graph with every tensor changed."""
    edges = graph.edges
    return Graph(
        species=change(graph.species),
        positions=change(graph.positions),
        cell=change(graph.cell),
        pbc=change(graph.pbc),
        structure=change(graph.structure),
        edges=Edges(change(edges.senders), change(edges.receivers), change(edges.row_pointer)),
        shifts=change(graph.shifts),
        labels={name: change(value) for name, value in graph.labels.items()},
        inputs={name: change(value) for name, value in graph.inputs.items()},
        occupations=None if graph.occupations is None else change(graph.occupations),
        orbits=None if graph.orbits is None else graph.orbits.map(change),
    )


def _offsets(sizes: Sequence[int]) -> list[int]:
    """0, the running sums, and the total."""
    return [0, *np.cumsum(sizes).tolist()]


def _joined(arrays: Sequence[np.ndarray]) -> Tensor:
    """Arrays one after the other, as a tensor of their own memory."""
    return torch.from_numpy(np.concatenate(arrays))


def _check_atoms(structures: Sequence[Structure]) -> None:
    """Every site holds an atom."""
    for item in structures:
        if not item.species.all():
            raise DataError(
                f"{item.origin} has centres of bonds, which are known to models of densities "
                "alone: take them away with without_bond_centers"
            )


def _edges(neighbors: Sequence[NeighborList], sizes: np.ndarray) -> Edges:
    """Edges of all structures, atoms counted through."""
    starts = np.repeat(np.cumsum(sizes) - sizes, [n.n_edges for n in neighbors])
    receivers = np.concatenate([n.receivers for n in neighbors]) + starts
    senders = np.concatenate([n.senders for n in neighbors]) + starts
    return Edges.from_receivers(
        torch.from_numpy(senders), torch.from_numpy(receivers), int(sizes.sum())
    )


def _labels(structures: Sequence[Structure], names: Sequence[str] | None) -> dict[str, Tensor]:
    """The named labels of all structures: one row per atom or one row per structure."""
    if names is None:
        names = list(dict.fromkeys(name for item in structures for name in item.labels))
    return {name: _label(structures, name) for name in names}


def _label(structures: Sequence[Structure], name: str) -> Tensor:
    rows = []
    for item in structures:
        if name not in item.labels:
            raise DataError(
                f"{item.origin} has no {name!r} (it has {', '.join(item.labels) or 'no labels'}), "
                "which others of the same batch have: choose labels that all have"
            )
        value = np.asarray(item.labels[name], dtype=np.float64)
        rows.append(value if name in item.per_atom else value[None])
        if rows[-1].shape[1:] != rows[0].shape[1:]:
            raise DataError(
                f"{item.origin}: {name!r} has the shape {value.shape}, unlike others of the same "
                "batch; if it has one row per atom, name it in per_atom"
            )
    return _joined(rows)


def _inputs(structures: Sequence[Structure]) -> dict[str, Tensor]:
    """Input features, one row per atom; all structures must have the same."""
    parts = [
        {name: torch.from_numpy(np.array(v, dtype=np.float64)) for name, v in item.inputs.items()}
        for item in structures
    ]
    return _concatenated(parts, "inputs")


def _occupations(structures: Sequence[Structure]) -> Tensor | None:
    """Fractions of the elements on each site, None if no structure has any."""
    if all(item.occupations is None for item in structures):
        return None
    return _joined([item.fractions for item in structures])


def _all_occupations(graphs: Sequence[Graph]) -> Tensor | None:
    """The same of graphs; where one has none, each site holds its element alone."""
    if all(graph.occupations is None for graph in graphs):
        return None
    rows = [
        one_hot(graph.species, N_COLUMNS) if graph.occupations is None else graph.occupations
        for graph in graphs
    ]
    return torch.cat([row.to(torch.float64) for row in rows])


def _all_orbits(graphs: Sequence[Graph], starts: Sequence[int]) -> Orbits | None:
    """Orbits of the atoms of all graphs; of one without, every atom is one."""
    if all(graph.orbits is None for graph in graphs):
        return None
    parts = [graph.orbits or Orbits.trivial(graph.n_atoms) for graph in graphs]
    before = _offsets([part.n_orbits for part in parts])
    return Orbits(
        torch.cat([p.representatives + n for p, n in zip(parts, starts, strict=False)]),
        torch.cat([p.members + n for p, n in zip(parts, before, strict=False)]),
        torch.cat([p.rotations for p in parts]),
    )


def _orbits_of(orbits: Orbits, atoms: slice) -> Orbits:
    """The orbits of the atoms of one structure."""
    first = int(orbits.members[atoms].min())
    last = int(orbits.members[atoms].max())
    return Orbits(
        orbits.representatives[first : last + 1] - atoms.start,
        orbits.members[atoms] - first,
        orbits.rotations[atoms],
    )


def _concatenated(parts: Sequence[Mapping[str, Tensor]], what: str) -> dict[str, Tensor]:
    """Tensors of the same name one after the other."""
    names = parts[0].keys()
    for index, part in enumerate(parts):
        if part.keys() != names:
            raise DataError(
                f"graph {index} of the batch has the {what} {', '.join(part) or '(none)'}, the "
                f"first has {', '.join(names) or '(none)'}: choose {what} that all have"
            )
    return {name: torch.cat([part[name] for part in parts]) for name in names}
