"""Times calls by the seconds of this process alone, so that others on the machine disturb them less."""

from __future__ import annotations

from collections.abc import Callable
from time import process_time
from typing import Any


def seconds(run: Callable[[], Any]) -> tuple[float, Any]:
    """How long `run` took, s, and what it gave."""
    start = process_time()
    result = run()
    return process_time() - start, result
