"""Figures. Need the extra `plot`."""

from fhenn.figures.activation import activation_figure
from fhenn.figures.calibration import calibration_figure
from fhenn.figures.comparison import comparison_figure
from fhenn.figures.conversion import conversion_figure
from fhenn.figures.gallery import gallery_figure
from fhenn.figures.levels import levels_figure
from fhenn.figures.placement import placement_figure
from fhenn.figures.roc import roc_figure
from fhenn.figures.steps import Step, steps_figure
from fhenn.figures.style import BAND, DANGER, EXACT, MEASURED, OTHER, POLYNOMIAL, STYLE, save, show
from fhenn.interop.reading import Roc, roc

__all__ = [
    "BAND",
    "DANGER",
    "EXACT",
    "MEASURED",
    "OTHER",
    "POLYNOMIAL",
    "STYLE",
    "Roc",
    "Step",
    "activation_figure",
    "calibration_figure",
    "comparison_figure",
    "conversion_figure",
    "gallery_figure",
    "levels_figure",
    "placement_figure",
    "roc",
    "roc_figure",
    "save",
    "show",
    "steps_figure",
]
