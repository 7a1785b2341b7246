"""The frame of every message and file: models, plans, keys, ciphertexts.

A message is: magic, format version, a JSON header (kind, length of the body, meta data, SHA-256 of version, meta data
and body), body. The digest finds accidents, not malice: whoever reads a body checks its structure as well.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Any

from fhenn.errors import UnsupportedValue, WireFormatError, WrongKind
from fhenn.strict import MALFORMED, read_json
from fhenn.text import an

VERSION = 3
"""The format that `frame` writes. In version 2 an answer names the upload that it answers (`fhenn.session`); in version
3 ciphertexts and keys are packed (`fhenn.ckks.packing`)."""

READABLE = (1, 2, 3)
"""The formats that are read."""

_MAGIC = b"FHENN"
_PREFIX = struct.Struct(f">{len(_MAGIC)}sBI")  # magic, version, size of the header
_LARGEST_HEADER = 1 << 16
_PIECE = 1 << 20
MOST_OF_HEADER = _PREFIX.size + _LARGEST_HEADER
"""Bytes at the start of a file that hold its header."""


_KINDS = {
    "model": ("a model", "`fhenn train` and `fhenn import` write models."),
    "plan": ("a plan", "`fhenn plan` and `fhenn fetch` write plans."),
    "certificate": ("a certificate", "`fhenn certify` writes certificates."),
    "secret-key": ("a secret key", "`fhenn keygen` writes one, which stays on the client's side."),
    "evaluation-context": ("a set of evaluation keys", "`fhenn keygen` writes them beside the secret key."),
    "ciphertexts": ("an upload of ciphertexts", "`fhenn encrypt` writes uploads."),
    "answer": ("an answer", "`fhenn evaluate` and `fhenn predict` write answers."),
    "refusal": ("a refusal of a part", "Pools send one in the place of an answer."),
    "receipt": ("a receipt", "`fhenn encrypt` writes one beside the upload."),
    "ids": ("a file of ids", "`fhenn encrypt --id` writes one beside the upload; it stays there."),
    "end": ("the end of a stream", "`Client.encrypt_stream` and `Server.predict_stream` make one."),
}
"""Each kind in words, and where a file of it comes from."""


@dataclass(frozen=True)
class Header:
    """What the header of a message says.

    kind: "model", "plan", …
    version: of the format.
    size: of the body, in bytes.
    meta: meta data, as JSON.
    sha256: digest of version, meta data and body, in hexadecimal.
    """

    kind: str
    version: int
    size: int
    meta: dict[str, Any]
    sha256: str


def frame(kind: str, meta: dict[str, Any], *body: bytes | memoryview) -> bytes:
    """A message: a header, and the body behind it.

    kind: "model", "plan", …
    meta: meta data, as JSON.
    body: in one piece or several.
    """
    text = json.dumps(meta, sort_keys=True)
    digest = _digest(VERSION, text, *body)
    encoded = _encoded(kind, sum(map(len, body)), text, digest)
    return b"".join([_PREFIX.pack(_MAGIC, VERSION, len(encoded)), encoded, *body])


def unframe(kind: str, data: bytes) -> tuple[dict[str, Any], bytes]:
    """The meta data and the body of a message.

    kind: that it must have.
    data: as `frame` wrote it.

    Raises WireFormatError where kind, length or digest do not match.
    """
    meta, body = unframe_in_place(kind, data)
    return meta, bytes(body)


def unframe_in_place(kind: str, data: bytes) -> tuple[dict[str, Any], memoryview]:
    """The same as `unframe`, without a copy of the body."""
    data = _message(kind, data)
    header, text, start = _parsed(kind, data)
    if header.kind != kind:
        require_kind(kind, data)
    body = memoryview(data)[start:]
    if header.size != len(body):
        raise WireFormatError(kind, f"it holds {len(body)} bytes of {header.size}")
    digest = _digest(header.version, text, body)
    if not compare_digest(digest.encode(), header.sha256.encode()):
        raise WireFormatError(kind, "its digest does not match: it was altered on the way")
    return header.meta, body


def body_of(kind: str, data: bytes | bytearray) -> memoryview:
    """The body of a message without a copy; its digest is not checked.

    kind: that it must have.
    data: as `frame` wrote it.

    Raises WireFormatError where kind or length do not match.

    >>> bytes(body_of("note", frame("note", {}, b"body")))
    b'body'
    """
    view = memoryview(data)
    begin = bytes(view[:MOST_OF_HEADER])
    header, _, start = _parsed(kind, begin)
    require_kind(kind, begin)
    if header.size != len(view) - start:
        raise WireFormatError(kind, f"it holds {len(view) - start} bytes of {header.size}")
    return view[start:]


def read_message(file: Any) -> bytes | None:
    """The next message in a file; its digest is not checked.

    file: open for reading bytes; from a stranger.

    Returns None where the file is at its end.
    Raises WireFormatError where no message comes, or it is cut off, and OSError.

    >>> from io import BytesIO
    >>> file = BytesIO(frame("note", {}, b"body") + frame("note", {}, b"more"))
    >>> bytes(body_of("note", read_message(file))), header_of(read_message(file)).size, read_message(file)
    (b'body', 4, None)
    """
    begin = file.read(_PREFIX.size)
    if not begin:
        return None
    begin, header = _rest_of_header("fhenn stream", begin, file)
    pieces, left = [begin], header.size
    while left:  # as it comes: a length that a stranger states takes no memory
        piece = file.read(min(left, _PIECE))
        if not piece:
            held = f"{header.size - left} bytes of {header.size}"
            raise WireFormatError("fhenn stream", f"it holds {held}: it is cut off")
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def read_header(file: Any) -> tuple[Header, int]:
    """The header at the start of a file, and the place in bytes where the body starts; nothing of the body is read.

    file: open for reading bytes, without a buffer, which would read on; from a stranger.

    Raises WireFormatError, OSError.

    >>> from io import BytesIO
    >>> file = BytesIO(frame("note", {"to": "you"}, b"body"))
    >>> header, start = read_header(file)
    >>> header.meta, file.tell() == start
    ({'to': 'you'}, True)
    """
    begin, header = _rest_of_header("fhenn file", file.read(_PREFIX.size), file)
    return header, len(begin)


def as_bytes(what: str, data: Any) -> bytes:
    """The bytes of bytes, a bytearray, a memoryview or an array of uint8.

    what: they are, for the error.
    data: the bytes. Of a buffer that may change, a copy is returned.

    Raises UnsupportedValue for text, and for buffers of larger items.

    >>> as_bytes("a message", memoryview(b"note")), as_bytes("a message", bytearray(b"note"))
    (b'note', b'note')
    """
    if isinstance(data, bytes):
        return data
    try:
        view = memoryview(data)
    except TypeError:
        view = None
    if view is None or view.format not in ("B", "b", "c"):
        raise UnsupportedValue(f"{an(type(data).__name__)} as {what}", "bytes")
    return bytes(view)


def require_kind(kind: str, data: bytes, source: str = "", destination: str = "") -> None:
    """Raise WrongKind unless the header of `data` names a kind; the body is not checked.

    kind: "model", "plan", "certificate", "secret-key", "evaluation-context", "ciphertexts" or "answer".
    data: the message, or its first MOST_OF_HEADER bytes.
    source: the file or the argument, for the error.
    destination: the address that it would be sent to, if any.

    >>> require_kind("evaluation-context", frame("secret-key", {}, b""), "secret.fhenn", "https://host")
    Traceback (most recent call last):
    ...
    fhenn.errors.WrongKind: secret.fhenn is a secret key, where a set of evaluation keys is needed. It has not left \
