"""What the readers of transformers share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fhenn.interop.preparation import Step, walk
from fhenn.interop.preparation.frame import Cell, Field
from fhenn.interop.sklearn.imported import refuse
from fhenn.missing import is_missing


@dataclass(frozen=True)
class Context:
    """What a reader needs beside the transformer.

    where: its place, for errors.
    count: how many columns come in.
    allow_rows: whether rows of the training data may go to the client.
    read: reads a transformer inside it.
    """

    where: str
    count: int
    allow_rows: bool
    read: Callable[[Any, Context], list[Step]]

    def inside(self, step: str, count: int) -> Context:
        """The context of a step inside, in words, to which so many columns come."""
        return Context(f"{self.where}, {step}", count, self.allow_rows, self.read)

    def after(self, steps: Sequence[Step]) -> int:
        """How many columns there are after some steps."""
        return len(walk(steps, (Field("either"),) * self.count))


Reader = Callable[[Any, Context], list[Step]]
"""What reads a fitted transformer of one class. Raises UnsupportedModel."""


def cell_of(value: Any, step: Any, context: Context) -> Cell:
    """A category, or what fills a cell, as a preparation has it. Raises UnsupportedModel for other types."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return str(value)
    if is_missing(value):
        return None
    if isinstance(value, bool | int | float):
        number = float(value)
        if number == value:
            return number
    kind = type(value).__name__
    raise refuse(step, context.where, f"it holds {value!r:.40} of type {kind}", "texts, and numbers that floats hold")


def floats(values: Any) -> tuple[float, ...]:
    """Numbers of an array, one after another."""
    return tuple(np.asarray(values, dtype=np.float64).ravel().tolist())


def rows(values: Any) -> tuple[tuple[float, ...], ...]:
    """Numbers of a matrix, dense or sparse, row by row."""
    dense = values.toarray() if hasattr(values, "toarray") else values
    return tuple(map(tuple, np.asarray(dense, dtype=np.float64).tolist()))


def same(value: float, count: int) -> tuple[float, ...]:
    """A number for each of so many columns."""
    return (float(value),) * count


def names_in(step: Any) -> tuple[str, ...] | None:
    """The columns that a transformer was fitted on, where they had names."""
    names = getattr(step, "feature_names_in_", None)
    return None if names is None else tuple(map(str, names))


def integers(values: Sequence[Any] | Any) -> tuple[int, ...]:
    """Whole numbers of an array, one after another."""
    return tuple(map(int, np.asarray(values).ravel().tolist()))
