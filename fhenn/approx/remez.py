"""The Remez exchange: the best approximation in the sense of the largest error.

Remez 1934, "Sur la détermination des polynômes d'approximation de degré donné"; in the form with several exchanges at
a time of Pachón & Trefethen 2009, "Barycentric-Remez algorithms", BIT 49. The error of the best approximation from a
Haar space of dimension m takes its largest size with alternating signs at m + 1 points (Chebyshev's theorem); the
exchange solves for equal size at m + 1 points, moves them to the extrema of the error, and repeats.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fhenn.approx.extrema import Array, local_maxima
from fhenn.errors import ParameterError

_ROUNDS = 60
_LEVELLED = 1e-10
"""Stop when largest and levelled error differ by this part ..."""

_FLOOR = 2e-15
"""... or by this much for values about 1, which is what evaluation in float64 errs by."""


def exchange(target: Callable[[Array], Array], basis: Callable[[Array], Array], grid: Array, reference: Array) -> Array:
    """The combination of basis functions that is closest to `target`, in the sense of the largest error.

    target: the function to approximate; takes points of shape (n,) to values of shape (n,).
    basis: takes points of shape (n,) to the values (n, m) of m functions that span a Haar space.
    grid: ascending points that bracket every extremum of the error; its ends are those of the interval.
    reference: m + 1 ascending points to start from.

    Returns the coefficients, of shape (m,).
    Raises ParameterError where the exchange does not converge.
    """
    scale = max(1.0, float(np.abs(target(grid)).max()))
    best, smallest, gap, since = np.zeros(reference.size - 1), np.inf, np.inf, 0
    for _ in range(_ROUNDS):
        system = np.column_stack([basis(reference), (-1.0) ** np.arange(reference.size)])
        try:
            *solution, level = np.linalg.solve(system, target(reference))
        except np.linalg.LinAlgError:
            break
        coefficients = np.array(solution)

        def error(x: Array, coefficients: Array = coefficients) -> Array:
            return target(x) - basis(x) @ coefficients

        places, sizes = local_maxima(lambda x: np.abs(error(x)), grid)
        largest, since = float(sizes.max()), since + 1
        if largest < smallest:
            best, smallest, gap, since = coefficients, largest, largest - abs(level), 0
        if gap <= _LEVELLED * smallest + _FLOOR * scale or since > 8:
            break
        alternating = _alternation(places, error(places), reference.size)
        if alternating.size < reference.size:
            break
        reference = alternating
    if not gap <= 1e-6 * smallest + 10 * _FLOOR * scale and smallest > 50 * _FLOOR * scale:
        raise ParameterError(
            f"the Remez exchange does not converge: the largest error is {smallest:.3g}, up to {gap:.2g} above the "
            "smallest possible.",
            "Use another degree, a narrower domain, or method 'chebyshev'.",
        )
    return best


def _alternation(places: Array, errors: Array, count: int) -> Array:
    """`count` of the `places`, the largest error among them, where `errors` alternate in sign; fewer if there are."""
    peaks: list[int] = []
    for i, error in enumerate(errors):
        if error == 0:
            continue
        if peaks and (errors[peaks[-1]] > 0) == (error > 0):
            if abs(error) > abs(errors[peaks[-1]]):
                peaks[-1] = i
        else:
            peaks.append(i)
    size = np.abs(errors)
    while len(peaks) > count:
        if len(peaks) == count + 1:
            peaks.pop(0 if size[peaks[0]] < size[peaks[-1]] else -1)
        else:  # two neighbours go, so that the signs still alternate
            weakest = min(range(len(peaks) - 1), key=lambda i: max(size[peaks[i]], size[peaks[i + 1]]))
            del peaks[weakest : weakest + 2]
    return places[peaks]
