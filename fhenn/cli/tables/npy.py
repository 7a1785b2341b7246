"""Tables in NPY: arrays of numbers, samples × features, or images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO, Literal, cast

import numpy as np
from numpy.lib.format import MAGIC_PREFIX
from numpy.typing import NDArray

from fhenn.cli.tables.table import Table
from fhenn.columns import count_samples
from fhenn.errors import ParameterError

_NPY_FAULTS = (ValueError, EOFError, TypeError, SyntaxError, TokenError, MemoryError, OverflowError, RecursionError)
"""What NumPy's parser of headers raises on crafted ones; it reads them as Python literals."""

_OF_IMAGES = (
    "Save images, whose channels come first, as images.reshape(len(images), -1); where they come last, as "
    "np.moveaxis(images, -1, 1).reshape(len(images), -1)."
)
"""What to do with images for a model of features."""

HEADER = 128
"""Bytes of a header that this module writes: room for every number of rows."""


class NpyChunks:
    """The chunks of an array in an NPY file.

    path: of the file.
    file: the same, open for reading bytes.
    size: of a chunk in bytes of numbers, about.
    image: the shape of a sample that is an image, (channels, height, width), which becomes a row of its numbers in C
    order; None where samples are none.

    Raises ParameterError where the file does not hold samples × features, ShapeMismatch where it holds other samples
    than images of the shape, OSError.
    """

    def __init__(self, path: Path, file: BinaryIO, size: int, image: Sequence[int] | None = None) -> None:
        self._path, self._file = path, file
        values = _mapped(path, file)
        self._order: Literal["C", "F"] = "C" if values.flags.c_contiguous else "F"
        if 0 in values.shape:
            raise ParameterError(f"{path} has no rows.", "Give at least one sample.")
        if image is not None:
            samples = count_samples(values.shape, prod(image), image, str(path))
        elif values.ndim > 2:
            raise _not_of_features(path, _OF_IMAGES)
        else:
            samples = len(values) if values.ndim == 2 else 1
        self._shape = values.shape if len(values) == samples else (1, *values.shape)
        self._dtype, self._offset = values.dtype, values.offset
        self._rows = max(1, size // (self._dtype.itemsize * prod(self._shape[1:])))

    def __iter__(self) -> Iterator[tuple[Table, float]]:
        """Chunks, each with the share of the rows that was read. Raises OSError."""
        rows = self._shape[0]
        for start in range(0, rows, self._rows):
            # mapped anew: pages that were read through one map stay in memory as long as it lives
            values = np.memmap(cast(Any, self._file), self._dtype, "r", self._offset, self._shape, self._order)
            stop = min(start + self._rows, rows)
            columns = np.array(values[start:stop]).reshape(stop - start, -1).T
            yield Table(None, tuple(columns), str(self._path)), stop / rows


def image_shape_in(path: Path) -> tuple[int, ...] | None:
    """The shape of the images in an NPY file, if it holds some: of an array of more than two axes, what is behind the
    first. Raises ParameterError where the file is not readable, OSError.
    """
    with path.open("rb") as file:
        values = _mapped(path, file)
    return values.shape[1:] if values.ndim > 2 else None


def _mapped(path: Path, file: BinaryIO) -> np.memmap[Any, Any]:
    """The array in a file. Raises ParameterError where it is not one of numbers, OSError."""
    fault = ParameterError(f"{path} is not readable as NPY.", "Save an array of numbers as NPY again.")
    if file.read(len(MAGIC_PREFIX)) != MAGIC_PREFIX:  # np.load would take an archive for one too
        raise fault
    try:
        # mapped: a header that claims more than the file holds takes no memory
        with np.errstate(over="ignore"):
            values = np.load(path, mmap_mode="r", allow_pickle=False)
    except _NPY_FAULTS as error:
        raise fault from error
    if not isinstance(values, np.memmap) or values.dtype.kind not in "biuf" or not values.ndim:
        raise _not_of_features(path, "Save an array of numbers with two axes.")
    return values


def _not_of_features(path: Path, remedy: str) -> ParameterError:
    return ParameterError(f"{path} does not hold an array of samples × features.", remedy)


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
