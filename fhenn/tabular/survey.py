"""`Survey`: what the columns of a raw table hold, found in one pass over its rows, in memory that does not grow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import inf
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fhenn.columns import short, to_python
from fhenn.missing import is_missing
from fhenn.numerals import as_number, as_truth, has_decimal_comma, has_leading_zeros, looks_like_date

Floats = NDArray[np.float64]
Where = Callable[[Sequence[int]], str]
"""Rows of a chunk, counted from 0, in words."""

Sort = Literal["text", "truth", "comma", "point", "date", "other", "infinite"]
"""What cells are that are no numbers: a text, a truth ("True"), a number with a decimal sign that is not the
table's, a date, a value of another type, an infinite number."""

_MOST_TEXTS, _MOST_NUMBERS = 10_000, 1000
"""Different texts and numbers of a column that are counted."""
_HEAD = 1 << 14
"""Numbers of a column whose repetitions are counted."""
_SHOWN = 6
"""Rows that are named."""


_DATES = (date, datetime, timedelta, np.datetime64, np.timedelta64)
_NESTED = object()
"""Stands for a list and the like in a cell."""


@dataclass(frozen=True)
class Stray:
    """The first cell of a sort.

    cell: what it holds, as errors show it.
    row: its place in the table, from 0.
    where: the same in words, as the line of a file.
    """

    cell: str
    row: int
    where: str


@dataclass(frozen=True)
class Facts:
    """What a column holds.

    name: of the column.
    rows: how many cells it has.
    missing: how many of them are missing.
    missing_where: where the first of these are, in words.
    numbers: how many hold numbers.
    low, high, mean: of the numbers; 0 where there are none.
    whole: whether all numbers are whole.
    head, distinct: how many numbers at the table's beginning were compared, and how many of these are different.
    values: how often each number comes; the first 1,000 different ones.
    texts: how often each text comes, truths and dates among them; the first 10,000 different ones.
    codes: how often each number comes that is written with leading zeros, as text; the first 10,000 different ones.
    is_cut: whether there are more numbers or texts than these.
    counts: how many cells there are of each sort that is no number.
    strays: the first cell of each sort.
    """

    name: str
    rows: int
    missing: int
    missing_where: str
    numbers: int
    low: float
    high: float
    mean: float
    whole: bool
    head: int
    distinct: int
    values: Mapping[float, int]
    texts: Mapping[str, int]
    codes: Mapping[str, int]
    is_cut: bool
    counts: Mapping[Sort, int]
    strays: Mapping[Sort, Stray]

    @property
    def present(self) -> int:
        """How many cells are not missing."""
        return self.rows - self.missing

    @property
    def cells(self) -> dict[float | str, int]:
        """How often each number and each text comes, as far as they were counted."""
        found: dict[float | str, int] = dict(self.values.items())
        found.update(self.texts)
        return found

    @property
    def categories(self) -> dict[float | str, int]:
        """The same, with numbers as they are written where some have leading zeros: '007' is not '7' then."""
        if not self.codes:
            return self.cells
        values = dict(self.values.items())
        for code, count in self.codes.items():
            if float(code) in values:
                values[float(code)] -= count
        found: dict[float | str, int] = {
            f"{value:.0f}" if self.whole else value: count for value, count in values.items() if count > 0
        }
        found.update(self.codes)
        found.update(self.texts)
        return found

    @property
    def is_number(self) -> bool:
        """Whether all cells are numbers, or truths, but for missing ones."""
        return self.present == self.numbers + self.counts.get("truth", 0) and self.present > 0


