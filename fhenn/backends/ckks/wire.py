"""Messages: fhenn's frame around bytes that travel, and a codec for TenSEAL's protobuf messages.

TenSEAL crashes, or hands back foreign memory, on messages that lie about their structure. So length, digest and
structure are checked here, in Python, before a byte reaches it. The digest finds accidents; bytes from strangers who
mean harm must besides be loaded in a process that may die.
"""

from __future__ import annotations

import json
import os
import struct
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from math import isfinite
from pathlib import Path
from typing import Any

from fhenn.errors import WireFormatError

_MAGIC = b"FHENN"
_VERSION = 1
_LARGEST_HEADER = 1 << 16
_SEAL_MAGIC = 0xA15E
_SEAL_HEADER = struct.Struct("<HBBBBHQ")  # magic, header size, version major, minor, compression, reserved, size


def frame(kind: str, meta: dict[str, Any], body: bytes) -> bytes:
    """`body` behind a header that names its kind, its length, `meta` (JSON) and a digest of both."""
    text = json.dumps(meta, sort_keys=True)
    header = {"kind": kind, "length": len(body), "meta": text, "sha256": sha256(text.encode() + body).hexdigest()}
    encoded = json.dumps(header).encode()
    return _MAGIC + struct.pack(">BI", _VERSION, len(encoded)) + encoded + body


def kind_of(data: bytes) -> str | None:
    """The kind that a message's header names, None where it is not readable. Nothing else is checked."""
    start = len(_MAGIC) + 5
    if len(data) < start or not data.startswith(_MAGIC):
        return None
    size = struct.unpack(">I", data[start - 4 : start])[0]
    try:
        kind = json.loads(data[start : start + size])["kind"] if size <= _LARGEST_HEADER else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return kind if isinstance(kind, str) else None


