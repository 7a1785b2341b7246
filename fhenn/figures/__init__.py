"""Figures. Need the extra `plot`."""

from fhenn.figures.sigmoid import BAND, CUBIC, DANGER, EXACT, STYLE, save, sigmoid_figure

__all__ = ["BAND", "CUBIC", "DANGER", "EXACT", "STYLE", "save", "sigmoid_figure"]
