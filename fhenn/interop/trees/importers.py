"""`from_xgboost` and `from_lightgbm`: neither library is needed, nor imported."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.errors import UnsupportedModel, UnsupportedValue
from fhenn.interop.model import ImportedModel
from fhenn.interop.trees import lightgbm, xgboost
from fhenn.interop.trees.agreement import require_agreement
from fhenn.interop.trees.boosted import Boosted
from fhenn.interop.trees.sources import comes_from, content_of
from fhenn.nn import Linear

Floats = NDArray[np.float64]

_SINGLE, _DOUBLE = 2.0**-24, 2.0**-53
"""The largest relative error of a sum in single and in double precision."""


def from_xgboost(
    model: str | bytes | PathLike[str] | Any,
    *,
    classes: ArrayLike | None = None,
    rounds: int | None = None,
    missing: bool = True,
) -> ImportedModel:
    """The twin of a model of XGBoost, which decides what the model does, exactly.

    The client makes the bits x < t of each threshold t, in the clear; the trees on these bits are polynomials that are
    no approximation. Its scores are sums in double precision where XGBoost's are in single, some 1e-7 of them apart.
    A client learns the thresholds of each feature, not the trees nor the leaves (`ImportedModel.preparation.tells`).

    model: the path of what `save_model("model.json")`, or "model.ubj", wrote, these bytes or this text; or a Booster,
    XGBClassifier, XGBRegressor, XGBRFClassifier, XGBRFRegressor or XGBRanker, whose scores are compared with fhenn's.
    Boosters gbtree, dart and gblinear.
    classes: labels in the order of the scores, 0, 1, … where None; those of binary:logitraw are numbers without them.
    rounds: of boosting, from the first on; None for what `predict` of the model takes: those up to the best one where
    an estimator for scikit-learn stopped early, else all.
    missing: whether cells may be missing, which costs a bit for each feature; else they are refused.
    Returns the model, which takes tables as the trees were trained on, with blanks, and categories by their names where
    the file has them.
    Raises UnsupportedModel where it is trained for what fhenn does not know, or differs from XGBoost.
    Raises WireFormatError where a file is not what XGBoost writes, OSError where it cannot be read.
    Raises ParameterError where classes or rounds are not those of the model.
    Raises UnsupportedValue where it is another object.

    >>> tree = {
    ...     "tree_param": {"size_leaf_vector": "1"}, "split_indices": [0, 0, 0], "default_left": [1, 0, 0],
    ...     "left_children": [1, -1, -1], "right_children": [2, -1, -1], "split_conditions": [0.5, -1.0, 1.0],
    ... }
    >>> learner = {
    ...     "learner_model_param": {"base_score": "5E-1", "num_class": "0", "num_feature": "1"},
    ...     "objective": {"name": "binary:logistic"},
    ...     "gradient_booster": {"name": "gbtree", "model": {
    ...         "gbtree_model_param": {"num_parallel_tree": "1"}, "tree_info": [0], "trees": [tree]}},
    ... }
    >>> import json
    >>> from_xgboost(json.dumps({"learner": learner}), classes=["low", "high"]).predict([[0.4], [0.5]]).tolist()
    ['low', 'high']
    """
    content = content_of(model, ("{",))
    if content is not None:
        found = xgboost.read(content, classes=classes, rounds=rounds, missing=missing)
        return linear_of(found) if isinstance(found, xgboost.Linear) else found.model()
    if not comes_from(model, "xgboost"):
        raise UnsupportedValue(type(model).__name__, "a model of XGBoost, or the path of one saved as JSON")
    found = read_xgboost(model, classes=classes, rounds=rounds, missing=missing)
    return linear_of(found) if isinstance(found, xgboost.Linear) else found.model()


def from_lightgbm(
    model: str | bytes | PathLike[str] | Any,
    *,
    classes: ArrayLike | None = None,
    rounds: int | None = None,
    missing: bool = True,
    categories: Iterable[str] | None = None,
) -> ImportedModel:
    """The twin of a model of LightGBM, which decides what the model does, exactly.

    How it computes, and what a client learns, is as for `from_xgboost`; here the bits are x <= t.

    model: the path of what `save_model("model.txt")` wrote, these bytes or this text; or a Booster, LGBMClassifier,
    LGBMRegressor or LGBMRanker, whose scores are compared with fhenn's. Boosting gbdt, dart, goss and rf.
    classes: labels in the order of the scores; those that a classifier has, else 0, 1, … where None.
    rounds: of boosting, from the first on; None for what `predict` takes.
    missing: whether cells may be missing, as LightGBM decides of them: where none was missing in training it takes them
    for 0, and so does the client. Else they are refused.
    categories: names of the columns that were of pandas' type category when it was trained, which LightGBM does not
    save; needed where these may be others than those that it took for categories.
    Returns the model, which takes tables as the trees were trained on, with blanks, and categories of pandas by their
    names.
    Raises UnsupportedModel where its trees are linear, it is trained for what fhenn does not know, or differs.
    Raises WireFormatError where a file is not what LightGBM writes, OSError where it cannot be read.
    Raises ParameterError where classes, rounds or categories are not those of the model.
    Raises UnsupportedValue where it is another object.

    >>> text = '''tree
    ... version=v4
    ... num_tree_per_iteration=1
    ... max_feature_idx=0
    ... objective=regression
    ... feature_names=age
    ...
    ... Tree=0
    ... num_leaves=2
    ... num_cat=0
    ... split_feature=0
    ... threshold=40.5
    ... decision_type=10
    ... left_child=-1
    ... right_child=-2
    ... leaf_value=1.5 3
    ... is_linear=0
    ...
    ... end of trees
    ... '''
    >>> from_lightgbm(text).predict({"age": [40.5, 41.0, None]}).tolist()
    [1.5, 3.0, 1.5]
    """
    content = content_of(model, ("tree\n", "tree\r\n"))
    if content is not None:
        return lightgbm.read(content, classes=classes, rounds=rounds, missing=missing, categories=categories).model()
    if not comes_from(model, "lightgbm"):
        raise UnsupportedValue(type(model).__name__, "a model of LightGBM, or the path of one that it saved")
    return read_lightgbm(model, classes=classes, rounds=rounds, missing=missing, categories=categories).model()


def read_xgboost(
    model: Any, *, classes: ArrayLike | None = None, rounds: int | None = None, missing: bool = True
) -> Boosted | xgboost.Linear:
    """What a Booster or an estimator of XGBoost is, compared with it. Raises as `from_xgboost` does."""
    booster = model.get_booster() if hasattr(type(model), "get_booster") else model
    blank = getattr(model, "missing", np.nan)
    if blank is not None and not np.isnan(blank):
        reason = f"{blank!r:.20} stands for missing cells"
        raise UnsupportedModel("a number for missing cells", "the estimator", reason, "blanks, with missing left out")
    content = bytes(booster.save_raw("json"))
    best = booster is not model
    found = xgboost.read(content, classes=classes, rounds=rounds, missing=missing, best=best)
    if found.reading.task == "regression" and hasattr(model, "predict_proba"):
        reason = "the classifier takes scores above 0.5 for its second class"
        raise UnsupportedModel(
            "objective 'binary:logitraw'",
            "the estimator",
            reason,
            "binary:logistic, which trains the same trees",
        )
    if isinstance(found, Boosted):
        library = sys.modules["xgboost"]
        count = rounds or (booster.best_iteration + 1 if best and booster.attr("best_iteration") else 0)

        def scores(samples: Floats) -> Any:
            options = {"feature_names": booster.feature_names, "feature_types": booster.feature_types}
            data = library.DMatrix(samples, **options)
            return booster.predict(data, output_margin=True, iteration_range=(0, count))

        require_agreement(found.ensemble, scores, _SINGLE, "XGBoost")
    return found


def read_lightgbm(
    model: Any,
    *,
    classes: ArrayLike | None = None,
    rounds: int | None = None,
    missing: bool = True,
    categories: Iterable[str] | None = None,
) -> Boosted:
    """What a Booster or an estimator of LightGBM is, compared with it. Raises as `from_lightgbm` does."""
    booster = model.booster_ if hasattr(type(model), "booster_") else model
    labels = getattr(model, "classes_", None) if classes is None else classes
    content = booster.model_to_string().encode()
    found = lightgbm.read(content, classes=labels, rounds=rounds, missing=missing, categories=categories)
    # LightGBM takes the mean of a forest only after the scores
    parts = len(found.ensemble.trees) // found.ensemble.outputs if b"\naverage_output\n" in content else 1

    def scores(samples: Floats) -> Any:
        return booster.predict(samples, raw_score=True, num_iteration=rounds) / parts

    require_agreement(found.ensemble, scores, _DOUBLE, "LightGBM")
    return found


def linear_of(found: xgboost.Linear) -> ImportedModel:
    """The twin of a linear model of XGBoost."""
    return ImportedModel([Linear(found.weights, found.bias)], found.reading.named(found.names))
