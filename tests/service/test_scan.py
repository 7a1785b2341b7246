import json
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from service_harness import PLAN, samples
from support import seal_of

import fhenn
from fhenn.errors import WireFormatError
from fhenn.service.scan import KeyScanner, SecretKeyFound
from fhenn.wire import frame


@pytest.fixture(scope="module")
def client():
    return fhenn.Client(PLAN)


@pytest.fixture(scope="module")
def with_secret(client):
    body = seal_of(client._context).tenseal.serialize(save_secret_key=True)
    return frame("evaluation-context", {"fingerprint": "x", "rotation_keys": 0}, body)


def fed(data, step, size=None):
    scanner = KeyScanner(len(data) if size is None else size)
    for start in range(0, len(data), step):
        scanner.feed(data[start : start + step])
    return scanner


@pytest.mark.parametrize("step", [997, 1 << 14, 1 << 30])
def test_good_keys_pass_in_pieces_of_any_size(client, step):
    keys = client.evaluation_keys()
    scanner = fed(keys, step)
    assert (scanner.seen, scanner.hexdigest) == (len(keys), sha256(keys).hexdigest())


@pytest.mark.parametrize("step", [1, 1000, 1 << 30])
def test_a_secret_key_is_seen_before_its_bytes_are_taken(client, with_secret, step):
    secret = with_secret[-2000:-1900]
    scanner, taken = KeyScanner(len(with_secret)), b""
    with pytest.raises(SecretKeyFound):
        for start in range(0, len(with_secret), step):
            piece = with_secret[start : start + step]
            scanner.feed(piece)
            taken += piece  # only what the scanner let pass
    assert secret not in taken
    with pytest.raises(SecretKeyFound):
        fed(client.secret_bytes(), step)


def test_what_is_no_keys_is_refused(client, with_secret):
    keys = client.evaluation_keys()
    for data, reason in [
        (client.encrypt(samples(np.random.default_rng(0))), "'ciphertexts'"),
        (b"\x08\x01" + keys, "start"),
        (b"FHENN\x01\xff\xff\xff\xff" + keys, "claims"),
        (b"FHENN\x09" + keys[6:], "version"),
        (frame("evaluation-context", {}, b""), "not readable"),
        (frame("evaluation-context", {"rotation_keys": 7}, b"abc"), "not readable"),
        (frame("evaluation-context", {"rotation_keys": 0}, b"\x0b"), "wire type"),
        (frame("evaluation-context", {"rotation_keys": 0}, b"\xff" * 40), "too long"),
    ]:
        for step in (1, 1 << 30):
            with pytest.raises(WireFormatError, match=reason):
                fed(data, step)
    with pytest.raises(WireFormatError, match="their header makes it"):
        fed(keys, 1 << 30, len(keys) + 1)


@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=60), rotations=st.integers(-2, 70), step=st.integers(1, 30))
def test_whatever_comes_is_passed_or_refused_however_it_is_cut(body, rotations, step):
    data = frame("evaluation-context", {"rotation_keys": rotations}, body)

    def outcome(size):
        try:
            return fed(data, size).hexdigest
        except (WireFormatError, SecretKeyFound) as error:
            return type(error)

    assert outcome(step) == outcome(1 << 30)


@settings(max_examples=40, deadline=None)
@given(
    header=st.binary(max_size=40)
    | st.builds(
        lambda value: json.dumps(value).encode(),
        st.dictionaries(
            st.sampled_from(["kind", "length", "meta", "sha256"]), st.none() | st.integers() | st.text(max_size=5)
        ),
    )
)
def test_whatever_header_comes_is_refused(header):
    data = b"FHENN\x01" + len(header).to_bytes(4, "big") + header
    with pytest.raises((WireFormatError, SecretKeyFound)):
        fed(data, 7)
