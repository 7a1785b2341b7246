"""Tokens that are guessed: slower and slower for the address that guesses, and for nobody else."""

from __future__ import annotations

from collections import OrderedDict
from time import monotonic

_FREE = 5
"""Wrong tokens of an address that cost it no time: a client with an expired one asks a few times."""

_FIRST, _LONGEST = 0.1, 3.0
_WINDOW = 60.0
_MOST = 10_000
"""Addresses to remember; the one whose last wrong token is the oldest is forgotten first."""


class Attempts:
    """Counts the wrong tokens of each caller; a caller that shows none for a minute starts anew."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def record_failure(self, caller: str) -> int:
        """Count a wrong token of a caller. Returns how many it has shown, with less than a minute between two."""
        count, last = self._failures.pop(caller, (0, 0.0))
        now = monotonic()
        count = 1 if now - last > _WINDOW else count + 1
        self._failures[caller] = count, now
        if len(self._failures) > _MOST:
            self._failures.popitem(last=False)
        return count

    @staticmethod
    def delay(count: int) -> float:
        """How long to wait before answering a wrong token, in seconds.

        count: how many the caller has shown, this one included.

        >>> [Attempts.delay(count) for count in (5, 6, 7, 99)]
        [0.0, 0.1, 0.2, 3.0]
        """
        return 0.0 if count <= _FREE else min(_FIRST * 2 ** min(count - _FREE - 1, 16), _LONGEST)
