"""What a polynomial's values can be on intervals: sound bounds, no roots sought.

With a leading coefficient next to nothing roots can get lost, and a turning point with them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fhenn.approx.polynomial import Polynomial

Floats = NDArray[np.float64]
Interval = tuple[float, float]

OF_A_VALUE = 1e-12
"""Values of a polynomial are off by less than that, of their size there."""

_GRID = 129


def enclose(polynomial: Polynomial, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """What a polynomial makes of intervals: its values on a grid, and what its bend allows between the points.

    low, high: ends of the intervals, (intervals,).
    Returns the same for its values.
    """
    values, between = on_grid(polynomial, low, high, lambda points, values: values)
    return values.min(axis=0) - between, values.max(axis=0) + between


def on_grid(
    polynomial: Polynomial, low: Floats, high: Floats, part: Callable[[Floats, Floats], Floats]
) -> tuple[Floats, Floats]:
    """p but for a line, as `part` makes it, on a grid of each interval, and how far it may stray between.

    Between two points h apart a function strays from its chord by h²/8 of its second derivative at most.

    part: of points and values, p less a line.
    Returns (points, intervals) and (intervals,).
    """
    width = high - low
    points = np.minimum(low + np.linspace(0, 1, _GRID)[:, None] * width, high)
    values = polynomial(points).astype(np.float64)
    parts = part(points, values)
    bend = _magnitude(derivative_of(derivative_of(polynomial)), low, high)
    with np.errstate(over="ignore"):
        between = bend * (width / (_GRID - 1)) ** 2 / 8 * (1 + 1e-9)
    # a hair for rounding, and for points that are not quite at their places
    between += OF_A_VALUE * (1 + np.abs(values).max(axis=0) + np.abs(parts).max(axis=0))
    return parts, between


def _magnitude(polynomial: Polynomial, low: Floats, high: Floats) -> Floats:
    """A bound on |p| on each interval: |Tₖ| is 1 at most on the domain, and cosh(k·arcosh|t|) beyond."""
    start, end = polynomial.domain
    far = np.maximum(np.abs(2 * low - start - end), np.abs(2 * high - start - end)) / (end - start)
    angle = np.arccosh(np.maximum(far * (1 + 1e-12), 1.0))
    series = _sizes(polynomial)
    with np.errstate(over="ignore"):
        total: Floats = np.cosh(angle[:, None] * np.arange(len(series))) @ series
    return total


@lru_cache(maxsize=1024)
def image_on(polynomial: Polynomial, interval: Interval) -> Interval:
    """The values of a polynomial on one interval.

    >>> low, high = image_on(Polynomial((0.0, 0.0, 1.0), (-1, 1)), (-1.0, 2.0))
    >>> -0.01 < low <= 0 and 4 <= high < 4.01
    True
    """
    low, high = enclose(polynomial, np.array(interval[:1]), np.array(interval[1:]))
    return float(low[0]), float(high[0])


def largest_on(polynomial: Polynomial, interval: Interval) -> float:
    """The largest |p(x)| on an interval."""
    return max(map(abs, image_on(polynomial, interval)))


@lru_cache(maxsize=1024)
def magnitude_on(polynomial: Polynomial, interval: Interval) -> float:
    """The sum of the magnitudes of a polynomial's terms, at the x of an interval where it is largest.

    polynomial: p, whose terms are those of its basis, or its Chebyshev terms where these are larger.
    interval: (low, high).

    >>> round(magnitude_on(Polynomial((1.0, -1.0), (-1, 1)), (-1.0, 2.0)), 6)
    3.0
    """
    sizes = np.abs(polynomial.coefficients if polynomial.basis == "monomial" else [0.0])
    with np.errstate(over="ignore"):
        terms = float(sizes @ max(map(abs, interval)) ** np.arange(len(sizes)))
    return max(terms, float(_magnitude(polynomial, *(np.array([end]) for end in interval))[0]))


@lru_cache(maxsize=256)
def derivative_of(polynomial: Polynomial) -> Polynomial:
    """The derivative, kept."""
    return polynomial.derivative()


@lru_cache(maxsize=256)
def _sizes(polynomial: Polynomial) -> Floats:
    """Magnitudes of its Chebyshev coefficients."""
    return np.abs(polynomial.to_chebyshev().coefficients)
