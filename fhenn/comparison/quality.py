"""How well scores predict, and what is decided by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.interop import ImportedModel, Reading
from fhenn.interop.reading import Roc, roc
from fhenn.nn import Node, Sequential
from fhenn.nn.finish import Finish, finished

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Quality:
    """How well scores predict the true values of samples.

    score: accuracy, or R² of a regression (D² where it is fitted to a deviance): `Reading.score`.
    auc: area under the receiver operating characteristic; of more than two classes the mean of each against the rest,
    by its probability. None where a class is missing, or nothing ranks samples.
    error: mean |predicted - true| of a regression; None else.
    """

    score: float
    auc: float | None = None
    error: float | None = None

    @classmethod
    def of(cls, reading: Reading, scores: Floats, truth: NDArray[Any]) -> Quality:
        """That of scores.

        reading: what they mean.
        scores: (samples, outputs).
        truth: as `Reading.score` takes it.
        """
        score = reading.score(scores, truth)
        if reading.task == "regression":
            predicted = reading.predict(scores)
            return cls(score, error=float(np.abs(predicted - truth.reshape(predicted.shape)).mean()))
        if reading.task == "classification" and len(reading.classes) > 2:
            return cls(score, _area_of_several(reading, scores, truth))
        curve = curve_of(reading, scores, truth)
        return cls(score, None if curve is None else curve.area)


def curve_of(reading: Reading, scores: Floats, truth: NDArray[Any]) -> Roc | None:
    """The receiver operating characteristic of scores of two classes. Positive is the second of them.

    reading: what the scores mean.
    scores: (samples, outputs).
    truth: (samples,), labels.

    Returns None where `ranking` does, where a class is missing, and where a score is NaN or infinite.

    >>> curve_of(Reading.classification(["no", "yes"]), np.array([[1.0], [2.0]]), np.array(["no", "yes"])).area
    1.0
    """
    values = ranking(reading, scores)
    return None if values is None else _curve(truth == reading.classes[1], values)


def _area_of_several(reading: Reading, scores: Floats, truth: NDArray[Any]) -> float | None:
    """The mean area of each class against the rest, as `sklearn.metrics.roc_auc_score(multi_class="ovr")` has it."""
    if not reading.has_probabilities:
        return None
    shares = np.asarray(reading.predict_proba(scores))
    curves = [_curve(truth == name, shares[:, place]) for place, name in enumerate(reading.classes)]
    known = [curve.area for curve in curves if curve is not None]
    return float(np.mean(known)) if len(known) == len(curves) else None


def _curve(positive: NDArray[np.bool_], values: Floats) -> Roc | None:
    if positive.all() or not positive.any() or not np.isfinite(values).all():
        return None
    return roc(positive, values)


def ranking(reading: Reading, scores: Floats) -> Floats | None:
    """Numbers that are larger the more likely the second of two classes is, as a ROC curve takes them.

    reading: what the scores mean.
    scores: (samples, outputs).

    Returns (samples,): the decision function, or else the probability; None where there are not two classes, or the
    model has neither.

    >>> ranking(Reading.classification(["no", "yes"]), np.array([[1.0, 3.0], [2.0, 1.0]])).tolist()
    [2.0, -1.0]
    """
    if reading.task != "classification" or len(reading.classes) != 2:
        return None
    if reading.has_decision:
        values = reading.decision_function(scores)
    elif reading.has_probabilities:
        values = np.asarray(reading.predict_proba(scores))
    else:
        return None
    return values if values.ndim == 1 else np.asarray(values[:, 1] - values[:, 0])


def decisions(model: Node, scores: Floats) -> NDArray[Any] | None:
    """What is decided by scores: a row for each sample.

    model: whose scores they are. What they mean says its `Reading`, or else its finish.
    scores: (samples, outputs).

    Returns labels (samples,) or (samples, outputs); None where scores are values and nothing is decided.

    >>> import fhenn
    >>> decisions(fhenn.Sequential([fhenn.Linear([[1.0], [2.0]])], finish="argmax"), np.array([[0.5, 1.0]])).tolist()
    [1]
    """
    if isinstance(model, ImportedModel):
        return None if model.is_regression else np.asarray(model.reading.predict(scores))
    finish = _finish_of(model)
    if finish is None:
        return None
    shares = np.asarray(finished(finish, scores))
    if finish == "sigmoid":
        return np.asarray(shares > 0.5)
    return shares if shares.ndim == 1 else np.asarray(np.argmax(shares, axis=1))


def close(model: Node, scores: Floats, bounds: Floats) -> int | None:
    """How many samples are so near a threshold that errors within bounds may turn their decision.

    model: whose scores they are.
    scores: (samples, outputs).
    bounds: on the error of each output, (outputs,).

    Returns None where decisions are not those of the largest score, or of the sign of one.
    """
    if isinstance(model, ImportedModel):
        reading = model.reading
        simple = reading.task == "classification" and (reading.maps is None or reading.maps.takes_the_largest)
    else:
        simple = _finish_of(model) is not None
    if not simple:
        return None
    if scores.shape[1] == 1:
        return int(np.count_nonzero(np.abs(scores[:, 0]) <= bounds[0]))
    best = np.argmax(scores, axis=1)[:, None]
    ahead = np.take_along_axis(scores, best, axis=1) - scores - bounds - bounds[best]
    np.put_along_axis(ahead, best, np.inf, axis=1)
    return int(np.count_nonzero(ahead.min(axis=1) <= 0))


def _finish_of(model: Node) -> Finish | None:
    return model.finish if isinstance(model, Sequential) else None
