"""What tells one upload from another, and which answer is whose.

An upload comes in parts, each a message of its own that names its place; today's have one. A server names the part
that it answers, by its place and by the SHA-256 that it states of itself, and the model and plan that ran. The client
keeps a receipt of what it sent, and takes no other answer. That is against mix-ups: whoever holds ciphertexts can make
an answer that names any upload.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Self

from numpy.typing import ArrayLike

from fhenn.errors import AnswerMismatch, WireFormatError
from fhenn.planner.averages import shares_of
from fhenn.strict import built, read_json
from fhenn.wire import as_bytes, frame, header_of, header_of_kind, unframe

_KIND = "receipt"
_DIGEST = re.compile("[0-9a-f]{64}", re.ASCII)
_FINGERPRINT = re.compile("[0-9a-f]{16,64}", re.ASCII)
_STREAM = re.compile("[0-9a-f]{32}", re.ASCII)
_SHOWN = 12
"""Digits of a digest that messages show."""


@dataclass(frozen=True)
class UploadHeader:
    """What a part of an upload says of itself.

    part: its place in the upload, from 0.
    samples: how many samples it holds.
    plan: fingerprint of the plan that it was made for; None in messages from before uploads named it.
    stream: 32 hexadecimal digits that all parts of one stream name; None for an upload in one part.
    """

    part: int
    samples: int
    plan: str | None
    stream: str | None = None

    @classmethod
    def of(cls, data: bytes) -> UploadHeader:
        """The header of a message of `Client.encrypt`; its body is not looked at.

        data: the message, or its first bytes.

        Raises WireFormatError.
        """
        meta = header_of_kind("ciphertexts", data).meta
        shape, named = meta.get("shape"), meta.get("upload")
        if not isinstance(shape, list) or len(shape) != 2 or not all(_is_count(size, 1) for size in shape):
            raise WireFormatError("upload", "its header states no shape (samples, features)")
        if named is None:
            return cls(0, shape[0], None)
        try:
            header: Self = built(cls, {"samples": shape[0]} | named)
        except (ValueError, TypeError) as error:
            raise WireFormatError("upload", f"its header is not readable ({error})") from error
        if header.stream is not None and not _STREAM.fullmatch(header.stream):
            raise WireFormatError("upload", "the stream in its header is not valid")
        if not _is_count(header.part, 0) or not is_fingerprint(header.plan):
            raise WireFormatError("upload", "the place or the plan in its header is not valid")
        return header


@dataclass(frozen=True)
class SentPart:
    """A part of an upload as it was sent.

    sha256: the digest that the part states of itself, in hexadecimal digits.
    samples: how many it holds.
    """

    sha256: str
    samples: int


@dataclass(frozen=True)
class Receipt:
    """What a client sent, so that `Client.decrypt` can tell the answer to it from others.

    plan: fingerprint of the plan; None for uploads from before they named it.
    parts: those of the upload, in their order.

    >>> import fhenn
    >>> client = fhenn.Client(fhenn.plan(fhenn.Linear([[1.0]]), bounds=[-1, 1]))
    >>> receipt = Receipt.of(client.encrypt([[0.5], [0.25]]))
    >>> receipt.samples, Receipt.from_bytes(receipt.to_bytes()) == receipt
    (2, True)
    """

    plan: str | None
    parts: tuple[SentPart, ...]

    def __repr__(self) -> str:
        return f"Receipt(parts={len(self.parts)}, samples={self.samples}, plan={self.plan})"

    @property
    def samples(self) -> int:
        """Samples in all parts."""
        return sum(part.samples for part in self.parts)

    @classmethod
    def of(cls, *uploads: bytes) -> Receipt:
        """The receipt of an upload.

        uploads: its parts in their order, each a message of `Client.encrypt`.

        Raises WireFormatError where they are not the parts of one upload in their order.
        """
        uploads = tuple(as_bytes("upload", data) for data in uploads)
        headers = [UploadHeader.of(data) for data in uploads]
        named = {(header.plan, header.stream) for header in headers}
        if len(named) != 1 or [header.part for header in headers] != list(range(len(headers))):
            raise WireFormatError("upload", "its parts are not those of one upload, in their order")
        sent = (SentPart(digest_of(data), header.samples) for data, header in zip(uploads, headers, strict=True))
        return cls(headers[0].plan, tuple(sent))

    @classmethod
    def of_average(cls, *uploads: bytes, weights: ArrayLike | None = None) -> Receipt:
        """The receipt of an average of uploads (`Server.average`), for whoever decrypts the answer.

        uploads: as the server is given them, in that order; their headers are enough.
        weights: as the server is given them.

        Raises WireFormatError, ParameterError.
        """
        headers = [UploadHeader.of(data) for data in uploads]
        named = averaged(uploads, shares_of(weights, len(uploads)))
        return cls(headers[0].plan, (SentPart(named, headers[0].samples),))

    def to_bytes(self) -> bytes:
        """The receipt as a message, to keep beside the upload."""
        return frame(_KIND, {"plan": self.plan}, json.dumps([asdict(part) for part in self.parts]).encode())

    @classmethod
    def from_bytes(cls, data: bytes) -> Receipt:
        """The receipt in a message of `to_bytes`. Raises WireFormatError."""
        meta, body = unframe(_KIND, data)
        try:
            parts: tuple[SentPart, ...] = built(tuple[SentPart, ...], read_json(body))
        except ValueError as error:
            raise WireFormatError(_KIND, f"it is not readable ({error})") from error
        valid = parts and all(is_digest(part.sha256) and _is_count(part.samples, 1) for part in parts)
        plan = meta.get("plan")
        if not valid or not (plan is None or is_fingerprint(plan)):
            raise WireFormatError(_KIND, "a digest, a number of samples or the plan in it is not valid")
        return cls(plan, parts)

    def require(self, part: int, upload: str) -> SentPart:
        """The part at a place of the upload.

        part: the place, from 0.
        upload: the SHA-256 that the part must have.

        Raises AnswerMismatch where the upload has no such part.
        """
        if part >= len(self.parts) or self.parts[part].sha256 != upload:
            expected = self.parts[part].sha256[:_SHOWN] if part < len(self.parts) else f"{len(self.parts)} parts"
            raise AnswerMismatch(
                "upload",
                expected,
                f"part {part}, {upload[:_SHOWN]}",
                "Use the receipt of the upload that was answered.",
            )
        return self.parts[part]


def digest_of(data: bytes) -> str:
    """SHA-256 of what a message holds, as its header states it; whoever reads the body has checked it.

    Raises WireFormatError where it is none.
    """
    header = header_of(data)
    if not is_digest(header.sha256):
        raise WireFormatError(header.kind, "the digest in its header is not valid")
    return header.sha256


def averaged(uploads: Sequence[bytes], shares: Sequence[float]) -> str:
    """SHA-256 that stands for an average of uploads: of what they hold, and of their shares.

    uploads: in their order.
    shares: of each.

    Raises WireFormatError where they are none.
    """
    said = [[digest_of(upload), share.hex()] for upload, share in zip(uploads, shares, strict=True)]
    return sha256(json.dumps({"average": said}).encode()).hexdigest()


def is_digest(value: Any) -> bool:
    """Whether a value is a SHA-256 in lower-case hexadecimal digits."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def is_fingerprint(value: Any) -> bool:
    """Whether a value can be the fingerprint of a plan or a model."""
    return isinstance(value, str) and _FINGERPRINT.fullmatch(value) is not None


def _is_count(value: Any, least: int) -> bool:
    """Whether a value is a whole number from `least` to 2^32 - 1."""
    return type(value) is int and least <= value < 1 << 32
