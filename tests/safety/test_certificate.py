"""Certificates, and attacks on them: nothing that is computed ever exceeds what they state."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from support import mostly_thorough

import fhenn
from fhenn.errors import CertificateInvalid, NonFiniteValue, ParameterError, PlanError, ShapeMismatch, WireFormatError
from fhenn.planner import fingerprint_of
from fhenn.safety.certificate import CertifiedActivation

rng = np.random.default_rng(0)


def network(*sizes, activation=None, reach=3.0, finish=None):
    nodes = []
    for width, outputs in pairwise(sizes):
        weight = rng.normal(size=(outputs, width))
        weight *= reach / np.abs(weight).sum(axis=1, keepdims=True)
        node = activation() if activation else fhenn.Sigmoid(on_violation="raise")
        nodes += [fhenn.Linear(weight, rng.normal(size=outputs) / 10), node]
    return fhenn.Sequential(nodes[:-1], finish=finish)


def exact(model, x):
    for node in model.nodes:
        x = node.exact(x) if isinstance(node, fhenn.Activation) else node.infer(x)
    return x


MODELS = {
    "cubic": network(6, 5, 3),
    "deep": network(6, 6, 6, 2),
    "degree 7": network(8, 4, 2, activation=lambda: fhenn.Sigmoid(domain=(-8, 8), degree=7, on_violation="raise")),
    "gelu": network(5, 4, 3, activation=lambda: fhenn.GELU(on_violation="raise"), finish="argmax"),
    "sign relu": network(4, 3, 2, activation=lambda: fhenn.SignReLU(degrees=(5, 5), on_violation="raise")),
    "square": network(5, 4, 1, activation=lambda: fhenn.Square(on_violation="raise")),
}


def attacks(model, count=4000):
    """Random inputs, corners, and corners that climb towards large differences and values."""
    width = model.nodes[0].weight.shape[1]
    x = np.concatenate([rng.uniform(-1, 1, (count, width)), rng.choice([-1.0, 1.0], (count, width))])
    for objective in (lambda v: np.abs(model.infer(v) - exact(model, v)).max(axis=1), lambda v: model.infer(v)[:, 0]):
        best = x[objective(x).argsort()[-20:]]
        for _ in range(10):
            tries = np.clip(best[:, None] + rng.normal(size=(20, 30, width)) / 4, -1, 1).reshape(-1, width)
            best = tries[objective(tries).argsort()[-20:]]
            x = np.concatenate([x, best])
    return x


@pytest.mark.parametrize("name", MODELS)
def test_no_attack_exceeds_what_it_states(name):
    model = MODELS[name]
    certificate = fhenn.certify(model, [-1, 1])
    assert certificate.valid
    x = y = attacks(model)
    stated = iter(certificate.activations)
    for node in model.nodes:
        if isinstance(node, fhenn.Activation):
            bound = next(stated)
            assert bound.low <= y.min()
            assert y.max() <= bound.high
            assert np.abs(node.infer(y) - node.exact(y)).max() <= bound.sup_error
        y = node.infer(y)
    assert certificate.output[0] <= y.min()
    assert y.max() <= certificate.output[1]
    apart = np.abs(y - exact(model, x)).max()
    assert apart <= certificate.approximation == certificate.total
    if name != "square":
        assert certificate.approximation <= 20 * apart  # no bound to be proud of would be infinite


@pytest.mark.parametrize("name", mostly_thorough(["cubic", "gelu"], (0,)))
def test_encrypted_answers_stay_within_the_total(name):
    model = MODELS[name]
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-3)
    certificate = fhenn.certify(model, [-1, 1], plan)
    assert certificate.noise == plan.error
    x = attacks(model, 50)[-8:]
    client = fhenn.Client(plan, certificate=certificate)
    server = fhenn.Server(model, plan, client.evaluation_keys(), certificate=certificate)
    scores = client.decrypt_scores(server.predict(client.encrypt(x)))
    assert np.abs(scores - exact(model, x)).max() <= certificate.total
    assert certificate.margin == (2 if name == "gelu" else 1) * certificate.total
    plain = fhenn.certify(model, [-1, 1])
    assert all(wide.low < narrow.low for wide, narrow in zip(certificate.activations, plain.activations, strict=True))


def test_decisions_beyond_the_margin_are_the_exact_models():
    model = MODELS["gelu"]
    certificate = fhenn.certify(model, [-1, 1])
    x = attacks(model)
    scores = model.infer(x)
    ranked = np.sort(scores, axis=1)
    sure = ranked[:, -1] - ranked[:, -2] > certificate.margin
    assert sure.any()
    assert "encryption         not counted: no plan\n" in str(certificate)
    assert (scores.argmax(axis=1) == exact(model, x).argmax(axis=1))[sure].all()


@pytest.mark.filterwarnings("ignore::fhenn.errors.UnwatchedWarning")
@pytest.mark.thorough
def test_a_model_that_strays_is_not_valid():
    model = network(6, 4, 2, reach=9.0)
    certificate = fhenn.certify(model, [-1, 1])
    assert not certificate.valid
    assert "NOT VALID" in str(certificate)
    assert "leaves its domain" in str(certificate)
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-2)
    with pytest.raises(CertificateInvalid, match="Sigmoid may leave the domain"):
        fhenn.Client(plan, certificate=fhenn.certify(model, [-1, 1], plan))
    assert fhenn.certify(model, [-0.2, 0.2]).valid


def test_a_model_without_activations_has_no_table():
    text = str(fhenn.certify(fhenn.Linear([[1.0, 2.0]]), [-1, 1]))
    assert "there is no activation to leave a domain" in text
    assert "encryption         not counted: no plan" in text
    assert "gain" not in text


def test_far_beyond_a_domain_nothing_is_promised():
    model = fhenn.Sequential([fhenn.Linear([[1e7]]), fhenn.Sigmoid(domain=(-8, 8), degree=9), fhenn.Linear([[1.0]])])
    assert fhenn.certify(model, [-1, 1]).total == np.inf
    sign = fhenn.Sequential([fhenn.Linear([[9.0]]), fhenn.SignReLU(degrees=(3, 3)), fhenn.Linear([[1.0]])])
    assert fhenn.certify(sign, [-1, 1]).total == np.inf


@pytest.mark.thorough
def test_refused_where_it_does_not_hold():
    model, other = MODELS["cubic"], network(6, 5, 3)
    plan = fhenn.plan(model, bounds=[-1, 1])
    keys = fhenn.Client(plan).evaluation_keys()
    good = fhenn.certify(model, [-1, 1], plan)
    fhenn.Server(model, plan, keys, certificate=good)
    for certificate, reason in (
        (fhenn.certify(model, [-1, 1]), "other parameters"),
        (fhenn.certify(model, [-0.5, 0.5], plan), "bounds are wider"),
        (fhenn.certify(other, [-1, 1], fhenn.plan(other, bounds=[-1, 1])), "another model"),
    ):
        with pytest.raises(CertificateInvalid, match=reason):
            fhenn.Server(model, plan, keys, certificate=certificate)
    with pytest.raises(PlanError):
        fhenn.certify(MODELS["deep"], [-1, 1], plan)


def test_fingerprint_tells_weights_and_activations_apart():
    first = fhenn.Linear([[1.0, 2.0]])
    seen = {
        fingerprint_of(fhenn.Sequential(nodes, finish=finish))
        for finish in (None, "sigmoid")
        for nodes in (
            [first],
            [fhenn.Linear([[1.0, 2.0 + 2**-50]])],
            [fhenn.Linear([[1.0, 2.0]], [1e-9])],
            [first, fhenn.Sigmoid()],
            [first, fhenn.Sigmoid(degree=3)],
            [first, fhenn.Sigmoid(domain=(-5, 5), degree=3)],
            [first, fhenn.Tanh(degree=3)],
        )
    }
    assert len(seen) == 14
    assert fingerprint_of(fhenn.Sequential([fhenn.Linear([[1.0, 2.0]])])) in seen


def test_data_certify_their_box_only():
    model = MODELS["cubic"]
    data = rng.uniform(-0.5, 0.5, (40, 6))
    certificate = fhenn.certify(model, inputs=data)
    assert certificate.from_data
    assert "nothing beyond" in str(certificate)
    assert certificate.low == tuple(data.min(axis=0))
    assert not fhenn.certify(model, [-1, 1]).from_data


@pytest.mark.parametrize(
    ("bounds", "error"),
    [
        ([1, -1], ParameterError),
        ([-np.inf, 1], NonFiniteValue),
        ([[-1] * 5, [1] * 5], ShapeMismatch),
        ([0.0], ShapeMismatch),
        (np.full((10, 6), np.nan), NonFiniteValue),
    ],
    ids=str,
)
def test_bounds_that_are_none(bounds, error):
    with pytest.raises(error):
        fhenn.certify(MODELS["cubic"], bounds)


def test_a_model_that_starts_with_an_activation():
    with pytest.raises(PlanError, match="Linear"):
        fhenn.certify(fhenn.Sigmoid(), [-1, 1])


@pytest.mark.parametrize("with_plan", [False, True])
def test_survives_json(with_plan):
    model = MODELS["cubic"]
    plan = fhenn.plan(model, bounds=[-1, 1]) if with_plan else None
    certificate = fhenn.certify(model, [-1, 1], plan)
    assert fhenn.Certificate.from_json(certificate.to_json()) == certificate


@pytest.mark.parametrize(
    "spoil",
    [
        {"kind": "fhenn-plan"},
        {"version": 0},
        {"activations": [{"node": "Sigmoid"}]},
        {"activations": 1},
        {"noise": float("nan")},
        {"noise": "none"},
        {"low": [float("inf")] * 6},
        {"low": ["a"]},
        {"parameters": {"ring_degree": 1}},
        {"model": 3},
        {"surplus": 1},
    ],
    ids=str,
)
def test_json_of_something_else_is_refused(spoil):
    text = fhenn.certify(MODELS["cubic"], [-1, 1]).to_json()
    with pytest.raises(WireFormatError, match="certificate"):
        fhenn.Certificate.from_json(json.dumps(json.loads(text) | spoil))


@pytest.mark.parametrize("text", ["", "[]", "{", b"\xff", "[" * 100_000])
def test_other_bytes_are_refused(text):
    with pytest.raises(WireFormatError, match="certificate"):
        fhenn.Certificate.from_json(text)


@pytest.mark.parametrize(
    ("low", "high", "inside"),
    [
        (-4.0, 4.0, True),
        (-4.1, 0.0, False),
        (0.0, 4.1, False),
        (4.5, 5.0, False),
        (-5.0, -4.5, False),
        (-9.0, 9.0, False),
    ],
)
def test_inside_is_above_the_lower_edge_and_below_the_upper_one(low, high, inside):
    assert CertifiedActivation("Sigmoid", low, high, (-4.0, 4.0), 0.1, 1.0).inside is inside
    model = fhenn.Sequential([fhenn.Linear([[(high - low) / 2]], [(high + low) / 2]), fhenn.Sigmoid(domain=(-4, 4))])
    certificate = fhenn.certify(model, [-0.999, 0.999])
    assert certificate.valid is inside
    if not inside:
        with pytest.raises(CertificateInvalid, match="may leave"):
            certificate.require(fhenn.plan(model, bounds=[-1, 1], accuracy=0.1, witness=True))


def test_bounds_of_a_certificate_reach_as_far_as_the_plans_on_both_sides():
    model = fhenn.Sequential([fhenn.Linear([[1.0, 1.0]])])
    plan = fhenn.plan(model, bounds=[[-1, -2], [1, 2]])
    for low, high, fits in (
        ([-1, -2], [1, 2], True),
        ([-3, -3], [3, 3], True),
        ([-1, -2], [1, 1.5], False),
        ([-1, -2], [0.5, 2], False),
        ([-1, -1.5], [1, 2], False),
        ([-0.5, -2], [1, 2], False),
    ):
        certificate = replace(fhenn.certify(model, [low, high]), parameters=plan.parameters)
        if fits:
            certificate.require(plan, model)
            wider = replace(plan.parameters, scale=2 * plan.parameters.scale)
            for parameters in (None, wider):
                with pytest.raises(CertificateInvalid, match="other parameters"):
                    replace(certificate, parameters=parameters).require(plan)
            with pytest.raises(CertificateInvalid, match="another model"):
                certificate.require(plan, fhenn.Sequential([fhenn.Linear([[1.0, 1.0 + 2**-50]])]))
            continue
        with pytest.raises(CertificateInvalid, match="bounds are wider"):
            certificate.require(plan, model)


@pytest.mark.parametrize("sign", [1, -1])
def test_errors_are_carried_on_by_the_slope_where_twin_and_exact_model_reach(sign):
    """σ is steepest towards 0: the exact model may come closer to it than the twin, by the error so far."""
    nodes = [
        fhenn.Linear([[1.0]], [3.0]),
        fhenn.Sigmoid(domain=(-4, 4), degree=3),
        fhenn.Linear([[sign * 20.0]], [sign * -13.0]),
        fhenn.Sigmoid(domain=(-8, 8), degree=7),
    ]
    certificate = fhenn.certify(fhenn.Sequential(nodes), [-1, 1])
    first, second = certificate.activations
    apart = 20 * first.sup_error
    nearest = min(abs(second.low), abs(second.high)) - apart
    assert apart > 0.3
    assert nearest > 0
    slope = np.exp(-nearest) / (1 + np.exp(-nearest)) ** 2
    assert certificate.approximation == pytest.approx(slope * apart + second.sup_error, rel=1e-5)


def test_the_numbers_that_it_states():
    model = MODELS["gelu"]
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-2)
    certificate, plain = fhenn.certify(model, [-1, 1], plan), fhenn.certify(model, [-1, 1])
    assert certificate.noise == plan.error > plan.deviation
    assert certificate.total == certificate.approximation + plan.error
    assert certificate.margin == 2 * certificate.total  # of two classes, each may move
    assert not certificate.from_data
    assert fhenn.certify(model, inputs=np.eye(5)[:3]).from_data
    for wide, narrow in zip(certificate.activations, plain.activations, strict=True):
        assert wide.low < narrow.low
        assert narrow.high < wide.high


def test_bounds_that_the_plan_cannot_hold_are_refused():
    model = fhenn.Sequential([fhenn.Linear([[1.0, 2.0]]), fhenn.Sigmoid(), fhenn.Linear([[1.0]])])
    plan = fhenn.plan(model, bounds=[-1, 1])
    with pytest.raises(PlanError, match="do not fit the plan's parameters"):
        fhenn.certify(model, [-1e6, 1e6], plan)


def test_a_plan_for_another_model_is_told_before_its_bounds_are_taken():
    plan = fhenn.plan(fhenn.Linear(np.ones((1, 4))), bounds=[-1, 1])
    with pytest.raises(PlanError, match=r"the plan is for Linear4x1, .*the model is Linear7x1"):
        fhenn.certify(fhenn.Linear(np.ones((1, 7))), plan=plan)