this machine; it would have gone to https://host. `fhenn keygen` writes them beside the secret key.
    """
    found = kind_of(data)
    if found == kind:
        return
    if found is None and data.startswith(_MAGIC):
        _parsed(kind, data)  # says what is wrong with the header
    got = in_words(found)
    raise WrongKind(in_words(kind), f"it is {got}", source or "it", got, destination, source_of(kind))


def source_of(kind: str) -> str:
    """A sentence on where a file of a kind comes from."""
    return _KINDS[kind][1] if kind in _KINDS else "Give one."


def in_words(kind: str | None) -> str:
    """A kind in words; None is the kind of anything that fhenn did not write.

    >>> in_words("secret-key"), in_words(None)
    ('a secret key', 'not a fhenn file')
    """
    if kind is None:
        return "not a fhenn file"
    return _KINDS[kind][0] if kind in _KINDS else f"a {kind[:40]!r}"


def _encoded(kind: str, length: int, meta: str, digest: str) -> bytes:
    """A header, as it is written."""
    return json.dumps({"kind": kind, "length": length, "meta": meta, "sha256": digest}).encode()


def _digest(version: int, text: str, *body: bytes | memoryview) -> str:
    """Of meta data and body; from version 2 on, of the version before them."""
    digest = sha256(b"" if version == 1 else bytes([version]))
    for piece in (text.encode(), *body):
        digest.update(piece)
    return digest.hexdigest()


def header_of(source: bytes | Path) -> Header:
    """The header of a message or of a file; the body is not checked.

    source: the message, or the path of the file.

    Raises WireFormatError, OSError.

    >>> header = header_of(frame("note", {"to": "you"}, b"body"))
    >>> header.kind, header.size, header.meta
    ('note', 4, {'to': 'you'})
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            source = file.read(MOST_OF_HEADER)
    return _parsed("fhenn file", _message("fhenn file", source))[0]


