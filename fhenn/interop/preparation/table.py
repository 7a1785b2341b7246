"""Raw tables: which columns a preparation takes of them, and what their cells are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from numbers import Real
from typing import Any, get_args

import numpy as np

from fhenn.columns import Table, column_of, normalise, numbers_in, raw_table, short, table_of, to_python
from fhenn.errors import CellRefused, FeatureMismatch, ParameterError, ShapeMismatch
from fhenn.interop.preparation.frame import Cell, Field, Floats, Frame, Kind, Objects, Source
from fhenn.missing import is_missing
from fhenn.numerals import as_number, as_truth, has_decimal_comma, looks_like_date

_NO_NUMBER = "it is no number, and the model was fitted on numbers there"
_MIXED = "decimal points and decimal commas are mixed"
_NO_TEXT = "it is no text, and the model was fitted on texts there"
_DATES = (
    "Give what the model was fitted on in the place of dates: the number of days since some day, or year, month and "
    "weekday as columns of their own."
)


@dataclass(frozen=True)
class Column:
    """A column of the raw table.

    name: None where columns are known by their places.
    kind: of its cells, beside missing ones: "number", "text", or "either" where both are the same to the model.
    used: whether anything is made of it; one that is not used may be left out of a table with names.
    """

    name: str | None
    kind: Kind = "number"
    used: bool = True

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind) or not isinstance(self.name, str | None):
            raise ParameterError(
                f"a column {self.name!r} of kind {self.kind!r} is none.",
                "Name it by text, or not at all; its kind is 'number', 'text' or 'either'.",
            )


def read_table(x: Any, columns: Sequence[Column], extra: bool) -> tuple[Table, tuple[int | None, ...]]:
    """A raw table, and the place in it of each column that is used; None for others.

    x: of any kind that `fhenn.columns.table_of` reads, an array of numbers or objects, or a list of rows; for a single
    column of texts, also a list of these.
    columns: that are wanted.
    extra: whether a table with names may have others.

    Raises FeatureMismatch, ShapeMismatch, and what `fhenn.columns.raw_table` does.
    """
    # texts alone, as scikit-learn's vectorisers take them
    alone = len(columns) == 1 and columns[0].kind == "text" and table_of(x) is None and _is_flat(x)
    table = Table(None, (column_of(x),)) if alone else raw_table(x)
    names = [column.name for column in columns if column.name is not None]
    if table.single:
        raise ShapeMismatch("prepare", (len(table.columns),), "a table of samples: put the one sample in a list")
    if not names or table.labels is None:
        if len(table.columns) != len(columns):
            raise ShapeMismatch(
                "prepare", (_rows(table), len(table.columns)), f"(samples, {len(columns)}), as the model was fitted on"
            )
        return table, tuple(place if column.used else None for place, column in enumerate(columns))
    there = {normalise(name): place for place, name in enumerate(table.labels)}
    wanted = {normalise(name) for name in names}
    needed = {normalise(column.name) for column in columns if column.used and column.name is not None}
    if needed - set(there) or (not extra and set(there) - wanted):
        # names that a table may have, or not, are no part of the complaint
        optional = {*there} if extra else wanted
        got = tuple(name for name in map(normalise, table.labels) if name in needed or name not in optional)
        expected = tuple(normalise(column.name) for column in columns if column.used and column.name is not None)
        others = tuple(name for name in there if name not in wanted and name not in got)
        raise FeatureMismatch(got, expected, raw=True, others=others)
    return table, tuple(
        there[normalise(column.name)] if column.used and column.name is not None else None for column in columns
    )


def _is_flat(x: Any) -> bool:
    """Whether these are cells, not rows."""
    if isinstance(x, list | tuple):
        return not any(isinstance(each, list | tuple | np.ndarray) for each in x)
    return getattr(x, "ndim", 2) == 1


def _rows(table: Table) -> int:
    return len(table.columns[0]) if table.columns else 0


def frame_of(
    table: Table, places: Sequence[int | None], columns: Sequence[Column], rows: slice, source: Source
) -> Frame:
    """Some rows of a raw table, each cell as its column's kind says.

    table, places: of `read_table`.
    columns: that the frame has.
    rows: of the table.
    source: how errors name rows of the slice, and columns.

    Raises CellRefused.
    """
    count = len(range(_rows(table))[rows])
    values, texts = np.full((count, len(columns)), np.nan), dict[int, Objects]()
    for at, (place, column) in enumerate(zip(places, columns, strict=True)):
        cells = _Cells(source, at)
        found = None if place is None else table.columns[place][rows]
        if column.kind == "number":
            if found is not None:
                values[:, at] = cells.numbers(found)
        elif found is None:
            texts[at] = np.full(count, None, dtype=object)
        else:
            texts[at] = cells.objects(found, column.kind)
    return Frame(values, texts, tuple(Field(column.kind, at) for at, column in enumerate(columns)), source)


@dataclass(frozen=True)
class _Cells:
    """Reads the cells of a raw column.

    source: how errors name it.
    place: of the column.
    """

    source: Source
    place: int

    def numbers(self, cells: Any) -> Floats:
        """Cells as numbers, NaN where one is missing. Raises CellRefused."""
        data, absent = np.ma.getdata(cells), np.ma.getmaskarray(cells)
        if data.dtype.kind in "biuf":
            values = numbers_in(cells, self.source.names[self.place])
        else:
            decimal = self.source.decimal
            read = [None if gone else _number(cell, decimal) for cell, gone in zip(_listed(data), absent, strict=True)]
            wrong = [row for row, value in enumerate(read) if isinstance(value, _Wrong)]
            if wrong:
                self._refuse(data, wrong, [cell for cell, gone in zip(_listed(data), absent, strict=True) if not gone])
            values = np.array([np.nan if value is None else value for value in read], dtype=np.float64)
        infinite = np.flatnonzero(np.isinf(values)).tolist()
        if infinite:
            raise self._refusal(data, infinite, "it is infinite", "Write a finite number, or leave the cell empty.")
        return values

    def objects(self, cells: Any, kind: Kind) -> Objects:
        """Cells as texts, or numbers too, None where one is missing. Raises CellRefused."""
        data, absent = np.ma.getdata(cells), np.ma.getmaskarray(cells)
        found = np.empty(len(data), dtype=object)
        wrong = list[int]()
        for row, (cell, gone) in enumerate(zip(_listed(data), absent, strict=True)):
            read = None if gone else _text(cell) if kind == "text" else _either(cell)
            if isinstance(read, _Wrong):
                wrong.append(row)
            else:
                found[row] = read
        if wrong:
            is_date = _is_date(data[wrong[0]])
            raise self._refusal(
                data,
                wrong,
                "it is a date" if is_date else _NO_TEXT,
                _DATES if is_date else "Write it as the text that the model was fitted on.",
            )
        return found

    def _refuse(self, data: Any, wrong: Sequence[int], cells: Sequence[Any]) -> None:
        """Raise CellRefused for cells that are no numbers. cells: all that are not missing."""
        first = data[wrong[0]]
        strays = [data[row] for row in wrong]
        if _is_date(first) or looks_like_date(_bare(first)):
            reason, remedy = "it is a date", _DATES
        elif self.source.decimal == "." and all(has_decimal_comma(_bare(cell)) for cell in strays):
            mixed = any(isinstance(cell, str) and "." in cell for cell in cells)
            reason = _MIXED if mixed else "it has a decimal comma"
            remedy = "Write all numbers with a decimal point."
        elif self.source.decimal == "," and all(as_number(str(_bare(cell))) is not None for cell in strays):
            reason, remedy = _MIXED, "Write all numbers with a decimal comma."
        else:
            reason, remedy = _NO_NUMBER, "Write a number there, or leave the cell empty where the model fills it."
        raise self._refusal(data, wrong, reason, remedy)

    def _refusal(self, data: Any, rows: Sequence[int], reason: str, suggestion: str) -> CellRefused:
        return CellRefused(
            self.source.operation,
            self.source.column(self.place),
            tuple(rows),
            self.source.where(rows),
            short(to_python(data[rows[0]])),
            reason,
            suggestion,
        )


class _Wrong:
    """Stands for what a cell is not."""


_WRONG = _Wrong()


def _listed(data: Any) -> list[Any]:
    """Cells as Python has them; dates as they are, since some are whole numbers then."""
    return list(data) if data.dtype.kind in "Mm" else data.tolist()


def _bare(cell: Any) -> Any:
    return cell.strip() if isinstance(cell, str) else cell


def _is_date(cell: Any) -> bool:
    return isinstance(cell, date | timedelta | np.datetime64 | np.timedelta64)


def _number(cell: Any, decimal: str = ".") -> float | _Wrong | None:
    """A cell as a number, None where it is missing."""
    if is_missing(cell):
        return None
    if isinstance(cell, str):
        value = as_truth(cell.strip())
        value = as_number(cell.strip(), decimal) if value is None else value
        return _WRONG if value is None else value
    if isinstance(cell, np.generic):
        cell = cell.item()
    if _is_date(cell) or not isinstance(cell, Real | Decimal):
        return _WRONG
    try:
        return float(cell)
    except (OverflowError, ValueError):
        return float("inf")


def _text(cell: Any) -> Cell | _Wrong:
    """A cell as a text, exactly as it is; None where it is missing. Words for a missing value are texts."""
    if isinstance(cell, str):
        return str(cell)
    return None if is_missing(cell) else _WRONG


def _either(cell: Any) -> Cell | _Wrong:
    """A cell as the text or the number that it is; None where it is missing."""
    return _text(cell) if isinstance(cell, str) else _number(cell)
