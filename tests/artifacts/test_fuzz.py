"""No bytes take a reader down: they are refused with a reason, or are garbage for whoever sent them."""

import json
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_golden import FOLDER
from support import at_length

import fhenn
from fhenn import artifacts
from fhenn.errors import AnswerMismatch, ContextMismatch, FhennError, WireFormatError
from fhenn.session import Receipt, receipt_of, split
from fhenn.session.ids import IdsOfParts
from fhenn.session.refusal import Refusal
from fhenn.session.stream import End
from fhenn.wire import VERSION, frame, header_of, unframe

GOLDEN = {path.name.partition(".")[0]: path.read_bytes() for path in FOLDER.glob(f"*.v{VERSION}.fhenn")}
NAMES = sorted(GOLDEN)
STREAMS = {"stream", "stream-answer", "ids"}
"""Of several messages."""


@pytest.fixture(scope="module")
def readers():
    plan = artifacts.plan_from_bytes(GOLDEN["plan"])
    model = artifacts.model_from_bytes(GOLDEN["model"])
    server = fhenn.Server(model, plan, GOLDEN["evaluation-context"])
    client = fhenn.Client.from_secret_bytes(plan, GOLDEN["secret-key"])
    sent = receipt_of(split(GOLDEN["stream"]))
    return {
        "model": artifacts.model_from_bytes,
        "plan": artifacts.plan_from_bytes,
        "certificate": artifacts.certificate_from_bytes,
        "secret-key": lambda data: fhenn.Client.from_secret_bytes(plan, data),
        "evaluation-context": lambda data: fhenn.Server(model, plan, data),
        "ciphertexts": server.predict,
        "answer": partial(client.decrypt_scores, unbound=True),
        "receipt": Receipt.from_bytes,
        "end": End.from_bytes,
        "refusal": Refusal.from_bytes,
        "stream": lambda data: list(server.predict_stream(data)),
        "ids": lambda data: list(IdsOfParts(split(data), sent)),
        "stream-answer": lambda data: list(client.decrypt_stream(data, receipt=sent)),
    }


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_what_was_altered_on_the_way_is_refused(readers, data):
    """Bit flips, cuts, insertions, other versions, lying sizes: the digest or the header says no, before anything."""
    name = data.draw(st.sampled_from(NAMES))
    message = GOLDEN[name]
    at = data.draw(st.one_of(st.integers(0, min(400, len(message) - 1)), st.integers(0, len(message) - 1)))
    kind = data.draw(st.sampled_from(["flip", "cut", "insert", "version", "claim", "more"]))
    altered = {
        "flip": lambda: message[:at] + bytes([message[at] ^ data.draw(st.integers(1, 255))]) + message[at + 1 :],
        "cut": lambda: message[:at],
        "insert": lambda: message[:at] + b"\x00" + message[at:],
        "version": lambda: message[:5] + bytes([data.draw(st.sampled_from([0, 1, 255]))]) + message[6:],
        "claim": lambda: message[:6] + data.draw(st.binary(min_size=4, max_size=4)) + message[10:],
        "more": lambda: message + data.draw(st.binary(min_size=1, max_size=64)),
    }[kind]()
    if altered == message:
        return
    try:
        readers[name if name in STREAMS else header_of(message).kind](altered)
    except WireFormatError as error:
        assert str(error)
    except AnswerMismatch:  # what a header says of an answer is looked at before the digest
        assert name == "stream-answer"
    else:
        pytest.fail("taken")


def test_a_header_is_taken_to_the_byte(readers):
    """Blanks and further fields of a header are in no digest."""
    message = GOLDEN["certificate"]
    size = int.from_bytes(message[6:10], "big")
    header = message[10 : 10 + size]
    for other in (header.replace(b": ", b":\t"), header.replace(b"{", b"{ ", 1), header[:-1] + b', "more": 1}'):
        altered = message[:6] + len(other).to_bytes(4, "big") + other + message[10 + size :]
        with pytest.raises(WireFormatError, match="header"):
            readers["certificate"](altered)


@pytest.mark.parametrize("kind", ["model", "plan", "certificate", "secret-key", "evaluation-context", "ciphertexts"])
def test_no_kind_is_taken_for_another(readers, kind):
    for name in NAMES:
        if header_of(GOLDEN[name]).kind != kind:
            with pytest.raises(WireFormatError, match=r"it is (an?|the end of a) "):
                readers[kind](GOLDEN[name])


def test_another_clients_messages_are_refused(readers):
    other = fhenn.Client(artifacts.plan_from_bytes(GOLDEN["plan"]))
    with pytest.raises(ContextMismatch):
        readers["ciphertexts"](other.encrypt([0.0, 0.0, 0.0]))
    meta, body = unframe("ciphertexts", other.encrypt([0.0, 0.0, 0.0]))
    own = header_of(GOLDEN["ciphertexts"]).meta["fingerprint"]
    answer = readers["ciphertexts"](frame("ciphertexts", meta | {"fingerprint": own}, body))
    assert isinstance(answer, bytes)  # a lie about whose it is: garbage for the sender


@pytest.mark.parametrize("meta", [{}, {"fingerprint": None}, {"fingerprint": []}, {"rotation_keys": -1}])
def test_meta_data_that_are_missing_or_odd(readers, meta):
    for name in NAMES:
        kind = header_of(GOLDEN[name]).kind
        if name not in STREAMS and kind not in ("plan", "certificate", "answer", "receipt"):
            with pytest.raises(FhennError):
                readers[kind](frame(kind, meta, unframe(kind, GOLDEN[name])[1]))


def fuzz(seed, count, folder):
    """Outcomes of mutated bodies whose digests match, read by another process. Fails where that dies."""
    script, last = Path(__file__).parent / "fuzzing.py", folder / f"last-{seed}.bin"
    run = subprocess.run(
        [sys.executable, script, str(seed), str(count), last], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, f"{last}: {run.returncode}\n{run.stderr[-3000:]}"
    return Counter(json.loads(run.stdout))


@pytest.mark.thorough
def test_structure_is_checked_behind_a_digest_that_matches(tmp_path):
    outcomes = fuzz(7, 200, tmp_path)
    assert sum(outcomes.values()) == 200
    refused = sum(count for outcome, count in outcomes.items() if outcome.endswith("refused"))
    assert refused > 140


@at_length("count", 1000, 5000)
@pytest.mark.parametrize("seed", range(2))
def test_structure_at_length(tmp_path, seed, count):
    assert sum(fuzz(seed, count, tmp_path).values()) == count
