"""fhenn's frame: what is common to everything that travels or is kept, models, plans, keys, ciphertexts.

Magic, format version, a JSON header (kind, length of the body, meta data, SHA-256 of meta data and body), body. The
digest finds accidents, not malice: whoever reads a body checks its structure as well.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Any

from fhenn.errors import WireFormatError

VERSION = 1
"""The format that `frame` writes."""

_MAGIC = b"FHENN"
_PREFIX = struct.Struct(f">{len(_MAGIC)}sBI")  # magic, version, size of the header
_LARGEST_HEADER = 1 << 16


@dataclass(frozen=True)
class Header:
    """What a message says of itself: its kind, format version, bytes of its body, meta data and digest."""

    kind: str
    version: int
    size: int
    meta: dict[str, Any]
    sha256: str


def frame(kind: str, meta: dict[str, Any], body: bytes) -> bytes:
    """`body` behind a header that names its kind, its length, `meta` (JSON) and a digest of both."""
    text = json.dumps(meta, sort_keys=True)
    header = {"kind": kind, "length": len(body), "meta": text, "sha256": sha256(text.encode() + body).hexdigest()}
    encoded = json.dumps(header).encode()
    return _PREFIX.pack(_MAGIC, VERSION, len(encoded)) + encoded + body


def unframe(kind: str, data: bytes) -> tuple[dict[str, Any], bytes]:
    """The meta data and body of a message of `frame`. Raises WireFormatError where anything does not add up."""
    data = bytes(data) if isinstance(data, bytearray | memoryview) else data
    if not isinstance(data, bytes):
        raise WireFormatError(kind, "it does not start as a fhenn message does")
    header, text, start = _parsed(kind, data)
    if header.kind != kind:
        raise WireFormatError(kind, f"it is a {header.kind[:40]!r}")
    body = data[start:]
    if header.size != len(body):
        raise WireFormatError(kind, f"it holds {len(body)} bytes of {header.size}")
    expected = sha256(text.encode() + body).hexdigest()
    if not compare_digest(expected.encode(), header.sha256.encode()):
        raise WireFormatError(kind, "its digest does not match: it was altered on the way")
    return header.meta, body


def header_of(source: bytes | Path) -> Header:
    """The header of a message or of a file, whose body is not looked at. Raises WireFormatError, OSError.

    >>> header = header_of(frame("note", {"to": "you"}, b"body"))
    >>> header.kind, header.size, header.meta
    ('note', 4, {'to': 'you'})
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            source = file.read(_PREFIX.size + _LARGEST_HEADER)
    return _parsed("fhenn file", source)[0]


def kind_of(data: bytes) -> str | None:
    """The kind that a message's header names, None where it is not readable. The body is not looked at."""
    try:
        return header_of(data).kind
    except WireFormatError:
        return None


def _parsed(what: str, data: bytes) -> tuple[Header, str, int]:
    """The header of `data`, its meta data as they are written, and where the body starts. Raises WireFormatError."""
    if len(data) < _PREFIX.size or not data.startswith(_MAGIC):
        raise WireFormatError(what, "it does not start as a fhenn message does")
    _, version, size = _PREFIX.unpack_from(data)
    if version != VERSION:
        raise WireFormatError(what, f"it has format version {version}, this fhenn reads {VERSION}")
    if size > _LARGEST_HEADER:
        raise WireFormatError(what, f"its header claims {size} bytes")
    start = _PREFIX.size + size
    try:
        fields = json.loads(data[_PREFIX.size : start])
        kind, length, text, digest = (fields[key] for key in ("kind", "length", "meta", "sha256"))
        meta = json.loads(text)
        # other types than these are not what `frame` writes
        if [type(each) for each in (kind, length, text, digest, meta)] != [str, int, str, str, dict]:
            raise TypeError
        text.encode()
        digest.encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WireFormatError(what, "its header is not readable") from error
    return Header(kind, version, length, meta, digest), text, start
