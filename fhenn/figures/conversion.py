"""What the conversion of a module cost, in a picture, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhenn.errors import ParameterError
from fhenn.figures.style import EXACT, OTHER, POLYNOMIAL, STYLE, matplotlib

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fhenn.interop.retraining import Retraining

_LONGEST = 24
"""Characters of a layer's name."""


def conversion_figure(report: Retraining) -> Figure:
    """Draw the measure on held-out samples after each replaced layer, and the levels that it consumes.

    report: of `fhenn.interop.torch.convert`, with a step at least.

    Above, the dashed line is the original; the grey points are right after a replacement, the others after the
    fine-tuning that followed it. Below, the levels of each layer.

    Returns the figure.
    Raises ParameterError where nothing was replaced, ExtraMissing without matplotlib.

    >>> from fhenn.interop.retraining import Retraining, RetrainingStep
    >>> step = RetrainingStep("act", "ReLU", "degree 4", 2, (-3.0, 3.0), 0.91, 0.95, 5, 0.0)
    >>> len(conversion_figure(Retraining("accuracy", 100, 0.96, 0.95, (step,), 4)).axes)
    2
    """
    steps = report.steps
    if not steps:
        raise ParameterError("nothing was replaced, so there is nothing to draw.", "Convert a module with activations.")
    with matplotlib().rc_context(STYLE):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7.5, 5.2), layout="constrained")
        quality, levels = figure.subplots(2, 1, sharex=True, height_ratios=(1.7, 1))
        places = list(range(len(steps)))
        percent = 1 if report.measure == "R²" else 100
        quality.axhline(percent * report.exact, color=EXACT, linewidth=1.2, linestyle="--", label="original")
        before, after = ([percent * value for value in values] for values in _measured(report))
        quality.plot(places, before, "o", color=OTHER, label="replaced")
        quality.plot(places, after, "o-", color=POLYNOMIAL, linewidth=1.2, label="fine-tuned")
        quality.margins(y=0.15)
        quality.set_ylabel(report.measure if percent == 1 else f"{report.measure} in %")
        quality.legend(loc="best", ncols=3, frameon=False)
        quality.set_title(f"{report.levels} levels, on {report.held_out:,} held-out samples", loc="left")
        levels.bar(places, [step.levels for step in steps], 0.6, color=POLYNOMIAL)
        levels.set_yticks(range(max(step.levels for step in steps) + 1))
        levels.set_ylabel("levels")
        levels.grid(visible=False, axis="x")
        names = [f"{step.place[:_LONGEST]}\n{step.now}" for step in steps]
        levels.set_xticks(places, names, rotation=35 if len(steps) > 6 else 0)
        figure.align_ylabels()
        return figure


def _measured(report: Retraining) -> tuple[list[float], list[float]]:
    """The measure right after each replacement, and after the fine-tuning."""
    return [step.before for step in report.steps], [step.after for step in report.steps]
