"""Workers of a service on the nodes of a Ray cluster: each is a process as on this machine, and an actor that holds it.

What strangers send is evaluated in that process, which may die, and not in the actor, which belongs to the cluster: so
a crash has its exit code, memory is bounded, and what a process that was taken over says is JSON and bytes here too. It
still runs as the cluster's user, in the cluster's network.

Models and evaluation keys are in the store of the front end. They travel by Ray's object store to the nodes whose
workers are to use them, and are there in a private folder for temporary files until the worker has put them out.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from typing import Any

import fhenn
from fhenn.backends import default_evaluator
from fhenn.errors import PoolFailed, VersionsDiffer
from fhenn.filelock import try_lock
from fhenn.pool.bounds import Bounds
from fhenn.pool.cluster import Cluster, unready
from fhenn.pool.processes import WorkerProcess
from fhenn.pool.work import PIECE, Buffer, Held, name_of
from fhenn.strict import built

_START = 60.0
"""Seconds within which a first actor must have started."""
_STOP = 5.0
"""Seconds that an actor may take to end its process."""
_CONTENTS = 256 << 20
"""Bytes of models and keys that stay in Ray's object store for nodes that have not got them yet."""

_PREFIX, _LOCK = "fhenn-worker-", "lock"
"""How the folders of actors are called, and the file in each that its actor has locked."""

_File = tuple[str, str]
"""A file of the store: the model's folder and a name in it; or the file of evaluation keys, and nothing."""


class Host:
    """A Ray actor that holds a worker process, and the files that this needs.

    `start` stays as it is from version to version, so that versions can be compared.
    """

    def __init__(self) -> None:
        self._folder = Path()
        self._process: WorkerProcess | None = None
        self._files: set[_File] = set()
        self._names: dict[str, str] = {}
        self._ended = asyncio.Event()

    async def start(self, version: str, bounds: dict[str, Any]) -> dict[str, str]:
        """Start the process, where this is the version of fhenn that asks.

        Returns "node", its name; "fhenn", what it has.
        Raises OSError, EOFError where the process does not start.
        """
        about = {"node": platform.node(), "fhenn": _fhenn_here()}
        if version == about["fhenn"]:
            _sweep()
            self._folder = Path(mkdtemp(prefix=_PREFIX))
            self._lock = (self._folder / _LOCK).open("wb")
            try_lock(self._lock.fileno())
            loop = asyncio.get_running_loop()
            make = partial(WorkerProcess, Bounds(**bounds), folder=self._folder, environment=_without_ray())
            self._process = await loop.run_in_executor(None, make)
            await self._process.await_ready()
            self._process.watch(self._ended.set)
        return about

    async def call(
        self, task: dict[str, Any], payload: bytes, gone: list[_File], new: list[_File], *contents: bytes
    ) -> tuple[dict[str, Any], bytes, dict[str, Any]]:
        """Have the process do a task.

        task: as `Workers` has it; paths in it are the front end's.
        gone: files that are not in its store any more.
        new: files that come with the task, and then their contents.

        Returns (answer, body, state): state is {"died": exit code} where the process ended.
        """
        for file in gone:
            self._remove(file)
        for file, content in zip(new, contents, strict=True):
            self._add(file, content)
        pieces: list[bytes] = []

        async def append(piece: bytes) -> None:
            pieces.append(piece)

        assert self._process is not None  # noqa: S101  (it is started first)
        try:
            answer = await self._process.call(self._translated(task), payload, append)
        except (EOFError, OSError, ValueError):
            return {}, b"", {"died": await self.stop()}
        held = Held(tuple(self._names[name] for name in self._process.held.names), self._process.held.full)
        self._tidy()
        state = {"held": asdict(held), "resident": self._process.resident, "files": sorted(self._files)}
        return answer, b"".join(pieces), state

    async def ended(self) -> None:
        """Wait until the process has ended."""
        await self._ended.wait()

    async def stop(self) -> int | None:
        """End the process, and remove its files. Returns its exit code."""
        code = None
        if self._process is not None:
            self._process.close()
            code = await asyncio.get_running_loop().run_in_executor(None, self._process.end)
            shutil.rmtree(self._folder, ignore_errors=True)
        self._ended.set()
        return code

    def _path(self, file: _File) -> Path:
        """Where a file of the front end is here."""
        return Path(self._here(file[0]), file[1])

    def _here(self, path: str) -> str:
        return str(self._folder / sha256(path.encode()).hexdigest()[:32])

    def _add(self, file: _File, content: bytes) -> None:
        path = self._path(file)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        self._files.add(file)

    def _remove(self, file: _File) -> None:
        self._path(file).unlink(missing_ok=True)
        self._files.discard(file)

    def _translated(self, task: dict[str, Any]) -> dict[str, Any]:
        """A task with the paths that are right here."""
        here = dict(task)
        for name in {"model", "keys"} & task.keys():
            here[name] = self._here(task[name])
        if "models" in task:
            here["models"] = {name: self._here(folder) for name, folder in task["models"].items()}
        if {"model", "keys"} <= task.keys():
            self._names[name_of(here["model"], here["keys"])] = name_of(task["model"], task["keys"])
        return here

    def _tidy(self) -> None:
        """Remove the files of keys that the process has put out."""
        assert self._process is not None  # noqa: S101  (it is started)
        held = self._process.held.names
        for file in [each for each in self._files if not each[1]]:
            if not any(self._here(file[0]) in name for name in held):
                self._remove(file)
        self._names = {here: there for here, there in self._names.items() if here in held}