def unframe(kind: str, data: bytes) -> tuple[dict[str, Any], bytes]:
    """The meta data and body of a message of `frame`. Raises WireFormatError where anything does not add up."""
    start = len(_MAGIC) + 5
    data = bytes(data) if isinstance(data, bytearray | memoryview) else data
    if not isinstance(data, bytes) or len(data) < start or not data.startswith(_MAGIC):
        raise WireFormatError(kind, "it does not start as a fhenn message does")
    version, size = struct.unpack(">BI", data[len(_MAGIC) : start])
    if version != _VERSION:
        raise WireFormatError(kind, f"it has format version {version}, this fhenn reads {_VERSION}")
    if size > _LARGEST_HEADER:
        raise WireFormatError(kind, f"its header claims {size} bytes")
    body = data[start + size :]
    try:
        header = json.loads(data[start : start + size])
        found, length, text, digest = (header[key] for key in ("kind", "length", "meta", "sha256"))
        meta = json.loads(text)
        expected = sha256(text.encode() + body).hexdigest()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WireFormatError(kind, "its header is not readable") from error
    if found != kind:
        raise WireFormatError(kind, f"it is a {str(found)[:40]!r}")
    if length != len(body):
        raise WireFormatError(kind, f"it holds {len(body)} bytes of {length}")
    if not compare_digest(expected.encode(), str(digest).encode()):
        raise WireFormatError(kind, "its digest does not match: it was altered on the way")
    if not isinstance(meta, dict):
        raise WireFormatError(kind, "its header is not readable")
    return meta, body


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at` and the position after it; IndexError beyond the end."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise IndexError


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def fields_of(what: str, data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The (number, value) pairs of a protobuf message: integers for varints, bytes for everything else.

    Raises WireFormatError where a length runs past the end or a wire type is unknown.
    """
    at = 0
    try:
        while at < len(data):
            key, at = _read_varint(data, at)
            number, kind = key >> 3, key & 7
            if kind == 0:
                value, at = _read_varint(data, at)
                yield number, value
                continue
            if kind == 2:
                size, at = _read_varint(data, at)
            elif kind in (1, 5):
                size = 8 if kind == 1 else 4
            else:
                raise WireFormatError(what, f"unknown wire type {kind}")
            if at + size > len(data):
                raise IndexError
            yield number, data[at : at + size]
            at += size
    except IndexError as error:
        raise WireFormatError(what, "it ends in the middle of a field") from error


def check_context_message(body: bytes) -> None:
    """Raise WireFormatError where a TenSEAL context message is malformed or carries a secret key."""
    what = "TenSEAL context"
    seen = set()
    for number, value in fields_of(what, body):
        seen.add(number)
        if number == 3:
            raise WireFormatError(what, "it carries a secret key, which must never leave the client")
        if number == 1:
            check_seal_header(what, value)
        elif number == 2 and isinstance(value, bytes):
            for inner, key in fields_of(what, value):
                if inner in (1, 4, 5) and key:
                    check_seal_header(what, key)
        elif number != 4:
            raise WireFormatError(what, f"unknown field {number}")
    if not {1, 2} <= seen:
        raise WireFormatError(what, "parameters or public part are missing")


def check_seal_header(what: str, value: int | bytes) -> None:
    """Raise WireFormatError where the bytes do not start with a SEAL header that states their length."""
    if not isinstance(value, bytes) or len(value) < _SEAL_HEADER.size:
        raise WireFormatError(what, "an object is too short for a SEAL header")
    magic, header, major, _, compression, _, size = _SEAL_HEADER.unpack_from(value)
    if magic != _SEAL_MAGIC or header != _SEAL_HEADER.size or major != 4 or compression > 2:
        raise WireFormatError(what, "an object does not start with a SEAL 4 header")
    if size != len(value):
        raise WireFormatError(what, f"a SEAL object states {size} bytes and has {len(value)}")


@contextmanager
def _scratch_path() -> Iterator[str]:
    """A path that SEAL can write to and read from: in memory on Linux, a private temporary file elsewhere.

    For ciphertexts and evaluation keys only: a secret key must not pass through a file.
    """
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").exists():
        descriptor = os.memfd_create("fhenn")
        try:
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield str(Path(folder, "ciphertext"))


def saved(seal_object: Any) -> bytes:
    """A SEAL ciphertext or evaluation key as SEAL saves it. Never a secret key."""
    with _scratch_path() as path:
        seal_object.save(path)
        with Path(path).open("rb") as file:
            return file.read()


def loaded(empty: Any, seal_context: Any, data: bytes) -> Any:
    """The SEAL object in `data`, read into an empty one of its type. Raises WireFormatError."""
    check_seal_header(type(empty).__name__, data)
    with _scratch_path() as path:
        with Path(path).open("wb") as file:
            file.write(data)
        try:
            empty.load(seal_context, path)
        except (ValueError, RuntimeError) as error:
            raise WireFormatError(type(empty).__name__, f"SEAL refuses it ({error})") from error
    return empty


@dataclass(frozen=True)
class TensealMessage:
    """The content of a serialised CKKSVector (`sizes` of its chunks) or CKKSTensor (`sizes` is its shape).

    batch: values per ciphertext of a batched tensor, None otherwise.
    """

    sizes: tuple[int, ...]
    ciphertexts: tuple[bytes, ...]
    scale: float
    batch: int | None = None

    def encode(self) -> bytes:
        """The protobuf message (TenSEAL's tensors.proto: sizes or shape 1, ciphertexts 2, scale 3, batch_size 4)."""
        sizes = b"".join(map(_varint, self.sizes))
        parts = [_varint(1 << 3 | 2), _varint(len(sizes)), sizes]
        for ciphertext in self.ciphertexts:
            parts += [_varint(2 << 3 | 2), _varint(len(ciphertext)), ciphertext]
        parts += [_varint(3 << 3 | 1), struct.pack("<d", self.scale)]
        if self.batch is not None:
            parts += [_varint(4 << 3), _varint(self.batch)]
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes) -> TensealMessage:
        """The content of a message. Raises WireFormatError where a field or a ciphertext's header is malformed."""
        what = "TenSEAL message"
        sizes: Sequence[int] = ()
        ciphertexts: list[bytes] = []
        scale, batch = 0.0, None
        for number, value in fields_of(what, data):
            if number == 1 and isinstance(value, bytes):
                sizes = _unpack_varints(what, value)
            elif number == 2 and isinstance(value, bytes):
                check_seal_header(what, value)
                ciphertexts.append(value)
            elif number == 3 and isinstance(value, bytes) and len(value) == 8:
                scale = struct.unpack("<d", value)[0]
            elif number == 4 and isinstance(value, int):
                batch = value or None
            else:
                raise WireFormatError(what, f"unexpected field {number}")
        if not ciphertexts or not isfinite(scale) or scale <= 0:
            raise WireFormatError(what, "ciphertexts or scale are missing")
        return cls(tuple(sizes), tuple(ciphertexts), scale, batch)


def _unpack_varints(what: str, data: bytes) -> list[int]:
    values, at = [], 0
    try:
        while at < len(data):
            value, at = _read_varint(data, at)
            values.append(value)
    except IndexError as error:
        raise WireFormatError(what, "it ends in the middle of a number") from error
    return values
