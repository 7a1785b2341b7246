"""The estimators of `fhenn.sklearn`."""

import pickle
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pandas")

from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate, train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import check_estimator
from support import seal_of

from fhenn.errors import BoundsExceeded, BoundsWarning, ParameterError, PlanError, UnsupportedModel
from fhenn.interop.encrypted import masked_alike
from fhenn.interop.sklearn import from_sklearn
from fhenn.sklearn import EncryptedClassifier, EncryptedRegressor

LOGISTIC = make_pipeline(StandardScaler(), LogisticRegression())


@pytest.fixture(scope="module")
def fitted():
    X, y = load_iris(return_X_y=True, as_frame=True)
    return EncryptedClassifier(LOGISTIC).fit(X, y), X, y


def test_a_classifier_predicts_under_encryption(fitted):
    estimator, X, y = fitted
    plain = clone(LOGISTIC).fit(X, y)
    assert (estimator.predict(X) == plain.predict(X)).all()
    np.testing.assert_allclose(estimator.predict_proba(X), plain.predict_proba(X), atol=1e-3)
    assert np.abs(estimator.decision_function(X) - plain.decision_function(X)).max() <= estimator.plan_.error
    assert np.abs(estimator.decision_function(X) - plain.decision_function(X)).max() > 0
    assert estimator.score(X, y) == plain.score(X, y)
    assert estimator.classes_.tolist() == [0, 1, 2]
    assert list(estimator.feature_names_in_) == list(X.columns)
    with pytest.raises(ValueError, match="feature names"):
        estimator.predict(X[X.columns[::-1]])


def test_a_regressor_predicts_under_encryption():
    X, y = load_diabetes(return_X_y=True)
    for target in (y, np.stack([y, -y], axis=1)):
        estimator = EncryptedRegressor(LinearRegression()).fit(X, target)
        plain = LinearRegression().fit(X, target)
        assert estimator.predict(X).shape == plain.predict(X).shape
        assert np.abs(estimator.predict(X) - plain.predict(X)).max() <= max(estimator.plan_.errors) <= 1e-3 * y.std()
        assert estimator.score(X, target) == pytest.approx(plain.score(X, target), abs=1e-4)


def test_probabilities_are_there_where_the_estimator_has_them(fitted):
    _, X, y = fitted
    assert hasattr(EncryptedClassifier(), "predict_proba")
    assert not hasattr(EncryptedClassifier(LinearSVC()), "predict_proba")
    assert not hasattr(EncryptedClassifier(LinearSVC()).fit(X, y), "predict_proba")
    assert not hasattr(EncryptedRegressor(), "predict_proba")


def test_cross_validation_and_search(fitted):
    _, X, y = fitted
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundsWarning)
        scores = cross_val_score(EncryptedClassifier(LOGISTIC), X, y, cv=2)
        np.testing.assert_allclose(scores, cross_val_score(LOGISTIC, X, y, cv=2))
        grid = {"estimator__logisticregression__C": [0.01, 1.0], "layout": ["throughput"]}
        search = GridSearchCV(EncryptedClassifier(LOGISTIC), grid, cv=2).fit(X, y)
        plain = GridSearchCV(LOGISTIC, {"logisticregression__C": [0.01, 1.0]}, cv=2).fit(X, y)
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"])
    assert search.best_params_["estimator__logisticregression__C"] == plain.best_params_["logisticregression__C"]
    assert (search.predict(X) == plain.predict(X)).all()


def test_cloning_and_fitting_leave_the_estimator_given_as_it_was(fitted):
    estimator, _, _ = fitted
    copy = clone(estimator)
    assert not hasattr(copy, "estimator_")
    assert copy.get_params()["accuracy"] == estimator.accuracy
    assert not hasattr(LOGISTIC[-1], "coef_")
    with pytest.raises(NotFittedError):
        copy.predict([[0.0] * 4])


