"""Worker processes that evaluate what strangers send.

TenSEAL holds the interpreter's lock, and a crafted message can crash it: every evaluation runs in a process that may
die. Each worker has a pipe of its own, and the parent holds one end of it only: a worker that dies, at whatever point
and of whatever cause, ends its own pipe and touches no other. (In pebble's and the standard library's pools all workers
share one pipe and one lock; an idle worker of pebble that gets killed takes the pool with it.) What travels is JSON and
bytes, so that a worker which was taken over cannot make the parent run anything.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from fhenn.service.limits import Limits
from fhenn.service.work import work

_CRASHES = {-number for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)}
_LARGEST_ANSWER = 1 << 30

Buffer = bytes | bytearray


@dataclass(eq=False)
class WorkerDied(Exception):
    """A worker ended in the middle of a task. exit_code: negative is a signal."""

    exit_code: int | None

    @property
    def crashed(self) -> bool:
        """Whether native code failed on what it was given; otherwise something ended the worker from outside."""
        return self.exit_code in _CRASHES


class WorkerLate(Exception):
    """A task took longer than it may."""


class QueueFull(Exception):
    """As many tasks wait as may."""


class _Worker:
    """One process and its pipe."""

    def __init__(self, limits: Limits) -> None:
        context = get_context("spawn")  # a fork would copy the parent's threads' locks
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=work, args=(theirs, limits.memory, limits.contexts), name="fhenn-worker", daemon=True
        )
        self._process.start()
        theirs.close()  # so that the worker's death ends the pipe
        self.recent: deque[str] = deque(maxlen=limits.contexts)

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def await_ready(self) -> None:
        """Wait until it has imported what it needs. Raises EOFError where it dies."""
        self._pipe.recv_bytes(16)

    def call(self, task: dict[str, Any], payload: Buffer) -> tuple[dict[str, Any], bytes]:
        """Do a task. Raises EOFError, OSError where the worker dies."""
        self._pipe.send_bytes(json.dumps(task).encode())
        self._pipe.send_bytes(payload)
        return json.loads(self._pipe.recv_bytes(1 << 20)), self._pipe.recv_bytes(_LARGEST_ANSWER)

    def end(self) -> int | None:
        """End the process, which may have ended already; its exit code, negative for a signal."""
        self._process.join(0.5)  # a pipe ends a moment before its process
        self._process.kill()
        self._process.join(10)
        return self._process.exitcode  # the pipe is closed with the last thread that lets go of it

    @property
    def sentinel(self) -> int:
        """A descriptor that is readable once the process has ended."""
        return self._process.sentinel

    def kill(self) -> None:
        self._process.kill()


class Pool:
    """As many workers as `limits` says; those that die are replaced.

    on_death: called with the exit code of each worker that died.
    """

    def __init__(self, limits: Limits, on_death: Callable[[int | None], None] = lambda code: None) -> None:
        self._limits, self._on_death = limits, on_death
        self._threads = ThreadPoolExecutor(4 * limits.workers, "fhenn-worker")
        self._all: set[_Worker] = set()
        self._free: list[_Worker] = []
        self._waiting: deque[asyncio.Future[_Worker]] = deque()
        self._starting: set[asyncio.Task[None]] = set()
        self._closed = False

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
        return sum(not future.done() for future in self._waiting)

    @property
    def full(self) -> bool:
        """Whether the next task would be refused."""
        return not self._free and self.waiting >= self._limits.queue

    def start(self) -> None:
        """Start the workers; tasks wait until they are ready."""
        for _ in range(self._limits.workers):
            self._begin()

    async def run(self, task: dict[str, Any], payload: Buffer, affinity: str) -> tuple[dict[str, Any], bytes]:
        """The answer of a worker, preferably of one that did a task of the same affinity lately.

        Raises QueueFull, WorkerLate, WorkerDied.
        """
        worker = await self._take(affinity)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._limits.seconds):
                answer = await loop.run_in_executor(self._threads, worker.call, task, payload)
        except (EOFError, OSError, ValueError) as error:
            if isinstance(error, TimeoutError):
                worker.kill()
                self._drop(worker)
                raise WorkerLate from error
            code = await self._drop(worker)
            self._on_death(code)
            raise WorkerDied(code) from error
        except BaseException:  # cancelled: its answer must not meet the next task
            worker.kill()
            self._drop(worker)
            raise
        if affinity not in worker.recent:
            worker.recent.append(affinity)
        self._give(worker)
        return answer

    async def close(self) -> None:
        """End all workers, at once."""
        self._closed = True
        for task in self._starting:
            task.cancel()
        for worker in tuple(self._all):
            await self._drop(worker)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _begin(self) -> None:
        task = asyncio.get_running_loop().create_task(self._start_one())
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _start_one(self) -> None:
        loop = asyncio.get_running_loop()
        pause = 0.1
        while not self._closed:
            worker = await loop.run_in_executor(self._threads, _Worker, self._limits)
            try:
                await loop.run_in_executor(self._threads, worker.await_ready)
            except asyncio.CancelledError:
                worker.kill()
                raise
            except (EOFError, OSError):  # it died before it was ready: no memory, perhaps
                self._on_death(await loop.run_in_executor(self._threads, worker.end))
                await asyncio.sleep(pause)
                pause = min(2 * pause, 10.0)
                continue
            self._all.add(worker)
            loop.add_reader(worker.sentinel, self._ended, worker)
            self._give(worker)
            return

    def _ended(self, worker: _Worker) -> None:
        """A process has ended: replace it where it was idle; where it was busy, whoever waits for it does."""
        asyncio.get_running_loop().remove_reader(worker.sentinel)
        if worker in self._free:
            self._drop(worker).add_done_callback(lambda done: self._on_death(done.result()))

    def _drop(self, worker: _Worker) -> asyncio.Future[int | None]:
        """Take a worker out of the pool, end it and start another; the future holds its exit code."""
        self._all.discard(worker)
        asyncio.get_running_loop().remove_reader(worker.sentinel)
        if worker in self._free:
            self._free.remove(worker)
        ended = asyncio.get_running_loop().run_in_executor(self._threads, worker.end)
        if not self._closed:
            self._begin()
        return ended

    def _give(self, worker: _Worker) -> None:
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(worker)
                return
        self._free.append(worker)

    async def _take(self, affinity: str) -> _Worker:
        for worker in self._free:
            if affinity in worker.recent:
                self._free.remove(worker)
                return worker
        if self._free:
            return self._free.pop(0)
        if self.waiting >= self._limits.queue:
            raise QueueFull
        future: asyncio.Future[_Worker] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._give(future.result())
            raise
