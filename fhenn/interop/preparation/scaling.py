"""Maps of numbers, column by column, from `Scale` to `Quantiles`; and of rows, `Normalize`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from fhenn.errors import ParameterError
from fhenn.interop.preparation.frame import Field, Fields, Floats, Frame
from fhenn.interop.preparation.normal import normal_quantile
from fhenn.interop.preparation.step import SHOWN, Step, as_numbers, shown


@dataclass(frozen=True, repr=False)
class Scale(Step):
    """(x - subtract) / divide · multiply + add of each column, in this order, each rounded as IEEE 754 says.

    subtract, divide, multiply, add: a number for each column; empty for a part that is left out.

    >>> from fhenn.interop.preparation import Preparation
    >>> Preparation.of_numbers(1).then(Scale((1.0,), (2.0,))).prepare([[5.0]]).tolist()
    [[2.0]]
    """

    subtract: tuple[float, ...] = ()
    divide: tuple[float, ...] = ()
    multiply: tuple[float, ...] = ()
    add: tuple[float, ...] = ()
    missing_ok = True

    def after(self, before: Fields) -> Fields:
        """The same columns. Raises ParameterError where there are others."""
        self._require_width(before, *filter(None, (self.subtract, self.divide, self.multiply, self.add)))
        return as_numbers(before)

    def apply(self, frame: Frame) -> Frame:
        """The numbers, scaled."""
        values = frame.values
        for part, map_by in (
            (self.subtract, np.subtract),
            (self.divide, np.divide),
            (self.multiply, np.multiply),
            (self.add, np.add),
        ):
            if part:
                values = map_by(values, np.array(part))
        return frame.numbers(values)

    def of_column(self, place: int) -> tuple[tuple[Step, ...], int]:
        """The column, scaled."""
        parts = (self.subtract, self.divide, self.multiply, self.add)
        return (Scale(*(part[place : place + 1] for part in parts)),), place

    def work(self, count: int) -> int:
        """Four numbers for each column."""
        return 4 * count

    def tells(self, names: Sequence[str], most: int | None = SHOWN) -> Iterable[str]:
        """What is subtracted, and so on."""
        for verb, part in (
            ("subtracted (means, medians or least values)", self.subtract),
            ("divided by (deviations or ranges)", self.divide),
            ("multiplied by", self.multiply),
            ("added", self.add),
        ):
            if part:
                distinct = [*dict.fromkeys(names)]  # several features may be made of one column
                called = ", ".join(distinct[:5]) + ", …" * (len(distinct) > 5)
                yield f"{called}: what is {verb}, {shown(part, most)}"


@dataclass(frozen=True, repr=False)
class Clip(Step):
    """The nearest number between a low and a high, of each column.

    low, high: of each column.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    missing_ok = True

    def after(self, before: Fields) -> Fields:
        """The same columns. Raises ParameterError where there are others."""
        self._require_width(before, self.low, self.high)
        return as_numbers(before)

    def apply(self, frame: Frame) -> Frame:
        """The numbers, clipped."""
        return frame.numbers(np.clip(frame.values, np.array(self.low), np.array(self.high)))

    def of_column(self, place: int) -> tuple[tuple[Step, ...], int]:
        """The column, clipped."""
        return (Clip((self.low[place],), (self.high[place],)),), place


@dataclass(frozen=True, repr=False)
class Bins(Step):
    """In which bin a number is, from 0: how many of the column's edges it reaches.

    edges: of each column, ascending, those at either end left out, so that the outer bins have no end.
    Raises ParameterError where edges do not ascend.

    >>> from fhenn.interop.preparation import Preparation
    >>> Preparation.of_numbers(1).then(Bins(((1.0, 2.0),))).prepare([[0.0], [1.0], [9.0]]).tolist()
    [[0.0], [1.0], [2.0]]
    """

    edges: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        for edges in self.edges:
            require_ascending("edges of bins", edges)

    def after(self, before: Fields) -> Fields:
        """The same columns. Raises ParameterError where there are others."""
        self._require_width(before, self.edges)
        return as_numbers(before)

    def apply(self, frame: Frame) -> Frame:
        """The bin of each number."""
        found = np.empty_like(frame.values)
        for place, edges in enumerate(self.edges):
            found[:, place] = np.searchsorted(np.array(edges), frame.values[:, place], side="right")
        return frame.numbers(found)

    def work(self, count: int) -> int:
        """Comparisons with edges, by halves."""
        return sum(len(each).bit_length() for each in self.edges)

    def tells(self, names: Sequence[str], most: int | None = SHOWN) -> Iterable[str]:
        """The edges of each column."""
        for name, edges in zip(names, self.edges, strict=True):
            yield f"{name}: the edges of its bins, {shown(edges, most)}"


