"""Estimators of estimators."""

from __future__ import annotations

from typing import Any

import numpy as np

from fhenn.interop.reading import Reading
from fhenn.interop.sklearn.imported import Final, Imported, Maker, refuse, why_not
from fhenn.interop.sklearn.linear import probability, weights
from fhenn.nn import Affine, Dense


def makers() -> dict[type, Maker]:
    """The estimators of this module."""
    from sklearn import multiclass

    return {multiclass.OneVsRestClassifier: _one_vs_rest}


def _one_vs_rest(step: Any, where: str, final: Final) -> Imported:
    from sklearn import linear_model, svm

    inner = {linear_model.LogisticRegression, linear_model.SGDClassifier, svm.LinearSVC}
    if step.multilabel_:
        raise refuse(step, where, "it was fitted on several labels per sample", "one label per sample")
    for one in step.estimators_:
        if type(one) not in inner:
            raise refuse(
                one, f"{where}, estimators_", why_not(one, inner), "LogisticRegression, SGDClassifier, LinearSVC"
            )
    rows = [weights(one) for one in step.estimators_]
    scores = Affine(
        Dense(np.concatenate([row.operator.dense() for row in rows])), np.concatenate([row.bias for row in rows])
    )
    found = probability(step.estimators_[0])
    if len(rows) > 1 and found == "softmax":
        raise refuse(step.estimators_[0], f"{where}, estimators_", "it is multinomial", "multi_class='ovr'")
    if len(rows) > 1 and found == "sigmoid":
        found = "one-vs-rest"
    return Imported([scores], Reading.classification(step.classes_, found))
