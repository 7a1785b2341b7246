"""File descriptors: enough of them, or fewer connections."""

from __future__ import annotations

import logging
from dataclasses import replace

from fhenn.service.limits import Limits
from fhenn.service.logs import log

_OWN = 192
"""For files, the index, logs and answers on their way."""

_OF_A_WORKER = 16
"""A pipe and a sentinel, and as many again while a replacement starts."""


def fit_descriptors(limits: Limits) -> Limits:
    """`limits`, where the process may open enough files for them; fewer connections where it may not.

    Connections are what strangers can open; workers, uploads and answers must find descriptors whatever those do.
    """
    try:
        import resource
    except ImportError:  # not on Windows, where sockets are no descriptors
        return limits
    own = _OWN + _OF_A_WORKER * limits.workers
    wanted = limits.connections + own
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft = allowed
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return limits
    fewer = max(8, soft - own)
    log(logging.WARNING, "fewer connections: descriptors are short", connections=fewer, descriptors=soft)
    return replace(limits, connections=fewer)
