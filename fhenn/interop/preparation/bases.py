"""More features of numbers: `Polynomial`, products of columns, and `Spline`, pieces of polynomials."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import CellRefused, ParameterError
from fhenn.interop.preparation.frame import Field, Fields, Floats, Frame
from fhenn.interop.preparation.scaling import require_ascending
from fhenn.interop.preparation.step import SHOWN, Step, shown

_MOST_FACTORS, _MOST_DEGREE = 64, 16


@dataclass(frozen=True, repr=False)
class Polynomial(Step):
    """Products of columns.

    products: for each feature that comes out, the places of its factors, each as often as its power; none for 1.

    >>> from fhenn.interop.preparation import Preparation
    >>> step = Polynomial(((), (0,), (0, 1)))
    >>> Preparation.of_numbers(2).then(step, features=["1", "a", "ab"]).prepare([[2.0, 3.0]]).tolist()
    [[1.0, 2.0, 6.0]]
    """

    products: tuple[tuple[int, ...], ...]

    def after(self, before: Fields) -> Fields:
        """The products. Raises ParameterError where a factor is no column."""
        for factors in self.products:
            if len(factors) > _MOST_FACTORS or any(not 0 <= place < len(before) for place in factors):
                raise ParameterError(
                    f"a product of columns {shown(factors)} is none of {len(before)} columns.",
                    f"Count columns from 0, and take at most {_MOST_FACTORS} factors.",
                )
        return (Field(),) * len(self.products)

    def apply(self, frame: Frame) -> Frame:
        """The products of each row."""
        found = np.ones((frame.rows, len(self.products)))
        for count in range(1, max(map(len, self.products), default=0) + 1):
            at = [place for place, factors in enumerate(self.products) if len(factors) >= count]
            found[:, at] *= frame.values[:, [self.products[place][count - 1] for place in at]]
        return frame.numbers(found, self.after(frame.fields))

    def work(self, count: int) -> int:
        """The factors."""
        return sum(map(len, self.products))


@dataclass(frozen=True, repr=False)
class Spline(Step):
    """The basis of B-splines of each column, at its number.

    knots: of each column, ascending, as many for each; those beyond the range of the data, `degree` on either side,
    included.
    degree: of the polynomial pieces.
    extrapolation: beyond the range: "error" refuses, "constant" and "linear" go on from the ends, "continue" with the
    outer pieces, "periodic" begins anew.
    bias: whether the last spline of each column is there too, so that they add up to 1.
    zeros: whether missing cells give zeros; else they are refused.
    Raises ParameterError where the knots do not go together.

    Source: de Boor, A Practical Guide to Splines, 1978; conventions of scikit-learn's SplineTransformer.

    >>> from fhenn.interop.preparation import Preparation
    >>> step = Spline(((-1.0, 0.0, 1.0, 2.0),), 1, "constant")
    >>> Preparation.of_numbers(1).then(step, features=["a", "b"]).prepare([[0.25], [9.0]]).tolist()
    [[0.75, 0.25], [0.0, 1.0]]
    """

    knots: tuple[tuple[float, ...], ...]
    degree: int
    extrapolation: Literal["error", "constant", "linear", "continue", "periodic"]
    bias: bool = True
    zeros: bool = False
    missing_ok = True  # it looks itself

    def __post_init__(self) -> None:
        super().__post_init__()
        for each in self.knots:
            require_ascending("knots", each)
            if len(each) != len(self.knots[0]):
                raise ParameterError("columns have different numbers of knots.", "Give each as many.")
        if not 0 <= self.degree <= _MOST_DEGREE or (self.knots and len(self.knots[0]) < 2 * self.degree + 2):
            raise ParameterError(
                f"a spline of degree {self.degree} does not go with its knots.",
                f"Give {2 * self.degree + 2} knots or more, and a degree of at most {_MOST_DEGREE}.",
            )

    @property
    def _bases(self) -> int:
        """Splines of a column."""
        plain = len(self.knots[0]) - self.degree - 1
        return plain - self.degree if self.extrapolation == "periodic" else plain

    def after(self, before: Fields) -> Fields:
        """The splines. Raises ParameterError where there are other columns."""
        self._require_width(before, self.knots)
        count = self._bases - (not self.bias)
        return tuple(Field("number", field.origin) for field in before for _ in range(count))

    def apply(self, frame: Frame) -> Frame:
        """The splines of each row. Raises MissingValues, CellRefused."""
        if not self.zeros:
            frame.require_present(range(len(self.knots)), "Fill these cells, or put an imputer before the splines.")
        parts = []
        for place, knots in enumerate(self.knots):
            values, missing = frame.values[:, place], np.isnan(frame.values[:, place])
            if self.extrapolation == "error":
                self._require_inside(frame, place)
            found = self._column(np.where(missing, knots[self.degree], values), np.array(knots))
            found[missing] = 0.0
            parts.append(found if self.bias else found[:, :-1])
        return frame.numbers(np.concatenate(parts, axis=1), self.after(frame.fields))

    def _column(self, x: Floats, knots: Floats) -> Floats:
        degree = self.degree
        low, high = knots[degree], knots[-degree - 1]
        if self.extrapolation == "periodic":
            period = high - low
            found = spline_basis(low + (x - low) % period if period > 0 else np.zeros_like(x), knots, degree)
            found[:, :degree] += found[:, self._bases :]
            return found[:, : self._bases]
        if self.extrapolation in ("error", "continue"):
            return spline_basis(x, knots, degree)
        found = spline_basis(np.clip(x, low, high), knots, degree)
        if self.extrapolation == "linear":
            slopes = spline_basis(np.array([low, high]), knots, degree, slope=True)
            found += np.minimum(x - low, 0.0)[:, None] * slopes[0] + np.maximum(x - high, 0.0)[:, None] * slopes[1]
        # those that are not 0 at the ends; with knots that are equal there are others, which scikit-learn leaves out
        reach = degree if degree > 1 else degree + (self.extrapolation == "linear")
        found[x < low, reach:] = 0.0
        found[x > high, : self._bases - reach] = 0.0
        return found

    def _require_inside(self, frame: Frame, place: int) -> None:
        """Raise CellRefused where a number is beyond the knots."""
        knots, values, source = self.knots[place], frame.values[:, place], frame.source
        low, high = knots[self.degree], knots[-self.degree - 1]
        rows = np.flatnonzero((values < low) | (values > high)).tolist()
        if rows:
            raise CellRefused(
                source.operation,
                source.column(frame.fields[place].origin),
                tuple(rows),
                source.where(rows),
                f"{values[rows[0]]:.17g}",
                f"it is beyond the knots of its splines, [{low:.6g}, {high:.6g}]",
                "Leave out these rows, or fit the splines with another extrapolation.",
            )

    def work(self, count: int) -> int:
        """The recursion, and a search, for each column."""
        return count * (4 * (self.degree + 1) ** 2 + 20) if self.knots else 0

    def tells(self, names: Sequence[str], most: int | None = SHOWN) -> Iterable[str]:
        """The knots of each column."""
        for name, each in zip(names, self.knots, strict=True):
            yield f"{name}: the knots of its splines, {shown(each, most)}, which lie in the range of the training data"


def spline_basis(x: Floats, knots: Floats, degree: int, *, slope: bool = False) -> Floats:
    """All B-splines on some knots, or their slopes, at each number.

    x: (rows,); beyond the inner knots the outer pieces go on.
    knots: ascending.
    degree: of the pieces.
    slope: whether the first derivatives are wanted.

    Returns (rows, knots - degree - 1).

    Source: de Boor, A Practical Guide to Splines, 1978, chapter X: algorithm BSPLVB.

    >>> spline_basis(np.array([0.25]), np.array([-1.0, 0.0, 1.0, 2.0]), 1).tolist()
    [[0.75, 0.25]]
    """
    count, rows = len(knots) - degree - 1, np.arange(len(x))
    # t[piece] <= x < t[piece + 1], of those pieces that have all splines
    piece = np.clip(np.searchsorted(knots, x, side="right") - 1, degree, count - 1)
    found = np.zeros((len(x), degree + 1))
    found[:, 0] = 1.0
    for order in range(1, degree + 1):
        derive = slope and order == degree
        before, found = found, np.zeros_like(found)
        for place in range(order):
            right, left = knots[piece + place + 1], knots[piece + place + 1 - order]
            width = right - left
            share = np.divide(before[:, place], width, out=np.zeros_like(x), where=width != 0)
            if derive:
                found[:, place] -= order * share
                found[:, place + 1] += order * share
            else:
                found[:, place] += share * (right - x)
                found[:, place + 1] += share * (x - left)
    if slope and degree == 0:
        found[:] = 0.0
    bases = np.zeros((len(x), count))
    columns: NDArray[np.int64] = piece[:, None] - degree + np.arange(degree + 1)
    bases[rows[:, None], columns] = found
    return bases
