"""An activation in a picture."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fhenn.approx import Function
from fhenn.errors import ParameterError
from fhenn.figures.style import BAND, DANGER, EXACT, POLYNOMIAL, STYLE, matplotlib
from fhenn.nn import Activation, Sigmoid
from fhenn.nn.activation import Domain, flip_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
Curve = Callable[[Array], Any]

SYMBOLS = {
    "sigmoid": "σ(x)",
    "tanh": "tanh(x)",
    "relu": "max(0, x)",
    "silu": "x·σ(x)",
    "gelu": "x·Φ(x)",
    "softplus": "log(1 + eˣ)",
    "square": "x²",
}
"""The formula of each function, by name."""

_BAND_TEXT, _DANGER_TEXT, _RULE = "#7a6420", "#8c2f2f", "#888888"
_POINTS = 1201
_STEP = 1e-5
"""Of a central difference: its own error, and that of rounding, are then about 1e-10 of the slope's scale."""

_NEAR = 0.15
"""By how much of its width the domain is extended on either side for the choice of a panel's limits."""

_LONGEST = 40
"""Characters of a formula that fit beside the other entries of the legend."""


@dataclass(frozen=True)
class _Panel:
    """What one pair of axes shows: the function (None without one) and what stands in for it.

    trim: the share of the domain's points, at either extreme of y, that the choice of limits leaves out: a derivative
    may shoot up at the very ends of the domain or at a kink.
    """

    label: str
    exact: Curve | None
    stand_in: Curve
    height: float
    trim: float = 0.0


def activation_figure(node: Activation | None = None, reach: float | None = None) -> Figure:
    """Draw an activation and its polynomial: values, first and second derivatives, and the error.

    node: any activation; the cubic `Sigmoid()` where None. A polynomial without a function is drawn alone.
    reach: x goes from -reach to reach. None for as far as needed to show the domain and, if it is near, the place
    where the class flips.

    The yellow band is the domain. The red zones are where an odd polynomial has crossed its middle value again, so that
    a class flips. The limits of y are those of the curves near the domain: far outside, a polynomial may leave the
    picture.

    Returns the figure.
    Raises ParameterError for a reach that is not positive and finite, ExtraMissing without matplotlib.
    """
    node = Sigmoid() if node is None else node
    if reach is not None and not (isfinite(reach) and reach > 0):
        raise ParameterError(f"reach must be a positive finite number, not {reach!r}.", "Give for instance 8.")
    with matplotlib().rc_context(STYLE):
        from matplotlib.figure import Figure

        flip = flip_of(node.polynomial)
        left, right = _extent(node.domain, flip) if reach is None else (-reach, reach)
        x = np.linspace(left, right, _POINTS)
        panels = _panels(node)
        figure = Figure(figsize=(7.5, 1.1 + 1.15 * sum(panel.height for panel in panels)), layout="constrained")
        rows = figure.subplots(len(panels), 1, sharex=True, height_ratios=[panel.height for panel in panels])
        danger = flip is not None and flip < max(-left, right)
        for axes, panel in zip(rows, panels, strict=True):
            _shade(axes, node.domain, flip, (left, right))
            _draw(axes, panel, x, node.domain)
        if flip is not None and danger:
            _annotate(rows[0], node.polynomial(0.0), flip, right)
        if node.function is not None:
            _state_error(rows[-1], node)
        rows[-1].set_xlabel("x")
        figure.align_ylabels(rows)
        _legend(figure, node, danger)
        return figure


def _extent(domain: Domain, flip: float | None) -> Domain:
    """The x to show: past the domain, and past the flip where that is not so far that the domain would be small."""
    low, high = domain
    margin = 0.15 * (high - low)
    if flip is not None and flip < 2.5 * high:
        margin = max(margin, 1.28 * flip - high)
    return low - margin, high + margin


def _panels(node: Activation) -> list[_Panel]:
    value, slope, bend = _curves(node)
    function = node.function
    panels = [
        _Panel("value", function.value if function else None, value, 2.2),
        _Panel("first derivative", _with_gaps(function, function.derivative) if function else None, slope, 1.2, 0.01),
        _Panel("second derivative", _with_gaps(function, _difference(function)) if function else None, bend, 1.2, 0.05),
    ]
    if function:
        exact = function.value
        panels.append(_Panel("error", None, lambda x: value(x) - np.asarray(exact(x)), 1.0))
    return panels


def _curves(node: Activation) -> tuple[Curve, Curve, Curve]:
    """What the node computes on plaintext and its two derivatives, without warnings of the range guard."""
    silent = node.with_policy("ignore")

    def slope(x: Array) -> Array:
        return np.asarray(silent._backward(x, np.ones_like(x))[0])

    if node.polynomials == (node.polynomial,):
        return silent.infer, slope, node.polynomial.derivative().derivative()
    return silent.infer, slope, lambda x: (slope(x + _STEP) - slope(x - _STEP)) / (2 * _STEP)


def _difference(function: Function) -> Curve:
    """The second derivative of a function, from its exact first one."""
    return lambda x: (function.derivative(x + _STEP) - function.derivative(x - _STEP)) / (2 * _STEP)


def _with_gaps(function: Function, curve: Curve) -> Curve:
    """`curve` with a gap at the kinks, where the function has no derivative."""

    def value(x: Array) -> Array:
        at_kink = np.zeros(x.shape, dtype=bool)
        for kink in function.kinks:
            at_kink |= np.abs(x - kink) <= 2 * _STEP
        return np.where(at_kink, np.nan, curve(x))

    return value


