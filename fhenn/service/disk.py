"""Files, away from the event loop: a disk that is slow delays who waits for it, and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Disk:
    """Threads for calls that touch files.

    threads: how many calls may run at once.
    """

    def __init__(self, threads: int = 8) -> None:
        self._threads = ThreadPoolExecutor(threads, "fhenn-disk")

    async def __call__(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call a function in a thread.

        Where the caller is cancelled, it waits for the function to end all the same.

        Returns what the function returns, and raises what it raises.
        """
        future = asyncio.get_running_loop().run_in_executor(self._threads, lambda: function(*args, **kwargs))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise

    def close(self) -> None:
        """End the threads once they are idle."""
        self._threads.shutdown(wait=False)
