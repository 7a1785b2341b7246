"""Clients with SEAL 4.1, as browsers have it: the same answers as those with TenSEAL's 4.3, to the bit."""

from hashlib import sha256

import numpy as np
import pytest
from seal_versions import keys_in, upload_in
from service_harness import FEATURES, samples

import fhenn
from fhenn.ckks.headers import form_of
from fhenn.ckks.messages import EvaluationMessage, TensealMessage
from fhenn.errors import WireFormatError
from fhenn.session.answer import Answer
from fhenn.wire import unframe

PREDICT = "/v1/models/cancer/predictions"
FIRST, MIXED = (lambda place: 1), (lambda place: 1 + place % 3)


def model(activation=fhenn.Square):
    """Rotations, and a product to relinearise."""
    weight = np.random.default_rng(5).normal(size=(2, FEATURES)) / FEATURES
    return fhenn.Sequential([fhenn.Linear(weight), activation()])


@pytest.mark.parametrize("evaluator", ["native", "seal"])
def test_answers_are_the_same_to_the_bit(evaluator):
    network = model()
    plan = fhenn.plan(network, bounds=[-1, 1], accuracy=0.01)
    client = fhenn.Client(plan)
    assert plan.rotations
    upload, keys = client.encrypt(np.linspace(-1, 1, FEATURES)[None]), client.evaluation_keys()
    server = fhenn.Server(network, plan, keys)
    wanted = Answer.from_bytes(server.predict(upload)).result
    chain = EvaluationMessage.decode(keys)[1].chain
    for form in ("packed", "plain", "zstandard"):
        for minors in (FIRST, MIXED):
            older, older_keys = upload_in(upload, chain, form, minors), keys_in(keys, form, minors)
            assert older != upload and older_keys != keys
            for of, sent in ((keys, older), (older_keys, upload), (older_keys, older)):
                answer = fhenn.Server(network, plan, of).predict(sent)
                assert Answer.from_bytes(answer).result == wanted, (form, of is keys)
    for major, minor in ((4, 0), (4, 9), (5, 1)):
        unknown = lambda place, minor=minor: minor  # noqa: E731
        for form in ("packed", "plain", "zstandard"):
            with pytest.raises(WireFormatError, match=rf"SEAL {major}\.{minor}"):
                server.predict(upload_in(upload, chain, form, unknown, major))
            with pytest.raises(WireFormatError, match=rf"SEAL {major}\.{minor}"):
                fhenn.Server(network, plan, keys_in(keys, form, unknown, major))


@pytest.mark.parametrize("evaluator", ["native", "seal"])
def test_answers_are_packed_and_never_compressed(evaluator):
    """Clients without Zstandard read them: browsers cannot reach the headers inside what is compressed."""
    for wishes in ({"witness": True}, {"layout": "throughput"}):
        network = model(fhenn.Sigmoid)
        plan = fhenn.plan(network, bounds=[-1, 1], accuracy=0.01, **wishes)
        client = fhenn.Client(plan)
        keys, upload = client.evaluation_keys(), client.encrypt(np.zeros((3, FEATURES)))
        chain = EvaluationMessage.decode(keys)[1].chain
        for form in ("packed", "plain", "zstandard"):
            sent, of = upload_in(upload, chain, form, FIRST), keys_in(keys, form, FIRST)
            answer = Answer.from_bytes(fhenn.Server(network, plan, of).predict(sent))
            assert len(answer.witnesses) == ("witness" in wishes)
            for message in (answer.result, *answer.witnesses):
                found = TensealMessage.decode(unframe("ciphertexts", message)[1]).ciphertexts
                assert {form_of("it", each) for each in found} == {"packed"}


def test_the_service_takes_keys_and_uploads_of_both(service, hospital):
    x = samples(np.random.default_rng(0), 2)
    upload, keys = hospital.client.encrypt(x), hospital.keys
    chain = EvaluationMessage.decode(keys)[1].chain
    own = hospital.http.post(f"{PREDICT}?keys={hospital.remote.digest}", content=upload)
    wanted = Answer.from_bytes(own.content).result
    with service.http(token=service.token("browser")) as http:

        def put(data):
            digest = sha256(data).hexdigest()
            return digest, http.put(f"/v1/keys/{digest}", content=data)

        for form, minors in (("packed", FIRST), ("plain", MIXED), ("zstandard", FIRST)):
            digest, stored = put(keys_in(keys, form, minors))
            assert stored.status_code == 201, stored.text
            answer = http.post(f"{PREDICT}?keys={digest}", content=upload_in(upload, chain, form, minors))
            assert Answer.from_bytes(answer.content).result == wanted
        for major, minor in ((4, 0), (4, 9), (5, 3)):
            odd = lambda place, minor=minor: minor  # noqa: E731
            sent = upload_in(upload, chain, "plain", odd, major)
            refusals = http.post(f"{PREDICT}?keys={digest}", content=sent), put(keys_in(keys, "plain", odd, major))[1]
            for said in refusals:
                assert (said.status_code, said.json()["type"]) == (422, "urn:fhenn:problem:malformed")
                assert f"SEAL {major}.{minor}, and those of SEAL 4.1 to 4.3 are read" in said.json()["detail"]
