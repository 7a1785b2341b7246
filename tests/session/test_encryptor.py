"""Encryption with the public key alone."""

import pickle

import numpy as np
import pytest

import fhenn
from fhenn.ckks import CipherArray
from fhenn.ckks.noise import NoiseModel, noise_model
from fhenn.errors import BoundsExceeded, PlanError, WireFormatError
from fhenn.planner.verification import errors_on
from fhenn.session import Receipt, receipt_of

MODEL = fhenn.Sequential([fhenn.Linear([[0.5, -0.5], [0.25, 0.5]]), fhenn.Sigmoid(), fhenn.Linear([[1.0, -1.0]])])
rng = np.random.default_rng(19)


class Public:
    """All three sides of a model: who encrypts, who computes, who decrypts."""

    def __init__(self, model=MODEL, **how):
        self.model, self.plan = model, fhenn.plan(model, bounds=[-1, 1], public_key=True, **how)
        self.client = fhenn.Client(self.plan)
        self.keys = self.client.evaluation_keys()
        self.encryptor = fhenn.Encryptor(self.plan.public(), self.keys)
        self.server = fhenn.Server(model, self.plan, self.keys)


@pytest.fixture(scope="module", params=["latency", "throughput"])
def public(evaluator, request):
    return Public(layout=request.param)


@pytest.mark.thorough
def test_its_uploads_are_answered_and_decrypted(public):
    x = rng.uniform(-1, 1, (7, 2))
    upload = public.encryptor.encrypt(x)
    found = public.client.decrypt(public.server.predict(upload), receipt=Receipt.of(upload))
    assert np.abs(found - MODEL.forward(x)).max() <= public.plan.error
    assert 1.9 < len(upload) / len(public.client.encrypt(x)) < 2.1
    assert public.plan.cost(7).up == pytest.approx(len(upload), rel=0.03)  # a limit on uploads holds for either key
    assert public.encryptor.fingerprint == public.client.fingerprint


@pytest.mark.thorough
def test_streams_of_processes(public, monkeypatch):
    monkeypatch.setattr("fhenn.session.encryption._PART", 1)
    monkeypatch.setattr("fhenn.session.stream.FEW", 1)
    x = rng.uniform(-1, 1, (2 * public.plan.samples_per_ciphertext + 1, 2))
    stream = public.encryptor.encrypt_stream(x, workers=2)
    upload = list(stream)
    assert receipt_of(upload) == stream.receipt
    answers = public.server.predict_stream(upload)
    found = np.concatenate(list(public.client.decrypt_stream(answers, receipt=stream.receipt)))
    assert np.abs(found - MODEL.forward(x)).max() <= public.plan.error


def test_the_stated_error_is_that_of_such_samples():
    """The samples' own error, which is most of what a linear layer makes: as large as stated, and not much smaller."""
    model = fhenn.Sequential([fhenn.Linear(np.eye(2))])
    public = Public(model, layout="throughput", accuracy=1e-3)
    x = rng.uniform(-1, 1, (public.plan.samples_per_ciphertext, 2))
    upload = public.encryptor.encrypt(x)
    off = public.client.decrypt(public.server.predict(upload), receipt=Receipt.of(upload)) - model.forward(x)
    assert 0.9 < off.std() / public.plan.deviation < 1.1
    assert np.abs(off).max() <= public.plan.error


@pytest.mark.parametrize("depth", [1, 4])
def test_the_noise_of_a_fresh_ciphertext(depth, on):
    parameters = fhenn.Parameters.for_depth(depth)
    degree = parameters.ring_degree
    context = fhenn.Context.generate(parameters)
    model = noise_model(degree, parameters.primes)
    values = np.zeros(context.slots)
    array = fhenn.encrypt(on(context.public()), values)
    off = fhenn.decrypt(context, CipherArray.from_bytes(context, array.to_bytes()))
    stated = NoiseModel(degree, model.primes, model.special, public_key=True).encryption
    assert 0.9 < off.std() * context.scale / np.hypot(stated.laplace, stated.normal) < 1.1
    assert model.encryption.laplace == 0.0


@pytest.mark.thorough
def test_a_plan_that_does_not_count_it_is_refused(public):
    plan = fhenn.plan(MODEL, bounds=[-1, 1])
    client = fhenn.Client(plan)
    with pytest.raises(PlanError, match="public_key=True"):
        fhenn.Encryptor(plan, client.evaluation_keys())
    assert plan.fingerprint != public.plan.fingerprint
    assert "public_key" in plan.to_json()
    other = Public(fhenn.Linear([[1.0, 2.0]]))
    with pytest.raises(PlanError, match="other parameters"):
        fhenn.Encryptor(public.plan, other.keys)
    with pytest.raises(WireFormatError):
        fhenn.Encryptor(public.plan, public.client.secret_bytes())
    with pytest.raises(BoundsExceeded):
        public.encryptor.encrypt([[2.0, 0.0]])


def test_another_evaluator_errs_on_such_samples_too(public):
    for name in ("seal", "native"):
        evaluator = public.plan.suited(fhenn.backends.evaluator(name))
        plain = fhenn.backends.evaluator(name)
        assert errors_on(public.plan, MODEL, evaluator)[0] > errors_on(public.plan, MODEL, plain)[0]


def test_it_holds_nothing_secret(public):
    again = pickle.loads(pickle.dumps(public.encryptor))  # noqa: S301  (our own)
    assert again.fingerprint == public.encryptor.fingerprint
    assert "Encryptor(N=" in repr(again)


@pytest.mark.parametrize("value", [1, None, "yes"], ids=repr)
def test_an_argument_that_is_no_bool(value):
    with pytest.raises(fhenn.errors.ParameterError, match="public_key"):
        fhenn.plan(MODEL, bounds=[-1, 1], public_key=value)
