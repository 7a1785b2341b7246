"""`parts_of`: an ensemble as steps of a client, which make bits, and as nodes that compute its scores of these.

A leaf is a box: k of the features each meet a condition, which is a sum of bits that is 1 where it is met and 0 where
not. The sum s of the k conditions is k in the box, and one of 0, 1, …, k - 1 outside, so that the polynomial of degree
k with P(0) = … = P(k - 1) = 0 and P(k) = 1 tells whether a sample is there. All of it is exact.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fhenn.approx import Polynomial
from fhenn.approx.basis import interpolate
from fhenn.errors import ParameterError
from fhenn.interop.maps import map_of
from fhenn.interop.preparation import Column, Kind, Preparation, Select, Step
from fhenn.interop.trees.bits import FeatureBits, bits_of
from fhenn.interop.trees.boxes import Box, boxes_of
from fhenn.interop.trees.ensemble import Ensemble
from fhenn.nn import Affine, Dense, Node, PolynomialActivation


def indicator(conditions: int) -> Polynomial:
    """The polynomial in the number of conditions met that is 1 where all are, and 0 where not.

    conditions: how many there are, 1 or more.

    Its domain reaches from -1, since its roots lie evenly round the middle then: it is odd or even there.

    >>> abs(indicator(3)(np.arange(4.0)).round(12)).tolist()
    [0.0, 0.0, 0.0, 1.0]
    """
    half = (conditions + 1) / 2
    roots = (np.arange(conditions) - (conditions - 1) / 2) / half
    scale = np.prod(1 - roots)

    def value(t: Any) -> Any:
        return np.prod(np.subtract.outer(t, roots), axis=-1) / scale

    series = interpolate(value, conditions, (-1.0, 1.0))
    series[1 - conditions % 2 :: 2] = 0.0  # but for rounding it is
    return Polynomial(tuple(series.tolist()), (-1.0, float(conditions)), "chebyshev")


def parts_of(ensemble: Ensemble) -> tuple[tuple[Step, ...], list[Node]]:
    """Steps that make the bits of raw features, and nodes that make the scores of these: all of the ensemble, exactly.

    ensemble: whose scores are wanted.

    Returns the steps, for a `Preparation` of all features in their order, and the nodes.
    Raises ParameterError where the scores do not depend on the sample, or there are more leaves, or conditions, than a
    server computes on.

    >>> from fhenn.interop.trees import Tree
    >>> stump = Tree([0, -1, -1], [0.5, 0, 0], [1, -1, -1], [2, -1, -1], [False] * 3, [[0.0], [-1.0], [1.0]])
    >>> steps, (node,) = parts_of(Ensemble((stump,), 1, [0.0]))
    >>> steps[0].thresholds, node.forward([[1.0], [0.0]]).tolist()
    (((0.5,),), [[-1.0], [1.0]])
    """
    every = boxes_of(ensemble)
    boxes = [box for box in every if box.conditions]
    if not boxes:
        raise ParameterError(
            "no leaf of the trees asks for a feature, so their scores are the same for every sample.",
            "Train trees that split.",
        )
    offset = ensemble.offset + sum(box.values for box in every if not box.conditions)
    thermometer, bits = bits_of(ensemble, boxes)
    counts, used = _conditions_met(boxes, bits)
    leaves = Affine(Dense(np.array([box.values for box in boxes]).T), offset)
    most = max(len(box.conditions) for box in boxes)
    nodes: list[Node] = [counts.then(leaves)] if most == 1 else [counts, PolynomialActivation(indicator(most)), leaves]
    steps: list[Step] = [thermometer]
    if len(bits) < ensemble.features:
        steps.insert(0, Select(tuple(bits)))
    if len(used) < sum(thermometer.bits):
        steps.append(Select(used))
    return tuple(steps), nodes


def preparation_of(ensemble: Ensemble, steps: Iterable[Step]) -> Preparation:
    """What a client does with raw tables of the features of an ensemble, and nothing else before.

    steps: of `parts_of`.

    Its columns have the names of the features, where they have names; those that no tree asks for may be left out.
    """
    made = tuple(steps)
    columns = columns_of(ensemble, made[0].places if isinstance(made[0], Select) else range(ensemble.features))
    called = tuple(f"x{place}" if column.name is None else column.name for place, column in enumerate(columns))
    for step in made:
        called = step.names(called)
    return Preparation(columns, made, called)


def columns_of(ensemble: Ensemble, used: Container[int]) -> tuple[Column, ...]:
    """The raw columns of the features of an ensemble.

    used: places of those that a table must have.
    """
    names = ensemble.names or (None,) * ensemble.features
    kinds: list[Kind] = [
        "text" if place in ensemble.texts else "number" if place in ensemble.numbers else "either"
        for place in range(ensemble.features)
    ]
    return tuple(Column(*each, place in used) for place, each in enumerate(zip(names, kinds, strict=True)))


def _conditions_met(boxes: Sequence[Box], bits: Mapping[int, FeatureBits]) -> tuple[Affine, tuple[int, ...]]:
    """The map from bits to how many conditions of each box are met, and the places of the bits that it takes.

    As if all boxes had as many conditions: those that some lack are met. Then one polynomial does for all.
    """
    most = max(len(box.conditions) for box in boxes)
    entries: list[tuple[int, int, float]] = []
    shift = np.zeros(len(boxes))
    for row, box in enumerate(boxes):
        shift[row] = most - len(box.conditions)
        for feature, condition in box.conditions.items():
            found = bits[feature].sum_of(condition)
            shift[row] += found.constant
            entries += [(row, place, weight) for place, weight in found.weights.items()]
    rows, places, weights = (np.array(each) for each in zip(*entries, strict=True))
    used, numbered = np.unique(places, return_inverse=True)
    counts = map_of(rows, numbered, weights, (len(boxes), len(used)))
    return Affine(counts, shift), tuple(used.tolist())
