"""Processes that encrypt and decrypt for a client: TenSEAL holds the interpreter's lock.

They are the client's own, on its own machine: each is handed the secret key through the pipe that started it.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

from fhenn.backends import use_threads
from fhenn.errors import WorkersEnded

Submit = Callable[..., Future[Any]]
"""Called with a function and arguments."""

_client: Any = None
"""Of this process, where it is one of a crew."""


@contextmanager
def crew(make: Callable[..., Any], arguments: tuple[Any, ...], workers: int) -> Iterator[Submit]:
    """Processes that each hold a client.

    make: gives the client; a function that can be imported.
    arguments: of `make`.
    workers: number of processes.

    Yields a function that has one of them call a function, of this module's importers, with the client and arguments.
    Raises WorkersEnded where a process ends in the middle of its work.
    """
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (make, arguments))
    try:
        yield lambda work, *given: pool.submit(_work, work, given)
    except BrokenProcessPool as error:
        raise WorkersEnded from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(make: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Become one of a crew."""
    global _client  # noqa: PLW0603  (how an executor's processes are given anything once)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's to answer
    use_threads(1)
    _client = make(*arguments)


def _work(work: Callable[..., Any], given: tuple[Any, ...]) -> Any:
    """The result of a function with the client of this process."""
    return work(_client, *given)
