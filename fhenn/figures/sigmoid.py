"""The sigmoid node in a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fhenn.approx import SIGMOID_CUBIC, sigmoid
from fhenn.errors import ExtraMissing, ParameterError
from fhenn.nn.activation import flip_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FLIP = flip_of(SIGMOID_CUBIC) or 0.0
"""Where the cubic crosses 0.5 again."""

EXACT, CUBIC, BAND, DANGER = "#1f4e79", "#c8501e", "#f3e3b3", "#f2c9c9"
"""One colour for each thing, in every figure: σ, its polynomial, the domain, where it goes wrong."""

STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "svg.hashsalt": "fhenn",  # the same picture gives the same file
    "svg.fonttype": "path",
}
"""Matplotlib settings of every figure."""


def _matplotlib() -> Any:
    try:
        import matplotlib
    except ModuleNotFoundError as error:
        raise ExtraMissing("plot", "matplotlib") from error
    return matplotlib


def sigmoid_figure(reach: float = 9.0) -> Figure:
    """σ and its cubic on [-reach, reach], the band [-4, 4], the error, and where the class flips.

    Raises ExtraMissing without matplotlib.
    """
    with _matplotlib().rc_context(STYLE):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7.5, 5.2), layout="constrained")
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        x = np.linspace(-reach, reach, 721)
        low, high = SIGMOID_CUBIC.domain
        for axes in (top, bottom):
            axes.axvspan(low, high, color=BAND, zorder=0)
            for start, end in ((-reach, -FLIP), (FLIP, reach)):
                axes.axvspan(start, end, color=DANGER, zorder=0)
            axes.margins(x=0)
        top.plot(x, sigmoid(x), color=EXACT, linewidth=2)
        top.plot(x, SIGMOID_CUBIC(x), color=CUBIC, linewidth=2)
        top.axhline(0.5, color="#888888", linewidth=0.8, linestyle=":")
        top.plot([-FLIP, FLIP], [0.5, 0.5], "o", color=CUBIC, markersize=6)
        top.set_ylim(-0.25, 1.25)
        top.set_ylabel("value")
        top.text(8.9, 1.04, "σ(x)", color=EXACT, ha="right", va="bottom")
        top.text(-6.8, 0.78, str(SIGMOID_CUBIC).replace("^3", "³"), color=CUBIC, ha="left")
        top.text(0, 1.2, "the band [-4, 4]", ha="center", va="top", color="#7a6420")
        top.annotate(
            f"past ±{FLIP:.2f} the class flips",
            (FLIP, 0.5),
            (FLIP - 0.35, 0.06),
            ha="right",
            color="#8c2f2f",
            arrowprops={"arrowstyle": "->", "color": "#8c2f2f"},
        )
        bottom.plot(x, SIGMOID_CUBIC(x) - sigmoid(x), color=CUBIC, linewidth=1.5)
        bottom.axhline(0, color="#888888", linewidth=0.8)
        bottom.set_ylim(-0.12, 0.12)
        bottom.set_ylabel("cubic - σ")
        bottom.set_xlabel("x")
        return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure to a file: .svg, .png or .pdf. Raises ParameterError for another ending or a missing folder."""
    if path.suffix.lower() not in (".svg", ".png", ".pdf"):
        raise ParameterError(f"{path} is not a picture.", "End the name in .svg, .png or .pdf.")
    if not path.parent.is_dir():
        raise ParameterError(f"the folder {path.parent} does not exist.", "Create it first.")
    metadata = {"Date": None} if path.suffix.lower() == ".svg" else None
    with _matplotlib().rc_context(STYLE):
        try:
            figure.savefig(path, dpi=150, metadata=metadata)
        except OSError as error:
            raise ParameterError(f"{path} cannot be written: {error.strerror}.", "Choose another place.") from error
