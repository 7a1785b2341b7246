"""Categories as numbers: `OneHot`, a bit each, and `Lookup`, a number each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fhenn.columns import normalise, short, to_python
from fhenn.errors import MissingValues, ParameterError, UnknownCategory
from fhenn.interop.preparation.frame import Cell, Field, Fields, Frame, Kind
from fhenn.interop.preparation.step import SHOWN, Step, as_numbers, shown
from fhenn.text import nearest

Integers = NDArray[np.int64]

_NAMED = 5
"""Categories that an error names."""


@dataclass(frozen=True, repr=False)
class OneHot(Step):
    """A bit for each category of each column, 1.0 where a cell is of it.

    Cells are compared with categories exactly: text by its code points, numbers by their values in double precision.

    categories: of each column; None among them is what is missing.
    slots: of each column, which of its bits each category sets, from 0; -1 for none, as where one was dropped.
    sizes: how many bits each column has.
    unknown: of each column, which bit a cell of no category sets, -1 for none; None to refuse it.
    Raises ParameterError where these do not go together.

    >>> from fhenn.interop.preparation import Column, Preparation
    >>> step = OneHot((("a", "b", None),), ((0, 1, -1),), (2,), (-1,))
    >>> preparation = Preparation((Column("x", "text"),), [step], ["x_a", "x_b"])
    >>> preparation.prepare({"x": ["b", None, "c"]}).tolist()
    [[0.0, 1.0], [0.0, 0.0], [0.0, 0.0]]
    """

    categories: tuple[tuple[Cell, ...], ...]
    slots: tuple[tuple[int, ...], ...]
    sizes: tuple[int, ...]
    unknown: tuple[int | None, ...]
    needs = None
    missing_ok = True
    takes_either = True

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_alike("OneHot", self.categories, self.slots)
        if not len(self.categories) == len(self.sizes) == len(self.unknown):
            raise ParameterError("sizes and unknown must have an entry for each column.", "Give as many of each.")
        for slots, size, unknown in zip(self.slots, self.sizes, self.unknown, strict=True):
            used = {*slots, -1 if unknown is None else unknown}
            bits = used - {-1}
            # every bit is one that something sets, so that sizes are no larger than what is written
            if len(bits) != size or not all(0 <= bit < size for bit in bits):
                raise ParameterError(
                    f"slots {shown(slots)} are not those of {size} bits.", "Set each bit by a category, -1 for none."
                )

    def wants(self, count: int) -> tuple[Kind | None, ...]:
        """What the categories of each column are."""
        return tuple(map(kind_of, self.categories))

    def after(self, before: Fields) -> Fields:
        """The bits. Raises ParameterError where there are other columns."""
        self._require_width(before, self.categories)
        return tuple(
            Field("number", field.origin) for field, size in zip(before, self.sizes, strict=True) for _ in range(size)
        )

    def apply(self, frame: Frame) -> Frame:
        """The bits of each row. Raises UnknownCategory, MissingValues."""
        found = np.zeros((frame.rows, sum(self.sizes)))
        at = 0
        for place, (categories, slots, size, unknown) in enumerate(
            zip(self.categories, self.slots, self.sizes, self.unknown, strict=True)
        ):
            codes = encode(frame, place, categories, refuse=unknown is None)
            # the last one is for codes of -1: what is in no category
            slot = np.array([*slots, -1 if unknown is None else unknown])[codes]
            rows = np.flatnonzero(slot >= 0)
            found[rows, at + slot[rows]] = 1.0
            at += size
        return frame.numbers(found, self.after(frame.fields))

    def work(self, count: int) -> int:
        """Comparisons with categories, by halves."""
        return sum(len(each).bit_length() for each in self.categories)

    def texts(self, count: int) -> tuple[Iterable[str], ...]:
        """The categories that are texts."""
        return tuple(map(texts_in, self.categories))

    def calls(self, names: Sequence[str]) -> tuple[str, ...]:
        """Which categories set each bit."""
        found: list[str] = []
        for name, categories, slots, size in zip(names, self.categories, self.slots, self.sizes, strict=True):
            setting: list[list[Cell]] = [[] for _ in range(size)]
            for category, slot in zip(categories, slots, strict=True):
                if slot >= 0:
                    setting[slot].append(category)
            found += (_bit(name, each) for each in setting)
        return tuple(found)

    def tells(self, names: Sequence[str], most: int | None = SHOWN) -> Iterable[str]:
        """The categories of each column."""
        yield from _told(names, self.categories, most)


@dataclass(frozen=True, repr=False)
class Lookup(Step):
    """A number for each category of each column, as codes or means of a target are.

    categories: of each column, as for `OneHot`.
    codes: of each column, the number of each category; None for a missing one.
    unknown: of each column, the number of a cell of no category, None for a missing one; "error" to refuse it.
    Raises ParameterError where these do not go together.

    >>> from fhenn.interop.preparation import Column, Preparation
    >>> step = Lookup((("low", "high"),), ((0.0, 1.0),), (-1.0,))
    >>> Preparation((Column("x", "text"),), [step], ["x"]).prepare({"x": ["high", "none"]}).tolist()
    [[1.0], [-1.0]]
    """

    categories: tuple[tuple[Cell, ...], ...]
    codes: tuple[tuple[float | None, ...], ...]
    unknown: tuple[float | Literal["error"] | None, ...]
    needs = None
    missing_ok = True

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_alike("Lookup", self.categories, self.codes)
        if len(self.categories) != len(self.unknown):
            raise ParameterError("unknown must have an entry for each column.", "Give as many.")

    def wants(self, count: int) -> tuple[Kind | None, ...]:
        """What the categories of each column are."""
        return tuple(map(kind_of, self.categories))

    def after(self, before: Fields) -> Fields:
        """A number for each column. Raises ParameterError where there are others."""
        self._require_width(before, self.categories)
        return as_numbers(before)

    def apply(self, frame: Frame) -> Frame:
        """The numbers of each row. Raises UnknownCategory, MissingValues."""
        found = np.empty((frame.rows, len(self.categories)))
        for place, (categories, codes, unknown) in enumerate(
            zip(self.categories, self.codes, self.unknown, strict=True)
        ):
            at = encode(frame, place, categories, refuse=unknown == "error")
            numbers = [*codes, None if unknown == "error" else unknown]
            found[:, place] = np.array([np.nan if each is None else each for each in numbers], dtype=np.float64)[at]
        return frame.numbers(found)

    def work(self, count: int) -> int:
        """Comparisons with categories, by halves."""
        return sum(len(each).bit_length() for each in self.categories)

    def texts(self, count: int) -> tuple[Iterable[str], ...]:
        """The categories that are texts."""
        return tuple(map(texts_in, self.categories))

    def tells(self, names: Sequence[str], most: int | None = SHOWN) -> Iterable[str]:
        """The categories of each column, and their numbers."""
        yield from _told(names, self.categories, most)
        for name, codes in zip(names, self.codes, strict=True):
            if any(code is not None and not code.is_integer() for code in codes):
                yield f"{name}: numbers of its categories, as means of the target, {shown(codes, most)}"


def kind_of(categories: Sequence[Cell]) -> Kind | None:
    """What the cells of a column with these categories are; None where all of them are missing.

    >>> kind_of(("a", None)), kind_of((1.0, 2.0)), kind_of((1.0, "a")), kind_of((None,))
    ('text', 'number', 'either', None)
    """
    kinds: set[Kind] = {"text" if isinstance(each, str) else "number" for each in categories if each is not None}
    return None if not kinds else kinds.pop() if len(kinds) == 1 else "either"


def texts_in(cells: Sequence[Cell]) -> list[str]:
    """The cells that are texts."""
    return [cell for cell in cells if isinstance(cell, str)]


def encode(frame: Frame, place: int, categories: Sequence[Cell], *, refuse: bool) -> Integers:
    """Which category each cell of a column is of, (rows,), -1 for none.

    refuse: whether to raise for cells of no category.

    Raises UnknownCategory, and MissingValues for missing cells.
    """
    if place in frame.texts:
        table = {category: code for code, category in enumerate(categories)}
        codes = np.fromiter((table.get(cell, -1) for cell in frame.texts[place]), np.int64, frame.rows)
    else:
        codes = _encode_numbers(frame.values[:, place], categories)
    if (codes < 0).any():
        origin = frame.fields[place].origin
        unknown = (codes < 0) & ~frame.missing(place)
        if refuse:
            _refuse(frame, place, categories, codes < 0)
        elif frame.source.strict and unknown.any():
            _refuse(frame, place, categories, unknown)
        elif frame.source.heard is not None and origin is not None:
            frame.source.heard(origin, unknown, categories)
    return codes


def _encode_numbers(values: NDArray[np.float64], categories: Sequence[Cell]) -> Integers:
    known = np.array([each for each in categories if isinstance(each, float)])
    codes = np.full(len(values), -1, dtype=np.int64)
    if known.size:
        places = np.array([code for code, each in enumerate(categories) if isinstance(each, float)])
        order = np.argsort(known)
        at = np.minimum(np.searchsorted(known[order], values), len(known) - 1)
        found = known[order][at] == values
        codes[found] = places[order][at[found]]
    if None in categories:
        codes[np.isnan(values)] = categories.index(None)
    return codes


def _refuse(frame: Frame, place: int, categories: Sequence[Cell], unknown: NDArray[np.bool_]) -> None:
    """Raise UnknownCategory, or MissingValues where a missing cell is no category."""
    source, column = frame.source, frame.source.column(frame.fields[place].origin)
    missing = np.flatnonzero(unknown & frame.missing(place)).tolist()
    if missing:
        raise MissingValues(
            source.operation,
            len(missing),
            "Fill these cells: no cell was missing there when the model was fitted.",
            (column,),
            (len(missing),),
            (source.where(missing),),
        )
    rows = np.flatnonzero(unknown).tolist()
    cell = to_python(frame.cells(place)[rows[0]])
    known = tuple("nothing" if each is None else short(each) for each in categories)
    alike = [each for each in categories if isinstance(each, str) and _is_nearly(each, cell)]
    near = None if alike or not isinstance(cell, str) else nearest(cell, texts_in(categories))
    if alike:
        suggestion = f"Write it as {alike[0]!r}, to the letter."
    elif near is not None:
        suggestion = f"Did you mean {near!r}? Write it so, or leave out the row."
    else:
        more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
        suggestion = f"Known are {', '.join(known[:_NAMED])}{more}: write one of them, or leave out the row."
    reason = "the model was fitted on no such category"
    raise UnknownCategory(
        source.operation, column, tuple(rows), source.where(rows), short(cell), reason, suggestion, known
    )


def _is_nearly(category: str, cell: Cell) -> bool:
    """Whether a cell is a category but for blanks around it, case, or the form of its accents."""
    return isinstance(cell, str) and _plain(category) == _plain(cell)


def _plain(text: str) -> str:
    return normalise(text).strip().casefold()


def _require_alike(step: str, categories: Sequence[Sequence[Cell]], parts: Sequence[Sequence[object]]) -> None:
    """Raise ParameterError where a column has a category twice, or other parts than categories."""
    if [*map(len, categories)] != [*map(len, parts)]:
        raise ParameterError(f"a step {step} must have an entry for each category.", "Give as many as categories.")
    for each in categories:
        if len({*each}) < len(each):
            raise ParameterError(f"a step {step} has a category twice: {shown(each)}.", "Leave out one of them.")


def _bit(name: str, setting: Sequence[Cell]) -> str:
    """What a bit says of a column. setting: the categories that set it; none where those do that are not known."""
    if not setting:
        return f"{name} is another"
    return f"{name} is {'one of ' * (len(setting) > 1)}{shown(setting)}"


def _told(names: Sequence[str], categories: Sequence[Sequence[Cell]], most: int | None) -> Iterable[str]:
    for name, each in zip(names, categories, strict=True):
        yield f"{name}: its categories {shown(each, most)}"
