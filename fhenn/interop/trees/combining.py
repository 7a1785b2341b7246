"""Several ensembles as one: beside one another, as their mean, or of some of the features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import ParameterError
from fhenn.interop.trees.ensemble import Ensemble, Floats


def among(ensemble: Ensemble, places: Sequence[int], features: int) -> Ensemble:
    """An ensemble of some of the features.

    places: of its features among all.
    features: how many there are in all.
    """
    where: NDArray[np.int64] = np.asarray(places, dtype=np.int64)
    trees = tuple(
        replace(tree, features=np.where(tree.is_leaf, -1, where[np.where(tree.is_leaf, 0, tree.features)]))
        for tree in ensemble.trees
    )
    may = {int(place) for place, missing in zip(where, ensemble.missing, strict=True) if missing}
    return replace(
        ensemble, trees=trees, features=features, missing=tuple(each in may for each in range(features)), names=None
    )


def beside(ensembles: Sequence[Ensemble]) -> Ensemble:
    """Ensembles of the same features whose scores stand beside one another. Raises ParameterError."""
    ends = np.cumsum([each.outputs for each in ensembles])
    total = int(ends[-1])

    def placed(values: Floats, place: int) -> Floats:
        found = np.zeros((len(values), total))
        found[:, ends[place] - values.shape[1] : ends[place]] = values
        return found

    return _joined(ensembles, placed, np.concatenate([each.offset for each in ensembles]))


def mean_of(ensembles: Sequence[Ensemble], weights: Sequence[float]) -> Ensemble:
    """The weighted mean of ensembles of the same features and outputs. Raises ParameterError."""
    shares = np.asarray(weights, dtype=np.float64) / np.sum(weights)

    def scaled(values: Floats, place: int) -> Floats:
        return np.asarray(shares[place] * values)

    return _joined(ensembles, scaled, np.asarray(shares @ np.array([each.offset for each in ensembles])))


def _joined(ensembles: Sequence[Ensemble], change: Callable[[Floats, int], Floats], offset: Floats) -> Ensemble:
    """The trees of all, with other values in their leaves."""
    first = ensembles[0]
    kinds = {(each.strict, each.single, each.features) for each in ensembles}
    if len(kinds) > 1:
        raise ParameterError(
            "some of the trees ask for x < t, others for x <= t; or some in single precision, and others in double.",
            "Take trees of one kind: XGBoost, LightGBM and histogram gradient boosting apart from others.",
        )
    trees = tuple(
        replace(tree, values=change(tree.values, place)) for place, each in enumerate(ensembles) for tree in each.trees
    )
    missing = tuple(any(each) for each in zip(*(each.missing for each in ensembles), strict=True))
    return replace(first, trees=trees, offset=offset, missing=missing)
