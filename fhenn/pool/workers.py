"""Workers that evaluate what strangers send, and who is next.

TenSEAL holds the interpreter's lock, and a crafted message can crash it: every evaluation runs where it may end a
process and nobody else's. SEAL keeps the memory that it once had: a worker that holds more than it may between two
tasks is replaced.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from fhenn.pool.bounds import Bounds
from fhenn.pool.fair import FairQueue, QueueFull, Waiter
from fhenn.pool.handle import WorkerHandle
from fhenn.pool.spool import Spool, SpoolFull, Spools
from fhenn.pool.work import Buffer

__all__ = ["Buffer", "ClientGone", "QueueFull", "WaitedTooLong", "WorkerDied", "WorkerLate", "Workers"]

_CRASHES = {
    -getattr(signal, name)
    for name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE")
    if hasattr(signal, name)  # SIGBUS is not on Windows, where this is imported and no more
}
_LONG = 0.5
"""Seconds: a task that is expected to take longer leaves the last idle worker to other owners."""
_ACTIVE = 60.0
"""Seconds for which an owner counts as active after its last task."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
"""Seconds between two attempts to start a worker."""
_LOADING = 0.1
"""Seconds for which a task is left to a busy worker that holds its keys: about as long as to load them takes."""
_TIDY = 5.0
"""Seconds between two calls to idle workers to forget keys that were deleted."""


@dataclass(eq=False)
class WorkerDied(Exception):
    """A worker ended in the middle of a task.

    exit_code: of its process; negative for a signal.
    """

    exit_code: int | None

    @property
    def crashed(self) -> bool:
        """Whether native code failed on its input; otherwise something outside ended the worker."""
        return self.exit_code in _CRASHES


class WorkerLate(Exception):
    """A task took longer than `Bounds.seconds`."""


class WaitedTooLong(Exception):
    """No worker was free for a task within the time that it may wait; it was not begun."""


class ClientGone(Exception):
    """Nobody waits for the answer any more; the task was not begun."""


