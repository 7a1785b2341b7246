"""Uploads and answers as streams: their parts, each a message of its own, and a message that ends them.

Parts are made, sent, answered and read one at a time, so that memory does not grow with the samples. A part names its
place and its stream; the last message says how many there were, and of what. So parts that are missing, come twice, out
of their order or from another stream are seen at the first of them, and a stream that was cut off at its end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from hashlib import sha256
from io import BytesIO
from itertools import chain, islice
from secrets import token_hex
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import AnswerMismatch, UnsupportedOperation, WireFormatError
from fhenn.session.answer import binding_of
from fhenn.session.receipt import Receipt, SentPart, UploadHeader, digest_of, is_digest
from fhenn.strict import built
from fhenn.wire import as_bytes, frame, kind_of, read_message, unframe

T = TypeVar("T")
R = TypeVar("R")

_KIND = "end"


@dataclass(frozen=True)
class End:
    """What the last message of a stream says.

    parts: how many there were.
    samples: in all of them.
    sha256: of the digests of all parts, one after another, in hexadecimal digits.
    """

    parts: int
    samples: int
    sha256: str

    def to_bytes(self) -> bytes:
        """The end as a message."""
        return frame(_KIND, asdict(self))

    @classmethod
    def from_bytes(cls, data: bytes) -> End:
        """The end in a message of `to_bytes`. Raises WireFormatError."""
        meta, body = unframe(_KIND, data)
        try:
            end: Self = built(cls, meta)
        except ValueError as error:
            raise WireFormatError(_KIND, f"its header is not readable ({error})") from error
        if body or not (0 < end.parts <= end.samples < 1 << 63 and is_digest(end.sha256)):
            raise WireFormatError(_KIND, "a number or the digest in it is not valid")
        return end


class Tally:
    """What has come of a stream so far.

    what: is streamed, for errors.
    """

    def __init__(self, what: str) -> None:
        self._what, self._digest = what, sha256()
        self._stream: str | None = None
        self.parts = self.samples = 0

    def add(self, part: int, samples: int, digest: str, stream: str | None = "") -> None:
        """Count a part.

        part: the place that it names.
        samples: that it holds.
        digest: that it states of itself.
        stream: that it names, or that the part is of which it answers; None for an upload by itself and its answer,
            empty where nobody knows.

        Raises WireFormatError where it is not the next one of this stream.
        """
        if part != self.parts:
            raise WireFormatError(
                self._what, f"part {part} comes where part {self.parts} is due: one is missing, or comes twice"
            )
        if part and (stream is None or stream != self._stream):
            raise WireFormatError(self._what, f"part {part} belongs to another stream than those before it")
        self._stream = stream
        self._digest.update(bytes.fromhex(digest))
        self.parts += 1
        self.samples += samples

    @property
    def stream(self) -> str | None:
        """What the parts name; None for nothing."""
        return self._stream

    @property
    def alone(self) -> bool:
        """Whether what came is an upload by itself, which nothing ends."""
        return self.parts == 1 and self._stream is None

    @property
    def end(self) -> End:
        """What the last message says if nothing else comes. Raises WireFormatError where nothing came."""
        if not self.parts:
            raise WireFormatError(self._what, "a stream has no parts")
        return End(self.parts, self.samples, self._digest.hexdigest())

    def require_end(self, message: bytes, rest: Iterator[bytes]) -> None:
        """Raise WireFormatError where the last message says another thing than came, or is not the last.

        message: of `End.to_bytes`, from a stranger.
        rest: what comes after it.
        """
        stated, found = End.from_bytes(message), self.end
        if stated != found or self.alone:
            raise WireFormatError(
                self._what,
                f"{found.parts} parts with {found.samples} samples came, and its end names {stated.parts} with "
                f"{stated.samples}, or other ones",
            )
        if next(rest, None) is not None:
            raise WireFormatError(self._what, "a stream goes on after its end")

    @property
    def cut_off(self) -> WireFormatError:
        """What to raise where a stream stops without an end."""
        return WireFormatError(self._what, f"its stream stops after {self.parts} parts, before its end")


FEW = 4
"""Parts that are encrypted, or decrypted, sooner than processes begin that would do it."""

SubmitSamples = Callable[[NDArray[np.float64], int, str | None], Future[bytes]]
"""Begins to encrypt prepared samples, as the part of a place in a stream; None for an upload by itself."""


class EncryptedStream(Iterator[bytes]):
    """The messages of `Client.encrypt_stream`, each made when it is asked for.

    chunks: gives samples, (samples, features) each, without so many that were made before; each becomes a part.
    encryption: gives what begins to encrypt them, and how many may be begun at once; called with whether there are
        more than a few.
    remember: is called with every part.
    after: messages of the parts that were made before, where a stream goes on that was broken off.

    Raises WireFormatError where those before are not the first parts of one stream.
    """

    def __init__(
        self,
        chunks: Callable[[int], Iterator[NDArray[np.float64]]],
        encryption: Callable[[bool], AbstractContextManager[tuple[SubmitSamples, int]]],
        remember: Callable[[bytes], None],
        after: Iterable[bytes] = (),
    ) -> None:
        self._tally, self._parts = Tally("upload"), list[SentPart]()
        self._plan: str | None = None
        self._done, self._remember = False, remember
        self._ended, before = False, iter(after)
        for message in before:
            if kind_of(message) == "end":
                self._tally.require_end(message, before)
                self._ended = True
                break
            self._count(message)
        self._messages = self._make(chunks(self._tally.samples), encryption)

    def __next__(self) -> bytes:
        return next(self._messages)

    def close(self) -> None:
        """Stop: what is being encrypted is let go."""
        self._messages.close()

    @property
    def samples(self) -> int:
        """In the parts that were made."""
        return self._tally.samples

    @property
    def receipt(self) -> Receipt:
        """What was sent, to compare answers with. Raises UnsupportedOperation before the last part was taken."""
        if not self._done:
            raise UnsupportedOperation("a receipt of a stream that goes on", "Take all its messages first.")
        return Receipt(self._plan, tuple(self._parts))

    def _count(self, message: bytes) -> None:
        header, digest = UploadHeader.of(message), digest_of(message)
        self._tally.add(header.part, header.samples, digest, header.stream)
        self._plan = header.plan
        self._parts.append(SentPart(digest, header.samples))
        self._remember(message)

    def _make(
        self,
        chunks: Iterator[NDArray[np.float64]],
        encryption: Callable[[bool], AbstractContextManager[tuple[SubmitSamples, int]]],
    ) -> Generator[bytes]:
        first = list(islice(chunks, FEW + 1))
        if first and self._ended:
            raise WireFormatError("upload", "there are more samples now than the stream had when it was ended")
        stream = self._tally.stream or token_hex(16) if len(first) + self._tally.parts > 1 else None
        numbered = enumerate(chain(first, chunks), self._tally.parts)
        if first:
            with encryption(len(first) > FEW) as (submit, most):
                for message in in_order(numbered, lambda each: submit(each[1], each[0], stream), most):
                    self._count(message)
                    self._done = stream is None
                    yield message
        end = self._tally.end.to_bytes()
        if self._tally.parts == 1 and not self._tally.alone:  # streams begin where there are more
            raise WireFormatError("upload", "there are fewer samples now than when the stream was begun")
        self._done = True
        if not (self._tally.alone or self._ended):
            yield end


def in_order(items: Iterable[T], submit: Callable[[T], Future[R]], most: int) -> Iterator[R]:
    """The results of work on items, in their order.

    Items are taken when there is room for them. What was begun and is not needed any more is cancelled.

    items: to work on.
    submit: begins to work on one.
    most: results that are being made at once, or wait for those before them.

    Raises, as results are taken, what the futures raise.
    """
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(submit(item))
            while waiting and (len(waiting) >= most or waiting[0].done()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for each in waiting:
            each.cancel()


def are_many(items: Iterator[T]) -> tuple[bool, Iterator[T]]:
    """Whether there are more than a few items, so that processes may begin, and the items."""
    first = list(islice(items, FEW + 1))
    return len(first) > FEW, chain(first, items)


def at_once(result: R) -> Future[R]:
    """A result that is there already."""
    future: Future[R] = Future()
    future.set_result(result)
    return future


def answer_in_order(
    parts: Iterable[bytes] | bytes, submit: Callable[[bytes], Future[bytes]], most: int, after: Iterable[bytes] = ()
) -> Iterator[bytes]:
    """The answers to a stream in the order of its parts, and the message that ends them.

    An upload by itself is answered by one message, and nothing ends it. Parts are taken when there is room for them, so
    that no more than `most` are in memory.

    parts: messages of `Client.encrypt_stream`, or all of them as `join` writes them; from a stranger.
    submit: begins to answer a part.
    most: parts that are being answered at once, or whose answers wait for those before them.
    after: answers to the first parts that were made before, or all messages; those that are missing follow.

    Raises, as answers are taken, what the futures raise, AnswerMismatch where `after` answers another stream, and
    WireFormatError where a part is missing, comes twice, out of its order or from another stream, the stream stops
    before its end, or `after` is damaged. What is not answered then is cancelled.
    """
    taken, given = Tally("upload"), Tally("answer")
    counted = counted_parts(parts, taken)
    for answer in after:
        kind, part = str(kind_of(answer)), next(counted, None)
        unframe(kind, answer)  # its digest: what a power cut left may have holes
        if part is None and kind == "end":
            due, found = End(taken.parts, taken.samples, given.end.sha256), End.from_bytes(answer)
            if found != due or taken.alone:
                raise AnswerMismatch("end", str(due), str(found), "Begin anew.")
            return
        binding = binding_of(answer)
        expected = "no part" if part is None else digest_of(part)
        if binding is None or binding.upload != expected:
            raise AnswerMismatch("upload", expected[:12], str(binding and binding.upload[:12]), "Begin anew.")
        given.add(given.parts, 1, digest_of(answer))
    for answer in in_order(counted, submit, most):
        given.add(given.parts, 1, digest_of(answer))
        yield answer
    if not taken.alone:
        yield End(taken.parts, taken.samples, given.end.sha256).to_bytes()


def counted_parts(parts: Iterable[bytes] | bytes, tally: Tally) -> Iterator[bytes]:
    """The parts of a stream, each once it is counted; the end is not among them. Raises as `answer_in_order` does."""
    messages = iterate(parts)
    for message in messages:
        if kind_of(message) == "end":
            tally.require_end(message, messages)
            return
        header = UploadHeader.of(message)
        tally.add(header.part, header.samples, digest_of(message), header.stream)
        yield message
    if not tally.alone:
        raise tally.cut_off


def iterate(messages: Iterable[bytes] | bytes) -> Iterator[bytes]:
    """The messages of a stream, one at a time.

    messages: each by itself, or all of them as `join` writes them.

    Raises UnsupportedValue for what is not bytes.
    """
    if isinstance(messages, bytes | bytearray | memoryview):
        yield from messages_in(BytesIO(messages))
        return
    for message in messages:
        yield as_bytes("a message of a stream", message)


def receipt_of(messages: Iterable[bytes]) -> Receipt:
    """The receipt of a stream that was sent.

    messages: of `Client.encrypt_stream`, all of them.

    Raises WireFormatError as `Server.predict_stream` does.
    """
    tally, plans = Tally("upload"), list[str | None]()
    parts = list[SentPart]()
    for message in counted_parts(messages, tally):
        header = UploadHeader.of(message)
        plans.append(header.plan)
        parts.append(SentPart(digest_of(message), header.samples))
    if len(set(plans)) != 1:
        raise WireFormatError("upload", "its parts belong to different plans")
    return Receipt(plans[0], tuple(parts))


def split(data: bytes) -> list[bytes]:
    """The messages of a stream that was written as one.

    data: messages one after another, from a stranger.

    Raises WireFormatError where they are not messages, or one is cut off.

    >>> split(join([frame("note", {}, b"one"), frame("note", {}, b"two")]))[1] == frame("note", {}, b"two")
    True
    """
    return list(messages_in(BytesIO(as_bytes("a stream", data))))


def join(messages: Iterable[bytes]) -> bytes:
    """Messages one after another, as a stream is written.

    messages: of `Client.encrypt_stream` or `Server.predict_stream`.
    """
    return b"".join(messages)


def messages_in(file: Any) -> Iterator[bytes]:
    """The messages of a stream in a file, read one at a time.

    file: open for reading bytes; from a stranger.

    Raises WireFormatError where they are not messages, or one is cut off, and OSError.
    """
    while (message := read_message(file)) is not None:
        yield message
