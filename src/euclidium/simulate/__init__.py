"""What a potential is for: an ASE calculator, molecular dynamics, relaxation and phonons."""

from euclidium.simulate.abinit import Electrons as Electrons
from euclidium.simulate.animation import Mode as Mode
from euclidium.simulate.animation import mode as mode
from euclidium.simulate.band_irreps import DegenerateSet as DegenerateSet
from euclidium.simulate.band_irreps import PointIrreps as PointIrreps
from euclidium.simulate.band_irreps import band_irreps as band_irreps
from euclidium.simulate.band_irreps import path_irreps as path_irreps
from euclidium.simulate.calculator import Calculator as Calculator
from euclidium.simulate.calculator import Model as Model
from euclidium.simulate.collection import Collection as Collection
from euclidium.simulate.collection import Displacement as Displacement
from euclidium.simulate.collection import Job as Job
from euclidium.simulate.collection import Response as Response
from euclidium.simulate.collection import collect as collect
from euclidium.simulate.conductivity import Conductivity as Conductivity
from euclidium.simulate.conductivity import conductivity as conductivity
from euclidium.simulate.density_collection import DensityJob as DensityJob
from euclidium.simulate.density_collection import Labelled as Labelled
from euclidium.simulate.density_collection import Labelling as Labelling
from euclidium.simulate.density_collection import density_jobs as density_jobs
from euclidium.simulate.density_collection import label_all as label_all
from euclidium.simulate.dfpt import LinearResponse as LinearResponse
from euclidium.simulate.dfpt import dfpt as dfpt
from euclidium.simulate.gruneisen import Gruneisen as Gruneisen
from euclidium.simulate.gruneisen import gruneisen as gruneisen
from euclidium.simulate.hessian import force_constants as force_constants
from euclidium.simulate.hessian import hessian as hessian
from euclidium.simulate.hessian import hessian_products as hessian_products
from euclidium.simulate.kohn_sham import OneStep as OneStep
from euclidium.simulate.kohn_sham import Restart as Restart
from euclidium.simulate.kohn_sham import one_step as one_step
from euclidium.simulate.kohn_sham import scf_from as scf_from
from euclidium.simulate.md import MDFrame as MDFrame
from euclidium.simulate.md import MDResult as MDResult
from euclidium.simulate.md import UnstableRun as UnstableRun
from euclidium.simulate.md import md as md
from euclidium.simulate.phonons import Bands as Bands
from euclidium.simulate.phonons import DensityOfStates as DensityOfStates
from euclidium.simulate.phonons import Phonons as Phonons
from euclidium.simulate.phonons import Thermal as Thermal
from euclidium.simulate.phonons import phonons as phonons
from euclidium.simulate.phonopy_files import read_phonopy as read_phonopy
from euclidium.simulate.qha import QuasiHarmonic as QuasiHarmonic
from euclidium.simulate.qha import quasi_harmonic as quasi_harmonic
from euclidium.simulate.quantum import fit_atoms as fit_atoms
from euclidium.simulate.quantum import fit_density as fit_density
from euclidium.simulate.quantum import label as label
from euclidium.simulate.reference import ReferencePhonons as ReferencePhonons
from euclidium.simulate.reference import read_force_constants as read_force_constants
from euclidium.simulate.reference import reference_mesh as reference_mesh
from euclidium.simulate.relax import Relaxation as Relaxation
from euclidium.simulate.relax import relax as relax
from euclidium.simulate.spectra import phonon_record as phonon_record
from euclidium.simulate.supercell import supercell_matrix as supercell_matrix

__all__ = [
    "Bands",
    "Calculator",
    "Collection",
    "Conductivity",
    "DegenerateSet",
    "DensityJob",
    "DensityOfStates",
    "Displacement",
    "Electrons",
    "Gruneisen",
    "Job",
    "Labelled",
    "Labelling",
    "LinearResponse",
    "MDFrame",
    "MDResult",
    "Mode",
    "Model",
    "OneStep",
    "Phonons",
    "PointIrreps",
    "QuasiHarmonic",
    "ReferencePhonons",
    "Relaxation",
    "Response",
    "Restart",
    "Thermal",
    "UnstableRun",
    "band_irreps",
    "collect",
    "conductivity",
    "density_jobs",
    "dfpt",
    "fit_atoms",
    "fit_density",
    "force_constants",
    "gruneisen",
    "hessian",
    "hessian_products",
    "label",
    "label_all",
    "md",
    "mode",
    "one_step",
    "path_irreps",
    "phonon_record",
    "phonons",
    "quasi_harmonic",
    "read_force_constants",
    "read_phonopy",
    "reference_mesh",
    "relax",
    "scf_from",
    "supercell_matrix",
]
