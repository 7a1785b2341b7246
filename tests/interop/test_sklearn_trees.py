"""Trees of scikit-learn: the twin answers as the estimator does, on thresholds, ties and missing cells too."""

import warnings

import numpy as np
import pytest

import fhenn
from fhenn.errors import DataWarning, FeatureMismatch, MissingValues, ParameterError, UnsupportedModel
from fhenn.interop import Reading
from fhenn.interop.preparation import Thermometer

pytest.importorskip("sklearn")

from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

from fhenn.sklearn import EncryptedClassifier

FEATURES = 5
STUMP, TREE = DecisionTreeClassifier(max_depth=1), DecisionTreeClassifier(max_depth=2)
CASES = {
    "tree": (DecisionTreeClassifier(max_depth=4), "three"),
    "tree, binary": (DecisionTreeClassifier(), "binary"),
    "tree, missing": (DecisionTreeClassifier(max_depth=4), "three missing"),
    "extra tree": (ExtraTreeClassifier(max_depth=5), "binary"),
    "forest": (RandomForestClassifier(8), "three"),
    "forest, binary": (RandomForestClassifier(8), "binary"),
    "forest, missing": (RandomForestClassifier(5), "binary missing"),
    "forest, outputs": (RandomForestClassifier(4, max_depth=4), "classes"),
    "extra trees": (ExtraTreesClassifier(5, max_depth=5), "three"),
    "regression tree": (DecisionTreeRegressor(max_depth=5), "regression"),
    "regression extra tree": (ExtraTreeRegressor(max_depth=5), "regression"),
    "regression forest": (RandomForestRegressor(5, max_depth=5), "regression missing"),
    "regression forest, outputs": (RandomForestRegressor(5, max_depth=4), "outputs"),
    "regression extra trees": (ExtraTreesRegressor(5, max_depth=4), "regression"),
    "boosting": (GradientBoostingClassifier(n_estimators=8), "three"),
    "boosting, binary": (GradientBoostingClassifier(n_estimators=8, subsample=0.7), "binary"),
    "boosting, exponential": (GradientBoostingClassifier(n_estimators=8, loss="exponential", init="zero"), "binary"),
    "boosting, regression": (GradientBoostingRegressor(n_estimators=8), "regression"),
    "boosting, quantile": (GradientBoostingRegressor(n_estimators=8, loss="quantile", init="zero"), "regression"),
    "histograms": (HistGradientBoostingClassifier(max_iter=5), "three missing"),
    "histograms, binary": (HistGradientBoostingClassifier(max_iter=5, max_depth=3), "binary"),
    "histograms, regression": (HistGradientBoostingRegressor(max_iter=5, max_leaf_nodes=8), "regression missing"),
    "histograms, Poisson": (HistGradientBoostingRegressor(max_iter=5, loss="poisson"), "positive"),
    "histograms, codes": (HistGradientBoostingClassifier(max_iter=5, categorical_features=[1, 3]), "three codes"),
    "AdaBoost of stumps": (AdaBoostClassifier(STUMP, n_estimators=10), "binary"),
    "AdaBoost": (AdaBoostClassifier(TREE, n_estimators=6), "three"),
    "isolation": (IsolationForest(n_estimators=8, max_samples=32, max_features=3, contamination=0.1), "novelty"),
    "calibrated": (CalibratedClassifierCV(GradientBoostingClassifier(n_estimators=5), ensemble=False, cv=2), "binary"),
    "threshold": (FixedThresholdClassifier(RandomForestClassifier(5, max_depth=3), threshold=0.3), "binary"),
    "search": (GridSearchCV(TREE, {"max_depth": [2, 3]}, cv=2), "three"),
    "scaled target": (
        TransformedTargetRegressor(DecisionTreeRegressor(max_depth=3), transformer=StandardScaler()),
        "regression",
    ),
    "bagging": (BaggingClassifier(TREE, 5, max_features=3), "three"),
    "bagging, binary": (BaggingClassifier(DecisionTreeClassifier(), 5), "binary missing"),
    "bagging of boosting": (BaggingClassifier(GradientBoostingClassifier(n_estimators=2), 2), "three"),
    "bagging, regression": (BaggingRegressor(DecisionTreeRegressor(max_depth=3), 4, max_features=4), "regression"),
    "soft votes": (
        VotingClassifier([("a", TREE), ("b", GradientBoostingClassifier(n_estimators=3))], voting="soft"),
        "three",
    ),
    "hard votes": (VotingClassifier([("a", TREE), ("b", STUMP), ("c", ExtraTreeClassifier(max_depth=4))]), "three"),
    "voting, regression": (
        VotingRegressor(
            [("a", DecisionTreeRegressor(max_depth=3)), ("b", RandomForestRegressor(3, max_depth=3))], weights=[1, 2]
        ),
        "regression",
    ),
    "calibrated folds": (
        CalibratedClassifierCV(RandomForestClassifier(3, max_depth=3), method="isotonic", cv=2),
        "three",
    ),
    "several regressions": (MultiOutputRegressor(HistGradientBoostingRegressor(max_iter=2, max_depth=2)), "outputs"),
    "several classifications": (MultiOutputClassifier(GradientBoostingClassifier(n_estimators=2)), "classes"),
    "after a scaler": (make_pipeline(StandardScaler(), RandomForestClassifier(5, max_depth=4)), "three"),
    "after an imputer": (
        make_pipeline(SimpleImputer(), GradientBoostingRegressor(n_estimators=5)),
        "regression missing",
    ),
}


