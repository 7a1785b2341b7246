"""Strangers' bytes: what was altered on the way ends in WireFormatError, and so does what lies about its structure.

Bytes whose digest was made anew after a change inside SEAL's own stream are not caught here: they want a process that
may die.
"""

import json
import struct
from dataclasses import replace
from hashlib import sha256

import pytest
import tenseal as ts
import tenseal.sealapi as seal
from hypothesis import given, settings
from hypothesis import strategies as st

import fhenn
from fhenn import protobuf
from fhenn.backends.seal import wire
from fhenn.ckks import messages
from fhenn.errors import ContextMismatch, WireFormatError
from fhenn.wire import frame, unframe


@pytest.fixture(scope="module")
def message(client):
    return fhenn.encrypt(client, [1.0, 2.0]).to_bytes()


def test_round_trip(client, message):
    array = fhenn.CipherArray.from_bytes(client, message)
    assert array.shape == (2,)
    assert fhenn.decrypt(client, array) == pytest.approx([1.0, 2.0], abs=1e-6)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_an_altered_message_is_refused(client, message, data):
    at = data.draw(st.integers(0, len(message) - 1))
    bit = data.draw(st.integers(0, 7))
    altered = message[:at] + bytes([message[at] ^ 1 << bit]) + message[at + 1 :]
    with pytest.raises(WireFormatError):
        fhenn.CipherArray.from_bytes(client, altered)


@given(st.integers(0, 400_000))
def test_a_truncated_message_is_refused(client, message, length):
    with pytest.raises(WireFormatError):
        fhenn.CipherArray.from_bytes(client, message[: min(length, len(message) - 1)])


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(client, data):
    with pytest.raises(WireFormatError):
        fhenn.CipherArray.from_bytes(client, data)
    with pytest.raises(WireFormatError):
        fhenn.CipherArray.from_bytes(client, b"FHENN\x01" + data)


@given(st.binary(max_size=200))
def test_the_protobuf_reader_takes_any_bytes(data):
    for read in (messages.TensealMessage.decode, messages.context_parts):
        with pytest.raises(WireFormatError):
            read(data)


def _remade(message, **changes):
    """The message with other meta data and a digest that matches."""
    meta, body = unframe("ciphertexts", message)
    meta.update(changes)
    return frame("ciphertexts", {key: value for key, value in meta.items() if value is not None}, body)


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": [5000]},
        {"shape": [-2]},
        {"shape": [2.0]},
        {"shape": [True]},
        {"shape": 2},
        {"shape": None},
        {"shape": [0]},
        {"shape": [1 << 40]},
        {"shape": [(1 << 32) - 1] * 40},
        {"shape": [2] + [1] * 100},
        {"layout": "diagonal"},
        {"layout": "features"},
        {"layout": {"name": "features"}},
        {"layout": {"name": "diagonal"}},
        {"layout": {"name": "vectors", "form": "replicated", "period": 3, "samples": 1, "step": 1, "tiles": 1}},
        {"layout": None},
        {"layout": ["packed"]},
        {"level": 2},
        {"level": 99},
        {"level": -1},
        {"level": "3"},
        {"scale": (2.0**39).hex()},
        {"scale": "nan"},
        {"scale": "inf"},
        {"scale": "-0x1p40"},
        {"scale": "0x1p99999"},
        {"scale": 1.0},
        {"scale": "1;drop"},
    ],
)
def test_a_header_that_lies_is_refused_though_its_digest_matches(client, message, changes):
    with pytest.raises(WireFormatError):
        fhenn.CipherArray.from_bytes(client, _remade(message, **changes))


def test_another_clients_message_is_refused(message):
    other = fhenn.Context.generate(fhenn.Parameters.for_depth(3))
    with pytest.raises(ContextMismatch):
        fhenn.CipherArray.from_bytes(other, message)


