"""Classifiers of several classes that are made of ones of two."""

from __future__ import annotations

from typing import Any

import numpy as np

from fhenn.interop.reading import Maps, Reading
from fhenn.interop.reading.compact import complemented
from fhenn.interop.reading.expressions import Expression, Scores
from fhenn.interop.reading.operations import Affine as Last
from fhenn.interop.reading.operations import Columns, Concatenate, Exceeds, Normalise, PairScores
from fhenn.interop.sklearn.imported import Final, Imported, Maker, refuse
from fhenn.interop.sklearn.members import Member, chosen, members, stacked
from fhenn.nn import Affine, Dense


def makers() -> dict[type, Maker]:
    """The estimators of this module."""
    from sklearn import multiclass

    return {
        multiclass.OneVsRestClassifier: _one_vs_rest,
        multiclass.OneVsOneClassifier: _one_vs_one,
        multiclass.OutputCodeClassifier: _output_code,
        multiclass._ConstantPredictor: _constant,
    }


def _of(step: Any, where: str, final: Final) -> list[Member]:
    place = f"{where}, estimators_"
    return members([(one, place) for one in step.estimators_], final, [None] * len(step.estimators_))


def _constant(step: Any, where: str, final: Final) -> Imported:
    """Where all samples had a label, or none: a score that is always 1 or 0."""
    score = Scores((0,))
    rows = Affine(Dense(np.zeros((1, step.n_features_in_))), np.ravel(step.y_))
    return Imported([rows], Reading.classification([0, 1], maps=Maps(chosen(score), complemented(score), score)))


def _one_vs_rest(step: Any, where: str, final: Final) -> Imported:
    found = _of(step, where, final)
    scores = stacked([each.affine for each in found], step.n_features_in_)
    confidences = Concatenate(tuple(each.confidence for each in found))
    decision = confidences if all(each.maps.decision is not None for each in found) else None
    probable = all(each.maps.probabilities is not None for each in found)
    positive = Concatenate(tuple(each.positive for each in found)) if probable else None
    threshold = found[0].threshold
    if step.multilabel_:
        maps = Maps(Exceeds(confidences, threshold, inclusive=False), positive, decision)
        return Imported([scores], Reading.multilabel(step.classes_, maps))
    if len(found) == 1:
        shares = None if positive is None else complemented(positive)
        maps = Maps(chosen(confidences, threshold), shares, decision)
    else:
        maps = Maps(confidences, None if positive is None else Normalise(positive), decision)
    return Imported([scores], Reading.classification(step.classes_, maps=maps))


def _one_vs_one(step: Any, where: str, final: Final) -> Imported:
    found = _of(step, where, final)
    for one, each in zip(step.estimators_, found, strict=True):
        if each.reading.task != "classification":
            raise refuse(one, f"{where}, estimators_", "it is a regression, and no class wins", "a classifier")
    wins = Concatenate(tuple(Columns(each.decided, (1,)) for each in found))
    ranked: Expression = PairScores(wins, Concatenate(tuple(each.confidence for each in found)))
    maps = Maps(ranked, decision=ranked)
    if len(step.classes_) == 2:
        second = Columns(ranked, (1,))
        maps = Maps(chosen(second, found[0].threshold), decision=second)
    scores = stacked([each.affine for each in found], step.n_features_in_)
    return Imported([scores], Reading.classification(step.classes_, maps=maps))


def _output_code(step: Any, where: str, final: Final) -> Imported:
    """The class whose code is nearest: |y - c|² is least where 2yc - |c|² is largest."""
    found = _of(step, where, final)
    codes = np.asarray(step.code_book_, dtype=np.float64)
    near = Last(
        Concatenate(tuple(each.confidence for each in found)),
        tuple(map(tuple, (2 * codes).tolist())),
        tuple((-(codes**2).sum(axis=1)).tolist()),
    )
    scores = stacked([each.affine for each in found], step.n_features_in_)
    return Imported([scores], Reading.classification(step.classes_, maps=Maps(near)), decides=False)