class Workers:
    """As many workers as `bounds` says; those that die are replaced, and those that hold too much memory.

    bounds: on workers and tasks.
    spools: hold the answers.
    make: starts a worker; called in a thread, as often as one is needed. It may raise what keeps it from that.
    on_death: called with the exit code of each worker that died.
    on_recycle: called for each worker that is replaced for its memory, with the bytes that it held.
    on_failure: called with what kept a worker from starting; another attempt follows.
    """

    def __init__(
        self,
        bounds: Bounds,
        spools: Spools,
        make: Callable[[], WorkerHandle],
        on_death: Callable[[int | None], None] = lambda code: None,
        on_recycle: Callable[[int], None] = lambda size: None,
        on_failure: Callable[[Exception], None] = lambda error: None,
    ) -> None:
        self._bounds, self._spools, self._make = bounds, spools, make
        self._on_death, self._on_recycle, self._on_failure = on_death, on_recycle, on_failure
        self._threads = ThreadPoolExecutor(4 * bounds.workers, "fhenn-worker")
        self._all: set[WorkerHandle] = set()
        self._free: list[WorkerHandle] = []
        self._retiring: set[WorkerHandle] = set()
        self._waiting: FairQueue[WorkerHandle] = FairQueue(bounds.queue)
        self._starting: set[asyncio.Task[None]] = set()
        self._ending: set[asyncio.Future[int | None]] = set()
        self._paces: dict[tuple[str, bool], float] = {}
        self._last_tasks: dict[str, float] = {}
        self._again: asyncio.TimerHandle | None = None
        self._closed = False
        self._tidying: asyncio.Task[None] | None = None

    @property
    def alive(self) -> int:
        """Workers that are ready or busy."""
        return len(self._all)

    @property
    def busy(self) -> int:
        """Workers that evaluate."""
        return len(self._all) - len(self._free)

    @property
    def waiting(self) -> int:
        """Tasks that wait for a worker."""
        return len(self._waiting)

    @property
    def resident(self) -> int:
        """Bytes of memory that the largest worker holds."""
        return max((worker.resident for worker in self._all), default=0)

    def full_for(self, owner: str) -> bool:
        """Whether the next task of an owner would be refused."""
        return not self._free and self._waiting.full_for(owner)

    def start(self) -> None:
        """Start the workers; tasks wait until they are ready."""
        self._fill()
        self._tidying = asyncio.get_running_loop().create_task(self._tidy())

    async def run(
        self,
        task: dict[str, Any],
        payload: Buffer,
        affinity: str,
        owner: str = "",
        gone: asyncio.Future[None] | None = None,
    ) -> tuple[dict[str, Any], Spool]:
        """Have a worker do a task, once one is free and it is the owner's turn.

        task: for `fhenn.pool.work.Worker.answer`.
        payload: the bytes that belong to it.
        affinity: what it needs loaded, by `name_of`: a worker that holds it is preferred.
        owner: takes turns with other owners.
        gone: done when nobody waits for the answer any more.

        Returns (answer, body): the worker's JSON document, and the bytes beside it.
        Raises QueueFull, WaitedTooLong, ClientGone, WorkerLate, WorkerDied, SpoolFull.
        """
        name, size = f"{task.get('task')} {task.get('model', '')}", len(payload) + 1
        kind = name, any(affinity in worker.held.names for worker in self._all)
        expected = self._paces.get(kind, 1.0) * size
        worker = await self._acquire(owner, affinity, kind not in self._paces or expected > _LONG, gone, expected)
        kind = name, affinity in worker.held.names
        start, spool = time.perf_counter(), self._spools.open()
        try:
            async with asyncio.timeout(self._bounds.seconds):
                answer = await worker.call(task, payload, partial(self._append, spool))
        except SpoolFull:
            spool.close()
            self._finish(worker)
            raise
        except (EOFError, OSError, ValueError) as error:
            spool.close()
            if isinstance(error, TimeoutError):
                worker.kill()
                self._drop(worker)
                raise WorkerLate from error
            code = await self._drop(worker)
            self._on_death(code)
            raise WorkerDied(code) from error
        except BaseException:  # cancelled: its answer must not meet the next task
            spool.close()
            worker.kill()
            self._drop(worker)
            raise
        if "error" not in answer:  # what was refused at once says nothing of how long others take
            pace = (time.perf_counter() - start) / size
            self._paces[kind] = max(pace, 0.9 * self._paces.get(kind, 0.0) + 0.1 * pace)
        self._finish(worker)
        try:
            await asyncio.sleep(0)  # the worker's next task goes out before this one's answer does
        except BaseException:
            spool.close()
            raise
        return answer, spool

    def kill(self) -> None:
        """Kill all workers, and start no others; from any thread, and without a wait. `close` is still due."""
        self._closed = True
        for worker in tuple(self._all):
            worker.kill()

    async def close(self) -> None:
        """End all workers at once."""
        self._closed = True
        for each in (self._tidying, self._again):
            if each is not None:
                each.cancel()
        for task in self._starting:
            task.cancel()
        for worker in tuple(self._all):
            self._drop(worker)
        await asyncio.gather(*self._starting, *map(asyncio.shield, self._ending), return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    # starting and ending

    def _fill(self) -> None:
        """Start as many workers as are missing; one that retires counts as missing."""
        while not self._closed and self.alive - len(self._retiring) + len(self._starting) < self._bounds.workers:
            task = asyncio.get_running_loop().create_task(self._start_one())
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def _start_one(self) -> None:
        """Start a worker, in as many attempts as it takes: if this gave up, the pool would stay smaller for good."""
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE
        while not self._closed:
            worker, making = None, loop.run_in_executor(self._threads, self._make)
            try:
                worker = await asyncio.shield(making)
                async with asyncio.timeout(self._bounds.start):
                    await worker.await_ready()
                worker.watch(partial(self._on_exit, worker))
            except asyncio.CancelledError:
                with suppress(Exception):
                    worker = await making
                    worker.kill()
                    await self._end(worker)
                raise
            except Exception as error:  # no memory, no descriptor, no thread, or it was stopped
                self._on_failure(error)
                if worker is not None:
                    worker.kill()
                    self._on_death(await self._end(worker))
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            self._all.add(worker)
            self._starting.discard(asyncio.current_task())
            self._retire_idle()
            self._release(worker)
            return

    def _on_exit(self, worker: WorkerHandle) -> None:
        """Replace a worker whose process ended while it was idle; `run` replaces one that was busy."""
        if worker in self._free and not self._closed:
            self._drop(worker).add_done_callback(lambda done: self._on_death(done.result()))

    def _drop(self, worker: WorkerHandle) -> asyncio.Future[int | None]:
        """Take a worker out of the pool, end it and start another; the future holds its exit code."""
        if worker not in self._all:  # the pool was closed meanwhile
            nothing: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
            nothing.set_result(None)
            return nothing
        self._all.discard(worker)
        self._retiring.discard(worker)
        if worker in self._free:
            self._free.remove(worker)
        ended = self._end(worker)
        self._fill()
        if not self._closed:
            self._dispatch()  # who waited for this one to leave another may have the other
        return ended

    def _end(self, worker: WorkerHandle) -> asyncio.Future[int | None]:
        """Close a worker's pipe and have its process waited for, even if nobody waits for the exit code any more."""
        worker.close()
        ended = asyncio.get_running_loop().run_in_executor(self._threads, worker.end)
        self._ending.add(ended)
        ended.add_done_callback(self._ending.discard)
        waiting = asyncio.shield(ended)
        waiting.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to ask
        return waiting

    def _finish(self, worker: WorkerHandle) -> None:
        """Give a worker that has done a task the next, or replace it where it holds too much memory."""
        if self._bounds.resident is not None:
            self._check_memory(worker, self._bounds.resident)
        if worker in self._all:
            self._release(worker)
            self._retire_idle()

    def _check_memory(self, worker: WorkerHandle, limit: int) -> None:
        """Replace a worker that holds more than `limit` bytes: at once where it is far more, else once another runs."""
        size = worker.resident
        if size <= limit or worker in self._retiring:
            if worker in self._retiring and size > 3 * limit // 2:
                self._kill(worker)
            return
        self._on_recycle(size)
        self._retiring.add(worker)
        self._fill()
        if size > 3 * limit // 2:
            self._kill(worker)

    def _kill(self, worker: WorkerHandle) -> None:
        """Kill a worker, and start another."""
        worker.kill()
        self._drop(worker)

    def _retire_idle(self) -> None:
        """End idle workers that are to be replaced, as far as others have started."""
        for worker in tuple(self._retiring):
            if worker in self._free and self.alive > self._bounds.workers:
                self._kill(worker)

    async def _tidy(self) -> None:
        """Let idle workers forget keys that were deleted, now and then, and give their memory back."""
        while True:
            await asyncio.sleep(_TIDY)
            self._dispatch()  # other owners may have stopped being active
            for worker in [each for each in self._free if each.held.names]:
                if worker in self._free:
                    self._free.remove(worker)
                    await self._tidy_one(worker)

    async def _tidy_one(self, worker: WorkerHandle) -> None:
        """Let a worker forget keys that were deleted."""
        try:
            with self._spools.open() as nothing:
                async with asyncio.timeout(self._bounds.seconds):
                    answer = await worker.call({"task": "tidy"}, b"", partial(self._append, nothing))
        except (EOFError, OSError, ValueError, SpoolFull):
            worker.kill()
            self._on_death(await self._drop(worker))
            return
        if answer.get("dropped") and self._bounds.resident is not None:
            self._check_memory(worker, self._bounds.resident // 2)
        if worker in self._all:
            self._release(worker)
            self._retire_idle()

    async def _append(self, spool: Spool, piece: bytes) -> None:
        """Add bytes to an answer, in a thread where they go to the disk. Raises SpoolFull, ValueError."""
        if spool.fits_in_memory(len(piece)):
            spool.append(piece)
        else:
            await asyncio.get_running_loop().run_in_executor(self._threads, spool.append, piece)

    # who is next

    def _release(self, worker: WorkerHandle) -> None:
        """Let a worker do the next task."""
        worker.loading = ""
        self._free.append(worker)
        self._dispatch()

    def _dispatch(self) -> None:
        """Hand idle workers to tasks that wait."""
        while self._free:
            waiter = self._waiting.next(self._may_run, self._is_at_hand)
            if waiter is None:
                break
            if not waiter.future.done():
                waiter.future.set_result(self._pick(waiter))
        self._look_again()

    def _look_again(self) -> None:
        """Dispatch once more in a while, where tasks wait although workers are idle: for those that hold their keys."""

        def look() -> None:
            self._again = None
            self._dispatch()

        if self._free and self._waiting and self._again is None:
            self._again = asyncio.get_running_loop().call_later(_LOADING, look)

    def _may_run(self, waiter: Waiter[WorkerHandle]) -> bool:
        """Whether a task may run now: a long one leaves the last worker to other owners that are active."""
        if waiter.long and len(self._free) == 1 and self.alive > 1 and self._others(waiter.owner):
            return False
        return self._choose(waiter) is not None

    def _is_at_hand(self, waiter: Waiter[WorkerHandle]) -> bool:
        """Whether an idle worker holds what a task needs."""
        return any(waiter.affinity in worker.held.names for worker in self._free)

    def _others(self, owner: str) -> bool:
        """Whether other owners are active."""
        now = time.monotonic()
        self._last_tasks = {name: last for name, last in self._last_tasks.items() if now - last < _ACTIVE}
        return any(name != owner for name in self._last_tasks)

    def _choose(self, waiter: Waiter[WorkerHandle]) -> WorkerHandle | None:
        """The idle worker for a task: one that holds what it needs, else one that has the most room.

        None where all idle ones would have to put out other keys, and one that holds what it needs is busy: it is
        waited for, for as long as to load it would take.
        """
        at_hand = [worker for worker in self._free if waiter.affinity in worker.held.names]
        if at_hand:
            return at_hand[0]
        fresh = [worker for worker in self._free if worker not in self._retiring]
        worker = min(fresh or self._free, key=lambda each: (each.held.full, len(each.held.names)))
        if worker.held.full and waiter.affinity and time.monotonic() - waiter.since < _LOADING:
            busy = [each for each in self._all if each not in self._free]
            if any(waiter.affinity in each.held.names or each.loading == waiter.affinity for each in busy):
                return None
        return worker

    def _pick(self, waiter: Waiter[WorkerHandle]) -> WorkerHandle:
        """Take an idle worker for a task that may run."""
        worker = self._choose(waiter)
        assert worker is not None  # noqa: S101  (it may run)
        self._free.remove(worker)
        worker.loading = waiter.affinity
        return worker

    async def _acquire(
        self, owner: str, affinity: str, long: bool, gone: asyncio.Future[None] | None, seconds: float = 0.0
    ) -> WorkerHandle:
        """Wait for a worker for a task of so many seconds. Raises QueueFull, WaitedTooLong, ClientGone."""
        loop = asyncio.get_running_loop()
        if owner:
            self._last_tasks[owner] = time.monotonic()
        waiter = Waiter[WorkerHandle](owner, affinity, long, loop.create_future(), seconds)
        if self._free and self._may_run(waiter):  # nobody waits who could have had it
            return self._pick(waiter)
        self._waiting.add(waiter)
        self._look_again()

        def leave(gone: asyncio.Future[None]) -> None:
            if not waiter.future.done():
                waiter.future.set_exception(ClientGone())

        if gone is not None:
            gone.add_done_callback(leave)
        try:
            async with asyncio.timeout(self._bounds.wait):
                return await waiter.future
        except BaseException as error:
            self._waiting.remove(waiter)
            if waiter.future.done() and not waiter.future.cancelled() and waiter.future.exception() is None:
                self._release(waiter.future.result())  # it was given one at the same moment
            if isinstance(error, TimeoutError):
                raise WaitedTooLong from error
            raise
        finally:
            if gone is not None:
                gone.remove_done_callback(leave)
