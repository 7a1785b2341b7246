"""Logs for machines: a JSON object a line, never a payload, a token or a traceback."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any

from fhenn.text import json_text

LOG = logging.getLogger("fhenn.service")


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
    """Write a line: what happened, and fields that machines can read."""
    LOG.log(level, event, extra={"fields": fields})


def log_as_json() -> None:
    """Let the service, and uvicorn under it, log as JSON on standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    for name in ("fhenn.service", "uvicorn", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO if name == "fhenn.service" else logging.WARNING)
