"""Receiver operating characteristics: how well scores tell two classes apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.errors import ParameterError, ShapeMismatch
from fhenn.finite import require_finite

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Roc:
    """A receiver operating characteristic.

    false_positive_rate: (points,), from 0 to 1.
    true_positive_rate: (points,), from 0 to 1.
    area: under the curve, 0 to 1.
    """

    false_positive_rate: Floats
    true_positive_rate: Floats
    area: float


def roc(labels: ArrayLike, scores: ArrayLike) -> Roc:
    """The receiver operating characteristic of scores: a point for each distinct score.

    labels: (samples,), above 0.5 for positive.
    scores: (samples,), larger for more likely positive. Equal scores share a point.

    Returns the curve. Its area is the probability that a positive scores above a negative, where ties count half.
    Raises ShapeMismatch, NonFiniteValue, and ParameterError where one of the classes is missing.

    Source: Fawcett 2006, "An introduction to ROC analysis", algorithm 2.

    >>> roc([0, 1, 0, 1], [0.1, 0.4, 0.4, 0.9]).area
    0.875
    """
    positive, values = np.asarray(labels, dtype=np.float64) > 0.5, np.asarray(scores, dtype=np.float64)
    if positive.ndim != 1 or values.shape != positive.shape:
        raise ShapeMismatch("roc", values.shape, f"(samples,), the shape of the labels; theirs is {positive.shape}")
    require_finite("roc", values, "Leave such samples out.")
    if positive.all() or not positive.any():
        raise ParameterError("all labels are of one class.", "Give samples of both classes.")
    order = np.argsort(-values, kind="stable")
    last = np.append(np.flatnonzero(np.diff(values[order])), len(values) - 1)
    true = np.append(0, np.cumsum(positive[order])[last]) / np.count_nonzero(positive)
    false = np.append(0, np.cumsum(~positive[order])[last]) / np.count_nonzero(~positive)
    area = float(np.sum(np.diff(false) * (true[1:] + true[:-1])) / 2)
    return Roc(false, true, area)
