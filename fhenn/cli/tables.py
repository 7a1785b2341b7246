"""Tables in files, by their ending: CSV, NPY, and Parquet with the extra `parquet`."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn import artifacts
from fhenn.errors import ExtraMissing, FeatureMismatch, ParameterError

Column = NDArray[Any]

ENDINGS = (".csv", ".npy", ".parquet")


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length, numbers or text. names: None where the file has none."""

    names: tuple[str, ...] | None
    columns: tuple[Column, ...]

    @property
    def rows(self) -> int:
        """How many."""
        return len(self.columns[0])

    def column(self, name: str) -> Column:
        """The column of a name. Raises ParameterError."""
        if self.names is None:
            raise ParameterError("the table has no names of columns.", "Give it a first line of names.")
        if name not in self.names:
            raise ParameterError(
                f"there is no column {name!r}.", f"Choose one of {', '.join(self.names[:8])}{self._more()}."
            )
        return self.columns[self.names.index(name)]

    def _more(self) -> str:
        return ", …" if len(self.names or ()) > 8 else ""

    def without(self, name: str) -> Table:
        """All columns but one. Raises ParameterError."""
        self.column(name)
        names = self.names or ()
        kept = [place for place, each in enumerate(names) if each != name]
        return Table(tuple(names[place] for place in kept), tuple(self.columns[place] for place in kept))

    def masked(self, rows: Sequence[int]) -> Table:
        """The same with nothing in some rows."""
        columns = [column.astype(object) for column in self.columns]
        for column in columns:
            column[list(rows)] = None
        return Table(self.names, tuple(columns))

    def numbers(self, features: Sequence[str] | None = None) -> NDArray[np.float64]:
        """Samples × features. features: by name and in that order, other columns left out; all columns where None.

        Without names in the table, columns are taken in order. Raises FeatureMismatch, ParameterError for text.
        """
        chosen: Sequence[Column] = self.columns
        names = self.names
        if features is not None and names is not None:
            if not set(features) <= set(names):
                raise FeatureMismatch(names, tuple(features))
            chosen, names = [self.column(name) for name in features], tuple(features)
        for place, column in enumerate(chosen):
            if column.dtype.kind not in "biuf":
                what = repr(names[place]) if names else f"number {place + 1}"
                raise ParameterError(
                    f"column {what} holds text, as {str(_first_text(column))[:40]!r}.",
                    "Drop it, or encode it in numbers.",
                )
        return np.column_stack([column.astype(np.float64) for column in chosen])


def read_table(path: Path) -> Table:
    """The table in a file. Raises ParameterError where it is none, ExtraMissing, OSError."""
    ending = path.suffix.lower()
    if ending == ".csv":
        return _read_csv(path)
    if ending == ".npy":
        return _read_npy(path)
    if ending == ".parquet":
        return _read_parquet(path)
    raise ParameterError(f"{path} is no table.", f"Tables end in {', '.join(ENDINGS)}.")


def write_table(path: Path, table: Table) -> None:
    """Write a table as its ending says. Raises ParameterError, ExtraMissing, OSError."""
    ending = path.suffix.lower()
    if ending == ".csv":
        data = as_csv(table).encode()
    elif ending == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, table.numbers(), allow_pickle=False)
        data = buffer.getvalue()
    elif ending == ".parquet":
        pyarrow, parquet = _pyarrow()
        sink = io.BytesIO()
        columns = [pyarrow.array(column.tolist()) for column in table.columns]
        parquet.write_table(pyarrow.table(columns, names=list(_names(table))), sink)
        data = sink.getvalue()
    else:
        raise ParameterError(f"{path} is no table.", f"Tables end in {', '.join(ENDINGS)}.")
    artifacts.write(path, data)


def as_csv(table: Table) -> str:
    """The table in lines, names first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_names(table))
    writer.writerows(zip(*(column.tolist() for column in table.columns), strict=True))
    return text.getvalue()


def _names(table: Table) -> tuple[str, ...]:
    return table.names or tuple(f"column_{place}" for place in range(len(table.columns)))


def check_ending(path: Path) -> None:
    """Raise ParameterError where no table has such a name: before the work is done."""
    if path.suffix.lower() not in ENDINGS:
        raise ParameterError(f"{path} is no table.", f"Tables end in {', '.join(ENDINGS)}.")


def _read_csv(path: Path) -> Table:
    """Commas, a first line of names where it is not all numbers; empty cells are NaN, text stays text."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (csv.Error, UnicodeDecodeError) as error:
        raise ParameterError(f"{path} is not readable as CSV ({error}).", "Save it as UTF-8 with commas.") from error
    names = None
    if rows and not all(map(_is_number, rows[0])):
        names = tuple(name.strip() for name in rows[0])
        rows = rows[1:]
    if not rows:
        raise ParameterError(f"{path} has no rows.", "Give at least one sample.")
    width = len(names or rows[0])
    for number, row in enumerate(rows, 2 if names else 1):
        if len(row) != width:
            raise ParameterError(f"line {number} of {path} has {len(row)} cells of {width}.", "Mend it.")
    if names and len(set(names)) < width:
        raise ParameterError(f"two columns of {path} have one name.", "Name them apart.")
    return Table(names, tuple(_column(cells) for cells in zip(*rows, strict=True)))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _column(cells: Sequence[str]) -> Column:
    """Whole numbers, numbers with empty cells as NaN, or text."""
    stripped = [cell.strip() for cell in cells]
    try:
        return np.array([int(cell) for cell in stripped], dtype=np.int64)
    except (ValueError, OverflowError):
        pass
    try:
        return np.array([float(cell) if cell else np.nan for cell in stripped])
    except ValueError:
        return np.array(stripped)


def _first_text(column: Column) -> Any:
    return next((value for value in column.tolist() if not isinstance(value, int | float)), column[0])


def _read_npy(path: Path) -> Table:
    try:
        values = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ParameterError(f"{path} is not readable as NPY ({error}).", "Save an array of numbers.") from error
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "biuf" or values.ndim not in (1, 2):
        raise ParameterError(f"{path} holds no samples × features.", "Save an array of numbers with two axes.")
    values = np.atleast_2d(values)
    if 0 in values.shape:
        raise ParameterError(f"{path} has no rows.", "Give at least one sample.")
    return Table(None, tuple(values.T))


def _read_parquet(path: Path) -> Table:
    pyarrow, parquet = _pyarrow()
    try:
        with path.open("rb") as file:
            table = parquet.read_table(pyarrow.BufferReader(file.read()))
    except pyarrow.ArrowException as error:
        reason = str(error).splitlines()[0][:200]
        raise ParameterError(f"{path} is not readable as Parquet ({reason}).", "Save it again.") from error
    if not table.num_rows or not table.num_columns:
        raise ParameterError(f"{path} has no rows.", "Give at least one sample.")
    return Table(tuple(table.column_names), tuple(_of_arrow(column) for column in table.columns))


def _of_arrow(column: Any) -> Column:
    """Numbers with NaN for what is missing, or text."""
    values = column.to_pylist()
    if all(isinstance(value, int | float | None) for value in values):
        if None in values:
            return np.array([np.nan if value is None else float(value) for value in values])
        return np.array(values)
    return np.array(["" if value is None else str(value) for value in values])


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise ExtraMissing("parquet", "pyarrow") from error
    return pyarrow, pyarrow.parquet