def _sublinear(values: Floats) -> Floats:
    found = np.zeros_like(values)
    np.log(values, out=found, where=values != 0)
    return np.where(values != 0, found + 1.0, values)


FUNCTIONS: Mapping[str, Callable[[Floats], Floats]] = {
    **{
        name: getattr(np, name)
        for name in (
            *("absolute", "sign", "negative", "square", "sqrt", "cbrt"),
            *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p"),
            *("floor", "ceil", "trunc", "rint"),
            *("sin", "cos", "tan", "arcsin", "arccos", "arctan"),
            *("sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh"),
            *("degrees", "radians"),
        )
    },
    "sublinear": _sublinear,
}
"""By NumPy's names; "sublinear" is 1 + ln x where x is not 0, and 0 there."""

_TURNING = frozenset({"absolute", "square", "sin", "cos", "tan", "cosh", "sublinear"})
"""Those that neither rise nor fall throughout."""


@dataclass(frozen=True, repr=False)
class Function(Step):
    """A function of each number: one of `FUNCTIONS`, by name.

    name: of the function.
    Raises ParameterError for another name.

    >>> from fhenn.interop.preparation import Preparation
    >>> Preparation.of_numbers(1).then(Function("log1p")).prepare([[0.0]]).tolist()
    [[0.0]]
    """

    name: str
    missing_ok = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name not in FUNCTIONS:
            raise ParameterError(f"there is no function {self.name!r:.40}.", f"Choose one of {', '.join(FUNCTIONS)}.")

    def after(self, before: Fields) -> Fields:
        """The same columns."""
        return as_numbers(before)

    def apply(self, frame: Frame) -> Frame:
        """The function of the numbers."""
        return frame.numbers(np.asarray(FUNCTIONS[self.name](frame.values), dtype=np.float64))

    def of_column(self, place: int) -> tuple[tuple[Step, ...], int] | None:
        """The function of the column, but for one that turns."""
        return None if self.name in _TURNING else ((self,), place)

    def work(self, count: int) -> int:
        """Some ten products a number."""
        return 10 * count


@dataclass(frozen=True, repr=False)
class Normalize(Step):
    """Each row divided by its norm; as it is where that is below 10 ε, as scikit-learn has it.

    norm: "l1", the sum of magnitudes; "l2", the root of the sum of squares; or "max", the largest magnitude.

    >>> from fhenn.interop.preparation import Preparation
    >>> Preparation.of_numbers(2).then(Normalize("l1")).prepare([[1.0, 3.0]]).tolist()
    [[0.25, 0.75]]
    """

    norm: Literal["l1", "l2", "max"]

    def after(self, before: Fields) -> Fields:
        """The same columns, of which each now depends on all."""
        return (Field(),) * len(before)

    def apply(self, frame: Frame) -> Frame:
        """The rows, divided."""
        values = frame.values
        if self.norm == "l1":
            norms = np.abs(values).sum(axis=1)
        elif self.norm == "l2":
            norms = np.sqrt(np.einsum("ij,ij->i", values, values))
        else:
            norms = np.abs(values).max(axis=1, initial=0.0)
        norms[norms < 10 * np.finfo(np.float64).eps] = 1.0
        return frame.numbers(values / norms[:, None], self.after(frame.fields))

    def work(self, count: int) -> int:
        """A square and a quotient a number."""
        return 2 * count


@dataclass(frozen=True, repr=False)
class Power(Step):
    """Power maps that make numbers more like a normal distribution's.

    lambdas: the exponent of each column.
    method: "yeo-johnson", or "box-cox", which takes numbers above 0 only.

    Source: Yeo and Johnson, Biometrika 87 (2000); Box and Cox, J. R. Stat. Soc. B 26 (1964).

    >>> from fhenn.interop.preparation import Preparation
    >>> Preparation.of_numbers(1).then(Power((2.0,), "box-cox")).prepare([[3.0]]).round(12).tolist()
    [[4.0]]
    """

    lambdas: tuple[float, ...]
    method: Literal["yeo-johnson", "box-cox"]
    missing_ok = True

    def after(self, before: Fields) -> Fields:
        """The same columns. Raises ParameterError where there are others."""
        self._require_width(before, self.lambdas)
        return as_numbers(before)

    def apply(self, frame: Frame) -> Frame:
        """The numbers, mapped; NaN where Box-Cox has no value."""
        map_by = _yeo_johnson if self.method == "yeo-johnson" else _box_cox
        columns = [map_by(frame.values[:, place], each) for place, each in enumerate(self.lambdas)]
        return frame.numbers(np.stack(columns, axis=1))

    def of_column(self, place: int) -> tuple[tuple[Step, ...], int]:
        """The column, mapped."""
        return (Power((self.lambdas[place],), self.method),), place

    def work(self, count: int) -> int:
        """Some twenty products a number."""
        return 20 * count

    def tells(self, names: Sequence[str], most: int | None = SHOWN) -> Iterable[str]:
        """The exponents."""
        for name, each in zip(names, self.lambdas, strict=True):
            yield f"{name}: the exponent of its {self.method} map, {each:.6g}"


