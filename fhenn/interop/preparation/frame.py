"""`Frame`: rows of a table on their way through the steps of a preparation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import MissingValues, join_first

Floats = NDArray[np.float64]
Objects = NDArray[np.object_]
Cell = float | str | None
"""A cell: a number, a text, or None for a missing one."""
Kind = Literal["number", "text", "either"]
"""What the cells of a column are: numbers, texts, or some of each."""


@dataclass(frozen=True)
class Field:
    """What is known of a column before there are rows.

    kind: of its cells, missing ones apart.
    origin: place of the raw column that it stands for, row by row; None where it is made of several.
    """

    kind: Kind = "number"
    origin: int | None = None


Fields = tuple[Field, ...]


def rows_in_words(rows: Sequence[int]) -> str:
    """Rows, counted from 0, as errors name them."""
    return join_first(rows, "row")


@dataclass(frozen=True)
class Source:
    """How errors name the raw table.

    names: of the raw columns, or their places from 0.
    where: rows, counted from 0 in the frame, in words.
    operation: the file, or what is done.
    decimal: what stands before the fraction of a number that is written as text.
    heard: what is told of rows that are prepared without a cell that the model does not know: the place of the raw
    column, which rows, (rows,), and the categories that the model knows.
    strict: whether such rows are refused.
    """

    names: tuple[str | int, ...]
    where: Callable[[Sequence[int]], str] = rows_in_words
    operation: str = "prepare"
    decimal: str = "."
    heard: Callable[[int, NDArray[np.bool_], Sequence[Cell]], None] | None = None
    strict: bool = False

    def shifted(self, before: int) -> Source:
        """The same for a frame that starts `before` rows later."""
        return replace(self, where=lambda rows: self.where([row + before for row in rows]))

    def column(self, origin: int | None) -> str:
        """A raw column in words."""
        if origin is None:
            return "a feature made of several columns"
        name = self.names[origin]
        return f"column {name!r}" if isinstance(name, str) else f"column {name}"


@dataclass(frozen=True, eq=False)
class Frame:
    """Rows and columns. Columns of numbers are those of one matrix; others lie beside it.

    values: (rows, columns), NaN where a cell is missing or is not in a column of numbers.
    texts: by place, the cells of the other columns, (rows,), None where one is missing.
    fields: what each column is.
    source: how errors name the rows and the raw columns.
    """

    values: Floats
    texts: Mapping[int, Objects]
    fields: Fields
    source: Source = field(default_factory=lambda: Source(()))

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.values)

    def numbers(self, values: Floats, fields: Fields | None = None) -> Frame:
        """The same rows with columns of numbers in the place of all.

        values: (rows, columns).
        fields: what these are; None for what the columns were, as numbers.
        """
        kept = tuple(Field("number", each.origin) for each in self.fields) if fields is None else fields
        return Frame(values, {}, kept, self.source)

    def cells(self, place: int) -> NDArray[Any]:
        """A column: numbers, or objects where it may hold others."""
        return self.texts[place] if place in self.texts else self.values[:, place]

    def missing(self, place: int) -> NDArray[np.bool_]:
        """Which cells of a column are missing, (rows,)."""
        if place in self.texts:
            return np.fromiter((cell is None for cell in self.texts[place]), bool, self.rows)
        return np.isnan(self.values[:, place])

    def select(self, places: Sequence[int]) -> Frame:
        """The columns at some places, in their order."""
        texts = {at: self.texts[place] for at, place in enumerate(places) if place in self.texts}
        return Frame(self.values[:, list(places)], texts, tuple(self.fields[place] for place in places), self.source)

    @staticmethod
    def side_by_side(frames: Sequence[Frame]) -> Frame:
        """The columns of frames of the same rows, one after another; at least one frame."""
        texts, fields = dict[int, Objects](), tuple[Field, ...]()
        for frame in frames:
            texts |= {len(fields) + place: cells for place, cells in frame.texts.items()}
            fields += frame.fields
        values = np.concatenate([frame.values for frame in frames], axis=1)
        return Frame(values, texts, fields, frames[0].source)

    def require_present(self, places: Iterable[int], reason: str) -> None:
        """Raise MissingValues where one of these columns has a missing cell.

        places: of the columns.
        reason: what to do, a sentence.
        """
        found = {place: np.flatnonzero(missing).tolist() for place in places if (missing := self.missing(place)).any()}
        if found:
            raise MissingValues(
                self.source.operation,
                sum(map(len, found.values())),
                reason,
                tuple(self.source.column(self.fields[place].origin) for place in found),
                tuple(map(len, found.values())),
                tuple(map(self.source.where, found.values())),
            )