def samples_and_target(kind, rng):
    X = rng.normal(size=(150, FEATURES)).round(2)
    if "codes" in kind:
        X[:, [1, 3]] = rng.integers(0, 7, (150, 2))
    if "missing" in kind or "codes" in kind:
        X[rng.random(X.shape) < 0.1] = np.nan
    full = np.nan_to_num(X)
    value = full[:, 0] + np.sign(full[:, 1]) + full[:, 2] * (full[:, 3] > 0)
    targets = {
        "binary": np.array(["no", "yes"])[(value > 0).astype(int)],
        "three": np.array([30, 10, 20])[np.digitize(value, [-0.7, 0.7])],
        "classes": np.stack([np.digitize(value, [-0.7, 0.7]), (full[:, 4] > 0).astype(int)], axis=1),
        "regression": value,
        "outputs": np.stack([value, -value + full[:, 4]], axis=1),
        "positive": np.exp(value / 4),
        "novelty": None,
    }
    return X, targets[kind.partition(" ")[0]]


def unseen_of(estimator, X, rng):
    """Samples, other ones with missing cells where some were, and such with cells on thresholds and beside them."""
    holes = np.isnan(X).any()
    cells = [X[~np.isnan(X)], [-1e6, 1e6]]
    for tree in trees_in(estimator):
        cells += [tree.threshold, np.nextafter(tree.threshold, np.inf), np.float64(np.float32(tree.threshold))]
    cells = np.concatenate(cells)
    cells = cells[np.isfinite(cells)]  # trees part missing cells from others by infinite thresholds
    other = rng.choice(cells, (200, X.shape[1]))
    if holes:
        other[rng.random(other.shape) < 0.2] = np.nan
    return np.concatenate([X, other])


def trees_in(estimator):
    found = np.ravel(np.array(getattr(estimator, "estimators_", [estimator]), dtype=object))
    return [each.tree_ for each in found if hasattr(each, "tree_")]


def same(model, estimator, X):
    predicted = model.predict(X)
    wanted = estimator.predict(X)
    if wanted.dtype.kind == "f":
        assert np.allclose(predicted, wanted, rtol=1e-12, atol=1e-12)
    else:
        assert np.array_equal(predicted, wanted)
        assert predicted.dtype == wanted.dtype
    for name in ("predict_proba", "decision_function"):
        if hasattr(estimator, name):
            both = getattr(model, name)(X), getattr(estimator, name)(X)
            for found, right in zip(*both, strict=True) if isinstance(both[1], list) else [both]:
                assert np.allclose(found, right, rtol=1e-12, atol=1e-12)


