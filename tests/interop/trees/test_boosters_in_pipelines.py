"""Estimators of XGBoost and LightGBM where scikit-learn's stand: in pipelines, alone, and under encryption."""

import boosters
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaggingClassifier, VotingClassifier, VotingRegressor
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

import fhenn
from fhenn.errors import DataWarning, ParameterError, UnsupportedModel
from fhenn.interop.preparation import Thermometer
from fhenn.sklearn import EncryptedClassifier

LIBRARIES = ("xgboost", "lightgbm")


def classifier(library, **options):
    """A small one that is not fitted."""
    found = boosters.library(library)
    if library == "xgboost":
        return found.XGBClassifier(**{"n_estimators": 5, "max_depth": 2, "n_jobs": 1} | options)
    return found.LGBMClassifier(**{"n_estimators": 5, "num_leaves": 4, "verbose": -1, "n_jobs": 1} | options)


def raw():
    """A table with texts and blanks, and its classes."""
    table, y = boosters.table(missing=True)
    return table.assign(colour=table.colour.astype(object), grade=table.grade.astype(float)), (y > 2).astype(int)


def encoders():
    return {
        "one-hot": ColumnTransformer(
            [
                ("texts", OneHotEncoder(handle_unknown="ignore"), ["colour"]),
                ("numbers", "passthrough", ["size", "grade"]),
            ]
        ),
        "filled": ColumnTransformer(
            [
                ("texts", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["colour"]),
                ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["size", "grade"]),
            ]
        ),
    }


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", encoders())
def test_after_a_column_transformer(library, name):
    table, y = raw()
    pipeline = make_pipeline(encoders()[name], classifier(library)).fit(table, y)
    model = fhenn.from_sklearn(pipeline, inputs=table)
    assert np.array_equal(model.predict(table), pipeline.predict(table))
    np.testing.assert_allclose(model.predict_proba(table), pipeline.predict_proba(table), atol=1e-6)


@pytest.mark.parametrize("library", LIBRARIES)
def test_after_scalers_that_would_fold(library):
    x, y = boosters.CANCER
    pipeline = make_pipeline(StandardScaler(), classifier(library)).fit(x, y)
    model = fhenn.from_sklearn(pipeline)
    assert np.array_equal(model.predict(x), pipeline.predict(x))
    with pytest.raises(UnsupportedModel):
        fhenn.from_sklearn(pipeline, preparation="fold")


@pytest.mark.parametrize("library", LIBRARIES)
def test_inside_a_search(library):
    x, y = boosters.CANCER
    search = GridSearchCV(classifier(library), {"learning_rate": [0.1, 0.3]}, cv=2).fit(x, y)
    assert np.array_equal(fhenn.from_sklearn(search).predict(x), search.predict(x))


def test_alone_with_categories_by_their_names():
    estimator, table = boosters.LIGHTGBM["categories"]()
    model = fhenn.from_sklearn(estimator)
    np.testing.assert_allclose(model.predict(table), estimator.predict(table), rtol=1e-13)
    assert model.preparation.columns[0].kind == "text"


def test_a_linear_one_folds():
    x, y = boosters.DIABETES
    linear = boosters.xgboost("Regressor", x, y, booster="gblinear", max_depth=None)
    pipeline = make_pipeline(StandardScaler(), linear).fit(x, y)
    model = fhenn.from_sklearn(pipeline)
    assert model.preparation is None
    np.testing.assert_allclose(model.predict(x), pipeline.predict(x), rtol=1e-5)


def test_a_refusal_names_the_step():
    x, y = boosters.DIABETES
    pipeline = make_pipeline(StandardScaler(), boosters.lightgbm("Regressor", x, y, linear_tree=True)).fit(x, y)
    with pytest.raises(UnsupportedModel, match=r"step 'lgbmregressor', a tree.*without linear_tree"):
        fhenn.from_sklearn(pipeline)


def thermometer_of(model):
    return next(step for step in model.preparation.steps if isinstance(step, Thermometer))


def thresholds_of(model):
    """All that a client sees."""
    return set(np.concatenate(thermometer_of(model).thresholds))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("before", [(), (SimpleImputer(),)], ids=["alone", "pipeline"])
def test_thresholds_may_be_public_quantiles(library, before):
    (x, y), public = boosters.CANCER, boosters.CANCER[0][::3]
    estimator = classifier(library)
    estimator = (make_pipeline(*before, estimator) if before else estimator).fit(x, y)
    with pytest.warns(DataWarning, match=r"in 16 bins: [89]\d\.\d% of them are predicted as before\.$"):
        model = fhenn.from_sklearn(estimator, inputs=public, thresholds="quantiles", bins=16)
    assert thresholds_of(model) <= set(np.quantile(public, np.arange(1, 16) / 16, axis=0).ravel())
    assert not thresholds_of(fhenn.from_sklearn(estimator)) & thresholds_of(model)
    assert np.mean(model.predict(x) == estimator.predict(x)) > 0.8


