"""What stands behind the scores of a classifier: probabilities, labels, and their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.approx import SIGMOID
from fhenn.interop.chain import Chain, Unsuitable
from fhenn.interop.reading import Probability
from fhenn.nn import Affine, Scaling


@dataclass(frozen=True, eq=False)
class Table:
    """A column for each class, of probabilities or scores.

    scores: the chain, a score for each class, or one for two classes, where the columns are those of (-s, s).
    probability: how they come from the scores; None for the scores themselves. normalised: whether rows sum to 1.
    """

    scores: Chain
    columns: int
    probability: Probability | None
    normalised: bool = True


@dataclass(frozen=True, eq=False)
class Index:
    """The number of the class with the largest entry."""

    of: Chain | Table


@dataclass(frozen=True, eq=False)
class Labels:
    """The class of each sample: classes (n,) are those of the scores, in their order."""

    of: Chain | Table
    classes: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Named:
    """A dictionary of classes for each sample."""

    of: Chain | Table
    classes: NDArray[Any]


def scores_of(value: Chain | Table) -> Chain:
    """The chain that all of it comes from."""
    return value.scores if isinstance(value, Table) else value


def columns_of(value: Chain | Table) -> int:
    """How many classes it tells apart."""
    return value.columns if isinstance(value, Table) else value.features


def linear_table(chain: Chain, weight: NDArray[np.float64], bias: NDArray[np.float64], transform: str) -> Table:
    """What a LinearClassifier gives. weight: (classes, in). transform: NONE, LOGISTIC or SOFTMAX. Raises Unsuitable."""
    classes = len(weight)
    if classes < 2:
        raise Unsuitable("it has a single row of weights, whose second class runtimes read in different ways")
    opposite = classes == 2 and bool(np.all(weight[0] == -weight[1]) and bias[0] == -bias[1])
    scores = chain.linear(weight[1:], bias[1:]) if opposite and transform != "SOFTMAX" else chain.linear(weight, bias)
    if transform == "NONE":
        return Table(scores, classes, None)
    if transform == "SOFTMAX":
        return Table(scores, classes, "softmax")
    if transform == "LOGISTIC":
        return Table(scores, classes, "sigmoid" if opposite else "one-vs-rest", normalised=opposite)
    raise Unsuitable(f"its post_transform is {transform}, not NONE, LOGISTIC or SOFTMAX")


def complement_table(first: Chain, second: Chain) -> Table:
    """(1 - p, p) side by side, where p is the sigmoid of one score. Raises Unsuitable."""
    if second.steps and second.steps[-1] == SIGMOID and second.features == 1:
        turned = first.steps[-1] if first.steps else None
        if (
            isinstance(turned, Affine)
            and isinstance(turned.operator, Scaling)
            and turned.operator.factors.tolist() == [-1.0]
            and turned.bias.tolist() == [1.0]
            and second.same(first.without_last())
        ):
            return Table(second.without_last(), 2, "sigmoid")
    raise Unsuitable("it joins values that are not 1 - p and p of a sigmoid's p")


def normalise(table: Table) -> Table:
    """Every row by its sum."""
    if table.probability is None:
        raise Unsuitable("it normalises scores, not probabilities")
    return Table(table.scores, table.columns, table.probability)
