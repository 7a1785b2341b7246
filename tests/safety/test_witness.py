"""Witnesses end to end: parity with the twin, alarms by sample, what a client does about them."""

import numpy as np
import pytest

import fhenn
from fhenn.errors import AnswerMismatch, ParameterError, PlanError, RangeViolation, RangeWarning, WireFormatError
from fhenn.session.answer import Answer, Binding
from fhenn.session.receipt import digest_of
from fhenn.wire import frame

rng = np.random.default_rng(1)


def ignoring(model):
    nodes = [n.with_policy("ignore") if isinstance(n, fhenn.Activation) else n.fresh() for n in model.nodes]
    return fhenn.Sequential(nodes, finish=model.finish)


def linear(outputs, width, reach):
    weight = rng.normal(size=(outputs, width))
    return fhenn.Linear(weight * reach / np.abs(weight).sum(axis=1, keepdims=True))


ONE = ignoring(fhenn.Sequential([linear(1, 6, 9.0), fhenn.Sigmoid()]))
MODELS = {
    "one activation": (ONE, {}),
    "one activation, throughput": (ONE, {"layout": "throughput"}),
    "hidden": (ignoring(fhenn.Sequential([linear(5, 6, 9.0), fhenn.Sigmoid(), linear(3, 5, 1.0)])), {}),
    "hidden, throughput": (
        ignoring(fhenn.Sequential([linear(5, 6, 9.0), fhenn.Sigmoid(), linear(3, 5, 1.0)], finish="argmax")),
        {"layout": "throughput", "witness": 8},
    ),
    "hidden, samples together": (
        ignoring(fhenn.Sequential([linear(5, 6, 9.0), fhenn.Sigmoid(), linear(3, 5, 1.0)])),
        {"samples": 4, "witness": 4},
    ),
    # degree 8 takes three levels, where the activation and the layer behind it take two
    "hidden, of one level": (
        ignoring(fhenn.Sequential([linear(5, 6, 9.0), fhenn.Softplus((-4, 4), degree=2), linear(3, 5, 1.0)])),
        {"witness": 8},
    ),
    "hidden, of one level, throughput": (
        ignoring(fhenn.Sequential([linear(5, 6, 9.0), fhenn.Softplus((-4, 4), degree=2), linear(3, 5, 1.0)])),
        {"witness": 8, "layout": "throughput"},
    ),
    "off centre": (
        ignoring(fhenn.Sequential([linear(3, 6, 6.0), fhenn.Sigmoid(domain=(-3, 5), degree=5), linear(2, 3, 1.0)])),
        {"witness": 4},
    ),
    "composite": (ignoring(fhenn.Sequential([linear(2, 6, 1.2), fhenn.SignReLU((-1, 1), (3, 3))])), {}),
    "two activations": (
        ignoring(
            fhenn.Sequential([linear(4, 6, 6.0), fhenn.Sigmoid(), linear(2, 4, 6.0), fhenn.Tanh((-2, 2), degree=3)])
        ),
        {"witness": 4},
    ),
}


def reference(model, witness, x):
    """The witness on plaintext, and the largest |t| of each sample."""
    for node in model.nodes[: witness.place]:
        x = node.infer(x)
    low, high = witness.domain
    t = (x - (low + high) / 2) / ((high - low) / 2)
    if witness.neurons == 1:
        return t**2, t
    return (t**2 if witness.degree == 2 else witness.polynomial(x)).sum(axis=1, keepdims=True), t


QUICK = ("one activation, throughput", "hidden, throughput")


@pytest.mark.thorough
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.thorough) for name in MODELS]
)
def test_it_is_what_the_twin_says_and_misses_nothing(name):
    model, how = MODELS[name]
    how = {"witness": True} | how
    plan = fhenn.plan(model, bounds=[-1, 1], **how)
    client = fhenn.Client(plan.public())
    server = fhenn.Server(model, plan, client.evaluation_keys())
    x = np.concatenate([rng.uniform(-1, 1, (3, 6)), np.sign(model.nodes[0].weight[:1]), rng.uniform(-0.1, 0.1, (2, 6))])
    answer = server.predict(client.encrypt(x))
    twin = model.finished(model.infer(x))
    plain = server.predict(client.encrypt(x), range_check=False)
    parts = Answer.from_bytes(answer)
    assert not Answer.from_bytes(plain).witnesses
    for each in (answer, plain):
        scores = client.decrypt_scores(each, on_violation="mask", range_check=each is answer)
        assert np.abs(np.ma.getdata(scores) - model.infer(x)).max() <= plan.error
    expected = set()
    for witness, message in zip(plan.witnesses, parts.witnesses, strict=True):
        numbers = fhenn.decrypt(client._context, fhenn.CipherArray.from_bytes(client._context, message))
        values, t = reference(model, witness, x)
        spare = witness.threshold - (2 * witness.neurons if witness.degree > 2 else 1 - witness.error)
        # beyond the domain the error grows with the polynomial
        allowed = witness.error * np.maximum(1, np.abs(values))
        assert np.all(np.abs(numbers - spare - values) <= allowed)
        alarms = witness.alarms(numbers)
        largest = np.abs(t).max(axis=1)
        assert alarms[largest > 1 + 1e-9].all(), "a miss"
        assert not alarms[largest < witness.inner].any(), "a false alarm outside the stated zone"
        assert (largest < witness.inner).any()
        if witness.place == 1:
            assert (largest > 1).any()
        expected |= set(np.flatnonzero(alarms))
    masked = client.decrypt(answer, on_violation="mask")
    assert expected <= set(np.flatnonzero(np.ma.getmaskarray(masked).reshape(len(x), -1).any(axis=1)))
    assert client.violations(answer).total == len(x)
    inside = [i for i in range(len(x)) if i not in client.violations(answer).samples]
    if how.get("layout") != "throughput" or model.finish is None:
        assert np.abs(np.ma.getdata(masked)[inside] - twin[inside]).max() <= plan.error


