"""`Step`: what all steps of a preparation are; `Select` and `Union`, which arrange others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from math import isfinite
from typing import ClassVar, get_type_hints

import numpy as np

from fhenn.errors import ParameterError
from fhenn.interop.preparation.frame import Cell, Field, Fields, Frame, Kind
from fhenn.strict import built

SHOWN = 5
"""Values that a list of what is told names."""
_LONGEST = 40
"""Characters of one that is a text."""


@dataclass(frozen=True, repr=False)
class Step(ABC):
    """One small map of rows, in float64, as data: a frozen dataclass whose fields are what JSON has.

    A step takes all columns that are there, and says what comes out. Each row is mapped by itself.
    """

    needs: ClassVar[Kind | None] = "number"
    """What all columns must be, unless `wants` says otherwise; None for anything."""
    missing_ok: ClassVar[bool] = False
    """Whether missing cells may come in."""

    takes_either: ClassVar[bool] = False
    """Whether a column of numbers and texts may come in where one of both is wanted: the other is compared in vain."""

    makes_bits: ClassVar[bool | None] = False
    """Whether all that comes out is 0 or 1; None for a step that only arranges what comes in."""

    def __post_init__(self) -> None:
        """Make the fields what JSON gives back, and what they are typed as. Raises ParameterError."""
        hints = get_type_hints(type(self))
        for name in (each.name for each in fields(self)):
            value = getattr(self, name)
            try:
                made = built(hints[name], value.tolist() if isinstance(value, np.ndarray | np.generic) else value)
            except ValueError as error:
                raise ParameterError(
                    f"{name} of a step {type(self).__name__} is not what it must be: {error}.",
                    "Give numbers, texts and tuples of them as its docstring says.",
                ) from error
            if not _is_finite(made):
                raise ParameterError(
                    f"{name} of a step {type(self).__name__} holds NaN or infinity, as where a column had no cell when "
                    "it was fitted.",
                    "Leave out such columns.",
                )
            object.__setattr__(self, name, made)

    def wants(self, count: int) -> tuple[Kind | None, ...]:
        """What each of so many columns must be; None for anything."""
        return (self.needs,) * count

    @abstractmethod
    def after(self, before: Fields) -> Fields:
        """What comes out. Raises ParameterError where the step is not for these columns."""

    @abstractmethod
    def apply(self, frame: Frame) -> Frame:
        """The rows, mapped. Raises MissingValues, CellRefused."""

    def names(self, columns: Sequence[str]) -> tuple[str, ...]:
        """What comes out is called. columns: names of what comes in."""
        return tuple(columns)

    def of_column(self, place: int) -> tuple[tuple[Step, ...], int] | None:
        """How a column that comes out is made of one that comes in, where it rises or falls with that throughout.

        place: of the column that comes out.

        Returns (steps that do so to the one column alone, its place); no steps where missing cells alone are changed;
        None where the column is made otherwise.
        """
        return None

    def work(self, count: int) -> int:
        """About how many numbers are multiplied and added for a row of so many columns, outputs apart."""
        return count

    def texts(self, count: int) -> tuple[Iterable[str], ...]:
        """For each of so many columns, the texts that the step tells apart, some of which may look like missing."""
        return ((),) * count

    def tells(self, names: Sequence[str], most: int | None = SHOWN) -> Iterable[str]:
        """What the step shows of its model to whoever has it, in words.

        names: what the columns that come in are called.
        most: values that a list names; None for all.
        """
        return ()

    def calls(self, names: Sequence[str]) -> tuple[str, ...] | None:
        """What the columns that come out are called where later steps tell of them; None as the columns before.

        names: what the columns that come in are called.
        """
        return None

    def _require_width(self, before: Fields, *parts: Sequence[object]) -> None:
        """Raise ParameterError where a part does not have one entry for each column."""
        for part in parts:
            if len(part) != len(before):
                raise ParameterError(
                    f"a step {type(self).__name__} is for {len(part)} columns, and {len(before)} come in.",
                    "Give it one entry for each column.",
                )

    def __repr__(self) -> str:
        # whole matrices would be printed
        return f"{type(self).__name__}(…)"


def _is_finite(value: object) -> bool:
    """Whether no number in tuples of any depth is NaN or infinite."""
    if isinstance(value, tuple):
        if value and {*map(type, value)} == {float}:  # at once: matrices are long
            return bool(np.isfinite(value).all())
        return all(map(_is_finite, value))
    return not isinstance(value, float) or isfinite(value)


@dataclass(frozen=True, repr=False)
class Select(Step):
    """Some columns, in an order, each any number of times.

    places: of the columns, from 0.
    """

    places: tuple[int, ...]
    needs = None
    missing_ok = True
    makes_bits = None

    def after(self, before: Fields) -> Fields:
        """The fields at the places. Raises ParameterError where there is no such place."""
        wrong = [place for place in self.places if not 0 <= place < len(before)]
        if wrong:
            raise ParameterError(
                f"a step Select takes column {wrong[0]}, and {len(before)} come in.", "Count columns from 0."
            )
        return tuple(before[place] for place in self.places)

    def apply(self, frame: Frame) -> Frame:
        """The columns at the places."""
        return frame.select(self.places)

    def of_column(self, place: int) -> tuple[tuple[Step, ...], int]:
        """The column at the place, as it is."""
        return (), self.places[place]

    def names(self, columns: Sequence[str]) -> tuple[str, ...]:
        """Those of the columns at the places."""
        return tuple(columns[place] for place in self.places)

    def calls(self, names: Sequence[str]) -> tuple[str, ...]:
        """As what they are."""
        return self.names(names)

    def work(self, count: int) -> int:
        """Nothing but outputs."""
        return 0

    def __repr__(self) -> str:
        return f"Select({shown(self.places)})"


@dataclass(frozen=True, repr=False)
class Union(Step):
    """What several sequences of steps make of the same columns, side by side.

    branches: each a sequence of steps; one without steps is the columns as they are.
    """

    branches: tuple[tuple[Step, ...], ...]
    needs = None
    missing_ok = True

    def after(self, before: Fields) -> Fields:
        """The fields of all branches. Raises ParameterError as the steps do."""
        return walk([self], before)

    def apply(self, frame: Frame) -> Frame:
        """What the branches make, side by side."""
        return Frame.side_by_side([run(branch, frame) for branch in self.branches])

    def names(self, columns: Sequence[str]) -> tuple[str, ...]:
        """Those of all branches."""
        return tuple(name for branch in self.branches for name in _named(branch, columns))

    def work(self, count: int) -> int:
        """Nothing but that of the steps."""
        return 0

    def __repr__(self) -> str:
        return f"Union({len(self.branches)} branches)"


def _named(steps: Iterable[Step], columns: Sequence[str]) -> tuple[str, ...]:
    names = tuple(columns)
    for step in steps:
        names = step.names(names)
    return names


def run(steps: Iterable[Step], frame: Frame) -> Frame:
    """Rows after all steps. Raises MissingValues, CellRefused."""
    for step in steps:
        if not step.missing_ok:
            frame.require_present(
                range(len(frame.fields)), "Fill these cells, or put an imputer before: the model takes no missing ones."
            )
        # what is no number any more is found at the end, with its row
        with np.errstate(all="ignore"):
            frame = step.apply(frame)
    return frame


def walk(steps: Iterable[Step], before: Fields, visit: Callable[[Step, Fields], None] = lambda *_: None) -> Fields:
    """What comes out of all steps.

    steps: one after another.
    before: what comes in.
    visit: called with every step, those in branches too, and what comes in to it; not with unions themselves.

    Raises ParameterError where a step is not for what comes in to it.
    """
    fields = before
    for step in steps:
        if isinstance(step, Union):
            if not step.branches:
                raise ParameterError("a step Union has no branches.", "Give it at least one.")
            fields = tuple(field for branch in step.branches for field in walk(branch, fields, visit))
        else:
            visit(step, fields)
            fields = step.after(fields)
    return fields


def as_numbers(fields: Fields) -> Fields:
    """The fields of steps that map each column by itself."""
    return tuple(Field("number", field.origin) for field in fields)


def shown(values: Sequence[Cell] | Sequence[int], most: int | None = SHOWN) -> str:
    """The first few values in words, and how many there are.

    values: numbers, texts and None for a missing cell.
    most: that are named; None for all, with whole texts.

    >>> shown(("a", None)), shown((1.5, 2.0, 3.0, 4.0, 5.0, 6.0))
    ("'a', missing", '1.5, 2, 3, 4, 5, … (6)')
    """
    longest = None if most is None else _LONGEST
    texts = ["missing" if value is None else repr(value)[:longest] if isinstance(value, str) else f"{value:.6g}"
             for value in values[:most]]  # fmt: skip
    return ", ".join(texts) + f", … ({len(values)})" * (len(values) > len(texts))
