import pickle
from importlib import import_module

import numpy as np
import pytest
from support import on_each

import fhenn
from fhenn.errors import (
    BoundsExceeded,
    BoundsWarning,
    FeatureMismatch,
    ParameterError,
    PlanError,
    RangeViolation,
    RangeWarning,
    ShapeMismatch,
    UnsupportedOperation,
    UnsupportedValue,
    ViolationReport,
)
from fhenn.interop import ImportedModel, Reading
from fhenn.interop.encrypted import EncryptedModel, _joined

rng = np.random.default_rng(0)
X = rng.normal(size=(30, 4))


def three_classes(features=None):
    nodes = [
        fhenn.Linear(rng.normal(size=(5, 4)) / 4),
        fhenn.Sigmoid(on_violation="ignore"),
        fhenn.Linear(rng.normal(size=(3, 5))),
    ]
    return ImportedModel(nodes, Reading.classification(["a", "b", "c"], "softmax", features))


@pytest.fixture(scope="module")
def private(evaluator):  # which it is planned for by default
    return fhenn.encrypted_model(three_classes(), inputs=X, margin=0.25)


def test_encrypted_answers_are_the_twins(private):
    model = private.model
    assert np.abs(private.decision_function(X) - model.decision_function(X)).max() <= private.plan.error <= 1e-3
    np.testing.assert_allclose(private.predict_proba(X), model.predict_proba(X), atol=1e-3)
    margin = np.diff(np.sort(model.scores(X), axis=1)[:, -2:], axis=1)[:, 0]
    sure = margin > 2 * private.plan.error
    assert sure.sum() > 20
    assert (private.predict(X) == model.predict(X))[sure].all()
    assert private.score(X[sure], model.predict(X[sure])) == 1.0


def test_two_parties_read_the_same(private):
    plan = fhenn.Plan.from_json(private.plan.public().to_json())
    reading = Reading.from_json(private.reading.to_json())
    client = fhenn.Client(plan)
    server = fhenn.Server(private.model, private.plan, client.evaluation_keys())
    answer = server.predict(client.encrypt(X[:3]))
    np.testing.assert_allclose(
        reading.predict_proba(client.decrypt_scores(answer)), private.model.predict_proba(X[:3]), atol=1e-3
    )
    np.testing.assert_allclose(client.decrypt(answer), private.model.predict_proba(X[:3]), atol=1e-3)


def test_bounds_are_those_of_the_data_and_a_margin(private):
    low, high = X.min(axis=0), X.max(axis=0)
    np.testing.assert_allclose(private.plan.low, low - 0.25 * (high - low))
    np.testing.assert_allclose(private.plan.high, high + 0.25 * (high - low))
    private.predict(np.array([private.plan.low, private.plan.high]))
    with pytest.raises(BoundsExceeded):
        private.predict(X[:1] + 9.0)


def test_values_beyond_are_clipped_where_asked():
    model = ImportedModel([fhenn.Linear([[1.0, -2.0]])], Reading.regression())
    private = fhenn.encrypted_model(model, bounds=[-1, 1], on_bounds="clip")
    with pytest.warns(BoundsWarning, match="1 of 2 samples"):
        np.testing.assert_allclose(private.predict([[5.0, -5.0], [0.5, 0.0]]), [3.0, 0.5], atol=1e-3)
    x = np.array([[9.0, 0.0]])
    with pytest.warns(BoundsWarning):
        private.predict(x)
    assert x[0, 0] == 9.0
    with pytest.raises(ShapeMismatch):
        private.predict([[1.0]])