@pytest.fixture(scope="module")
def pair(evaluator):
    plan = fhenn.plan(ONE, bounds=[-1, 1], witness=True, layout="throughput")
    client = fhenn.Client(plan)
    x = np.zeros((4, 6))
    x[2] = np.sign(ONE.nodes[0].weight[0])
    server = fhenn.Server(ONE, plan, client.evaluation_keys())
    return client, server, x, server.predict(client.encrypt(x))


def test_a_violation_is_raised_with_the_samples(pair):
    client, _, _, answer = pair
    with pytest.raises(RangeViolation, match="sample 2;") as caught:
        client.decrypt(answer)
    assert caught.value.report.samples == (2,)
    assert caught.value.report.total == 4
    assert any("witness of Sigmoid" in source for source in caught.value.report.found)


def test_or_masked_or_told(pair):
    client, _, x, answer = pair
    masked = client.decrypt(answer, on_violation="mask")
    assert masked.mask.ravel().tolist() == [False, False, True, False]
    with pytest.warns(RangeWarning, match="1 of 4 samples"):
        scores = client.decrypt(answer, on_violation="warn")
    assert np.abs(scores - ONE.infer(x)).max() < 1e-3
    with pytest.raises(ParameterError, match="on_violation"):
        client.decrypt(answer, on_violation="ignore")


def test_nothing_is_said_where_all_is_well(pair):
    client, server, x, _ = pair
    answer = server.predict(client.encrypt(x[:2]))
    assert client.violations(answer) is None
    assert client.decrypt(answer, on_violation="mask").mask.sum() == 0
    assert client.decrypt(answer).shape == (2, 1)


def test_an_answer_without_the_witness_that_was_asked_for_is_refused(pair):
    client, server, x, answer = pair
    without = server.predict(client.encrypt(x[:2]), range_check=False)
    for read in (client.decrypt, client.decrypt_scores, client.violations):
        with pytest.raises(AnswerMismatch, match="number of witnesses is 0, expected 1"):
            read(without)
    assert client.decrypt(without, range_check=False).shape == (2, 1)
    assert client.decrypt(answer, on_violation="mask").shape == (4, 1)


def test_a_plan_without_witnesses_gives_none():
    plan = fhenn.plan(ONE, bounds=[-1, 1])
    client = fhenn.Client(plan)
    server = fhenn.Server(ONE, plan, client.evaluation_keys())
    upload = client.encrypt(np.zeros(6))
    assert not Answer.from_bytes(server.predict(upload)).witnesses
    with pytest.raises(PlanError, match="witness=True"):
        server.witnessed(fhenn.CipherArray.from_bytes(server.context, upload))


def test_altered_answers_are_refused(pair):
    client, server, x, answer = pair
    parts = Answer.from_bytes(answer)
    other = server.predict(client.encrypt(x[:1]))
    bad = [
        answer[:-1],
        answer + b"x",
        Answer(parts.result, parts.witnesses * 2, parts.binding).to_bytes(),
        frame("answer", {}, parts.result),
        frame("answer", {"sizes": []}, b""),
        frame("answer", {"sizes": [len(parts.result), True]}, parts.result + b"x"),
        frame("answer", {"sizes": [len(parts.result) + 1]}, parts.result),
        frame("answer", {"sizes": [-1, len(parts.result) + 1]}, parts.result),
        Answer(parts.result, (parts.witnesses[0][:-1],), parts.binding).to_bytes(),
        Answer(parts.witnesses[0][:40], parts.witnesses, parts.binding).to_bytes(),
        Answer(parts.result, (other,), parts.binding).to_bytes(),
        b"",
        b"FHENN",
    ]
    for message in bad:
        with pytest.raises(WireFormatError):
            client.decrypt(message)


def test_a_certificate_excludes_outputs_too():
    model = fhenn.Sequential([fhenn.Linear([[1.0, 1.0]])])
    plan = fhenn.plan(model, bounds=[-1, 1])
    certificate = fhenn.certify(model, [-1, 1], plan)
    client = fhenn.Client(plan, certificate=certificate)
    lying = fhenn.Sequential([fhenn.Linear([[1.0, 1.0]], [1.2])])
    server = fhenn.Server(lying, fhenn.plan(lying, bounds=[-1, 1]), client.evaluation_keys())
    upload = client.encrypt([[1.0, 1.0], [0.0, 0.0]])
    result = server.evaluate(fhenn.CipherArray.from_bytes(server.context, upload)).to_bytes()
    answer = Answer(result, (), Binding(0, digest_of(upload), plan.model, plan.fingerprint)).to_bytes()  # a forgery
    with pytest.raises(RangeViolation, match="certificate") as caught:
        client.decrypt(answer)
    assert caught.value.report.samples == (0,)
