"""Averages of several sides' uploads, which nobody but the holder of the secret key reads."""

from dataclasses import replace

import numpy as np
import pytest

import fhenn
from fhenn.errors import AnswerMismatch, ContextMismatch, ParameterError, PlanError, ShapeMismatch, WireFormatError
from fhenn.planner import for_averages
from fhenn.planner.averages import first_of, with_share
from fhenn.planner.scaling import ServedLayer
from fhenn.session import Receipt

rng = np.random.default_rng(20)
WEIGHTS = [4812, 391, 1207]
SHARES = np.array(WEIGHTS) / sum(WEIGHTS)
MODELS = {
    "parameters": fhenn.nn.Affine(fhenn.nn.Scaling(np.ones(5))),
    "network": fhenn.Sequential(
        [
            fhenn.Linear(rng.normal(size=(3, 5)) / 4, rng.normal(size=3) / 4),
            fhenn.Sigmoid(),
            fhenn.Linear(rng.normal(size=(2, 3))),
        ]
    ),
    "idle places": fhenn.Sequential(
        [
            fhenn.Linear(rng.uniform(-1, 1, (3, 5)) / 5, np.full(3, 2.0)),
            fhenn.PolynomialActivation([1.0, 0.5], domain=(1.0, 3.0)),
            fhenn.Linear(rng.normal(size=(2, 3))),
        ]
    ),
}


class Sides:
    """A key holder, three sides that encrypt, and the server between them."""

    def __init__(self, model, uploads=3, **how):
        self.model = model
        single = fhenn.plan(model, bounds=[-2, 1], public_key=True, **how)
        self.plan = for_averages(single, model, uploads)
        self.client = fhenn.Client(self.plan.public())
        keys = self.client.evaluation_keys()
        self.server = fhenn.Server(model, self.plan, keys)
        self.encryptor = fhenn.Encryptor(self.plan.public(), keys)


@pytest.fixture(scope="module")
def sides(evaluator):
    return Sides(MODELS["parameters"])


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("parameters", "latency"),
        pytest.param("network", "latency", marks=pytest.mark.thorough),
        ("network", "throughput"),
        ("idle places", "latency"),
    ],
)
def test_the_answer_is_of_the_average(evaluator, name, layout):
    sides = Sides(MODELS[name], layout=layout, witness=name == "network")
    values = rng.uniform(-2, 1, (3, 2, 5))
    uploads = [sides.encryptor.encrypt(each) for each in values]
    for weights, shares in ((WEIGHTS, SHARES), (None, np.full(3, 1 / 3)), ([0.5, 2.5, 1.0], [0.125, 0.625, 0.25])):
        answer = sides.server.average(uploads, weights)
        receipt = Receipt.of_average(*uploads, weights=weights)
        found = sides.client.decrypt(answer, receipt=receipt)
        expected = sides.model.infer(np.einsum("i,ijk->jk", shares, values))
        assert np.abs(found - expected).max() <= sides.plan.error
    assert len(answer) == pytest.approx(len(sides.server.predict(uploads[0])), rel=0.05)


def test_an_answer_tells_which_uploads_in_which_shares(sides):
    uploads = [sides.encryptor.encrypt(rng.uniform(-2, 1, (1, 5))) for _ in range(3)]
    answer = sides.server.average(uploads, WEIGHTS)
    assert sides.client.decrypt(answer, receipt=Receipt.of_average(*uploads, weights=WEIGHTS)).shape == (1, 5)
    others = (
        Receipt.of_average(*uploads),
        Receipt.of_average(*uploads[::-1], weights=WEIGHTS),
        Receipt.of_average(*uploads[:2], weights=WEIGHTS[:2]),
        Receipt.of(uploads[0]),
        None,
    )
    for receipt in others:
        with pytest.raises(AnswerMismatch):
            sides.client.decrypt(answer, receipt=receipt)
    # shares count, whatever the weights add up to
    scaled = Receipt.of_average(*uploads, weights=[2 * weight for weight in WEIGHTS])
    assert scaled == Receipt.of_average(*uploads, weights=WEIGHTS)
    assert Receipt.from_bytes(scaled.to_bytes()) == scaled
    # whoever holds the key makes it from headers, and never sees what it could decrypt
    assert Receipt.of_average(*(upload[:1000] for upload in uploads), weights=WEIGHTS) == scaled


