"""What a column of the raw table may hold, so that a feature made of it keeps its bounds.

A feature that rises or falls throughout with one raw column, as scaling makes it, is followed back to that column: the
steps in between have no inverse, and the search needs none.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from math import inf, isnan

import numpy as np

from fhenn.errors import RawBounds
from fhenn.interop.preparation.frame import Field, Fields, Floats, Frame
from fhenn.interop.preparation.step import Step, Union, run, walk

_LARGEST = 0x7FEF_FFFF_FFFF_FFFF
"""Bits of the largest double; those of smaller ones, as integers, are in the order of their values."""

_POWERS = 10.0 ** np.arange(-12, 13)
_TRIED = np.concatenate([-_POWERS[::-1], [0.0], _POWERS])
"""Cells that tell where a feature has values, and whether it rises or falls."""


def path(steps: Sequence[Step], before: Fields, place: int) -> tuple[list[Step], int] | None:
    """The steps that make a feature of one column by itself, rising or falling with it.

    steps: of a preparation.
    before: what comes in.
    place: of the feature.

    Returns (steps on that column alone, its place in what comes in); None where the feature is made otherwise.

    >>> from fhenn.interop.preparation import Scale, Select
    >>> path([Select((2, 0)), Scale((1.0, 5.0))], (Field(),) * 3, 1)[1]
    0
    """
    fields = [before]
    for step in steps:
        fields.append(step.after(fields[-1]))
    alone: list[Step] = []
    for step, comes_in in zip(reversed(steps), reversed(fields[:-1]), strict=True):
        made = _path_of_union(step, comes_in, place) if isinstance(step, Union) else step.of_column(place)
        if made is None:
            return None
        alone, place = [*made[0], *alone], made[1]
    return alone, place


def _path_of_union(union: Union, before: Fields, place: int) -> tuple[list[Step], int] | None:
    for branch in union.branches:
        count = len(walk(branch, before))
        if place < count:
            return path(branch, before, place)
        place -= count
    return None


def raw_bounds(column: str | int, steps: Sequence[Step], low: float, high: float) -> RawBounds | None:
    """Between which numbers a column keeps the bounds of a feature.

    column: name or place of the raw column.
    steps: that make the feature of it, as of `path`.
    low, high: bounds of the feature.

    Returns None where the bounds are the column's own, every number keeps them, or none does.

    >>> from fhenn.interop.preparation import Scale
    >>> raw_bounds("age", [Scale((50.0,), (10.0,))], -2.0, 2.0)
    RawBounds(column='age', low=30.0, high=70.0)
    """

    def made(cells: Floats) -> Floats:
        return run(steps, Frame(cells[:, None], {}, (Field("number", 0),))).values[:, 0]

    tried = made(_TRIED)
    there = np.flatnonzero(np.isfinite(tried))
    if not len(there) or tried[there[0]] == tried[there[-1]]:
        return None
    sign = 1.0 if tried[there[-1]] > tried[there[0]] else -1.0

    def rising(cell: float) -> float:
        """The feature, or minus it; where it has no value, it is on the side of what lies there."""
        value = sign * float(made(np.array([cell]))[0])
        return (-inf if cell < _TRIED[there[0]] else inf) if isnan(value) else value

    below, above = sorted((sign * low, sign * high))
    first = _least(lambda cell: rising(cell) >= below)
    last = -_least(lambda cell: rising(-cell) <= above)
    none = first > last or first == inf or last == -inf
    if none or (first, last) in ((low, high), (-inf, inf)):
        return None
    return RawBounds(column, first, last)


def _least(holds: Callable[[float], bool]) -> float:
    """The least double that holds, where larger ones do as well; -inf where all do, inf where none does."""
    low, high = -_LARGEST, _LARGEST
    if holds(_double(low)):
        return -inf
    if not holds(_double(high)):
        return inf
    while high - low > 1:
        middle = (low + high) // 2
        if holds(_double(middle)):
            high = middle
        else:
            low = middle
    return _double(high)


def _double(place: int) -> float:
    """The double at a place in their order, from 0 for 0."""
    value: float = struct.unpack("<d", struct.pack("<q", abs(place)))[0]
    return value if place >= 0 else -value
