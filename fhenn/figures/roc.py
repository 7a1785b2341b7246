"""Receiver operating characteristics in a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.errors import ParameterError, ShapeMismatch
from fhenn.figures.style import EXACT, MEASURED, POLYNOMIAL, STYLE, matplotlib
from fhenn.finite import require_finite

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

_LINES = ((EXACT, 6.0, "-"), (POLYNOMIAL, 3.0, "-"), (MEASURED, 1.2, "--"))
"""Colour, width and dashes of the curves: each leaves the one below it in sight where they coincide."""


@dataclass(frozen=True, eq=False)
class Roc:
    """A receiver operating characteristic.

    false_positive_rate: (points,), from 0 to 1.
    true_positive_rate: (points,), from 0 to 1.
    area: under the curve, 0 to 1.
    """

    false_positive_rate: Floats
    true_positive_rate: Floats
    area: float


def roc(labels: ArrayLike, scores: ArrayLike) -> Roc:
    """The receiver operating characteristic of scores: a point for each distinct score.

    labels: (samples,), above 0.5 for positive.
    scores: (samples,), larger for more likely positive. Equal scores share a point.

    Returns the curve. Its area is the probability that a positive scores above a negative, where ties count half.
    Raises ShapeMismatch, NonFiniteValue, and ParameterError where one of the classes is missing.

    Source: Fawcett 2006, "An introduction to ROC analysis", algorithm 2.

    >>> roc([0, 1, 0, 1], [0.1, 0.4, 0.4, 0.9]).area
    0.875
    """
    positive, values = np.asarray(labels, dtype=np.float64) > 0.5, np.asarray(scores, dtype=np.float64)
    if positive.ndim != 1 or values.shape != positive.shape:
        raise ShapeMismatch("roc", values.shape, f"(samples,), the shape of the labels; theirs is {positive.shape}")
    require_finite("roc", values, "Leave such samples out.")
    if positive.all() or not positive.any():
        raise ParameterError("all labels are of one class.", "Give samples of both classes.")
    order = np.argsort(-values, kind="stable")
    last = np.append(np.flatnonzero(np.diff(values[order])), len(values) - 1)
    true = np.append(0, np.cumsum(positive[order])[last]) / np.count_nonzero(positive)
    false = np.append(0, np.cumsum(~positive[order])[last]) / np.count_nonzero(~positive)
    area = float(np.sum(np.diff(false) * (true[1:] + true[:-1])) / 2)
    return Roc(false, true, area)


def roc_figure(labels: ArrayLike, scores: Mapping[str, ArrayLike]) -> Figure:
    """Draw the curves of up to three sets of scores for the same samples, and beside them their upper left corner.

    labels: (samples,), above 0.5 for positive.
    scores: one to three sets of shape (samples,), by name.

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
        corner.set_xlim(-0.005, 0.25)
        corner.set_ylim(0.75, 1.005)
        corner.set_aspect("equal")
        corner.set_title("upper left corner", fontsize=10)
        handles, names = whole.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=len(names), frameon=False, columnspacing=1.4)
        return figure
