"""Classifiers whose probabilities were calibrated, or whose threshold was moved: the last map is the client's."""

from __future__ import annotations

from typing import Any

from fhenn.interop.reading import Maps, Reading
from fhenn.interop.reading.compact import complemented, opposed
from fhenn.interop.reading.expressions import Expression
from fhenn.interop.reading.operations import (
    Apply,
    Average,
    Columns,
    Concatenate,
    Exceeds,
    Interpolate,
    Normalise,
    Scale,
    Scatter,
    Softmax,
)
from fhenn.interop.sklearn.imported import Final, Imported, Maker
from fhenn.interop.sklearn.members import logits, members, places_in, together


def makers() -> dict[type, Maker]:
    """The estimators of this module."""
    from sklearn import calibration, model_selection

    return {
        calibration.CalibratedClassifierCV: _calibrated,
        model_selection.FixedThresholdClassifier: _fixed_threshold,
        model_selection.TunedThresholdClassifierCV: _tuned_threshold,
    }


def _calibrated(step: Any, where: str, final: Final) -> Imported:
    """The mean over the folds of what calibrators make of the scores of each."""
    folds = step.calibrated_classifiers_
    place = f"{where}, calibrated_classifiers_"
    if len(folds) == 1:
        inner = final(folds[0].estimator, place)
        maps = [inner.maps]
    else:
        estimators = [(fold.estimator, place) for fold in folds]
        found = members(estimators, final, [None] * len(folds), getattr(step, "n_features_in_", None))
        maps = [each.maps for each in found]
        inner = together(found, found[0].reading)
    shares = [_calibration(fold, each, step.classes_) for fold, each in zip(folds, maps, strict=True)]
    mean = shares[0] if len(shares) == 1 else Average(tuple(shares), (1.0,) * len(shares))
    reading = Reading.classification(step.classes_, maps=Maps(mean, mean))
    return inner.read(reading, decides=False)


def _calibration(fold: Any, maps: Maps, classes: Any) -> Expression:
    """What the calibrators of one fold make of its scores."""
    binary = len(classes) == 2
    response = maps.decision
    if response is None:
        assert maps.probabilities is not None  # noqa: S101  (scikit-learn has asked for them)
        response = Columns(maps.probabilities, (1,)) if binary else maps.probabilities
    if fold.method == "temperature":
        return _tempered(fold.calibrators[0].beta_, maps, response, binary)
    columns = [_calibrator(each, Columns(response, (at,))) for at, each in enumerate(fold.calibrators)]
    if binary:
        return complemented(columns[0])
    seen = places_in(fold.estimator.classes_, classes)[: len(columns)]
    return Normalise(Scatter(Concatenate(tuple(columns)), seen, len(classes)))


def _calibrator(calibrator: Any, score: Expression) -> Expression:
    if hasattr(calibrator, "a_"):  # Platt 2000
        return Apply(Scale(score, (-float(calibrator.a_),), (-float(calibrator.b_),)), "sigmoid")
    x, y = calibrator.X_thresholds_, calibrator.y_thresholds_
    return Interpolate(score, tuple(map(float, x)), tuple(map(float, y)))


def _tempered(beta: Any, maps: Maps, response: Expression, binary: bool) -> Expression:
    """Guo et al. 2017: the softmax of logits times the inverse temperature."""
    if maps.decision is None:
        each = logits(complemented(response) if binary else response)
    else:
        each = opposed(response) if binary else response
    return Softmax(Scale(each, (float(beta),) * each.width, (0.0,) * each.width))


def _fixed_threshold(step: Any, where: str, final: Final) -> Imported:
    estimator = getattr(step, "estimator_", step.estimator)
    return _above(step, final(estimator, f"{where}, estimator_"), step.pos_label, step.threshold)


def _tuned_threshold(step: Any, where: str, final: Final) -> Imported:
    inner = final(step.estimator_, f"{where}, estimator_")
    return _above(step, inner, step._curve_scorer._get_pos_label(), step.best_threshold_)


def _above(step: Any, inner: Imported, positive: Any, threshold: Any) -> Imported:
    """The positive class from a threshold on, of its probability or of the decision function."""
    maps = inner.maps
    first = positive is not None and positive == step.classes_[0]
    by_probability = maps.probabilities is not None and step.response_method != "decision_function"
    if by_probability:
        assert maps.probabilities is not None  # noqa: S101  (for the type checker)
        response: Expression = Columns(maps.probabilities, (0 if first else 1,))
    else:
        assert maps.decision is not None  # noqa: S101  (scikit-learn has asked for it)
        response = Scale(maps.decision, (-1.0,), (0.0,)) if first else maps.decision
    if isinstance(threshold, str):
        threshold = 0.5 if by_probability else 0.0
    reached = complemented(Exceeds(response, float(threshold), inclusive=True))
    predict = Columns(reached, (1, 0)) if first else reached
    reading = Reading.classification(step.classes_, maps=Maps(predict, maps.probabilities, maps.decision))
    return inner.read(reading, inner.decides)
