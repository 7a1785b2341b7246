"""Several linear estimators beside one another: one affine map, and what is read of the scores of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.interop.reading import Maps, Reading
from fhenn.interop.reading.expressions import Expression
from fhenn.interop.reading.operations import Apply, Average, Columns, Decide, Scale
from fhenn.interop.sklearn.imported import Final, Imported, refuse
from fhenn.interop.trees import Ensemble, among, beside, mean_of
from fhenn.nn import Affine, Dense

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Member:
    """One of several estimators.

    body: its scores, of the features that it takes: an affine map, or trees.
    reading: what they mean.
    maps: what is read of them, where the scores of all stand beside one another.
    """

    body: Affine | Ensemble
    reading: Reading
    maps: Maps

    @property
    def affine(self) -> Affine:
        """Its scores, of one that is linear."""
        assert isinstance(self.body, Affine)  # noqa: S101  (`members` has let no trees pass)
        return self.body

    @property
    def is_plain(self) -> bool:
        """Whether it is a regression of the scores as they are."""
        return self.reading.task == "regression" and self.reading.maps is None

    @property
    def confidence(self) -> Expression:
        """Of a classifier of two classes the score of the second, as scikit-learn asks for it: one column.

        The decision function, or else the probability; of a regressor the value.
        """
        if self.reading.task == "regression":
            return self.maps.predict
        return self.maps.decision or self.positive

    @property
    def threshold(self) -> float:
        """What a confidence is compared with."""
        return 0.0 if self.maps.decision is not None else 0.5

    @property
    def positive(self) -> Expression:
        """Of a classifier of two classes the probability of the second: one column."""
        return Columns(self.probabilities, (1,))

    @property
    def probabilities(self) -> Expression:
        """Of its classes, which it must have."""
        assert self.maps.probabilities is not None  # noqa: S101  (scikit-learn has asked for them)
        return self.maps.probabilities

    @property
    def decided(self) -> Expression:
        """1 for the class that it predicts, 0 for the others."""
        return Decide(self.maps.predict)


def members(
    estimators: Sequence[tuple[Any, str]],
    final: Final,
    inputs: Sequence[ArrayLike | None],
    features: int | None = None,
) -> list[Member]:
    """Several estimators, each of which must be affine; or all trees, where these are taken.

    estimators: with their places.
    final: imports each.
    inputs: the places of the features that each takes; None for all.
    features: how many there are, where trees are taken; None where they are not.
    Raises UnsupportedModel, NotFittedError.
    """
    found: list[Member] = []
    before = 0
    for (estimator, where), places in zip(estimators, inputs, strict=True):
        imported = final(estimator, where)
        affine, trees = imported.affine, imported.alone
        if trees is not None and features is not None and not imported.transformers:
            body = trees if places is None else among(trees, np.asarray(places).tolist(), features)
            found.append(Member(body, imported.reading, imported.maps.shifted(before)))
            before += trees.outputs
            continue
        if imported.is_prepared:
            reason = "it is one of several, and prepares tables in a way of its own"
            raise refuse(estimator, where, reason, "the same steps for all, before them, in a Pipeline")
        if affine is None:
            raise refuse(
                estimator,
                where,
                "it is one of several, and not affine in the features",
                "linear estimators there; or this one alone",
            )
        if imported.reading.task not in ("classification", "regression"):
            raise refuse(estimator, where, "it has several outputs, and is one of several", "one output each")
        if places is not None:
            affine = _of_places(affine, np.asarray(places))
        found.append(Member(affine, imported.reading, imported.maps.shifted(before)))
        before += affine.outputs
    if len({isinstance(each.body, Affine) for each in found}) > 1:
        reason = "some of several are trees, and others linear"
        raise refuse(*estimators[0], reason, "estimators of one kind; or each alone")
    return found


def together(found: Sequence[Member], reading: Reading, *, decides: bool = True, inputs: int = 0) -> Imported:
    """Several estimators as one whose scores stand beside one another.

    found: of `members`.
    reading, decides: of all, as of `Imported`.
    inputs: features that there are at least.
    Raises ParameterError for trees of several kinds.
    """
    trees = [each.body for each in found if isinstance(each.body, Ensemble)]
    if not trees:
        return Imported([stacked([each.affine for each in found], inputs)], reading, decides)
    return of_trees(beside(trees), reading, decides)


def of_trees(ensemble: Ensemble, reading: Reading, decides: bool = True) -> Imported:
    """Trees whose scores have a reading. Raises ParameterError."""
    return Imported([], reading, decides).of_trees(ensemble)


def _of_places(affine: Affine, places: NDArray[Any]) -> Affine:
    """A map of some of the features, one of which may be there several times, as one of all up to the last of them."""
    rows = np.zeros((affine.outputs, int(places.max()) + 1))
    np.add.at(rows.T, places, affine.operator.dense().T)
    return Affine(Dense(rows), affine.bias)


def stacked(maps: Sequence[Affine], inputs: int = 0) -> Affine:
    """Affine maps beside one another, of so many features or as many as any takes; others have no weight."""
    inputs = max([inputs, *(each.operator.inputs for each in maps)])
    rows = [np.pad(each.operator.dense(), ((0, 0), (0, inputs - each.operator.inputs))) for each in maps]
    return Affine(Dense(np.concatenate(rows)), np.concatenate([each.bias for each in maps]))


def chosen(score: Expression, threshold: float = 0.0) -> Expression:
    """Columns for two classes, of which the second is larger where a score is above a threshold."""
    return Scale(Columns(score, (0, 0)), (-1.0, 1.0), (threshold, -threshold))


def logits(probabilities: Expression) -> Expression:
    """log(p + 1e-12), as scikit-learn's temperature scaling takes probabilities."""
    count = probabilities.width
    return Apply(Scale(probabilities, (1.0,) * count, (1e-12,) * count), "log")


def places_in(classes: ArrayLike, all_classes: ArrayLike) -> tuple[int, ...]:
    """The place of each class among all, which are sorted."""
    return tuple(np.searchsorted(np.asarray(all_classes), np.asarray(classes)).tolist())


def averaged(found: Sequence[Member], weights: Sequence[float], inputs: int = 0) -> Imported:
    """A regression that is the weighted mean of others: one affine map, where all of them are plain."""
    flat = found[0].reading.flat
    trees = [each.body for each in found if isinstance(each.body, Ensemble)]
    if trees and all(each.is_plain for each in found):
        return of_trees(mean_of(trees, weights), Reading.regression(flat=flat))
    maps = Maps(Average(tuple(each.maps.predict for each in found), tuple(map(float, weights))))
    if trees:
        return together(found, Reading.regression(flat=flat, maps=maps))
    affine = stacked([each.affine for each in found], inputs)
    if all(each.is_plain for each in found):
        rows = np.kron(np.asarray(weights) / np.sum(weights), np.eye(found[0].affine.outputs))
        return Imported([affine.then(Affine(Dense(np.atleast_2d(rows))))], Reading.regression(flat=flat))
    return Imported([affine], Reading.regression(flat=flat, maps=maps))
