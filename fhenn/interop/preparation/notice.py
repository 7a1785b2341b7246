"""`Notice`: what a preparation goes on with, although the model has not seen it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.interop.preparation.frame import Cell, Frame
from fhenn.text import nearest

_MOST_EXAMPLES = 3


@dataclass(frozen=True)
class Notice:
    """What was unusual in a raw column of some rows, and did not keep them from being prepared.

    column: name of the raw column, or its place from 0.
    blank: how many cells were missing; the model fills them, or takes them as they are.
    unknown: how many were of no category that the model knows; it goes on without them.
    examples: up to three of these categories.
    meant: of the examples that are nearly a known category, each with that one.

    >>> Notice("sex", unknown=2, examples=("mal",), meant=(("mal", "male"),))
    Notice(column='sex', blank=0, unknown=2, examples=('mal',), meant=(('mal', 'male'),))
    """

    column: str | int
    blank: int = 0
    unknown: int = 0
    examples: tuple[Cell, ...] = ()
    meant: tuple[tuple[Cell, str], ...] = ()

    def __add__(self, other: Notice) -> Notice:
        """Of more rows of the same column."""
        examples = tuple(dict.fromkeys((*self.examples, *other.examples)))[:_MOST_EXAMPLES]
        meant = tuple(dict.fromkeys(pair for pair in (*self.meant, *other.meant) if pair[0] in examples))
        return Notice(self.column, self.blank + other.blank, self.unknown + other.unknown, examples, meant)


@dataclass(frozen=True, eq=False)
class Hearing:
    """Gathers what the steps tell of one block of rows. A column that several steps encode counts once.

    unknown: by place of the raw column, which rows were of no known category.
    known: by place of the raw column, the categories that are texts.
    """

    unknown: dict[int, NDArray[np.bool_]] = field(default_factory=dict)
    known: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def __call__(self, origin: int, rows: NDArray[np.bool_], categories: Sequence[Cell]) -> None:
        """Take what a step tells."""
        self.unknown[origin] = self.unknown[origin] | rows if origin in self.unknown else rows
        texts = (each for each in categories if isinstance(each, str))
        self.known[origin] = tuple(dict.fromkeys((*self.known.get(origin, ()), *texts)))

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
                examples, known = tuple(dict.fromkeys(cells))[:_MOST_EXAMPLES], self.known.get(place, ())
                pairs = ((each, nearest(each, known)) for each in examples if isinstance(each, str))
                meant = tuple((each, near) for each, near in pairs if near not in (None, each))
                found.append(Notice(raw.source.names[place], blank, strange.size, examples, meant))
        return found
