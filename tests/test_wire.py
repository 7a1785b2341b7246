"""The frame of every message, made by hand: right but for one thing."""

import json
from array import array
from hashlib import sha256

import numpy as np
import pytest

from fhenn.errors import UnsupportedValue, WireFormatError
from fhenn.wire import as_bytes, body_of, frame, header_of, unframe


def made(body=b"body", version=3, magic=b"FHENN", digest=None, claimed=None, text=None, **fields):
    """A message of kind "note" with a digest that matches, from the format's own description."""
    meta = fields.pop("meta", '{"to": "you"}')
    hashed = sha256((b"" if version == 1 else bytes([version])) + str(meta).encode() + body).hexdigest()
    header = {"kind": "note", "length": len(body), "meta": meta, "sha256": digest or hashed} | fields
    encoded = json.dumps(header).encode() if text is None else text
    return magic + bytes([version]) + (len(encoded) if claimed is None else claimed).to_bytes(4, "big") + encoded + body


def test_it_is_what_it_says():
    assert frame("note", {"to": "you"}, b"bo", b"dy") == made()
    large = {"to": "x" * 65_000}
    assert unframe("note", made(meta=json.dumps(large))) == (large, b"body")
    for version in (1, 2, 3):
        assert unframe("note", made(version=version)) == ({"to": "you"}, b"body")
        assert bytes(body_of("note", made(version=version))) == b"body"


def restated(version):
    """Of the other version, with the digest of this."""
    return made(version=2 if version == 1 else 1, digest=header_of(made(version=version)).sha256)


WRONG = {
    "another kind": made(kind="tale"),
    "another magic": made(magic=b"FHENM"),
    "version 0": made(version=0),
    "version 4": made(version=4),
    "a longer body": made() + b"x",
    "a shorter body": made()[:-1],
    "a body that is not as long as it says": made(length=5),
    "a header that is larger than it may be": made(meta=json.dumps({"to": "x" * (1 << 16)})),
    "a header without end": made(claimed=1 << 31),
    "a length that is a truth value": made(body=b"x", length=True),
    "a length with a point": made(length=4.0),
    "a kind that is none": made(kind=None),
    "meta data that are a list": made(meta="[]"),
    "meta data that are no text": made(meta=7),
    "a digest that is no text": made(sha256=7),
    "blanks in the header": made(text=json.dumps(json.loads(made()[10:-4]), indent=1).encode()),
    "a field more": made(more=1),
    "no header": made(text=b""),
    "nothing": b"",
}
ALTERED = {
    "another body": made()[:-1] + b"x",
    "other meta data": made().replace(b"you", b"yes"),
    "version 1 as 2": restated(1),
    "version 2 as 1": restated(2),
    "another digest": made(digest="0" * 64),
}


@pytest.mark.parametrize("name", WRONG | ALTERED)
def test_one_thing_that_is_wrong_is_refused(name):
    with pytest.raises(WireFormatError):
        unframe("note", (WRONG | ALTERED)[name])


@pytest.mark.parametrize("name", WRONG)
def test_so_it_is_where_the_body_is_not_copied(name):
    with pytest.raises(WireFormatError):
        body_of("note", WRONG[name])


def test_buffers_are_of_bytes():
    for data in (bytearray(b"ab"), memoryview(b"ab"), np.frombuffer(b"ab", np.uint8), array("B", b"ab")):
        assert as_bytes("it", data) == b"ab"
    for data in ("ab", array("d", [1.0]), np.zeros(2), memoryview(np.zeros(2, np.int32)), None, 7, [97, 98]):
        with pytest.raises(UnsupportedValue):
            as_bytes("it", data)
