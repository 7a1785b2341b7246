"""Tables in CSV: how the text is split into lines, names and cells."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import BinaryIO
from unicodedata import normalize

from fhenn.cli.tables.blocks import Blocks
from fhenn.cli.tables.cells import Cells, clean
from fhenn.cli.tables.grid import Grid
from fhenn.cli.tables.header import is_header
from fhenn.cli.tables.table import Table
from fhenn.errors import ParameterError
from fhenn.numerals import has_decimal_comma

Line = tuple[int, list[str]]
"""Where a row starts, counted from 1 as an editor does, and its cells."""

_SEPARATOR_LINE = re.compile(r'"?sep=([^\r\n])"?[,;\t]*(?:\r\n|\r|\n)', re.IGNORECASE)
_OTHER_DELIMITERS = {";": "';'", "\t": "tab", "|": "'|'", " ": "space"}
_SAMPLE = 20
_START = 1 << 18
_ROWS_LOOKED_AT = 100
_MOST_CELLS = 1 << 19
"""Cells of a chunk: 4 MB of numbers."""
_BYTE_ORDER_MARK = "\ufeff"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_UNNAMED = re.compile(r"|Unnamed: \d+")
"""Names of columns without a name; the second form is that of pandas."""
_NO_ROWS = "Give at least one sample."
_SAVE_AS_UTF8 = "Save it as UTF-8 (in Excel: CSV UTF-8)."


@dataclass(frozen=True)
class CsvFormat:
    """How a CSV file is written.

    delimiter: between cells; None for a comma, or for what a first line `sep=…` says.
    decimal: before the fraction of a number, "." or ",".
    header: whether the first line names the columns; None to decide by the line itself.
    """

    delimiter: str | None = None
    decimal: str = "."
    header: bool | None = None


@dataclass(frozen=True)
class _Look:
    """What the beginning of a file says of the rest.

    before: the bytes before the rows: a byte order mark, a line `sep=…`.
    lines: how many lines these are.
    delimiter: between cells.
    names: that the first row gives to the columns, None where it is a sample.
    columns: how many cells of a row may be used.
    needed: how many cells each row must have.
    single: whether there is one column, in which a blank line is an empty cell.
    """

    before: int
    lines: int
    delimiter: str
    names: tuple[str, ...] | None
    columns: int
    needed: int
    single: bool


class CsvChunks:
    """The chunks of a table in a CSV file, whose cells stay text.

    The beginning of the file decides what it is like.

    path: of the file.
    file: the same, open for reading bytes.
    form: how the file is written.
    expected: names of columns that are wanted; a first line of numbers is recognised as names by them.
    size: of a chunk in bytes of text, about.

    Raises ParameterError where the file does not hold a table, OSError.
    """

    def __init__(self, path: Path, file: BinaryIO, form: CsvFormat, expected: Sequence[str], size: int) -> None:
        self._path, self._form, self._size = path, form, size
        self._blocks = Blocks(file)
        self._total = os.fstat(file.fileno()).st_size
        self._look = look = self._look_at_beginning(expected)
        self.names = look.names
        names = look.names or ()
        self._aside = frozenset(place for place, name in enumerate(names) if _UNNAMED.fullmatch(name))
        self._blocks.skip(look.before)
        self._line = 1 + look.lines
        """On which the next row starts."""
        self._needed = look.needed
        self._short: dict[int, int] = {}
        """Of each number of cells that is less than there are columns, the first line that has so many."""
        self._has_begun = False
        self._empty: list[tuple[range, int]] = []
        """Lines of empty rows, and of how many cells: they count if one follows that is not empty."""

    def __iter__(self) -> Iterator[tuple[Table, float]]:
        """Chunks, each with the share of the file that was read. Raises ParameterError, OSError."""
        while block := self._blocks.take(self._size if self._has_begun else min(self._size, _START)):
            grid = self._grid(block)
            if grid is None:
                yield from self._tables(self._kept(self._rows(block)))
            else:
                yield from self._tables(self._inner_empty())
                lines = range(self._line, self._line + grid.rows)
                self._line += grid.rows
                yield self._table(grid.columns(), lines), self._share

    @property
    def _share(self) -> float:
        return min(self._blocks.taken / self._total, 1.0) if self._total else 1.0

    def _look_at_beginning(self, expected: Sequence[str]) -> _Look:
        """Read as much as shows what the file is like. Raises ParameterError, OSError."""
        size = _START
        while True:
            data, is_all = self._blocks.peek(size)
            look = _look(self._path, data, is_all, self._form, expected)
            if look is not None:
                return look
            size = 2 * len(data)

    def _grid(self, block: bytes) -> Grid | None:
        """The grid in a block, None where its rows have to be split and counted one by one."""
        if not self._has_begun or self._needed < self._look.columns:
            return None
        return Grid.of(block, self._look.columns, self._look.delimiter, self._form.decimal)

    def _rows(self, block: bytes) -> Iterator[Line]:
        """The rows that start in a block: the last may end in the next one. Raises ParameterError, OSError."""
        lines = self._lines_of(block)
        own, first = len(lines), self._line

        def feed() -> Iterator[str]:
            for place in count():
                if place == len(lines):
                    lines.extend(self._lines_of(self._blocks.take(self._size)))
                if place == len(lines):
                    return
                yield lines[place]

        reader = csv.reader(feed(), delimiter=self._look.delimiter, strict=True)
        try:
            while reader.line_num < own:
                start, cells = self._line, next(reader)
                self._line = first + reader.line_num
                yield start, [*map(clean, cells)]
        except csv.Error as error:
            raise _unreadable(self._path, error, self._line) from error
        self._blocks.put_back("".join(lines[reader.line_num :]).encode())

    def _lines_of(self, block: bytes) -> list[str]:
        """The lines of the block that was taken last, as `csv.reader` counts them. Raises ParameterError."""
        before = self._blocks.newlines - block.count(b"\n")
        return [*io.StringIO(_decode(self._path, block, before), newline="")]

    def _kept(self, rows: Iterable[Line]) -> Iterator[Line]:
        """The rows with data: without the names, blank lines, and empty rows at either end of the table."""
        for line, cells in rows:
            if any(cells):
                if not self._has_begun:
                    self._has_begun = True
                    if self.names is not None:
                        continue
                yield from self._inner_empty()
                yield line, cells
            elif self._has_begun and (cells or self._look.single):
                self._remember_empty(line, len(cells) or 1)

    def _remember_empty(self, line: int, cells: int) -> None:
        if self._empty:
            lines, width = self._empty[-1]
            if width == cells and lines.stop == line:
                self._empty[-1] = range(lines.start, line + 1), cells
                return
        self._empty.append((range(line, line + 1), cells))

    def _inner_empty(self) -> Iterator[Line]:
        """The empty rows since the last one that was not."""
        runs, self._empty = self._empty, []
        for lines, cells in runs:
            for line in lines:
                yield line, [""] * cells

    def _tables(self, rows: Iterator[Line]) -> Iterator[tuple[Table, float]]:
        most = max(1, _MOST_CELLS // self._look.columns)
        while some := list(islice(rows, most)):
            columns = tuple(zip(*self._rectangle(some), strict=True))
            yield self._table(columns, [line for line, _ in some]), self._share

    def _table(self, columns: tuple[Cells, ...], lines: Sequence[int]) -> Table:
        return Table(self.names, columns, str(self._path), lines=lines, decimal=self._form.decimal, aside=self._aside)

    def _rectangle(self, rows: Sequence[Line]) -> list[list[str]]:
        """The rows with as many cells as there are columns. Raises ParameterError."""
        columns = self._look.columns
        used = [_used(cells) for _, cells in rows]
        widest = max(used)
        if widest > columns:
            line, cells = next(row for row, width in zip(rows, used, strict=True) if width > columns)
            raise _uneven(self._path, line, cells, columns, self._look.delimiter)
        self._needed = max(self._needed, widest)
        for line, cells in rows:
            if len(cells) < columns:
                self._short.setdefault(len(cells), line)
        short = [(line, width) for width, line in self._short.items() if width < self._needed]
        if short:
            line, width = min(short)
            raise _uneven(self._path, line, [""] * width, self._needed, self._look.delimiter)
        return [cells[:columns] + [""] * (columns - len(cells)) for _, cells in rows]


def _look(path: Path, data: bytes, is_all: bool, form: CsvFormat, expected: Sequence[str]) -> _Look | None:
    """What the beginning of a file says of the rest; None where more of it is needed.

    path: of the file.
    data: its first lines.
    is_all: whether these are the whole file.
    form: how the file is written.
    expected: names of columns that are wanted.

    Raises ParameterError where the file does not hold a table.
    """
    if data.startswith(_UTF16) or b"\0" in data[:1000]:
        raise ParameterError(f"{path} is not in UTF-8: it is UTF-16, or not a text file.", _SAVE_AS_UTF8)
    text = _decode(path, data, 0)
    has_mark = text.startswith(_BYTE_ORDER_MARK)
    text = text.removeprefix(_BYTE_ORDER_MARK)
    separator = _SEPARATOR_LINE.match(text)
    delimiter = form.delimiter or (separator[1] if separator else ",")
    start = text[: separator.end()] if separator else ""
    if form.delimiter is None and not separator:
        _require_commas(path, text)
    before = 1 if separator else 0
    rows = _trim(_split_beginning(path, text[len(start) :], delimiter, before, is_all))
    if not is_all and len(rows) <= _ROWS_LOOKED_AT:
        return None
    if not rows:
        raise ParameterError(f"{path} has no rows.", _NO_ROWS)
    (line, first), rest = rows[0], [cells for _, cells in rows[1:]]
    header = form.header
    if header is None:
        header = is_header(first, rest[:_ROWS_LOOKED_AT], expected, form.decimal)
    if header is None:
        shown = ", ".join(first[:5]) + (", …" if len(first) > 5 else "")
        raise ParameterError(
            f"{path}: it is not clear whether line {line} ({shown}) names the columns or is a sample.",
            "Give --header if it names them, --no-header if it is a sample.",
        )
    if header and not rest:
        raise ParameterError(f"{path} has no rows.", _NO_ROWS)
    needed = max(_used(cells) for _, cells in rows)
    columns = len(first) if header else needed
    return _Look(
        len((_BYTE_ORDER_MARK * has_mark + start).encode()),
        before,
        delimiter,
        tuple(normalize("NFC", name) for name in first) if header else None,
        columns,
        min(needed, columns),
        all(len(cells) <= 1 for _, cells in rows),
    )


def _decode(path: Path, data: bytes, newlines: int) -> str:
    """The text in a part of a file in UTF-8.

    path: of the file.
    data: the part.
    newlines: before it, which tell an error's line.

    Raises ParameterError for another encoding.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = newlines + data.count(b"\n", 0, error.start) + 1
        raise ParameterError(
            f"{path} is not in UTF-8: byte 0x{data[error.start]:02x} on line {line}.", _SAVE_AS_UTF8
        ) from error


