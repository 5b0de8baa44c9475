"""Structures, neighbour lists, graphs, and the data that models learn from."""

from euclidium.atoms.graph import Graph as Graph
from euclidium.atoms.graph import collate as collate
from euclidium.atoms.graph import split as split
from euclidium.atoms.labels import FoundLabels as FoundLabels
from euclidium.atoms.labels import LabelKeys as LabelKeys
from euclidium.atoms.labels import find_labels as find_labels
from euclidium.atoms.neighbors import NeighborList as NeighborList
from euclidium.atoms.neighbors import neighbor_list as neighbor_list
from euclidium.atoms.problem import DataError as DataError
from euclidium.atoms.structure import Structure as Structure

__all__ = [
    "DataError",
    "FoundLabels",
    "Graph",
    "LabelKeys",
    "NeighborList",
    "Structure",
    "collate",
    "find_labels",
    "neighbor_list",
    "split",
]
