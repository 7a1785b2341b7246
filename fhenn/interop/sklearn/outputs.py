"""Estimators of several outputs that are made of ones of one."""

from __future__ import annotations

from typing import Any

import numpy as np

from fhenn.interop.reading import Maps, Reading
from fhenn.interop.reading.expressions import Expression, Scores
from fhenn.interop.reading.operations import Affine as Last
from fhenn.interop.reading.operations import Columns, Concatenate, Decide
from fhenn.interop.sklearn.imported import Final, Imported, Maker, refuse
from fhenn.interop.sklearn.members import Member, members, stacked, together
from fhenn.nn import Affine, Dense


def makers() -> dict[type, Maker]:
    """The estimators of this module."""
    from sklearn import multioutput

    return {
        multioutput.MultiOutputRegressor: _regressor,
        multioutput.MultiOutputClassifier: _classifier,
        multioutput.RegressorChain: _regressor_chain,
        multioutput.ClassifierChain: _classifier_chain,
    }


def _of(step: Any, where: str, final: Final, *, trees: bool = False) -> list[Member]:
    place = f"{where}, estimators_"
    features = getattr(step.estimators_[0], "n_features_in_", None) if trees else None
    return members([(one, place) for one in step.estimators_], final, [None] * len(step.estimators_), features)


def _regressor(step: Any, where: str, final: Final) -> Imported:
    found = _of(step, where, final, trees=True)
    plain = all(each.is_plain for each in found)
    maps = None if plain else Maps(Concatenate(tuple(each.maps.predict for each in found)))
    return together(found, Reading.regression(flat=False, maps=maps))


def _classifier(step: Any, where: str, final: Final) -> Imported:
    found = _of(step, where, final, trees=True)
    outputs = [
        Reading.classification(one.classes_, maps=Maps(each.maps.predict, each.maps.probabilities))
        for one, each in zip(step.estimators_, found, strict=True)
    ]
    return together(found, Reading.multioutput(outputs), decides=False)


def _regressor_chain(step: Any, where: str, final: Final) -> Imported:
    """Each of the features and of the values before it: affine in the features, one by one."""
    features = step.n_features_in_
    rows, bias = np.zeros((0, features)), np.zeros(0)
    for one, each in zip(step.estimators_, _of(step, where, final), strict=True):
        if not each.is_plain:
            raise refuse(one, f"{where}, estimators_", "its values, which others take, are not affine", "linear ones")
        own = each.affine.operator.dense()
        bias = np.append(bias, each.affine.bias + own[:, features:] @ bias)
        rows = np.vstack([rows, own[:, :features] + own[:, features:] @ rows])
    order = np.argsort(step.order_)
    return Imported([Affine(Dense(rows[order]), bias[order])], Reading.regression(flat=False))


def _classifier_chain(step: Any, where: str, final: Final) -> Imported:
    """Each of the features and of the answers before it: the client adds these, with their weights."""
    features = step.n_features_in_
    scores: list[Affine] = []
    given: list[Expression] = []
    read: list[Maps] = []
    for place, (one, each) in enumerate(zip(step.estimators_, _of(step, where, final), strict=True)):
        if list(one.classes_) != [0, 1] or each.affine.outputs != 1:
            raise refuse(one, f"{where}, estimators_", "it has no single score of 1 against 0", "labels 0 and 1")
        own = each.affine.operator.dense()
        scores.append(Affine(Dense(own[:, :features]), each.affine.bias))
        made: Expression = Scores((place,))
        if given:
            made = Last(Concatenate((made, *given)), ((1.0, *own[0, features:].tolist()),), (0.0,))
        maps = each.maps.shifted(-place).over(made)
        read.append(Maps(Columns(Decide(maps.predict), (1,)), _second(maps.probabilities), maps.decision))
        given.append(_answer(read[-1], step.chain_method_))
    ordered = [read[at] for at in np.argsort(step.order_).tolist()]
    maps = Maps(
        Concatenate(tuple(each.predict for each in ordered)),
        _beside([each.probabilities for each in ordered]),
        _beside([each.decision for each in ordered]),
    )
    reading = Reading.multilabel(range(len(ordered)), maps, dtype="float64")
    return Imported([stacked(scores)], reading, decides=maps.decision is not None)


def _second(probabilities: Expression | None) -> Expression | None:
    return None if probabilities is None else Columns(probabilities, (1,))


def _answer(maps: Maps, method: str) -> Expression:
    """What later ones in a chain take of an earlier one: one column."""
    answers = {"predict_proba": maps.probabilities, "decision_function": maps.decision}
    return answers.get(method) or maps.predict


def _beside(columns: list[Expression | None]) -> Expression | None:
    there = [each for each in columns if each is not None]
    return Concatenate(tuple(there)) if len(there) == len(columns) else None
