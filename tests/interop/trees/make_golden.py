"""Writes the files of `golden`: models as the installed XGBoost and LightGBM save them, samples, and what they say.

Files that are there stay as they are: they are of the version in their name. Run it with another version to add some.
"""

import json
from pathlib import Path

import boosters
import numpy as np

from fhenn.missing import is_missing

FOLDER = Path(__file__).parent / "golden"

SMALL = {"n_estimators": 3, "max_depth": 2}
FEW = {"n_estimators": 3, "num_leaves": 4}


def xgboost_models():
    """Estimators of XGBoost with samples, by name and ending."""
    (x, y), data = boosters.CANCER, boosters.DIABETES
    blank = boosters.blanks(x)
    held = {"eval_set": [(x[300:], y[300:])], "verbose": False}
    early = SMALL | {"n_estimators": 9, "early_stopping_rounds": 2, "learning_rate": 1.5}
    yield "early.json", boosters.xgboost("Classifier", x[:300], y[:300], held, **early), x
    yield "blanks.ubj", boosters.xgboost("Classifier", blank, y, **SMALL), blank
    yield "three.json", boosters.xgboost("Classifier", *boosters.IRIS, **SMALL), boosters.IRIS[0]
    yield "counts.json", boosters.xgboost("Regressor", *data, **SMALL, objective="count:poisson"), data[0]
    yield "dart.ubj", boosters.xgboost("Regressor", *data, **SMALL, booster="dart", rate_drop=0.5), data[0]
    targets = (data[0], boosters.TARGETS)
    yield "vectors.json", boosters.xgboost("Regressor", *targets, **SMALL, multi_strategy="multi_output_tree"), data[0]
    options = {"booster": "gblinear", "n_estimators": 3, "max_depth": None}
    yield "linear.json", boosters.xgboost("Classifier", *boosters.IRIS, **options), boosters.IRIS[0]
    table, outcome = boosters.table(missing=True)
    options = {"enable_categorical": True, "max_cat_to_onehot": 1}
    yield "categories.json", boosters.xgboost("Regressor", table, outcome, **SMALL, **options), table


def lightgbm_models():
    """Estimators of LightGBM with samples, by name and ending."""
    x, y = boosters.CANCER
    blank = boosters.blanks(x)
    yield "blanks.txt", boosters.lightgbm("Classifier", blank, y, **FEW), blank
    yield "three.txt", boosters.lightgbm("Classifier", *boosters.IRIS, **FEW), boosters.IRIS[0]
    few, target = boosters.blanks(boosters.rounded(boosters.DIABETES[0])), boosters.DIABETES[1]
    yield "zeros.txt", boosters.lightgbm("Regressor", few, target, **FEW, zero_as_missing=True), few
    options = {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}
    yield "forest.txt", boosters.lightgbm("Classifier", *boosters.IRIS, **FEW, **options), boosters.IRIS[0]
    table, outcome = boosters.table(missing=True)
    yield "categories.txt", boosters.lightgbm("Regressor", table, outcome, **FEW, min_child_samples=5), table


def columns(x):
    """Samples as JSON has them: rows, or columns by name where they have names."""
    if hasattr(x, "columns"):
        return {name: [None if is_missing(cell) else cell for cell in x[name].tolist()] for name in x.columns}
    return [[None if is_missing(cell) else cell for cell in row] for row in np.asarray(x).tolist()]


def main():
    """Write what is not there."""
    xgboost, lightgbm = map(boosters.library, ("xgboost", "lightgbm"))
    FOLDER.mkdir(exist_ok=True)
    for library, models in ((xgboost, xgboost_models()), (lightgbm, lightgbm_models())):
        version = ".".join(library.__version__.split(".")[:2])
        for name, estimator, x in models:
            path = FOLDER / f"{library.__name__}-{version}-{name}"
            if path.exists():
                continue
            some = x.iloc[:20] if hasattr(x, "iloc") else x[:20]
            (estimator if library is xgboost else estimator.booster_).save_model(path)
            said = {"samples": columns(some), "predict": np.asarray(estimator.predict(some)).tolist()}
            if hasattr(estimator, "predict_proba"):
                said["predict_proba"] = np.asarray(estimator.predict_proba(some), dtype=np.float64).tolist()
            path.with_name(f"{path.name}.expected").write_text(json.dumps(said) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
