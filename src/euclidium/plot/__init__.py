"""Figures and reports: arrays in, matplotlib axes or a self-contained HTML page out."""

from euclidium.plot.alloys import alloy_sweep as alloy_sweep
from euclidium.plot.canvas import COLORS as COLORS
from euclidium.plot.canvas import canvas as canvas
from euclidium.plot.curves import bands as bands
from euclidium.plot.curves import dos as dos
from euclidium.plot.curves import energy_drift as energy_drift
from euclidium.plot.curves import heat_capacity as heat_capacity
from euclidium.plot.curves import learning_curve as learning_curve
from euclidium.plot.curves import parity as parity
from euclidium.plot.curves import temperature as temperature
from euclidium.plot.density import degree_errors as degree_errors
from euclidium.plot.density import density_panel as density_panel
from euclidium.plot.density import density_slice as density_slice
from euclidium.plot.density import surface_potential as surface_potential
from euclidium.plot.expansion import bulk_modulus as bulk_modulus
from euclidium.plot.expansion import free_energies as free_energies
from euclidium.plot.expansion import gruneisen_bands as gruneisen_bands
from euclidium.plot.expansion import gruneisen_points as gruneisen_points
from euclidium.plot.expansion import heat_conduction as heat_conduction
from euclidium.plot.expansion import thermal_expansion as thermal_expansion
from euclidium.plot.hierarchy import errors_by_degree as errors_by_degree
from euclidium.plot.hierarchy import errors_through_training as errors_through_training
from euclidium.plot.hierarchy import knock_outs as knock_outs
from euclidium.plot.hierarchy import learning_curves as learning_curves
from euclidium.plot.hierarchy import path_weights as path_weights
from euclidium.plot.hierarchy import sizes_through_training as sizes_through_training
from euclidium.plot.page import Fact as Fact
from euclidium.plot.page import Picture as Picture
from euclidium.plot.page import Section as Section
from euclidium.plot.page import Table as Table
from euclidium.plot.page import figure_html as figure_html
from euclidium.plot.page import report as report
from euclidium.plot.page import write_report as write_report
from euclidium.plot.periodic import periodic_table as periodic_table
from euclidium.plot.scores import calibration_curve as calibration_curve
from euclidium.plot.scores import density_parity as density_parity
from euclidium.plot.scores import measured_parity as measured_parity
from euclidium.plot.scores import ranking_bars as ranking_bars
from euclidium.plot.scores import roc_curve as roc_curve
from euclidium.plot.spectra import quartile_panel as quartile_panel
from euclidium.plot.spectra import spectrum as spectrum

__all__ = [
    "COLORS",
    "Fact",
    "Picture",
    "Section",
    "Table",
    "alloy_sweep",
    "bands",
    "bulk_modulus",
    "calibration_curve",
    "canvas",
    "degree_errors",
    "density_panel",
    "density_parity",
    "density_slice",
    "dos",
    "energy_drift",
    "errors_by_degree",
    "errors_through_training",
    "figure_html",
    "free_energies",
    "gruneisen_bands",
    "gruneisen_points",
    "heat_capacity",
    "heat_conduction",
    "knock_outs",
    "learning_curve",
    "learning_curves",
    "measured_parity",
    "parity",
    "path_weights",
    "periodic_table",
    "quartile_panel",
    "ranking_bars",
    "report",
    "roc_curve",
    "sizes_through_training",
    "spectrum",
    "surface_potential",
    "temperature",
    "thermal_expansion",
    "write_report",
]
