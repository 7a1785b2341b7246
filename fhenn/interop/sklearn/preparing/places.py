"""Which columns a ColumnTransformer gives to a transformer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def places_of(selected: Any, names: Sequence[str] | None, count: int) -> tuple[int, ...]:
    """Places of columns, from 0.

    selected: as `ColumnTransformer.transformers_` has it: a name, a place, several, a slice of either, or a mask.
    names: of the columns, None where they have none.
    count: how many there are.

    Raises ValueError for names where columns have none, or there is no such column.

    >>> places_of(slice("b", "c"), ["a", "b", "c"], 3), places_of([True, False], None, 2), places_of(-1, None, 4)
    ((1, 2), (0,), (3,))
    """
    if isinstance(selected, slice):
        start, stop = selected.start, selected.stop
        if isinstance(start, str) or isinstance(stop, str):
            # by name a slice holds its end, as in pandas
            first = None if start is None else _place(start, names, count)
            last = None if stop is None else _place(stop, names, count) + 1
            selected = slice(first, last, selected.step)
        return tuple(range(count)[selected])
    if isinstance(selected, str) or np.ndim(selected) == 0:
        return (_place(selected, names, count),)
    each = list(selected)
    if each and all(isinstance(one, bool | np.bool_) for one in each):
        return tuple(np.flatnonzero(each).tolist())
    return tuple(_place(one, names, count) for one in each)


def _place(which: Any, names: Sequence[str] | None, count: int) -> int:
    if isinstance(which, str):
        return list(names or ()).index(which)
    return int(range(count)[int(which)])
