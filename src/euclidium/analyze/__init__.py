"""Analyses: screening of crystals, alloys, and the errors of spectra."""

__all__: list[str] = []
