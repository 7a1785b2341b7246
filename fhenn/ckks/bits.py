"""Residues in as many bits as their prime has: what a message holds of them, one after another, lowest bits first.

Eight numbers of b bits are b bytes, so each of eight starts at the same bit of its byte in every such group: all that
are the n-th of their group are moved at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_TOGETHER = 8
_WORD = 8
"""Bytes that are read or written at once; past the end of the last group there must be as many, and one more."""


def packed_size(count: int, bits: int) -> int:
    """Bytes of packed numbers.

    count: a multiple of 8.
    bits: of each, 9 to 64.

    >>> packed_size(4096, 40)
    20480
    """
    return count // 8 * bits


def pack(numbers: NDArray[np.uint64], bits: int) -> bytes:
    """Numbers below 2^bits, packed.

    numbers: (count,), count a multiple of 8.
    bits: of each, 9 to 64.

    >>> pack(np.arange(8, dtype=np.uint64), 10).hex()
    '000420c000041460c001'
    """
    groups, size = numbers.reshape(-1, _TOGETHER), packed_size(numbers.size, bits)
    room = np.zeros(size + _WORD + 1, np.uint8)
    for place in range(_TOGETHER):
        start, shift = divmod(place * bits, 8)
        column = groups[:, place]
        _words(room, start, len(groups), bits)[...] |= column << np.uint64(shift)
        if shift + bits > 64:
            beyond = _bytes(room, start + _WORD, len(groups), bits)
            beyond |= (column >> np.uint64(64 - shift)).astype(np.uint8)
    return room[:size].tobytes()


def unpack(data: bytes | memoryview, bits: int, numbers: NDArray[np.uint64]) -> None:
    """Packed numbers, each in a word of its own.

    data: of `pack`, as many bytes as it gives.
    bits: of each, 9 to 64.
    numbers: (count,), is filled.

    >>> numbers = np.empty(8, np.uint64)
    >>> unpack(pack(np.arange(8, dtype=np.uint64), 10), 10, numbers)
    >>> numbers.tolist()
    [0, 1, 2, 3, 4, 5, 6, 7]
    """
    groups = numbers.reshape(-1, _TOGETHER)
    room = np.zeros(len(data) + _WORD + 1, np.uint8)
    room[: len(data)] = np.frombuffer(data, np.uint8)
    mask = np.uint64((1 << bits) - 1)
    for place in range(_TOGETHER):
        start, shift = divmod(place * bits, 8)
        column = _words(room, start, len(groups), bits) >> np.uint64(shift)
        if shift + bits > 64:
            beyond = _bytes(room, start + _WORD, len(groups), bits).astype(np.uint64)
            column |= beyond << np.uint64(64 - shift)
        groups[:, place] = column & mask


def _words(room: NDArray[np.uint8], start: int, count: int, step: int) -> NDArray[np.uint64]:
    """Little-endian words in memory, `step` bytes apart, which need not be aligned and may overlap."""
    return np.ndarray((count,), "<u8", room, start, (step,))


def _bytes(room: NDArray[np.uint8], start: int, count: int, step: int) -> NDArray[np.uint8]:
    """Bytes in memory, `step` apart."""
    return room[start : start + count * step : step]
