"""Structures, neighbour lists, graphs, and the data that models learn from."""

from euclidium.atoms.basis import DensityBasis as DensityBasis
from euclidium.atoms.basis import even_tempered as even_tempered
from euclidium.atoms.basis import exchange_basis as exchange_basis
from euclidium.atoms.basis_file import read_basis as read_basis
from euclidium.atoms.cache import GraphCache as GraphCache
from euclidium.atoms.cache import cached as cached
from euclidium.atoms.cache import write_graphs as write_graphs
from euclidium.atoms.centers import CenteredStructure as CenteredStructure
from euclidium.atoms.centers import centered as centered
from euclidium.atoms.centers import with_bond_centers as with_bond_centers
from euclidium.atoms.centers import with_bond_functions as with_bond_functions
from euclidium.atoms.centers import without_bond_centers as without_bond_centers
from euclidium.atoms.database import Database as Database
from euclidium.atoms.database import Entry as Entry
from euclidium.atoms.database import open_database as open_database
from euclidium.atoms.dataset import Dataset as Dataset
from euclidium.atoms.density import Density as Density
from euclidium.atoms.density import DensityRecord as DensityRecord
from euclidium.atoms.density_file import embedded_densities as embedded_densities
from euclidium.atoms.density_file import embedded_density_parts as embedded_density_parts
from euclidium.atoms.density_file import read_densities as read_densities
from euclidium.atoms.density_file import write_densities as write_densities
from euclidium.atoms.density_import import import_densities as import_densities
from euclidium.atoms.density_metric import density_metric as density_metric
from euclidium.atoms.density_orders import from_e3nn as from_e3nn
from euclidium.atoms.density_orders import from_psi4 as from_psi4
from euclidium.atoms.density_orders import from_pyscf as from_pyscf
from euclidium.atoms.density_orders import to_e3nn as to_e3nn
from euclidium.atoms.density_orders import to_psi4 as to_psi4
from euclidium.atoms.density_orders import to_pyscf as to_pyscf
from euclidium.atoms.density_points import function_values as function_values
from euclidium.atoms.density_points import sample_points as sample_points
from euclidium.atoms.dos import PhononDOS as PhononDOS
from euclidium.atoms.elements import atomic_number as atomic_number
from euclidium.atoms.elements import chemical_symbol as chemical_symbol
from euclidium.atoms.embedded import embedded as embedded
from euclidium.atoms.embedded import embedded_file as embedded_file
from euclidium.atoms.embedded import embedded_names as embedded_names
from euclidium.atoms.embedded import embedded_phonons as embedded_phonons
from euclidium.atoms.graph import Graph as Graph
from euclidium.atoms.graph import collate as collate
from euclidium.atoms.graph import split as split
from euclidium.atoms.labels import FoundLabels as FoundLabels
from euclidium.atoms.labels import LabelKeys as LabelKeys
from euclidium.atoms.labels import find_labels as find_labels
from euclidium.atoms.neighbors import NeighborList as NeighborList
from euclidium.atoms.neighbors import neighbor_list as neighbor_list
from euclidium.atoms.occupations import interpolate as interpolate
from euclidium.atoms.occupations import parse_substitution as parse_substitution
from euclidium.atoms.occupations import substitute as substitute
from euclidium.atoms.phonon_record import PhononRecord as PhononRecord
from euclidium.atoms.problem import DataError as DataError
from euclidium.atoms.reader import read as read
from euclidium.atoms.reader import read_structures as read_structures
from euclidium.atoms.references import reference_energies as reference_energies
from euclidium.atoms.spectra import read_phonons as read_phonons
from euclidium.atoms.spectra import write_phonons as write_phonons
from euclidium.atoms.spectra_split import composition_split as composition_split
from euclidium.atoms.spectra_split import held_out as held_out
from euclidium.atoms.splits import Split as Split
from euclidium.atoms.splits import split_indices as split_indices
from euclidium.atoms.statistics import Statistics as Statistics
from euclidium.atoms.statistics import statistics as statistics
from euclidium.atoms.structure import Structure as Structure
from euclidium.atoms.supercells import compact_supercell as compact_supercell
from euclidium.atoms.supercells import repeated as repeated
from euclidium.atoms.volumetric import Volume as Volume
from euclidium.atoms.volumetric import read_volume as read_volume
from euclidium.atoms.volumetric import write_volume as write_volume

__all__ = [
    "CenteredStructure",
    "DataError",
    "Database",
    "Dataset",
    "Density",
    "DensityBasis",
    "DensityRecord",
    "Entry",
    "FoundLabels",
    "Graph",
    "GraphCache",
    "LabelKeys",
    "NeighborList",
    "PhononDOS",
    "PhononRecord",
    "Split",
    "Statistics",
    "Structure",
    "Volume",
    "atomic_number",
    "cached",
    "centered",
    "chemical_symbol",
    "collate",
    "compact_supercell",
    "composition_split",
    "density_metric",
    "embedded",
    "embedded_densities",
    "embedded_density_parts",
    "embedded_file",
    "embedded_names",
    "embedded_phonons",
    "even_tempered",
    "exchange_basis",
    "find_labels",
    "from_e3nn",
    "from_psi4",
    "from_pyscf",
    "function_values",
    "held_out",
    "import_densities",
    "interpolate",
    "neighbor_list",
    "open_database",
    "parse_substitution",
    "read",
    "read_basis",
    "read_densities",
    "read_phonons",
    "read_structures",
    "read_volume",
    "reference_energies",
    "repeated",
    "sample_points",
    "split",
    "split_indices",
    "statistics",
    "substitute",
    "to_e3nn",
    "to_psi4",
    "to_pyscf",
    "with_bond_centers",
    "with_bond_functions",
    "without_bond_centers",
    "write_densities",
    "write_graphs",
    "write_phonons",
    "write_volume",
]
