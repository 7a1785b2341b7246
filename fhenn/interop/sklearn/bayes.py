"""Naive Bayes, whose log-likelihoods are affine in the features, and Gaussian ones, which are quadratic forms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.interop.preparation import Thermometer
from fhenn.interop.reading import Reading
from fhenn.interop.sklearn.imported import Final, Imported, Maker, refuse
from fhenn.nn import Affine, Dense, Square

Floats = NDArray[np.float64]


def makers() -> dict[type, Maker]:
    """The estimators of this module."""
    from sklearn import discriminant_analysis, naive_bayes

    return {
        naive_bayes.MultinomialNB: _multinomial,
        naive_bayes.ComplementNB: _complement,
        naive_bayes.BernoulliNB: _bernoulli,
        naive_bayes.GaussianNB: _gaussian,
        discriminant_analysis.QuadraticDiscriminantAnalysis: _quadratic,
    }


def _multinomial(step: Any, where: str, final: Final) -> Imported:
    return _of_likelihoods(step, step.feature_log_prob_, step.class_log_prior_, where)


def _complement(step: Any, where: str, final: Final) -> Imported:
    return _of_likelihoods(step, step.feature_log_prob_, np.zeros(len(step.classes_)), where)


def _bernoulli(step: Any, where: str, final: Final) -> Imported:
    """log p of a feature that is 1, log(1 - p) of one that is 0; the client says which, where it has to."""
    absent = np.log(1 - np.exp(step.feature_log_prob_))
    rows, bias = step.feature_log_prob_ - absent, step.class_log_prior_ + absent.sum(axis=1)
    if step.binarize is None:
        return _of_likelihoods(step, rows, bias, where)
    below = Thermometer(((float(step.binarize),),) * step.n_features_in_)  # 1 where a feature is not above it
    return replace(_of_likelihoods(step, -rows, bias + rows.sum(axis=1), where), steps=(below,))


def _of_likelihoods(step: Any, rows: Floats, bias: Floats, where: str) -> Imported:
    """Of joint log-likelihoods that are affine, one for each class; of two classes their difference."""
    return Imported([_compared(step, Affine(Dense(rows), bias), where)], _reading(step), decides=False)


def _compared(step: Any, likelihoods: Affine, where: str) -> Affine:
    if len(step.classes_) < 2:
        raise refuse(step, where, "it has seen one class only", "two classes or more")
    if len(step.classes_) > 2:
        return likelihoods
    return likelihoods.then(Affine(Dense([[-1.0, 1.0]])))


def _reading(step: Any) -> Reading:
    return Reading.classification(step.classes_, "sigmoid" if len(step.classes_) == 2 else "softmax")


def _gaussian(step: Any, where: str, final: Final) -> Imported:
    """log N(x; θ, σ²) of every class and feature: minus half the squares of (x - θ)/σ, and a constant."""
    inverse = 1 / np.sqrt(2 * step.var_)
    rows = np.concatenate([np.diag(each) for each in inverse])
    constants = np.log(step.class_prior_) - 0.5 * np.log(2 * np.pi * step.var_).sum(axis=1)
    return _quadratic_form(step, rows, -(inverse * step.theta_).ravel(), [*map(len, inverse)], constants, where)


def _quadratic(step: Any, where: str, final: Final) -> Imported:
    """Minus half the squares along the principal axes of every class."""
    rows = [np.transpose(r / np.sqrt(2 * s)) for r, s in zip(step.rotations_, step.scalings_, strict=True)]
    bias = np.concatenate([-row @ mean for row, mean in zip(rows, step.means_, strict=True)])
    constants = np.log(step.priors_) - 0.5 * np.array([np.log(each).sum() for each in step.scalings_])
    return _quadratic_form(step, np.concatenate(rows), bias, [*map(len, rows)], constants, where, decides=True)


def _quadratic_form(
    step: Any, rows: Floats, bias: Floats, units: list[int], constants: Floats, where: str, *, decides: bool = False
) -> Imported:
    """A constant less the sum of squared units, for each class: two affine maps with the squares between.

    units: of each class, in the order of the rows.
    """
    sums = np.zeros((len(units), len(rows)))
    sums[np.repeat(np.arange(len(units)), units), np.arange(len(rows))] = -1.0
    last = _compared(step, Affine(Dense(sums), constants), where)
    return Imported([Affine(Dense(rows), bias), Square(), last], _reading(step), decides)
