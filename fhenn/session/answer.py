"""What a server sends back: the result, witnesses beside it, and what it is the answer to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self

from fhenn.errors import AnswerMismatch, WireFormatError
from fhenn.session.receipt import is_digest, is_fingerprint
from fhenn.strict import built
from fhenn.wire import as_bytes, frame, header_of, kind_of, unframe

_KIND = "answer"


@dataclass(frozen=True)
class Binding:
    """What an answer says that it answers.

    part: place of the upload's part. upload: the SHA-256 that it states of itself. model, plan: fingerprints of what
    ran.
    """

    part: int
    upload: str
    model: str
    plan: str

    @classmethod
    def from_json(cls, data: Any) -> Binding:
        """Raises WireFormatError where it is none."""
        try:
            binding: Self = built(cls, data)
        except ValueError as error:
            raise WireFormatError(_KIND, "its header is not readable") from error
        names = binding.model, binding.plan
        sane = 0 <= binding.part < 1 << 32 and is_digest(binding.upload)
        if not sane or not all(map(is_fingerprint, names)):
            raise WireFormatError(_KIND, "its header is not readable")
        return binding


@dataclass(frozen=True)
class Answer:
    """Messages of ciphertexts: the model's result, and a witness for each of its activations, or none.

    binding: what it answers; None in answers of format version 1.
    """

    result: bytes
    witnesses: tuple[bytes, ...] = ()
    binding: Binding | None = None

    def __repr__(self) -> str:
        size = len(self.result) + sum(map(len, self.witnesses))
        return f"Answer({size:,} bytes, witnesses={len(self.witnesses)}, {self.binding})"

    def to_bytes(self) -> bytes:
        """One message."""
        parts = (self.result, *self.witnesses)
        meta: dict[str, Any] = {"sizes": [len(part) for part in parts]}
        if self.binding is not None:
            meta["binding"] = asdict(self.binding)
        return frame(_KIND, meta, b"".join(parts))

    @classmethod
    def from_bytes(cls, data: bytes) -> Answer:
        """The answer in a message of `to_bytes`, or in one of version 1.

        Raises WireFormatError, AnswerMismatch for an upload.
        """
        data = as_bytes("answer", data)
        if kind_of(data) == "ciphertexts":
            if "upload" in header_of(data).meta:
                raise AnswerMismatch("kind", "an answer", "an upload", "Take what the server made of it.")
            return cls(data)
        meta, body = unframe(_KIND, data)
        sizes = meta.get("sizes")
        if not isinstance(sizes, list) or not all(type(size) is int and size > 0 for size in sizes):
            raise WireFormatError(_KIND, "its header is not readable")
        if not sizes or sum(sizes) != len(body):
            raise WireFormatError(_KIND, "its parts do not add up")
        ends = [sum(sizes[: place + 1]) for place in range(len(sizes))]
        result, *witnesses = (body[end - size : end] for end, size in zip(ends, sizes, strict=True))
        binding = Binding.from_json(meta["binding"]) if "binding" in meta else None
        return cls(result, tuple(witnesses), binding)
