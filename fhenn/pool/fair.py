"""Who is next: owners take turns, tasks that take long leave a worker to the others, and what is loaded goes first.

To load evaluation keys takes longer than to evaluate with them. So a worker that becomes free may be given a task whose
keys it holds before others whose turn it is. Each of those is overtaken by so many seconds of work and no more; then it
is its turn, whoever holds what.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from math import inf
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")

_OVERTAKEN = 1.0
"""Seconds of work by which others may overtake a task."""


class QueueFull(Exception):
    """As many tasks wait as may, or this one had to leave its place to another owner's."""


@dataclass(eq=False)
class Waiter(Generic[T]):
    """A task that waits.

    owner: whose task it is.
    affinity: what it needs loaded; empty for nothing.
    long: whether it may take long.
    future: will hold what the task waits for.
    seconds: that it is expected to take.
    since: when it came, by `monotonic`.
    overtaken: seconds of work that were given to others although it was its turn.
    """

    owner: str
    affinity: str
    long: bool
    future: asyncio.Future[T]
    seconds: float = 0.0
    since: float = field(default_factory=monotonic)
    overtaken: float = 0.0


class FairQueue(Generic[T]):
    """Tasks that wait; owners take turns, and the tasks of an owner come in their order, unless one is preferred.

    Where the queue is full, a task of an owner that has fewer tasks in it than another takes the place of the other's
    last task. So nobody can fill the queue for all.

    most: how many tasks may wait; None for any number.
    """

    def __init__(self, most: int | None) -> None:
        self._most = inf if most is None else most
        self._owners: OrderedDict[str, deque[Waiter[T]]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._owners.values()))

    def full_for(self, owner: str) -> bool:
        """Whether the next task of an owner would be refused."""
        return len(self) >= self._most and self._last_of_another(owner) is None

    def add(self, waiter: Waiter[T]) -> None:
        """Add a task, perhaps in the place of another owner's last one. Raises QueueFull."""
        if len(self) >= self._most:
            last = self._last_of_another(waiter.owner)
            if last is None:
                raise QueueFull
            self.remove(last)
            if not last.future.done():
                last.future.set_exception(QueueFull())
        self._owners.setdefault(waiter.owner, deque()).append(waiter)

    def next(
        self,
        may_run: Callable[[Waiter[T]], bool],
        is_preferred: Callable[[Waiter[T]], bool] = lambda waiter: False,
    ) -> Waiter[T] | None:
        """Take out the next task.

        may_run: whether a task may run now.
        is_preferred: whether a task that may run is better run now than another.

        Returns the first of the preferred tasks that may run, where it does not overtake another by more than others
        may; else the first task that may run, of the owner whose turn it is; None where there is none.
        """
        passed: list[Waiter[T]] = []
        patience = _OVERTAKEN
        for waiter in chain.from_iterable(self._owners.values()):
            if not may_run(waiter):
                continue
            if (not passed or waiter.seconds <= patience) and is_preferred(waiter):
                for other in passed:
                    other.overtaken += waiter.seconds
                return self._take(waiter)
            passed.append(waiter)
            patience = min(patience, _OVERTAKEN - waiter.overtaken)
            if patience <= 0.0:
                break
        return self._take(passed[0]) if passed else None

    def remove(self, waiter: Waiter[T]) -> None:
        """Take a task out, if it waits."""
        waiters = self._owners.get(waiter.owner)
        if waiters is None or waiter not in waiters:
            return
        waiters.remove(waiter)
        if not waiters:
            del self._owners[waiter.owner]

    def _take(self, waiter: Waiter[T]) -> Waiter[T]:
        """Take a task out; its owner's next turn comes after the others'."""
        self.remove(waiter)
        if waiter.owner in self._owners:
            self._owners.move_to_end(waiter.owner)
        return waiter

    def _last_of_another(self, owner: str) -> Waiter[T] | None:
        """The last task of the owner with the most, where that has more than `owner` would have."""
        most = max(self._owners.values(), key=len, default=deque[Waiter[T]]())
        return most[-1] if len(most) > len(self._owners.get(owner, ())) + 1 else None
