"""What hands out tasks needs of a worker, whatever the worker is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from fhenn.pool.work import Buffer, Held


class WorkerHandle(Protocol):
    """A worker, as `Workers` holds it: a process with a pipe, an actor on another machine.

    `Workers` is given a function that makes one. That function and `end` are called in a thread, and may block; all
    else is called in the event loop, and must not. A worker does one task at a time.

    held: what it says that it keeps loaded, after each task.
    loading: for `Workers` to note what its task needs loaded; empty for nothing.
    """

    held: Held
    loading: str

    @property
    def resident(self) -> int:
        """Bytes of memory that it holds; 0 where nobody says. It is asked for after each task: it must be quick."""

    async def await_ready(self) -> None:
        """Wait until it can take a task. Raises EOFError or OSError where it ends before."""

    async def call(
        self, task: dict[str, Any], payload: Buffer, append: Callable[[bytes], Awaitable[None]]
    ) -> dict[str, Any]:
        """Do a task: `fhenn.pool.work.Worker.answer`, where the worker is.

        task: as JSON.
        payload: the bytes that belong to it; they do not change meanwhile.
        append: called with the bytes of the answer, piece by piece. After it has raised SpoolFull, it is not called
            again, and the worker must be able to take the next task all the same.

        Returns the JSON document of the answer.
        Raises EOFError, OSError or ValueError where the worker ends, or answers nonsense; SpoolFull.
        """

    def watch(self, on_exit: Callable[[], None]) -> None:
        """Have `on_exit` called once in this event loop should the worker end, unless it is closed before."""

    def kill(self) -> None:
        """Make it end, whatever it does; it may have ended."""

    def close(self) -> None:
        """Let go of it at once: nothing is sent or watched any more."""

    def end(self) -> int | None:
        """Wait for its end, in a thread: it was closed, and is killed if it does not end by itself.

        Returns the exit code of its process, negative for a signal; None where it is not known. By this code
        `WorkerDied` tells a worker that a message crashed from one that was lost.
        """
