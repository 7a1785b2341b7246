"""Figures. Need the extra `plot`."""

from fhenn.figures.sigmoid import save, sigmoid_figure

__all__ = ["save", "sigmoid_figure"]
