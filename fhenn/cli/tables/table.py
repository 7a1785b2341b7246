"""`Table`: columns of a file, by name where they have names."""

from __future__ import annotations

import warnings
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from fhenn.cli.tables.cells import Cells, JoinedCells, TextCells, are_blank, join, labels, numbers
from fhenn.columns import Table as RawTable
from fhenn.errors import DataWarning, FeatureMismatch, MissingValues, ParameterError, ShapeMismatch
from fhenn.interop.preparation import Kind, Preparation
from fhenn.missing import is_missing, missing_places
from fhenn.numerals import as_number, has_decimal_comma

_MOST = 5


def _choices(name: str, names: Sequence[str]) -> str:
    """What to choose where no column has a name: the nearest one, else the first and the last ones."""
    folded = {each.casefold(): each for each in names}
    near = get_close_matches(name.casefold(), folded, 1)
    if near:
        return f"Did you mean {folded[near[0]]!r}?"
    # the last one is often the label
    shown = [*names[:6], "…", *names[-2:]] if len(names) > 8 else names
    return f"Choose one of {', '.join(shown)}."


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length.

    names: of the columns, None where the file has none.
    columns: the cells of each, of length (rows,).
    source: the file, for errors.
    lines: the line on which each row starts in a text file, from 1; None for other files.
    first: how many rows of the file come before these.
    decimal: as for `CsvFormat`.
    aside: places of columns that do not count as data: an index, and columns without a name.

    Raises ParameterError where two columns have the same name.
    """

    names: tuple[str, ...] | None
    columns: tuple[Cells, ...]
    source: str = "the table"
    lines: Sequence[int] | None = None
    first: int = 0
    decimal: str = "."
    aside: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        named = [name for place, name in enumerate(self.names or ()) if place not in self.aside or name]
        if len({*named}) < len(named):
            twice = next(name for place, name in enumerate(named) if name in named[:place])
            raise ParameterError(f"two columns of {self.source} are called {twice!r}.", "Rename one of them.")

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.columns[0])

    def _place(self, name: str) -> int:
        if self.names is None:
            raise ParameterError(f"the columns of {self.source} have no names.", "Give it a first line of names.")
        name = normalize("NFC", name)
        if name not in self.names:
            raise ParameterError(f"there is no column {name!r} in {self.source}.", _choices(name, self.names))
        return self.names.index(name)

    def column(self, name: str) -> Cells:
        """The cells of the column of that name. Raises ParameterError where there is none."""
        return self.columns[self._place(name)]

    def labels(self, name: str) -> NDArray[Any]:
        """The column of that name as classes. Raises ParameterError where there is none, MissingValues."""
        cells = self.column(name)
        missing = missing_places(cells)
        if missing:
            raise self._missing({self._place(name): missing}, "Label or drop these rows.")
        return labels(cells)

    def without(self, name: str) -> Table:
        """The table without the column of that name. Raises ParameterError where there is none, or no other."""
        return self._select([place for place in range(len(self.columns)) if place != self._place(name)])

    @property
    def left_out(self) -> frozenset[int]:
        """Places of the columns that do not count as data although they hold something."""
        return frozenset(place for place in self.aside if not are_blank(self.columns[place]))

    def data(self, said: Container[int] = ()) -> Table:
        """The table without an index and without columns that have no name. A DataWarning says what is left out.

        said: places of columns of which nothing is said: it was, of rows before these.
        """
        if not self.aside:
            return self
        out = [place for place in sorted(self.left_out) if place not in said]
        if out:
            columns = ", ".join(map(self._label, out[:_MOST]))
            reason = "is left out: it is an index or has no name"
            if len(out) > 1:
                reason = "are left out: they are indices or have no names"
            warnings.warn(DataWarning(f"{self.source}: {columns} {reason}."), stacklevel=2)
        return self._select([place for place in range(len(self.columns)) if place not in self.aside])

    def _select(self, places: Sequence[int]) -> Table:
        if not places:
            raise ParameterError(f"{self.source} has no columns with data.", "Give at least one feature.")
        return replace(
            self,
            names=None if self.names is None else tuple(self.names[place] for place in places),
            columns=tuple(self.columns[place] for place in places),
            aside=frozenset(position for position, place in enumerate(places) if place in self.aside),
        )

    def records(self) -> list[tuple[Any, ...]]:
        """The rows, as values of Python."""
        return list(zip(*map(_values, self.columns), strict=True))

    def mask(self, rows: Sequence[int]) -> Table:
        """The table with empty cells in some rows."""
        empty = np.zeros(self.rows, dtype=bool)
        empty[list(rows)] = True
        # masked, not None in place of numbers: a writer of chunks must see the type of a column that is all empty
        return replace(self, columns=tuple(np.ma.MaskedArray(column, mask=empty) for column in self.columns))

    def numbers(self, features: Sequence[str] | None = None) -> NDArray[np.float64]:
        """The columns as finite numbers.

        features: names of the columns that are wanted, in this order; None for all columns that hold data. Where the
        table has no names, its columns are taken in their order.

        Returns (samples, features), float64.
        Raises FeatureMismatch, ShapeMismatch, MissingValues; ParameterError for cells that are not numbers.
        """
        if features is None:
            return self.data()._finite()
        if self.names is None:
            if len(self.columns) != len(features):
                raise ShapeMismatch(self.source, (self.rows, len(self.columns)), f"(samples, {len(features)})")
            return self._finite()
        wanted = [normalize("NFC", name) for name in features]
        if not set(wanted) <= set(self.names):
            raise FeatureMismatch(self.names, tuple(wanted))
        return self._select([self._place(name) for name in wanted])._finite()

    def raw(self, preparation: Preparation) -> RawTable:
        """The columns that a preparation takes, by name where there are names, else all of them in their order.

        In a text file, cells that stand for a missing one are missing, unless the model knows them as a category, and
        blanks around a category count where it has them.

        preparation: of the model.

        Raises FeatureMismatch, ShapeMismatch.
        """
        wanted, texts = preparation.columns, preparation.texts
        if self.names is None or preparation.names is None:
            data = self.data()
            if len(data.columns) != len(wanted):
                raise ShapeMismatch(self.source, (self.rows, len(data.columns)), f"(samples, {len(wanted)})")
            places, columns = [*range(len(wanted))], [*data.columns]
        else:
            names = [normalize("NFC", column.name or "") for column in wanted]
            needed = [name for name, column in zip(names, wanted, strict=True) if column.used]
            if not {*needed} <= {*self.names}:
                got = tuple(name for name in self.names if name in needed)
                others = tuple(name for name in self.names if name not in names)
                raise FeatureMismatch(got, tuple(needed), raw=True, others=others)
            # what is not used may be missing; what is no column of the model's is left out
            places = [place for place, name in enumerate(names) if name in self.names]
            columns = [self.columns[self.names.index(names[place])] for place in places]
        cells = [
            self._raw(column, wanted[place].kind, texts[place]) for place, column in zip(places, columns, strict=True)
        ]
        if preparation.names is None:
            return RawTable(None, tuple(cells))
        return RawTable.of([wanted[place].name for place in places], cells)

    def _raw(self, column: Cells, kind: Kind, texts: frozenset[str]) -> NDArray[Any]:
        """A column for a preparation: numbers at once where all cells are numbers."""
        if isinstance(column, np.ndarray):
            return column
        if kind == "number" and isinstance(column, TextCells) and column.floats is not None:
            return column.floats
        values = np.empty(len(column), dtype=object)
        if kind == "number" or self.lines is None:
            values[:] = list(column)
            return values
        spelt = {text.strip(): text for text in sorted(texts)}
        values[:] = [self._text(cell, kind, texts, spelt) for cell in column]
        return values

    def _text(self, cell: str, kind: Kind, texts: frozenset[str], spelt: Mapping[str, str]) -> str | float | None:
        """A cell of a text file as the model knows it."""
        if cell in texts:
            return cell
        if cell in spelt:
            return spelt[cell]
        if is_missing(cell):
            return None
        number = as_number(cell, self.decimal) if kind == "either" else None
        return cell if number is None else number

    def _finite(self) -> NDArray[np.float64]:
        parsed = [numbers(column, self.decimal) for column in self.columns]
        wrong = {place: rows for place, (_, rows) in enumerate(parsed) if rows}
        values = np.column_stack([column for column, _ in parsed])
        missing: dict[int, list[int]] = {}
        for place, row in np.argwhere(~np.isfinite(values.T)).tolist():
            if row not in wrong.get(place, ()):
                missing.setdefault(place, []).append(row)
        if wrong:
            raise self._wrong(wrong, missing)
        if missing:
            raise self._missing(missing, "Drop or impute them first.")
        return values

    def _wrong(self, places: dict[int, list[int]], missing: dict[int, list[int]]) -> ParameterError:
        """The error for cells that are not numbers: the first of each column, how many more, and what is missing."""
        shown = []
        for place, rows in places.items():
            more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
            cell = str(self.columns[place][rows[0]])[:40]
            shown.append(f"{self._label(place)} holds {cell!r} on {self.where(rows[:1])}{more}")
        cells = [self.columns[place][row] for place, rows in places.items() for row in rows]
        if all(map(has_decimal_comma, cells)):
            remedy = "Give --decimal , if it is a decimal comma, else remove the comma."
        elif not self.first and any(len(rows) == self.rows for rows in places.values()):
            remedy = "Drop a column of text, or encode it in numbers."
        else:
            remedy = "Write a number there, or drop the row."
        rest = "; …" if len(shown) > _MOST else ""
        nothing = ""
        if missing:
            other = self._missing(missing, "Drop or impute the missing ones.")
            nothing, remedy = f" {other.missing[:1].upper()}{other.missing[1:]}.", f"{remedy} {other.suggestion}"
        return ParameterError(
            f"{self.source} has cells that are not numbers: {'; '.join(shown[:_MOST])}{rest}.{nothing}", remedy
        )

    def _missing(self, places: dict[int, list[int]], suggestion: str) -> MissingValues:
        return MissingValues(
            self.source,
            sum(map(len, places.values())),
            suggestion,
            columns=tuple(map(self._label, places)),
            counts=tuple(map(len, places.values())),
            places=tuple(map(self.where, places.values())),
        )

    def where(self, rows: Sequence[int]) -> str:
        """Rows as a reader of the file counts them, from 1: lines in a text file, else rows."""
        numbers = [self.first + row + 1 if self.lines is None else self.lines[row] for row in rows[:_MOST]]
        noun = "row" if self.lines is None else "line"
        more = ", …" if len(rows) > _MOST else ""
        return f"{noun}{'s' if len(rows) > 1 else ''} {', '.join(map(str, numbers))}{more}"

    def _label(self, place: int) -> str:
        name = self.names[place] if self.names else ""
        return f"column {name!r}" if name else f"column {place + 1}"


def join_tables(chunks: Sequence[Table]) -> Table:
    """The table whose rows are those of chunks of one file, without the columns that have neither name nor content."""
    table = chunks[0]
    columns = tuple(map(join, zip(*(chunk.columns for chunk in chunks), strict=True)))
    lines = None if table.lines is None else JoinedCells([chunk.lines or () for chunk in chunks])
    table = replace(table, columns=columns, lines=lines)
    blank = table.aside - table.left_out
    return table._select([place for place in range(len(columns)) if place not in blank]) if blank else table


def _values(column: Cells) -> Sequence[Any]:
    return column.tolist() if isinstance(column, np.ndarray) else column
