"""What a server sends back: the result, and witnesses beside it."""

from __future__ import annotations

from dataclasses import dataclass

from fhenn.errors import WireFormatError
from fhenn.wire import frame, kind_of, unframe

_KIND = "answer"


@dataclass(frozen=True)
class Answer:
    """Messages of ciphertexts: the model's result, and a witness for each of its activations, or none."""

    result: bytes
    witnesses: tuple[bytes, ...] = ()

    def to_bytes(self) -> bytes:
        """One message; the result's own where there is no witness."""
        if not self.witnesses:
            return self.result
        parts = (self.result, *self.witnesses)
        return frame(_KIND, {"sizes": [len(part) for part in parts]}, b"".join(parts))

    @classmethod
    def from_bytes(cls, data: bytes) -> Answer:
        """The answer in a message of `to_bytes`. Raises WireFormatError."""
        if kind_of(data) != _KIND:
            return cls(data)
        meta, body = unframe(_KIND, data)
        sizes = meta.get("sizes")
        if not isinstance(sizes, list) or not all(type(size) is int and size > 0 for size in sizes):
            raise WireFormatError(_KIND, "its header is not readable")
        if not sizes or sum(sizes) != len(body):
            raise WireFormatError(_KIND, "its parts do not add up")
        ends = [sum(sizes[: place + 1]) for place in range(len(sizes))]
        result, *witnesses = (body[end - size : end] for end, size in zip(ends, sizes, strict=True))
        return cls(result, tuple(witnesses))
