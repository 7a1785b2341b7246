"""Worker processes that evaluate what strangers send.

TenSEAL holds the interpreter's lock, and a crafted message can crash it: every evaluation runs in a process that may
die. Each worker has a pipe of its own, and the parent holds one end of it only: a worker that dies, at whatever point
and of whatever cause, ends its own pipe and touches no other. (In pebble's and the standard library's pools all workers
share one pipe and one lock; an idle worker of pebble that gets killed takes the pool with it.) What travels is JSON and
bytes, so that a worker which was taken over cannot make the parent run anything.

SEAL keeps the memory that it once had: a worker that holds more than it may between two tasks is replaced.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from fhenn.service.fair import FairQueue, QueueFull, Waiter
from fhenn.service.limits import Limits
from fhenn.service.logs import log_seldom
from fhenn.service.spool import Spool, SpoolFull, Spools
from fhenn.service.work import PIECE, Buffer, work
from fhenn.strict import read_json

__all__ = ["Buffer", "ClientGone", "Pool", "QueueFull", "WaitedTooLong", "WorkerDied", "WorkerLate"]

_CRASHES = {-number for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)}
_LONG = 0.5
"""Seconds: a task that is expected to take longer leaves the last idle worker to other owners."""
_ACTIVE = 60.0
"""Seconds for which an owner counts as active after its last task."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
"""Seconds between two attempts to start a worker."""
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
    """A task took longer than `Limits.seconds`."""


class WaitedTooLong(Exception):
    """No worker was free for a task within the time that it may wait; it was not begun."""


class ClientGone(Exception):
    """Nobody waits for the answer any more; the task was not begun."""


class _Worker:
    """One process and its pipe. Raises OSError where there is no process or no descriptor to be had."""

    def __init__(self, limits: Limits) -> None:
        context = get_context("spawn")  # a fork would copy the parent's threads' locks
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=work, args=(theirs, limits.memory, limits.contexts), name="fhenn-worker", daemon=True
        )
        try:
            self._process.start()
        except BaseException:
            self._pipe.close()
            raise
        finally:
            theirs.close()  # so that the worker's death ends the pipe
        self.recent: deque[str] = deque(maxlen=limits.contexts)

    @property
    def pid(self) -> int | None:
        """Of the process."""
        return self._process.pid

    def await_ready(self) -> None:
        """Wait until it has imported what it needs. Raises EOFError where its process ends."""
        self._pipe.recv_bytes(16)

    def call(self, task: dict[str, Any], payload: Buffer, answer: Spool) -> dict[str, Any]:
        """Do a task; the bytes of its answer go to `answer`.

        Raises EOFError, OSError or ValueError where the worker ends or answers nonsense, SpoolFull.
        """
        self._pipe.send_bytes(json.dumps(task).encode())
        self._pipe.send_bytes(payload)
        document = read_json(self._pipe.recv_bytes(1 << 20))
        if not isinstance(document, dict):
            raise ValueError("a worker's answer is not a JSON object")  # noqa: TRY004
        refusal = None
        while piece := self._pipe.recv_bytes(PIECE):
            try:
                if refusal is None:
                    answer.append(piece)
            except SpoolFull as error:  # the rest is taken, so that the next task finds the pipe empty
                refusal = error
        if refusal is not None:
            raise refusal
        return document

    def end(self) -> int | None:
        """End the process, if it has not ended. Returns its exit code, negative for a signal."""
        self._process.join(0.5)  # a pipe ends a moment before its process
        self._process.kill()
        self._process.join(10)
        return self._process.exitcode  # the pipe is closed with the last thread that lets go of it

    @property
    def sentinel(self) -> int:
        """A descriptor that is readable once the process has ended."""
        return self._process.sentinel

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()

    @property
    def resident(self) -> int:
        """Bytes of memory that it holds, by the system's count; 0 where the system does not say."""
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError, IndexError, AttributeError):
            return 0


