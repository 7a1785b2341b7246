"""Workers for who has no event loop: they run in one of their own, in a thread of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

from fhenn.errors import FhennError, PartRefused, PoolFailed
from fhenn.pool.base import Instead, refused
from fhenn.pool.bounds import Bounds
from fhenn.pool.failures import typed_error
from fhenn.pool.handle import WorkerHandle
from fhenn.pool.spool import Spools
from fhenn.pool.work import GONE, MEMORY, NO_MODEL, REFUSED, name_of
from fhenn.pool.workers import ClientGone, WorkerDied, Workers

DEATHS = 3
"""Workers that a part may end before it is refused."""

_ATTEMPTS = 5
"""Starts that fail in a row while no worker is left, after which whoever waits is told."""

LOOK = "What they wrote on standard error says more; too little memory ends processes as well."


class Runner:
    """Answers parts by workers that are elsewhere: an `Engine`.

    bounds: on the workers.
    make: starts one, as `Workers` has it.
    model: where the workers find the model and its plan (`fhenn.pool.work.Worker`).
    keys: where they find the evaluation keys.
    tidy: called at the end, when no worker is left; it must not block.
    """

    def __init__(
        self, bounds: Bounds, make: Callable[[], WorkerHandle], model: str, keys: str, tidy: Callable[[], None]
    ) -> None:
        self._task, self._affinity = {"model": model, "keys": keys}, name_of(model, keys)
        self._tidy, self._process = tidy, os.getpid()
        self._failures, self._closing = 0, False
        spools = Spools(Path(), sys.maxsize, sys.maxsize, in_memory=sys.maxsize)
        self._workers = Workers(bounds, spools, make, on_failure=self._on_failure)
        self._tasks: dict[asyncio.Task[None], Future[bytes]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._run, name="fhenn-pool", daemon=True)
        self._thread.start()
        self._loop.call_soon_threadsafe(self._workers.start)

    def load(self) -> None:
        """Have a worker load keys and model. Raises what is wrong with them, and PoolFailed where no worker starts."""
        self._begin(lambda gone: self._ask({"task": "load"}, b"", gone)).result()

    def submit(self, part: bytes, range_check: bool, instead: Instead | None) -> Future[bytes]:
        """Begin to answer a part, as `Engine` has it."""

        async def answer(gone: asyncio.Future[None]) -> bytes:
            try:
                return await self._ask({"task": "run", "range_check": range_check}, part, gone)
            except PartRefused as error:
                if instead is None:
                    raise
                return instead(error)

        return self._begin(answer)

    def close(self) -> None:
        """End the workers, and wait until they have ended."""
        try:
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        finally:
            self._workers.kill()  # where the wait was interrupted
            self._tidy()

    def abandon(self) -> None:
        """End the workers, and wait for nothing: this is called in any thread, and when the interpreter ends."""
        if os.getpid() != self._process:  # a fork holds a copy of this, and the workers are not its own
            return
        self._workers.kill()
        self._tidy()
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._end_alone)

    # in the thread of the loop

    def _run(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def _begin(self, act: Callable[[asyncio.Future[None]], Awaitable[bytes]]) -> Future[bytes]:
        """Begin something in the loop; what becomes of it is the future's.

        act: given a future that is done once nobody waits any more.
        """
        future: Future[bytes] = Future()

        def begin() -> None:
            if self._closing:
                future.cancel()
                return
            gone: asyncio.Future[None] = self._loop.create_future()
            task = self._loop.create_task(_pass_on(act, gone, future))
            self._tasks[task] = future
            task.add_done_callback(self._tasks.pop)

            def leave() -> None:
                if not gone.done():
                    gone.set_result(None)

            def on_done(future: Future[bytes]) -> None:
                if future.cancelled():
                    with suppress(RuntimeError):  # the loop has ended
                        self._loop.call_soon_threadsafe(leave)

            future.add_done_callback(on_done)

        try:
            self._loop.call_soon_threadsafe(begin)
        except RuntimeError:  # the loop has ended
            future.cancel()
        return future

    async def _ask(self, task: dict[str, Any], part: bytes, gone: asyncio.Future[None]) -> bytes:
        """Have a worker do a task, and another where it dies. Raises what the worker answers with, ClientGone."""
        for _ in range(DEATHS):
            try:
                answer, spool = await self._workers.run(self._task | task, part, self._affinity, gone=gone)
            except WorkerDied as death:
                code = death.exit_code
                continue
            self._failures = 0
            with spool:
                if "error" in answer:
                    raise error_of(answer, part)
                return spool.read(0, spool.size)
        how = "" if code is None else f", the last with exit code {code}"
        if not part:
            raise PoolFailed(f"three workers died while they loaded the model and its keys{how}.", LOOK)
        raise refused(part, f"three workers died of it{how}")

    def _on_failure(self, error: Exception) -> None:
        """Tell who waits once workers keep failing to start."""
        self._failures = 0 if self._workers.alive else self._failures + 1
        if self._failures >= _ATTEMPTS:
            self._failures = 0
            for task, future in tuple(self._tasks.items()):
                reason = f"no worker of the pool starts ({type(error).__name__}: {error})."
                with suppress(InvalidStateError):
                    future.set_exception(PoolFailed(reason, LOOK))
                task.cancel()

    async def _end(self) -> None:
        """End all workers."""
        self._closing = True
        self._workers.kill()
        for task, future in tuple(self._tasks.items()):
            future.cancel()
            task.cancel()
        with suppress(RuntimeError):  # the interpreter ends, and has no threads any more
            await self._workers.close()

    def _end_alone(self) -> None:
        """End all workers, and then the loop: nobody waits for it."""
        self._ending = self._loop.create_task(self._end())
        self._ending.add_done_callback(lambda _: self._loop.stop())


async def _pass_on(
    act: Callable[[asyncio.Future[None]], Awaitable[bytes]], gone: asyncio.Future[None], future: Future[bytes]
) -> None:
    """Do something, and make what becomes of it that of a future, unless nobody waits for it any more."""
    try:
        result = await act(gone)
    except (asyncio.CancelledError, ClientGone):
        future.cancel()
    except BaseException as error:
        with suppress(InvalidStateError):
            future.set_exception(error)
    else:
        with suppress(InvalidStateError):
            future.set_result(result)


def error_of(answer: dict[str, Any], part: bytes) -> FhennError:
    """The error for what a worker answered with."""
    if (error := typed_error(answer)) is not None:
        return error
    name, cause = answer["error"], answer.get("cause")
    if part and name == MEMORY:
        return refused(part, "it takes more memory than a worker has")
    if part and name == REFUSED:
        return refused(part, f"it cannot be evaluated ({cause})")
    if name in (GONE, NO_MODEL):
        return PoolFailed(
            "the model or its keys were removed from where the pool keeps them.", "Make another pool, and let them be."
        )
    where = ", ".join(map(str, answer.get("where", ())))
    return PoolFailed(f"a worker failed unexpectedly: {name} {cause} ({where}).", "Report it with these words.")
