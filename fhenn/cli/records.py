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

    def features(
        self, types: Sequence[ColumnType], task: Task, rows: int, read: Share
    ) -> tuple[Data, Preparation | None]:
        """What is learnt from, and what makes the features; None where they are columns as they are.

        types: of the columns.
        task: what the labels are.
        rows: how many there are.
        read: called with the share of the file that was read.

        Raises ParameterError where the labels are no classes or the file has changed, and what the preparation does.
        """
        preparation = None if is_plain(types) else preparation_of(types)
        names = tuple(each.name for each in types if each.kind != "left out")
        width = len(names) if preparation is None else len(preparation.features)
        x, targets = np.empty((rows, width)), np.empty(rows)
        codes, order = np.empty(rows, dtype=np.int32), dict[Any, int]()
        at, arrays = 0, set[np.dtype[Any]]()
        for table, _ in self._chunks(read, said=range(len(types) + 1)):
            end = at + table.rows
            if end > rows:
                break
            x[at:end] = table.numbers(names) if preparation is None else prepared(table, preparation)
            labels = table.column(self.label)
            if isinstance(labels, np.ndarray):
                arrays.add(labels.dtype)
            if task == "regression":
                targets[at:end] = _targets(labels, self.form.decimal)
            else:
                _encode(labels, codes[at:end], order)
            at = end
        if at != rows:
            raise ParameterError(f"{self.path} changed while it was read.", "Train again once nobody writes to it.")
        called = None if preparation is None else preparation.features
        if task == "regression":
            return Data(x, targets, task, np.array([]), None if preparation else names, called), preparation
        found = [*order]
        distinct = np.array(found, dtype=arrays.pop()) if len(arrays) == 1 else as_labels(found)
        everyone = require_classes(distinct[codes])
        classes, y = np.unique(everyone, return_inverse=True)
        return Data(x, y, task, classes, None if preparation else names, called), preparation

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


def _targets(cells: Any, decimal: str) -> Floats:
    if isinstance(cells, np.ndarray):
        return cells.astype(np.float64)
    return numbers(cells, decimal)[0]


def _encode(cells: Any, codes: NDArray[np.int32], order: dict[Any, int]) -> None:
    """Number labels in the order in which they come. Raises ParameterError for more than any classes are."""
    for place, cell in enumerate(cells.tolist() if isinstance(cells, np.ndarray) else cells):
        codes[place] = order.setdefault(cell, len(order))
    if len(order) > _MOST_LABELS:
        raise ParameterError(
            f"the labels have more than {_MOST_LABELS:,} values: too many for classes.",
            "Choose the column that holds the class of each sample, or predict a number with --task regression.",
        )