def test_what_is_asked_wrongly_is_refused(private):
    model = three_classes(["p", "q", "r", "s"])
    for arguments in (
        {"margin": -1},
        {"margin": np.nan},
        {"margin": None},
        {"accuracy": "high"},
        {"on_bounds": "ignore"},
    ):
        with pytest.raises(ParameterError):
            fhenn.encrypted_model(model, inputs=X, **arguments)

    class Frame:
        columns = ("p", "q", "s", "t")

        def to_numpy(self):
            return X

    with pytest.raises(FeatureMismatch):
        fhenn.encrypted_model(model, inputs=Frame())
    with pytest.raises(FeatureMismatch):
        model.predict(Frame())
    with pytest.raises(UnsupportedOperation, match="secret key"):
        pickle.dumps(private)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "takes", ["predict", "score", "for_inputs", "inputs", "plan", "certify", "calibrate", "encrypt"]
)
def test_samples_of_several_axes_are_told_how_they_become_rows(takes):
    """(samples, times, channels) for a model of all of them."""
    model, series = three_classes(), np.zeros((5, 2, 2))
    plan = fhenn.plan(model, bounds=[-1, 1])
    call = {
        "predict": model.predict,
        "score": lambda x: model.score(x, ["a"] * 5),
        "for_inputs": model.for_inputs,
        "inputs": lambda x: fhenn.encrypted_model(model, x),
        "plan": lambda x: fhenn.plan(model, inputs=x),
        "certify": lambda x: fhenn.certify(model, inputs=x),
        "calibrate": lambda x: fhenn.calibrate(model, x),
        "encrypt": lambda x: fhenn.Client(plan).encrypt(x),
    }[takes]
    with pytest.raises(ShapeMismatch, match=r"give x\.reshape\(len\(x\), 4\)"):
        call(series)
    with pytest.raises(ShapeMismatch) as caught:
        call(np.zeros((5, 2, 3)))
    assert "reshape" not in str(caught.value)


def test_a_reading_must_fit_its_model():
    linear = fhenn.Linear(np.ones((2, 3)))
    for reading in (Reading.classification(["a", "b", "c"]), Reading.regression(["a"])):
        with pytest.raises((ShapeMismatch, ParameterError)):
            ImportedModel([linear], reading)
    with pytest.raises(ShapeMismatch, match="samples"):
        ImportedModel([linear], Reading.regression()).predict(np.ones((1, 2)))


def test_an_imported_model_goes_wherever_a_sequential_does(private):
    model = three_classes()
    better = fhenn.calibrate(model, X * 3).apply()
    assert isinstance(better, ImportedModel)
    assert better.reading == model.reading
    assert better.nodes[1].domain != model.nodes[1].domain
    assert fhenn.certify(private.model, [-1, 1], fhenn.plan(private.model, bounds=[-1, 1])).finish == "softmax"


@pytest.mark.thorough
@on_each
def test_the_range_check_is_asked_for_and_demanded():
    """At x = 7.6 the cubic says 0.24 where the sigmoid is 0.9995: nobody may read that for an answer."""
    reading = Reading.classification(["no", "yes"], None)
    model = ImportedModel([fhenn.Linear([[1.0]]), fhenn.Sigmoid(on_violation="ignore")], reading)
    watched = fhenn.plan(model, bounds=[-8, 8], accuracy=1e-2, witness=True, samples=4)
    private = EncryptedModel(model, watched)
    assert private.scores([[1.0], [-2.0]]).shape == (2, 1)
    with pytest.raises(RangeViolation, match="1 of 2 samples"):
        private.predict([[1.0], [7.6]])
    inside = fhenn.encrypted_model(model, bounds=[-1, 1], witness=True)
    assert inside.plan.witnesses
    assert inside.predict([[0.5]]).tolist() == model.predict([[0.5]]).tolist()


@pytest.fixture(scope="module")
def watched(evaluator):
    """A model in whose witness 7.6 shows, and its plan: x, and the sigmoid's cubic of it."""
    reading = Reading.classification(["no", "yes"], None)
    model = ImportedModel([fhenn.Linear([[1.0]]), fhenn.Sigmoid(on_violation="ignore")], reading)
    how = {"witness": True, "layout": "latency", "samples": 4, "evaluator": evaluator}
    return model, fhenn.plan(model, bounds=[-8, 8], accuracy=1e-2, **how)


