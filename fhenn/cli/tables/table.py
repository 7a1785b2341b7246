"""`Table`: columns of a file, by name where they have names."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from fhenn.cli.tables.cells import Cells, has_decimal_comma, labels, numbers
from fhenn.errors import DataWarning, FeatureMismatch, MissingValues, ParameterError, ShapeMismatch
from fhenn.missing import missing_places

_MOST = 5


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length.

    names: of the columns, None where the file has none. columns: their cells.
    source: the file, for errors. lines: where each row starts in a file of text. decimal: as for `CsvFormat`.
    aside: places of columns that hold no data: an index, and columns without a name.
    """

    names: tuple[str, ...] | None
    columns: tuple[Cells, ...]
    source: str = "the table"
    lines: tuple[int, ...] | None = None
    decimal: str = "."
    aside: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        named = [name for place, name in enumerate(self.names or ()) if place not in self.aside or name]
        twice = [name for place, name in enumerate(named) if name in named[:place]]
        if twice:
            raise ParameterError(f"two columns of {self.source} have one name, {twice[0]!r}.", "Name them apart.")

    @property
    def rows(self) -> int:
        """How many."""
        return len(self.columns[0])

    def _place(self, name: str) -> int:
        if self.names is None:
            raise ParameterError(f"{self.source} has no names of columns.", "Give it a first line of names.")
        name = normalize("NFC", name)
        if name not in self.names:
            shown = ", ".join(self.names[:8]) + (", …" if len(self.names) > 8 else "")
            raise ParameterError(f"there is no column {name!r} in {self.source}.", f"Choose one of {shown}.")
        return self.names.index(name)

    def column(self, name: str) -> Cells:
        """The cells under a name. Raises ParameterError."""
        return self.columns[self._place(name)]

    def labels(self, name: str) -> NDArray[Any]:
        """The column of a name as classes. Raises ParameterError, MissingValues."""
        cells = self.column(name)
        missing = missing_places(cells)
        if missing:
            raise self._missing({self._place(name): missing}, "Label or drop these rows.")
        return labels(cells)

    def without(self, name: str) -> Table:
        """All columns but one. Raises ParameterError."""
        return self._select([place for place in range(len(self.columns)) if place != self._place(name)])

    def data(self) -> Table:
        """The columns that hold data: without an index, and without those that have no name, which a warning says."""
        if not self.aside:
            return self
        left = ", ".join(self._called(place) for place in sorted(self.aside)[:_MOST])
        reason = "an index, or without a name" if len(self.aside) == 1 else "indices, or without names"
        warnings.warn(DataWarning(f"{self.source}: {left} left out: {reason}."), stacklevel=2)
        return self._select([place for place in range(len(self.columns)) if place not in self.aside])

    def _select(self, places: Sequence[int]) -> Table:
        if not places:
            raise ParameterError(f"{self.source} has no columns with data.", "Give at least one feature.")
        return replace(
            self,
            names=None if self.names is None else tuple(self.names[place] for place in places),
            columns=tuple(self.columns[place] for place in places),
            aside=frozenset(at for at, place in enumerate(places) if place in self.aside),
        )

    def records(self) -> list[tuple[Any, ...]]:
        """The rows, in values of Python."""
        return list(zip(*map(_values, self.columns), strict=True))

    def masked(self, rows: Sequence[int]) -> Table:
        """The same with nothing in some rows."""
        columns = [np.array(column, dtype=object) for column in self.columns]
        for column in columns:
            column[list(rows)] = None
        return replace(self, columns=tuple(columns))

    def numbers(self, features: Sequence[str] | None = None) -> NDArray[np.float64]:
        """Samples × features, finite. features: by name and in that order, other columns left out; all data where None.

        Without names in the table, columns are taken in order.
        Raises FeatureMismatch, ShapeMismatch, MissingValues; ParameterError for cells that are no numbers.
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

    def _finite(self) -> NDArray[np.float64]:
        found = [numbers(column, self.decimal) for column in self.columns]
        wrong = {place: cells for place, (_, cells) in enumerate(found) if cells}
        values = np.column_stack([column for column, _ in found])
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
        """The first cell of each column that is no number, and how many more there are; and what is missing."""
        shown = []
        for place, rows in places.items():
            more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
            cell = str(self.columns[place][rows[0]])[:40]
            shown.append(f"{self._called(place)} holds {cell!r} on {self.where(rows[:1])}{more}")
        cells = [self.columns[place][row] for place, rows in places.items() for row in rows]
        if all(map(has_decimal_comma, cells)):
            remedy = "Give --decimal , if that comma stands before a fraction, else leave it out."
        elif any(len(rows) == self.rows for rows in places.values()):
            remedy = "Drop a column of text, or encode it in numbers."
        else:
            remedy = "Write a number there, or drop the row."
        rest = "; …" if len(shown) > _MOST else ""
        nothing = ""
        if missing:
            said = self._missing(missing, "Drop or impute the missing ones.")
            nothing, remedy = f" {said.missing[:1].upper()}{said.missing[1:]}.", f"{remedy} {said.suggestion}"
        return ParameterError(f"{self.source}: no number: {'; '.join(shown[:_MOST])}{rest}.{nothing}", remedy)

    def _missing(self, places: dict[int, list[int]], suggestion: str) -> MissingValues:
        return MissingValues(
            self.source,
            sum(map(len, places.values())),
            suggestion,
            columns=tuple(map(self._called, places)),
            counts=tuple(map(len, places.values())),
            places=tuple(map(self.where, places.values())),
        )

    def where(self, rows: Sequence[int]) -> str:
        """Rows as a reader of the file finds them: by line of text, else by row, from 1."""
        numbers = [row + 1 if self.lines is None else self.lines[row] for row in rows[:_MOST]]
        noun = "row" if self.lines is None else "line"
        more = ", …" if len(rows) > _MOST else ""
        return f"{noun}{'s' if len(rows) > 1 else ''} {', '.join(map(str, numbers))}{more}"

    def _called(self, place: int) -> str:
        name = self.names[place] if self.names else ""
        return f"column {name!r}" if name else f"column {place + 1}"


def _values(column: Cells) -> Sequence[Any]:
    return column.tolist() if isinstance(column, np.ndarray) else column
