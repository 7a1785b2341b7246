"""Local maxima of a function of one variable, located rather than sampled."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

_GOLDEN = (5**0.5 - 1) / 2
_STEPS = 28
"""A bracket shrinks to 1.4e-6 of two grid steps, and the value at a smooth maximum errs by the square of that."""


def points(low: float, high: float, degree: int, kinks: Iterable[float] = ()) -> Array:
    """A grid on [low, high] that brackets every extremum of a polynomial minus a function.

    low, high: ends of the interval.
    degree: of the polynomial.
    kinks: where the function or a derivative of it jumps.

    Returns the points in ascending order, of shape (points,). They are Chebyshev-spaced between the kinks, at least 32
    to an oscillation of T_degree, with both neighbours of every kink. On wide intervals there are points spaced
    geometrically about 0 too, where activations bend.
    """
    inside = sorted(kink for kink in kinks if low < kink < high)
    count = max(1024, 32 * (degree + 1))
    unit = (1 - np.cos(np.linspace(0, np.pi, count))) / 2
    edges = [low, *inside, high]
    parts = [left + (right - left) * unit for left, right in pairwise(edges)]
    if high - low > 50:
        away = np.geomspace(1e-3, max(abs(low), abs(high)), 2048)
        parts += [away, -away]
    parts.append(np.array([low, high, *inside, *(np.nextafter(kink, side) for kink in inside for side in (-inf, inf))]))
    merged = np.unique(np.concatenate(parts))
    return merged[(merged >= low) & (merged <= high)]


def local_maxima(f: Callable[[Array], Array], grid: Array, near: float = 0.0) -> tuple[Array, Array]:
    """Places and values of the local maxima of `f` between the first and the last point of a grid.

    f: a function of an array of points, which returns an array of the same shape.
    grid: ascending points, of shape (points,), whose neighbours bracket every maximum.
    near: leaves out the maxima whose value on the grid is below this fraction of the largest.

    Returns (places, values), each of shape (maxima,).

    Source: golden-section search (Kiefer 1953, "Sequential minimax search for a maximum"), for all brackets at once.
    """
    sampled = f(grid)
    padded = np.concatenate([[-inf], sampled, [-inf]])
    peak = (sampled >= padded[:-2]) & (sampled > padded[2:])
    if near:
        peak &= sampled >= near * sampled.max()
    index = np.flatnonzero(peak)
    low, high = grid[np.maximum(index - 1, 0)], grid[np.minimum(index + 1, grid.size - 1)]
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = f(left), f(right)
    for _ in range(_STEPS):
        keep_left = at_left > at_right
        low, high = np.where(keep_left, low, left), np.where(keep_left, right, high)
        fresh = np.where(keep_left, high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))
        value = f(fresh)
        left, right = np.where(keep_left, fresh, right), np.where(keep_left, left, fresh)
        at_left, at_right = np.where(keep_left, value, at_right), np.where(keep_left, at_left, value)
    place, value = np.where(at_left > at_right, left, right), np.maximum(at_left, at_right)
    better = value > sampled[index]
    return np.where(better, place, grid[index]), np.where(better, value, sampled[index])