def _box_cox(values: Floats, power: float) -> Floats:
    """(xᵖ - 1)/p, ln x for p = 0."""
    logs = np.log(np.where(values > 0, values, np.nan))
    # what SciPy takes for 0
    return logs if abs(power) < 1e-19 else np.expm1(power * logs) / power


def _yeo_johnson(values: Floats, power: float) -> Floats:
    """((1 + x)ᵖ - 1)/p from 0 on, -((1 - x)²⁻ᵖ - 1)/(2 - p) below; logarithms where p, or 2 - p, is 0."""
    epsilon = np.finfo(np.float64).eps
    above, below = np.log1p(np.where(values >= 0, values, 0.0)), np.log1p(np.where(values < 0, -values, 0.0))
    high = above if abs(power) < epsilon else np.expm1(power * above) / power
    rest = 2.0 - power
    low = below if abs(rest) <= epsilon else np.expm1(rest * below) / rest
    return np.where(np.isnan(values), np.nan, np.where(values >= 0, high, -low))


_TAIL = 1e-7
"""Within so much of the ends scikit-learn takes the ends of a normal distribution (its BOUNDS_THRESHOLD)."""
_STEP = float(np.spacing(1.0))


@dataclass(frozen=True, repr=False)
class Quantiles(Step):
    """The share of a column's training data that a number exceeds, by interpolation; or the normal quantile of that.

    quantiles: of each column, ascending, as many as references.
    references: the shares that they are for, ascending from 0 to 1.
    output: "uniform", or "normal".
    Raises ParameterError where quantiles or references do not ascend, or their counts differ.
    """

    quantiles: tuple[tuple[float, ...], ...]
    references: tuple[float, ...]
    output: Literal["uniform", "normal"]
    missing_ok = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for each in (self.references, *self.quantiles):
            require_ascending("quantiles and their references", each)
            if len(each) != len(self.references) or not each:
                raise ParameterError(
                    f"a column has {len(each)} quantiles for {len(self.references)} references.", "Give as many."
                )

    def after(self, before: Fields) -> Fields:
        """The same columns. Raises ParameterError where there are others."""
        self._require_width(before, self.quantiles)
        return as_numbers(before)

    def apply(self, frame: Frame) -> Frame:
        """The shares."""
        columns = [self._share(frame.values[:, place], np.array(each)) for place, each in enumerate(self.quantiles)]
        found = np.stack(columns, axis=1)
        if self.output == "normal":
            least, most = normal_quantile(np.array([_TAIL - _STEP, 1 - (_TAIL - _STEP)])).tolist()
            found = np.clip(normal_quantile(found), least, most)
        return frame.numbers(found)

    def _share(self, values: Floats, quantiles: Floats) -> Floats:
        """The mean of interpolating upwards and downwards, which differ where quantiles are equal."""
        references = np.array(self.references)
        found = 0.5 * (
            np.interp(values, quantiles, references) - np.interp(-values, -quantiles[::-1], -references[::-1])
        )
        reach = _TAIL if self.output == "normal" else 0.0
        above = values + reach > quantiles[-1] if reach else values == quantiles[-1]
        below = values - reach < quantiles[0] if reach else values == quantiles[0]
        found[above] = 1.0
        found[below] = 0.0
        return np.where(np.isnan(values), np.nan, found)

    def of_column(self, place: int) -> tuple[tuple[Step, ...], int]:
        """The shares of the column."""
        return (Quantiles((self.quantiles[place],), self.references, self.output),), place

    def work(self, count: int) -> int:
        """Two searches, and a quantile, for each number."""
        return count * (4 * len(self.references).bit_length() + 40)

    def tells(self, names: Sequence[str], most: int | None = SHOWN) -> Iterable[str]:
        """The quantiles of each column."""
        for name, each in zip(names, self.quantiles, strict=True):
            yield f"{name}: {len(each)} quantiles of the training data, {shown(each, most)}"


def require_ascending(what: str, values: Sequence[float]) -> None:
    """Raise ParameterError where numbers do not ascend, equal ones apart, or are not finite."""
    if not np.isfinite(values).all() or any(low > high for low, high in pairwise(values)):
        raise ParameterError(f"{what} must be finite and ascend, not {shown(values)}.", "Sort them.")
