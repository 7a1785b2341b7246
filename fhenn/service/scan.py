"""Look at evaluation keys while they arrive: a secret key among them is refused before it is written anywhere."""

from __future__ import annotations

from hashlib import sha256

from fhenn.errors import WireFormatError, WrongKind
from fhenn.protobuf import read_head
from fhenn.wire import header_of, require_kind, start_of_body

_PIECE = 1 << 20
_SECRET = 3
"""The field of TenSEAL's context message that holds a secret key."""


class SecretKeyFound(Exception):
    """The bytes carry a secret key."""


class KeyScanner:
    """Fed with the bytes of an upload in order, it digests them and refuses what cannot be evaluation keys.

    It reads the frame's header and the outermost fields of TenSEAL's context message, and no more: a worker checks the
    rest. size: how many bytes the whole upload has.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._seen = 0
        self._digest = sha256()
        self._pending = b""
        self._skip = 0
        self._left: int | None = None  # bytes of the context message to come; None before the header is complete

    @property
    def seen(self) -> int:
        """Bytes so far."""
        return self._seen

    @property
    def hexdigest(self) -> str:
        """SHA-256 of the bytes so far."""
        return self._digest.hexdigest()

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes. Raises WireFormatError, SecretKeyFound; after that none of them may be kept."""
        self._seen += len(chunk)
        self._digest.update(chunk)
        if self._left is None:
            self._pending += chunk
            self._read_header()
        else:
            self._walk(chunk)

    def _read_header(self) -> None:
        what, data = "evaluation keys", self._pending
        start = start_of_body(what, data)
        if start is None or len(data) < start:  # the header is not complete yet
            return
        header = header_of(data)
        if header.kind == "secret-key":
            raise SecretKeyFound
        if header.kind != "evaluation-context":
            raise WireFormatError(what, f"they are a {header.kind[:40]!r}")
        length, rotations = header.size, header.meta.get("rotation_keys")
        if type(rotations) is not int or not 0 <= rotations <= length:
            raise WireFormatError(what, "their header is not readable")
        if start + length != self.size:
            raise WireFormatError(what, f"{self.size} bytes are sent, their header makes it {start + length}")
        self._left, self._pending = length - rotations, b""
        self._walk(data[start:])

    def _walk(self, chunk: bytes) -> None:
        """Follow the fields of the context message through the next bytes."""
        assert self._left is not None  # noqa: S101  (the header is complete)
        chunk = chunk[: self._left]
        self._left -= len(chunk)
        data, at = self._pending + chunk, 0
        self._pending = b""
        while at < len(data):
            step = min(self._skip, len(data) - at)
            self._skip, at = self._skip - step, at + step
            if at == len(data):
                return
            head = read_head("evaluation keys", data, at)
            if head is None:  # it is not complete yet
                self._pending = data[at:]
                return
            self._skip, at = head.size, head.start
            if head.number == _SECRET:
                raise SecretKeyFound


def digest_of_keys(data: bytes, source: str, destination: str) -> str:
    """The SHA-256 of evaluation keys, which are looked at first, on the client's side.

    source, destination: what to call them in the error, and the address that they are for.
    Raises WrongKind where they are something else or carry a secret key, WireFormatError.
    """
    require_kind("evaluation-context", data, source, destination)
    scanner = KeyScanner(len(data))
    try:
        for start in range(0, len(data), _PIECE):
            scanner.feed(data[start : start + _PIECE])
    except SecretKeyFound as error:
        got = "a set of keys with the secret key among them"
        remedy = "Send the bytes of Client.evaluation_keys() or Context.to_bytes(), which never hold it."
        raise WrongKind("a set of evaluation keys", f"it is {got}", source, got, destination, remedy) from error
    return scanner.hexdigest
