"""What all pools are: the interface of `Server`, over many workers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol, Self
from weakref import finalize

from fhenn.cores import cores
from fhenn.errors import ParameterError, PartRefused, PoolClosed
from fhenn.planner import Plan
from fhenn.session.answer import Binding
from fhenn.session.receipt import UploadHeader, digest_of
from fhenn.session.refusal import Refusal
from fhenn.session.stream import answer_in_order
from fhenn.wire import as_bytes

Instead = Callable[[PartRefused], bytes]
"""What to answer in the place of a part that is refused."""


class Engine(Protocol):
    """What answers the parts of a pool."""

    def submit(self, part: bytes, range_check: bool, instead: Instead | None) -> Future[bytes]:
        """Begin to answer a part, in its turn.

        part: a message of `Client.encrypt`, from a stranger.
        range_check: as for `Server.predict`.
        instead: makes the answer to a part that is refused; None to raise PartRefused.

        Returns the future of the answer; it can be cancelled until the part's turn has come.
        """

    def close(self) -> None:
        """End what runs, and leave nothing behind. What is submitted but not answered is cancelled."""

    def abandon(self) -> None:
        """The same at the end of the interpreter, where nobody waits."""


class Pool(ABC):
    """Runs a model on ciphertexts as `Server` does, by many workers at once.

    plan: that the model is run by.
    model: its fingerprint.
    workers: how many there are.
    engine: answers the parts.
    """

    def __init__(self, plan: Plan, model: str, workers: int, engine: Engine) -> None:
        self._plan, self._fingerprint, self._workers, self._engine = plan, model, workers, engine
        self._closed = False
        self._forgotten = finalize(self, engine.abandon)

    @property
    @abstractmethod
    def _where(self) -> str:
        """Where the workers are, in words."""

    def __repr__(self) -> str:
        plan = self._plan
        return (
            f"{type(self).__name__}(workers={self._workers}, {self._where}, N={plan.parameters.ring_degree}, "
            f"layout={plan.layout_name!r}, features={plan.features}, plan={plan.fingerprint})"
        )

    @property
    def plan(self) -> Plan:
        """The plan that model and keys were made for."""
        return self._plan

    @property
    def workers(self) -> int:
        """How many parts are computed at once."""
        return self._workers

    def predict(self, upload: bytes, range_check: bool = True) -> bytes:
        """Run the model on encrypted samples, by one worker; threads may ask at the same time.

        upload: a message of `Client.encrypt`.
        range_check: as for `Server.predict`.

        Returns a message for `Client.decrypt`.
        Raises what `Server.predict` raises, PartRefused where the upload ended three workers, PoolFailed, PoolClosed.
        """
        with self._while_open():
            return self._submit(as_bytes("upload", upload), range_check, None).result()

    def predict_stream(
        self, parts: Iterable[bytes] | bytes, range_check: bool = True, after: Iterable[bytes] = ()
    ) -> Iterator[bytes]:
        """Run the model on a stream of encrypted samples, as many parts at once as there are workers.

        Parts are taken as workers become free, so that twice as many parts as workers are in memory at most; answers
        come in the order of the parts. A part that ended three workers is answered by a refusal, which
        `Client.decrypt_stream` raises or masks, and the others are answered all the same.

        parts: messages of `Client.encrypt_stream`, the last of which ends them, or all as `join` writes them.
        range_check: as for `predict`.
        after: answers to the first parts that were made before; those to the others follow.

        Returns the messages for `Client.decrypt_stream`, the last of which ends them.
        Raises, as messages are taken, what `Server.predict_stream` raises, PoolFailed, PoolClosed.
        """
        self._require_open()
        return self._stream(parts, range_check, after)

    def submit(self, part: bytes, range_check: bool = True) -> Future[bytes]:
        """Begin to answer a part of a stream, in its turn: for who brings the answers into an order.

        part: a message of `Client.encrypt_stream`.
        range_check: as for `predict`.

        Returns the future of what `predict_stream` has for it; it can be cancelled until the part's turn has come.
        Raises PoolClosed.
        """
        return self._submit(part, range_check, lambda refused: self._refusal(part, refused))

    def close(self) -> None:
        """End the workers, and leave nothing of theirs behind; it may be called again, and from another thread."""
        self._closed = True
        if self._forgotten.detach():
            self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _stream(self, parts: Iterable[bytes] | bytes, range_check: bool, after: Iterable[bytes]) -> Iterator[bytes]:
        with self._while_open():
            yield from answer_in_order(parts, lambda part: self.submit(part, range_check), 2 * self._workers, after)

    def _submit(self, part: bytes, range_check: bool, instead: Instead | None) -> Future[bytes]:
        self._require_open()
        return self._engine.submit(part, range_check, instead)

    def _refusal(self, part: bytes, refused: PartRefused) -> bytes:
        """What stands in the place of the answer to a part that is refused."""
        binding = Binding(refused.part, digest_of(part), self._fingerprint, self._plan.fingerprint)
        return Refusal(binding, refused.samples, refused.reason).to_bytes()

    @contextmanager
    def _while_open(self) -> Iterator[None]:
        """Raise PoolClosed where what is waited for in this block is cancelled because another thread closes this."""
        try:
            yield
        except CancelledError as error:
            raise PoolClosed(type(self).__name__) from error

    def _require_open(self) -> None:
        if self._closed:
            raise PoolClosed(type(self).__name__)


def refused(part: bytes, reason: str) -> PartRefused:
    """The error for a part that workers cannot answer. Raises WireFormatError where it is no part at all.

    part: the message.
    reason: in words, as a clause.
    """
    header = UploadHeader.of(part)
    return PartRefused(header.part, header.samples, reason)


def number_of_workers(workers: int | None) -> int:
    """How many workers a pool has.

    workers: at least 1; None for one a processor.

    Raises ParameterError.
    """
    if workers is None:
        return cores()
    if type(workers) is not int or workers < 1:
        raise ParameterError(
            f"the number of workers must be a whole number above 0, not {workers!r:.40}.", "Leave it out for all cores."
        )
    return workers
