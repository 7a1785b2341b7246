"""A worker that is a process with a pipe.

Each worker has a pipe of its own, and the parent holds one end of it only: a worker that dies, at whatever point and of
whatever cause, ends its own pipe and touches no other. (In pebble's and the standard library's pools all workers share
one pipe and one lock; an idle worker of pebble that gets killed takes the pool with it.) What travels is JSON and
bytes, so that a worker which was taken over cannot make the parent run anything. The event loop reads and writes the
pipes itself: to hand each task to a thread and back costs as much as all else that the parent does for it.

It is a fresh interpreter, as multiprocessing would spawn, without what that does beside: the program's main module is
not imported again, so that a script needs no guard, and the process is in a group of its own, so that Ctrl-C is the
parent's alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from fhenn.pool.bounds import Bounds
from fhenn.pool.spool import SpoolFull
from fhenn.pool.work import HEAD, HELD, PIECE, READY, Buffer, Held, work
from fhenn.strict import built, read_json

_LARGEST_DOCUMENT = 8 << 20
"""Bytes of JSON in an answer: it may name all keys that a worker holds."""

_MAIN = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); from fhenn.pool.processes import main; main(sys.argv[3])"
)
"""What a worker runs."""

_DYING = 2.0
"""Seconds between the end of a parent's pipes and its own."""


class WorkerProcess:
    """One process and its pipe: a `WorkerHandle`. Raises OSError where there is no process or no descriptor to be had.

    bounds: on the process.
    prepare: called in the process before anything else, as to say where logs go: a function at the top of a module.
    folder: that the process removes should it outlive the parent, which can do so no more; None for none.
    environment: its variables; None for those of this process.

    held: what it says that it keeps loaded.
    loading: what its task needs loaded; empty for nothing.
    """

    def __init__(
        self,
        bounds: Bounds,
        prepare: Callable[[], None] | None = None,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._pipe, theirs = socket.socketpair()
        self._sentinel, held = os.pipe()
        options = {
            "pipe": theirs.fileno(),
            "memory": bounds.memory,
            "contexts": bounds.contexts,
            "prepare": None if prepare is None else (prepare.__module__, prepare.__qualname__),
            "folder": None if folder is None else str(folder),
            "parent": os.getpid(),
        }
        try:
            self._process = subprocess.Popen(  # noqa: S603  (this very interpreter)
                [sys.executable, "-c", _MAIN, "fhenn-worker", json.dumps(sys.path), json.dumps(options)],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), held),
                process_group=0,
                env=environment,
            )
        except BaseException:
            self._pipe.close()
            os.close(self._sentinel)
            raise
        finally:
            theirs.close()  # so that the worker's death ends the pipe
            os.close(held)  # and the sentinel
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._watched: asyncio.AbstractEventLoop | None = None
        self.held, self.loading = Held(), ""

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    async def await_ready(self) -> None:
        """Wait until it has imported what it needs. Raises EOFError, OSError where its process ends."""
        self._streams = reader, _ = await asyncio.open_connection(sock=self._pipe, limit=PIECE)
        await reader.readexactly(len(READY))

    async def call(
        self, task: dict[str, Any], payload: Buffer, append: Callable[[bytes], Awaitable[None]]
    ) -> dict[str, Any]:
        """Do a task; `append` is called with the bytes of its answer, piece by piece.

        Raises EOFError, OSError or ValueError where the worker ends or answers nonsense, SpoolFull.
        """
        assert self._streams is not None  # noqa: S101  (it is ready)
        reader, writer = self._streams
        text = json.dumps(task).encode()
        with memoryview(payload) as view:
            writer.write(b"".join((HEAD.pack(len(text), len(payload)), text, view[:PIECE])))  # wakes it once
            await writer.drain()
            for start in range(PIECE, len(view), PIECE):
                writer.write(view[start : start + PIECE])
                await writer.drain()
        size, left = HEAD.unpack(await reader.readexactly(HEAD.size))
        if size > _LARGEST_DOCUMENT:
            raise ValueError("a worker's answer is too long")
        document = read_json(await reader.readexactly(size))
        if not isinstance(document, dict):
            raise ValueError("a worker's answer is not a JSON object")  # noqa: TRY004
        if HELD in document:
            self.held = built(Held, document.pop(HELD))
        refusal = None
        while left:
            piece = await reader.readexactly(min(left, PIECE))
            left -= len(piece)
            try:
                if refusal is None:
                    await append(piece)
            except SpoolFull as error:  # the rest is taken, so that the next task finds the pipe empty
                refusal = error
        if refusal is not None:
            raise refusal
        return document

    def watch(self, on_exit: Callable[[], None]) -> None:
        """Have `on_exit` called once should the process end, unless this is closed before."""
        loop = self._watched = asyncio.get_running_loop()

        def ended() -> None:
            loop.remove_reader(self._sentinel)
            on_exit()

        loop.add_reader(self._sentinel, ended)

    def close(self) -> None:
        """Close its pipe, at once."""
        if self._watched is not None:
            self._watched.remove_reader(self._sentinel)
        os.close(self._sentinel)
        if self._streams is None:
            self._pipe.close()
        else:
            self._streams[1].transport.abort()

    def end(self) -> int | None:
        """End the process, if it has not ended. Returns its exit code, negative for a signal."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(0.5)  # a pipe ends a moment before its process
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(10)
        return None

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()

    @property
    def resident(self) -> int:
        """Bytes of memory that it holds, by the system's count; 0 where the system does not say."""
        try:
            with open(f"/proc/{self.pid}/statm", "rb", buffering=0) as file:  # noqa: PTH123  (no path: once a task)
                return int(file.read(200).split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError, IndexError, AttributeError):
            return 0


def main(argument: str) -> None:
    """What the process of a worker does.

    argument: the options of `WorkerProcess`, as JSON.
    """
    options = json.loads(argument)
    prepare = options["prepare"]
    if prepare is not None:
        prepare = getattr(import_module(prepare[0]), prepare[1])
    work(socket.socket(fileno=options["pipe"]), options["memory"], options["contexts"], prepare)
    if options["folder"] is not None:
        _remove_after(options["parent"], options["folder"])


def _remove_after(parent: int, folder: str) -> None:
    """Remove a folder if the parent is dying: its pipe has ended, and this process is soon another's child."""
    end = time.monotonic() + _DYING
    while os.getppid() == parent and time.monotonic() < end:
        time.sleep(0.05)
    if os.getppid() != parent:
        shutil.rmtree(folder, ignore_errors=True)
