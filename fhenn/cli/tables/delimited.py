"""Tables in CSV: how the text is split into lines, names and cells."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from unicodedata import normalize

from fhenn.cli.tables.cells import has_decimal_comma
from fhenn.cli.tables.formulas import unquote
from fhenn.cli.tables.header import is_header
from fhenn.cli.tables.table import Table
from fhenn.errors import ParameterError

Line = tuple[int, list[str]]
"""Where a row starts, counted from 1 as an editor does, and its cells."""

_SEPARATOR_LINE = re.compile(r'"?sep=([^\r\n])"?[,;\t]*(?:\r\n|\r|\n)', re.IGNORECASE)
_OTHER_DELIMITERS = {";": "';'", "\t": "tab", "|": "'|'", " ": "space"}
_SAMPLE = 20
_START = 1 << 18
_ROWS_LOOKED_AT = 100
_BLANK = " \t\r\n\v\f\xa0\ufeff"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_UNNAMED = re.compile(r"|Unnamed: \d+")
"""Names of columns without a name; the second form is that of pandas."""


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


def read_csv(path: Path, form: CsvFormat, expected: Sequence[str]) -> Table:
    """The table in a CSV file, whose cells stay text.

    path: of the file.
    form: how the file is written.
    expected: names of columns that are wanted; a first line of numbers is recognised as names by them.

    Raises ParameterError where the file does not hold a table, OSError.
    """
    text = _read_text(path)
    separator = _SEPARATOR_LINE.match(text)
    delimiter = form.delimiter or (separator[1] if separator else ",")
    start = text[: separator.end()] if separator else ""
    if form.delimiter is None and not separator:
        _require_commas(path, text)
    lines = _trim(_lines(path, text[len(start) :], delimiter, 1 if separator else 0))
    if not lines:
        raise ParameterError(f"{path} has no rows.", "Give at least one sample.")
    (number, first), rest = lines[0], lines[1:]
    header = form.header
    if header is None:
        header = is_header(first, [cells for _, cells in rest[:_ROWS_LOOKED_AT]], expected, form.decimal)
    if header is None:
        shown = ", ".join(first[:5]) + (", …" if len(first) > 5 else "")
        raise ParameterError(
            f"{path}: it is not clear whether line {number} ({shown}) names the columns or is a sample.",
            "Give --header if it names them, --no-header if it is a sample.",
        )
    if not header:
        rest = lines
    if not rest:
        raise ParameterError(f"{path} has no rows.", "Give at least one sample.")
    rows = _rectangle(path, first if header else None, rest, delimiter)
    columns = tuple(zip(*rows, strict=True))
    places = tuple(line for line, _ in rest)
    if not header:
        return Table(None, columns, str(path), places, form.decimal)
    names = [normalize("NFC", name) for name in first] + [""] * (len(columns) - len(first))
    unnamed = frozenset(place for place, name in enumerate(names[: len(columns)]) if _UNNAMED.fullmatch(name))
    kept = [place for place, column in enumerate(columns) if place not in unnamed or any(column)]
    return Table(
        tuple(names[place] for place in kept),
        tuple(columns[place] for place in kept),
        str(path),
        places,
        form.decimal,
        frozenset(position for position, place in enumerate(kept) if place in unnamed),
    )


def _read_text(path: Path) -> str:
    """The text of a file in UTF-8. Raises ParameterError for another encoding, OSError."""
    data = path.read_bytes()
    remedy = "Save it as UTF-8 (in Excel: CSV UTF-8)."
    if data.startswith(_UTF16) or b"\0" in data[:1000]:
        raise ParameterError(f"{path} is not in UTF-8: it is UTF-16, or not a text file.", remedy)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ParameterError(
            f"{path} is not in UTF-8: byte 0x{data[error.start]:02x} on line {line}.", remedy
        ) from error


def _lines(path: Path, text: str, delimiter: str, before: int) -> list[Line]:
    """Rows with the lines that they start on; `before` lines come before the text."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines: list[Line] = []
    number = 1
    try:
        for cells in reader:
            # text is looked at as text only where an apostrophe says so: most cells are numbers
            stripped = [cell.strip(_BLANK) for cell in cells]
            lines.append((number + before, [unquote(cell) if cell[:1] == "'" else cell for cell in stripped]))
            number = reader.line_num + 1
    except csv.Error as error:
        raise ParameterError(
            f"{path} is not readable as CSV: {error}, in the row that starts on line {number + before}.",
            "Look for a quotation mark that is not closed.",
        ) from error
    return lines


def _trim(lines: list[Line]) -> list[Line]:
    """The lines without empty rows at either end, and without blank lines, unless the table has one column."""
    full = [place for place, (_, cells) in enumerate(lines) if any(cells)]
    if not full:
        return []
    inner = lines[full[0] : full[-1] + 1]
    single = all(len(cells) <= 1 for _, cells in inner)
    return [(line, cells or [""]) for line, cells in inner if cells or single]


def _rectangle(path: Path, header: Sequence[str] | None, rows: Sequence[Line], delimiter: str) -> list[list[str]]:
    """The rows with the same number of cells each; empty columns at the end are dropped. Raises ParameterError."""
    width = max(_used(cells) for _, cells in [*rows, (0, header or ())])
    named = len(header) if header is not None else width
    uneven = [row for row in rows if _used(row[1]) > named] or [row for row in rows if len(row[1]) < width]
    for line, cells in uneven:
        count, needed = len(cells), min(named, width)
        remedy = (
            "Correct the line: a cell is missing, or there is one too many, or a delimiter stands outside of quotes."
        )
        if delimiter == "," and count == 2 * needed and _are_halves(cells):
            split = "--delimiter ';' --decimal ,"
            way = f"give {split}" if needed == 1 else f"save the file with ';' between its cells and give {split}"
            remedy = f"If its commas are decimal commas, {way}. Else correct the line."
        raise ParameterError(
            f"line {line} of {path} has {count} cell{'s' * (count != 1)}, where {needed} "
            f"{'is' if needed == 1 else 'are'} needed.",
            remedy,
        )
    return [cells[:width] for _, cells in rows]


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
