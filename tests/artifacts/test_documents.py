import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fhenn
from fhenn import artifacts
from fhenn.errors import WireFormatError
from fhenn.interop import ImportedModel, Reading
from fhenn.planner import fingerprint_of
from fhenn.session.answer import Answer
from fhenn.wire import frame, header_of, unframe


@pytest.fixture(scope="module")
def model():
    return ImportedModel([fhenn.Linear([[1.0, -1.0]])], Reading.classification(["no", "yes"], features=["a", "b"]))


@pytest.fixture(scope="module")
def plan(model):
    return fhenn.plan(model, bounds=[-1, 1])


def test_a_plan_with_the_reading_and_fingerprint_of_its_model(model, plan):
    data = artifacts.plan_to_bytes(plan.public(), model)
    assert artifacts.plan_from_bytes(data) == plan.public()
    assert artifacts.reading_from_bytes(data) == model.reading
    meta = header_of(data).meta
    assert meta["model"] == fingerprint_of(model)
    assert meta["parameters"] == plan.parameters.fingerprint
    assert artifacts.reading_from_bytes(artifacts.plan_to_bytes(plan, fhenn.Linear([[1.0, -1.0]]))) is None


def test_fingerprints_agree_over_the_kinds(model, plan):
    client = fhenn.Client(plan)
    certificate = artifacts.certificate_to_bytes(fhenn.certify(model, [-1, 1], plan))
    upload = client.encrypt([[0.5, 0.5]])
    answer = fhenn.Server(model, plan, client.evaluation_keys()).predict(upload)
    named = header_of(answer).meta["binding"]
    assert (named["model"], named["plan"]) == (fingerprint_of(model), plan.fingerprint)
    result = Answer.from_bytes(answer).result
    sent = [client.secret_bytes(), client.evaluation_keys(), upload, result, certificate]
    assert {header_of(data).meta["parameters"] for data in sent} == {plan.parameters.fingerprint}
    assert {header_of(data).meta["fingerprint"] for data in sent[:-1]} == {client.fingerprint}
    assert header_of(certificate).meta["model"] == fingerprint_of(model)


def test_a_certificate(model, plan):
    for certificate in (fhenn.certify(model, [-1, 1], plan), fhenn.certify(model, [-1, 1])):
        assert artifacts.certificate_from_bytes(artifacts.certificate_to_bytes(certificate)) == certificate


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"5", b"{}", b'{"plan": 5, "reading": null}', b'{"plan": "{}", "reading": null}',
     b'{"plan": "{}"}', b'{"plan": "", "reading": null, "more": 1}', b"[" * 100_000, b"\xff"],
)  # fmt: skip
def test_odd_plans_are_refused(body):
    with pytest.raises(WireFormatError, match="plan"):
        artifacts.plan_from_bytes(frame("plan", {}, body))
    with pytest.raises(WireFormatError, match="certificate"):
        artifacts.certificate_from_bytes(frame("certificate", {}, body))


def test_an_odd_reading_is_refused(plan, model):
    meta, body = unframe("plan", artifacts.plan_to_bytes(plan, model))
    for reading in ("{}", 5, json.dumps({"kind": "fhenn-reading", "version": 2})):
        changed = json.dumps(json.loads(body) | {"reading": reading}).encode()
        with pytest.raises(WireFormatError):
            artifacts.reading_from_bytes(frame("plan", meta, changed))


def test_one_kind_is_not_another(plan, model):
    with pytest.raises(WireFormatError, match="is a plan, where"):
        artifacts.model_from_bytes(artifacts.plan_to_bytes(plan, model))
    with pytest.raises(WireFormatError, match="is a model, where"):
        artifacts.plan_from_bytes(artifacts.model_to_bytes(model))
    with pytest.raises(WireFormatError, match="is a model, where"):
        artifacts.certificate_from_bytes(artifacts.model_to_bytes(model))


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused(body):
    for read in (artifacts.plan_from_bytes, artifacts.certificate_from_bytes, artifacts.reading_from_bytes):
        with pytest.raises(WireFormatError):
            read(body)
