"""Protobuf's wire format: its numbers (varints) and the heads of its fields.

Written for bytes from strangers: numbers have 64 bits at most, keys of fields 32, and nothing is looked up beyond
the end. After https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from struct import pack
from typing import NamedTuple, TypeVar

from fhenn.errors import WireFormatError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types."""

_LONGEST_VARINT = 10
_Buffer = TypeVar("_Buffer", bytes, memoryview)


class FieldHead(NamedTuple):
    """The start of a field.

    number: of the field.
    value: what it is, of a field that is a varint; None of others.
    start: where its bytes start; after a varint, where the next field does.
    size: how many bytes it has; 0 for a varint.
    """

    number: int
    value: int | None
    start: int
    size: int


def read_varint(what: str, data: bytes | memoryview, at: int) -> tuple[int, int] | None:
    """The number at a place.

    what: the message, as errors call it.
    data: bytes that hold it, or its start.
    at: where it starts.
    Returns the number and where it ends, None where `data` ends before it does.
    Raises WireFormatError where it has more than 64 bits.

    >>> read_varint("note", bytes([0xAC, 0x02, 7]), 0)
    (300, 2)
    """
    value = 0
    for length, byte in enumerate(data[at : at + _LONGEST_VARINT], start=1):
        value |= (byte & 0x7F) << 7 * (length - 1)
        if byte < 0x80 and value < 1 << 64:
            return value, at + length
        if byte < 0x80 or length == _LONGEST_VARINT:
            raise WireFormatError(what, "a number in it is too long")
    return None


def read_head(what: str, data: bytes | memoryview, at: int) -> FieldHead | None:
    """The head of the field at a place.

    what: the message, as errors call it.
    data: bytes that hold it, or its start.
    at: where it starts.
    Returns the head, None where `data` ends before it does; the field's own bytes need not be there yet.
    Raises WireFormatError where its number is none, its wire type is unknown or a number has more than 64 bits.

    >>> read_head("note", bytes([2 << 3 | BYTES, 5]), 0)
    FieldHead(number=2, value=None, start=2, size=5)
    """
    key = read_varint(what, data, at)
    if key is None:
        return None
    number, kind, at = key[0] >> 3, key[0] & 7, key[1]
    if number == 0 or key[0] >= 1 << 32:  # readers that keep 32 bits of it would see another field
        raise WireFormatError(what, f"no field has the number {number}")
    if kind in (FIXED64, FIXED32):
        return FieldHead(number, None, at, 8 if kind == FIXED64 else 4)
    if kind not in (VARINT, BYTES):
        raise WireFormatError(what, f"unknown wire type {kind}")
    found = read_varint(what, data, at)
    if found is None:
        return None
    value, at = found
    return FieldHead(number, value, at, 0) if kind == VARINT else FieldHead(number, None, at, value)


def read_fields(what: str, data: _Buffer) -> Iterator[tuple[int, int | _Buffer]]:
    """The fields of a message.

    what: the message, as errors call it.
    data: the whole of it.
    Returns (number, value) pairs in order: integers for varints, bytes or views for everything else.
    Raises WireFormatError where a field runs past the end, and as `read_head` does.

    >>> list(read_fields("note", encode_field(1, 300) + encode_field(2, b"hello")))
    [(1, 300), (2, b'hello')]
    """
    at = 0
    while at < len(data):
        head = read_head(what, data, at)
        if head is None or head.start + head.size > len(data):
            raise WireFormatError(what, "it ends in the middle of a field")
        at = head.start + head.size
        yield head.number, data[head.start : at] if head.value is None else head.value


Change = Callable[[bytes], bytes]
"""What becomes of the bytes of a field."""


def change_fields(what: str, data: bytes, changes: Mapping[int, Change]) -> bytes:
    """A message, some of whose fields are changed.

    what: the message, as errors call it.
    data: the whole of it.
    changes: of fields that are bytes, by their numbers; one that gives back what it is given changes nothing.

    Returns `data` itself where nothing is changed.
    Raises WireFormatError as `read_fields` does.

    >>> change_fields("note", encode_field(1, 300) + encode_field(2, b"hello"), {2: bytes.upper})[-5:]
    b'HELLO'
    """
    written, at, found = [], 0, False
    for number, value in read_fields(what, data):
        head = read_head(what, data, at)
        assert head is not None  # noqa: S101  (`read_fields` has read it)
        end = head.start + head.size
        new = changes[number](value) if number in changes and isinstance(value, bytes) else value
        if new is value or isinstance(new, int):
            written.append(data[at:end])  # as it is: the wire type of a number is kept
        else:
            written.append(encode_field(number, new))
            found = True
        at = end
    return b"".join(written) if found else data


def read_varints(what: str, data: bytes) -> list[int]:
    """The numbers in a packed field.

    what: the message, as errors call it.
    data: the field's bytes.
    Returns its numbers in order.
    Raises WireFormatError where it ends in the middle of one, or one has more than 64 bits.

    >>> read_varints("note", encode_varints([1, 300]))
    [1, 300]
    """
    values, at = [], 0
    while at < len(data):
        found = read_varint(what, data, at)
        if found is None:
            raise WireFormatError(what, "it ends in the middle of a number")
        value, at = found
        values.append(value)
    return values


def encode_varint(value: int) -> bytes:
    """A number of at most 64 bits, not negative, as a varint. Raises ValueError for others."""
    if not 0 <= value < 1 << 64:
        raise ValueError(f"{value} is not an unsigned number of 64 bits")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_varints(values: Iterable[int]) -> bytes:
    """Numbers as the bytes of a packed field."""
    return b"".join(map(encode_varint, values))


def encode_head(number: int, size: int) -> bytes:
    """What stands before `size` bytes that are a field, for those who will not copy the bytes."""
    return encode_varint(number << 3 | BYTES) + encode_varint(size)


def encode_field(number: int, value: int | bytes) -> bytes:
    """A field: a varint, or bytes with their length."""
    if isinstance(value, int):
        return encode_varint(number << 3 | VARINT) + encode_varint(value)
    return encode_head(number, len(value)) + value


def encode_double(number: int, value: float) -> bytes:
    """A field that is a float of 64 bits."""
    return encode_varint(number << 3 | FIXED64) + pack("<d", value)
