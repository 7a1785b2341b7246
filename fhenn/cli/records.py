"""The table that `fhenn train` learns from: read in chunks, once to see what it holds and once for its numbers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.cli.bounds import prepared
from fhenn.cli.tables import CsvFormat, Table, open_table
from fhenn.cli.tables.cells import TextCells, numbers
from fhenn.cli.tables.cells import labels as as_labels
from fhenn.errors import ParameterError
from fhenn.interop import Preparation
from fhenn.tabular import ColumnType, Data, Facts, Survey, Task, is_plain, preparation_of, require_classes

Floats = NDArray[np.float64]
Labels = tuple[NDArray[Any], NDArray[Any]]
"""Places of classes, or the numbers to predict; and the classes, none for numbers."""
Share = Callable[[float], None]
"""Called with the share of the file that was read."""

_MOST_LABELS = 10_000
"""Different labels that are told apart: more are no classes."""


@dataclass(frozen=True)
class Records:
    """A table in a file, with a column of labels.

    path: of the file.
    form: how it is written, where it is CSV.
    label: name of the column of labels.
    """

    path: Path
    form: CsvFormat
    label: str

    def survey(self, read: Share) -> tuple[Facts, tuple[Facts, ...]]:
        """What the labels are, and what each other column holds.

        read: called with the share of the file that was read.

        Warns (DataWarning) of columns that are left out since they have no names.
        Raises ParameterError where there is no such column, or no other, and what `open_table` does.
        """
        columns: Survey | None = None
        labels = Survey([self.label], self.form.decimal)
        for table, rest in self._chunks(read):
            if columns is None:
                columns = Survey(rest.names or (), self.form.decimal)
            columns.add([_cells(column) for column in rest.columns], table.where)
            labels.add([_cells(table.column(self.label))], table.where)
        assert columns is not None  # noqa: S101  (a table has rows)
        return labels.facts()[0], columns.facts()

    def survey_of(self, rows: NDArray[np.intp], names: Sequence[str], read: Share) -> tuple[Facts, ...]:
        """What columns hold in some of the rows.

        rows: their places.
        names: of all columns but that of labels, as `survey` found them.
        read: called with the share of the file that was read.

        Raises what `open_table` does.
        """
        found, wanted, before = Survey(names, self.form.decimal), np.sort(rows), 0
        for table, rest in self._chunks(read, said=range(len(names) + 1)):
            at = wanted[slice(*np.searchsorted(wanted, [before, before + table.rows]))] - before
            before += table.rows
            if len(at):
                found.add([_part(_cells(column), at) for column in rest.columns], _where(table, at))
        return found.facts()

    def labels(self, task: Task, rows: int, read: Share) -> Labels:
        """What is to be predicted.

        task: what the labels are.
        rows: how many there are.
        read: called with the share of the file that was read.

        Raises ParameterError where the labels are no classes or the file has changed.
        """
        found, at = _Reader(task, rows, self.form.decimal), 0
        with open_table(self.path, self.form, (self.label,)) as tables:
            for table in tables:
                self._require_rows(at + table.rows <= rows)
                found.add(table.column(self.label), at)
                at += table.rows
                read(tables.share)
        self._require_rows(at == rows)
        return found.labels()

    def features(
        self, types: Sequence[ColumnType], task: Task, rows: int, read: Share, known: Labels | None = None
    ) -> tuple[Data, Preparation | None]:
        """What is learnt from, and what makes the features; None where they are columns as they are.

        types: of the columns.
        task: what the labels are.
        rows: how many there are.
        read: called with the share of the file that was read.
        known: the labels, where they were read already.

        Raises ParameterError where the labels are no classes or the file has changed, and what the preparation does.
        """
        preparation = None if is_plain(types) else preparation_of(types)
        names = tuple(each.name for each in types if each.kind != "left out")
        width = len(names) if preparation is None else len(preparation.features)
        x, at = np.empty((rows, width)), 0
        found = _Reader(task, rows, self.form.decimal)
        for table, _ in self._chunks(read, said=range(len(types) + 1)):
            end = at + table.rows
            self._require_rows(end <= rows)
            x[at:end] = table.numbers(names) if preparation is None else prepared(table, preparation)
            if known is None:
                found.add(table.column(self.label), at)
            at = end
        self._require_rows(at == rows)
        y, classes = known or found.labels()
        called = None if preparation is None else preparation.features
        return Data(x, y, task, classes, None if preparation else names, called), preparation

    def _require_rows(self, holds: bool) -> None:
        """Raise ParameterError where there are not as many rows as there were."""
        if not holds:
            raise ParameterError(f"{self.path} changed while it was read.", "Train again once nobody writes to it.")

    def _chunks(self, read: Share, said: Collection[int] = ()) -> Iterator[tuple[Table, Table]]:
        """Chunks of the table, each with the same without labels and without columns that have no names."""
        left = frozenset(said)
        with open_table(self.path, self.form, (self.label,)) as tables:
            for table in tables:
                rest = table.without(self.label)
                data = rest.data(left)
                left |= rest.left_out
                yield table, data
                read(tables.share)


def _cells(column: Any) -> Any:
    """A column for a survey: numbers at once where all cells are numbers, and none is a code as 007."""
    if not isinstance(column, TextCells) or column.floats is None or column.has_codes:
        return column
    return column.floats


def _part(cells: Any, rows: NDArray[np.intp]) -> Any:
    """Some cells of a column."""
    if isinstance(cells, np.ndarray):
        return cells[rows]
    every = list(cells)
    return [every[row] for row in rows.tolist()]


def _where(table: Table, at: NDArray[np.intp]) -> Callable[[Sequence[int]], str]:
    """Some rows of a chunk, counted among those at some places of it, in words."""
    return lambda rows: table.where(at[list(rows)].tolist())


class _Reader:
    """Reads labels, a chunk after another.

    task: what they are.
    rows: how many there will be.
    decimal: as for `CsvFormat`.
    """

    def __init__(self, task: Task, rows: int, decimal: str) -> None:
        self._task, self._decimal = task, decimal
        self._targets, self._codes = np.empty(rows), np.empty(rows, dtype=np.int32)
        self._order, self._types = dict[Any, int](), set[np.dtype[Any]]()

    def add(self, cells: Any, at: int) -> None:
        """Read those from a row on. Raises ParameterError for more than any classes are."""
        end = at + len(cells)
        if isinstance(cells, np.ndarray):
            self._types.add(cells.dtype)
        if self._task == "regression":
            is_array = isinstance(cells, np.ndarray)
            self._targets[at:end] = cells.astype(np.float64) if is_array else numbers(cells, self._decimal)[0]
        else:
            _encode(cells, self._codes[at:end], self._order)

    def labels(self) -> Labels:
        """All of them. Raises ParameterError where they are no classes."""
        if self._task == "regression":
            return self._targets, np.array([])
        found = [*self._order]
        distinct = np.array(found, dtype=self._types.pop()) if len(self._types) == 1 else as_labels(found)
        classes, y = np.unique(require_classes(distinct[self._codes]), return_inverse=True)
        return y, classes


def _encode(cells: Any, codes: NDArray[np.int32], order: dict[Any, int]) -> None:
    """Number labels in the order in which they come. Raises ParameterError for more than any classes are."""
    for place, cell in enumerate(cells.tolist() if isinstance(cells, np.ndarray) else cells):
        codes[place] = order.setdefault(cell, len(order))
    if len(order) > _MOST_LABELS:
        raise ParameterError(
            f"the labels have more than {_MOST_LABELS:,} values: too many for classes.",
            "Choose the column that holds the class of each sample, or predict a number with --task regression.",
        )
