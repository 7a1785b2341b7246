"""File descriptors: enough of them, or fewer connections."""

from __future__ import annotations

import logging
from dataclasses import replace

from fhenn.service.limits import Limits
from fhenn.service.logs import log

_OWN = 192
"""Descriptors for files, logs and answers that are being sent."""

_OF_A_WORKER = 16
"""Descriptors of a worker: a pipe and a sentinel, and as many again while a replacement starts."""


def fit_descriptors(limits: Limits) -> Limits:
    """Limits that the process can keep: fewer connections where it may not open enough files.

    Strangers can open connections. Whatever they do, workers, uploads and answers must still find descriptors.

    limits: that were asked for.
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
    log(
        logging.WARNING,
        "fewer connections: too few file descriptors",
        connections=fewer,
        asked=limits.connections,
        descriptors=soft,
        needed=wanted,
        way_out=f"Allow {wanted}: ulimit -n {wanted}, LimitNOFILE={wanted} of systemd, or --ulimit of docker run.",
    )
    return replace(limits, connections=fewer)