def _sweep() -> None:
    """Remove the folders of actors that were killed: nobody holds their locks any more."""
    for folder in Path(gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError), (folder / _LOCK).open("rb+") as file:
            if try_lock(file.fileno()):
                shutil.rmtree(folder, ignore_errors=True)


class Contents:
    """Files of the front end in Ray's object store: those that were used last.

    cluster: whose store it is.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._ray, self._lock = cluster.ray, threading.Lock()
        self._kept: OrderedDict[_File, tuple[Any, int]] = OrderedDict()

    def of(self, file: _File) -> Any:
        """A reference to the content of a file. Raises OSError."""
        with self._lock:
            if file not in self._kept:
                data = Path(*file).read_bytes()
                self._kept[file] = self._ray.put(data), len(data)
            self._kept.move_to_end(file)
            reference = self._kept[file][0]
            while len(self._kept) > 1 and sum(size for _, size in self._kept.values()) > _CONTENTS:
                self._kept.popitem(last=False)
            return reference

    def forget(self, file: _File) -> None:
        """Leave a file to the store of the front end alone, where it is deleted."""
        with self._lock:
            self._kept.pop(file, None)


class HostedWorker:
    """A worker process on a node of a cluster: a `WorkerHandle`.

    cluster: where it is to be.
    bounds: on the process.
    contents: of the files of the front end.

    held: what it says that it keeps loaded.
    loading: what its task needs loaded; empty for nothing.
    resident: bytes of memory that it held after its last task.
    """

    def __init__(self, cluster: Cluster, bounds: Bounds, contents: Contents) -> None:
        self._ray, self._bounds, self._contents = cluster.ray, bounds, contents
        self._handle = self._ray.remote(Host).options(num_cpus=1, scheduling_strategy="SPREAD").remote()
        self._there: set[_File] = set()
        self._code: int | None = None
        self._following: asyncio.Task[None] | None = None
        self.held, self.loading, self.resident = Held(), "", 0

    async def await_ready(self) -> None:
        """Wait until its process can take a task. Raises EOFError where it ends before, VersionsDiffer."""
        _require_same(await self._await(self._handle.start.remote(_fhenn_here(), asdict(self._bounds))))

    async def call(
        self, task: dict[str, Any], payload: Buffer, append: Callable[[bytes], Awaitable[None]]
    ) -> dict[str, Any]:
        """Do a task, as `WorkerHandle` has it."""
        loop = asyncio.get_running_loop()
        answer, body, state = await self._await(await loop.run_in_executor(None, self._send, task, payload))
        if "died" in state:
            self._code = state["died"]
            raise EOFError("the worker's process has ended")
        self.held, self.resident = built(Held, state["held"]), int(state["resident"])
        self._there = {(path, name) for path, name in state["files"]}
        for start in range(0, len(body), PIECE):
            await append(body[start : start + PIECE])
        return dict(answer)

    def watch(self, on_exit: Callable[[], None]) -> None:
        """Have `on_exit` called once should the process or its node end, unless this is closed before."""

        async def follow() -> None:
            with suppress(EOFError):
                await self._await(self._handle.ended.remote())
            on_exit()

        self._following = asyncio.get_running_loop().create_task(follow())

    def close(self) -> None:
        """Let go of it, at once."""
        if self._following is not None:
            self._following.cancel()

    def kill(self) -> None:
        """Have its process killed."""
        with suppress(self._ray.exceptions.RayError):
            self._handle.stop.remote()

    def end(self) -> int | None:
        """End process and actor. Returns the exit code, None where they went with their node."""
        if self._code is None:
            with suppress(self._ray.exceptions.RayError):
                self._code = self._ray.get(self._handle.stop.remote(), timeout=_STOP)
        with suppress(Exception):  # it is dead, or the cluster is
            self._ray.kill(self._handle)
        return self._code

    async def _await(self, reference: Any) -> Any:
        """What an actor answers. Raises EOFError where it is lost."""
        try:
            return await reference
        except self._ray.exceptions.RayError as error:
            raise EOFError(str(error)) from error

    def _send(self, task: dict[str, Any], payload: Buffer) -> Any:
        """Send a task, and with it the files that it needs and the node has not got; in a thread."""
        gone = [file for file in self._there if not Path(*file).exists()]
        for file in gone:
            self._contents.forget(file)
        new, contents = list[_File](), list[Any]()
        for file in _files_of(task):
            if file not in self._there:
                with suppress(FileNotFoundError):  # the worker says so
                    contents.append(self._contents.of(file))
                    new.append(file)
        return self._handle.call.remote(task, bytes(payload), gone, new, *contents)


def require_same_fhenn(cluster: Cluster) -> None:
    """See that a node of a cluster has this fhenn, by an actor. Raises VersionsDiffer, PoolFailed."""
    handle = cluster.ray.remote(Host).options(num_cpus=1).remote()
    try:
        _require_same(cluster.ray.get(handle.start.remote("", {}), timeout=_START))
    except cluster.ray.exceptions.GetTimeoutError as error:
        raise PoolFailed(
            f"no actor has started within {_START:g} s: no node has a CPU free.", "Wait until one has."
        ) from error
    except cluster.ray.exceptions.RayActorError as error:
        raise unready(error, _fhenn_here()) from error
    finally:
        cluster.ray.kill(handle)


def _require_same(about: dict[str, str]) -> None:
    """Raise VersionsDiffer where a node has another fhenn than this process."""
    if about["fhenn"] != _fhenn_here():
        raise VersionsDiffer(f"the node {about['node']}", about["fhenn"], _fhenn_here())


def _files_of(task: dict[str, Any]) -> Iterator[_File]:
    """The files of the front end's store that a task needs."""
    folders = [*([task["model"]] if "model" in task else []), *task.get("models", {}).values()]
    for folder in folders:
        yield folder, "model.fhenn"
        yield folder, "plan.fhenn"
    if "keys" in task:
        yield task["keys"], ""


def _without_ray() -> dict[str, str]:
    """The environment without what opens the cluster."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}


def _fhenn_here() -> str:
    """What this process would compute with, in words."""
    return f"fhenn {fhenn.__version__} with the evaluator {default_evaluator()}"
