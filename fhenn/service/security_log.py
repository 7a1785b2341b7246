"""The security log: who did what, from where, and how it ended. Never a payload, a token or a key.

JSON lines in a private file, rotated, apart from the log of operation: it is kept for longer, and read by others.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import time
from contextlib import suppress
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from math import inf
from pathlib import Path
from queue import Empty, Queue
from typing import IO, Any

from fhenn.service.logs import log_seldom

NAME = "security.log"
"""The file in the store's folder, unless another is named."""

_LARGEST, _OLDER = 10 << 20, 9
"""Bytes of a file, and how many full ones are kept."""
_MOST_KINDS = 1000
_WAITING = 10_000
"""Lines that may wait for the disk; those beyond are left out, which the log of operation says."""
_GATHER = 0.05
"""Seconds for which lines are gathered."""


class _File(RotatingFileHandler):
    """Files that their user alone can read. An error of writing goes to the log of operation, and stops nothing."""

    def _open(self) -> IO[Any]:  # type: ignore[override]
        def opener(path: str, flags: int) -> int:
            return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), stat.S_IRUSR | stat.S_IWUSR)

        return open(self.baseFilename, "a", encoding="utf-8", opener=opener)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        log_seldom(logging.ERROR, "security log not written")


class _Queue(QueueHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        log_seldom(logging.ERROR, "security log not written")


class _Listener(QueueListener):
    """Takes lines together that come shortly after one another: to wake a thread for each would hold requests up."""

    def dequeue(self, block: bool) -> logging.LogRecord:
        """The next line."""
        with suppress(Empty):
            return super().dequeue(False)
        time.sleep(_GATHER)
        return super().dequeue(block)


class SecurityLog:
    """Writes events in a thread of its own, so that a slow disk delays no request. Close it at the end.

    path: of the file, which is made with the first event.
    """

    def __init__(self, path: Path) -> None:
        self._file = _File(path, maxBytes=_LARGEST, backupCount=_OLDER, encoding="utf-8", delay=True)
        self._queue = _Queue(Queue(_WAITING))
        self._listener: QueueListener | None = None
        self._last: dict[tuple[str, ...], float] = {}

    def write(self, event: str, who: str, source: str, outcome: str, **fields: Any) -> None:
        """Write an event.

        event: its kind.
        who: an owner, or a user of this machine.
        source: an address, or "command line".
        outcome: how it ended.
        fields: more to write; those that are None are left out.
        """
        if self._listener is None:
            self._listener = _Listener(self._queue.queue, self._file)
            self._listener.start()
        line = _line(event, who, source, outcome, fields)
        self._queue.handle(logging.LogRecord("fhenn.security", logging.INFO, "", 0, line, (), None))

    def write_seldom(self, event: str, who: str, source: str, outcome: str) -> None:
        """Write an event that strangers can bring about at will: at most one a second of the same kind and outcome.

        The arguments are those of `write`.
        """
        key, now = (event, who, outcome), time.monotonic()
        if now - self._last.get(key, -inf) >= 1.0:
            if len(self._last) >= _MOST_KINDS:
                self._last.clear()
            self._last[key] = now
            self.write(event, who, source, outcome)

    def close(self) -> None:
        """Write the events that wait, and close the file."""
        if self._listener is not None:
            self._listener.stop()
        self._file.close()


def append(path: Path, event: str, outcome: str, **fields: Any) -> None:
    """Write what a command did, also while a service runs and rotates the file.

    path: of the file.
    event: its kind.
    outcome: how it ended.
    fields: more to write; those that are None are left out.

    Raises OSError.
    """
    line = _line(event, _user(), "command line", outcome, fields)
    path.parent.mkdir(0o700, parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags, stat.S_IRUSR | stat.S_IWUSR)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


def _line(event: str, who: str, source: str, outcome: str, fields: dict[str, Any]) -> str:
    """An event as a line of JSON."""
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, "who": who}
    line |= {"from": source, "outcome": outcome, **{name: value for name, value in fields.items() if value is not None}}
    return json.dumps(line, default=str)


def _user() -> str:
    """The user of this process."""
    with suppress(ImportError, KeyError, AttributeError):
        import pwd

        return f"{pwd.getpwuid(os.getuid()).pw_name} (user {os.getuid()})"
    return os.environ.get("USERNAME", "unknown")
