"""Whether the first line of a CSV file names its columns."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import isclose, isfinite
from unicodedata import normalize

from fhenn.cli.tables.cells import kind_of
from fhenn.numerals import as_number

_YEARS = range(1900, 2101)
_FEWEST, _WIDTHS = 3, 10
"""Rows that make a box, and how many of its widths beyond it no sample is expected."""


def is_header(
    first: Sequence[str], rest: Sequence[Sequence[str]], expected: Sequence[str], decimal: str
) -> bool | None:
    """Whether the first line of a CSV file names the columns; None where that is not clear.

    first: the cells of the first line.
    rest: the cells of lines below it.
    expected: names of columns that are wanted: the features of a model, a label.
    decimal: as for `CsvFormat`.

    >>> is_header(["0", "1", "2"], [["0.5", "1", "7"]], ["0", "1", "2"], ".")
    True
    >>> is_header(["<0.5", "NA", "7"], [["0.5", "1", "7"]], [], ".")
    False
    >>> is_header(["2019", "2020"], [["31", "40"]], [], ".") is None
    True
    """
    names = [normalize("NFC", cell) for cell in first]
    kinds = [kind_of(cell, decimal) for cell in first]
    if _holds(names, kinds, [normalize("NFC", name) for name in expected]):
        return True
    if "text" in kinds:
        return None if "number" in kinds or "unfit" in kinds else True
    return None if _may_be_names(first, rest, decimal) else False


def _holds(names: Sequence[str], kinds: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether the names that are wanted are there: one that is text, or all those that are numbers, in their order."""
    if any(name in names and kind_of(name) == "text" for name in wanted):
        return True
    if not wanted or len({*names}) < len(names):
        return False
    present = [name for name in names if name in wanted]
    others = [kind for name, kind in zip(names, kinds, strict=True) if name not in wanted]
    return {*present} == {*wanted} and (not others or (present == [*wanted] and ("text" in others or len(present) > 2)))


def _may_be_names(first: Sequence[str], rest: Sequence[Sequence[str]], decimal: str) -> bool:
    """Whether a row of numbers is like names: by its own numbers, or by how they differ from those below.

    By its own: 0, 1, 2, … from any start, rising years, three or more numbers that rise by equal steps, or a whole one
    beside the empty name of an index. By the rows: whole numbers over columns of which most cells are fractions, or
    each beyond its column's box by more than 10 times the box's width, of 3 rows or more. A column alone has to be
    beyond its box, and over fractions, a year, or that far.
    """
    parsed = {place: as_number(cell, decimal) for place, cell in enumerate(first) if cell}
    values = [value for value in parsed.values() if value is not None and isfinite(value)]
    if not values or len(values) < len(parsed):
        return False
    whole = all(cell.isascii() and cell.isdigit() for cell in first if cell)
    columns = [_numbers(rest, place, decimal) for place in parsed]
    far = all(len(column) >= _FEWEST for column in columns) and _are_beyond(values, columns, _WIDTHS)
    over_fractions = whole and all(_fractions(rest, place, decimal) for place in parsed)
    years = whole and all(value in _YEARS for value in values)
    if len(values) == 1:
        if whole and not first[0]:
            return bool(rest) and all(row[0] for row in rest if row)
        return far or ((over_fractions or years) and _are_beyond(values, columns, 0))
    steps = [after - before for before, after in pairwise(values)]
    rising = all(step > 0 for step in steps)
    even = rising and all(isclose(step, steps[0], rel_tol=1e-6) for step in steps)
    return (even and (len(values) > 2 or (whole and steps[0] == 1))) or (rising and years) or over_fractions or far


def _numbers(rest: Sequence[Sequence[str]], place: int, decimal: str) -> list[float]:
    parsed = [as_number(row[place], decimal) for row in rest if place < len(row)]
    return [value for value in parsed if value is not None and isfinite(value)]


def _are_beyond(values: Sequence[float], columns: Sequence[Sequence[float]], widths: float) -> bool:
    """Whether each value is outside of its column's box by more than so many widths; constant columns tell nothing."""
    boxes = [(value, min(column), max(column)) for value, column in zip(values, columns, strict=True) if column]
    boxes = [(value, low, high) for value, low, high in boxes if high > low]
    return bool(boxes) and all(max(low - value, value - high) > widths * (high - low) for value, low, high in boxes)


def _fractions(rest: Sequence[Sequence[str]], place: int, decimal: str) -> bool:
    """Whether a column holds numbers, most of them with a fraction."""
    cells = [row[place] for row in rest if place < len(row) and row[place]]
    fractions = sum(not cell.isdigit() for cell in cells)
    return all(as_number(cell, decimal) is not None for cell in cells) and 2 * fractions > len(cells)
