"""What stands behind the scores of a classifier: probabilities, labels, and their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.approx import SIGMOID, hardtanh
from fhenn.interop.chain import Chain, Unsuitable
from fhenn.interop.reading import Probability
from fhenn.nn import Affine, ImageLayer

_CLIPPED = hardtanh(-1.0, 1.0)

_ROUNDING = 1e-12
"""How far two scores may be from -s and s, relative to the largest weight: what folding maps into them rounds."""


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


@dataclass(frozen=True, eq=False)
class Whole:
    """Whole numbers of samples, which become floats where an operator makes them so."""

    of: Chain


@dataclass(frozen=True, eq=False)
class Column:
    """One column of a table, or of a row of features: what `zipmap="columns"` and one classifier of several take."""

    of: Chain | Table
    place: int


@dataclass(frozen=True, eq=False)
class Total:
    """The sum of a table's rows."""

    of: Table


@dataclass(frozen=True, eq=False)
class Zero:
    """A number where the sum of a row is 0, and 0 else, by which exporters divide no row by 0.

    of: the sums.
    weight: the number.
    turned: whether it is the number where the sum is 0; before that, it says where the sum is not 0.
    """

    of: Chain
    weight: float = 1.0
    turned: bool = False


@dataclass(frozen=True, eq=False)
class Above:
    """Whether numbers of samples are above one."""

    of: Chain
    threshold: float


@dataclass(frozen=True, eq=False)
class Shares:
    """Scores over their sum, as exporters write for classifiers without probabilities: numbers that mean nothing."""

    of: Chain | Table


def as_chain(value: Table | Column) -> Chain:
    """What a network computes on with it. Raises Unsuitable where there is a softmax, or a norm, in it."""
    if isinstance(value, Table):
        return _exact(value, value.scores.linear([[-1.0], [1.0]]) if value.scores.features == 1 else value.scores)
    table = value.of
    if isinstance(table, Chain):
        return table.select(np.array([value.place]))
    if table.scores.features == 1:
        return _exact(table, table.scores if value.place else table.scores.scale(-1.0))
    column = table.scores.select(np.array([value.place]))
    if table.probability == "one-vs-rest" and table.normalised and table.columns == 2 and is_opposite(table.scores):
        return column.activate(SIGMOID)
    return _exact(table, column)


def _exact(table: Table, scores: Chain) -> Chain:
    """Entries of a table of their scores, where each depends on its own. Raises Unsuitable."""
    if table.probability is None:
        return scores
    if table.probability == "sigmoid" or (table.probability == "one-vs-rest" and not table.normalised):
        return scores.activate(SIGMOID)
    raise Unsuitable("probabilities, where each depends on all scores, go on into the network")


def is_opposite(chain: Chain) -> bool:
    """Whether it is two scores -s and s."""
    last = chain.steps[-1] if chain.steps else None
    if chain.features != 2 or not isinstance(last, Affine) or isinstance(last, ImageLayer):
        return False
    both = np.column_stack([last.operator.dense(), last.bias])
    return bool(np.abs(both.sum(axis=0)).max() <= _ROUNDING * np.abs(both).max())


def one_score(chain: Chain) -> Chain:
    """s of two scores -s and s; others as they are."""
    return chain.select(np.array([1])) if is_opposite(chain) else chain


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


def complement_table(first: Chain, second: Chain) -> Table | None:
    """(1 - p, p) side by side, where p is the sigmoid of one score, or (-s, s); None for something else."""
    if second.features != 1 or not second.same(first.without_last()):
        return None
    if first.ends_in_scaling(-1.0, 0.0):
        return Table(second, 2, None)
    if first.ends_in_scaling(-1.0, 1.0) and second.ends_in(SIGMOID):
        return Table(second.without_last(), 2, "sigmoid")
    if first.ends_in_scaling(-1.0, 1.0) and _is_clipped_score(second):
        return Table(second.without_last(2), 2, "modified-huber")
    return None


def _is_clipped_score(chain: Chain) -> bool:
    """Whether it is (clip(s, -1, 1) + 1)/2."""
    return chain.ends_in_scaling(0.5, 0.5) and chain.without_last().ends_in(_CLIPPED)


def shares(chain: Chain) -> Table | Shares:
    """Every row by its sum."""
    if chain.ends_in(SIGMOID):
        return Table(chain.without_last(), chain.features, "one-vs-rest")
    if _is_clipped_score(chain):
        return Table(chain.without_last(2), chain.features, "modified-huber")
    return Shares(chain)


def normalise(table: Table) -> Table:
    """Every row by its sum."""
    if table.probability is None:
        raise Unsuitable("it normalises scores, not probabilities")
    return Table(table.scores, table.columns, table.probability)
