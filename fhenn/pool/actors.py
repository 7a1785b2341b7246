"""Ray actors that answer parts, and what hands them out: replaced where they die, and their parts done again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from threading import Thread
from typing import Any

import fhenn
from fhenn.errors import PartRefused, PoolFailed, VersionsDiffer
from fhenn.pool.base import Instead, refused
from fhenn.pool.cluster import LOOK, Cluster, unready
from fhenn.pool.evaluator import Evaluator
from fhenn.pool.runner import DEATHS, error_of

_START = 120.0
"""Seconds within which the first actor must have started: its node may have to import much, or be added."""
_ATTEMPTS = 5
"""Actors that end one after another while they load, after which the pool has failed."""
_PAUSE = 0.5
"""Seconds between two of these attempts."""
_LOSSES = 10
"""Nodes that a part may be lost with before it is refused: one would crash all of a node, then, or the line to it."""
_AHEAD = 2
"""Parts that an actor is sent for each of its threads: while some are computed, the next ones travel."""


class _Actor:
    """An actor that is ready.

    handle: Ray's.
    threads: that it has.
    room: parts that it may be sent now.
    """

    def __init__(self, handle: Any, threads: int) -> None:
        self.handle, self.threads = handle, threads
        self.room = self.most = _AHEAD * threads


class Actors:
    """Actors that answer parts: an `Engine`.

    A crash ends all parts that an actor has; which one it died of nobody says. So each of them is done again alone, at
    an actor that does nothing else meanwhile, and only the one that ends that as well is refused in the end. Parts that
    are lost with a node, or with the line to it, are done again beside others.

    cluster: where the actors are.
    contents: messages of model, plan and keys.
    evaluator: what computes here, and must there.
    sizes: threads of each actor.

    Raises what keeps the first actor from starting: VersionsDiffer, PoolFailed, FhennError.
    """

    def __init__(self, cluster: Cluster, contents: Sequence[bytes], evaluator: str, sizes: Sequence[int]) -> None:
        self._cluster, self._ray = cluster, cluster.ray
        self._here = f"fhenn {fhenn.__version__} with the evaluator {evaluator}"
        self._kind = self._ray.remote(Evaluator)
        self._contents = [self._ray.put(each) for each in contents]
        self._ready: list[_Actor] = []
        self._handles: set[Any] = set()
        self._reserved: _Actor | None = None
        self._suspects = 0
        self._waiters: list[asyncio.Future[None]] = []
        self._starts: set[asyncio.Task[None]] = set()
        self._failed_starts = 0
        self._failure: Exception | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._run, name="fhenn-ray", daemon=True)
        self._thread.start()
        try:
            self._soon(self._begin(sizes)).result(_START)
        except BaseException as error:
            self.close()
            if isinstance(error, TimeoutError):
                raise PoolFailed(
                    f"no actor has started within {_START:g} s: no node has {max(sizes)} CPUs free.",
                    "Wait until one has, or ask for fewer workers.",
                ) from error
            raise

    def submit(self, part: bytes, range_check: bool, instead: Instead | None) -> Future[bytes]:
        """Begin to answer a part, as `Engine` has it."""
        return self._soon(self._answer(part, range_check, instead))

    def close(self) -> None:
        """End the actors, and leave the cluster."""
        self._soon(self._end())
        self._thread.join()
        self._contents.clear()
        self._cluster.close()

    def abandon(self) -> None:
        """The same without a wait; Ray ends the actors of a process that has ended."""
        if self._ray.is_initialized():
            self._soon(self._end())
            self._cluster.close()

    def _soon(self, act: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Do something in the loop; it is cancelled where that has ended."""
        try:
            return asyncio.run_coroutine_threadsafe(act, self._loop)
        except RuntimeError:
            act.close()
            future: Future[Any] = Future()
            future.cancel()
            return future

    # in the thread of the loop

    def _run(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    async def _end(self) -> None:
        """End what waits, all actors and the loop."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        for handle in self._handles:
            self._kill(handle)
        self._handles.clear()
        await asyncio.gather(*others, return_exceptions=True)
        self._loop.stop()

    async def _answer(self, part: bytes, range_check: bool, instead: Instead | None) -> bytes:
        """Have an actor answer a part, and another where it dies."""
        try:
            return await self._ask(part, range_check)
        except PartRefused as error:
            if instead is None:
                raise
            return instead(error)

    async def _ask(self, part: bytes, range_check: bool) -> bytes:
        errors = self._ray.exceptions
        crashes = losses = 0
        while crashes < DEATHS and losses < _LOSSES:
            async with self._room(alone=crashes > 0) as actor:
                try:
                    answer = await actor.handle.predict.remote(part, range_check)
                except errors.RayActorError as error:
                    lost = _is_lost(errors, error)
                    crashes, losses = crashes + (not lost), losses + lost
                    self._replace(actor)
                    continue
                except errors.ObjectLostError:  # the node went with the answer
                    losses += 1
                    continue
                except errors.RayError as error:
                    raise PoolFailed(f"Ray does not compute ({_first_line(error)}).", LOOK) from error
            if isinstance(answer, bytes):
                return answer
            raise error_of(answer, part)
        raise refused(part, f"{crashes or losses} workers died of it")

    # who computes

    @asynccontextmanager
    async def _room(self, alone: bool) -> AsyncIterator[_Actor]:
        """An actor that has room for a part.

        alone: whether it is to do nothing else meanwhile.
        """
        self._suspects += alone
        try:
            while (actor := self._find(alone)) is None:
                await self._change()
        finally:
            self._suspects -= alone
            if not self._suspects:
                self._reserved = None
        taken = actor.most if alone else 1
        actor.room -= taken
        try:
            yield actor
        finally:
            actor.room += taken
            self._tell()

    def _find(self, alone: bool) -> _Actor | None:
        """An actor that has room now, the one with the most; None where none has. Raises what ended the pool.

        For a part that must be alone, an actor is reserved: it is sent no other part, and soon it is idle.
        """
        if self._failure is not None:
            raise self._failure
        if alone:
            if self._reserved not in self._ready:
                self._reserved = max(self._ready, key=_share, default=None)
            actor = self._reserved
            if actor is None or actor.room < actor.most:
                return None
            self._reserved = None
            return actor
        actor = max((each for each in self._ready if each is not self._reserved), key=_share, default=None)
        return actor if actor is not None and actor.room else None

    async def _change(self) -> None:
        """Wait until an actor may have room."""
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        await waiter

    def _tell(self) -> None:
        """Let all who wait look again."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    # starting and ending

    async def _begin(self, sizes: Sequence[int]) -> None:
        """Start the actors, and wait until the first is ready. Raises what keeps them from that."""
        for threads in sizes:
            self._start(threads)
        while not self._ready and self._failure is None:
            await self._change()
        if self._failure is not None:
            raise self._failure

    def _start(self, threads: int) -> None:
        task = self._loop.create_task(self._start_one(threads))
        self._starts.add(task)
        task.add_done_callback(self._starts.discard)

    async def _start_one(self, threads: int) -> None:
        """Start an actor, in as many attempts as it takes: if this gave up, the pool would stay smaller for good."""
        while self._failure is None:
            handle = self._kind.options(
                num_cpus=threads, max_concurrency=threads, scheduling_strategy="SPREAD"
            ).remote()
            self._handles.add(handle)
            try:
                self._require_same(await handle.load.remote(fhenn.__version__, *self._contents))
            except Exception as error:
                self._forget(handle)
                self._failed_starts += 1
                if not isinstance(error, self._ray.exceptions.RayActorError):
                    self._fail(error)
                elif error.actor_init_failed or self._failed_starts >= _ATTEMPTS:
                    self._fail(unready(error, self._here))
                await asyncio.sleep(_PAUSE)
                continue
            self._failed_starts = 0
            self._ready.append(_Actor(handle, threads))
            self._tell()
            return

    def _require_same(self, about: dict[str, Any]) -> None:
        """Raise what keeps an actor from loading, VersionsDiffer where another fhenn than here is there."""
        if "error" in about:
            raise error_of(about, b"")
        there = f"fhenn {about['version']}"
        if "evaluator" in about:
            there += f" with the evaluator {about['evaluator']}"
        if there != self._here:
            raise VersionsDiffer(f"the node {about['node']}", there, self._here)

    def _fail(self, error: Exception) -> None:
        """End the pool: whoever waits is told why."""
        if self._failure is None:
            self._failure = error
        self._tell()

    def _replace(self, actor: _Actor) -> None:
        """Start another actor for one that died; all its parts come here, the first one does it."""
        if actor in self._ready:
            self._ready.remove(actor)
            self._forget(actor.handle)
            self._start(actor.threads)
            self._tell()

    def _forget(self, handle: Any) -> None:
        self._handles.discard(handle)
        self._kill(handle)

    def _kill(self, handle: Any) -> None:
        with suppress(Exception):  # it is dead, or the cluster is
            self._ray.kill(handle)


def _share(actor: _Actor) -> float:
    """How much of an actor is free."""
    return actor.room / actor.most


def _is_lost(errors: Any, error: Exception) -> bool:
    """Whether an actor went with its node, or the line to it, and not with its process."""
    return isinstance(error, errors.ActorUnavailableError) or "node" in str(error).partition("Worker exit")[0]


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
