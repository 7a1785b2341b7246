"""Receiver operating characteristics in a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from fhenn.errors import ParameterError
from fhenn.figures.style import EXACT, MEASURED, POLYNOMIAL, STYLE, matplotlib
from fhenn.interop.reading import roc
from fhenn.text import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LINES = ((EXACT, 6.0, "-"), (POLYNOMIAL, 3.0, "-"), (MEASURED, 1.2, "--"))
"""Colour, width and dashes of the curves: each leaves the one below it in sight where they coincide."""


_LONGEST = 30
"""Characters of the name of a class."""


def roc_figure(labels: ArrayLike, scores: Mapping[str, ArrayLike], positive: str | None = None) -> Figure:
    """Draw the curves of up to three sets of scores for the same samples, and beside them their upper left corner.

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

        figure = Figure(figsize=(7.5, 4.2), layout="constrained")
        whole, corner = figure.subplots(1, 2)
        for axes in (whole, corner):
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
        whole.plot([0, 1], [0, 1], color="#888888", linewidth=0.8, linestyle=":")
        whole.set_ylabel("true positive rate")
        whole.set_aspect("equal")
        if positive is not None:
            whole.set_title(f"positive: {printable(positive, _LONGEST)}", fontsize=10)
        corner.set_xlim(-0.005, 0.25)
        corner.set_ylim(0.75, 1.005)
        corner.set_aspect("equal")
        corner.set_title("upper left corner", fontsize=10)
        handles, names = whole.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=len(names), frameon=False, columnspacing=1.4)
        return figure