def test_keys_do_not_pickle_and_a_copy_makes_its_own(fitted):
    estimator, X, _ = fitted
    message = pickle.dumps(estimator)
    context = estimator.encrypted_.client._context
    assert seal_of(context).tenseal.serialize(save_secret_key=True)[:4096] not in message
    assert len(message) < 50_000  # keys alone take more
    copy = pickle.loads(message)  # noqa: S301
    assert "encrypted_" not in vars(copy)
    assert (copy.predict(X) == estimator.predict(X)).all()
    assert copy.encrypted_.client.fingerprint != estimator.encrypted_.client.fingerprint


def test_values_beyond_the_training_data(fitted):
    _, X, y = fitted
    far = np.array([[100.0, 3.0, 1.0, 1.0]])
    clipped = EncryptedClassifier(LOGISTIC, margin=0.1).fit(X.to_numpy(), y)
    with pytest.warns(BoundsWarning, match="1 of 1"):
        label = clipped.predict(far)
    nearest = np.clip(far, clipped.bounds_[0], clipped.bounds_[1])
    assert label == clipped.estimator_.predict(nearest)
    strict = EncryptedClassifier(LOGISTIC, margin=0.1, on_bounds="raise").fit(X.to_numpy(), y)
    with pytest.raises(BoundsExceeded):
        strict.predict(far)


@pytest.mark.usefixtures("refused_briefly")
@pytest.mark.thorough
def test_what_cannot_be_is_said_when_fitting(fitted):
    _, X, y = fitted
    with pytest.raises(UnsupportedModel, match="KNeighborsClassifier"):
        EncryptedClassifier(KNeighborsClassifier(2)).fit(X, y)
    with pytest.raises(PlanError):
        EncryptedClassifier(LOGISTIC, accuracy=1e-12).fit(X, y)
    for wrong in ({"margin": -0.1}, {"on_bounds": "ignore"}, {"accuracy": 0.0}, {"layout": "wide"}):
        with pytest.raises(ParameterError):
            EncryptedClassifier(LOGISTIC, **wrong).fit(X, y)
    with pytest.raises(NotFittedError):
        EncryptedClassifier(LOGISTIC).predict(X)


def test_weights_of_samples_reach_the_estimator():
    X, y = load_iris(return_X_y=True)
    weights = (y > 0).astype(float) + 0.01
    estimator = EncryptedClassifier().fit(X, y, sample_weight=weights)
    plain = LogisticRegression().fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(estimator.estimator_.coef_, plain.coef_)


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [EncryptedClassifier, EncryptedRegressor])
def test_scikit_learns_own_checks(kind):
    """All of them, at an accuracy at which encryption repeats itself to what they call equal; none is excepted."""
    results = check_estimator(kind(accuracy=1e-8), on_skip=None)
    skipped = {result["check_name"] for result in results if result["status"] == "skipped"}
    assert skipped <= {"check_array_api_input"}
    assert all(result["status"] in ("passed", "skipped") for result in results)
    assert len(results) > 40


