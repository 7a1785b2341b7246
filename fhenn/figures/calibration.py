"""A calibration in a picture."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from fhenn.errors import ParameterError
from fhenn.figures.style import BAND, DANGER, EXACT, POLYNOMIAL, STYLE, matplotlib
from fhenn.ranges import ActivationReport, Calibration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NEAR = 0.15
"""By how much of its width the domain is extended on either side."""

_FAR = 3.5
"""By how much at most, for values that lie far outside; those beyond are named."""

_BARS = ((0, 6, 0.06), (1, 5, 0.22), (2, 4, 0.42))
"""Places of the quantiles from which and to which a bar goes, and its thickness."""


def calibration_figure(calibration: Calibration) -> Figure:
    """Draw what reaches every activation: quantiles as bars, against the domain.

    calibration: of a model with at least one activation (`fhenn.calibrate`).

    The thinnest bar goes from the smallest to the largest value, the next from 0.1 to 99.9%, the thickest from 1 to
    99%; the tick is the median. The yellow band is the domain. The red zones are where an odd polynomial is on the
    wrong side of its middle value, so that a class flips. The dashed lines are the proposed domain. Values further
    than three and a half widths outside the domain leave the picture; the title of the panel says how far they go.

    Returns the figure.
    Raises ParameterError where the model has no activation, ExtraMissing without matplotlib.
    """
    reports = calibration.activations
    if not reports:
        raise ParameterError(
            "the model has no activations, so there is nothing to draw.", "Calibrate one that has some."
        )
    with matplotlib().rc_context(STYLE):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7.5, 1.0 + 1.25 * len(reports)), layout="constrained")
        rows = figure.subplots(len(reports), 1, squeeze=False)[:, 0]
        for axes, report in zip(rows, reports, strict=True):
            _draw(axes, report)
        rows[-1].set_xlabel("pre-activation")
        _legend(figure, calibration)
        return figure


def _draw(axes: Axes, report: ActivationReport) -> None:
    left, right = _extent(report)
    axes.set_xlim(left, right)
    axes.set_ylim(-0.5, 0.5)
    axes.set_yticks([])
    axes.set_title(_title(report, left, right), loc="left", fontsize=9)
    axes.axvspan(*report.domain, color=BAND, zorder=0)
    if report.flip is not None:
        for start, end in ((left, -report.flip), (report.flip, right)):
            if start < end:
                axes.axvspan(start, end, color=DANGER, zorder=0)
    for edge in _proposed(report):
        axes.axvline(edge, color=EXACT, linewidth=1.2, linestyle="--")
    if isfinite(report.smallest):
        for start, end, height in _BARS:
            # a renderer takes no coordinates without bound
            low, high = (min(max(report.quantiles[place], left), right) for place in (start, end))
            axes.barh(0.0, high - low, height, low, color=POLYNOMIAL, alpha=0.75, linewidth=0)
        median = report.quantiles[3]
        if left <= median <= right:
            axes.plot([median, median], [-0.3, 0.3], color=EXACT, linewidth=2)


def _extent(report: ActivationReport) -> tuple[float, float]:
    """The values to show: the domain, what was seen, and the proposed domain, as far as they are not far away."""
    low, high = report.domain
    width = high - low
    seen = [value for value in (report.smallest, report.largest) if isfinite(value)]
    if report.proposal is not None:
        seen += [edge + 0.02 * width * (1 if edge > 0 else -1) for edge in report.proposal.domain]
    left = max(min([low - _NEAR * width, *seen]), low - _FAR * width)
    right = min(max([high + _NEAR * width, *seen]), high + _FAR * width)
    return left, right


def _title(report: ActivationReport, left: float, right: float) -> str:
    text = f"{report.title}, {report.share_outside:.2%} outside"
    if report.smallest < left:
        text += f", down to {report.smallest:.3g}"
    if report.largest > right:
        text += f", up to {report.largest:.3g}"
    return text + (f", {report.nonfinite} NaN or infinite" if report.nonfinite else "")


def _legend(figure: Figure, calibration: Calibration) -> None:
    """What each colour is, above the panels, where it covers nothing."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries = [
        (Patch(color=POLYNOMIAL), "all, 99.8%, 98% of the values"),
        (Line2D([], [], color=EXACT, linewidth=2), "median"),
    ]
    entries.append((Patch(color=BAND), "domain"))
    if any(_flips(report) for report in calibration.activations):
        entries.append((Patch(color=DANGER), "class flips"))
    if any(_proposed(report) for report in calibration.activations):
        entries.append((Line2D([], [], color=EXACT, linewidth=1.2, linestyle="--"), "proposed domain"))
    handles, names = zip(*entries, strict=True)
    spacing = {"columnspacing": 1.0, "handlelength": 1.4}
    figure.legend(handles, names, loc="outside upper center", ncols=len(names), frameon=False, **spacing)


def _proposed(report: ActivationReport) -> list[float]:
    """The ends of another domain that is proposed, as far as they lie in the panel."""
    left, right = _extent(report)
    if report.proposal is None or report.proposal.domain == report.domain:
        return []
    return [edge for edge in report.proposal.domain if left <= edge <= right]


def _flips(report: ActivationReport) -> bool:
    """Whether a red zone lies in the panel."""
    left, right = _extent(report)
    return report.flip is not None and report.flip < max(-left, right)
