"""Tables in files, whose kind is told by their ending."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.lib.format import MAGIC_PREFIX

from fhenn import artifacts
from fhenn.cli.tables.delimited import CsvFormat, read_csv
from fhenn.cli.tables.formulas import quote
from fhenn.cli.tables.parquet import read_parquet, write_parquet
from fhenn.cli.tables.table import Table
from fhenn.errors import ParameterError

_NPY_FAULTS = (ValueError, EOFError, TypeError, SyntaxError, TokenError, MemoryError, OverflowError, RecursionError)
"""What NumPy's parser of headers raises on crafted ones; it reads them as Python literals."""

_ENDINGS = (".csv", ".npy", ".parquet")
_AS_IT_LOOKS = CsvFormat()


def read_table(path: Path, form: CsvFormat = _AS_IT_LOOKS, expected: Sequence[str] | None = ()) -> Table:
    """The table in a file.

    path: ends in .csv, .npy or .parquet.
    form: how the file is written, where it is CSV.
    expected: names of columns that are wanted, if any; a first line of numbers is recognised as names by them.

    Raises ParameterError for another ending, and where the file does not hold a table; ExtraMissing, OSError.
    """
    check_ending(path)
    ending = path.suffix.lower()
    if ending == ".csv":
        return read_csv(path, form, expected or ())
    return _read_npy(path) if ending == ".npy" else read_parquet(path)


def write_table(path: Path, table: Table) -> None:
    """Write a table.

    path: ends in .csv, .npy or .parquet.
    table: of numbers only, where it is NPY.

    Raises ParameterError for another ending; ExtraMissing, OSError.
    """
    check_ending(path)
    ending = path.suffix.lower()
    if ending == ".csv":
        data = as_csv(table).encode()
    elif ending == ".npy":
        buffer = io.BytesIO()
        values = np.column_stack([np.asarray(column, dtype=np.float64) for column in table.columns])
        np.save(buffer, values, allow_pickle=False)
        data = buffer.getvalue()
    else:
        data = write_parquet(_names(table), table.columns)
    artifacts.write(path, data)


def as_csv(table: Table) -> str:
    """The table as CSV, names first. Text that a spreadsheet would run is quoted; `read_table` reads it back."""
    text = _Lines()
    writer = csv.writer(text, lineterminator="\r\n")  # a cell with either character of it is in quotation marks
    writer.writerow(map(quote, _names(table)))
    writer.writerows(map(quote, row) for row in table.records())
    return "".join(text.lines)


def check_ending(path: Path) -> None:
    """Raise ParameterError where a file name does not end as a table's does; to be called before any work is done."""
    if path.suffix.lower() not in _ENDINGS:
        raise ParameterError(
            f"{path} does not have the ending of a table.", f"Give a name that ends in {', '.join(_ENDINGS)}."
        )


class _Lines:
    """Lines of `csv.writer`, each ended as text is."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: str) -> int:
        self.lines.append(line.removesuffix("\r\n") + "\n")
        return len(line)


def _names(table: Table) -> tuple[str, ...]:
    return table.names or tuple(f"column_{place}" for place in range(len(table.columns)))


def _read_npy(path: Path) -> Table:
    fault = ParameterError(f"{path} is not readable as NPY.", "Save an array of numbers as NPY again.")
    with path.open("rb") as file:
        if file.read(len(MAGIC_PREFIX)) != MAGIC_PREFIX:  # np.load would take an archive for one too
            raise fault
    try:
        # mapped: a header that claims more than the file holds takes no memory
        with np.errstate(over="ignore"):
            values = np.load(path, mmap_mode="r", allow_pickle=False)
    except _NPY_FAULTS as error:
        raise fault from error
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "biuf" or values.ndim not in (1, 2):
        raise ParameterError(
            f"{path} does not hold an array of samples × features.", "Save an array of numbers with two axes."
        )
    values = np.atleast_2d(values)
    if 0 in values.shape:
        raise ParameterError(f"{path} has no rows.", "Give at least one sample.")
    return Table(None, tuple(np.array(values.T)), str(path))
