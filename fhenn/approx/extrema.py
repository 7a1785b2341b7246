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
    """Ascending points of [low, high] that bracket every extremum of a polynomial of `degree` minus a function.

    Chebyshev-spaced between the kinks, at least 32 to an oscillation of T_degree; with both neighbours of every kink,
    where a function may jump. On wide intervals also spaced geometrically about 0, where activations bend.
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


def local_maxima(f: Callable[[Array], Array], at: Array, near: float = 0.0) -> tuple[Array, Array]:
    """Places and values of the local maxima of `f` between the first and the last of the ascending points `at`.

    Every maximum must be bracketed by neighbouring points; it is then refined by golden-section search (Kiefer 1953),
    all brackets at once. near: leave out those whose value on the points is below this part of the largest.
    """
    sampled = f(at)
    padded = np.concatenate([[-inf], sampled, [-inf]])
    peak = (sampled >= padded[:-2]) & (sampled > padded[2:])
    if near:
        peak &= sampled >= near * sampled.max()
    index = np.flatnonzero(peak)
    low, high = at[np.maximum(index - 1, 0)], at[np.minimum(index + 1, at.size - 1)]
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
    return np.where(better, place, at[index]), np.where(better, value, sampled[index])