@dataclass
class _Column:
    """What was found in a column so far; fields as of `Facts`."""

    name: str
    rows: int = 0
    missing: int = 0
    missing_where: str = ""
    numbers: int = 0
    low: float = inf
    high: float = -inf
    mean: float = 0.0
    whole: bool = True
    head: list[Floats] = field(default_factory=list)
    looked: int = 0
    values: dict[float, int] = field(default_factory=dict)
    texts: dict[str, int] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    is_cut: bool = False
    counts: Counter[Sort] = field(default_factory=Counter)
    strays: dict[Sort, Stray] = field(default_factory=dict)

    def add(self, cells: NDArray[Any] | Iterable[Any], decimal: str, where: Where) -> None:
        """Look at more cells, which stand below those before."""
        if isinstance(cells, np.ndarray) and cells.dtype.kind in "biuf":
            self._add_array(cells, where)
        else:
            self._add_cells(cells.tolist() if isinstance(cells, np.ndarray) else list(cells), decimal, where)

    def _add_array(self, cells: NDArray[Any], where: Where) -> None:
        values = np.ma.getdata(cells).astype(np.float64)
        missing = np.isnan(values) | np.ma.getmaskarray(cells)
        if missing.any():
            self._note_missing(np.flatnonzero(missing).tolist(), where)
        infinite = np.flatnonzero(np.isinf(values)).tolist()
        if infinite:
            self._note("infinite", infinite[0], values[infinite[0]], len(infinite), where)
        self._add_numbers(*np.unique(values[np.isfinite(values) & ~missing], return_counts=True))
        self.rows += len(values)

    def _add_cells(self, cells: list[Any], decimal: str, where: Where) -> None:
        nested = [row for row, cell in enumerate(cells) if not isinstance(cell, Hashable)]
        if nested:  # lists and the like, which cannot be counted
            self._note("other", nested[0], cells[nested[0]], 0, where)
            cells = [cell if isinstance(cell, Hashable) else _NESTED for cell in cells]
        counts = Counter(cells)
        numbers: dict[float, int] = {}
        sorts: dict[Sort, set[Any]] = {}
        missing = 0
        for cell, count in counts.items():
            found = _read(cell, decimal)
            if found is None:
                missing += count
            elif isinstance(found, float):
                numbers[found] = numbers.get(found, 0) + count
                if isinstance(cell, str) and has_leading_zeros(cell.strip()):
                    self._count(self.codes, cell, count, _MOST_TEXTS)
            else:
                self.counts[found] += count
                sorts.setdefault(found, set()).add(cell)
                if isinstance(cell, str):
                    self._count(self.texts, cell, count, _MOST_TEXTS)
        if missing:
            self._note_missing([row for row, cell in enumerate(cells) if is_missing(cell)], where)
        for sort, strays in sorts.items():
            if sort not in self.strays:
                row = next(row for row, cell in enumerate(cells) if cell in strays)
                self._note(sort, row, cells[row], 0, where)
        if numbers:
            values = np.array(sorted(numbers))
            self._add_numbers(values, np.array([numbers[value] for value in values.tolist()]))
        self.rows += len(cells)

    def _add_numbers(self, values: Floats, counts: NDArray[np.int64]) -> None:
        """Count different finite numbers, ascending, and how often each comes."""
        if not len(values):
            return
        count = int(counts.sum())
        self.numbers += count
        self.low, self.high = min(self.low, float(values[0])), max(self.high, float(values[-1]))
        with np.errstate(over="ignore", invalid="ignore"):  # of numbers near the largest there are
            self.mean += (float(np.average(values, weights=counts)) - self.mean) * count / self.numbers
        self.whole = self.whole and bool((values == np.round(values)).all())
        if self.looked < _HEAD:
            self.head.append(values)
            self.looked += count
        if len(values) > _MOST_NUMBERS:  # a measurement: no use in counting its values
            self.is_cut = True
            return
        for value, times in zip(values.tolist(), counts.tolist(), strict=True):
            self._count(self.values, value, times, _MOST_NUMBERS)

    def _count(self, counts: dict[Any, int], value: Any, times: int, most: int) -> None:
        if value in counts or len(counts) < most:
            counts[value] = counts.get(value, 0) + times
        else:
            self.is_cut = True

    def _note(self, sort: Sort, row: int, cell: Any, count: int, where: Where) -> None:
        """Count cells of a sort, and remember the first. row: in this chunk."""
        self.counts[sort] += count
        shown = str(cell) if isinstance(cell, _DATES) else to_python(cell)
        self.strays.setdefault(sort, Stray(short(shown), self.rows + row, where([row])))

    def _note_missing(self, rows: list[int], where: Where) -> None:
        if not self.missing_where:
            self.missing_where = where(rows[:_SHOWN])
        elif not self.missing_where.endswith("…"):
            self.missing_where += ", …"
        self.missing += len(rows)

    def facts(self) -> Facts:
        """What was found."""
        any_numbers = self.numbers > 0
        return Facts(
            self.name,
            self.rows,
            self.missing,
            self.missing_where,
            self.numbers,
            self.low if any_numbers else 0.0,
            self.high if any_numbers else 0.0,
            self.mean,
            self.whole,
            self.looked,
            len(np.unique(np.concatenate(self.head))) if self.head else 0,
            self.values,
            self.texts,
            self.codes,
            self.is_cut,
            dict(self.counts),
            self.strays,
        )


class Survey:
    """Finds what columns hold, a chunk of rows after another.

    names: of the columns.
    decimal: what stands before the fraction of a number that is written as text, a point or a comma.

    >>> survey = Survey(["age", "sex"])
    >>> survey.add([["41.5", ""], ["f", "m"]])
    >>> age, sex = survey.facts()
    >>> age.numbers, age.missing, sex.texts
    (1, 1, {'f': 1, 'm': 1})
    """

    def __init__(self, names: Sequence[str], decimal: str = ".") -> None:
        self._columns, self._decimal = [*map(_Column, names)], decimal

    def add(
        self,
        columns: Sequence[NDArray[Any] | Iterable[Any]],
        where: Where = lambda rows: f"row {', '.join(map(str, rows))}",
    ) -> None:
        """Look at more rows.

        columns: of these rows, in order: arrays of numbers, or cells of any kind.
        where: rows of this chunk, from 0, in words.
        """
        for column, cells in zip(self._columns, columns, strict=True):
            column.add(cells, self._decimal, where)

    def facts(self) -> tuple[Facts, ...]:
        """What each column holds."""
        return tuple(column.facts() for column in self._columns)


def _read(cell: Any, decimal: str) -> float | Sort | None:
    """A cell: a number, None where it is missing, else what it is instead."""
    if is_missing(cell):
        return None
    if isinstance(cell, str):
        return _read_text(cell.strip(), decimal)
    if isinstance(cell, np.generic):
        cell = cell.item()
    if isinstance(cell, _DATES):
        return "date"
    if not isinstance(cell, Real | Decimal):
        return "other"
    try:
        number = float(cell)
    except (OverflowError, ValueError):
        return "infinite"
    return number if abs(number) < inf else "infinite"


def _read_text(text: str, decimal: str) -> float | Sort:
    number = as_number(text, decimal)
    if number is not None:
        return number if abs(number) < inf else "infinite"
    if as_truth(text) is not None:
        return "truth"
    if looks_like_date(text):
        return "date"
    if decimal == "." and has_decimal_comma(text):
        return "comma"
    if decimal == "," and as_number(text) is not None:
        return "point"
    return "text"