def fitted(estimator, kind, rng):
    X, y = samples_and_target(kind, rng)
    names = estimator.get_params()
    seeds = {name: 0 for name in names if name.rpartition("__")[2] == "random_state"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return X, estimator.set_params(**seeds).fit(X, *([] if y is None else [y]))


@pytest.mark.parametrize("name", CASES)
def test_the_twin_is_the_estimator(name):
    estimator, kind = CASES[name]
    rng = np.random.default_rng(1)
    X, estimator = fitted(estimator, kind, rng)
    model = fhenn.from_sklearn(estimator, inputs=X)
    assert model.stand_ins == ()
    assert model.preparation.bounds == (0.0, 1.0)
    same(model, estimator, unseen_of(estimator, X, rng))
    assert Reading.from_json(model.reading.to_json()) == model.reading


@pytest.mark.parametrize("name", ["forest", "extra trees", "regression extra tree", "histograms, binary", "isolation"])
def test_trees_that_saw_no_missing_cell_have_no_bits_for_any(name):
    estimator, kind = CASES[name]
    _, estimator = fitted(estimator, kind, np.random.default_rng(1))
    model = fhenn.from_sklearn(estimator)
    assert not any("is missing" in feature for feature in model.preparation.features)
    with pytest.raises(MissingValues):
        model.predict([[np.nan] * FEATURES])


def test_even_votes_go_to_the_first_class():  # as in scikit-learn, though rounding and noise may favour another
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    for classes in (2, 3):
        estimator = RandomForestClassifier(6, random_state=0).fit(X, rng.integers(0, classes, 60))
        model, unseen = fhenn.from_sklearn(estimator), rng.normal(size=(300, 3))
        votes = np.sort(estimator.predict_proba(unseen))
        assert np.count_nonzero(votes[:, -1] == votes[:, -2]) > 10
        assert np.array_equal(model.predict(unseen), estimator.predict(unseen))
        noisy = model.scores(unseen) + rng.normal(size=(300, 1 if classes == 2 else classes)) * 1e-7
        assert np.array_equal(model.reading.predict(noisy), estimator.predict(unseen))


def test_a_clear_decision_for_the_last_of_many_classes_is_the_forests():
    """What counts as even does not grow with the places of the classes."""
    last = 299
    y = np.concatenate([np.zeros(500), np.full(501, last), np.arange(last)])
    X = np.concatenate([np.zeros(1001), np.ones(last)])[:, None]
    estimator = DecisionTreeClassifier(max_depth=1).fit(X, y)
    shares = estimator.predict_proba([[0.0]])[0]
    assert shares[last] - shares[0] == pytest.approx(1 / 1001)
    assert fhenn.from_sklearn(estimator).predict([[0.0]]).tolist() == [last]


def table(rows=120):
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    found = pd.DataFrame({
        "age": rng.integers(20, 90, rows).astype(float),
        "sex": rng.choice(["m", "f", None], rows, p=[0.45, 0.45, 0.1]),
        "lab": rng.normal(size=rows),
    })  # fmt: skip
    found.loc[rng.random(rows) < 0.1, "lab"] = np.nan
    ill = ((found["age"] > 50) & (found["sex"] == "m")) | (found["lab"] > 1)
    return found, np.where(ill, "ill", "well")


def test_categories_are_encoded_by_the_client():
    X, y = table()
    X["sex"] = X["sex"].astype("category")
    estimator = HistGradientBoostingClassifier(max_iter=8).fit(X, y)
    model = fhenn.from_sklearn(estimator, inputs=X)
    same(model, estimator, X)
    assert any(line == "sex: its categories 'f', 'm', missing" for line in model.preparation.tells())
    assert any(line.startswith("age: the thresholds") for line in model.preparation.tells())
    raw = X.astype({"sex": object})
    raw.loc[:5, "sex"] = "other"  # as a missing one to scikit-learn
    wanted = raw.copy()
    wanted.loc[:5, "sex"] = None
    assert np.array_equal(model.predict(raw), estimator.predict(wanted.astype({"sex": "category"})))


def pipeline():
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()), ["sex"]),
        (SimpleImputer(), ["age", "lab"]),
    )
    return make_pipeline(columns, RandomForestClassifier(6, max_depth=3, random_state=0))


def test_raw_tables_go_through_a_pipeline():
    X, y = table()
    estimator = pipeline().fit(X, y)
    model = fhenn.from_sklearn(estimator, inputs=X)
    same(model, estimator, X)
    assert not any("is missing" in name for name in model.preparation.features)  # all are filled before
    with pytest.raises(FeatureMismatch):
        model.predict(X.drop(columns="lab"))
    with pytest.raises(UnsupportedModel, match=r"nothing before it can be folded.*preparation='client'"):
        fhenn.from_sklearn(estimator, preparation="fold")


@pytest.mark.thorough
def test_raw_tables_are_predicted_under_encryption():
    X, y = table()
    estimator = pipeline().fit(X, y)
    private = fhenn.encrypted_model(fhenn.from_sklearn(estimator))
    assert np.array_equal(private.predict(X[:20]), estimator.predict(X[:20]))
    assert np.abs(private.predict_proba(X[:20]) - estimator.predict_proba(X[:20])).max() < 1e-4
    certificate = fhenn.certify(private.model, plan=private.plan)
    assert certificate.approximation == 0
    assert not certificate.from_data


