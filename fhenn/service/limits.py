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

    workers: processes that evaluate.
    memory: address space of each.
    resident: memory of each between two requests; one that holds more is replaced.
    contexts: evaluation keys that each keeps loaded.
    body: of a prediction's request.
    answer: of a prediction.
    spooled: answers on their way, all together.
    held: request bodies in memory, all together.
    keys: one client's evaluation keys.
    keys_per_owner, bytes_per_owner: evaluation keys that are kept; the least recently used go first.
    ciphertexts: in one prediction.
    seconds: of one evaluation.
    start: of a worker's start.
    queue: requests that wait for a worker.
    wait: of a request for a worker.
    per_owner: requests of one owner at once.
    crashes: workers that one owner's requests may end in a minute, by crashing them or taking too long.
    idle: longest silence of a client that owes bytes, or takes none.
    header, transfer, request: longest time for a request's head, for its body, and for all of it, answer included.
    rate: bytes a second that a client must take of an answer, on average.
    connections: open at once.
    strangers, per_address: of those, that have shown no token; of those, from one address.
    drain: time for running requests at shutdown.
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
    wait: float = 60.0
    per_owner: int = 16
    crashes: int = 5
    held: int = 512 << 20
    idle: float = 20.0
    transfer: float = 600.0
    header: float = 10.0
    request: float = 900.0
    connections: int = 1000
    strangers: int = 256
    per_address: int = 64
    drain: float = 60.0
    start: float = 60.0
    resident: int = 1 << 30
    answer: int = 512 << 20
    spooled: int = 4 << 30
    rate: int = 64 << 10

    def __post_init__(self) -> None:
        for each in fields(self):
            if not getattr(self, each.name) > 0:
                raise ParameterError(f"the limit {each.name!r} must be positive.", "Leave it out for its default.")
