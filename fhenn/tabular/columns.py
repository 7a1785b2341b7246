"""What each column of a raw table is to a model: a number, a category, or left out, and why."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

from fhenn.errors import CellRefused, ParameterError, join_first
from fhenn.numerals import as_truth, looks_like_number
from fhenn.tabular.survey import Facts, Sort, Stray

Kind = Literal["number", "category", "left out"]
Category = float | str

_STRAY = 0.9
"""From this share of numbers on, texts in a column are taken for slips, not for categories."""
_MOST_CATEGORIES, _MOST_RARE = 100, 1000
_FEWEST, _SHARE, _ENOUGH = 2, 0.01, 50
"""A category is rare below a share of the rows, but not from so many rows on; and two rows have missing cells at least
where these count."""
MIN_ROWS = 10
"""Rows that a category has at least, or clients would see what few rows hold."""
_MOST_DRESSED = 10
"""Different numbers with units and the like that may be categories, as doses are."""
_COVERED = 0.5
"""The share of the cells that categories of their own must have where there are many."""
_ROWS, _UNIQUE = 20, 0.95
"""A column with as many rows or more looks like an identifier from this share of different cells on."""
_NUMBERED = 5
"""Rows from which on whole numbers without a gap, each once, number them."""
_TOLD = 0.05
"""The share of missing cells from which on the model is told of them."""
_ID = re.compile(r"(?:^|[^a-z])(?:id|uuid|guid|mrn|ssn|nr|no|number|index|row)(?:[^a-z]|$)", re.IGNORECASE)
_CAMEL_ID = re.compile(r"[a-z](?:Id|ID|Nr|No)$")
_YEARS = range(1900, 2101)


@dataclass(frozen=True)
class ColumnType:
    """What a column is to a model.

    name: of the column.
    kind: a number, a category, or left out.
    says: more of it, or why it is left out, in words.
    facts: what it holds.
    categories: those with a bit of their own, ascending.
    rare: those that share a bit; others have none, and are not told from categories that were never seen.
    tells_missing: whether a bit says that a cell is missing.
    constant: whether it is but one number, and its missing cells alone say something.
    fills: whether missing cells of a number are filled, by the mean.
    reads: what the cells of a category are: numbers, texts, or either.
    doubt: what should be looked at, None for nothing.
    """

    name: str
    kind: Kind
    says: str
    facts: Facts
    categories: tuple[Category, ...] = ()
    rare: tuple[Category, ...] = ()
    tells_missing: bool = False
    constant: bool = False
    fills: bool = False
    reads: Literal["number", "text", "either"] = "number"
    doubt: str | None = None

    @property
    def has_rare(self) -> bool:
        """Whether rare categories have a bit together."""
        return bool(self.rare)


def types_of(
    facts: Sequence[Facts],
    *,
    drop: Collection[str] = (),
    keep: Collection[str] = (),
    category: Collection[str] = (),
    min_rows: int = MIN_ROWS,
    operation: str = "train",
) -> tuple[ColumnType, ...]:
    """What each column is to a model.

    facts: of the columns, without the label.
    drop: names of columns that are left out.
    keep: names of columns that are not left out, although they look as if they should be.
    category: names of columns whose cells are categories, numbers too.
    min_rows: in how many rows a category is, or nothing is told of it.
    operation: the file, for errors.
    Raises ParameterError where there is no column of a name, where a name is both kept and left out, where nothing can
    be made of a column that is kept, or no column is left.
    Raises CellRefused for dates, for mixed decimal signs, for texts among numbers, and for infinite numbers.

    >>> from fhenn.tabular.survey import Survey
    >>> survey = Survey(["id", "sex", "age"])
    >>> survey.add([["1", "2", "3", "4", "5"], ["f", "m", "m", "f", "m"], ["41", "", "18", "63", "18"]])
    >>> for column in types_of(survey.facts(), min_rows=2):
    ...     print(f"{column.kind}: {column.says}")
    left out: numbers the rows: an id
    category: 2: 'f', 'm'
    number: 18 to 63, 1 missing, told and filled by 35
    """
    names = {each.name for each in facts}
    for option, given in (("--drop", drop), ("--keep", keep), ("--category", category)):
        unknown = next((name for name in given if name not in names), None)
        if unknown is not None:
            shown = ", ".join(each.name for each in facts[:8]) + ", …" * (len(facts) > 8)
            raise ParameterError(f"there is no feature {unknown!r} for {option} in {operation}.", f"There are {shown}.")
    both = next((name for name in drop if name in {*keep, *category}), None)
    if both is not None:
        raise ParameterError(f"column {both!r} is to be left out and to be kept.", "Say one of them.")
    dates = [each.name for each in facts if each.name not in {*drop, *category} and _is_date(each, each.name in keep)]
    found = tuple(
        ColumnType(each.name, "left out", "as --drop says", each)
        if each.name in drop
        else _type_of(each, each.name in keep, each.name in category, dates, min_rows, operation)
        for each in facts
    )
    return _require_any(found, operation)


def types_in(
    types: Sequence[ColumnType], facts: Sequence[Facts], *, min_rows: int = MIN_ROWS, operation: str = "train"
) -> tuple[ColumnType, ...]:
    """The same columns by what some of the rows hold: which categories there are and what fills cells is theirs alone.

    types: of the columns, by all rows: which are numbers, categories, or left out, and which are filled.
    facts: what the rows hold that are trained on.
    min_rows, operation: as for `types_of`.
    Raises ParameterError where no column is left.

    >>> from fhenn.tabular.survey import Survey
    >>> survey, part = Survey(["age"]), Survey(["age"])
    >>> survey.add([[18.5, None, 63.0, 40.0]])
    >>> part.add([[18.5, 63.0]])
    >>> [column.says for column in types_in(types_of(survey.facts()), part.facts())]
    ['18.5 to 63, missing ones filled by 40.75']
    """
    found = []
    for column, each in zip(types, facts, strict=True):
        if column.kind == "left out":
            found.append(column)
        elif each.present == 0:
            found.append(_left_out(each, "all its cells are blank in the rows that are trained on", False))
        elif column.kind == "number":
            found.append(_number(each, False, column))
        else:
            found.append(_category(each, False, min_rows, column))
    return _require_any(tuple(found), operation)


def _require_any(found: tuple[ColumnType, ...], operation: str) -> tuple[ColumnType, ...]:
    """The columns. Raises ParameterError where all of them are left out."""
    if all(column.kind == "left out" for column in found):
        why = "; ".join(f"{column.name!r} {column.says}" for column in found[:5]) or "there is none beside the label"
        raise ParameterError(f"no column of {operation} is left to learn from: {why}.", "Keep some with --keep.")
    return found


def _type_of(
    facts: Facts, keep: bool, category: bool, dates: Sequence[str], min_rows: int, operation: str
) -> ColumnType:
    """What a column is. Raises CellRefused, ParameterError."""
    if facts.present == 0:
        return _left_out(facts, "all its cells are blank", keep)
    _require_readable(facts, category, dates, operation)
    if not category and not keep:
        _require_bare_numbers(facts, operation)
    if category or not facts.is_number:
        return _category(facts, keep or category, min_rows)
    if not facts.codes or keep:
        return _number(facts, keep)
    found, code = _category(facts, False, min_rows), _quoted(facts.name)
    doubt = (
        f"column {facts.name!r} has numbers with leading zeros, as {_shown(next(iter(facts.codes)))}, and each is "
        f"taken for a category. Take them for numbers with --keep {code} if they measure something."
    )
    return replace(found, doubt=doubt)


def _left_out(facts: Facts, why: str, keep: bool) -> ColumnType:
    if keep:
        raise ParameterError(f"nothing can be learnt of column {facts.name!r}: {why}.", "Leave it out with --drop.")
    return ColumnType(facts.name, "left out", why, facts)


def _require_readable(facts: Facts, category: bool, dates: Sequence[str], operation: str) -> None:
    """Raise CellRefused where a column holds what no feature can be made of, or only by guessing."""
    drop = f"leave the column out with --drop {_quoted(facts.name)}"
    strays, counts = facts.strays, facts.counts
    unreadable: tuple[Sort, ...] = ("other", "infinite")
    for sort in unreadable:
        if sort in strays:
            reason = "it is infinite" if sort == "infinite" else "it is no number and no text"
            raise _refusal(operation, facts, sort, reason, f"Write a finite number, leave the cell empty, or {drop}.")
    if category:
        return
    if facts.name in dates:
        all_dates = " ".join(f"--drop {_quoted(name)}" for name in dates)
        if "date" not in strays:
            reason = "it looks like a date written as a number"
            way = f"Use it as the number that it is with --keep {_quoted(facts.name)}, or {drop}."
            raise _refusal(operation, facts, "date", reason, way)
        raise _refusal(
            operation,
            facts,
            "date",
            "it is a date, which is no number and no category",
            "Write what matters of it as a number, as the days since a day that all rows share, or the month; or leave "
            f"{'the column' if len(dates) == 1 else 'all such columns'} out with {all_dates}.",
        )
    words = counts.get("text", 0) + counts.get("date", 0) + counts.get("other", 0)
    if "point" in strays and not words:
        reason = "decimal points and decimal commas are mixed"
        raise _refusal(operation, facts, "point", reason, f"Write all numbers with a decimal comma, or {drop}.")
    if "comma" in strays and not words:
        mixed = not facts.whole
        raise _refusal(
            operation,
            facts,
            "comma",
            "decimal points and decimal commas are mixed" if mixed else "it has a decimal comma",
            f"Write all numbers with a decimal point, or {drop}."
            if mixed
            else f"Give --decimal , if it is one; else remove the comma, or {drop}.",
        )
    numbers = facts.numbers + counts.get("comma", 0) + counts.get("point", 0)
    if words and numbers >= _STRAY * facts.present:
        slip: Sort = "text" if "text" in strays else "date"
        reason = f"it is no number, as {numbers:,} of {facts.present:,} cells of the column are"
        way = "Write a number there or leave the cell empty; take all its cells as categories with --category "
        raise _refusal(operation, facts, slip, reason, f"{way}{_quoted(facts.name)}; or {drop}.")


def _require_bare_numbers(facts: Facts, operation: str) -> None:
    """Raise CellRefused where a column holds many numbers with a unit or thousands separators: no categories."""
    dressed = {text: count for text, count in facts.texts.items() if looks_like_number(text.strip())}
    if len(dressed) <= _MOST_DRESSED or sum(dressed.values()) + facts.numbers < _STRAY * facts.present:
        return
    sort: Sort = "text" if "text" in facts.strays else "comma" if "comma" in facts.strays else "point"
    raise _refusal(
        operation,
        facts,
        sort,
        "it looks like a number with thousands separators, a currency or a percent sign",
        "Write digits and a decimal sign alone, as 7693.89; take all cells of the column as categories with --category "
        f"{_quoted(facts.name)}; or leave the column out with --drop {_quoted(facts.name)}.",
    )


def _is_date(facts: Facts, keep: bool) -> bool:
    """Whether a column holds dates: texts, values of that type, or numbers as 20240229."""
    if facts.present and 2 * facts.counts.get("date", 0) >= facts.present:
        return True
    return not keep and _are_compact_dates(facts)


def _are_compact_dates(facts: Facts) -> bool:
    values = facts.values
    if not (facts.is_number and facts.whole and len(values) > 2):
        return False
    if facts.low < _YEARS[0] * 10_000 or facts.high > (_YEARS[-1] + 1) * 10_000:
        return False
    return all(1 <= value // 100 % 100 <= 12 and 1 <= value % 100 <= 31 for value in values)


def _refusal(operation: str, facts: Facts, sort: Sort, reason: str, suggestion: str) -> CellRefused:
    stray = facts.strays.get(sort) or Stray(f"{facts.low:.0f}", 0, "its least cell")
    return CellRefused(operation, f"column {facts.name!r}", (stray.row,), stray.where, stray.cell, reason, suggestion)


def _number(facts: Facts, keep: bool, seen: ColumnType | None = None) -> ColumnType:
    """A column of numbers, or of truths; seen: as it is by more rows. Raises ParameterError."""
    values = {*facts.values, *_truths(facts)}
    if len(values) == 1 and not facts.is_cut:
        (value,) = values
        if not facts.missing:
            return _left_out(facts, f"all its cells are {value:g}", keep)
        says = f"{value:g} or missing ({facts.missing:,})"
        return ColumnType(facts.name, "number", says, facts, tells_missing=True, constant=True)
    doubt = None
    if not keep and seen is None and not facts.texts and facts.whole:
        alone = facts.distinct == facts.head
        if facts.numbers >= _NUMBERED and alone and facts.high - facts.low + 1 == facts.numbers:
            return _left_out(facts, "numbers the rows: an id", keep)
        if facts.numbers >= _ROWS and facts.distinct >= _UNIQUE * facts.head:
            if _ID.search(facts.name) or _CAMEL_ID.search(facts.name):
                return _left_out(facts, "nearly each row has a number of its own: an id", keep)
            doubt = (
                f"column {facts.name!r} has nearly a whole number of its own for each row: is it an identifier? Leave "
                f"it out with --drop {_quoted(facts.name)}, unless it measures something."
            )
    low, high = (min(values), max(values)) if facts.texts else (facts.low, facts.high)
    says = f"{low:g} to {high:g}"
    tells = facts.missing >= max(1, _TOLD * facts.rows)
    if facts.missing:
        says += f", {facts.missing:,} missing, {'told and ' * tells}filled by {fill_of(facts):.4g}"
    fills = facts.missing > 0 or (seen is not None and seen.fills)
    if fills and not facts.missing:
        says += f", missing ones filled by {fill_of(facts):.4g}"
    return ColumnType(facts.name, "number", says, facts, tells_missing=tells, fills=fills, doubt=doubt)


def fill_of(facts: Facts) -> float:
    """What fills missing cells of a column of numbers: their mean; of the largest numbers the middle of their range."""
    truths = _truths(facts)
    mean = (facts.mean * facts.numbers + truths.get(1.0, 0)) / (facts.numbers + sum(truths.values()))
    return mean if abs(mean) < float("inf") else facts.low / 2 + facts.high / 2


def _truths(facts: Facts) -> dict[float, int]:
    """How often each truth is written, as a number, in a column of numbers."""
    found: dict[float, int] = {}
    for text, count in facts.texts.items():
        value = as_truth(text.strip())
        if value is not None:
            found[value] = found.get(value, 0) + count
    return found


def _category(facts: Facts, keep: bool, min_rows: int, seen: ColumnType | None = None) -> ColumnType:
    """A column of categories; seen: as it is by more rows. Raises ParameterError."""
    counts = facts.categories
    if len(counts) == 1 and not facts.missing and not facts.is_cut:
        return _left_out(facts, f"all its cells are {_shown(next(iter(counts)))}", keep)
    usual = min(_ENOUGH, max(_FEWEST, ceil(_SHARE * facts.rows)))
    enough = max(usual, min_rows)
    often = sorted(counts, key=lambda each: (-counts[each], *_order(each)))
    frequent = [each for each in often[:_MOST_CATEGORIES] if counts[each] >= enough]
    covered = sum(counts[each] for each in frequent)
    many = len(counts) > _MOST_CATEGORIES or facts.is_cut or 2 * len(counts) > facts.present
    number = f"{len(counts):,}{' or more' * facts.is_cut}"
    if not frequent and not many:
        return _left_out(facts, f"none of its {number} categories is in {enough} rows: lower --min-rows for more", keep)
    if not frequent or (not keep and seen is None and many and covered < _COVERED * facts.present):
        what = "codes" if facts.codes else "text"
        why = f"{what} with {number} different values, as {_shown(next(iter(counts)))}: an id, or free text"
        return _left_out(facts, why, keep)
    rare = [each for each in often if counts[each] >= min_rows and each not in frequent][:_MOST_RARE]
    if sum(counts[each] for each in rare) < enough:
        rare = []  # too few for a bit: as if they had never been seen
    tells_missing = facts.missing >= usual
    categories = tuple(sorted(frequent, key=_order))
    says = f"{len(categories)}: {join_first([_shown(each) for each in categories])}"
    says += f"; {len(rare):,} rare together" if rare else ""
    others = len(counts) - len(frequent) - len(rare)
    says += f"; {others:,}{' or more' * facts.is_cut} too rare" if others else ""
    if facts.missing:
        says += f"; {facts.missing:,} missing" + ", a category of their own" * tells_missing
    kinds: set[Literal["number", "text"]] = {"text" if isinstance(each, str) else "number" for each in counts}
    reads = kinds.pop() if len(kinds) == 1 else "either"
    return ColumnType(
        facts.name,
        "category",
        says,
        facts,
        categories,
        tuple(sorted(rare, key=_order)),
        tells_missing=tells_missing,
        reads=reads if seen is None or seen.reads == reads else "either",
    )


def _order(category: Category) -> tuple[bool, float, str]:
    """Numbers first, then texts."""
    text = isinstance(category, str)
    return (text, 0.0 if text else float(category), category if isinstance(category, str) else "")


def _shown(category: Category) -> str:
    if isinstance(category, str):
        return repr(category if len(category) <= 30 else category[:29] + "…")
    return f"{category:g}"


def _quoted(name: str) -> str:
    """A name as a shell takes it."""
    return name if re.fullmatch(r"[\w./+-]+", name) else "'" + name.replace("'", "'\\''") + "'"
