"""A clock that does not run backwards, whatever happens to the system's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fhenn.artifacts.files import write

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock:
    """The system's time; where that was set back, the latest time that was seen plus what has passed since.

    What has expired stays expired when the system's clock is set back, also over a restart: `keep` writes the latest
    time to a file. Where a clock once ran far ahead, delete that file while nothing uses the store.

    path: the file.
    wall: the system's time, in nanoseconds since the epoch.
    steady: a clock that nobody sets, in nanoseconds.

    >>> import tempfile
    >>> wall, steady = [2 * 10**9], [0]
    >>> clock = Clock(Path(tempfile.mkdtemp(), "clock"), lambda: wall[0], lambda: steady[0])
    >>> before, wall[0], steady[0] = clock.now(), 0, 5
    >>> clock.now() - before
    5
    """

    def __init__(
        self, path: Path, wall: Callable[[], int] = time.time_ns, steady: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._path, self._wall, self._steady = path, wall, steady
        self._lock = threading.Lock()
        self._latest, self._mark = self._read(), steady()

    def now(self) -> int:
        """The time, in nanoseconds since the epoch: never earlier than before."""
        with self._lock:
            mark = self._steady()
            self._latest = max(self._wall(), self._latest + mark - self._mark)
            self._mark = mark
            return self._latest

    def date(self) -> datetime:
        """The time as a date, UTC."""
        return _EPOCH + timedelta(microseconds=self.now() // 1000)

    def lag(self) -> float:
        """How far the system's clock is behind the latest time that was seen, in seconds."""
        return max(0, self.now() - self._wall()) / 1e9

    def keep(self) -> None:
        """Write the latest time to the file, for the next start. Raises OSError."""
        latest = max(self.now(), self._read())
        write(self._path, str(latest).encode(), private=True, overwrite=True)

    def keep_past(self, date: datetime) -> None:
        """Write the latest time to the file, unless the time in it is past `date` already. Raises OSError."""
        if _EPOCH + timedelta(microseconds=self._read() // 1000) < date:
            self.keep()

    def _read(self) -> int:
        """The time in the file, 0 where there is none."""
        with suppress(FileNotFoundError, ValueError):
            return int(self._path.read_text("ascii"))
        return 0