@pytest.mark.parametrize("kind", ["XGBOOST", "LIGHTGBM"])
def test_quantiles_of_tables_with_categories_and_blanks(kind):
    estimator, table = getattr(boosters, kind)["categories"]()
    with pytest.warns(DataWarning, match=r"Sets of categories stay as they are, of colour(, grade)?\.$"):
        model = fhenn.from_sklearn(estimator, inputs=table, thresholds="quantiles", bins=8)
    size = table["size"].dropna().astype(np.float64)
    assert thresholds_of(model) <= set(np.quantile(size, np.arange(1, 8) / 8))
    assert np.corrcoef(model.predict(table), estimator.predict(table))[0, 1] > 0.8


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("before", [(), ("passthrough",)], ids=["alone", "pipeline"])
def test_quantiles_need_samples_of_every_feature_with_thresholds(library, before):
    x, y = boosters.IRIS
    estimator = make_pipeline(*before, classifier(library)) if before else classifier(library)
    estimator.fit(x, y)
    blank = x.copy()
    blank[:, 2] = np.nan
    with pytest.raises(ParameterError, match=r"no cell of feature x2, so that .* in which it is not always"):
        fhenn.from_sklearn(estimator, inputs=blank, thresholds="quantiles")
    with pytest.raises(ParameterError, match="needs inputs"):
        fhenn.from_sklearn(estimator, thresholds="quantiles")
    with pytest.raises(UnsupportedModel, match="so that nothing before it can be folded"):
        fhenn.from_sklearn(estimator, preparation="fold")


def test_quantiles_are_for_trees():
    x, y = boosters.DIABETES
    linear = boosters.xgboost("Regressor", x, y, booster="gblinear", max_depth=None)
    np.testing.assert_allclose(fhenn.from_sklearn(linear).predict(x), linear.predict(x), rtol=1e-5)
    with pytest.raises(ParameterError, match="is for trees"):
        fhenn.from_sklearn(linear, inputs=x, thresholds="quantiles")


def test_bits_of_blanks_are_left_out_after_an_imputer():
    x, y = boosters.blanks(boosters.CANCER[0]), boosters.CANCER[1]
    pipeline = make_pipeline(SimpleImputer(), classifier("xgboost")).fit(x, y)
    model = fhenn.from_sklearn(pipeline)
    assert thermometer_of(model).missing == ()
    assert np.array_equal(model.predict(x), pipeline.predict(x))


def _ensembles(library):
    one, two = (classifier(library, n_estimators=count) for count in (2, 3))
    kind = boosters.library(library)
    regressors = [
        kind.XGBRegressor(n_estimators=count, max_depth=2, n_jobs=1)
        if library == "xgboost"
        else kind.LGBMRegressor(n_estimators=count, num_leaves=4, verbose=-1, n_jobs=1)
        for count in (2, 3)
    ]
    return {
        "soft": VotingClassifier([("one", one), ("two", two)], voting="soft", weights=[1, 2]),
        "hard": VotingClassifier([("one", one), ("two", two)], voting="hard"),
        "bag": BaggingClassifier(one, 2, max_features=10, random_state=0),
        "mean": VotingRegressor([("one", regressors[0]), ("two", regressors[1])]),
    }


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", ["soft", "hard", "bag", "mean"])
def test_several(library, name):
    """With blanks too, which LightGBM takes for 0 where it was trained without."""
    x, y = boosters.CANCER
    x = x - np.median(x, axis=0)
    estimator = _ensembles(library)[name].fit(x, y)
    model, blank = fhenn.from_sklearn(estimator), boosters.blanks(x)
    np.testing.assert_allclose(model.predict(blank), estimator.predict(blank), rtol=1e-5, atol=1e-6)


def test_several_whose_trees_ask_in_other_ways_are_refused_for_that():
    x, y = boosters.IRIS
    both = VotingClassifier([("one", classifier("xgboost")), ("two", classifier("lightgbm"))], voting="soft").fit(x, y)
    with pytest.raises(UnsupportedModel, match="some of the trees ask for x < t, others for x <= t"):
        fhenn.from_sklearn(both)


@pytest.mark.parametrize("library", LIBRARIES)
def test_encrypted(library):
    x, y = boosters.CANCER
    estimator = classifier(library).fit(x[:400], y[:400])
    private = EncryptedClassifier(estimator, accuracy=1e-4).fit(x[:400], y[:400])
    assert np.array_equal(private.predict(x[400:500]), estimator.predict(x[400:500]))


@pytest.mark.parametrize("library", LIBRARIES)
def test_encrypted_from_a_raw_table(library):
    table, y = raw()
    pipeline = make_pipeline(encoders()["one-hot"], classifier(library)).fit(table, y)
    private = fhenn.encrypted_model(fhenn.from_sklearn(pipeline), inputs=table, accuracy=1e-4)
    some = pd.concat([table[:50], table[:1].assign(colour="violet")])
    assert np.array_equal(private.predict(some), pipeline.predict(some))
