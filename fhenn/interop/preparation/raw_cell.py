"""What a feature beyond its bounds was in the raw table, and what its column may hold.

A feature that rises or falls with one raw column, as scaling makes it, is followed back to that column by bisection:
the steps of a preparation have no inverse, and need none.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isclose, isfinite

import numpy as np

from fhenn.errors import RawCell
from fhenn.interop.preparation.frame import Floats

_POWERS = 10.0 ** np.arange(-6, 16)
_GRID = np.concatenate([-_POWERS[::-1], [0.0], _POWERS])
"""Where it is looked first, rising."""

_HALVINGS = 64
"""Of what lies between two numbers of the grid: down to the last digit of a double."""


def raw_cell(
    column: str | int, prepare: Callable[[Floats], Floats], value: float, low: float, high: float
) -> RawCell | None:
    """The cell that a feature's value was made of, and between which numbers its column keeps the feature's bounds.

    column: name or place of the raw column.
    prepare: makes values of the feature of cells of the column, (cells,), NaN where it has none.
    value: of the feature.
    low, high: bounds of the feature.

    Returns None where the feature is the cell itself, does not rise or fall throughout, or keeps the bounds nowhere.

    >>> raw_cell("age", lambda cells: (cells - 50) / 10, 9.0, -2.0, 2.0)
    RawCell(column='age', value=140.0, low=30.0, high=70.0)
    """
    made = prepare(_GRID)
    there = np.flatnonzero(np.isfinite(made))
    if len(there) < 2 or len(there) != there[-1] - there[0] + 1:
        return None
    steps = np.diff(made[there])
    sign = 1.0 if made[there[-1]] > made[there[0]] else -1.0
    if not np.any(steps) or np.any(sign * steps < 0):
        return None

    def rising(cells: Floats) -> Floats:
        return sign * prepare(cells)

    below, above = sorted((sign * low, sign * high))
    first, last = _least(lambda cells: rising(cells) >= below), -_least(lambda cells: rising(-cells) <= above)
    if not first <= last or first == inf or last == -inf:
        return None
    ends = _least(lambda cells: rising(cells) >= sign * value), -_least(lambda cells: rising(-cells) <= sign * value)
    # many cells make the value where a step cuts them off
    near = 1e-9 * (last - first) if isfinite(last - first) else 0.0
    one = isfinite(sum(ends)) and isclose(*ends, rel_tol=1e-9, abs_tol=near)
    cell = sum(ends) / 2 if one else None
    return (
        None if (cell, first, last) == (value, low, high) else RawCell(column, cell, first + 0.0, last + 0.0)
    )  # no -0


def _least(holds: Callable[[Floats], np.ndarray]) -> float:
    """The least number that holds, of a grid and what lies before its first that does; -inf where all do, inf if none.

    holds: whether numbers do, which goes from false to true, and may be false again at the end of the grid.
    """
    found = np.flatnonzero(holds(_GRID))
    if not len(found):
        return inf
    if found[0] == 0:
        return -inf
    outside, inside = _GRID[found[0] - 1], _GRID[found[0]]
    for _ in range(_HALVINGS):
        middle = outside + (inside - outside) / 2
        if holds(np.array([middle]))[0]:
            inside = middle
        else:
            outside = middle
    return float(inside)
