"""Analyses: screening of crystals, alloys, and the errors of spectra."""

from euclidium.analyze.alloys import AlloyCheck as AlloyCheck
from euclidium.analyze.alloys import Spectral as Spectral
from euclidium.analyze.alloys import Sweep as Sweep
from euclidium.analyze.alloys import averaged as averaged
from euclidium.analyze.alloys import check_alloy as check_alloy
from euclidium.analyze.alloys import from_frequencies as from_frequencies
from euclidium.analyze.alloys import misplaced as misplaced
from euclidium.analyze.alloys import sweep as sweep
from euclidium.analyze.baselines import Guess as Guess
from euclidium.analyze.baselines import Lookup as Lookup
from euclidium.analyze.baselines import mean_spectrum as mean_spectrum
from euclidium.analyze.baselines import nearest_compositions as nearest_compositions
from euclidium.analyze.becke import becke_grid as becke_grid
from euclidium.analyze.charges import AtomicCharges as AtomicCharges
from euclidium.analyze.charges import hirshfeld as hirshfeld
from euclidium.analyze.charges import iterative_hirshfeld as iterative_hirshfeld
from euclidium.analyze.degrees import DegreeErrors as DegreeErrors
from euclidium.analyze.degrees import LayerSizes as LayerSizes
from euclidium.analyze.degrees import atoms_errors as atoms_errors
from euclidium.analyze.degrees import degree_errors as degree_errors
from euclidium.analyze.degrees import layer_sizes as layer_sizes
from euclidium.analyze.degrees import path_sizes as path_sizes
from euclidium.analyze.degrees import size_by_degree as size_by_degree
from euclidium.analyze.degrees import without_degree as without_degree
from euclidium.analyze.density_fit import fit_atoms as fit_atoms
from euclidium.analyze.density_fit import fit_volume as fit_volume
from euclidium.analyze.density_fit import volume_error as volume_error
from euclidium.analyze.duplicates import Crystal as Crystal
from euclidium.analyze.duplicates import identify as identify
from euclidium.analyze.electrostatics import field_at as field_at
from euclidium.analyze.electrostatics import fragment as fragment
from euclidium.analyze.electrostatics import interaction_energy as interaction_energy
from euclidium.analyze.electrostatics import potential_at as potential_at
from euclidium.analyze.expression import Expression as Expression
from euclidium.analyze.expression import Properties as Properties
from euclidium.analyze.fields import density_at as density_at
from euclidium.analyze.fields import density_by_degree as density_by_degree
from euclidium.analyze.fields import epsilon as epsilon
from euclidium.analyze.fields import epsilon_by_degree as epsilon_by_degree
from euclidium.analyze.forces import ForceCalibration as ForceCalibration
from euclidium.analyze.forces import calibrate_forces as calibrate_forces
from euclidium.analyze.forces import electrostatic_forces as electrostatic_forces
from euclidium.analyze.grids import grid_of as grid_of
from euclidium.analyze.learning_curves import Slope as Slope
from euclidium.analyze.learning_curves import half_time as half_time
from euclidium.analyze.learning_curves import learning_slope as learning_slope
from euclidium.analyze.learning_curves import log_slope as log_slope
from euclidium.analyze.learning_curves import matched_channels as matched_channels
from euclidium.analyze.multipoles import multipoles as multipoles
from euclidium.analyze.quasirandom import Quasirandom as Quasirandom
from euclidium.analyze.quasirandom import special_quasirandom as special_quasirandom
from euclidium.analyze.ranking import Ranked as Ranked
from euclidium.analyze.ranking import Ranking as Ranking
from euclidium.analyze.ranking import rank as rank
from euclidium.analyze.ranking import write_table as write_table
from euclidium.analyze.scores import Calibration as Calibration
from euclidium.analyze.scores import auroc as auroc
from euclidium.analyze.scores import coverage as coverage
from euclidium.analyze.scores import reliability as reliability
from euclidium.analyze.scores import roc as roc
from euclidium.analyze.screen import ScreeningPlan as ScreeningPlan
from euclidium.analyze.screen import ScreeningProgress as ScreeningProgress
from euclidium.analyze.screen import screen as screen
from euclidium.analyze.screen_chunk import CrystalFilter as CrystalFilter
from euclidium.analyze.spectra import CrystalErrors as CrystalErrors
from euclidium.analyze.spectra import Prediction as Prediction
from euclidium.analyze.spectra import SpectrumErrors as SpectrumErrors
from euclidium.analyze.spectra import compare as compare
from euclidium.analyze.spectra import crystal_system as crystal_system
from euclidium.analyze.spectra import evaluate_spectra as evaluate_spectra
from euclidium.analyze.spectra import reduced_formula as reduced_formula
from euclidium.analyze.spectra import wasserstein as wasserstein
from euclidium.analyze.surfaces import Surface as Surface
from euclidium.analyze.surfaces import surface_of as surface_of

__all__ = [
    "AlloyCheck",
    "AtomicCharges",
    "Calibration",
    "Crystal",
    "CrystalErrors",
    "CrystalFilter",
    "DegreeErrors",
    "Expression",
    "ForceCalibration",
    "Guess",
    "LayerSizes",
    "Lookup",
    "Prediction",
    "Properties",
    "Quasirandom",
    "Ranked",
    "Ranking",
    "ScreeningPlan",
    "ScreeningProgress",
    "Slope",
    "Spectral",
    "SpectrumErrors",
    "Surface",
    "Sweep",
    "atoms_errors",
    "auroc",
    "averaged",
    "becke_grid",
    "calibrate_forces",
    "check_alloy",
    "compare",
    "coverage",
    "crystal_system",
    "degree_errors",
    "density_at",
    "density_by_degree",
    "electrostatic_forces",
    "epsilon",
    "epsilon_by_degree",
    "evaluate_spectra",
    "field_at",
    "fit_atoms",
    "fit_volume",
    "fragment",
    "from_frequencies",
    "grid_of",
    "half_time",
    "hirshfeld",
    "identify",
    "interaction_energy",
    "iterative_hirshfeld",
    "layer_sizes",
    "learning_slope",
    "log_slope",
    "matched_channels",
    "mean_spectrum",
    "misplaced",
    "multipoles",
    "nearest_compositions",
    "path_sizes",
    "potential_at",
    "rank",
    "reduced_formula",
    "reliability",
    "roc",
    "screen",
    "size_by_degree",
    "special_quasirandom",
    "surface_of",
    "sweep",
    "volume_error",
    "wasserstein",
    "without_degree",
    "write_table",
]
