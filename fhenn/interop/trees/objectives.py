"""What the scores of boosted trees mean, by what they were trained for."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from fhenn.columns import labels_of
from fhenn.errors import ParameterError
from fhenn.interop.reading import Maps, Reading
from fhenn.interop.reading.compact import opposed
from fhenn.interop.reading.expressions import Expression, Scores
from fhenn.interop.reading.operations import Apply, Exceeds, Scale

Link = Literal["identity", "exp", "sigmoid", "log1p-exp"]
"""From scores to what is predicted: the score itself, e^s, σ(s) = 1/(1 + e^-s), ln(1 + e^s)."""


def regression(outputs: int, link: Link = "identity", classes: ArrayLike | None = None) -> Reading:
    """Of values that a link makes of the scores.

    outputs: how many scores there are.
    classes: must be None.
    Raises ParameterError for classes.
    """
    if classes is not None:
        raise ParameterError("classes are given, and the model is a regression.", "Leave them out.")
    maps = None if link == "identity" else Maps(_linked(Scores(tuple(range(outputs))), link))
    return Reading.regression(flat=outputs == 1, maps=maps)


def _linked(scores: Expression, link: Link) -> Expression:
    if link == "log1p-exp":  # ln(1 + e^s) = -ln σ(-s)
        return _times(Apply(_times(scores, -1.0), "log-sigmoid"), -1.0)
    return Apply(scores, "exp" if link == "exp" else "sigmoid")


def _times(of: Expression, factor: float) -> Expression:
    return Scale(of, (factor,) * of.width, (0.0,) * of.width)


def binary(classes: ArrayLike | None, slope: float = 1.0, *, probable: bool = True) -> Reading:
    """Of two classes, the second where the score is above 0, with the probability σ(slope · score).

    classes: their labels; 0 and 1 where None.
    probable: whether there are probabilities.
    Raises ParameterError where there are not two.
    """
    labels = _labels(classes, 2)
    if slope == 1.0 or not probable:
        return Reading.classification(labels, "sigmoid" if probable else None)
    scores = Scores((0,))
    each = opposed(scores)
    return Reading.classification(labels, maps=Maps(each, Apply(_times(each, slope), "sigmoid"), scores))


def multiclass(outputs: int, classes: ArrayLike | None) -> Reading:
    """Of a score for each class, with the probabilities of their softmax.

    outputs: how many classes there are.
    classes: their labels; 0, 1, … where None.
    Raises ParameterError where these are more or fewer.
    """
    return Reading.classification(_labels(classes, outputs), "softmax")


def one_against_rest(outputs: int, classes: ArrayLike | None, slope: float) -> Reading:
    """Of a score for each class, with what LightGBM calls probabilities there: σ(slope · score), of no fixed sum.

    outputs, classes: as of `multiclass`.
    Raises ParameterError as it does.
    """
    scores = Scores(tuple(range(outputs)))
    maps = Maps(scores, Apply(_times(scores, slope), "sigmoid"), scores)
    return Reading.classification(_labels(classes, outputs), maps=maps)


def multilabel(outputs: int, classes: ArrayLike | None) -> Reading:
    """Of labels that a sample has where their score is above 0, with the probability σ(score).

    outputs: how many labels there are.
    classes: what they are called; 0, 1, … where None.
    Raises ParameterError where these are more or fewer.
    """
    scores = Scores(tuple(range(outputs)))
    maps = Maps(Exceeds(scores, 0.0, inclusive=False), Apply(scores, "sigmoid"), scores)
    return Reading.multilabel(_labels(classes, outputs), maps)


def _labels(classes: ArrayLike | None, count: int) -> ArrayLike:
    if classes is None:
        return np.arange(count)
    labels = labels_of(classes, "classes")
    if labels.shape != (count,):
        raise ParameterError(
            f"classes have shape {labels.shape}, and the model has {count} of them.", "Name each, in their order."
        )
    return labels
