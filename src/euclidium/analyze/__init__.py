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
from euclidium.analyze.duplicates import Crystal as Crystal
from euclidium.analyze.duplicates import identify as identify
from euclidium.analyze.expression import Expression as Expression
from euclidium.analyze.expression import Properties as Properties
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

__all__ = [
    "AlloyCheck",
    "Calibration",
    "Crystal",
    "CrystalErrors",
    "CrystalFilter",
    "Expression",
    "Guess",
    "Lookup",
    "Prediction",
    "Properties",
    "Quasirandom",
    "Ranked",
    "Ranking",
    "ScreeningPlan",
    "ScreeningProgress",
    "Spectral",
    "SpectrumErrors",
    "Sweep",
    "auroc",
    "averaged",
    "check_alloy",
    "compare",
    "coverage",
    "crystal_system",
    "evaluate_spectra",
    "from_frequencies",
    "identify",
    "mean_spectrum",
    "misplaced",
    "nearest_compositions",
    "rank",
    "reduced_formula",
    "reliability",
    "roc",
    "screen",
    "special_quasirandom",
    "sweep",
    "wasserstein",
    "write_table",
]
