"""Figures. Need the extra `plot`."""

from fhenn.figures.activation import activation_figure
from fhenn.figures.calibration import calibration_figure
from fhenn.figures.style import BAND, DANGER, EXACT, POLYNOMIAL, STYLE, save, show

__all__ = ["BAND", "DANGER", "EXACT", "POLYNOMIAL", "STYLE", "activation_figure", "calibration_figure", "save", "show"]
