"""What a server sends back: the result, witnesses beside it, and what it is the answer to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, Self

from fhenn.errors import AnswerMismatch, WireFormatError
from fhenn.planner.flooding import STATISTICAL_BITS
from fhenn.session.receipt import UploadHeader, is_digest, is_fingerprint
from fhenn.strict import built
from fhenn.wire import as_bytes, frame, header_of, kind_of, unframe

_KIND = "answer"

OnViolation = Literal["raise", "mask", "warn"]
"""What to do about samples whose values left an activation's domain."""


@dataclass(frozen=True)
class Binding:
    """What an answer says that it answers.

    part: place of the answered part in its upload, from 0.
    upload: the SHA-256 that this part states of itself, in hexadecimal digits.
    model: fingerprint of the model that ran.
    plan: fingerprint of the plan that it ran by.
    """

    part: int
    upload: str
    model: str
    plan: str

    @classmethod
    def from_json(cls, data: Any) -> Binding:
        """The binding in a JSON object with these four fields. Raises WireFormatError where one is not valid."""
        try:
            binding: Self = built(cls, data)
        except ValueError as error:
            raise WireFormatError(_KIND, f"the binding in its header is not readable ({error})") from error
        valid = (
            0 <= binding.part < 1 << 32
            and is_digest(binding.upload)
            and is_fingerprint(binding.model)
            and is_fingerprint(binding.plan)
        )
        if not valid:
            raise WireFormatError(_KIND, "a place, digest or fingerprint in its header is not valid")
        return binding


def binding_of(data: bytes) -> Binding | None:
    """What a message of `Answer.to_bytes` says that it answers; None where it does not.

    data: the message, of a server of any version.

    Raises WireFormatError, AnswerMismatch where it is an upload.
    """
    header = header_of(data)
    meta = header.meta
    if header.kind == "ciphertexts" and "upload" in meta:
        raise AnswerMismatch("kind", "an answer", "an upload", "Decrypt what the server answered to it.")
    return Binding.from_json(meta["binding"]) if "binding" in meta else None


@dataclass(frozen=True)
class Answer:
    """What a server sends back: messages of ciphertexts, and what they are the answer to.

    result: the model's outputs.
    witnesses: for each activation that the plan has a witness for, in their order; empty without a range check.
    binding: what it answers; None in answers of format version 1.
    """

    result: bytes
    witnesses: tuple[bytes, ...] = ()
    binding: Binding | None = None

    def __repr__(self) -> str:
        size = len(self.result) + sum(map(len, self.witnesses))
        return f"Answer({size:,} bytes, witnesses={len(self.witnesses)}, {self.binding})"

    def to_bytes(self) -> bytes:
        """The answer as one message."""
        parts = (self.result, *self.witnesses)
        meta: dict[str, Any] = {"sizes": [len(part) for part in parts]}
        if self.binding is not None:
            meta["binding"] = asdict(self.binding)
        return frame(_KIND, meta, b"".join(parts))

    @classmethod
    def from_bytes(cls, data: bytes) -> Answer:
        """The answer in a message of `to_bytes`, or of a server of format version 1.

        data: the whole message.

        Raises WireFormatError where it is damaged, AnswerMismatch where it is an upload.
        """
        data = as_bytes("answer", data)
        if kind_of(data) == "ciphertexts":
            binding_of(data)  # of an upload, which has none
            return cls(data)
        meta, body = unframe(_KIND, data)
        sizes = meta.get("sizes")
        if not isinstance(sizes, list) or not all(type(size) is int and size > 0 for size in sizes):
            raise WireFormatError(_KIND, "its header does not list the sizes of its parts")
        if not sizes or sum(sizes) != len(body):
            raise WireFormatError(_KIND, f"its parts have {sum(sizes)} bytes by its header, and {len(body)} in fact")
        ends = [sum(sizes[: place + 1]) for place in range(len(sizes))]
        result, *witnesses = (body[end - size : end] for end, size in zip(ends, sizes, strict=True))
        return cls(result, tuple(witnesses), binding_of(data))


@dataclass(frozen=True)
class Asked:
    """How an answer is to be read, as `Client.decrypt` is told."""

    on_violation: OnViolation = "raise"
    range_check: bool = True
    unbound: bool = False
    share: bool = False
    queries: int | None = None
    bits: int = STATISTICAL_BITS


class AnsweredPart(NamedTuple):
    """A part of an answer that belongs to what was sent.

    message: an `Answer` or a `Refusal`.
    upload: digest of the part that it answers, and `sent`, the header of that; None where nothing tells.
    before: number of samples in the parts before it.
    """

    message: bytes
    upload: str | None
    sent: UploadHeader | None
    before: int
