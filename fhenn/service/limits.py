"""What one caller may take of the service."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from fhenn.cores import cores
from fhenn.errors import ParameterError
from fhenn.pool.bounds import Bounds


@dataclass(frozen=True)
class Limits:
    """Bounds on requests, all positive. Sizes in bytes, times in seconds.

    workers: number of processes that evaluate.
    memory: largest address space of a worker.
    contexts: evaluation keys that a worker keeps loaded.
    body: largest body of a prediction's request.
    keys: largest evaluation keys of a client.
    keys_per_owner: evaluation keys that are kept for an owner; the least recently used go first.
    bytes_per_owner: bytes of evaluation keys that are kept for an owner.
    ciphertexts: most ciphertexts in a prediction's request.
    seconds: longest time of an evaluation.
    queue: most requests that wait for a worker.
    wait: longest time that a request waits for a worker.
    per_owner: most requests of an owner at once.
    crashes: workers that an owner's requests may end in a minute, by crashing them or taking too long.
    held: most bytes of request bodies in memory, all together.
    idle: longest silence of a client that sends a request or receives an answer.
    transfer: longest time for a request's body.
    header: longest time for a request's head.
    request: longest time for a whole request, answer included.
    connections: most connections that are open at once.
    strangers: most of them that have shown no token.
    per_address: most of those from one address.
    drain: time that running requests are given at shutdown.
    start: longest time of a worker's start.
    resident: memory that a worker may hold between two requests; one that holds more is replaced.
    answer: largest answer of a prediction.
    spooled: most bytes of answers that are being sent, all together.
    rate: bytes a second at which a client must receive an answer, on average.

    Raises ParameterError where one is not positive.
    """

    workers: int = field(default_factory=cores)
    memory: int = 4 << 30
    contexts: int = 64
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
                raise ParameterError(
                    f"the limit {each.name!r} must be positive, not {getattr(self, each.name)!r}.",
                    "Leave it out for its default.",
                )

    @property
    def of_workers(self) -> Bounds:
        """What of it bounds the workers."""
        return Bounds(**{each.name: getattr(self, each.name) for each in fields(Bounds)})