@pytest.mark.thorough
def test_processes_make_keys_of_their_own():
    X, y = load_breast_cancer(return_X_y=True)
    X, X_test, y, _ = train_test_split(X, y, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = cross_validate(EncryptedClassifier(LOGISTIC), X, y, cv=2, n_jobs=2, return_estimator=True)
        wanted = cross_validate(LOGISTIC, X, y, cv=2)
        estimator = found["estimator"][0]
        assert (estimator.predict(X_test) == estimator.estimator_.predict(X_test)).mean() > 0.98
    np.testing.assert_allclose(found["test_score"], wanted["test_score"], atol=0.01)


def test_the_default_regressor_is_ridge():
    X, y = load_diabetes(return_X_y=True)
    assert isinstance(EncryptedRegressor().fit(X, y).estimator_, Ridge)


def test_columns_that_are_called_by_numbers_are_matched_and_name_no_features():
    """As for scikit-learn, only text is a name; but an order that was fitted is kept."""
    X, y = load_iris(return_X_y=True, as_frame=True)
    X.columns = range(4)
    permuted = X[[3, 1, 0, 2]]
    estimator = EncryptedClassifier(LOGISTIC).fit(permuted, y)
    assert not hasattr(estimator, "feature_names_in_")
    expected = estimator.predict(permuted[:20].to_numpy())
    assert (estimator.predict(permuted[:20]) == expected).all()
    assert (estimator.predict(X[:20]) == expected).all()
    by_place = EncryptedClassifier(LOGISTIC).fit(X, y)
    assert (by_place.predict(X[:20]) == by_place.predict(X[:20].to_numpy())).all()
    with pytest.raises(ParameterError, match="the columns are called 3, 1, 0, 2"):
        by_place.predict(permuted[:20])


@pytest.mark.thorough
def test_activations_are_chosen_by_agreement_on_what_it_is_fitted_on():
    X, y = load_wine(return_X_y=True)
    network = make_pipeline(StandardScaler(), MLPClassifier((16,), solver="lbfgs", random_state=0))
    estimator = EncryptedClassifier(network, rows=1, on_violation="warn", agreement=0.95, max_loss=0.05).fit(X, y)
    report = estimator.model_.conversion
    assert report.agreement >= 0.95
    assert report.exact == estimator.estimator_.score(X, y)
    with pytest.raises(ParameterError, match="depth of 3 cannot be had"):
        clone(estimator).set_params(depth=3).fit(X, y)
    with pytest.raises(ParameterError, match="agreement must be"):
        clone(estimator).set_params(agreement=3).fit(X, y)


def several(y):
    """Labels of two kinds for each sample, from classes 0, 1 and 2."""
    return np.stack([y, y == 2], axis=1).astype(int)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("estimator", "labels"),
    [
        (OneVsRestClassifier(LogisticRegression()), lambda y: np.eye(3, dtype=int)[y]),
        (MultiOutputClassifier(LogisticRegression()), several),
        (MultiOutputClassifier(LinearSVC(random_state=0)), several),
        (CalibratedClassifierCV(LinearSVC(random_state=0), cv=2), lambda y: y),
        (VotingClassifier([("a", LogisticRegression()), ("b", LinearSVC(random_state=0))]), lambda y: y),
    ],
    ids=["labels", "classifications", "without probabilities", "calibrated", "voted"],
)
def test_several_labels_and_finishes_of_the_client(estimator, labels):
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    target = labels(y)
    plain = clone(estimator).fit(X, target)
    private = EncryptedClassifier(estimator, accuracy=1e-5).fit(X, target)
    assert private.predict(X).dtype == plain.predict(X).dtype
    assert np.mean(private.predict(X) == plain.predict(X)) > 0.99
    assert private.score(X, target) == pytest.approx(plain.score(X, target), abs=0.02)
    weights = np.random.default_rng(0).uniform(size=len(X))
    assert 0.5 < private.score(X, target, weights) <= 1
    for method in ("predict_proba", "decision_function"):
        assert hasattr(private, method) == hasattr(plain, method)
        if hasattr(plain, method):
            for got, wanted in zip(getattr(private, method)(X), getattr(plain, method)(X), strict=True):
                np.testing.assert_allclose(got, wanted, atol=1e-2)


def test_masked_samples_are_masked_in_every_output():
    X, y = load_iris(return_X_y=True)
    estimator = MultiOutputClassifier(LogisticRegression(max_iter=1000)).fit(X, several(y))
    reading = from_sklearn(estimator).reading
    scores = np.ma.masked_array(from_sklearn(estimator).scores(X[:3]), mask=False)
    scores[1] = np.ma.masked
    shares = masked_alike(reading.predict_proba, scores)
    assert [each.mask.all(axis=1).tolist() for each in shares] == [[False, True, False]] * 2
    assert masked_alike(reading.predict, scores).mask.all(axis=1).tolist() == [False, True, False]
