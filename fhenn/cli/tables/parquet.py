"""Tables in Parquet, with the extra `parquet`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO
from unicodedata import normalize

import numpy as np

from fhenn.cli.tables.cells import Cells
from fhenn.cli.tables.table import Table
from fhenn.columns import index_columns
from fhenn.errors import ExtraMissing, ParameterError
from fhenn.text import first_line

_UNNAMED = re.compile(r"Unnamed: \d+|")
"""The name that pandas gives a column of CSV without a name; it was an index."""

_BUFFER = 1 << 16
"""Bytes of a column that are read at once, so that memory does not grow with the row groups."""


class ParquetChunks:
    """The chunks of a table in a Parquet file; an index of pandas does not count as data.

    path: of the file.
    file: the same, open for reading bytes.
    size: of a chunk in bytes of numbers, about.

    Raises ParameterError where the file does not hold a table; ExtraMissing, OSError.
    """

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self._path = path
        self._pyarrow, parquet = _pyarrow()
        try:
            # no threads: Arrow's, still about at the interpreter's end, can abort it
            self._file = parquet.ParquetFile(
                self._pyarrow.PythonFile(file, mode="r"), pre_buffer=False, buffer_size=_BUFFER
            )
        except self._pyarrow.ArrowException as error:
            raise self._unreadable(error) from error
        schema, self._total = self._file.schema_arrow, self._file.metadata.num_rows
        if not self._total or not schema.names:
            raise ParameterError(f"{path} has no rows.", "Give at least one sample.")
        index = index_columns(schema.names, schema.metadata)
        self._aside = frozenset(
            place for place, name in enumerate(schema.names) if name in index or _UNNAMED.fullmatch(name)
        )
        self.names = tuple(normalize("NFC", name) for name in schema.names)
        self._rows = max(1, size // (8 * len(self.names)))

    def __iter__(self) -> Iterator[tuple[Table, float]]:
        """Chunks, each with the share of the rows that was read. Raises ParameterError, OSError."""
        done = 0
        batches = self._file.iter_batches(self._rows, use_threads=False)
        while True:
            try:
                batch = next(batches, None)
            except self._pyarrow.ArrowException as error:
                raise self._unreadable(error) from error
            if batch is None:
                return
            done += batch.num_rows
            columns = tuple(map(_cells, batch.columns))
            yield Table(self.names, columns, str(self._path), aside=self._aside), done / self._total

    def _unreadable(self, error: Exception) -> ParameterError:
        reason = first_line(error)[:200]
        return ParameterError(f"{self._path} is not readable as Parquet ({reason}).", "Save it again.")


class ParquetRows:
    """A Parquet file that is written in chunks, each a group of rows. Raises ExtraMissing."""

    def __init__(self) -> None:
        self._pyarrow, self._parquet = _pyarrow()
        self._writer: Any = None
        self._schema: Any = None

    def append(self, file: BinaryIO, names: Sequence[str], columns: Sequence[Cells]) -> None:
        """Write a group of rows.

        file: open for writing bytes; the same each time.
        names: of the columns.
        columns: the cells of each, of the types that they had in the first group.

        Raises ParameterError where the cells are of another type, OSError.
        """
        try:
            if self._schema is None:
                arrays = [self._pyarrow.array(_values(column), type=self._type(column)) for column in columns]
                self._schema = self._pyarrow.table(arrays, names=list(names)).schema
                self._writer = self._parquet.ParquetWriter(file, self._schema)
            else:
                arrays = [
                    self._pyarrow.array(_values(column), type=kind)
                    for column, kind in zip(columns, self._schema.types, strict=True)
                ]
            self._writer.write_table(self._pyarrow.table(arrays, schema=self._schema))
        except self._pyarrow.ArrowException as error:
            reason = first_line(error)[:200]
            raise ParameterError(
                f"a column cannot be written as Parquet ({reason}).", "Write the table as CSV."
            ) from error

    def finish(self) -> None:
        """Write what ends the file. Raises OSError."""
        if self._writer is not None:
            self._writer.close()

    def _type(self, column: Cells) -> Any:
        """The type of a column, also where nothing is in its cells; None to find it by the cells."""
        if not isinstance(column, np.ndarray):
            return self._pyarrow.string() if all(cell is None or isinstance(cell, str) for cell in column) else None
        kind = column.dtype.kind
        types = {"b": "bool_", "i": "int64", "u": "uint64", "f": "float64", "U": "string"}
        return getattr(self._pyarrow, types[kind])() if kind in types else None


def _values(column: Cells) -> list[Any]:
    return column.tolist() if isinstance(column, np.ndarray) else list(column)


def _cells(column: Any) -> Cells:
    """An array of numbers where nothing is missing, else Python's values with None for what is."""
    kind = str(column.type)
    if not column.null_count and re.fullmatch(r"u?int\d+|halffloat|float|double|bool", kind):
        return np.asarray(column.to_numpy(zero_copy_only=False))
    return list(column.to_pylist())


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise ExtraMissing("parquet", "pyarrow") from error
    return pyarrow, pyarrow.parquet
