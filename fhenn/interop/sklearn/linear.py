"""Estimators whose scores are affine in the features."""

from __future__ import annotations

from typing import Any

import numpy as np

from fhenn.interop.reading import Probability, Reading
from fhenn.interop.sklearn.imported import Final, Imported, Maker
from fhenn.nn import Affine, Dense


def makers() -> dict[type, Maker]:
    """The estimators of this module."""
    from sklearn import linear_model, svm

    regressors = (
        linear_model.LinearRegression,
        linear_model.Ridge,
        linear_model.Lasso,
        linear_model.ElasticNet,
        svm.LinearSVR,
    )
    classifiers = (linear_model.LogisticRegression, linear_model.SGDClassifier, svm.LinearSVC)
    return {**dict.fromkeys(regressors, _regressor), **dict.fromkeys(classifiers, _classifier)}


def weights(step: Any) -> Affine:
    """The scores of an estimator with `coef_` and `intercept_`, one row an output."""
    coefficients = step.coef_.toarray() if hasattr(step.coef_, "toarray") else np.asarray(step.coef_)
    rows = np.atleast_2d(coefficients)
    return Affine(Dense(rows), np.broadcast_to(np.ravel(step.intercept_), (len(rows),)))


def _regressor(step: Any, where: str, final: Final) -> Imported:
    return Imported([weights(step)], Reading.regression(flat=np.ndim(step.coef_) == 1))


def _classifier(step: Any, where: str, final: Final) -> Imported:
    return Imported([weights(step)], Reading.classification(step.classes_, probability(step)))


def probability(step: Any) -> Probability | None:
    """How the step's own `predict_proba` reads its scores."""
    binary = len(step.classes_) == 2
    if hasattr(step, "loss"):  # hinge and its like, of an SGDClassifier or a LinearSVC, give none
        if step.loss == "modified_huber":
            return "modified-huber"
        if step.loss != "log_loss":
            return None
        return "sigmoid" if binary else "one-vs-rest"
    # gone since scikit-learn 1.8, where it is as "auto" was
    asked = getattr(step, "multi_class", "auto")
    if asked == "ovr" or (asked != "multinomial" and (binary or step.solver == "liblinear")):
        return "sigmoid" if binary else "one-vs-rest"
    return "softmax"
