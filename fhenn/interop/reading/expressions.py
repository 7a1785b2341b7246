"""Expressions of scores: what a client computes from decrypted scores, exactly, as data.

An expression is an array (samples, width) that is computed from scores (samples, outputs), by one operation of a closed
list from other expressions (`fhenn.interop.reading.operations`). One that several need is one object, computed once. As
JSON an expression is the list of its steps, in an order in which each needs earlier ones only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any, ClassVar, Self, get_type_hints

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import ParameterError
from fhenn.strict import built

Floats = NDArray[np.float64]

MOST_STEPS = 1 << 16
MOST_CELLS = 1 << 20
"""Of what expressions may hold: steps, and numbers a sample that go in and come out of all of them."""

_AT_ONCE = 1 << 22
"""Numbers that are in memory at once while expressions are computed."""


@dataclass(frozen=True, eq=False)
class Expression:
    """One operation, with the expressions that it is computed from and its constants in its fields.

    op: its name in JSON.
    width: numbers a sample.
    """

    op: ClassVar[str]
    width: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "width", self._width())
        if not 1 <= self.width <= MOST_CELLS:
            raise ParameterError(
                f"{self.op} makes {self.width} numbers a sample.", f"Make from 1 to {MOST_CELLS} of them."
            )

    def _width(self) -> int:
        """The width, after a check of the fields. Raises ParameterError."""
        raise NotImplementedError

    def _compute(self, *inputs: Floats) -> Floats:
        """The array (samples, width), of those of `inputs`; of scores alone of the scores."""
        raise NotImplementedError

    @property
    def inputs(self) -> tuple[Expression, ...]:
        """The expressions that this one is computed from, in the order of its fields."""
        found: list[Expression] = []
        for name in _fields_of(type(self)):
            value = getattr(self, name)
            if isinstance(value, Expression):
                found.append(value)
            elif isinstance(value, tuple):
                found += [each for each in value if isinstance(each, Expression)]
        return tuple(found)

    def with_inputs(self, inputs: Sequence[Expression]) -> Self:
        """The same operation on other expressions, one for each of `inputs`."""
        left = iter(inputs)
        changed = dict[str, Any]()
        for name in _fields_of(type(self)):
            value = getattr(self, name)
            if isinstance(value, Expression):
                changed[name] = next(left)
            elif isinstance(value, tuple) and value and isinstance(value[0], Expression):
                changed[name] = tuple(next(left) for _ in value)
        return replace(self, **changed)

    @property
    def cells(self) -> int:
        """Numbers a sample that go in and come out."""
        return self.width + sum(each.width for each in self.inputs)

    @property
    def numbers(self) -> int:
        """Constants in the fields, which whoever has the expression sees."""
        return sum(_count(getattr(self, name)) for name in _fields_of(type(self)))


@dataclass(frozen=True, eq=False)
class Scores(Expression):
    """Scores by their places: what all expressions begin with.

    places: of each, from 0.
    """

    op = "scores"
    places: tuple[int, ...]

    def _width(self) -> int:
        require(all(place >= 0 for place in self.places), "places of scores count from 0.", "Give none below.")
        return len(self.places)

    def _compute(self, *inputs: Floats) -> Floats:
        (scores,) = inputs
        return scores[:, list(self.places)]


def require(holds: bool, message: str, remedy: str) -> None:
    """Raise ParameterError where something does not hold."""
    if not holds:
        raise ParameterError(message, remedy)


def in_order(roots: Iterable[Expression]) -> list[Expression]:
    """Expressions and all that they need, each once and after what it needs."""
    found = dict[int, Expression]()
    left = [(root, False) for root in reversed(list(roots))]
    while left:
        each, ready = left.pop()
        if id(each) in found:
            continue
        if ready:
            found[id(each)] = each
        else:
            left.append((each, True))
            left += [(one, False) for one in reversed(each.inputs) if id(one) not in found]
    return list(found.values())


def evaluate(root: Expression, scores: Floats) -> Floats:
    """The array (samples, width) of an expression, computed for some samples at a time.

    scores: (samples, outputs).
    """
    steps = in_order([root])
    rows = max(1, _AT_ONCE // sum(step.cells for step in steps))
    with np.errstate(all="ignore"):  # what overflows is infinite, as in the model itself
        parts = [_evaluate(steps, scores[start : start + rows]) for start in range(0, max(len(scores), 1), rows)]
    return np.concatenate(parts)


def _evaluate(steps: Sequence[Expression], scores: Floats) -> Floats:
    found = dict[int, Floats]()
    for step in steps:
        inputs = [scores] if isinstance(step, Scores) else [found[id(each)] for each in step.inputs]
        found[id(step)] = step._compute(*inputs)
    return found[id(steps[-1])]


def rebuilt(roots: Sequence[Expression], leaf: Callable[[Scores], Expression]) -> list[Expression]:
    """The same expressions, with what `leaf` makes of scores in the place of these."""
    found = dict[int, Expression]()
    for step in in_order(roots):
        inputs = [found[id(each)] for each in step.inputs]
        found[id(step)] = leaf(step) if isinstance(step, Scores) else step.with_inputs(inputs)
    return [found[id(root)] for root in roots]


def to_steps(steps: Sequence[Expression]) -> list[dict[str, Any]]:
    """Steps as JSON has them: the operation and its fields, with the place of a step for an expression.

    steps: of `in_order`.
    """
    places = {id(step): place for place, step in enumerate(steps)}

    def plain(value: Any) -> Any:
        if isinstance(value, Expression):
            return places[id(value)]
        return [plain(each) for each in value] if isinstance(value, tuple) else value

    return [{"op": step.op, **{name: plain(getattr(step, name)) for name in _fields_of(type(step))}} for step in steps]


def from_steps(steps: Any, kinds: Mapping[str, type[Expression]]) -> list[Expression]:
    """The expressions of `to_steps`, in their order.

    steps: a stranger's.
    kinds: the operations by their names.
    Raises ValueError where they are not, or too many.
    """
    if not isinstance(steps, list) or len(steps) > MOST_STEPS:
        raise ValueError("no list of steps, or one without end")
    found: list[Expression] = []
    cells = 0
    for step in steps:
        kind = kinds[step.pop("op")]
        found.append(kind(**_read(kind, step, found)))
        cells += found[-1].cells
        if cells > MOST_CELLS:
            raise ValueError("too many numbers a sample")
    return found


def _read(kind: type[Expression], data: dict[str, Any], earlier: Sequence[Expression]) -> dict[str, Any]:
    """The fields of one step. Raises ValueError."""
    hints = _fields_of(kind)
    if data.keys() != hints.keys():
        raise ValueError(f"other fields of {kind.op}")

    def expression(place: Any) -> Expression:
        found: int = built(int, place)
        if found not in range(len(earlier)):
            raise ValueError("a step that is not there yet")
        return earlier[found]

    made = dict[str, Any]()
    for name, hint in hints.items():
        if hint is Expression:
            made[name] = expression(data[name])
        elif hint == tuple[Expression, ...]:
            made[name] = tuple(map(expression, built(tuple[int, ...], data[name])))
        else:
            made[name] = built(hint, data[name])
    return made


def _fields_of(kind: Any) -> dict[str, Any]:
    """Names and types of the fields of an operation."""
    return _hints(kind)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {each.name: hints[each.name] for each in fields(kind) if each.init}


def _count(value: Any) -> int:
    if isinstance(value, tuple):
        return sum(map(_count, value))
    return int(isinstance(value, float))
