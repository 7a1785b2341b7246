"""The operations that expressions of scores are made of: a closed list.

Each is what scikit-learn, or LIBSVM in it, computes, operation by operation, so that decisions fall alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import erfc, inf, isqrt, sqrt
from typing import Literal, get_args

import numpy as np

from fhenn.approx import sigmoid
from fhenn.interop.reading.expressions import Expression, Floats, Scores, require
from fhenn.nn.finish import finished

Function = Literal[
    "arcsinh", "cbrt", "exp", "exp2", "expm1", "log", "log10", "log1p", "log2", "reciprocal", "sinh", "sqrt", "square",
    "sigmoid", "log-sigmoid", "normal-cdf",
]  # fmt: skip
"""NumPy's functions by their names; the logistic function σ and log σ, and the normal distribution's."""

PowerMethod = Literal["box-cox", "yeo-johnson"]

_LEAST_SHARE = 1e-7
_MOST_COUPLED = 256
_MOST_BEATS = 1 << 20
"""Numbers that the matrices of some samples hold while probabilities are coupled."""


@dataclass(frozen=True, eq=False)
class Columns(Expression):
    """Columns of an expression, in any order and as often as named.

    of: the expression.
    places: of each column, from 0.

    >>> from fhenn.interop.reading.expressions import evaluate
    >>> evaluate(Columns(Scores((0, 1)), (1,)), np.array([[1.0, 2.0]])).tolist()
    [[2.0]]
    """

    op = "columns"
    of: Expression
    places: tuple[int, ...]

    def _width(self) -> int:
        _require_places(self.places, self.of.width)
        return len(self.places)

    def _compute(self, *inputs: Floats) -> Floats:
        return inputs[0][:, list(self.places)]


@dataclass(frozen=True, eq=False)
class Scatter(Expression):
    """Columns of an expression among columns of zeros: the classes that one of several classifiers has seen.

    of: the expression.
    places: where its columns go, from 0, each another one.
    columns: in all.
    """

    op = "scatter"
    of: Expression
    places: tuple[int, ...]
    columns: int

    def _width(self) -> int:
        _require_places(self.places, self.columns)
        require(
            len(set(self.places)) == len(self.places) == self.of.width,
            "scatter has no place of its own for each column.",
            "Give distinct places, one for each.",
        )
        return self.columns

    def _compute(self, *inputs: Floats) -> Floats:
        found = np.zeros((len(inputs[0]), self.columns))
        found[:, list(self.places)] = inputs[0]
        return found


@dataclass(frozen=True, eq=False)
class Concatenate(Expression):
    """Expressions beside one another.

    parts: in order.
    """

    op = "concatenate"
    parts: tuple[Expression, ...]

    def _width(self) -> int:
        return sum(part.width for part in self.parts)

    def _compute(self, *inputs: Floats) -> Floats:
        return np.concatenate(inputs, axis=1)


@dataclass(frozen=True, eq=False)
class Scale(Expression):
    """Each column times a factor of its own, and a shift.

    of: the expression.
    factors, shifts: one for each column.
    """

    op = "scale"
    of: Expression
    factors: tuple[float, ...]
    shifts: tuple[float, ...]

    def _width(self) -> int:
        _require_numbers("scale", self.factors, self.of.width)
        _require_numbers("scale", self.shifts, self.of.width)
        return self.of.width

    def _compute(self, *inputs: Floats) -> Floats:
        return np.asarray(inputs[0] * np.array(self.factors) + np.array(self.shifts))


@dataclass(frozen=True, eq=False)
class Affine(Expression):
    """x Wᵀ + b: a last linear model, of what others made.

    of: the expression x.
    weights: W, a row for each number that comes out.
    bias: b.
    """

    op = "affine"
    of: Expression
    weights: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...]

    def _width(self) -> int:
        for row in self.weights:
            _require_numbers("affine", row, self.of.width)
        _require_numbers("affine", self.bias, len(self.weights))
        return len(self.weights)

    def _compute(self, *inputs: Floats) -> Floats:
        return np.asarray(inputs[0] @ np.array(self.weights).T + np.array(self.bias))


_FUNCTIONS: dict[str, Callable[[Floats], Floats]] = {
    **{name: getattr(np, name) for name in get_args(Function) if hasattr(np, name)},
    "sigmoid": lambda x: np.asarray(sigmoid(x)),
    "log-sigmoid": lambda x: np.asarray(-np.logaddexp(0.0, -x)),
    "normal-cdf": lambda x: np.asarray(np.frompyfunc(erfc, 1, 1)(-x / sqrt(2)) / 2, dtype=np.float64),
}


@dataclass(frozen=True, eq=False)
class Apply(Expression):
    """A function of every number.

    of: the expression.
    function: by name.
    """

    op = "apply"
    of: Expression
    function: Function

    def _width(self) -> int:
        require(
            self.function in _FUNCTIONS,
            f"{self.function!r:.40} is no function of expressions.",
            f"Choose one of {', '.join(_FUNCTIONS)}.",
        )
        return self.of.width

    def _compute(self, *inputs: Floats) -> Floats:
        return _FUNCTIONS[self.function](inputs[0])


@dataclass(frozen=True, eq=False)
class Interpolate(Expression):
    """Linear interpolation between points, and the nearest one beyond them: an isotonic regression.

    of: an expression of one column.
    x: of the points, rising.
    y: of the points.
    """

    op = "interpolate"
    of: Expression
    x: tuple[float, ...]
    y: tuple[float, ...]

    def _width(self) -> int:
        require(self.of.width == 1, "interpolate takes one column.", "Take one with `Columns`.")
        _require_numbers("interpolate", self.y, len(self.x))
        _require_numbers("interpolate", self.x, len(self.x))
        require(
            len(self.x) >= 1 and bool(np.all(np.diff(self.x) > 0)),
            "the points of interpolate do not rise.",
            "Sort them, and name each once.",
        )
        return 1

    def _compute(self, *inputs: Floats) -> Floats:
        return np.asarray(np.interp(inputs[0], self.x, self.y))


@dataclass(frozen=True, eq=False)
class InversePower(Expression):
    """The inverse of a power transformation, as of scikit-learn's `PowerTransformer` without standardisation.

    of: the expression.
    method: that of Box & Cox 1964, or of Yeo & Johnson 2000.
    exponents: λ of each column.
    """

    op = "inverse-power"
    of: Expression
    method: PowerMethod
    exponents: tuple[float, ...]

    def _width(self) -> int:
        require(
            self.method in get_args(PowerMethod),
            f"{self.method!r:.40} is no power transformation.",
            f"Choose one of {', '.join(get_args(PowerMethod))}.",
        )
        _require_numbers("inverse-power", self.exponents, self.of.width)
        return self.of.width

    def _compute(self, *inputs: Floats) -> Floats:
        inverse = _inverse_box_cox if self.method == "box-cox" else _inverse_yeo_johnson
        columns = [inverse(column, power) for column, power in zip(inputs[0].T, self.exponents, strict=True)]
        return np.stack(columns, axis=1)


def _inverse_box_cox(y: Floats, power: float) -> Floats:
    return np.asarray(np.exp(y) if power == 0 else np.exp(np.log1p(power * y) / power))


def _inverse_yeo_johnson(y: Floats, power: float) -> Floats:
    tiny = float(np.spacing(1.0))
    above = np.exp(y) - 1 if abs(power) < tiny else np.power(y * power + 1, 1 / power) - 1
    below = 1 - np.exp(-y) if abs(power - 2) <= tiny else 1 - np.power((power - 2) * y + 1, 1 / (2 - power))
    return np.where(y >= 0, above, below)


@dataclass(frozen=True, eq=False)
class Softmax(Expression):
    """exp of every number over the sum of its row.

    of: the expression.
    """

    op = "softmax"
    of: Expression

    def _width(self) -> int:
        return self.of.width

    def _compute(self, *inputs: Floats) -> Floats:
        return np.asarray(finished("softmax", inputs[0]))


@dataclass(frozen=True, eq=False)
class Normalise(Expression):
    """Rows divided by their sum; alike in all columns where that is 0.

    of: the expression.
    """

    op = "normalise"
    of: Expression

    def _width(self) -> int:
        return self.of.width

    def _compute(self, *inputs: Floats) -> Floats:
        totals = inputs[0].sum(axis=1, keepdims=True)
        return np.where(totals == 0, 1 / self.width, inputs[0] / np.where(totals == 0, 1.0, totals))


@dataclass(frozen=True, eq=False)
class Average(Expression):
    """The weighted mean of expressions, column by column: a soft vote, and a hard one of `Decide`d classes.

    parts: of one width.
    weights: one for each part; their sum is not 0.
    """

    op = "average"
    parts: tuple[Expression, ...]
    weights: tuple[float, ...]

    def _width(self) -> int:
        _require_numbers("average", self.weights, len(self.parts))
        require(
            len({part.width for part in self.parts}) == 1 and sum(self.weights) != 0,
            "average takes parts of one width, and weights whose sum is not 0.",
            "Give weights above 0.",
        )
        return self.parts[0].width

    def _compute(self, *inputs: Floats) -> Floats:
        total = np.zeros_like(inputs[0])
        for part, weight in zip(inputs, self.weights, strict=True):
            total = total + part * weight
        return np.asarray(total / sum(self.weights))


@dataclass(frozen=True, eq=False)
class Exceeds(Expression):
    """1 where a number is above a threshold, else 0.

    of: the expression.
    threshold: for all columns.
    inclusive: whether a number that is the threshold counts too.
    """

    op = "exceeds"
    of: Expression
    threshold: float
    inclusive: bool

    def _width(self) -> int:
        _require_numbers("exceeds", (self.threshold,), 1)
        return self.of.width

    def _compute(self, *inputs: Floats) -> Floats:
        compare = np.greater_equal if self.inclusive else np.greater
        return compare(inputs[0], self.threshold).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Decide(Expression):
    """1 for the largest number of a row, the first where there are several, and 0 for the others.

    of: the expression.
    """

    op = "decide"
    of: Expression

    def _width(self) -> int:
        return self.of.width

    def _compute(self, *inputs: Floats) -> Floats:
        found = np.zeros_like(inputs[0])
        found[np.arange(len(found)), np.argmax(inputs[0], axis=1)] = 1.0
        return found


@dataclass(frozen=True, eq=False)
class FirstWithin(Expression):
    """1 for the first number of a row that is nearly as large as the largest, and 0 for the others.

    of: the expression.
    tolerance: how far below the largest it may be, 0 or more: what votes that are even may differ by for noise.

    >>> from fhenn.interop.reading.expressions import evaluate
    >>> evaluate(FirstWithin(Scores((0, 1, 2)), 1e-6), np.array([[0.2, 0.4, 0.4 + 1e-9]])).tolist()
    [[0.0, 1.0, 0.0]]
    """

    op = "first-within"
    of: Expression
    tolerance: float

    def _width(self) -> int:
        require(
            0 <= self.tolerance < inf,
            f"first-within takes a finite tolerance of 0 or more, not {self.tolerance!r:.40}.",
            "Give one a little above the noise.",
        )
        return self.of.width

    def _compute(self, *inputs: Floats) -> Floats:
        found = np.zeros_like(inputs[0])
        near = inputs[0] >= inputs[0].max(axis=1, keepdims=True) - self.tolerance
        found[np.arange(len(found)), np.argmax(near, axis=1)] = 1.0
        return found


@dataclass(frozen=True, eq=False)
class Votes(Expression):
    """The pairs of classes that each class has won.

    wins: 1 where the second class of a pair has won, 0 where the first has; the pairs in the order (0, 1), (0, 2), …,
    (1, 2), ….
    """

    op = "votes"
    wins: Expression

    def _width(self) -> int:
        return _classes_of(self.wins.width)

    def _compute(self, *inputs: Floats) -> Floats:
        return _votes(inputs[0], self.width)


@dataclass(frozen=True, eq=False)
class PairScores(Expression):
    """Votes of pairs of classes, and less than half a vote more or less by the sum of their margins.

    That is scikit-learn's decision function of classifiers for pairs.

    wins: as for `Votes`.
    margins: of the second class of each pair.
    """

    op = "pair-scores"
    wins: Expression
    margins: Expression

    def _width(self) -> int:
        require(
            self.wins.width == self.margins.width, "pair-scores has pairs without a margin.", "Give one for each pair."
        )
        return _classes_of(self.wins.width)

    def _compute(self, *inputs: Floats) -> Floats:
        wins, margins = inputs
        sums = np.zeros((len(wins), self.width))
        for first, own in _pairs_of(self.width):
            # one after another, as scikit-learn does, or ties fall otherwise
            sums[:, first] = np.subtract.reduce(np.column_stack([sums[:, first], margins[:, own]]), axis=1)
            sums[:, first + 1 :] += margins[:, own]
        return np.asarray(_votes(wins, self.width) + sums / (3 * (np.abs(sums) + 1)))


def _votes(wins: Floats, classes: int) -> Floats:
    votes = np.zeros((len(wins), classes))
    for first, own in _pairs_of(classes):
        votes[:, first] += (wins[:, own] == 0).sum(axis=1)
        votes[:, first + 1 :] += wins[:, own] == 1
    return votes


@dataclass(frozen=True, eq=False)
class Couple(Expression):
    """Probabilities of classes from those of pairs: the second method of Wu, Lin and Weng 2004, as LIBSVM iterates it.

    of: the probability of the first class of each pair, in the order of `Votes`.
    """

    op = "couple"
    of: Expression

    def _width(self) -> int:
        classes = _classes_of(self.of.width)
        require(classes <= _MOST_COUPLED, f"couple has {classes} classes.", f"Give {_MOST_COUPLED} at most.")
        return classes

    def _compute(self, *inputs: Floats) -> Floats:
        pairs = np.clip(inputs[0], _LEAST_SHARE, 1 - _LEAST_SHARE)
        rows = max(1, _MOST_BEATS // self.width**2)
        parts = [_coupled(pairs[start : start + rows], self.width) for start in range(0, max(len(pairs), 1), rows)]
        return np.concatenate(parts)


def _coupled(pairs: Floats, classes: int) -> Floats:
    """Minimise pᵀQp over probabilities p, one coordinate after another, until no gradient is off by 0.005/classes."""
    beats = np.zeros((len(pairs), classes, classes))
    for first, own in _pairs_of(classes):
        beats[:, first, first + 1 :], beats[:, first + 1 :, first] = pairs[:, own], 1 - pairs[:, own]
    matrix = -beats * beats.transpose(0, 2, 1)
    matrix[:, range(classes), range(classes)] = (beats**2).sum(axis=1)
    found = np.full((len(pairs), classes), 1 / classes)
    left = np.arange(len(pairs))
    for _ in range(max(100, classes)):
        form, p = matrix[left], found[left]
        slopes = (form @ p[:, :, None])[:, :, 0]
        value = (p * slopes).sum(axis=1)
        open_ = np.abs(slopes - value[:, None]).max(axis=1, initial=0.0) >= 0.005 / classes
        left, form, p, slopes, value = left[open_], form[open_], p[open_], slopes[open_], value[open_]
        if not len(left):
            break
        for place in range(classes):
            own = form[:, place, place]
            step = (value - slopes[:, place]) / own
            p[:, place] += step
            value = (value + step * (step * own + 2 * slopes[:, place])) / (1 + step) / (1 + step)
            slopes = (slopes + step[:, None] * form[:, place]) / (1 + step)[:, None]
            p /= (1 + step)[:, None]
        found[left] = p
    return found


def _pairs_of(classes: int) -> Iterator[tuple[int, slice]]:
    """Every class but the last, with the columns of its pairs with those after it."""
    start = 0
    for first in range(classes - 1):
        yield first, slice(start, start + classes - 1 - first)
        start += classes - 1 - first


def _classes_of(pairs: int) -> int:
    """The number of classes that have so many pairs. Raises ParameterError."""
    classes = (1 + isqrt(1 + 8 * pairs)) // 2
    require(
        pairs >= 1 and classes * (classes - 1) // 2 == pairs,
        f"{pairs} is no number of pairs of classes.",
        "Give one column for each pair.",
    )
    return classes


def _require_places(places: Sequence[int], columns: int) -> None:
    require(
        all(0 <= place < columns for place in places), f"there is no such place in {columns} columns.", "Count from 0."
    )


def _require_numbers(op: str, numbers: Sequence[float], count: int) -> None:
    require(
        len(numbers) == count and bool(np.all(np.isfinite(numbers))),
        f"{op} takes {count} finite numbers.",
        "Give one for each column.",
    )


OPERATIONS: dict[str, type[Expression]] = {
    kind.op: kind
    for kind in (
        Scores, Columns, Scatter, Concatenate, Scale, Affine, Apply, Interpolate, InversePower, Softmax, Normalise,
        Average, Exceeds, Decide, FirstWithin, Votes, PairScores, Couple,
    )
}  # fmt: skip
"""All of them, by their names."""
