"""Tables in Parquet, with the extra `parquet`."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np

from fhenn.cli.tables.cells import Cells
from fhenn.cli.tables.table import Table
from fhenn.columns import index_columns
from fhenn.errors import ExtraMissing, ParameterError

_UNNAMED = re.compile(r"Unnamed: \d+|")
"""The name that pandas gives a column of CSV without a name; it was an index."""


def read_parquet(path: Path) -> Table:
    """The table in a Parquet file; an index of pandas does not count as data.

    path: of the file.

    Raises ParameterError where the file does not hold a table; ExtraMissing, OSError.
    """
    pyarrow, parquet = _pyarrow()
    try:
        with path.open("rb") as file:
            # no threads: Arrow's, still about at the interpreter's end, can abort it
            source = pyarrow.BufferReader(file.read())
            table = parquet.ParquetFile(source, pre_buffer=False).read(use_threads=False)
    except pyarrow.ArrowException as error:
        reason = str(error).splitlines()[0][:200]
        raise ParameterError(f"{path} is not readable as Parquet ({reason}).", "Save it again.") from error
    if not table.num_rows or not table.num_columns:
        raise ParameterError(f"{path} has no rows.", "Give at least one sample.")
    index = index_columns(table.column_names, table.schema.metadata)
    aside = [place for place, name in enumerate(table.column_names) if name in index or _UNNAMED.fullmatch(name)]
    names = tuple(normalize("NFC", name) for name in table.column_names)
    return Table(names, tuple(map(_cells, table.columns)), str(path), aside=frozenset(aside))


def write_parquet(names: Sequence[str], columns: Sequence[Cells]) -> bytes:
    """The bytes of a Parquet file.

    names: of the columns.
    columns: the cells of each.

    Raises ExtraMissing.
    """
    pyarrow, parquet = _pyarrow()
    sink = io.BytesIO()
    arrays = [pyarrow.array(np.asarray(column).tolist()) for column in columns]
    parquet.write_table(pyarrow.table(arrays, names=list(names)), sink)
    return sink.getvalue()


def _cells(column: Any) -> Cells:
    """An array of numbers where nothing is missing, else Python's values with None for what is."""
    kind = str(column.type)
    if not column.null_count and re.fullmatch(r"u?int\d+|halffloat|float|double|bool", kind):
        return np.asarray(column.to_numpy())
    return list(column.to_pylist())


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise ExtraMissing("parquet", "pyarrow") from error
    return pyarrow, pyarrow.parquet
