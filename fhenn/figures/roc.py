"""Receiver operating characteristics in a picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from fhenn.errors import ParameterError
from fhenn.figures.style import EXACT, MEASURED, POLYNOMIAL, STYLE, matplotlib
from fhenn.interop.reading import Roc, roc
from fhenn.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINES: tuple[tuple[str, float, str], ...] = ((EXACT, 6.0, "-"), (POLYNOMIAL, 3.0, "-"), (MEASURED, 1.2, "--"))
"""Colour, width and dashes of the curves: each leaves the one below it in sight where they coincide."""

_LONGEST = 30
"""Characters of the name of a class."""

_AROUND, _WIDEST = 3.0, 0.5
"""Side of the corner in units of the curves' distance from it, and the side from which it shows little more."""


def roc_figure(labels: ArrayLike, scores: Mapping[str, ArrayLike], positive: str | None = None) -> Figure:
    """Draw the curves of up to three sets of scores for the same samples.

    Beside them is their upper left corner, as wide as they are far from it: not where all reach it, nor where they stay
    so far from it that it would show little more.

    labels: (samples,), above 0.5 for positive.
    scores: one to three sets of shape (samples,), by name.
    positive: what the class of the positives is called, None to leave it out.

    Returns the figure.
    Raises what `roc` does, ParameterError for no sets or more than three, ExtraMissing without matplotlib.

    >>> figure = roc_figure([0, 1, 0, 1], {"exact": [0.1, 0.4, 0.4, 0.9]})
    >>> figure.legends[0].texts[0].get_text()
    'exact, area 0.8750'
    """
    if not 1 <= len(scores) <= len(_LINES):
        raise ParameterError(
            f"roc_figure draws 1 to {len(_LINES)} sets of scores, not {len(scores)}.",
            "Give one set at least, and draw a fourth in another figure.",
        )
    curves = {name: roc(labels, values) for name, values in scores.items()}
    with matplotlib().rc_context(STYLE):
        from matplotlib.figure import Figure

        side = _corner(curves.values())
        figure = Figure(figsize=(4.2, 4.8) if side is None else (7.5, 4.2), layout="constrained")
        panels = figure.subplots(1, 1 if side is None else 2, squeeze=False)[0]
        for axes in panels:
            draw_roc(axes, curves)
        whole = panels[0]
        if positive is not None:
            whole.set_title(positive_is(positive))
        if side is not None:
            panels[1].set_xlim(-0.02 * side, side)
            panels[1].set_ylim(1 - side, 1 + 0.02 * side)
            panels[1].locator_params(nbins=5)
            panels[1].set_title("upper left corner")
        handles, names = whole.get_legend_handles_labels()
        columns = 1 if side is None else len(names)
        figure.legend(handles, names, loc="outside upper center", ncols=columns, frameon=False, columnspacing=1.4)
        return figure


def draw_roc(axes: Axes, curves: Mapping[str, Roc]) -> None:
    """Draw curves, with their areas as labels, over the diagonal of scores that tell nothing.

    axes: of matplotlib.
    curves: one to three, by name.
    """
    axes.plot([0, 1], [0, 1], color="#888888", linewidth=0.8, linestyle=":")
    for (name, curve), (colour, width, dashes) in zip(curves.items(), _LINES, strict=False):
        axes.plot(
            curve.false_positive_rate,
            curve.true_positive_rate,
            color=colour,
            linewidth=width,
            linestyle=dashes,
            label=f"{name}, area {curve.area:.4f}",
        )
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    axes.set_aspect("equal")


def positive_is(name: str) -> str:
    """The title of a panel, which names the class of the positives."""
    return f"positive: {printable(name, _LONGEST)}"


def _corner(curves: Iterable[Roc]) -> float | None:
    """The side of the upper left corner that shows how curves pass it; None where that is not worth a panel."""
    far = max(float(np.maximum(each.false_positive_rate, 1 - each.true_positive_rate).min()) for each in curves)
    return _AROUND * far if 0 < _AROUND * far <= _WIDEST else None
