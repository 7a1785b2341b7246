"""Every estimator of scikit-learn that is linear, on every kind of target: the twin answers as the estimator."""

import numpy as np
import pytest

import fhenn
from fhenn.interop import Reading

pytest.importorskip("sklearn")

from linear_estimators import (
    BAYES,
    CASES,
    GENERALISED,
    GROUPS,
    LEFT_OUT,
    LINEAR_CLASSIFIERS,
    LINEAR_REGRESSORS,
    NAMES,
    SAMPLES,
    SLOW,
    digits_of,
    features,
    fitted,
    same,
    samples,
    target,
    without_intercept,
)
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.svm import LinearSVC
from sklearn.utils.validation import has_fit_parameter


def parameters():
    """The cases; what takes long is left to the thorough tests."""
    for case in CASES:
        name, kind = case.rsplit(" - ", 1)
        slow = name in SLOW and kind in ("binary", "four", "outputs") and name != "SelfTrainingClassifier"
        yield pytest.param(case, marks=[pytest.mark.thorough] if slow else [])


@pytest.mark.parametrize("case", list(parameters()))
def test_the_twin_is_the_estimator(case):
    estimator, kind = CASES[case]
    X, unseen = samples(case)
    estimator = fitted(estimator, kind, X)
    model = fhenn.from_sklearn(estimator)
    assert model.stand_ins == ()
    same(model, estimator, unseen, target(kind, 1), digits_of(case))
    copy = Reading.from_json(model.reading.to_json())
    assert copy == model.reading
    assert copy.to_json() == model.reading.to_json()
    assert np.array_equal(copy.predict(model.scores(unseen)), model.predict(unseen))


def variants():
    """Every estimator on one kind of target."""
    for estimators, kinds in GROUPS:
        for name in estimators:
            kind = next(each for each in kinds if each not in LEFT_OUT.get(name, ()))
            quick = estimators in (LINEAR_CLASSIFIERS, GENERALISED, BAYES) or name in LINEAR_REGRESSORS
            yield pytest.param(f"{name} - {kind}", marks=[] if quick else [pytest.mark.thorough])


@pytest.mark.parametrize("case", list(variants()))
def test_named_features_sample_weights_and_no_intercept(case):
    pandas = pytest.importorskip("pandas")
    estimator, kind = CASES[case]
    X, unseen = (pandas.DataFrame(each, columns=NAMES) for each in samples(case))
    if not isinstance(estimator, FrozenEstimator):
        estimator = without_intercept(estimator)
    weighted = has_fit_parameter(estimator, "sample_weight")
    options = {"sample_weight": np.random.default_rng(0).uniform(0.1, 3, SAMPLES)} if weighted else {}
    try:
        estimator = fitted(estimator, kind, X, **options)
    except ValueError as error:  # an older scikit-learn hands weights to a Pipeline, which takes none
        assert "does not accept the sample_weight" in str(error)
        estimator = fitted(estimator, kind, X)
    model = fhenn.from_sklearn(estimator)
    if hasattr(estimator, "feature_names_in_"):
        assert (model.preparation.names if model.preparation else model.feature_names) == tuple(NAMES)
        assert np.array_equal(model.predict(unseen[NAMES[::-1]]), model.predict(unseen))
    same(model, estimator, unseen, digits=digits_of(case))


@pytest.mark.parametrize(
    "name",
    ["LogisticRegression - three", "SGDClassifier - three", "LinearSVC - binary", "SVC - three", "SVR - regression"],
)
def test_models_of_sparse_samples(name):
    sparse = pytest.importorskip("scipy.sparse")
    X = sparse.csr_matrix(np.where(np.abs(features()[0]) < 0.5, 0.0, features()[0]))
    estimator, kind = CASES[name]
    estimator = fitted(estimator, kind, X)
    if hasattr(estimator, "sparsify"):
        estimator.sparsify()
    same(fhenn.from_sklearn(estimator), estimator, sparse.csr_matrix(features()[1]))


@pytest.mark.parametrize("name", ["QuantileTransformer", "QuantileTransformer, normal"])
def test_values_beyond_the_training_targets_are_their_least_and_largest(name):
    estimator = fitted(*CASES[f"target, {name} - regression"])
    model = fhenn.from_sklearn(estimator)
    far = 30 * features()[1]
    same(model, estimator, far)
    assert {target("regression").min(), target("regression").max()} < set(model.predict(far).tolist())


@pytest.mark.parametrize("positive", ["no", "yes"])
def test_a_score_that_is_the_threshold_reaches_it(positive):
    x = np.array([[-1.0], [0.0], [1.0]])
    inner = LinearSVC().fit(x, ["no", "yes", "yes"])
    inner.coef_, inner.intercept_ = np.array([[1.0]]), np.array([0.0])
    estimator = FixedThresholdClassifier(FrozenEstimator(inner), threshold=0.0, pos_label=positive)
    estimator.fit(x, ["no", "yes", "yes"])
    model = fhenn.from_sklearn(estimator)
    assert model.predict(x).tolist() == estimator.predict(x).tolist()
    assert model.predict([[0.0]]).tolist() == [positive]
