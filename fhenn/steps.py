"""Progress of a long computation: loops deep inside report to a listener outside, which no call passes down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class _Items(Protocol[T_co]):
    """What has a length and items: sequences, and arrays along their first axis."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[T_co]: ...


_WHOLE = 1000
"""Listeners are told thousandths."""


class _Steps:
    """Where a computation is: the share that is done, and the share at which the step that runs will end."""

    def __init__(self, listener: Callable[[int], None]) -> None:
        self._listener, self._told = listener, -1
        self.window = (0.0, 1.0)

    def reach(self, low: float, high: float) -> None:
        """Start a step. The listener hears of it where that is news: a thousand times at most, never backwards."""
        self.window = (low, high)
        thousandths = int(_WHOLE * low)
        if thousandths > self._told:
            self._told = thousandths
            self._listener(thousandths)


_current: ContextVar[_Steps | None] = ContextVar("steps", default=None)


@contextmanager
def report_progress(
    progress: Callable[[str, int, int], None], what: str, place: int = 0, places: int = 1
) -> Iterator[None]:
    """A block in which `progress` hears how far the loops over `counted` are.

    progress: called with (what, done, total).
    what: name of this piece of work.
    place: of this piece among all, from 0.
    places: how many pieces of equal length there are; all count in the total.

    >>> with report_progress(lambda what, done, total: print(what, done, total), "sum"):
    ...     for _ in counted(range(2)):
    ...         for _ in counted(range(2)):
    ...             pass
    sum 0 1000
    sum 250 1000
    sum 500 1000
    sum 750 1000
    sum 1000 1000
    """
    steps = _Steps(lambda thousandths: progress(what, _WHOLE * place + thousandths, _WHOLE * places))
    token = _current.set(steps)
    try:
        steps.reach(0.0, 1.0)
        yield
        steps.reach(1.0, 1.0)
    finally:
        _current.reset(token)


def counted(items: _Items[T], share: float = 1.0) -> Iterator[T]:
    """The items, one by one, each a step of equal length. Loops may be inside loops, or follow one another.

    items: a sequence, or an array along its first axis.
    share: how much of the step around it this loop takes, 0 to 1; the rest is left for the loops after it.
    """
    steps = _current.get()
    if steps is None:
        yield from items
        return
    low, high = steps.window
    end = low + share * (high - low)
    for place, item in enumerate(items):
        steps.reach(*(low + (end - low) * position / len(items) for position in (place, place + 1)))
        yield item
    steps.reach(end, high)