def _split_beginning(path: Path, text: str, delimiter: str, before: int, is_all: bool) -> list[Line]:
    """Rows with the lines that they start on; `before` lines come before the text. Raises ParameterError."""
    lines = [*io.StringIO(text, newline="")]
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    rows: list[Line] = []
    number = 1
    try:
        for cells in reader:
            rows.append((number + before, [*map(clean, cells)]))
            number = reader.line_num + 1
    except csv.Error as error:
        if is_all or reader.line_num < len(lines):  # else the row goes on after the beginning
            raise _unreadable(path, error, number + before) from error
    return rows


def _unreadable(path: Path, error: csv.Error, line: int) -> ParameterError:
    return ParameterError(
        f"{path} is not readable as CSV: {error}, in the row that starts on line {line}.",
        "Look for a quotation mark that is not closed.",
    )


def _trim(rows: list[Line]) -> list[Line]:
    """The rows without empty ones at either end, and without blank lines, unless the table has one column."""
    full = [place for place, (_, cells) in enumerate(rows) if any(cells)]
    if not full:
        return []
    inner = rows[full[0] : full[-1] + 1]
    single = all(len(cells) <= 1 for _, cells in inner)
    return [(line, cells or [""]) for line, cells in inner if cells or single]


def _uneven(path: Path, line: int, cells: Sequence[str], needed: int, delimiter: str) -> ParameterError:
    """The error for a row with too many or too few cells."""
    count = len(cells)
    remedy = "Correct the line: a cell is missing, or there is one too many, or a delimiter stands outside of quotes."
    if delimiter == "," and count == 2 * needed and _are_halves(cells):
        split = "--delimiter ';' --decimal ,"
        way = f"give {split}" if needed == 1 else f"save the file with ';' between its cells and give {split}"
        remedy = f"If its commas are decimal commas, {way}. Else correct the line."
    return ParameterError(
        f"line {line} of {path} has {count} cell{'s' * (count != 1)}, where {needed} "
        f"{'is' if needed == 1 else 'are'} needed.",
        remedy,
    )


