"""Every document from outside is read strictly: what two readers could take for two things is refused."""

import copy
import json
import struct

import numpy as np
import pytest

import fhenn
from fhenn.artifacts import model_from_bytes, model_to_bytes, plan_from_bytes, plan_to_bytes
from fhenn.errors import FhennError, WireFormatError
from fhenn.interop.reading import Reading
from fhenn.planner import Plan
from fhenn.safety import Certificate
from fhenn.strict import read_count, read_json
from fhenn.wire import frame, header_of

MODEL = fhenn.Sequential([fhenn.Linear([[1.0, -0.5]], [0.25]), fhenn.Sigmoid()])
PLAN = fhenn.plan(MODEL, bounds=[-1, 1], witness=True)
READING = Reading("classification", (0, 1), "int64", ("a", "b"), "sigmoid")
CERTIFICATE = fhenn.certify(MODEL, [-1, 1], PLAN)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 1}',
        '[{"b": {"a": 1, "c": 2, "a": 3}}]',
        "NaN",
        "Infinity",
        "[-Infinity]",
        "1e999",
        "-1e999",
        "1" * 30,
        "-" + "9" * 5000,
        "0." + "0" * 5000 + "1",
        "[" * 65 + "]" * 65,
        "[" * 200_000,
        '{"a":' * 100_000,
        "01",
        "1_000",
        "１",
        "",
        "{} {}",
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b'"\xff"',
        None,
        1,
    ],
)
def test_what_is_not_one_thing_to_all_readers_is_refused(text):
    with pytest.raises(ValueError):
        read_json(text)


def test_what_is_sound_is_read_as_ever():
    for value in (None, True, 0, -(1 << 63), (1 << 64) - 1, 5e-324, 1.7976931348623157e308, "ü\0", [], {"": [{}]}):
        assert read_json(json.dumps(value)) == value
        assert read_json(json.dumps(value, ensure_ascii=False).encode()) == value
    assert read_json("[" * 64 + "]" * 64)
    assert read_json("[Infinity, -Infinity]", infinite=True) == [float("inf"), -float("inf")]
    with pytest.raises(ValueError, match="NaN"):
        read_json("NaN", infinite=True)


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", "1e3", " 1", "1 ", "1_0", "٣", "１", "0x1", "9" * 20, "101"])
def test_counts_are_digits(text):
    with pytest.raises(ValueError, match="whole number"):
        read_count(text, 100)
    assert (read_count("0", 100), read_count("100", 100), read_count("007", 100)) == (0, 100, 7)


def leaves(value, path=()):
    """The places of all numbers, texts and truths in a document."""
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(each, (*path, key))
    else:
        yield path, value


def altered(document, path, value):
    out = copy.deepcopy(document)
    at = out
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return out


DOCUMENTS = {
    "plan": (PLAN.to_json(), Plan.from_json),
    "reading": (READING.to_json(), Reading.from_json),
    "certificate": (CERTIFICATE.to_json(), Certificate.from_json),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_whole_numbers_are_whole_and_numbers_are_sane_in_every_field(name):
    """A float, a truth, a text in an integer's place, and absurd numbers anywhere: a typed error, no other."""
    text, read = DOCUMENTS[name]
    document = json.loads(text)
    for path, value in leaves(document):
        wrong = [1e300, "1", [], {}, None] if type(value) in (int, float) else []
        if type(value) is int:
            wrong += [float(value), bool(value), 1 << 70, -value - 1, value + 0.5]
        if type(value) is float:
            wrong += [True, float("nan")]
        for bad in wrong:
            whole = type(value) is int and (type(bad) in (float, bool) or bad == 1 << 70)
            try:
                found = read(json.dumps(altered(document, path, bad)))
            except WireFormatError:
                continue
            assert not whole, (path, bad)
            assert found != read(text) or bad is None or bad == value, (path, bad)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_document_may_say_a_thing_twice(name):
    text, read = DOCUMENTS[name]
    for key in json.loads(text):
        twice = text.replace(f'"{key}":', f'"{key}": 0,\n "{key}":', 1)
        with pytest.raises(WireFormatError, match="twice"):
            read(twice)


def twice(data, old, new):
    """A message whose header has something in it replaced, its length mended."""
    size = struct.unpack(">I", data[6:10])[0]
    header = data[10 : 10 + size].replace(old, new)
    return data[:6] + struct.pack(">I", len(header)) + header + data[10 + size :]


def test_headers_and_meta_data_are_strict():
    data = frame("note", {"a": 1}, b"body")
    for old, new in [
        (b'"kind": "note"', b'"kind": "x", "kind": "note"'),
        (b'"length": 4', b'"length": 4.0'),
        (b'"length": 4', b'"length": true'),
        (b'"length": 4', b'"length": 1e999'),
        (b'"length": 4', b'"length": ' + b"9" * 99),
        (rb"{\"a\": 1}", rb"{\"a\": 1, \"a\": 1}"),
        (rb"{\"a\": 1}", rb"{\"a\": NaN}"),
        (rb"{\"a\": 1}", rb"{\"a\": Infinity}"),
    ]:
        broken = twice(data, old, new)
        assert broken != data
        with pytest.raises(WireFormatError):
            header_of(broken)


def test_documents_in_messages_are_strict():
    meta, body = header_of(plan_to_bytes(PLAN)).meta, json.dumps({"plan": PLAN.to_json(), "reading": None})
    with pytest.raises(WireFormatError):
        plan_from_bytes(frame("plan", meta, body.replace('"reading"', '"reading": null, "reading"').encode()))
    message = model_to_bytes(MODEL)
    header, body = header_of(message).meta, message[-header_of(message).size :]
    (size,) = struct.unpack_from("<Q", body)
    for old, new in [
        (rb"\"nodes\"", rb"\"nodes\": 0, \"nodes\""),
        (b'"__metadata__"', b'"__metadata__":{},"__metadata__"'),
    ]:
        text = body[8 : 8 + size].replace(old, new)
        with pytest.raises(FhennError):
            model_from_bytes(frame("model", header, struct.pack("<Q", len(text)) + text + body[8 + size :]))
    assert np.array_equal(model_from_bytes(message).nodes[0].weight, MODEL.nodes[0].weight)
