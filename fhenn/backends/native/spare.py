"""Memory of residues that are gone, kept for the next ones.

The C library gives large memory back to the system and asks for it again; the system hands out fresh pages one by one,
and filling a ciphertext with them takes longer than many a transform.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEAST = 1 << 17
"""Bytes: what is smaller the C library keeps itself."""


class SpareMemory:
    """Memory for arrays of residues, which comes back by itself once nobody has an array in it.

    most: bytes that are kept, about.

    Threads may share it.

    >>> spare = SpareMemory(1 << 20)
    >>> before = spare.array((2, 2, 8192)).ctypes.data
    >>> spare.array((2, 2, 8192)).ctypes.data == before
    True
    """

    def __init__(self, most: int) -> None:
        self._most, self._kept = most, 0
        self._free: dict[tuple[int, ...], list[NDArray[np.uint64]]] = {}

    def array(self, shape: tuple[int, ...]) -> NDArray[np.uint64]:
        """An array whose contents do not matter.

        shape: of it.
        """
        try:
            memory = self._free[shape].pop()
            self._kept -= memory.nbytes
        except LookupError:
            memory = np.empty(shape, np.uint64)
            if memory.nbytes < _LEAST:
                return memory
        return np.asarray(_Loan(self, memory))

    def _take_back(self, memory: NDArray[np.uint64]) -> None:
        """Keep memory, if there is room. It may come at any time, in any thread: no lock is taken."""
        if self._kept + memory.nbytes <= self._most:
            self._kept += memory.nbytes
            self._free.setdefault(memory.shape, []).append(memory)


class _Loan:
    """What an array keeps alive, and gives the memory back when it goes."""

    __slots__ = ("__array_interface__", "_memory", "_of")

    def __init__(self, of: SpareMemory, memory: NDArray[np.uint64]) -> None:
        self._of, self._memory = of, memory
        self.__array_interface__: Any = memory.__array_interface__

    def __del__(self) -> None:
        self._of._take_back(self._memory)
