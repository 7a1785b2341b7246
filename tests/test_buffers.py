"""Buffers are bytes wherever bytes are taken, and what a buffer's owner changes later does not matter."""

import numpy as np
import pytest

import fhenn
from fhenn import CipherArray, Context, artifacts
from fhenn.errors import FhennError, UnsupportedValue
from fhenn.interop import ImportedModel, Reading
from fhenn.session.answer import Answer
from fhenn.session.receipt import Receipt
from fhenn.wire import as_bytes, header_of, unframe

MODEL = ImportedModel([fhenn.Linear([[1.0, -1.0]])], Reading.regression())
PLAN = fhenn.plan(MODEL, bounds=[-1, 1])
CLIENT = fhenn.Client(PLAN)
SERVER = fhenn.Server(MODEL, PLAN, CLIENT.evaluation_keys())
UPLOAD = CLIENT.encrypt([[0.5, 0.25]])
ANSWER = SERVER.predict(UPLOAD)
CERTIFICATE = fhenn.certify(MODEL, [-1, 1], PLAN)

KINDS = {
    "bytearray": bytearray,
    "memoryview": memoryview,
    "slices": lambda data: memoryview(b"".join(bytes([byte, 0]) for byte in data))[::2],
    "uint8": lambda data: np.frombuffer(data, np.uint8),
}
DOORS = {
    "Client.from_secret_bytes": (lambda d: fhenn.Client.from_secret_bytes(PLAN, d).fingerprint, CLIENT.secret_bytes()),
    "Client.decrypt": (lambda d: CLIENT.decrypt(d).tolist(), ANSWER),
    "Client.decrypt_scores": (lambda d: CLIENT.decrypt_scores(d).tolist(), ANSWER),
    "Client.violations": (CLIENT.violations, ANSWER),
    "Server": (lambda d: fhenn.Server(MODEL, PLAN, d).context.fingerprint, CLIENT.evaluation_keys()),
    "Server.predict": (lambda d: CLIENT.decrypt(SERVER.predict(d)).round(2).tolist(), UPLOAD),
    "Answer.from_bytes": (lambda d: Answer.from_bytes(d).to_bytes(), ANSWER),
    "Receipt.of": (Receipt.of, UPLOAD),
    "Receipt.from_bytes": (Receipt.from_bytes, Receipt.of(UPLOAD).to_bytes()),
    "Context.from_bytes": (lambda d: Context.from_bytes(d).fingerprint, CLIENT.evaluation_keys()),
    "CipherArray.from_bytes": (lambda d: CipherArray.from_bytes(SERVER.context, d).shape, UPLOAD),
    "model_from_bytes": (
        lambda d: artifacts.model_from_bytes(d).nodes[0].weight.tolist(),
        artifacts.model_to_bytes(MODEL),
    ),
    "plan_from_bytes": (artifacts.plan_from_bytes, artifacts.plan_to_bytes(PLAN, MODEL)),
    "reading_from_bytes": (artifacts.reading_from_bytes, artifacts.plan_to_bytes(PLAN, MODEL)),
    "certificate_from_bytes": (artifacts.certificate_from_bytes, artifacts.certificate_to_bytes(CERTIFICATE)),
    "header_of": (header_of, UPLOAD),
    "unframe": (lambda d: unframe("ciphertexts", d), UPLOAD),
    "Plan.from_json": (fhenn.Plan.from_json, PLAN.to_json().encode()),
    "Certificate.from_json": (fhenn.Certificate.from_json, CERTIFICATE.to_json().encode()),
    "Reading.from_json": (Reading.from_json, MODEL.reading.to_json().encode()),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("door", DOORS)
def test_a_buffer_is_its_bytes(door, kind):
    read, data = DOORS[door]
    assert read(KINDS[kind](data)) == read(data)


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_written_from_buffers(tmp_path, kind):
    artifacts.write(tmp_path / "upload", KINDS[kind](UPLOAD))
    assert (tmp_path / "upload").read_bytes() == UPLOAD


@pytest.mark.parametrize(
    "what", [None, "text", 5, [1, 2], np.zeros(3), np.zeros(4, np.uint32), memoryview(b"8" * 8).cast("d")]
)
def test_what_holds_no_bytes_is_refused(what, tmp_path):
    with pytest.raises(UnsupportedValue, match="expected bytes"):
        as_bytes("a message", what)
    with pytest.raises(UnsupportedValue):
        artifacts.write(tmp_path / "file", what)
    for read, _ in DOORS.values():
        with pytest.raises(FhennError):
            read(what)


def test_a_buffer_may_change_afterwards():
    held = bytearray(UPLOAD)
    view = memoryview(held)
    receipt, answer = Receipt.of(view), SERVER.predict(view)
    held[:] = bytes(len(held))
    assert CLIENT.decrypt(answer, receipt=receipt).shape == (1, 1)
