"""Processes that encrypt and decrypt for a client: TenSEAL holds the interpreter's lock.

They are the client's own, on its own machine: each is handed the secret key through the pipe that started it.
"""

from __future__ import annotations

import signal
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.backends import use_threads
from fhenn.errors import WorkersEnded
from fhenn.session.answer import AnsweredPart, Asked

Submit = Callable[..., Future[Any]]
"""Has a process call a function of this module with arguments."""

_client: Any
"""Of this process, where it is one of a crew."""


@contextmanager
def crew(restore: Callable[[], Any], workers: int) -> Iterator[Submit]:
    """Processes that each hold a client.

    restore: gives it; can be sent to a process.
    workers: number of processes.

    Yields a function that has one of them call `encrypt_part` or `decrypt_part`.
    Raises WorkersEnded where a process ends in the middle of its work.
    """
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (restore,))
    try:
        yield pool.submit
    except BrokenProcessPool as error:
        raise WorkersEnded from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(restore: Callable[[], Any]) -> None:
    """Become one of a crew."""
    global _client  # noqa: PLW0603  (how an executor's processes are given anything once)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's to answer
    use_threads(1)
    _client = restore()


def encrypt_part(values: NDArray[np.float64], part: int, stream: str | None) -> bytes:
    """The message of a part, made by the client of this process."""
    message: bytes = _client._encrypt_part(values, part, stream)
    return message


def decrypt_part(part: AnsweredPart, scores: bool, asked: Asked) -> tuple[Any, list[Warning]]:
    """The result of a part, made by the client of this process, and the warnings about it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = _client._decrypt_part(part, scores, asked)
    return result, [each.message for each in caught if isinstance(each.message, Warning)]