def _are_halves(cells: Sequence[str]) -> bool:
    """Whether each two cells together are a number with a decimal comma."""
    return all(has_decimal_comma(f"{whole},{part}") for whole, part in zip(cells[::2], cells[1::2], strict=True))


def _used(cells: Sequence[str]) -> int:
    return next((place for place in range(len(cells), 0, -1) if cells[place - 1]), 0)


def _require_commas(path: Path, text: str) -> None:
    """Raise ParameterError where another delimiter than the comma splits the first rows into equal numbers of cells."""
    if len(text) > _START:
        text = text[: text.rfind("\n", 0, _START) + 1]
    by_comma = _split_rows(text, ",")
    if not by_comma:
        return
    uneven = len({len(cells) for cells in by_comma}) > 1 or any(len(cells) == 1 for cells in by_comma)
    for delimiter, shown in _OTHER_DELIMITERS.items():
        rows = _split_rows(text, delimiter)
        widths = {len(cells) for cells in rows}
        within = delimiter != " " and any(delimiter in cell for cell in by_comma[0])  # of a cell, as "1;2" in 0,1;2,3
        if len(widths) != 1 or widths == {1} or not (uneven or within):
            continue
        commas = any(has_decimal_comma(cell.strip()) for cells in rows for cell in cells)
        raise ParameterError(
            f"the cells of {path} are separated by {shown}{', and its numbers have decimal commas' if commas else ''}.",
            f"Give --delimiter {shown}{' --decimal ,' if commas else ''}.",
        )


def _split_rows(text: str, delimiter: str) -> list[list[str]]:
    """The cells of the first rows, by a delimiter."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return list(islice((cells for cells in reader if cells), _SAMPLE))
    except csv.Error:
        return []