STRAYS = np.array([[1.0], [7.6], [-2.0], [0.5], [3.0], [-3.0], [-7.7]])


@pytest.mark.thorough
@pytest.mark.parametrize("memory", [1e9, 1.0], ids=["one upload", "several"])
def test_samples_that_left_a_domain_are_raised_masked_or_told_of(watched, monkeypatch, memory):
    monkeypatch.setattr(import_module("fhenn.interop.encrypted"), "_MEMORY", memory)
    with pytest.raises(RangeViolation) as raised:
        EncryptedModel(*watched).predict(STRAYS)
    report = raised.value.report
    assert (report.left, report.total) == ((1, 6), 7)
    assert "on_violation='mask'" in str(raised.value)

    masking = EncryptedModel(*watched, on_violation="mask")
    got = masking.predict(STRAYS)
    assert got.mask.tolist() == [place in report.samples for place in range(7)]
    good = [place for place in range(7) if place not in report.samples]
    assert got[good].tolist() == watched[0].predict(STRAYS[good]).tolist()
    assert masking.scores(STRAYS).mask[:, 0].tolist() == masking.decision_function(STRAYS).mask.tolist()
    assert masking.decision_function(STRAYS).mask.tolist() == got.mask.tolist()
    assert not masking.predict([[1.0]]).mask.any()
    assert masking.score(STRAYS, watched[0].predict(STRAYS)) == 1.0
    assert np.isnan(masking.score(STRAYS[1:2], ["yes"]))
    with pytest.raises(ShapeMismatch):
        masking.score(STRAYS, ["yes"])

    telling = EncryptedModel(*watched, on_violation="warn")
    with pytest.warns(RangeWarning) as caught:
        assert telling.scores(STRAYS).shape == (7, 1)
    assert len(caught) == 1
    assert caught[0].message.report == report


def test_those_beside_one_beyond_the_headroom_are_condemned_in_every_upload():
    first = ViolationReport((1,), 4, {"witness of Sigmoid": (1,)})
    second = ViolationReport((0, 1, 3), 4, {"outputs": (0,), "witness of Sigmoid": (0, 3)}, condemned=(1,))
    joined = _joined([first, None, second], 4, 12)
    assert joined == ViolationReport(
        (1, 8, 9, 11), 12, {"witness of Sigmoid": (1, 8, 11), "outputs": (8,)}, condemned=(9,)
    )
    assert _joined([None, None], 4, 8) is None


@pytest.mark.thorough
def test_one_upload_is_planned_for_a_hundred_samples_at_most_unless_rows_says_more():
    many = np.random.default_rng(1).normal(size=(300, 4))
    model = three_classes()
    options = {"layout": "throughput"}
    assert fhenn.encrypted_model(model, inputs=many, **options).plan.rows == 100
    few = fhenn.encrypted_model(model, inputs=many, **options).plan
    assert "chosen for 100 samples an upload; rows asks for another number" in str(few)
    assert fhenn.encrypted_model(model, inputs=many[:40], **options).plan.rows == 40
    asked = fhenn.encrypted_model(model, inputs=many, rows=300, **options).plan
    assert asked.rows == 300
    assert "chosen for 300 samples an upload; rows asks for another number" in str(asked)


def test_what_the_machine_cannot_hold_is_refused_before_keys_are_made(monkeypatch):
    monkeypatch.setattr(import_module("fhenn.interop.encrypted"), "memory_of_machine", lambda: 1e6)
    model = ImportedModel([fhenn.Linear([[1.0, 2.0]])], Reading.regression())
    with pytest.raises(PlanError, match=r"takes about .* MB of memory on both sides, and 1 MB are there.*max_depth="):
        fhenn.encrypted_model(model, bounds=[-1, 1])


def test_an_estimator_is_told_how_it_becomes_a_model():
    with pytest.raises(UnsupportedValue, match=r"what fhenn.from_sklearn makes of a fitted ndarray"):
        fhenn.encrypted_model(np.ones(3), bounds=[-1, 1])
