"""What workers may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bounds:
    """Bounds on workers and their tasks. Sizes in bytes, times in seconds; None for no bound.

    workers: how many there are.
    memory: largest address space of one.
    contexts: evaluation keys that one keeps loaded.
    resident: memory that one may hold between two tasks; one that holds more is replaced.
    start: longest time of its start.
    seconds: longest time of a task.
    queue: most tasks that wait for a worker.
    wait: longest time that one waits.
    """

    workers: int
    memory: int | None
    contexts: int
    resident: int | None
    start: float
    seconds: float | None
    queue: int | None
    wait: float | None