class Pool:
    """As many workers as `limits` says; those that die are replaced, and those that hold too much memory.

    limits: on workers and tasks.
    spools: hold the answers.
    on_death: called with the exit code of each worker that died.
    on_recycle: called for each worker that is replaced for its memory, with the bytes that it held.
    """

    def __init__(
        self,
        limits: Limits,
        spools: Spools,
        on_death: Callable[[int | None], None] = lambda code: None,
        on_recycle: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._limits, self._spools, self._on_death, self._on_recycle = limits, spools, on_death, on_recycle
        self._threads = ThreadPoolExecutor(4 * limits.workers, "fhenn-worker")
        self._all: set[_Worker] = set()
        self._free: list[_Worker] = []
        self._retiring: set[_Worker] = set()
        self._waiting: FairQueue[_Worker] = FairQueue(limits.queue)
        self._starting: set[asyncio.Task[None]] = set()
        self._paces: dict[str, float] = {}
        self._last_tasks: dict[str, float] = {}
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
        gone: asyncio.Event | None = None,
    ) -> tuple[dict[str, Any], Spool]:
        """Have a worker do a task, once one is free and it is the owner's turn.

        task: for `fhenn.service.work.Worker.answer`.
        payload: the bytes that belong to it.
        affinity: a worker that did a task of the same affinity lately is preferred.
        owner: takes turns with other owners.
        gone: set when nobody waits for the answer any more.

        Returns (answer, body): the worker's JSON document, and the bytes beside it.
        Raises QueueFull, WaitedTooLong, ClientGone, WorkerLate, WorkerDied, SpoolFull.
        """
        kind = f"{task.get('task')} {task.get('model', '')}"
        expected = self._paces.get(kind, 1.0) * (len(payload) + 1)
        worker = await self._acquire(owner, affinity, kind not in self._paces or expected > _LONG, gone)
        loop = asyncio.get_running_loop()
        start, spool = time.perf_counter(), self._spools.open()
        try:
            async with asyncio.timeout(self._limits.seconds):
                answer = await loop.run_in_executor(self._threads, worker.call, task, payload, spool)
        except SpoolFull:
            spool.close()
            self._finish(worker, affinity)
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
            pace = (time.perf_counter() - start) / (len(payload) + 1)
            self._paces[kind] = max(pace, 0.9 * self._paces.get(kind, 0.0) + 0.1 * pace)
        self._finish(worker, affinity)
        return answer, spool

    async def close(self) -> None:
        """End all workers at once."""
        self._closed = True
        if self._tidying is not None:
            self._tidying.cancel()
        for task in self._starting:
            task.cancel()
        for worker in tuple(self._all):
            await self._drop(worker)
        self._threads.shutdown(wait=False, cancel_futures=True)

    # starting and ending

    def _fill(self) -> None:
        """Start as many workers as are missing; one that retires counts as missing."""
        while not self._closed and self.alive - len(self._retiring) + len(self._starting) < self._limits.workers:
            task = asyncio.get_running_loop().create_task(self._start_one())
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def _start_one(self) -> None:
        """Start a worker, in as many attempts as it takes: if this gave up, the pool would stay smaller for good."""
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE
        while not self._closed:
            worker = None
            try:
                worker = await loop.run_in_executor(self._threads, _Worker, self._limits)
                async with asyncio.timeout(self._limits.start):
                    await loop.run_in_executor(self._threads, worker.await_ready)
                loop.add_reader(worker.sentinel, self._on_exit, worker)
            except asyncio.CancelledError:
                if worker is not None:
                    worker.kill()
                raise
            except Exception as error:  # no memory, no descriptor, no thread, or it was stopped
                log_seldom(logging.ERROR, "worker could not be started", exception=type(error).__name__)
                if worker is not None:
                    worker.kill()
                    self._on_death(await loop.run_in_executor(self._threads, worker.end))
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            self._all.add(worker)
            self._starting.discard(asyncio.current_task())
            self._retire_idle()
            self._release(worker)
            return

    def _on_exit(self, worker: _Worker) -> None:
        """Replace a worker whose process ended while it was idle; `run` replaces one that was busy."""
        asyncio.get_running_loop().remove_reader(worker.sentinel)
        if worker in self._free:
            self._drop(worker).add_done_callback(lambda done: self._on_death(done.result()))

    def _drop(self, worker: _Worker) -> asyncio.Future[int | None]:
        """Take a worker out of the pool, end it and start another; the future holds its exit code."""
        self._all.discard(worker)
        self._retiring.discard(worker)
        asyncio.get_running_loop().remove_reader(worker.sentinel)
        if worker in self._free:
            self._free.remove(worker)
        ended = asyncio.get_running_loop().run_in_executor(self._threads, worker.end)
        self._fill()
        if not self._closed:
            self._dispatch()  # who waited for this one to leave another may have the other
        return ended

    def _finish(self, worker: _Worker, affinity: str) -> None:
        """Give a worker that has done a task the next, or replace it where it holds too much memory."""
        if affinity not in worker.recent:
            worker.recent.append(affinity)
        self._check_memory(worker, self._limits.resident)
        if worker in self._all:
            self._release(worker)
            self._retire_idle()

    def _check_memory(self, worker: _Worker, limit: int) -> None:
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

    def _kill(self, worker: _Worker) -> None:
        """Kill a worker, and start another."""
        worker.kill()
        self._drop(worker)

    def _retire_idle(self) -> None:
        """End idle workers that are to be replaced, as far as others have started."""
        for worker in tuple(self._retiring):
            if worker in self._free and self.alive > self._limits.workers:
                self._kill(worker)

    async def _tidy(self) -> None:
        """Let idle workers forget keys that were deleted, now and then, and give their memory back."""
        while True:
            await asyncio.sleep(_TIDY)
            self._dispatch()  # other owners may have stopped being active
            for worker in [each for each in self._free if each.recent]:
                if worker in self._free:
                    self._free.remove(worker)
                    await self._tidy_one(worker)

    async def _tidy_one(self, worker: _Worker) -> None:
        """Let a worker forget keys that were deleted."""
        loop = asyncio.get_running_loop()
        try:
            with self._spools.open() as nothing:
                async with asyncio.timeout(self._limits.seconds):
                    answer = await loop.run_in_executor(self._threads, worker.call, {"task": "tidy"}, b"", nothing)
        except (EOFError, OSError, ValueError, SpoolFull):
            worker.kill()
            self._on_death(await self._drop(worker))
            return
        if answer.get("dropped"):
            worker.recent.clear()
            self._check_memory(worker, self._limits.resident // 2)
        if worker in self._all:
            self._release(worker)
            self._retire_idle()

    # who is next

    def _release(self, worker: _Worker) -> None:
        """Let a worker do the next task."""
        self._free.append(worker)
        self._dispatch()

    def _dispatch(self) -> None:
        """Hand idle workers to tasks that wait."""
        while self._free:
            waiter = self._waiting.next(self._may_run)
            if waiter is None:
                return
            if not waiter.future.done():
                waiter.future.set_result(self._pick(waiter.affinity))

    def _may_run(self, waiter: Waiter[_Worker]) -> bool:
        """Whether a task may run now: a long one leaves the last worker to other owners that are active."""
        return not waiter.long or len(self._free) > 1 or self.alive == 1 or not self._others(waiter.owner)

    def _others(self, owner: str) -> bool:
        """Whether other owners are active."""
        now = time.monotonic()
        self._last_tasks = {name: last for name, last in self._last_tasks.items() if now - last < _ACTIVE}
        return any(name != owner for name in self._last_tasks)

    def _pick(self, affinity: str) -> _Worker:
        """Take an idle worker for a task, one that knows its affinity where there is one."""
        recent = [worker for worker in self._free if affinity in worker.recent]
        fresh = [worker for worker in self._free if worker not in self._retiring]
        worker = (recent or fresh or self._free)[0]
        self._free.remove(worker)
        return worker

    async def _acquire(self, owner: str, affinity: str, long: bool, gone: asyncio.Event | None) -> _Worker:
        """Wait for a worker. Raises QueueFull, WaitedTooLong, ClientGone."""
        loop = asyncio.get_running_loop()
        if owner:
            self._last_tasks[owner] = time.monotonic()
        waiter = Waiter[_Worker](owner, affinity, long, loop.create_future())
        if self._free and self._may_run(waiter):  # nobody waits who could have had it
            return self._pick(affinity)
        self._waiting.add(waiter)
        awaited: set[asyncio.Future[Any]] = {waiter.future}
        leaving = None if gone is None or waiter.future.done() else loop.create_task(gone.wait())
        try:
            if leaving is not None:
                awaited.add(leaving)
            await asyncio.wait(awaited, timeout=self._limits.wait, return_when=asyncio.FIRST_COMPLETED)
            if not waiter.future.done():
                raise ClientGone if leaving is not None and leaving.done() else WaitedTooLong
            return waiter.future.result()
        except BaseException as error:
            self._waiting.remove(waiter)
            assigned = waiter.future.done() and not waiter.future.cancelled() and waiter.future.exception() is None
            if assigned and not isinstance(error, QueueFull):
                self._release(waiter.future.result())
            raise
        finally:
            if leaving is not None:
                leaving.cancel()
