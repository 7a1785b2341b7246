"""Plain CSV at the speed of NumPy: lines of as many cells each, in which quotation marks hide nothing."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import cached_property
from typing import overload

import numpy as np
from numpy.typing import NDArray

from fhenn.cli.tables.cells import TextCells, clean
from fhenn.numerals import as_number

_NUMERIC = b"0123456789+-.eE"
_NEWLINE, _ZERO, _NINE = map(ord, "\n09")


class Grid:
    """The cells of a block of lines.

    data: the lines, each ended by a newline.
    ends: where each cell ends in it, (rows, columns).
    delimiter: between cells, one byte.
    decimal: as for `CsvFormat`.
    """

    def __init__(self, data: bytes, ends: NDArray[np.int64], delimiter: bytes, decimal: str) -> None:
        self._data, self._ends, self._delimiter, self._decimal = data, ends, delimiter, decimal

    @classmethod
    def of(cls, data: bytes, columns: int, delimiter: str, decimal: str) -> Grid | None:
        """The grid in lines of CSV, None where they have to be read with more care.

        data: whole lines.
        columns: cells that each of them should have.
        delimiter: between cells.
        decimal: as for `CsvFormat`.
        """
        mark = delimiter.encode()
        if len(mark) != 1 or mark in _NUMERIC or delimiter in (decimal, '"'):
            return None
        plain = _plain(data, mark)
        if plain is None:
            return None
        ends = _ends(plain, mark)
        if len(ends) % columns:
            return None
        grid = cls(plain, ends.reshape(-1, columns), mark, decimal)
        return grid if grid._is_sound() else None

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self._ends)

    def columns(self) -> tuple[GridCells, ...]:
        """The cells of each column."""
        return tuple(GridCells(self, place) for place in range(self._ends.shape[1]))

    def floats(self, place: int) -> NDArray[np.float64] | None:
        """A column as numbers; None where one of its cells may not be a number."""
        return self._numbers.get(place)

    def has_codes(self, place: int) -> bool:
        """Whether a cell of a column may be digits with leading zeros."""
        return place in self._zeros

    def cell(self, row: int, place: int) -> str:
        """The text of a cell."""
        before = self._ends[row, place - 1] if place else self._ends[row - 1, -1] if row else -1
        return clean(self._data[before + 1 : self._ends[row, place]].decode())

    def texts(self, place: int) -> list[str]:
        """The texts of a column."""
        ends = self._ends[:, place].tolist()
        before = self._ends[:, place - 1].tolist() if place else [-1, *self._ends[:-1, -1].tolist()]
        cells = [self._data[start + 1 : end] for start, end in zip(before, ends, strict=True)]
        return [clean(cell.decode()) for cell in cells]

    def _is_sound(self) -> bool:
        """Whether the cells are those that `csv` reads: of lines of the same width, none of them empty, in UTF-8."""
        newlines = _codes(self._data)[self._ends] == _NEWLINE
        if not newlines[:, -1].all() or newlines[:, :-1].any():
            return False
        longest = np.diff(self._ends[:, -1], prepend=-1).max()
        # a row with a number is not empty
        return (
            bool(longest <= csv.field_size_limit())
            and bool(self._numbers or self._has_solid_rows())
            and self._is_utf8()
        )

    def _is_utf8(self) -> bool:
        try:
            return self._data.isascii() or bool(self._data.decode())
        except UnicodeDecodeError:
            return False

    def _has_solid_rows(self) -> bool:
        """Whether every row holds a visible character of ASCII besides its delimiters."""
        codes = np.arange(256)
        solid = (codes > ord(" ")) & (codes < 0x7F) & (codes != ord(self._delimiter))
        places = np.flatnonzero(solid[_codes(self._data)])
        found = np.searchsorted(places, self._ends[:, -1])
        return bool(np.diff(found, prepend=0).all())

    @cached_property
    def _numbers(self) -> dict[int, NDArray[np.float64]]:
        """The columns that hold nothing but numbers, by their places."""
        places = [place for place in self._numeric_columns() if self._starts_as_numbers(place)]
        if not places:
            return {}
        text = self._data.decode("utf-8", "replace")
        if self._decimal != ".":
            text = text.replace(self._decimal, ".")
        try:
            values = np.loadtxt(
                text[:-1].split("\n"), delimiter=self._delimiter.decode(), comments=None, usecols=places, ndmin=2
            )
        except ValueError:  # some cell is not a number, as 1-2: whoever wants its column finds it
            return {}
        return dict(zip(places, values.T, strict=True))

    @cached_property
    def _zeros(self) -> frozenset[int]:
        """Places of the columns in which a cell begins with a zero and a digit."""
        codes = _codes(self._data)
        zeros = np.flatnonzero((codes[:-1] == _ZERO) & (codes[1:] >= _ZERO) & (codes[1:] <= _NINE))
        before = np.where(zeros > 0, codes[zeros - 1], _NEWLINE)
        begins = (before == _NEWLINE) | (before == ord(self._delimiter)) | (before == ord(" "))
        return frozenset((np.searchsorted(self._ends.ravel(), zeros[begins]) % self._ends.shape[1]).tolist())

    def _numeric_columns(self) -> list[int]:
        """Places of the columns that hold no empty cell and nothing but what numbers are written with."""
        numeric = _NUMERIC.replace(b".", self._decimal.encode())
        if self._delimiter != b" ":
            numeric += b" "
        every = range(self._ends.shape[1])
        strange: set[int] = set()
        if self._data.translate(None, numeric + self._delimiter + b"\n"):
            usual = np.zeros(256, dtype=bool)
            usual[[*numeric, *self._delimiter, _NEWLINE]] = True
            at = np.flatnonzero(~usual[_codes(self._data)])
            strange = {*np.unique(np.searchsorted(self._ends.ravel(), at) % len(every)).tolist()}
        lengths = np.diff(self._ends.ravel(), prepend=-1).reshape(self._ends.shape) - 1
        empty = {*np.flatnonzero((lengths == 0).any(axis=0)).tolist()}
        return [place for place in every if place not in strange | empty]

    def _starts_as_numbers(self, place: int) -> bool:
        """Whether the first cell of a column is a number, where a column of dates has none."""
        return as_number(self.cell(0, place), self._decimal) is not None


def _plain(data: bytes, delimiter: bytes) -> bytes | None:
    """Lines that end in newlines alone, without quotation marks; None where these hide something."""
    data = data.replace(b"\r\n", b"\n")
    if not data.endswith(b"\n"):
        data += b"\n"
    if b"\r" in data or (b'"' in data and not _quotes_whole_cells(data, delimiter)):
        return None
    return data.replace(b'"', b"")


def _codes(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, dtype=np.uint8)


def _ends(data: bytes, delimiter: bytes) -> NDArray[np.int64]:
    """Places of delimiters and newlines."""
    codes = _codes(data)
    return np.flatnonzero((codes == ord(delimiter)) | (codes == _NEWLINE))


def _quotes_whole_cells(data: bytes, delimiter: bytes) -> bool:
    """Whether every quotation mark is the first or the last character of a cell that has two, and hides nothing."""
    codes, ends = _codes(data), _ends(data, delimiter)
    places = np.flatnonzero(codes == ord('"'))
    if len(places) % 2:
        return False
    first, last = places[::2], places[1::2]
    cell = np.searchsorted(ends, first)
    starts = np.concatenate([[0], ends[:-1] + 1])
    return bool((starts[cell] == first).all() and (ends[cell] == last + 1).all())


class GridCells(TextCells):
    """A column of a `Grid`.

    grid: that it belongs to.
    place: of the column.
    """

    def __init__(self, grid: Grid, place: int) -> None:
        self._grid, self._place = grid, place

    def __len__(self) -> int:
        return self._grid.rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    @overload
    def __getitem__(self, row: int) -> str: ...

    @overload
    def __getitem__(self, row: slice) -> list[str]: ...

    def __getitem__(self, row: int | slice) -> str | list[str]:
        return self._texts[row] if isinstance(row, slice) else self._grid.cell(range(len(self))[row], self._place)

    @property
    def floats(self) -> NDArray[np.float64] | None:
        """The numbers that the cells hold; None where one of them may not be a number."""
        return self._grid.floats(self._place)

    @property
    def has_codes(self) -> bool:
        """Whether a cell may be digits with leading zeros, which as numbers are lost."""
        return self._grid.has_codes(self._place)

    @cached_property
    def _texts(self) -> list[str]:
        return self._grid.texts(self._place)