def test_what_averages_err_by_is_counted(sides):
    """The sum of as many maps as there are sides: the plan states it, and refuses more of them."""
    single = fhenn.plan(sides.model, bounds=[-2, 1], public_key=True)
    assert single.error < sides.plan.error <= sides.plan.accuracy
    assert single.worst < sides.plan.worst
    assert for_averages(single, sides.model, 1).error == single.error
    uploads = [sides.encryptor.encrypt(rng.uniform(-2, 1, (1, 5))) for _ in range(4)]
    with pytest.raises(PlanError, match=r"for_averages\(plan, model, 4\)"):
        sides.server.average(uploads)
    assert sides.server.average(uploads[:1])
    sides.plan.require_errors()


def test_averages_that_are_shared(evaluator):
    model = MODELS["parameters"]
    single = fhenn.plan(model, bounds=[-2, 1], public_key=True, queries=10, layout="throughput")
    plan = for_averages(single, model, np.int64(3))
    assert for_averages(single, model, 1000).accuracy > plan.accuracy >= single.accuracy
    client = fhenn.Client(plan)
    side = fhenn.Encryptor(plan, client.evaluation_keys())
    values = rng.uniform(-2, 1, (3, 1, 5))
    uploads = [side.encrypt(each) for each in values]
    answer = fhenn.Server(model, plan, client.evaluation_keys()).average(uploads)
    shared = client.decrypt(answer, receipt=Receipt.of_average(*uploads), share=True)
    assert np.abs(shared - values.mean(axis=0)).max() <= plan.accuracy


@pytest.mark.parametrize("weights", [[1, 2], [1, 2, 3, 4], [1, -1, 3], [0, 1, 1], [1, 1, np.nan], [1e-20, 1, 1], 2.0])
def test_weights_that_are_none(sides, weights):
    uploads = [sides.encryptor.encrypt(rng.uniform(-2, 1, (1, 5))) for _ in range(3)]
    for ask in (
        lambda: sides.server.average(uploads, weights),
        lambda: Receipt.of_average(*uploads, weights=weights),
    ):
        with pytest.raises(ParameterError, match="3 positive numbers"):
            ask()


def test_uploads_that_do_not_go_together(sides):
    one, two = (sides.encryptor.encrypt(rng.uniform(-2, 1, (samples, 5))) for samples in (1, 2))
    with pytest.raises(ParameterError, match="no uploads"):
        sides.server.average([])
    with pytest.raises(ParameterError, match="twice"):
        sides.server.average([one, one])
    with pytest.raises(ShapeMismatch, match="1 samples"):
        sides.server.average([one, two])
    other = Sides(MODELS["parameters"])
    stranger = other.encryptor.encrypt(rng.uniform(-2, 1, (1, 5)))
    with pytest.raises(ContextMismatch):
        sides.server.average([one, stranger])
    for bad in (b"", one[:100], sides.server.predict(one)):
        with pytest.raises(WireFormatError):
            sides.server.average([one, bad])
    damaged = bytearray(two)
    damaged[-5] ^= 1
    with pytest.raises(WireFormatError):
        sides.server.average([bytes(damaged)])


def test_an_upload_for_another_plan_is_refused(sides):
    plan = replace(sides.plan, rows=7)
    side = fhenn.Encryptor(plan, sides.client.evaluation_keys())
    with pytest.raises(PlanError, match="this server runs"):
        sides.server.average([side.encrypt(rng.uniform(-2, 1, (1, 5)))])


def test_layers_of_averages_and_what_none_is_planned_for():
    plan = fhenn.plan(MODELS["parameters"], bounds=[-2, 1])
    for uploads in (0, -1, 1.5, True, None, 1 << 20):
        with pytest.raises(ParameterError, match="uploads"):
            for_averages(plan, MODELS["parameters"], uploads)
    with pytest.raises(PlanError, match="Plan again"):
        for_averages(plan, MODELS["network"], 2)
    served = ServedLayer(fhenn.Linear([[1.0]]), idle=2.0)
    assert sum(with_share(served, share).idle for share in SHARES) == pytest.approx(2.0)
    with pytest.raises(PlanError, match="begins with a Square"):
        first_of([fhenn.Square()])
