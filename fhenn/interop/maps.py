"""Affine maps that are made of entries and of one another while a model is read, within bounds on what they store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.nn import Affine, Dense, ImageLayer, Scaling, Sparse

Floats = NDArray[np.float64]
Places = NDArray[np.integer[Any]]

MOST_FEATURES = 2**20
MOST_WEIGHTS = 2**26
"""Far more than what is computed on ciphertexts in a day; a model that says it has more fills the memory."""

_FULL = 2**18
"""Entries, zeros included, up to which a map is kept as a matrix; larger ones keep what is not zero."""


def map_of(rows: Places, columns: Places, values: Floats, shape: tuple[int, int]) -> Dense | Sparse:
    """A linear map by its entries, those of one place added up: a matrix, or where that is large what is not zero."""
    if prod(shape) > _FULL:
        return Sparse(rows, columns, values, shape)
    matrix = np.zeros(shape)
    np.add.at(matrix, (rows, columns), values)
    return Dense(matrix)


def one_map(steps: Iterable[object], width: int) -> Affine | None:
    """Affine maps of features as one, the identity where there are none; None where a step is something else.

    steps: one after another.
    width: numbers of a sample that come in.
    Raises NonFiniteValue where a product overflows.
    """
    both = Affine(Scaling(np.ones(width)))
    for step in steps:
        if not isinstance(step, Affine) or isinstance(step, ImageLayer) or folded_size(both, step) > MOST_WEIGHTS:
            return None
        both = both.then(step)
    return both


def merged(maps: Sequence[tuple[Places, Affine]], outputs: int) -> Affine | None:
    """The sum of affine maps of the same features, what comes out of each at its places; None where it is too large.

    maps: places among the outputs, each once, with the map.
    outputs: numbers that come out.
    Raises NonFiniteValue where a sum overflows.
    """
    width = maps[0][1].inputs
    shift = np.zeros(outputs)
    for places, each in maps:
        shift[places] += each.bias
    if any(isinstance(each.operator, Dense) for _, each in maps) and outputs * width <= MOST_WEIGHTS:
        matrix = np.zeros((outputs, width))
        for places, each in maps:
            matrix[places] += each.operator.dense()
        factors = matrix.diagonal() if outputs == width else None
        diagonal = factors is not None and np.count_nonzero(matrix) == np.count_nonzero(factors)
        return Affine(Scaling(factors) if factors is not None and diagonal else Dense(matrix), shift)
    if sum(each.operator.size for _, each in maps) > MOST_WEIGHTS:
        return None
    pieces = [
        (places[rows], columns, values) for places, each in maps for rows, columns, values in each.operator.pieces()
    ]
    kinds = (np.int64, np.int64, np.float64)
    rows, columns, values = (
        np.concatenate([np.zeros(0, kind), *(piece[place] for piece in pieces)]) for place, kind in enumerate(kinds)
    )
    if outputs == width and np.array_equal(rows, columns):
        return Affine(Scaling(np.bincount(rows, values, width)), shift)
    return Affine(map_of(rows, columns, values, (outputs, width)), shift)


def folded_size(before: Affine | None, step: Affine) -> int:
    """Numbers of a step, or of its product with the affine map before it, before that is computed."""
    both = [each for each in (before, step) if each is not None]
    if any(isinstance(each, ImageLayer) for each in both):
        return sum(map(numbers_of, both))
    if all(isinstance(each.operator, Scaling) for each in both):
        return step.outputs
    if all(isinstance(each.operator, Scaling | Sparse) for each in both):
        return step.operator.size * (1 if before is None else int(before.operator.row_sizes().max()))
    return step.outputs * both[0].inputs


def numbers_of(step: Affine) -> int:
    """Numbers that an affine map stores; one of images has a bias for each number that comes out."""
    return step.operator.size + (step.outputs if isinstance(step, ImageLayer) else 0)
