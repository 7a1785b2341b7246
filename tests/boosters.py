"""Small models of XGBoost and LightGBM, of each kind that fhenn reads, with samples that they were not trained on."""

from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris


def library(name):
    """XGBoost or LightGBM, or the test is skipped."""
    try:
        return import_module(name)
    except (ImportError, OSError) as error:  # LightGBM's wheel wants a libgomp of the system's
        return pytest.skip(f"{name} cannot be imported: {error}")


def blanks(x, share=0.1):
    """The same with cells that are missing."""
    found = np.array(x, dtype=np.float64)
    found[np.random.default_rng(1).random(found.shape) < share] = np.nan
    return found


def rounded(x):
    """Whole numbers, of which many are 0."""
    return np.round(np.asarray(x) * 30)


def table(rows=300, missing=False):
    """Categories named by texts and by numbers beside numbers, and what depends on them."""
    draw = np.random.default_rng(0)
    x = pd.DataFrame(
        {
            "colour": pd.Categorical(draw.choice(["red", "green", "blue", "grey", "pink"], rows)),
            "size": draw.normal(size=rows),
            "grade": pd.Categorical(draw.choice([3, 5, 9, 11], rows)),
        }
    )
    y = x.colour.cat.codes % 3 * 2 + np.sin(3 * x["size"]) + x.grade.cat.codes % 2
    if missing:
        x.loc[::7, "colour"], x.loc[::5, "grade"], x.loc[::4, "size"] = None, None, np.nan
    return x, y.to_numpy(dtype=np.float64)


CANCER, IRIS, DIABETES = (load(return_X_y=True) for load in (load_breast_cancer, load_iris, load_diabetes))
LABELS = np.c_[CANCER[1], CANCER[0][:, 0] > 15].astype(int)
TARGETS = np.c_[DIABETES[1], DIABETES[1] ** 2 / 100]


def xgboost(kind, x, y, fit=None, **options):
    """A fitted estimator of XGBoost."""
    made = getattr(library("xgboost"), f"XGB{kind}")(**{"n_estimators": 8, "max_depth": 3, "n_jobs": 1} | options)
    return made.fit(x, y, **(fit or {}))


def lightgbm(kind, x, y, fit=None, **options):
    """A fitted estimator of LightGBM."""
    made = getattr(library("lightgbm"), f"LGBM{kind}")(
        **{"n_estimators": 8, "num_leaves": 8, "verbose": -1, "n_jobs": 1} | options
    )
    return made.fit(x, y, **(fit or {}))


def _early():
    (x, y), held = CANCER, slice(300, None)
    options = {"early_stopping_rounds": 2, "learning_rate": 1.0, "n_estimators": 40}
    return xgboost("Classifier", x[:300], y[:300], {"eval_set": [(x[held], y[held])], "verbose": False}, **options)


def _of(make, kind, data, **options):
    return lambda: (make(kind, *data, **options), data[0])


_SCALED = (DIABETES[0], DIABETES[1] / 400)
_BLANK = (blanks(CANCER[0]), CANCER[1])
_NAMED = (IRIS[0], np.array(["setosa", "versicolor", "virginica"])[IRIS[1]])
_ZEROS, _FEW = (rounded(DIABETES[0]), DIABETES[1]), (blanks(rounded(DIABETES[0])), DIABETES[1])

XGBOOST = {
    "binary": _of(xgboost, "Classifier", CANCER),
    "binary, blanks": _of(xgboost, "Classifier", _BLANK),
    "hinge": _of(xgboost, "Classifier", CANCER, objective="binary:hinge", base_score=0.3),
    "three": _of(xgboost, "Classifier", IRIS),
    "softmax": _of(xgboost, "Classifier", IRIS, objective="multi:softmax"),
    "labels": _of(xgboost, "Classifier", (CANCER[0], LABELS)),
    "early": lambda: (_early(), CANCER[0]),
    "squares": _of(xgboost, "Regressor", DIABETES),
    "absolute": _of(xgboost, "Regressor", DIABETES, objective="reg:absoluteerror"),
    "logistic": _of(xgboost, "Regressor", _SCALED, objective="reg:logistic"),
    "counts": _of(xgboost, "Regressor", DIABETES, objective="count:poisson"),
    "gamma": _of(xgboost, "Regressor", DIABETES, objective="reg:gamma"),
    "tweedie": _of(xgboost, "Regressor", DIABETES, objective="reg:tweedie"),
    "cox": _of(xgboost, "Regressor", DIABETES, objective="survival:cox"),
    "quantiles": _of(xgboost, "Regressor", DIABETES, objective="reg:quantileerror", quantile_alpha=[0.1, 0.9]),
    "targets": _of(xgboost, "Regressor", (DIABETES[0], TARGETS)),
    "vectors": _of(xgboost, "Regressor", (DIABETES[0], TARGETS), multi_strategy="multi_output_tree"),
    "dart": _of(xgboost, "Regressor", DIABETES, booster="dart", rate_drop=0.5),
    "linear": _of(xgboost, "Regressor", DIABETES, booster="gblinear", max_depth=None),
    "linear, three": _of(xgboost, "Classifier", IRIS, booster="gblinear", max_depth=None),
    "forest": _of(xgboost, "RFClassifier", IRIS),
    "categories": _of(xgboost, "Regressor", table(missing=True), enable_categorical=True, max_cat_to_onehot=1),
    "one-hot": _of(xgboost, "Regressor", table(), enable_categorical=True, max_cat_to_onehot=99),
}
"""Estimators of XGBoost with samples, made when called."""

LIGHTGBM = {
    "binary": _of(lightgbm, "Classifier", CANCER),
    "binary, blanks": _of(lightgbm, "Classifier", _BLANK),
    "slope": _of(lightgbm, "Classifier", CANCER, sigmoid=2.0),
    "three": _of(lightgbm, "Classifier", _NAMED),
    "one against rest": _of(lightgbm, "Classifier", _NAMED, objective="multiclassova"),
    "squares": _of(lightgbm, "Regressor", DIABETES),
    "absolute": _of(lightgbm, "Regressor", DIABETES, objective="regression_l1"),
    "fair": _of(lightgbm, "Regressor", DIABETES, objective="fair"),
    "counts": _of(lightgbm, "Regressor", DIABETES, objective="poisson"),
    "gamma": _of(lightgbm, "Regressor", DIABETES, objective="gamma"),
    "tweedie": _of(lightgbm, "Regressor", DIABETES, objective="tweedie"),
    "shares": _of(lightgbm, "Regressor", _SCALED, objective="cross_entropy"),
    "shares, lambda": _of(lightgbm, "Regressor", _SCALED, objective="cross_entropy_lambda"),
    "forest": _of(lightgbm, "Classifier", IRIS, boosting_type="rf", bagging_freq=1, bagging_fraction=0.5),
    "dart": _of(lightgbm, "Regressor", DIABETES, boosting_type="dart"),
    "zeros": _of(lightgbm, "Regressor", _ZEROS, zero_as_missing=True),
    "zeros, blanks": _of(lightgbm, "Regressor", _FEW, zero_as_missing=True),
    "blanks as zeros": _of(lightgbm, "Regressor", _FEW, use_missing=False),
    "categories": _of(lightgbm, "Regressor", table(missing=True), min_child_samples=5),
}
"""Estimators of LightGBM with samples, made when called."""
