"""Who is next: owners take turns, and tasks that take long leave a worker to the others."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


class QueueFull(Exception):
    """As many tasks wait as may, or this one had to leave its place to another owner's."""


@dataclass(eq=False)
class Waiter(Generic[T]):
    """A task that waits.

    owner: whose task it is.
    affinity: of the workers that it prefers.
    long: whether it may take long.
    future: will hold what the task waits for.
    """

    owner: str
    affinity: str
    long: bool
    future: asyncio.Future[T]


class FairQueue(Generic[T]):
    """Tasks that wait; owners take turns, and the tasks of an owner come in their order.

    Where the queue is full, a task of an owner that has fewer tasks in it than another takes the place of the other's
    last task. So nobody can fill the queue for all.

    most: how many tasks may wait.
    """

    def __init__(self, most: int) -> None:
        self._most = most
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

    def next(self, may_run: Callable[[Waiter[T]], bool]) -> Waiter[T] | None:
        """Take out the next task.

        may_run: whether a task may run now.

        Returns the first task that may run, of the owner whose turn it is; None where there is none.
        """
        for owner, waiters in self._owners.items():
            for waiter in waiters:
                if may_run(waiter):
                    self.remove(waiter)
                    if owner in self._owners:
                        self._owners.move_to_end(owner)
                    return waiter
        return None

    def remove(self, waiter: Waiter[T]) -> None:
        """Take a task out, if it waits."""
        waiters = self._owners.get(waiter.owner)
        if waiters is None or waiter not in waiters:
            return
        waiters.remove(waiter)
        if not waiters:
            del self._owners[waiter.owner]

    def _last_of_another(self, owner: str) -> Waiter[T] | None:
        """The last task of the owner with the most, where that has more than `owner` would have."""
        most = max(self._owners.values(), key=len, default=deque[Waiter[T]]())
        return most[-1] if len(most) > len(self._owners.get(owner, ())) + 1 else None
