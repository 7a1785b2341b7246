"""Estimators whose scores are affine in the features."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from fhenn.interop.reading import Maps, Probability, Reading
from fhenn.interop.reading.compact import complemented
from fhenn.interop.reading.expressions import Scores
from fhenn.interop.reading.operations import Apply, Exceeds
from fhenn.interop.sklearn.imported import Final, Imported, Maker
from fhenn.nn import Affine, Dense


def makers() -> dict[type, Maker]:
    """The estimators of this module."""
    from sklearn import cross_decomposition, discriminant_analysis, linear_model, svm

    regressors = (
        linear_model.LinearRegression,
        linear_model.Ridge,
        linear_model.RidgeCV,
        linear_model.Lasso,
        linear_model.LassoCV,
        linear_model.ElasticNet,
        linear_model.ElasticNetCV,
        linear_model.Lars,
        linear_model.LarsCV,
        linear_model.LassoLars,
        linear_model.LassoLarsCV,
        linear_model.LassoLarsIC,
        linear_model.OrthogonalMatchingPursuit,
        linear_model.OrthogonalMatchingPursuitCV,
        linear_model.MultiTaskLasso,
        linear_model.MultiTaskLassoCV,
        linear_model.MultiTaskElasticNet,
        linear_model.MultiTaskElasticNetCV,
        linear_model.SGDRegressor,
        linear_model.BayesianRidge,
        linear_model.ARDRegression,
        linear_model.HuberRegressor,
        linear_model.TheilSenRegressor,
        linear_model.QuantileRegressor,
        svm.LinearSVR,
    )
    by_loss = (
        linear_model.SGDClassifier,
        linear_model.Perceptron,
        svm.LinearSVC,
    )
    generalised = (linear_model.PoissonRegressor, linear_model.GammaRegressor, linear_model.TweedieRegressor)
    least_squares = (cross_decomposition.PLSRegression, cross_decomposition.PLSCanonical, cross_decomposition.CCA)
    logistic = (linear_model.LogisticRegression, linear_model.LogisticRegressionCV)
    there = vars(linear_model)
    return {
        # gone with scikit-learn 1.10
        **dict.fromkeys(_named(there, "PassiveAggressiveRegressor"), _regressor),
        **dict.fromkeys(_named(there, "PassiveAggressiveClassifier"), partial(_classifier, _probability_of_loss)),
        **dict.fromkeys(regressors, _regressor),
        **dict.fromkeys(generalised, _generalised),
        **dict.fromkeys(least_squares, _partial_least_squares),
        **dict.fromkeys(by_loss, partial(_classifier, _probability_of_loss)),
        **dict.fromkeys(logistic, partial(_classifier, _probability_of_logistic)),
        discriminant_analysis.LinearDiscriminantAnalysis: partial(_classifier, _probability_of_discriminant),
        **dict.fromkeys((linear_model.RidgeClassifier, linear_model.RidgeClassifierCV), _ridge_classifier),
        linear_model.SGDOneClassSVM: _one_class,
    }


def _named(module: Mapping[str, Any], name: str) -> list[type]:
    return [module[name]] if name in module else []


def weights(step: Any) -> Affine:
    """The scores of an estimator with `coef_` and `intercept_`, one row an output."""
    coefficients = step.coef_.toarray() if hasattr(step.coef_, "toarray") else np.asarray(step.coef_)
    rows = np.atleast_2d(coefficients)
    return Affine(Dense(rows), np.broadcast_to(np.ravel(step.intercept_), (len(rows),)))


def novelty(decision: Affine, dtype: type, *, inclusive: bool) -> Imported:
    """A detector of outliers: 1 where its decision is above 0, else -1.

    decision: one score.
    dtype: of what `predict` returns.
    inclusive: whether a decision of 0 is 1 too.
    """
    score = Scores((0,))
    maps = Maps(complemented(Exceeds(score, 0.0, inclusive)), decision=score)
    return Imported([decision], Reading.classification(np.array([-1, 1], dtype=dtype), maps=maps))


def _regressor(step: Any, where: str, final: Final) -> Imported:
    return Imported([weights(step)], Reading.regression(flat=np.ndim(step.coef_) == 1))


def _generalised(step: Any, where: str, final: Final) -> Imported:
    """The mean is the inverse of the link: exp, where it is the logarithm."""
    power = {"PoissonRegressor": 1.0, "GammaRegressor": 2.0}.get(type(step).__name__)
    link = "log"
    if power is None:
        power = float(step.power)
        link = ("log" if power > 0 else "identity") if step.link == "auto" else step.link
    maps = Maps(Apply(Scores((0,)), "exp")) if link == "log" else None
    return Imported([weights(step)], Reading.regression(maps=maps, deviance=power))


def _partial_least_squares(step: Any, where: str, final: Final) -> Imported:
    rows = np.asarray(step.coef_)
    centred = Affine(Dense(rows), step.intercept_ - rows @ step._x_mean)
    return Imported([centred], Reading.regression(flat=bool(step._predict_1d)))


def _classifier(probability: Any, step: Any, where: str, final: Final) -> Imported:
    return Imported([weights(step)], Reading.classification(step.classes_, probability(step)))


def _ridge_classifier(step: Any, where: str, final: Final) -> Imported:
    if not step._label_binarizer.y_type_.startswith("multilabel"):
        return Imported([weights(step)], Reading.classification(step.classes_))
    scores = Scores(tuple(range(len(step.classes_))))
    maps = Maps(Exceeds(scores, 0.0, inclusive=False), decision=scores)
    return Imported([weights(step)], Reading.multilabel(step.classes_, maps))


def _one_class(step: Any, where: str, final: Final) -> Imported:
    return novelty(Affine(Dense(np.atleast_2d(step.coef_)), -step.offset_), np.int32, inclusive=True)


def _several(step: Any, binary: Probability, several: Probability) -> Probability:
    return binary if len(step.classes_) == 2 else several


def _probability_of_loss(step: Any) -> Probability | None:
    """How `predict_proba` reads scores that were fitted by a loss: hinge and its like give none."""
    if step.loss == "modified_huber":
        return "modified-huber"
    return _several(step, "sigmoid", "one-vs-rest") if step.loss == "log_loss" else None


def _probability_of_logistic(step: Any) -> Probability:
    # multi_class is gone since scikit-learn 1.8, where it is as "auto" was
    asked, binary = getattr(step, "multi_class", "auto"), len(step.classes_) == 2
    if asked == "ovr" or (asked != "multinomial" and (binary or step.solver == "liblinear")):
        return _several(step, "sigmoid", "one-vs-rest")
    return "softmax"


def _probability_of_discriminant(step: Any) -> Probability:
    return _several(step, "sigmoid", "softmax")