@pytest.mark.parametrize(
    "estimator",
    [RandomForestClassifier(5, max_depth=3, random_state=0), pytest.param(pipeline(), marks=pytest.mark.thorough)],
)
def test_the_wrapper_takes_trees(estimator):
    X, y = table()
    if isinstance(estimator, RandomForestClassifier):
        X = X[["age", "lab"]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        private = EncryptedClassifier(estimator).fit(X, y)
    assert np.array_equal(private.predict(X[:10]), private.estimator_.predict(X[:10]))


REFUSALS = {
    "kinds": (
        VotingClassifier([("a", LogisticRegression()), ("b", TREE)]),
        "binary",
        "LogisticRegression.*some of several are trees, and others linear",
    ),
    "precisions": (
        VotingClassifier([("a", TREE), ("b", HistGradientBoostingClassifier(max_iter=2))]),
        "binary",
        "VotingClassifier.*some in single precision, and others in double",
    ),
    "median": (AdaBoostRegressor(n_estimators=3), "regression", "weighted median.*GradientBoostingRegressor"),
    "no tree": (
        AdaBoostClassifier(LogisticRegression(), n_estimators=3),
        "binary",
        r"LogisticRegression.*estimators_.*tree",
    ),
    "no split": (DecisionTreeClassifier(max_depth=4, min_samples_leaf=100), "binary", "same for every sample"),
    "begin": (
        GradientBoostingRegressor(n_estimators=2, init=LinearRegression()),
        "regression",
        "begins with a LinearReg",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_refused(name):
    estimator, kind, text = REFUSALS[name]
    _, estimator = fitted(estimator, kind, np.random.default_rng(1))
    with pytest.raises(UnsupportedModel, match=text):
        fhenn.from_sklearn(estimator)


def test_one_class_is_refused():
    estimator = RandomForestClassifier(2).fit([[0.0], [1.0]], ["a", "a"])
    with pytest.raises(UnsupportedModel, match="samples of one class"):
        fhenn.from_sklearn(estimator)


def test_a_bag_of_scaled_targets_does_not_lose_the_scale():
    rng = np.random.default_rng(1)
    scaled = TransformedTargetRegressor(DecisionTreeRegressor(max_depth=2), transformer=StandardScaler())
    _, estimator = fitted(BaggingRegressor(scaled, 2), "regression", rng)
    with pytest.raises(UnsupportedModel, match="one of several"):
        fhenn.from_sklearn(estimator)


@pytest.mark.parametrize(
    ("estimator", "kind", "text"),
    [
        (GradientBoostingClassifier(n_estimators=10), "three missing", r"in 16 bins: [89]\d\.\d% of them"),
        (RandomForestRegressor(5), "regression", r"in 16 bins: the values differ by 0\.\d+ \(root mean square\)"),
    ],
)
def test_thresholds_may_be_public_quantiles(estimator, kind, text):
    X, estimator = fitted(make_pipeline(SimpleImputer(), estimator), kind, np.random.default_rng(1))
    with pytest.warns(DataWarning, match=text):
        model = fhenn.from_sklearn(estimator, inputs=X, thresholds="quantiles", bins=16)
    thermometer = next(step for step in model.preparation.steps if isinstance(step, Thermometer))
    quantiles = np.quantile(SimpleImputer().fit_transform(X), np.arange(1, 16) / 16, axis=0)
    assert set(np.concatenate(thermometer.thresholds)) <= set(quantiles.ravel())
    assert max(map(len, thermometer.thresholds)) <= 15
    assert model.score(X, estimator.predict(X)) > 0.8


def test_quantiles_need_trees_and_samples():
    X, tree = fitted(DecisionTreeClassifier(max_depth=2), "binary", np.random.default_rng(1))
    _, linear = fitted(LogisticRegression(), "binary", np.random.default_rng(1))
    for estimator, options in ((tree, {}), (linear, {"inputs": X})):
        with pytest.raises(ParameterError, match="is for trees, and needs inputs"):
            fhenn.from_sklearn(estimator, thresholds="quantiles", **options)
    for options, told in (
        ({"thresholds": "all"}, "thresholds must be 'exact' or 'quantiles', not 'all'"),
        *(({"bins": bins}, "bins must be a whole number from 2 to 4,096") for bins in (1, 4097, 2.5, "64", True)),
    ):
        with pytest.raises(ParameterError, match=told):
            fhenn.from_sklearn(tree, **options)
