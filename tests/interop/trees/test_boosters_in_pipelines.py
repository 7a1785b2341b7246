"""Estimators of XGBoost and LightGBM where scikit-learn's stand: in pipelines, alone, and under encryption."""

import boosters
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

import fhenn
from fhenn.errors import UnsupportedModel
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
