"""What is done about missing cells: `Impute` fills them, `IsMissing` tells of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import MissingValues, ParameterError
from fhenn.interop.preparation.frame import Cell, Field, Fields, Frame, Kind
from fhenn.interop.preparation.step import SHOWN, Step, shown


@dataclass(frozen=True, repr=False)
class Impute(Step):
    """Missing cells filled, a value for each column.

    fill: of each column, a number or a text; None for a column that stays as it is.
    missing: what stands for a missing cell; None for empty ones. Where it is a value, empty cells stay empty.

    >>> from fhenn.interop.preparation import Preparation
    >>> Preparation.of_numbers(2).then(Impute((7.0, 8.0))).prepare([[1.0, None], [None, 2.0]]).tolist()
    [[1.0, 8.0], [7.0, 2.0]]
    """

    fill: tuple[Cell, ...]
    missing: Cell = None
    needs = None
    missing_ok = True

    def wants(self, count: int) -> tuple[Kind | None, ...]:
        """The kind of what fills each column, and of what is missing there."""
        return tuple(None if value is None else _kind(value) for value in self.fill)

    def after(self, before: Fields) -> Fields:
        """The same columns. Raises ParameterError where there are others."""
        self._require_width(before, self.fill)
        return before

    def apply(self, frame: Frame) -> Frame:
        """The rows with what fills them."""
        values, texts = frame.values.copy(), dict(frame.texts)
        for place, fill in enumerate(self.fill):
            if fill is None:
                continue
            missing = _missing(frame, place, self.missing)
            if place in texts:
                texts[place] = texts[place].copy()
                texts[place][missing] = fill
            else:
                values[missing, place] = fill
        return Frame(values, texts, frame.fields, frame.source)

    def of_column(self, place: int) -> tuple[tuple[Step, ...], int]:
        """The column as it is, where no cell is missing."""
        return (), place

    def texts(self, count: int) -> tuple[Iterable[str], ...]:
        """What stands for a missing cell, where that is a text."""
        return ([self.missing] if isinstance(self.missing, str) else [],) * count

    def tells(self, names: Sequence[str], most: int | None = SHOWN) -> Iterable[str]:
        """What fills each column."""
        for name, value in zip(names, self.fill, strict=True):
            if value is not None:
                found = shown((value,), most)
                yield f"{name}: what fills missing cells, {found}, a mean, median or most frequent value"


@dataclass(frozen=True, repr=False)
class IsMissing(Step):
    """Which cells are missing, as 1.0, of some columns.

    places: of these columns.
    missing: what stands for a missing cell; None for empty ones.
    new: whether missing cells may be in other columns too; else they are refused.
    """

    places: tuple[int, ...]
    missing: Cell = None
    new: bool = True
    needs = None
    missing_ok = True

    def after(self, before: Fields) -> Fields:
        """A bit for each place. Raises ParameterError where there is no such place."""
        if any(not 0 <= place < len(before) for place in self.places):
            raise ParameterError(
                f"a step IsMissing takes columns {shown(self.places)}, and {len(before)} come in.",
                "Count columns from 0.",
            )
        return tuple(Field("number", before[place].origin) for place in self.places)

    def apply(self, frame: Frame) -> Frame:
        """The bits of each row. Raises MissingValues."""
        if not self.new:
            others = [place for place in range(len(frame.fields)) if place not in self.places]
            if self.missing is None:
                frame.require_present(others, _NEW)
            for place in others:
                rows = np.flatnonzero(_missing(frame, place, self.missing)).tolist()
                if rows:
                    column = frame.source.column(frame.fields[place].origin)
                    raise MissingValues(
                        frame.source.operation, len(rows), _NEW, (column,), (len(rows),), (frame.source.where(rows),)
                    )
        found = np.zeros((frame.rows, len(self.places)))
        for at, place in enumerate(self.places):
            found[:, at] = _missing(frame, place, self.missing)
        return frame.numbers(found, self.after(frame.fields))

    def names(self, columns: Sequence[str]) -> tuple[str, ...]:
        """As scikit-learn calls them."""
        return tuple(f"missingindicator_{columns[place]}" for place in self.places)

    def calls(self, names: Sequence[str]) -> tuple[str, ...]:
        """What is asked of the columns."""
        return tuple(f"{names[place]} is missing" for place in self.places)

    def texts(self, count: int) -> tuple[Iterable[str], ...]:
        """What stands for a missing cell, where that is a text."""
        return ([self.missing] if isinstance(self.missing, str) else [],) * count

    def tells(self, names: Sequence[str], most: int | None = SHOWN) -> Iterable[str]:
        """The columns."""
        for place in self.places:
            yield f"{names[place]}: that the model asks whether it is missing"


_NEW = "Fill these cells: no cell was missing there when the model was fitted."


def _kind(value: Cell) -> Kind:
    return "text" if isinstance(value, str) else "number"


def _missing(frame: Frame, place: int, missing: Cell) -> NDArray[np.bool_]:
    """Which cells of a column are missing, (rows,)."""
    if missing is None:
        return frame.missing(place)
    cells = frame.cells(place)
    if place in frame.texts:
        return np.fromiter((cell == missing for cell in cells), bool, frame.rows)
    found: NDArray[np.bool_] = cells == missing if isinstance(missing, float) else np.zeros(frame.rows, dtype=bool)
    return found
