"""What a server sends in the place of an answer to a part that it cannot answer, so that the parts after it are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Self

from fhenn.errors import WireFormatError
from fhenn.session.answer import Binding, binding_of
from fhenn.strict import built
from fhenn.wire import frame, unframe

_KIND = "refusal"
_LONGEST = 1000


@dataclass(frozen=True)
class Refusal:
    """That there is no answer to a part, and why.

    binding: the part.
    samples: that it holds.
    reason: in words, as a clause.
    """

    binding: Binding
    samples: int
    reason: str

    def to_bytes(self) -> bytes:
        """The refusal as a message, in the place of `Answer.to_bytes`."""
        return frame(_KIND, asdict(self))

    @classmethod
    def from_bytes(cls, data: bytes) -> Refusal:
        """The refusal in a message of `to_bytes`. Raises WireFormatError."""
        meta, body = unframe(_KIND, data)
        binding = binding_of(data)
        try:
            refusal: Self = built(cls, meta)
        except ValueError as error:
            raise WireFormatError(_KIND, f"its header is not readable ({error})") from error
        if body or binding is None or not (0 < refusal.samples < 1 << 32 and len(refusal.reason) <= _LONGEST):
            raise WireFormatError(_KIND, "a number or a text in it is not valid")
        return refusal
