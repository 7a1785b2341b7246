"""Ensembles of linear estimators: votes, means and stacks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.interop.reading import Maps, Reading
from fhenn.interop.reading.expressions import Expression, Scores
from fhenn.interop.reading.operations import Affine as Last
from fhenn.interop.reading.operations import Average, Concatenate, Scatter
from fhenn.interop.sklearn.imported import Final, Imported, Maker, refuse
from fhenn.interop.sklearn.members import Member, averaged, members, of_trees, places_in, stacked, together
from fhenn.interop.sklearn.trees import votes
from fhenn.interop.trees import Ensemble, mean_of
from fhenn.nn import Affine, Dense

Floats = NDArray[np.float64]


def makers() -> dict[type, Maker]:
    """The estimators of this module."""
    from sklearn import ensemble

    return {
        ensemble.VotingClassifier: _voting_classifier,
        ensemble.VotingRegressor: _voting_regressor,
        ensemble.BaggingClassifier: _bagging_classifier,
        ensemble.BaggingRegressor: _bagging_regressor,
        ensemble.StackingClassifier: _stacking,
        ensemble.StackingRegressor: _stacking,
    }


def _of(step: Any, where: str, final: Final, *, trees: bool = False) -> list[Member]:
    place = f"{where}, estimators_"
    features = int(step.n_features_in_) if trees else None
    return members([(one, place) for one in step.estimators_], final, [None] * len(step.estimators_), features)


def _weights(step: Any, count: int) -> tuple[float, ...]:
    weights = step._weights_not_none
    return (1.0,) * count if weights is None else tuple(map(float, weights))


def _voting_classifier(step: Any, where: str, final: Final) -> Imported:
    """Soft votes are the mean of the probabilities, hard ones that of the decided classes."""
    found = _of(step, where, final, trees=True)
    soft = step.voting == "soft"
    ballots = [_among(each, each.probabilities if soft else each.decided, len(step.classes_)) for each in found]
    mean = Average(tuple(ballots), _weights(step, len(found)))
    reading = Reading.classification(step.classes_, maps=Maps(mean, mean if soft else None))
    return together(found, reading, decides=False)


def _among(member: Member, columns: Expression, classes: int) -> Expression:
    """Columns of the classes that a member has seen, which are numbered, among those of all classes."""
    seen = member.reading.classes
    if len(seen) == classes:
        return columns
    return Scatter(columns, places_in(np.asarray(seen), range(classes)), classes)


def _voting_regressor(step: Any, where: str, final: Final) -> Imported:
    found = _of(step, where, final, trees=True)
    return averaged(found, _weights(step, len(found)))


def _bagged(step: Any, where: str, final: Final) -> list[Member]:
    place = f"{where}, estimators_"
    estimators = [(one, place) for one in step.estimators_]
    return members(estimators, final, step.estimators_features_, int(step.n_features_in_))


def _bagging_classifier(step: Any, where: str, final: Final) -> Imported:
    """The mean of the probabilities; the share of the votes where there are none."""
    found = _bagged(step, where, final)
    trees = [each.body for each in found if isinstance(each.body, Ensemble)]
    first = found[0].reading
    if trees and len({each.reading for each in found}) == 1 and first.maps == votes(range(trees[0].outputs)):
        reading = Reading.classification(np.asarray(step.classes_)[list(first.classes)], maps=first.maps)
        return of_trees(mean_of(trees, [1.0] * len(trees)), reading, decides=False)
    ballots = [
        _among(each, each.decided if each.maps.probabilities is None else each.probabilities, len(step.classes_))
        for each in found
    ]
    ones = (1.0,) * len(found)
    mean = Average(tuple(ballots), ones)
    decisions = [each.maps.decision for each in found if each.maps.decision is not None]
    alike = len(decisions) == len(found) and len({each.width for each in decisions}) == 1
    maps = Maps(mean, mean, Average(tuple(decisions), ones) if alike else None)
    reading = Reading.classification(step.classes_, maps=maps)
    return together(found, reading, decides=alike, inputs=step.n_features_in_)


def _bagging_regressor(step: Any, where: str, final: Final) -> Imported:
    found = _bagged(step, where, final)
    return averaged(found, (1.0,) * len(found), step.n_features_in_)


def _stacking(step: Any, where: str, final: Final) -> Imported:
    """A last estimator of the answers of others, and of the features where these pass through.

    Where all answers are scores, the last one computes on their ciphertexts. Else it is the client's, with its weights.
    """
    found = _of(step, where, final)
    classes = getattr(step, "classes_", None)
    if isinstance(classes, list):
        raise refuse(step, where, "it was fitted on several labels per sample", "one label per sample")
    answers = Concatenate(tuple(_answer(*each, classes) for each in zip(found, step.stack_method_, strict=True)))
    last = final(step.final_estimator_, f"{where}, final_estimator_")
    if classes is not None:
        seen = np.asarray(classes)[list(last.reading.classes)]
        last = last.read(Reading.classification(seen, last.reading.probability, maps=last.reading.maps), last.decides)
    scores = stacked([each.affine for each in found])
    if all(isinstance(answer, Scores) for answer in answers.parts):
        order = [place for answer in answers.parts if isinstance(answer, Scores) for place in answer.places]
        columns = [scores.then(Affine(Dense(np.eye(scores.outputs)[order])))]
        if step.passthrough:
            columns.append(Affine(Dense(np.eye(scores.operator.inputs))))
        return Imported([stacked(columns), *last.parts], last.reading, last.decides)
    affine = last.affine
    if affine is None:
        raise refuse(
            step.final_estimator_,
            f"{where}, final_estimator_",
            "it is not affine in what only the client knows of the others: probabilities or labels",
            "a linear final_estimator, or stack_method='decision_function'",
        )
    return _finished(scores, answers, affine, last, step.passthrough)


def _finished(scores: Affine, answers: Concatenate, affine: Affine, last: Imported, passthrough: bool) -> Imported:
    """A last estimator on the client, of answers; what it makes of the features comes as further scores."""
    rows = affine.operator.dense()
    weights, inputs, parts = rows[:, : answers.width], answers, [scores]
    if passthrough:
        parts.append(Affine(Dense(rows[:, answers.width :])))
        more = Scores(tuple(range(scores.outputs, scores.outputs + affine.outputs)))
        weights, inputs = np.hstack([weights, np.eye(affine.outputs)]), Concatenate((*answers.parts, more))
    made = Last(inputs, tuple(map(tuple, weights.tolist())), tuple(affine.bias.tolist()))
    reading, maps = last.reading, last.maps.over(made)
    if reading.task == "regression":
        reading = Reading.regression(flat=reading.flat, maps=maps)
    else:
        reading = Reading.classification(np.array(reading.classes, dtype=reading.dtype), maps=maps)
    return Imported([stacked(parts)], reading, last.decides)


def _answer(member: Member, method: str, classes: Any) -> Expression:
    """The columns that a member gives to the last estimator."""
    if method == "predict_proba":
        return member.positive if len(classes) == 2 else member.probabilities
    if method == "decision_function":
        assert member.maps.decision is not None  # noqa: S101  (scikit-learn has asked for it)
        return member.maps.decision
    if member.reading.task == "regression":
        return member.maps.predict
    return Last(member.decided, (tuple(map(float, member.reading.classes)),), (0.0,))
