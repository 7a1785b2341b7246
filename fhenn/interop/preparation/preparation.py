"""`Preparation`: what a client does with raw tables, in the clear, before it encrypts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np

from fhenn.columns import Table, prepared_table, require_distinct
from fhenn.errors import MissingValues, ParameterError, RawBounds, ShapeMismatch
from fhenn.interop.preparation.catalogue import STEPS
from fhenn.interop.preparation.frame import Field, Fields, Floats, Frame, Source, rows_in_words
from fhenn.interop.preparation.holes import may_be_missing
from fhenn.interop.preparation.notice import Hearing, Notice
from fhenn.interop.preparation.raw_bounds import path, raw_bounds
from fhenn.interop.preparation.step import SHOWN, Step, Union, run, walk
from fhenn.interop.preparation.table import Column, frame_of, read_table
from fhenn.interop.preparation.telling import told
from fhenn.strict import built
from fhenn.text import printable
from fhenn.versioned import VersionedJson

_DOCUMENT = VersionedJson("preparation", 1, indent=None)

LARGEST = 16 << 20
"""Bytes of a preparation as JSON."""

MOST_PARTS = 1 << 20
"""Commas and brackets in it: what parsing takes in time and memory grows with them."""

_MOST_STEPS, _DEEPEST = 4096, 16
_MOST_CELLS = 1 << 18
"""Numbers that all steps together may make of a row."""
_MOST_WORK = 1 << 24
"""Products and sums that they may take for it: some ten milliseconds."""
_MOST_COLUMNS, _LONGEST_NAME = 1 << 17, 512
_LONGEST_LINE = 500
"""Characters of what is told, where it is cut."""

_BLOCK = 1 << 22
"""Numbers that are made at once, 32 MB."""


@dataclass(frozen=True)
class Preparation:
    """What makes the features of an encrypted model from a raw table, step by step, as data.

    The client runs it in the clear, with NumPy alone. What it shows of the model `tells` says.

    columns: of the raw table, in the order that they have where they have no names.
    steps: one after another.
    features: names of what comes out.
    extra: whether a table may have columns besides, which are left out.
    Raises ParameterError where the steps are not for these columns, what comes out is no number or has another count,
    or all is larger than may be sent.

    >>> from fhenn.interop.preparation import Column, OneHot, Preparation, Select, Union
    >>> sex = OneHot((("f", "m"),), ((0, 1),), (2,), (None,))
    >>> steps = [Union(((Select((0,)),), (Select((1,)), sex)))]
    >>> preparation = Preparation((Column("age"), Column("sex", "text")), steps, ("age", "sex_f", "sex_m"))
    >>> preparation.prepare({"sex": ["m", "f"], "age": [30, 41.5]}).tolist()
    [[30.0, 0.0, 1.0], [41.5, 1.0, 0.0]]
    >>> Preparation.from_json(preparation.to_json()) == preparation
    True
    """

    columns: tuple[Column, ...]
    steps: tuple[Step, ...]
    features: tuple[str, ...]
    extra: bool = False

    def __post_init__(self) -> None:
        for name, kind in (("columns", Column), ("steps", Step), ("features", str)):
            made = tuple(getattr(self, name))
            object.__setattr__(self, name, made)
            if not all(isinstance(each, kind) for each in made):
                raise ParameterError(f"{name} must be of {kind.__name__}.", "See the docstring of Preparation.")
        names = [column.name for column in self.columns if column.name is not None]
        if not self.columns or len(names) not in (0, len(self.columns)):
            raise ParameterError("columns must all have names, or none.", "Name all of them, at least one.")
        require_distinct(names, "columns")
        require_distinct(self.features, "features")
        self._require_modest()
        if not self._ends:
            raise ParameterError("no features come out.", "Keep at least one column.")
        if len(self._ends) != len(self.features):
            raise ParameterError(
                f"{len(self._ends)} features come out, and {len(self.features)} have names.", "Name each of them."
            )
        stray = next((place for place, end in enumerate(self._ends) if end.kind != "number"), None)
        if stray is not None:
            raise ParameterError(
                f"feature {self.features[stray]!r} is no number when all steps are done.",
                "Encode texts as numbers, with OneHot or Lookup.",
            )

    def __repr__(self) -> str:
        steps = ", ".join(type(step).__name__ for step in self.steps[:6]) + ", …" * (len(self.steps) > 6)
        return f"Preparation({len(self.columns)} columns → {len(self.features)} features: {steps or 'as they are'})"

    @classmethod
    def of_numbers(cls, columns: int | Sequence[str]) -> Preparation:
        """One that leaves numbers as they are, to go on from.

        columns: names of the columns, or how many there are.

        >>> Preparation.of_numbers(["a", "b"]).features
        ('a', 'b')
        """
        names: Sequence[str | None] = [None] * columns if isinstance(columns, int) else columns
        called = tuple(f"x{place}" if name is None else name for place, name in enumerate(names))
        return cls(tuple(Column(name) for name in names), (), called)

    def then(self, *steps: Step, features: Iterable[str] | None = None) -> Preparation:
        """The same with more steps after it.

        steps: on its features.
        features: names of what comes out; None for those that the last step gives, as a Thermometer does, or, where
        there are as many features as before, for theirs.
        Raises ParameterError as `Preparation` does.
        """
        if features is None:
            walk(steps, self._ends)  # or there are no names
            features = self.features
            for step in steps:
                features = step.names(features)
        return Preparation(self.columns, (*self.steps, *steps), tuple(features), self.extra)

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the raw columns that are used; None where columns have none."""
        used = [column.name for column in self.columns if column.used and column.name is not None]
        return tuple(used) if used else None

    @property
    def may_be_missing(self) -> tuple[bool, ...]:
        """For each feature, whether it may be missing before it is known what comes after; as for `prepare`.

        >>> Preparation.of_numbers(1).may_be_missing
        (True,)
        """
        return may_be_missing(self.steps, self._begin)

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Between which all features lie, whatever the table: 0 and 1 where they are bits of a Thermometer, else None.

        >>> from fhenn.interop.preparation import Thermometer
        >>> Preparation.of_numbers(1).then(Thermometer(((0.5,),))).bounds
        (0.0, 1.0)
        """
        makes = next((step.makes_bits for step in reversed(self.steps) if step.makes_bits is not None), False)
        return (0.0, 1.0) if makes else None

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that differ from preparation to preparation."""
        return sha256(json.dumps(self._data(), sort_keys=True).encode()).hexdigest()[:32]

    def prepare(
        self,
        table: Any,
        *,
        where: Callable[[Sequence[int]], str] = rows_in_words,
        operation: str = "prepare",
        decimal: str = ".",
        missing: bool = False,
        notice: Callable[[Notice], None] | None = None,
        strict: bool = False,
    ) -> Floats:
        """The features of a raw table.

        table: a DataFrame, a dict of columns, records, or another kind with named columns; an array of numbers or
        objects, or a list of rows, with all columns in order. Cells that are None, NaN or pandas.NA are missing; in
        columns of numbers so are texts that stand for that, as "" and "NA", and text that is written as a number is
        one. Texts are compared with the model's categories exactly, as scikit-learn does.
        where: rows, from 0, in words; for errors.
        operation: the file, or what is done, for errors.
        decimal: what stands before the fraction of a number that is written as text, a point or a comma.
        missing: whether features may be missing, NaN, since more steps are to follow that take them so.
        notice: is called with each `Notice` of cells that were missing, or of no known category, and did not keep their
        row from being prepared; several times for a column of many rows. None where nobody asks.
        strict: whether cells of no known category are refused, also where the model goes on without them.

        Returns (samples, features), finite.
        Raises FeatureMismatch where columns are missing, or there are others; CellRefused where a cell is of another
        kind, UnknownCategory where the model knows no such category; MissingValues where nothing fills a missing cell,
        or a feature is not finite; ShapeMismatch, UnsupportedValue.
        """
        raw, places = read_table(table, self.columns, self.extra)
        rows = len(raw.columns[0]) if raw.columns else 0
        if rows == 0:
            raise ShapeMismatch(
                operation, (0, len(raw.columns)), f"(samples, {len(self.columns)}), at least one sample"
            )
        names = tuple(place if column.name is None else column.name for place, column in enumerate(self.columns))
        used = [place for place, column in enumerate(self.columns) if column.used]
        found = np.empty((rows, len(self.features)))
        step = max(1, _BLOCK // self._width)
        for start in range(0, rows, step):
            part = slice(start, min(start + step, rows))
            hearing = None if notice is None else Hearing()
            source = Source(names, where, operation, decimal, hearing, strict)
            frame = frame_of(raw, places, self.columns, part, source.shifted(start))
            made = run(self.steps, frame)
            found[part] = made.values if missing else self._finite(made)
            if notice is not None and hearing is not None:
                for each in hearing.notices(frame, used):
                    notice(each)
        return found

    def prepared(self, table: Any) -> Table:
        """The features of a raw table, as a table that is not prepared again: to be used for several things.

        table: as for `prepare`.

        Raises as `prepare` does.

        >>> prepared = Preparation.of_numbers(["a"]).prepared({"a": [1.0, 2.0]})
        >>> prepared.names, prepared.prepared
        (('a',), True)
        """
        return prepared_table(self.prepare(table), self.features)

    def raw_bounds(self, feature: int, low: float, high: float) -> RawBounds | None:
        """Between which numbers a raw column keeps the bounds of a feature that is made of it.

        feature: its place.
        low, high: bounds of the feature.

        Returns None where the feature is made of several columns, of texts, or does not rise or fall with its column
        throughout; and where it is the column itself.

        >>> from fhenn.interop.preparation import Scale
        >>> scaled = Preparation.of_numbers(["age"]).then(Scale((50.0,), (10.0,)))
        >>> print(scaled.raw_bounds(0, -2.0, 2.0))
        column 'age' may be from 30 to 70
        """
        found = path(self.steps, self._begin, feature)
        if found is None or self.columns[found[1]].kind != "number":
            return None
        steps, origin = found
        name = self.columns[origin].name
        return raw_bounds(origin if name is None else name, steps, low, high)

    def _finite(self, frame: Frame) -> Floats:
        """The features of a frame. Raises MissingValues."""
        strays = ~np.isfinite(frame.values)
        if not strays.any():
            return frame.values
        places = np.flatnonzero(strays.any(axis=0)).tolist()
        rows = {place: np.flatnonzero(strays[:, place]).tolist() for place in places}
        raise MissingValues(
            frame.source.operation,
            int(strays.sum()),
            "Fill these cells: nothing in the model's preparation does; or look for a logarithm or root of a number "
            "that has none.",
            tuple(
                f"feature {self.features[place]!r}" if frame.fields[place].origin is None
                else frame.source.column(frame.fields[place].origin)
                for place in places
            ),
            tuple(map(len, rows.values())),
            tuple(map(frame.source.where, rows.values())),
        )  # fmt: skip

    @cached_property
    def texts(self) -> tuple[frozenset[str], ...]:
        """Of each raw column, the texts that the model tells apart: those of a file that are no missing cells.

        >>> from fhenn.interop.preparation import Column, Lookup
        >>> step = Lookup((("NA", "US"),), ((0.0, 1.0),), ("error",))
        >>> sorted(Preparation((Column("country", "text"),), (step,), ("code",)).texts[0])
        ['NA', 'US']
        """
        found: list[set[str]] = [set() for _ in self.columns]

        def visit(step: Step, before: Fields) -> None:
            for field, texts in zip(before, step.texts(len(before)), strict=True):
                if field.origin is not None:
                    found[field.origin].update(texts)

        walk(self.steps, self._begin, visit)
        return tuple(map(frozenset, found))

    def tells(self, *, whole: bool = False) -> tuple[str, ...]:
        """What whoever has the preparation sees of the model and its training data, a line each.

        whole: whether long lists are there in full; else they are cut, and end with how many there are.

        >>> Preparation.of_numbers(["age"]).tells()
        ("the columns: 'age'",)
        """
        used = [column.name for column in self.columns if column.name is not None]
        found = ["the columns: " + ", ".join(map(repr, used))] if used else []
        found += told(self.steps, self._begin, self._called, None if whole else SHOWN)
        return tuple(dict.fromkeys(printable(line, LARGEST if whole else _LONGEST_LINE) for line in found))

    def _called(self, field: Field, place: int) -> str:
        name = None if field.origin is None else self.columns[field.origin].name
        return name or f"column {place if field.origin is None else field.origin}"

    def to_json(self) -> str:
        """All of it as JSON; `from_json` reads it. Raises ParameterError where that is larger than may be sent."""
        text = _DOCUMENT.write(self._data())
        try:
            _require_short(text)
        except ValueError as error:
            reason = f"a preparation is too large to be sent: {error}."
            raise ParameterError(reason, "Choose fewer features, or fold linear steps into the model.") from error
        return text

    @classmethod
    def from_json(cls, text: str | bytes) -> Preparation:
        """The preparation of `to_json`, whoever wrote it.

        Raises WireFormatError where it is not one, has steps of another kind, or is larger than any that is sent.
        """
        return _DOCUMENT.read(text, cls._from_data, _require_short)

    def _data(self) -> dict[str, Any]:
        return {
            "columns": [asdict(column) for column in self.columns],
            "steps": [_step_to_data(step) for step in self.steps],
            "features": list(self.features),
            "extra": self.extra,
        }

    @classmethod
    def _from_data(cls, data: Mapping[str, Any]) -> Preparation:
        data = dict(data)
        steps = tuple(_step_from_data(each) for each in _listed(data.pop("steps")))
        made: Preparation = built(cls, {**data, "steps": steps})
        return made

    @cached_property
    def _begin(self) -> Fields:
        return tuple(Field(column.kind, place) for place, column in enumerate(self.columns))

    @cached_property
    def _ends(self) -> Fields:
        """What comes out."""

        def check(step: Step, before: Fields) -> None:
            for place, (wanted, field) in enumerate(zip(step.wants(len(before)), before, strict=False)):
                takes = step.takes_either and field.kind == "either"
                if wanted not in (None, field.kind) and not takes:
                    raise ParameterError(
                        f"a step {type(step).__name__} takes {wanted}s, and {self._called(field, place)} is of kind "
                        f"{field.kind!r}.",
                        "Encode texts as numbers before, or declare the column's kind.",
                    )

        return walk(self.steps, self._begin, check)

    @cached_property
    def _width(self) -> int:
        """Numbers that all steps make of a row."""
        total = len(self.columns)

        def count(step: Step, before: Fields) -> None:
            nonlocal total
            total += len(step.after(before))

        walk(self.steps, self._begin, count)
        return total

    def _require_modest(self) -> None:
        """Raise ParameterError where it is larger than may be sent, or takes longer for a row."""
        if len(self.columns) > _MOST_COLUMNS or len(self.features) > _MOST_COLUMNS:
            raise _too_large(f"{max(len(self.columns), len(self.features)):,} columns", _MOST_COLUMNS)
        names = [*self.features, *(column.name or "" for column in self.columns)]
        if max(map(len, names)) > _LONGEST_NAME:
            raise _too_large(f"a name of {max(map(len, names)):,} characters", _LONGEST_NAME)
        steps, depth = _size(self.steps)
        if steps > _MOST_STEPS or depth > _DEEPEST:
            raise _too_large(f"{steps:,} steps, {depth} deep", _MOST_STEPS)
        cells, work = len(self.columns), 0

        def count(step: Step, before: Fields) -> None:
            nonlocal cells, work
            work += step.work(len(before))
            cells += len(step.after(before))
            if cells > _MOST_CELLS:
                raise _too_large(f"{cells:,} numbers of a row", _MOST_CELLS)
            if work > _MOST_WORK:
                raise _too_large(f"{work:,} products for a row", _MOST_WORK)

        walk(self.steps, self._begin, count)


def _too_large(what: str, most: int) -> ParameterError:
    return ParameterError(
        f"a preparation has {what}, where {most:,} is the most.", "Choose fewer features, or prepare some before."
    )


def _size(steps: Sequence[Step], depth: int = 1) -> tuple[int, int]:
    """How many steps there are, and how deep they nest."""
    count, deepest = len(steps), depth
    for step in steps:
        if isinstance(step, Union):
            for branch in step.branches:
                inner, below = _size(branch, depth + 1)
                count, deepest = count + inner + 1, max(deepest, below)
    return count, deepest


def _require_short(text: str | bytes) -> None:
    """Raise ValueError, before it is parsed, where a text is longer, or has more parts, than any preparation."""
    if len(text) > LARGEST:
        raise ValueError(f"its {len(text):,} bytes are more than {LARGEST:,}")
    raw = text.encode(errors="replace") if isinstance(text, str) else text
    if sum(map(raw.count, (b",", b"[", b"{"))) > MOST_PARTS:
        raise ValueError("its brackets and commas are more parts than any preparation has")


def _step_to_data(step: Step) -> dict[str, Any]:
    """A step as plain data. Fields at their defaults are left out, so that later ones do not change what there is."""
    stated = {
        each.name: value for each in fields(step) if (value := getattr(step, each.name)) != each.default
        or each.default is MISSING
    }  # fmt: skip
    if isinstance(step, Union):
        stated["branches"] = [[_step_to_data(each) for each in branch] for branch in step.branches]
    return {"step": type(step).__name__, **stated}


def _step_from_data(data: Any, depth: int = 1) -> Step:
    """The step in plain data. Raises ValueError or a FhennError."""
    data = dict(data)
    name = data.pop("step")
    kind = STEPS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ValueError(f"it has a step {name!r:.40}, which this fhenn does not know")
    if depth > _DEEPEST:
        raise ValueError(f"its steps nest deeper than {_DEEPEST}")
    if kind is Union:
        data["branches"] = tuple(
            tuple(_step_from_data(each, depth + 1) for each in _listed(branch)) for branch in _listed(data["branches"])
        )
    step: Step = built(kind, data)
    return step


def _listed(data: Any) -> list[Any]:
    if not isinstance(data, list):
        raise ValueError(f"{data!r:.40} is not a list")  # noqa: TRY004
    return data
