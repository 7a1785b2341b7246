import pickle

import numpy as np
import pytest

import fhenn
from fhenn.errors import (
    BoundsExceeded,
    BoundsWarning,
    FeatureMismatch,
    ParameterError,
    RangeViolation,
    ShapeMismatch,
    UnsupportedOperation,
)
from fhenn.interop import ImportedModel, Reading
from fhenn.interop.encrypted import EncryptedModel

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
def private():
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
