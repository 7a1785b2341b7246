"""Exact model, twin and ciphertexts in a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fhenn.comparison import ModelComparison
from fhenn.errors import ParameterError
from fhenn.figures.roc import draw_roc, positive_is
from fhenn.figures.style import EXACT, MEASURED, POLYNOMIAL, STYLE, matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

_MOST_POINTS = 4000
"""Scores that are drawn, evenly spread over all."""

_RULE = "#888888"


def comparison_figure(comparison: ModelComparison) -> Figure:
    """Draw how far scores are apart, and the scores of twin and ciphertexts against those of the exact model.

    comparison: of `fhenn.compare`, with an encrypted sample at least that came back.

    On the left, the share of samples whose largest |difference| of a score is no more than a value: of the twin from
    the exact model, which is what polynomials do, and of decrypted scores from the twin, which is what encryption does.
    The dashed line is the plan's bound on that, of the output where it is largest. Differences of 0 are left out.
    Beside it, each score against that of the exact model; against the twin's where the exact model is not known.
    On the right, where labels are known and scores tell two classes apart, the ROC curves of the encrypted samples.

    Returns the figure.
    Raises ParameterError where no sample came back, ExtraMissing without matplotlib.

    >>> import fhenn
    >>> model = fhenn.Sequential([fhenn.Linear([[1.0]]), fhenn.Sigmoid()])
    >>> found = fhenn.compare(model, fhenn.plan(model, bounds=[-1, 1]), [[0.5], [-0.5]])
    >>> len(comparison_figure(found).axes)
    2
    """
    if not len(comparison.rows):
        raise ParameterError(
            "no sample came back, so there is nothing to draw.", "Compare on samples within the domains."
        )
    with matplotlib().rc_context(STYLE):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(11.0 if comparison.curves else 7.5, 4.0), layout="constrained")
        apart, scores, *ranks = figure.subplots(1, 3 if comparison.curves else 2)
        _draw_differences(apart, comparison)
        _draw_scores(scores, comparison)
        for axes in ranks:
            _draw_curves(axes, comparison)
        handles, names = [], []
        for axes in (apart, scores):
            for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
                if name not in names:
                    handles.append(handle)
                    names.append(name)
        figure.legend(
            handles,
            names,
            loc="outside upper center",
            ncols=len(names),
            frameon=False,
            fontsize=9,
            columnspacing=1.2,
            handlelength=1.6,
        )
        return figure


def _draw_differences(axes: Axes, comparison: ModelComparison) -> None:
    scores = comparison.scores
    pairs = [("|encrypted − twin|", scores["encrypted"], scores["twin"], MEASURED)]
    if "exact" in scores:
        pairs.insert(0, ("|twin − exact|", scores["twin"], scores["exact"], POLYNOMIAL))
    for name, first, second, colour in pairs:
        values = np.sort(np.abs(first - second).max(axis=1))
        values = values[(values > 0) & np.isfinite(values)]
        if len(values):
            share = np.arange(len(first) - len(values) + 1, len(first) + 1) / len(first)
            axes.step(values, share, where="post", color=colour, linewidth=2, label=name)
    axes.axvline(max(comparison.plan.errors), color=EXACT, linewidth=1.2, linestyle="--", label="plan's bound")
    axes.set_xscale("log")
    axes.set_ylim(0, 1.03)
    axes.set_xlabel("largest difference of a score")
    axes.set_ylabel("share of samples")


def _draw_scores(axes: Axes, comparison: ModelComparison) -> None:
    scores = comparison.scores
    base = "exact" if "exact" in scores else "twin"
    x = scores["exact" if base == "exact" else "twin"].ravel()
    every = np.unique(np.linspace(0, len(x) - 1, min(len(x), _MOST_POINTS)).astype(int))
    ends = float(x.min()), float(x.max())
    axes.plot(ends, ends, color=_RULE, linewidth=0.8, linestyle=":")
    if base == "exact":
        twin = scores["twin"].ravel()[every]
        axes.plot(x[every], twin, "o", color=POLYNOMIAL, markersize=6, markerfacecolor="none", label="twin")
    axes.plot(x[every], scores["encrypted"].ravel()[every], "o", color=MEASURED, markersize=2, label="encrypted")
    axes.set_xlabel(f"score of the {'exact model' if base == 'exact' else 'twin'}")
    axes.set_ylabel("score")


def _draw_curves(axes: Axes, comparison: ModelComparison) -> None:
    draw_roc(axes, {str(way): curve for way, curve in comparison.curves.items()})
    if comparison.positive is not None:
        axes.set_title(positive_is(comparison.positive))
    # the legend of the figure names what the other panels show
    axes.legend(loc="lower right", fontsize=8)
