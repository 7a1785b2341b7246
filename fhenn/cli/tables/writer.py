"""Tables that are written in chunks, and have their names when they are whole."""

from __future__ import annotations

import csv
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np

from fhenn import artifacts
from fhenn.artifacts.unfinished import give_name, naming_file, open_unfinished, unfinished
from fhenn.cli.tables.cells import Cells
from fhenn.cli.tables.formulas import quote
from fhenn.cli.tables.npy import HEADER, npy_body, npy_header
from fhenn.cli.tables.parquet import ParquetRows
from fhenn.cli.tables.table import Table
from fhenn.errors import ParameterError

_AFRESH = "Write the table from its beginning."


class TableWriter(ABC):
    """A table that is written in chunks, to a hidden file beside it, which gets its name when it is whole.

    Use it in a `with`, and end with `finish`: what is left unfinished is removed, unless it is to be kept.

    path: of the table.
    good: bytes of the unfinished file that are right: it is cut off there, and goes on; 0 to write the table afresh.
    keep: whether an unfinished file stays for a later writer; then every chunk is on the disk when `append` returns.

    Raises ParameterError where there is no such unfinished file, where another process writes to it, and where a fhenn
    file would be lost; OSError.
    """

    def __init__(self, path: Path, good: int = 0, keep: bool = False) -> None:
        self.path, self.good, self._keep = path, good, keep
        artifacts.require_place(path)
        with naming_file(path):
            self._file = open_unfinished(path, good)
        self._layout: tuple[str, ...] | None = None
        try:
            if good:
                self._go_on()
        except BaseException:
            self._file.close()
            raise

    def append(self, table: Table) -> int:
        """Write more rows.

        table: the rows, with the columns of those before.

        Returns how many bytes are right now, for a later writer to go on from.
        Raises ParameterError for other columns, or for cells that such a file cannot hold; OSError.
        """
        with naming_file(self.path):
            self._file.seek(self.good)
            names = column_names(table)
            if self._layout is None:
                self._begin(table)
                self._layout = names
            elif names != self._layout:
                raise ParameterError(f"a chunk for {self.path} has other columns than those before it.", _AFRESH)
            self._write(table)
            self._flush(self._keep)
            self.good = self._file.tell()
        return self.good

    def finish(self) -> None:
        """End the file, let it reach the disk, and give it its name. Raises ParameterError for no rows, OSError."""
        if not self.good:
            raise ParameterError(f"{self.path} would have no rows.", "Append a table first.")
        with naming_file(self.path):
            self._file.seek(self.good)
            self._file.truncate()
            self._end()
            give_name(self.path, self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file.closed:
            return
        if not self._keep:
            with suppress(OSError):
                unfinished(self.path).unlink()
        with suppress(OSError):  # what could not be written, as on a full disk
            self._file.close()

    def _flush(self, to_disk: bool) -> None:
        self._file.flush()
        if to_disk:
            os.fsync(self._file.fileno())

    @abstractmethod
    def _begin(self, table: Table) -> None:
        """Write what comes before the rows, or check that the file began so. Raises ParameterError."""

    @abstractmethod
    def _write(self, table: Table) -> None:
        """Write the rows."""

    @abstractmethod
    def _end(self) -> None:
        """Write what ends the file, or was not known before."""

    @abstractmethod
    def _go_on(self) -> None:
        """Check that what is there is the beginning of such a file. Raises ParameterError."""

    def _strange(self) -> ParameterError:
        return ParameterError(f"what is unfinished of {self.path} is not the beginning of such a table.", _AFRESH)


class CsvWriter(TableWriter):
    """A table that is written in CSV."""

    def _begin(self, table: Table) -> None:
        line = _csv([[name] for name in column_names(table)]).encode()
        if not self.good:
            self._file.write(line)
            return
        self._file.seek(0)
        if self._file.read(len(line)) != line:
            raise self._strange()
        self._file.seek(self.good)

    def _write(self, table: Table) -> None:
        self._file.write(_csv(table.columns).encode())

    def _end(self) -> None:
        pass

    def _go_on(self) -> None:
        self._file.seek(self.good - 1)
        if self._file.read(1) != b"\n":
            raise self._strange()


class NpyWriter(TableWriter):
    """A table that is written in NPY; until it is finished, its header tells of no rows."""

    _columns = 0

    def _begin(self, table: Table) -> None:
        columns = len(table.columns)
        if not self.good:
            self._columns = columns
            self._file.write(npy_header(0, columns))
        elif columns != self._columns:
            raise self._strange()

    def _write(self, table: Table) -> None:
        self._file.write(npy_body(table))

    def _end(self) -> None:
        self._file.seek(0)
        self._file.write(npy_header((self.good - HEADER) // (8 * self._columns), self._columns))

    def _go_on(self) -> None:
        self._file.seek(0)
        header = self._file.read(HEADER)
        found = re.search(rb"\(0, (\d{1,9})\)", header)
        self._columns = int(found[1]) if found else 0
        if not self._columns or header != npy_header(0, self._columns) or (self.good - HEADER) % (8 * self._columns):
            raise self._strange()


class ParquetWriter(TableWriter):
    """A table that is written in Parquet, each chunk a group of rows. It cannot go on where another writer stopped."""

    def __init__(self, path: Path, good: int = 0, keep: bool = False) -> None:
        if good:
            raise ParameterError(
                f"{path} cannot be continued: Parquet is readable only when it is whole.",
                "Write the table from its beginning, or as CSV or NPY.",
            )
        self._rows = ParquetRows()
        super().__init__(path)

    def __exit__(self, *error: object) -> None:
        if not self._file.closed:
            with suppress(OSError):  # or Arrow does, on a file that is closed
                self._rows.finish()
        super().__exit__(*error)

    def _begin(self, table: Table) -> None:
        pass

    def _write(self, table: Table) -> None:
        self._rows.append(self._file, column_names(table), table.columns)

    def _end(self) -> None:
        self._rows.finish()

    def _go_on(self) -> None:
        raise NotImplementedError  # refused above


def as_csv(table: Table) -> str:
    """The table as CSV, names first. Text that a spreadsheet would run is quoted; `read_table` reads it back."""
    return _csv([[name] for name in column_names(table)]) + _csv(table.columns)


def column_names(table: Table) -> tuple[str, ...]:
    """What the columns are called in a file that names them."""
    return table.names or tuple(f"column_{place}" for place in range(len(table.columns)))


def _csv(columns: Sequence[Cells]) -> str:
    """Rows of CSV."""
    text = _Lines()
    writer = csv.writer(text, lineterminator="\r\n")  # a cell with either character of it is in quotation marks
    writer.writerows(zip(*map(_quoted, columns), strict=True))
    return "".join(text.lines)


def _quoted(column: Cells) -> Sequence[Any]:
    if isinstance(column, np.ndarray):
        cells: list[Any] = column.tolist()
        return cells if column.dtype.kind in "biuf" else [*map(quote, cells)]
    return [*map(quote, column)]


class _Lines:
    """Lines of `csv.writer`, each ended as text is."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: str) -> int:
        self.lines.append(line.removesuffix("\r\n") + "\n")
        return len(line)
