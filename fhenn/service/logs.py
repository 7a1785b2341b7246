"""Logs for machines: a JSON object a line, never a payload, a token or a traceback."""

from __future__ import annotations

import logging
import sys
import time
import warnings
from datetime import UTC, datetime
from math import inf
from typing import Any, TextIO

from fhenn.text import json_text

LOG = logging.getLogger("fhenn.service")
_MOST_KINDS = 200


class JsonFormatter(logging.Formatter):
    """A record as a line of JSON: time, level, event, and the fields handed over as `extra={"fields": …}`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0]:
            line["exception"] = record.exc_info[0].__name__  # its text may quote what was sent
        return json_text(line, indent=None)


def log(level: int, event: str, **fields: Any) -> None:
    """Write a line.

    level: of `logging`.
    event: what happened, always in the same words.
    fields: more about it, for programs.
    """
    LOG.log(level, event, extra={"fields": fields})


def log_seldom(level: int, event: str, **fields: Any) -> None:
    """Write a line about what strangers can bring about at will: at most one a second of an event.

    The arguments are those of `log`.
    """
    LOG.log(level, event, extra={"fields": fields, "seldom": True})


class Seldom(logging.Filter):
    """Lets through one record in a while of each event of `log_seldom` and of other libraries; counts the others.

    seconds: the least time between two records of an event.
    """

    def __init__(self, seconds: float = 1.0) -> None:
        super().__init__()
        self._seconds = seconds
        self._last: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write a record. One that is written says how many of its event were left out before it."""
        if record.name == LOG.name and not getattr(record, "seldom", False):
            return True
        key = (record.name, str(record.msg)[:80])
        now = time.monotonic()
        last, left_out = self._last.get(key, (-inf, 0))
        if now - last < self._seconds:
            self._last[key] = last, left_out + 1
            return False
        if len(self._last) >= _MOST_KINDS:
            self._last.clear()
        self._last[key] = now, 0
        if left_out:
            record.fields = {**getattr(record, "fields", {}), "left_out": left_out}
        return True


def log_as_json() -> None:
    """Let the service, uvicorn, asyncio and warnings write JSON on standard error. Each process does so for itself."""
    warnings.showwarning = _log_warning
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(Seldom())
    for name in ("fhenn.service", "uvicorn", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO if name == "fhenn.service" else logging.WARNING)


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,  # names this machine, as do the rest
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Write a warning as a line."""
    log(logging.WARNING, "warning", kind=category.__name__, text=str(message))
