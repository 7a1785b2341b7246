"""How many cores there are, and how much memory."""

from __future__ import annotations

import os
from contextlib import suppress
from math import inf
from pathlib import Path

try:
    import resource
except ImportError:  # on Windows
    resource = None  # type: ignore[assignment]

_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""Where a container says how much memory it may take."""


def cores() -> int:
    """How many processors this process may use.

    >>> cores() >= 1
    True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_of_machine() -> float:
    """Bytes of memory that this process may take: those of the machine, or fewer where it is limited.

    >>> memory_of_machine() > 1e6
    True
    """
    found = inf
    with suppress(AttributeError, ValueError, OSError):  # not everywhere
        found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):
        found = min(found, int(_LIMIT.read_text(encoding="ascii")))
    limit = inf if resource is None else resource.getrlimit(resource.RLIMIT_AS)[0]
    return min(found, limit) if limit >= 0 else found
