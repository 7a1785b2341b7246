"""Protobuf's wire format: what is written is read, and nothing that a stranger writes raises another error."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhenn.errors import WireFormatError
from fhenn.protobuf import (
    FieldHead,
    encode_double,
    encode_field,
    encode_head,
    encode_varint,
    encode_varints,
    read_fields,
    read_head,
    read_varint,
    read_varints,
)

NUMBERS = st.integers(0, (1 << 64) - 1)
FIELDS = st.integers(1, (1 << 29) - 1)


@pytest.mark.parametrize(
    ("value", "data"),
    # the examples of protobuf's own documentation, and the ends
    [(0, "00"), (1, "01"), (127, "7f"), (128, "8001"), (150, "9601"), (300, "ac02"), ((1 << 64) - 1, "ff" * 9 + "01")],
)
def test_numbers_are_written_as_protobuf_says(value, data):
    assert encode_varint(value) == bytes.fromhex(data)
    assert read_varint("it", bytes.fromhex(data), 0) == (value, len(data) // 2)


@pytest.mark.parametrize("value", [-1, 1 << 64])
def test_other_numbers_are_not_written(value):
    with pytest.raises(ValueError, match="64 bits"):
        encode_varint(value)


@given(before=st.binary(max_size=5), value=NUMBERS, after=st.binary(max_size=5))
def test_a_number_is_read_wherever_it_stands(before, value, after):
    data = encode_varint(value)
    for buffer in (before + data + after, memoryview(before + data + after)):
        assert read_varint("it", buffer, len(before)) == (value, len(before) + len(data))
    for end in range(len(data)):
        assert read_varint("it", before + data[:end], len(before)) is None


@pytest.mark.parametrize("data", [b"\xff" * 10, b"\xff" * 40, b"\x80" * 10 + b"\x01", b"\xff" * 9 + b"\x02"])
def test_more_than_64_bits_are_refused(data):
    with pytest.raises(WireFormatError, match="too long"):
        read_varint("it", data, 0)
    with pytest.raises(WireFormatError, match="too long"):
        read_varints("it", data)
    with pytest.raises(WireFormatError, match="too long"):
        list(read_fields("it", b"\x08" + data))


@given(values=st.lists(NUMBERS))
def test_packed_numbers_are_read(values):
    assert read_varints("it", encode_varints(values)) == values


def test_half_a_number_is_refused():
    with pytest.raises(WireFormatError, match="middle of a number"):
        read_varints("it", b"\x01\x80")


@given(fields=st.lists(st.tuples(FIELDS, NUMBERS | st.binary(max_size=200))))
def test_fields_are_read(fields):
    data = b"".join(encode_field(*each) for each in fields)
    assert list(read_fields("it", data)) == fields
    assert [
        (number, bytes(v) if isinstance(v, memoryview) else v) for number, v in read_fields("it", memoryview(data))
    ] == fields


@given(number=FIELDS, value=st.floats(allow_nan=False))
def test_floats_are_read(number, value):
    ((found, data),) = read_fields("it", encode_double(number, value))
    assert (found, *struct.unpack("<d", data)) == (number, value)


def test_a_head_is_read_before_its_bytes_are_there():
    assert read_head("it", encode_head(3, 1 << 40), 0) == FieldHead(3, None, 7, 1 << 40)
    assert read_head("it", b"\x35", 0) == FieldHead(6, None, 1, 4)
    assert read_head("it", b"\x31", 0) == FieldHead(6, None, 1, 8)
    assert read_head("it", b"\x08\x96\x01", 0) == FieldHead(1, 150, 3, 0)
    for part in (b"", b"\x9a", b"\x1a", b"\x1a\x80", b"\x08", b"\x08\x96"):
        assert read_head("it", part, 0) is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x0b", "wire type 3"),
        (b"\x0c", "wire type 4"),
        (b"\x0e", "wire type 6"),
        (b"\x0f", "wire type 7"),
        (b"\x00\x00", "number 0"),
        (b"\x02\x00", "number 0"),
        (encode_varint(1 << 32 | 3 << 3 | 2) + b"\x00", "no field has the number"),
        (b"\x0a\x05abcd", "middle of a field"),
        (b"\x09" + bytes(7), "middle of a field"),
        (b"\x0d" + bytes(3), "middle of a field"),
        (b"\x08", "middle of a field"),
        (b"\x0a" + b"\xff" * 9 + b"\x01", "middle of a field"),
    ],
)
def test_what_is_no_field_is_refused(data, reason):
    with pytest.raises(WireFormatError, match=reason):
        list(read_fields("it", data))


@given(data=st.binary(max_size=60))
def test_whatever_comes_is_read_or_refused(data):
    try:
        found = list(read_fields("it", data))
    except WireFormatError:
        return
    assert sum(len(value) for _, value in found if isinstance(value, bytes)) <= len(data)