def test_a_body_of_another_length_kind_or_version_is_refused(client, message):
    with pytest.raises(WireFormatError, match="is a set of evaluation keys, where"):
        fhenn.CipherArray.from_bytes(client, client.to_bytes())
    with pytest.raises(WireFormatError, match="bytes of"):
        fhenn.CipherArray.from_bytes(client, message + b"x")
    with pytest.raises(WireFormatError, match="version 9"):
        fhenn.CipherArray.from_bytes(client, message[:5] + b"\x09" + message[6:])
    with pytest.raises(WireFormatError, match="claims"):
        fhenn.CipherArray.from_bytes(client, message[:6] + b"\xff\xff\xff\xff" + message[10:])


@pytest.mark.parametrize(
    "header",
    [b"[]", b"null", b"{}", b"[" * 5000, b'{"kind": 1}', b"\xff\xfe",
     b'{"kind": "ciphertexts", "length": 0, "meta": 5, "sha256": ""}',
     json.dumps({"kind": "ciphertexts", "length": 0, "meta": "[]", "sha256": sha256(b"[]").hexdigest()}).encode()],
)  # fmt: skip
def test_odd_headers_are_refused(client, header):
    with pytest.raises(WireFormatError):
        fhenn.CipherArray.from_bytes(client, b"FHENN" + struct.pack(">BI", 1, len(header)) + header)


def test_seal_objects_that_lie_about_their_length_are_refused(client, message):
    _, body = unframe("ciphertexts", message)
    inner = messages.TensealMessage.decode(body)
    good = inner.ciphertexts[0]
    for bad in (good[:-1], good + b"x", b"\x00" + good[1:], good[:3] + b"\x03" + good[4:], good[:10], b""):
        with pytest.raises(WireFormatError):
            wire.load_object(seal.Ciphertext(), client.seal_context, bad)


def test_a_ciphertext_of_other_parameters_is_refused(client, small):
    foreign = wire.save_object(ts.ckks_vector(small, [1.0]).ciphertext()[0])
    with pytest.raises(WireFormatError, match="SEAL refuses"):
        wire.load_object(seal.Ciphertext(), client.seal_context, foreign)


def test_the_codec_reads_and_writes_what_tenseal_does(small):
    for value in (
        ts.ckks_vector(small, [1.0, 2.0]),
        ts.ckks_tensor(small, [[1.0, 2.0]]),
        ts.ckks_tensor(small, [[1.0, 2.0]], batch=True),
    ):
        data = value.serialize()
        assert messages.TensealMessage.decode(data).encode() == data


def test_a_ciphertext_of_three_parts_is_refused(client):
    array = fhenn.encrypt(client, [1.0])
    square = seal.Ciphertext()
    client.evaluator.square(array.ciphertexts[0], square)
    odd = replace(array, ciphertexts=(square,), scale=square.scale)
    with pytest.raises(WireFormatError, match="3 polynomials"):
        fhenn.CipherArray.from_bytes(client, odd.to_bytes())


def test_objects_inside_a_context_are_checked(client):
    meta, body = unframe("evaluation-context", client.to_bytes())
    outer = dict(protobuf.read_fields("context", body))
    objects = [outer[1], *(value for number, value in protobuf.read_fields("context", outer[2]) if number in (1, 4))]
    assert len(objects) == 3
    for value in objects:
        altered = body.replace(value, value[:8] + bytes([value[8] ^ 1]) + value[9:])
        with pytest.raises(WireFormatError, match="SEAL object states"):
            fhenn.Context.from_bytes(frame("evaluation-context", meta, altered))


def test_a_context_of_another_scheme_is_refused():
    bfv = ts.context(ts.SCHEME_TYPE.BFV, 4096, plain_modulus=1032193, n_threads=1)
    body = bfv.serialize(save_secret_key=False)
    with pytest.raises(WireFormatError, match="CKKS"):
        fhenn.Context.from_bytes(frame("evaluation-context", {"rotation_keys": 0, "fingerprint": ""}, body))


def test_without_memfd_a_temporary_file_does(small, monkeypatch):
    monkeypatch.delattr("os.memfd_create", raising=False)
    ciphertext = ts.ckks_vector(small, [1.0]).ciphertext()[0]
    context = fhenn.Context.from_tenseal(small)
    again = wire.load_object(seal.Ciphertext(), context.seal_context, wire.save_object(ciphertext))
    assert again.scale == ciphertext.scale
