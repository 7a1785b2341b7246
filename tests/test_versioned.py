"""Versioned JSON documents: one writer, one reader, and everything that a reader refuses."""

import json

import pytest

from fhenn.errors import WireFormatError
from fhenn.versioned import VersionedJson

NOTE = VersionedJson("note", 3)


def test_kind_and_version_come_first_or_last():
    assert list(json.loads(NOTE.write({"a": 1}))) == ["kind", "version", "a"]
    assert list(json.loads(VersionedJson("note", 3, kind_last=True).write({"a": 1}))) == ["a", "kind", "version"]


def test_what_is_written_is_read():
    fields = {"a": 0.1, "b": [1, None, "ü"]}
    assert NOTE.read(NOTE.write(fields), dict) == fields
    assert NOTE.read(NOTE.write(fields).encode(), dict) == fields
    assert NOTE.read(bytearray(NOTE.write(fields).encode()), dict) == fields


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "[]",
        "null",
        "{}",
        '{"kind": "fhenn-note"}',
        '{"version": 3}',
        '{"kind": "note", "version": 3}',
        '{"kind": "fhenn-plan", "version": 3}',
        '{"kind": "fhenn-note", "version": 2}',
        '{"kind": "fhenn-note", "version": 3.0}',
        '{"kind": "fhenn-note", "version": "3"}',
        '{"kind": "fhenn-note", "version": 3, "kind": "fhenn-note"}',
        '{"kind": "fhenn-note", "version": 3, "a": Infinity}',
        "[" * 100_000,
        b"\xff",
        None,
        7,
    ],
)
def test_what_is_no_such_document_is_refused(text):
    with pytest.raises(WireFormatError, match="a valid note"):
        NOTE.read(text, dict)


def test_a_truth_is_no_version():
    with pytest.raises(WireFormatError, match="another kind or version"):
        VersionedJson("note", 1).read('{"kind": "fhenn-note", "version": true}', dict)


@pytest.mark.parametrize(
    "error", [ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError, UnicodeError]
)
def test_what_its_maker_raises_is_a_refusal(error):
    def make(fields):
        raise error("why")

    with pytest.raises(WireFormatError, match="why") as caught:
        NOTE.read(NOTE.write({}), make)
    assert isinstance(caught.value.__cause__, error)


def test_a_mistake_of_ours_is_none():
    with pytest.raises(ZeroDivisionError):
        NOTE.read(NOTE.write({}), lambda fields: 1 / 0)


def test_infinity_is_read_where_it_may_be():
    infinite = VersionedJson("note", 3, infinite=True)
    assert infinite.read(infinite.write({"a": float("-inf")}), dict) == {"a": float("-inf")}


def test_the_text_is_looked_at_before_it_is_parsed():
    def short(text):
        if len(text) > 5:
            raise ValueError("too long")

    with pytest.raises(WireFormatError, match="too long"):
        NOTE.read("[" * 6, dict, short)
