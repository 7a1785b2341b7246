"""`Notice`: what a preparation goes on with, although the model has not seen it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.interop.preparation.frame import Cell, Frame

_MOST_EXAMPLES = 3


@dataclass(frozen=True)
class Notice:
    """What was unusual in a raw column of some rows, and did not keep them from being prepared.

    column: name of the raw column, or its place from 0.
    blank: how many cells were missing; the model fills them, or takes them as they are.
    unknown: how many were of no category that the model knows; it goes on without them.
    examples: up to three of these categories.

    >>> Notice("ward", unknown=2, examples=("D",))
    Notice(column='ward', blank=0, unknown=2, examples=('D',))
    """

    column: str | int
    blank: int = 0
    unknown: int = 0
    examples: tuple[Cell, ...] = ()

    def __add__(self, other: Notice) -> Notice:
        """Of more rows of the same column."""
        examples = tuple(dict.fromkeys((*self.examples, *other.examples)))[:_MOST_EXAMPLES]
        return Notice(self.column, self.blank + other.blank, self.unknown + other.unknown, examples)


@dataclass(frozen=True, eq=False)
class Hearing:
    """Gathers what the steps tell of one block of rows. A column that several steps encode counts once.

    unknown: by place of the raw column, which rows were of no known category.
    """

    unknown: dict[int, NDArray[np.bool_]] = field(default_factory=dict)

    def __call__(self, origin: int, rows: NDArray[np.bool_]) -> None:
        """Take what a step tells."""
        self.unknown[origin] = self.unknown[origin] | rows if origin in self.unknown else rows

    def notices(self, raw: Frame, used: Iterable[int]) -> list[Notice]:
        """What there is to say of the raw rows that were prepared.

        used: places of the columns that something is made of.
        """
        found = []
        for place in used:
            strange = np.flatnonzero(self.unknown.get(place, ()))
            blank = int(raw.missing(place).sum())
            if strange.size or blank:
                cells: list[Any] = raw.cells(place)[strange[:100]].tolist()
                found.append(
                    Notice(raw.source.names[place], blank, strange.size, tuple(dict.fromkeys(cells))[:_MOST_EXAMPLES])
                )
        return found
