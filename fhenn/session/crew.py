"""Processes that encrypt and decrypt for a client: TenSEAL holds the interpreter's lock.

They are the client's own, on its own machine: each is handed its key through the pipe that started it, and ends
when that pipe does, so that none outlives the client's process, however that ends. Each is a fresh interpreter, which
does not import the program's main module again, so that a script needs no guard.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from threading import local
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.backends import use_threads
from fhenn.errors import FhennError, WorkersEnded
from fhenn.session.answer import AnsweredPart, Asked

Submit = Callable[..., Future[Any]]
"""Has a process call a function of this module with its client and the arguments."""

_MAIN = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from fhenn.session.crew import work; work()"
"""What a process runs."""


@contextmanager
def crew(restore: Callable[[], Any], workers: int) -> Iterator[Submit]:
    """Processes that each hold a client; one begins when there is work for it.

    restore: gives the client; can be sent to a process.
    workers: number of processes.

    Yields a function that has one of them call `encrypt_part` or `decrypt_part`. Its futures raise what these do,
    OSError where no process begins, and WorkersEnded where one ends in the middle of its work.
    """
    processes, own = list[_Process](), local()

    def call(act: Callable[..., Any], *arguments: Any) -> Any:
        if not hasattr(own, "process"):
            own.process = _Process(restore)
            processes.append(own.process)
        return own.process.call(act, arguments)

    threads = ThreadPoolExecutor(workers, "fhenn-crew")  # each waits for its process
    try:
        yield lambda act, *arguments: threads.submit(call, act, *arguments)
    finally:
        try:
            threads.shutdown(cancel_futures=True)
        finally:
            for process in processes:
                process.end()


class _Process:
    """One process with a client. restore: gives the client. Raises OSError where no process begins."""

    def __init__(self, restore: Callable[[], Any]) -> None:
        self._process = subprocess.Popen(  # noqa: S603  (this very interpreter)
            [sys.executable, "-c", _MAIN, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # Ctrl-C is the parent's to answer
        )
        self._restore: bytes | None = pickle.dumps(restore)

    def call(self, act: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Have the process call a function with its client. Raises what that raises, and WorkersEnded."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None  # noqa: S101  (both are pipes)
        assert stdout is not None  # noqa: S101
        try:
            if self._restore is not None:
                pickle.dump(self._restore, stdin)
                self._restore = None
            pickle.dump(pickle.dumps((act, arguments)), stdin)
            stdin.flush()
            done, result = pickle.load(stdout)  # noqa: S301  (from a process that this one began)
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            raise WorkersEnded from error
        if not done:
            raise result
        return result

    def end(self) -> None:
        """Let the process end, and wait for it."""
        with suppress(OSError), self._process:  # closes the pipes, and waits
            pass


def work() -> None:
    """What a process does: it answers until its pipe ends."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's to answer, also where there are no groups of processes
    use_threads(1)
    client = None
    with suppress(EOFError, BrokenPipeError), answers:
        restore = pickle.load(requests)  # noqa: S301  (all from the process that began this one)
        while True:
            request = pickle.load(requests)  # noqa: S301
            try:
                client = client or pickle.loads(restore)()  # noqa: S301
                act, arguments = pickle.loads(request)  # noqa: S301
                answer = True, act(client, *arguments)
            except Exception as error:
                if not isinstance(error, FhennError):
                    error.add_note(traceback.format_exc())
                answer = False, error
            pickle.dump(answer, answers)
            answers.flush()


def encrypt_part(client: Any, values: NDArray[np.float64], part: int, stream: str | None) -> bytes:
    """The message of a part."""
    message: bytes = client._encrypt_part(values, part, stream)
    return message


def decrypt_part(client: Any, part: AnsweredPart, scores: bool, asked: Asked) -> tuple[Any, list[Warning]]:
    """The result of a part, and the warnings about it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = client._decrypt_part(part, scores, asked)
    return result, [each.message for each in caught if isinstance(each.message, Warning)]
