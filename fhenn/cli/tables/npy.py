"""Tables in NPY: arrays of numbers, samples × features."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO, Literal, cast

import numpy as np
from numpy.lib.format import MAGIC_PREFIX
from numpy.typing import NDArray

from fhenn.cli.tables.table import Table
from fhenn.errors import ParameterError

_NPY_FAULTS = (ValueError, EOFError, TypeError, SyntaxError, TokenError, MemoryError, OverflowError, RecursionError)
"""What NumPy's parser of headers raises on crafted ones; it reads them as Python literals."""

HEADER = 128
"""Bytes of a header that this module writes: room for every number of rows."""


class NpyChunks:
    """The chunks of an array in an NPY file.

    path: of the file.
    file: the same, open for reading bytes.
    size: of a chunk in bytes of numbers, about.

    Raises ParameterError where the file does not hold samples × features, OSError.
    """

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self._path, self._file = path, file
        values = _mapped(path, file)
        self._order: Literal["C", "F"] = "C" if values.flags.c_contiguous else "F"
        self._shape = values.shape if values.ndim == 2 else (1, *values.shape)
        if 0 in self._shape:
            raise ParameterError(f"{path} has no rows.", "Give at least one sample.")
        self._dtype, self._offset = values.dtype, values.offset
        self._rows = max(1, size // (self._dtype.itemsize * self._shape[1]))

    def __iter__(self) -> Iterator[tuple[Table, float]]:
        """Chunks, each with the share of the rows that was read. Raises OSError."""
        rows = self._shape[0]
        for start in range(0, rows, self._rows):
            # mapped anew: pages that were read through one map stay in memory as long as it lives
            values = np.memmap(cast(Any, self._file), self._dtype, "r", self._offset, self._shape, self._order)
            stop = min(start + self._rows, rows)
            yield Table(None, tuple(np.array(values[start:stop].T)), str(self._path)), stop / rows


def _mapped(path: Path, file: BinaryIO) -> np.memmap[Any, Any]:
    """The array in a file. Raises ParameterError where it is not one of samples × features, OSError."""
    fault = ParameterError(f"{path} is not readable as NPY.", "Save an array of numbers as NPY again.")
    if file.read(len(MAGIC_PREFIX)) != MAGIC_PREFIX:  # np.load would take an archive for one too
        raise fault
    try:
        # mapped: a header that claims more than the file holds takes no memory
        with np.errstate(over="ignore"):
            values = np.load(path, mmap_mode="r", allow_pickle=False)
    except _NPY_FAULTS as error:
        raise fault from error
    if not isinstance(values, np.memmap) or values.dtype.kind not in "biuf" or values.ndim not in (1, 2):
        remedy = "Save an array of numbers with two axes."
        if values.ndim > 2:
            remedy = (
                "Save images, whose channels come first, as images.reshape(len(images), -1); where they come last, as "
                "np.moveaxis(images, -1, 1).reshape(len(images), -1)."
            )
        raise ParameterError(f"{path} does not hold an array of samples × features.", remedy)
    return values


def npy_header(rows: int, columns: int) -> bytes:
    """The header of an array of float64 with so many rows; as long for any number of them."""
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({rows}, {columns}), }}"
    length = HEADER - len(MAGIC_PREFIX) - 4
    return MAGIC_PREFIX + b"\x01\x00" + length.to_bytes(2, "little") + text.ljust(length - 1).encode() + b"\n"


def npy_body(table: Table) -> bytes:
    """The numbers of a table, row by row. Raises ParameterError where a column holds something else."""
    columns: list[NDArray[np.float64]] = []
    for place, column in enumerate(table.columns):
        try:
            columns.append(np.ma.filled(np.ma.asarray(column, dtype="<f8"), np.nan))
        except (ValueError, TypeError) as error:
            name = repr(table.names[place]) if table.names else place + 1
            raise ParameterError(
                f"column {name} holds something else than numbers.", "Write the table as CSV or Parquet."
            ) from error
    return np.column_stack(columns).astype("<f8", copy=False).tobytes()
