"""What one caller may take of the service."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields

from fhenn.errors import ParameterError


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Limits:
    """Bounds on requests. Sizes in bytes, times in seconds.

    workers: processes that evaluate. memory: address space of each. contexts: evaluation keys that each keeps
    loaded. body: of a prediction's request. keys: of one client's evaluation keys. keys_per_owner, bytes_per_owner:
    evaluation keys that are kept, and their bytes; the least recently used go first. ciphertexts: in one
    prediction. seconds: of one evaluation. queue: requests that wait for a worker. per_owner: requests of one owner
    at once. crashes: workers that one owner's requests may end in a minute, by crashing them or taking too long.
    held: bytes of request bodies in memory, all together. idle: longest silence of a client that owes bytes, or
    takes none. transfer: longest time for a request's body. header: longest time for a request's head. connections:
    open at once. drain: for running requests at shutdown.
    Raises ParameterError where one is not positive.
    """

    workers: int = field(default_factory=_processors)
    memory: int = 4 << 30
    contexts: int = 8
    body: int = 64 << 20
    keys: int = 512 << 20
    keys_per_owner: int = 64
    bytes_per_owner: int = 2 << 30
    ciphertexts: int = 4096
    seconds: float = 60.0
    queue: int = 64
    per_owner: int = 16
    crashes: int = 5
    held: int = 512 << 20
    idle: float = 20.0
    transfer: float = 600.0
    header: float = 10.0
    connections: int = 1000
    drain: float = 60.0

    def __post_init__(self) -> None:
        for each in fields(self):
            if not getattr(self, each.name) > 0:
                raise ParameterError(f"the limit {each.name!r} must be positive.", "Leave it out for its default.")
