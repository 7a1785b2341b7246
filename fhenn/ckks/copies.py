"""Affine maps of inputs that stand at several places, as a client may lay them out: which copy each weight takes.

A map of inputs with copies is one of as many inputs as there are copies, each at a place of its own. A weight may go to
any copy of its input; it goes to one by which few diagonals remain: the diagonal that serves most weights is taken with
all of these, then the one that serves most of the others, and so on; of equals the one that is nearer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fhenn.ckks.layout import Placement, WholeSamples
from fhenn.ckks.operator import Operator, Sparse

Places = NDArray[np.int64]


def of_copies(operator: Operator, layout: Placement, target: WholeSamples, most: int) -> tuple[Sparse, Placement]:
    """The same map of copies.

    operator: (outputs, inputs).
    layout: of the inputs, each of which stands at one place or at several.
    target: of the outputs.
    most: shifts that there are, a power of two (`fhenn.ckks.maps.Diagonals`).

    Returns the map, (outputs, copies), and where the copies are.

    >>> twice = Placement.of(np.array([[0, 1, 1, 0]]))
    >>> swap = Sparse([0, 1], [1, 0], [2.0, 3.0], (2, 2))
    >>> of_copies(swap, twice, Placement.of(np.array([[0, 1, -1, -1]])), 4)[0].dense().tolist()
    [[0.0, 0.0, 2.0, 0.0], [0.0, 0.0, 0.0, 3.0]]
    """
    held = layout.held
    places = np.flatnonzero(held >= 0)
    rows, columns, values = (np.concatenate(each) for each in zip(_NOTHING, *operator.pieces(), strict=True))
    entry, copy = _choices(held.reshape(-1)[places], columns, operator.inputs)
    outlet, end = target.places(rows)
    tile, start = np.divmod(places[copy], layout.period)
    shift = (start - end[entry]) & (most - 1)
    chosen = _cover(entry, (shift * target.tiles + outlet[entry]) * layout.tiles + tile)
    table = np.full(held.shape, -1)
    table.reshape(-1)[places] = np.arange(len(places))
    return Sparse(rows, copy[chosen], values, (operator.outputs, len(places))), Placement.of(table, layout.samples)


_NOTHING = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)


def _cover(entry: Places, diagonal: Places) -> Places:
    """The choice of each entry.

    entry: of each choice, those of an entry one after another, and one for each at least.
    diagonal: of each choice.
    """
    firsts = np.flatnonzero(np.diff(entry, prepend=-1))
    sizes = np.diff(firsts, append=len(entry))
    order, left = np.argsort(diagonal, kind="stable"), np.bincount(diagonal, minlength=1)
    ends = np.cumsum(left)
    chosen = np.full(len(firsts), -1)
    while left.any():
        best = int(left.argmax())
        served = order[ends[best - 1] if best else 0 : ends[best]]
        served = served[chosen[entry[served]] < 0]
        served = served[np.unique(entry[served], return_index=True)[1]]  # by one copy where it meets several
        chosen[entry[served]] = served
        left -= np.bincount(diagonal[_ranges(firsts[entry[served]], sizes[entry[served]])], minlength=len(left))
    return chosen


def _ranges(starts: Places, sizes: Places) -> Places:
    """Numbers from each start on, as many as its size."""
    before = np.cumsum(sizes) - sizes
    numbers: Places = np.arange(sizes.sum()) + np.repeat(starts - before, sizes)
    return numbers


def _choices(features: Places, columns: Places, inputs: int) -> tuple[Places, Places]:
    """Every copy that an entry may take.

    features: of which each copy is one.
    columns: of the entries.
    inputs: how many features there are.

    Returns the entry and the copy of each choice, those of an entry one after another.
    """
    order = np.argsort(features, kind="stable")
    starts = np.searchsorted(features[order], np.arange(inputs + 1))
    counts = np.diff(starts)[columns]
    return np.repeat(np.arange(len(columns)), counts), order[_ranges(starts[columns], counts)]