def _shade(axes: Axes, domain: Domain, flip: float | None, extent: Domain) -> None:
    axes.set_xlim(*extent)
    axes.axvspan(*domain, color=BAND, zorder=0)
    if flip is not None:
        for start, end in ((extent[0], -flip), (flip, extent[1])):
            if start < end:
                axes.axvspan(start, end, color=DANGER, zorder=0)


def _draw(axes: Axes, panel: _Panel, x: Array, domain: Domain) -> None:
    with np.errstate(all="ignore"):  # beyond the domain a polynomial may overflow
        y = panel.stand_in(x)
        exact = None if panel.exact is None else panel.exact(x)
    low, high = _limits(x, y, exact, domain, panel.trim)
    if low < 0 < high:
        axes.axhline(0, color=_RULE, linewidth=0.8)
    if exact is not None:
        axes.plot(x, exact, color=EXACT, linewidth=2)
    # a renderer takes no coordinates without bound; what is cut off is far outside the panel
    axes.plot(x, np.clip(y, low - 50 * (high - low), high + 50 * (high - low)), color=POLYNOMIAL, linewidth=2)
    axes.set_ylim(low, high)
    axes.ticklabel_format(useOffset=False)
    axes.set_ylabel(panel.label)


def _limits(x: Array, y: Array, exact: Array | None, domain: Domain, trim: float) -> tuple[float, float]:
    """Limits of y: the function, the polynomial on the domain and, as far as it does not dwarf those, just beyond."""
    width = domain[1] - domain[0]
    inside = (x >= domain[0]) & (x <= domain[1])
    near = (x >= domain[0] - _NEAR * width) & (x <= domain[1] + _NEAR * width)
    # where no point is near the domain, what is there has to do
    inside, near = (mask if mask.any() else np.isfinite(y) for mask in (inside, near))
    seen = np.quantile(y[inside], (trim, 1 - trim))
    if exact is not None:
        seen = np.append(seen, exact[np.isfinite(exact)])
    low, high = float(np.min(seen)), float(np.max(seen))
    if high - low <= 1e-6 * abs(high):  # constant, but for rounding
        return low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    span = high - low
    beyond = np.clip(y[near], low - 0.35 * span, high + 0.35 * span)
    return min(low, float(beyond.min())) - 0.08 * span, max(high, float(beyond.max())) + 0.08 * span


def _annotate(axes: Axes, middle: Any, flip: float, right: float) -> None:
    """Mark where the polynomial crosses its middle value again; below the curve, which is on the other side of it."""
    middle = float(middle)
    axes.axhline(middle, color=_RULE, linewidth=0.8, linestyle=":")
    axes.plot([-flip, flip], [middle, middle], "o", color=POLYNOMIAL, markersize=6)
    bottom, _ = axes.get_ylim()
    axes.annotate(
        f"past ±{flip:.2f} the class flips",
        (flip, middle),
        (flip - 0.05 * right, middle + 0.62 * (bottom - middle)),
        ha="right",
        va="center",
        color=_DANGER_TEXT,
        arrowprops={"arrowstyle": "->", "color": _DANGER_TEXT},
    )


def _state_error(axes: Axes, node: Activation) -> None:
    """Lines at the largest error on the domain, limits round them, and the number."""
    low, high = node.domain
    largest = node.sup_error()
    edge = 2.4 * largest or 1.0
    axes.set_ylim(-edge, edge)
    for level in (-largest, largest) if largest else ():
        axes.plot([low, high], [level, level], color=_BAND_TEXT, linewidth=0.8, linestyle="--")
    text = f"at most {largest:.2g} on [{low:g}, {high:g}]" if largest else "none: the polynomial is the function"
    axes.text(low / 2 + high / 2, 0.9 * edge, text, ha="center", va="top", color=_BAND_TEXT)


def _legend(figure: Figure, node: Activation, danger: bool) -> None:
    """What each colour is, above the panels, where it covers nothing."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    low, high = node.domain
    entries = [
        (Line2D([], [], color=POLYNOMIAL, linewidth=2), _stand_in(node)),
        (Patch(color=BAND), f"domain [{low:g}, {high:g}]"),
    ]
    if node.function is not None:
        entries.insert(0, (Line2D([], [], color=EXACT, linewidth=2), _symbol(node.function)))
    if danger:
        entries.append((Patch(color=DANGER), "class flips"))
    handles, names = zip(*entries, strict=True)
    figure.legend(handles, names, loc="outside upper center", ncols=len(names), frameon=False, columnspacing=1.4)


def _symbol(function: Function) -> str:
    return SYMBOLS.get(function.name, f"{function.name}(x)")


def _stand_in(node: Activation) -> str:
    """The formula of what runs where it is short; degree and levels otherwise."""
    if len(node.polynomials) > 1:
        return f"{node.name}, stages of degrees " + ", ".join(str(stage.degree) for stage in node.polynomials)
    polynomial = node.polynomial
    if polynomial.degree <= 3:
        formula = re.sub(r"(?<![\d.])1x", "x", str(polynomial.to_monomial()))
        formula = formula.replace("^2", "²").replace("^3", "³").replace("-", "−")
        if len(formula) <= _LONGEST:
            return formula
    return f"polynomial of degree {polynomial.degree}, {node.cost} level{'s' if node.cost != 1 else ''}"
