"""The preparation that makes features of the columns of a raw table, which the client runs in the clear."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from fhenn.interop import Preparation
from fhenn.interop.preparation import Column, Field, Impute, IsMissing, OneHot, Select, Step, Union, walk
from fhenn.tabular.columns import Category, ColumnType, fill_of

_LONGEST = 60
"""Characters of a category in the name of its feature."""


def preparation_of(types: Sequence[ColumnType]) -> Preparation:
    """What makes features of the columns that are not left out.

    Numbers stay what they are, their missing cells are filled by the column's mean; then a feature for each column
    whose missing cells are told; then one for each category, one for rare categories together, and one for missing
    cells. A category that was not there, or in too few rows, is none of these. Other columns of a table are left out.

    types: of the columns.
    Raises ParameterError where that is more than a preparation may be.

    >>> from fhenn.tabular.columns import types_of
    >>> from fhenn.tabular.survey import Survey
    >>> survey = Survey(["sex", "age"])
    >>> survey.add([["f", "m", "m", "f"], ["41.5", "", "18", "63"]])
    >>> preparation = preparation_of(types_of(survey.facts(), min_rows=2))
    >>> preparation.features
    ('age', 'age is missing', "sex is 'f'", "sex is 'm'")
    >>> preparation.prepare({"sex": ["m", "?"], "age": [30, 41.5]}).tolist()
    [[30.0, 0.0, 0.0, 1.0], [41.5, 0.0, 0.0, 0.0]]
    """
    used = [column for column in types if column.kind != "left out"]
    numbers = [place for place, column in enumerate(used) if column.kind == "number" and not column.constant]
    told = [place for place, column in enumerate(used) if column.kind == "number" and column.tells_missing]
    categories = [place for place, column in enumerate(used) if column.kind == "category"]
    branches: list[tuple[Step, ...]] = []
    names: list[str] = []
    if numbers:
        fills = tuple(fill_of(used[place].facts) if used[place].fills else None for place in numbers)
        impute = [Impute(fills)] if any(fill is not None for fill in fills) else []
        branches.append((Select(tuple(numbers)), *impute))
        names += [used[place].name for place in numbers]
    if told:
        branches.append((Select(tuple(told)), IsMissing(tuple(range(len(told))))))
        names += [f"{used[place].name} is missing" for place in told]
    if categories:
        branches.append((Select(tuple(categories)), _one_hot([used[place] for place in categories])))
        names += [name for place in categories for name in _names(used[place])]
    columns = tuple(Column(column.name, "number" if column.kind == "number" else column.reads) for column in used)
    return Preparation(columns, (Union(tuple(branches)),), tuple(_distinct(names)), extra=True)


def is_plain(types: Iterable[ColumnType]) -> bool:
    """Whether all columns that are not left out are numbers without missing cells, so that nothing is to be prepared.

    Truths are no numbers here.
    """
    return all(
        column.kind == "left out"
        or (column.kind == "number" and column.facts.numbers == column.facts.rows and not column.fills)
        for column in types
    )


def narrowed(preparation: Preparation, wanted: Sequence[int]) -> tuple[Preparation, list[int]]:
    """The same for tables without columns of which no feature is wanted: clients need not have them.

    preparation: as `preparation_of` makes it, which then says nothing of these columns; or of numbers as they are,
    where they keep their places and count for nothing.
    wanted: places of features.

    Returns it, and where the wanted features are among those that it has now.

    >>> preparation, places = narrowed(Preparation.of_numbers(["a", "b", "c"]), [2])
    >>> preparation.names, places
    (('c',), [2])
    """
    origins = _origins(preparation)
    columns = sorted({origins[place] for place in wanted})
    if not preparation.steps:
        marked = tuple(replace(column, used=place in columns) for place, column in enumerate(preparation.columns))
        return Preparation(marked, (), preparation.features, preparation.extra), list(wanted)
    kept = [place for place, origin in enumerate(origins) if origin in columns]
    branches = [
        _of_columns(branch, columns)
        for union in preparation.steps
        if isinstance(union, Union)
        for branch in union.branches
    ]
    steps = (Union(tuple(branch for branch in branches if branch)),)
    names = tuple(preparation.features[place] for place in kept)
    found = Preparation(tuple(preparation.columns[place] for place in columns), steps, names, extra=True)
    return found, [kept.index(place) for place in wanted]


def _origins(preparation: Preparation) -> list[int]:
    """The column of each feature."""
    fields = walk(preparation.steps, tuple(Field(column.kind, at) for at, column in enumerate(preparation.columns)))
    return [field.origin for field in fields if field.origin is not None]


def _of_columns(branch: Sequence[Step], columns: Sequence[int]) -> tuple[Step, ...]:
    """A branch of `preparation_of` for some of the columns alone, which are numbered anew; empty where it has none."""
    select, *rest = branch
    assert isinstance(select, Select)  # noqa: S101  (for the type checker)
    kept = [at for at, place in enumerate(select.places) if place in columns]
    found: list[Step] = [Select(tuple(columns.index(select.places[at]) for at in kept))]
    for step in rest:
        if isinstance(step, Impute):
            fills = _at(step.fill, kept)
            found += [Impute(fills)] * any(fill is not None for fill in fills)
        elif isinstance(step, IsMissing):
            found.append(IsMissing(tuple(range(len(kept)))))
        else:
            assert isinstance(step, OneHot)  # noqa: S101
            parts = (step.categories, step.slots, step.sizes, step.unknown)
            found.append(OneHot(*(_at(part, kept) for part in parts)))
    return tuple(found) if kept else ()


def _at(values: Sequence[Any], places: Sequence[int]) -> tuple[Any, ...]:
    return tuple(values[place] for place in places)


def _one_hot(columns: Sequence[ColumnType]) -> OneHot:
    """A bit for each category, for the rare ones together where they have one, and for missing cells."""
    categories, slots, sizes = [], [], []
    for column in columns:
        bits = len(column.categories)
        rare = bits if column.has_rare else -1
        missing = bits + column.has_rare
        categories.append((*column.categories, *column.rare, *[None] * column.tells_missing))
        slots.append((*range(bits), *[rare] * len(column.rare), *[missing] * column.tells_missing))
        sizes.append(bits + column.has_rare + column.tells_missing)
    return OneHot(tuple(categories), tuple(slots), tuple(sizes), (-1,) * len(columns))


def _names(column: ColumnType) -> list[str]:
    """Names of the bits of a column."""
    return [
        *(f"{column.name} is {_shown(each)}" for each in column.categories),
        *[f"{column.name} is rare"] * column.has_rare,
        *[f"{column.name} is missing"] * column.tells_missing,
    ]


def _shown(category: Category) -> str:
    if isinstance(category, str):
        return repr(category if len(category) <= _LONGEST else category[: _LONGEST - 1] + "…")
    return f"{category:g}"


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, with a number after those that were there before: long ones are cut, and any may be a column's."""
    taken: set[str] = {*names}
    seen: set[str] = set()
    found = []
    for name in names:
        called, count = name, 2
        while called in seen or (called != name and called in taken):
            called, count = f"{name} ({count})", count + 1
        seen.add(called)
        found.append(called)
    return found
