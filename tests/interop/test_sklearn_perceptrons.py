"""Perceptrons of several labels, and what is built on one: polynomials by what is decided."""

import numpy as np
import pytest

import fhenn
from fhenn.errors import ParameterError, ShapeMismatch

pytest.importorskip("sklearn")

from linear_estimators import features, fitted, quietly, target
from sklearn import calibration, compose, model_selection
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def network(activation="relu", **options):
    return MLPClassifier((5,), activation, max_iter=60, random_state=0, **options)


def exact(model, x):
    """The scores of the network itself, with its own functions in the place of polynomials."""
    for node in model.nodes:
        x = node.exact(x) if node in model.stand_ins else node.infer(x)
    return x


@pytest.mark.parametrize(
    ("estimator", "kind"),
    [
        (network("tanh"), "labels"),
        (network("logistic"), "labels"),
        (model_selection.FixedThresholdClassifier(network("tanh"), threshold=0.9, pos_label="yes"), "binary"),
        (calibration.CalibratedClassifierCV(network("tanh"), cv=2, ensemble=False), "three"),
        (calibration.CalibratedClassifierCV(network("tanh"), cv=2, ensemble=False, method="isotonic"), "binary"),
        (model_selection.GridSearchCV(network("tanh"), {"alpha": [0.1]}, cv=2), "three"),
        (
            compose.TransformedTargetRegressor(
                make_pipeline(
                    StandardScaler(),
                    MLPRegressor(hidden_layer_sizes=(4,), activation="tanh", max_iter=50, random_state=0),
                ),
                func=np.log,
                inverse_func=np.exp,
            ),
            "positive",
        ),
        (
            MLPRegressor(hidden_layer_sizes=(4,), activation="tanh", loss="poisson", max_iter=50, random_state=0),
            "counts",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_built_on_a_perceptron_reads_its_scores(estimator, kind):
    _, unseen = features()
    estimator = fitted(estimator, kind)
    model = fhenn.from_sklearn(estimator)
    assert len(model.stand_ins) == 1
    scores = exact(model, unseen)
    wanted, got = estimator.predict(unseen), model.reading.predict(scores)
    if model.is_regression:
        np.testing.assert_allclose(got, wanted, rtol=1e-12)
    else:
        assert got.dtype == wanted.dtype
        assert got.tolist() == wanted.tolist()
        np.testing.assert_allclose(model.reading.predict_proba(scores), estimator.predict_proba(unseen), rtol=1e-11)


@pytest.mark.thorough
def test_a_network_of_labels_agrees_label_by_label():
    x, unseen = features()
    estimator = fitted(network(), "labels")
    model = quietly(fhenn.from_sklearn, estimator, inputs=x, labels=target("labels"))
    report = model.conversion
    agreed = model.reading.predict(exact(model, x)) == model.predict(x)
    assert report.agreement == pytest.approx(agreed.mean())
    assert report.agreement >= 0.98
    assert report.exact == pytest.approx(estimator.score(x, target("labels")))
    assert np.mean(model.predict(unseen) == estimator.predict(unseen)) > 0.95


@pytest.mark.thorough
def test_a_threshold_that_was_moved_is_what_agreement_is_of():
    x, _ = features()
    estimator = model_selection.FixedThresholdClassifier(network(), threshold=0.95, pos_label="yes")
    estimator = fitted(estimator, "binary")
    model = quietly(fhenn.from_sklearn, estimator, inputs=x)
    assert model.conversion.agreement == np.mean(model.predict(x) == estimator.predict(x))


@pytest.mark.thorough
def test_labels_of_another_kind_are_refused():
    x, _ = features()
    estimator = fitted(network(), "labels")
    with pytest.raises(ParameterError, match="labels 2 are none of the model's classes, 0, 1"):
        fhenn.from_sklearn(estimator, inputs=x, labels=2 * target("labels"))
    with pytest.raises(ShapeMismatch, match="labels"):
        fhenn.from_sklearn(estimator, inputs=x, labels=target("labels")[:, 0])
