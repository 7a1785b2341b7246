"""Tables read and written, by the ending of their file."""

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
from fhenn.cli.tables.formulas import quoted
from fhenn.cli.tables.parquet import read_parquet, write_parquet
from fhenn.cli.tables.table import Table
from fhenn.errors import ParameterError

_NPY_FAULTS = (ValueError, EOFError, TypeError, SyntaxError, TokenError, MemoryError, OverflowError, RecursionError)
"""What NumPy's parser of headers raises on crafted ones; it reads them as Python literals."""

_ENDINGS = (".csv", ".npy", ".parquet")
_AS_IT_LOOKS = CsvFormat()


def read_table(path: Path, form: CsvFormat = _AS_IT_LOOKS, expected: Sequence[str] | None = ()) -> Table:
    """The table in a file.

    form: how it is written, where it is CSV. expected: names that it is looked up by, if any, by which a first line of
    numbers is known for names.
    Raises ParameterError where it is none, ExtraMissing, OSError.
    """
    check_ending(path)
    ending = path.suffix.lower()
    if ending == ".csv":
        return read_csv(path, form, expected or ())
    return _read_npy(path) if ending == ".npy" else read_parquet(path)


def write_table(path: Path, table: Table) -> None:
    """Write a table as its ending says. Raises ParameterError, ExtraMissing, OSError."""
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
    """The table in lines, names first; text that a spreadsheet would run is quoted, and `read_table` reads it back."""
    text = _Lines()
    writer = csv.writer(text, lineterminator="\r\n")  # a cell with either character of it is in quotation marks
    writer.writerow(map(quoted, _names(table)))
    writer.writerows(map(quoted, row) for row in table.records())
    return "".join(text.lines)


def check_ending(path: Path) -> None:
    """Raise ParameterError where no table has such a name: before the work is done."""
    if path.suffix.lower() not in _ENDINGS:
        raise ParameterError(f"{path} is no table.", f"Tables end in {', '.join(_ENDINGS)}.")


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
        raise ParameterError(f"{path} holds no samples × features.", "Save an array of numbers with two axes.")
    values = np.atleast_2d(values)
    if 0 in values.shape:
        raise ParameterError(f"{path} has no rows.", "Give at least one sample.")
    return Table(None, tuple(np.array(values.T)), str(path))
