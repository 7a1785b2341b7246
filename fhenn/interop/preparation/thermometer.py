"""`Thermometer`: which thresholds a number does not pass, as bits: what trees decide by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fhenn.errors import ParameterError
from fhenn.interop.preparation.frame import Cell, Field, Fields, Frame, Kind
from fhenn.interop.preparation.step import SHOWN, Step, shown

_LONGEST = 60
"""Characters of a set in the name of its bit."""


@dataclass(frozen=True, repr=False)
class Thermometer(Step):
    """Bits of each column, 1.0 where they hold, one column after another.

    First x <= t for each of the column's thresholds, then "x is in the set" for each of its sets, then "x is missing"
    where that is asked for. All but the last are 0.0 of a missing cell.

    thresholds: for each column, ascending; none where it has none.
    strict: whether the bits are x < t.
    single: whether x is rounded to single precision before it is compared, with thresholds and with sets.
    missing: for each column, whether a bit says that a cell is missing; without it missing cells are refused. Empty
    for no column.
    sets: for each column, the sets of values that a bit asks for, all numbers or all texts: a column whose sets hold
    texts has no thresholds. Empty for no column.
    Raises ParameterError where thresholds do not ascend or are not finite, or the parts are for different columns.

    scikit-learn's trees compare float32(x) <= t with t in double precision: `single=True`; its histogram gradient
    boosting x <= t. XGBoost compares float32(x) < t with t in single precision: `single=True, strict=True`.

    >>> from fhenn.interop.preparation import Preparation
    >>> bits = Thermometer(((0.5, 2.0), ()), missing=(False, True), sets=((), ((1.0, 3.0),)))
    >>> Preparation.of_numbers(2).then(bits).prepare([[1.0, 3.0], [0.5, None]]).tolist()
    [[0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 1.0]]
    """

    thresholds: tuple[tuple[float, ...], ...]
    strict: bool = False
    single: bool = False
    missing: tuple[bool, ...] = ()
    sets: tuple[tuple[tuple[Cell, ...], ...], ...] = ()
    needs = None
    makes_bits = True
    missing_ok = True  # it says of each column whether they may be

    def __post_init__(self) -> None:
        super().__post_init__()
        for part in (self.missing, self.sets):
            if part and len(part) != len(self.thresholds):
                raise ParameterError(
                    f"thresholds are for {len(self.thresholds)} columns, and missing or sets for {len(part)}.",
                    "Give one entry for each column.",
                )
        for steps in self.thresholds:
            if not np.isfinite(steps).all() or any(low >= high for low, high in pairwise(steps)):
                raise ParameterError(
                    f"thresholds must be finite and ascend, not {shown(steps)}.", "Sort them, each once."
                )
        for place, sets in enumerate(self.sets):
            kinds = {type(cell) for each in sets for cell in each}
            if not kinds <= {float, int} and not (kinds <= {str} and not self.thresholds[place]):
                raise ParameterError(
                    f"the sets of column {place} hold other cells than its thresholds allow.",
                    "Give sets of numbers; or of texts, for a column without thresholds.",
                )

    @property
    def bits(self) -> tuple[int, ...]:
        """How many bits each column has.

        >>> Thermometer(((1.0, 2.0), ()), missing=(True, True)).bits
        (3, 1)
        """
        return tuple(len(steps) + len(sets) + missing for steps, sets, missing in self._parts)

    def names(self, columns: Sequence[str]) -> tuple[str, ...]:
        """What the bits are called.

        columns: names of the columns.

        >>> Thermometer(((1.5,), ()), strict=True, sets=((), (("a", "b"),))).names(["age", "sex"])
        ('age < 1.5', "sex in {'a', 'b'}")
        """
        sign = "<" if self.strict else "<="
        return tuple(
            name
            for column, (steps, sets, missing) in zip(columns, self._parts, strict=False)
            for name in (
                *(f"{column} {sign} {threshold!r}" for threshold in steps),
                *(f"{column} in {_named(each, place)}" for place, each in enumerate(sets)),
                *[f"{column} is missing"] * missing,
            )
        )

    def wants(self, count: int) -> tuple[Kind | None, ...]:
        """Texts where sets hold texts; anything where nothing is compared, as with empty sets; else numbers."""
        return tuple(
            "number" if steps or _hold(sets, float, int) else "text" if _hold(sets, str) else None
            for steps, sets, _ in self._parts
        )

    def after(self, before: Fields) -> Fields:
        """The bits. Raises ParameterError where there are other columns."""
        self._require_width(before, self.thresholds)
        return tuple(Field("number", field.origin) for field, bits in zip(before, self.bits, strict=True)
                     for _ in range(bits))  # fmt: skip

    def apply(self, frame: Frame) -> Frame:
        """The bits of each row. Raises MissingValues."""
        strict_columns = [place for place, (_, _, missing) in enumerate(self._parts) if not missing]
        frame.require_present(strict_columns, "Fill these cells: the model was not made for missing ones there.")
        found = np.zeros((frame.rows, sum(self.bits)))
        at = 0
        for place, (steps, sets, missing) in enumerate(self._parts):
            if steps or _hold(sets, float, int):
                values = frame.values[:, place]
                if self.single:
                    values = values.astype(np.float32).astype(np.float64)
                limits = np.array(steps)
                below = values[:, None] < limits if self.strict else values[:, None] <= limits
                found[:, at : at + len(steps)] = below
                at += len(steps)
                for each in sets:
                    found[:, at] = np.isin(values, np.array(each, dtype=np.float64))
                    at += 1
            else:
                for texts in map(frozenset, sets):
                    found[:, at] = [cell in texts for cell in frame.cells(place)]
                    at += 1
            if missing:
                found[:, at] = frame.missing(place)
                at += 1
        return frame.numbers(found, self.after(frame.fields))

    def work(self, count: int) -> int:
        """The sizes of the sets; bits are outputs."""
        return count + sum(len(each) for sets in self.sets for each in sets)

    def texts(self, count: int) -> tuple[Iterable[str], ...]:
        """The texts in the sets of each column."""
        return tuple([cell for each in sets for cell in each if isinstance(cell, str)] for _, sets, _ in self._parts)

    def tells(self, names: Sequence[str], most: int | None = SHOWN) -> Iterable[str]:
        """The thresholds and sets of each column."""
        for name, (steps, sets, missing) in zip(names, self._parts, strict=True):
            if steps:
                yield f"{name}: the thresholds {shown(steps, most)}"
            for each in sets:
                yield f"{name}: the set {shown(each, most)}"
            if missing:
                yield f"{name}: that the model asks whether it is missing"

    @property
    def _parts(self) -> list[tuple[tuple[float, ...], tuple[tuple[Cell, ...], ...], bool]]:
        """Of each column its thresholds, its sets, and whether a bit says that it is missing."""
        count = len(self.thresholds)
        return list(zip(self.thresholds, self.sets or ((),) * count, self.missing or (False,) * count, strict=True))


def _named(values: tuple[Cell, ...], place: int) -> str:
    """A set in words: what is in it, or its place among those of its column where that is long."""
    text = f"{{{', '.join(map(repr, values))}}}"
    return text if len(text) <= _LONGEST else f"set {place}"


def _hold(sets: tuple[tuple[Cell, ...], ...], *kinds: type) -> bool:
    """Whether a value of some kinds is in one of the sets, which hold no others then."""
    return any(isinstance(cell, kinds) for each in sets for cell in each)
