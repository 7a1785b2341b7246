"""Whether the first line of a CSV file names its columns."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from unicodedata import normalize

from fhenn.cli.tables.cells import as_number, kind_of

_YEARS = range(1900, 2101)


def is_header(
    first: Sequence[str], rest: Sequence[Sequence[str]], expected: Sequence[str], decimal: str
) -> bool | None:
    """Whether the first line holds names; None where that is not clear.

    first: its cells. rest: those of lines below. expected: names that the table is looked up by: the features of a
    model, a label. decimal: as for `CsvFormat`.

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
    """Whether names that were expected are there: one that is no number, or those that are, in their order."""
    if any(name in names and kind_of(name) == "text" for name in wanted):
        return True
    if not wanted or len({*names}) < len(names):
        return False
    found = [name for name in names if name in wanted]
    others = [kind for name, kind in zip(names, kinds, strict=True) if name not in wanted]
    return {*found} == {*wanted} and (not others or (found == [*wanted] and ("text" in others or len(found) > 2)))


def _may_be_names(first: Sequence[str], rest: Sequence[Sequence[str]], decimal: str) -> bool:
    """Numbers as names: 0, 1, 2, …, years, whole numbers over fractions, or one beside the empty name of an index."""
    named = [(place, int(cell)) for place, cell in enumerate(first) if cell.isascii() and cell.isdigit()]
    places, values = [place for place, _ in named], [value for _, value in named]
    if not named or any(cell and place not in places for place, cell in enumerate(first)):
        return False
    if len(values) == 1:
        return not first[0] and bool(rest) and all(row[0] for row in rest if row)
    steps = [after - before for before, after in pairwise(values)]
    return (
        all(step == 1 for step in steps)
        or (all(step > 0 for step in steps) and all(value in _YEARS for value in values))
        or (bool(rest) and all(_fractions(rest, place, decimal) for place in places))
    )


def _fractions(rest: Sequence[Sequence[str]], place: int, decimal: str) -> bool:
    cells = [row[place] for row in rest if place < len(row)]
    return any(cells) and all(as_number(cell, decimal) is not None and not cell.isdigit() for cell in cells if cell)