def header_of_kind(kind: str, data: bytes) -> Header:
    """The header of a message of a kind; the body is not checked.

    kind: that it must have.
    data: the message, or its first MOST_OF_HEADER bytes.

    Raises as `require_kind` does.
    """
    try:
        header = header_of(data)
    except WireFormatError:
        require_kind(kind, data)
        raise
    if header.kind != kind:
        require_kind(kind, data)
    return header


def start_of_body(what: str, data: bytes) -> int | None:
    """Where the body of a message starts.

    what: it is, for the error.
    data: the message, or the first part of it.

    Returns the place in bytes, None where `data` is too short to say.
    Raises WireFormatError where it does not start as a message in a readable format.

    >>> message = frame("note", {}, b"body")
    >>> message[start_of_body("note", message) :]
    b'body'
    """
    if not data.startswith(_MAGIC[: len(data)]):
        raise WireFormatError(what, "it does not start as a fhenn message does")
    if len(data) < _PREFIX.size:
        return None
    _, version, size = _PREFIX.unpack_from(data)
    if version not in READABLE:
        raise WireFormatError(what, f"it has format version {version}, this fhenn reads {READABLE[0]} to {VERSION}")
    if size > _LARGEST_HEADER:
        raise WireFormatError(what, f"its header claims {size} bytes")
    return int(_PREFIX.size + size)


def kind_of(data: bytes) -> str | None:
    """The kind that the header of a message names, None where it is not readable. The body is not checked."""
    try:
        return header_of(data).kind
    except WireFormatError:
        return None


def _rest_of_header(what: str, begin: bytes, file: Any) -> tuple[bytes, Header]:
    """All bytes of a header whose first ones are `begin`, and what they say. Raises WireFormatError, OSError."""
    start = start_of_body(what, begin)
    begin += b"" if start is None else file.read(start - len(begin))
    if start is None or len(begin) < start:
        raise WireFormatError(what, "it is cut off")
    return begin, _parsed(what, begin)[0]


def _message(what: str, data: Any) -> bytes:
    """The bytes of a message. Raises WireFormatError where it holds none."""
    try:
        return as_bytes(what, data)
    except UnsupportedValue as error:
        raise WireFormatError(what, "it does not start as a fhenn message does") from error


def _parsed(what: str, data: bytes) -> tuple[Header, str, int]:
    """The header of `data`, its meta data as they are written, and where the body starts. Raises WireFormatError."""
    start = start_of_body(what, data)
    if start is None:
        raise WireFormatError(what, "it does not start as a fhenn message does")
    try:
        fields = read_json(data[_PREFIX.size : start])
        kind, length, text, digest = (fields[key] for key in ("kind", "length", "meta", "sha256"))
        meta = read_json(text)
        # other types than these are not what `frame` writes
        if [type(each) for each in (kind, length, text, digest, meta)] != [str, int, str, str, dict]:
            raise TypeError
        text.encode()
        digest.encode()
        # the digest covers what the header says, not how: it is taken as `frame` writes it, to the byte
        if _encoded(kind, length, text, digest) != data[_PREFIX.size : start]:
            raise ValueError
    except MALFORMED as error:
        raise WireFormatError(what, "its header is not readable") from error
    return Header(kind, data[len(_MAGIC)], length, meta, digest), text, start
