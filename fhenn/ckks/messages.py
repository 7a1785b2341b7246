"""A codec for TenSEAL's protobuf messages and SEAL's objects inside fhenn's frame (`fhenn.wire`).

TenSEAL crashes, or hands back foreign memory, on messages that lie about their structure. So structure is checked
here, in Python, before a byte reaches it. Bytes from strangers who mean harm must besides be loaded in a process that
may die.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TypeVar

from fhenn.ckks.structure import Chain, chain_of, check_header
from fhenn.errors import WireFormatError

_Buffer = TypeVar("_Buffer", bytes, memoryview)


def _read_varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
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


def fields_of(what: str, data: _Buffer) -> Iterator[tuple[int, int | _Buffer]]:
    """The (number, value) pairs of a protobuf message: integers for varints, bytes or views for everything else.

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


def check_context_message(body: bytes, secret: bool = False) -> None:
    """Raise WireFormatError where a TenSEAL context message, or an object in it, is malformed or carries a secret key.

    secret: whether it may: on the client's side alone.
    """
    what = "TenSEAL context"
    parts = _once(what, fields_of(what, body))
    if 3 in parts and not secret:
        raise WireFormatError(what, "it carries a secret key, which must never leave the client")
    public, private = parts.pop(2, None), parts.pop(3, b"")
    parameters, _ = parts.pop(1, None), parts.pop(4, None)
    if parts:
        raise WireFormatError(what, f"unknown field {next(iter(parts))}")
    if not isinstance(parameters, bytes) or not isinstance(public, bytes) or not isinstance(private, bytes):
        raise WireFormatError(what, "parameters or public part are missing")
    chain = chain_of(what, parameters)
    for number, value in _once(what, fields_of(what, public)).items():
        if number in (1, 4, 5):
            if value:
                _check_key(what, chain, number, value)
        elif number not in (2, 3):
            raise WireFormatError(what, f"unknown field {number}")
    for number, value in _once(what, fields_of(what, private)).items():
        if number == 1:
            check_header(what, value)
            if chain and isinstance(value, bytes):
                chain.check_secret_key(what, value)
        elif number != 2:
            raise WireFormatError(what, f"unknown field {number}")


def _once(what: str, fields: Iterator[tuple[int, int | bytes]]) -> dict[int, int | bytes]:
    """Fields by number. Raises WireFormatError where one comes twice: parsers differ about which of them counts."""
    found: dict[int, int | bytes] = {}
    for number, value in fields:
        if number in found:
            raise WireFormatError(what, f"field {number} comes twice")
        found[number] = value
    return found


def _check_key(what: str, chain: Chain | None, number: int, value: int | bytes) -> None:
    """Public (1), relinearisation (4) or Galois keys (5)."""
    check_header(what, value)
    if chain is not None and isinstance(value, bytes):
        (chain.check_public_key if number == 1 else chain.check_switching_keys)(what, value)


def with_relinearisation_keys(body: bytes, keys: bytes) -> bytes:
    """A TenSEAL context message without any, with these (as SEAL saves them) in its public part."""
    parts = []
    for number, value in fields_of("TenSEAL context", body):
        if number == 2 and isinstance(value, bytes):
            parts.append(_field(number, value + _field(4, keys)))
        else:
            parts.append(_field(number, value))
    return b"".join(parts)


def _field(number: int, value: int | bytes) -> bytes:
    """A field of a protobuf message: a varint, or bytes with their length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


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
        """The protobuf message."""
        return b"".join(self.pieces())

    def pieces(self) -> list[bytes]:
        """The protobuf message in pieces, where ciphertexts are not copied.

        TenSEAL's tensors.proto: sizes or shape 1, ciphertexts 2, scale 3, batch_size 4.
        """
        sizes = b"".join(map(_varint, self.sizes))
        parts = [_varint(1 << 3 | 2), _varint(len(sizes)), sizes]
        for ciphertext in self.ciphertexts:
            parts += [_varint(2 << 3 | 2), _varint(len(ciphertext)), ciphertext]
        parts += [_varint(3 << 3 | 1), struct.pack("<d", self.scale)]
        if self.batch is not None:
            parts += [_varint(4 << 3), _varint(self.batch)]
        return parts

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
                check_header(what, value)
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
