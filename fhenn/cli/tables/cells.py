"""What a cell holds: a number, a label, or neither."""

from __future__ import annotations

import re
from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import accumulate, chain
from typing import Any, Literal, overload
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from fhenn.cli.tables.formulas import unquote
from fhenn.missing import is_missing
from fhenn.numerals import as_number, has_decimal_comma

Cells = NDArray[Any] | Sequence[Any]
"""A column: an array of numbers, or cells of any kind: text of a CSV file, None where Parquet has nothing."""

_BLANK = " \t\r\n\v\f\xa0\ufeff"

Kind = Literal["number", "missing", "unfit", "text"]

_ONLY_DIGITS = re.compile(r"[0-9+\-.eE\n]*")
_PLAIN = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?", re.ASCII)
_CENSORED = re.compile(r"[<>≤≥~±]=?\s*[+-]?[\d.,]+", re.ASCII)


class TextCells(Sequence[str]):
    """A column of text that may be known as numbers too."""

    @property
    @abstractmethod
    def floats(self) -> NDArray[np.float64] | None:
        """The numbers that the cells hold; None where one of them may not be a number."""

    @property
    @abstractmethod
    def has_codes(self) -> bool:
        """Whether a cell may be digits with leading zeros, which as numbers are lost."""


class JoinedCells(Sequence[Any]):
    """A column in parts, one after another, as they were read.

    parts: each a column of its own.
    """

    def __init__(self, parts: Sequence[Sequence[Any]]) -> None:
        self.parts = parts
        self._ends = list(accumulate(map(len, parts)))

    def __len__(self) -> int:
        return self._ends[-1]

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self.parts)

    @overload
    def __getitem__(self, place: int) -> Any: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Any]: ...

    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return [self[each] for each in range(len(self))[place]]
        place = range(len(self))[place]
        part = bisect_right(self._ends, place)
        return self.parts[part][place - self._ends[part]]


def join(parts: Sequence[Cells]) -> Cells:
    """The cells of a column that was read in parts."""
    if len(parts) == 1:
        return parts[0]
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    if len(arrays) == len(parts):
        values = np.concatenate([np.ma.getdata(array) for array in arrays])
        if not any(isinstance(array, np.ma.MaskedArray) for array in arrays):
            return values
        return np.ma.MaskedArray(values, mask=np.concatenate([np.ma.getmaskarray(array) for array in arrays]))
    return JoinedCells([part.tolist() if isinstance(part, np.ndarray) else part for part in parts])


def are_blank(cells: Cells) -> bool:
    """Whether a column holds nothing but empty cells."""
    return not isinstance(cells, np.ndarray) and all(cell is None or cell == "" for cell in cells)


def clean(cell: str) -> str:
    """A cell of CSV without the blanks around it, and without the apostrophe that `quote` put there."""
    cell = cell.strip(_BLANK)
    # text is looked at as text only where an apostrophe says so: most cells are numbers
    return unquote(cell) if cell[:1] == "'" else cell


def kind_of(cell: str, decimal: str = ".") -> Kind:
    """What a cell of a first line looks like.

    cell: text.
    decimal: what stands before the fraction of a number, a point or a comma.

    Returns "number", "missing", "text", or "unfit" for a value that is not written as a number: `<0.5`, `7,61`.
    """
    if is_missing(cell):
        return "missing"
    if as_number(cell, decimal) is not None:
        return "number"
    return "unfit" if _CENSORED.fullmatch(cell) or has_decimal_comma(cell) else "text"


def numbers(cells: Cells, decimal: str = ".") -> tuple[NDArray[np.float64], list[int]]:
    """The cells of a column as numbers.

    cells: of any kind.
    decimal: what stands before the fraction, a point or a comma.

    Returns (values, places): float64 values, NaN where a cell is missing or not a number, and the places of the cells
    that are not numbers.
    """
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "biuf":
        return cells.astype(np.float64), []
    if isinstance(cells, JoinedCells):
        return _numbers_of_parts(cells, decimal)
    if isinstance(cells, TextCells) and cells.floats is not None:
        return cells.floats, []
    if decimal == ".":
        try:
            if _ONLY_DIGITS.fullmatch("\n".join(cells)):
                return np.array([*map(float, cells)], dtype=np.float64), []
        except (TypeError, ValueError):
            pass  # cells of other types; an empty cell, or a date
    values = [_number(cell, decimal) for cell in cells]
    wrong = [place for place, value in enumerate(values) if value is None]
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64), wrong


def _numbers_of_parts(cells: JoinedCells, decimal: str) -> tuple[NDArray[np.float64], list[int]]:
    parsed = [numbers(part, decimal) for part in cells.parts]
    starts = accumulate(map(len, cells.parts), initial=0)
    wrong = [start + place for start, (_, places) in zip(starts, parsed, strict=False) for place in places]
    return np.concatenate([values for values, _ in parsed]), wrong


def _number(cell: Any, decimal: str) -> float | None:
    if is_missing(cell):
        return np.nan
    if isinstance(cell, str):
        return as_number(cell, decimal)
    return float(cell) if isinstance(cell, bool | int | float | Decimal | np.generic) else None


def labels(cells: Cells) -> NDArray[Any]:
    """The cells of a column as classes.

    cells: of any kind, none of them missing.

    Returns numbers where every cell is a number that prints as it is written, else text (NFC). So `007`, `1E30`, `2E1`
    and `2023_01` are text.
    """
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "biuf":
        return cells
    cells = list(cells)
    if all(isinstance(cell, bool) for cell in cells) or all(type(cell) is int for cell in cells):
        return np.array(cells)
    texts = [normalize("NFC", str(cell)) for cell in cells]
    if all(isinstance(cell, str) and _PLAIN.fullmatch(cell) for cell in cells):
        for kind, dtype in ((int, np.int64), (float, np.float64)):
            try:
                values = np.array([kind(text) for text in texts], dtype=dtype)
            except (ValueError, OverflowError):
                continue
            if [str(value) for value in values.tolist()] == texts:
                return values
    return np.array(texts)
