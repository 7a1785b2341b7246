"""Samples that are trained on and samples that are tested: by cross-validation, or one part held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import ParameterError

Places = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Split:
    """Places of samples.

    train: those that a model is trained on; of each class there is one at least.
    test: those that it is tested on.
    """

    train: Places
    test: Places


def cross_validation(labels: NDArray[Any], folds: int, seed: int, *, by_class: bool) -> tuple[Split, ...]:
    """As many splits as there are folds, each of which is tested once.

    labels: (samples,).
    folds: from 2; as many as there are samples at most.
    seed: of the order of the samples.
    by_class: whether each fold has its share of each class. Classes of one sample are always trained on.
    Raises ParameterError where folds are out of range, or there are not enough samples.

    >>> [split.test.tolist() for split in cross_validation(np.array([0, 0, 1, 1]), 2, 0, by_class=True)]
    [[0, 2], [1, 3]]
    """
    if folds < 2:
        raise ParameterError(f"{folds} parts cannot be tested in turns.", "Give --folds 2, or more.")
    order = np.random.default_rng(seed).permutation(len(labels))
    turn = np.empty(len(labels), dtype=np.intp)
    if by_class:
        classes, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
        by_code = order[np.argsort(codes[order], kind="stable")]
        turn[by_code] = np.arange(len(labels)) % folds  # go on where the class before ended, so that folds are alike
        if len(classes) == len(labels):
            raise ParameterError("each class has one sample.", "Give more samples of each.")
        for code in np.flatnonzero(counts == 1):
            turn[codes == code] = -1
    else:
        turn[order] = np.arange(len(labels)) % folds
    splits = [Split(np.flatnonzero(turn != fold), np.flatnonzero(turn == fold)) for fold in range(folds)]
    return tuple(split for split in splits if len(split.test) and len(split.train))


def hold_out(labels: NDArray[Any], share: float, seed: int, *, by_class: bool) -> Split:
    """One split.

    labels: (samples,).
    share: of the samples that are tested, from 0 to below 1.
    seed: of the order of the samples.
    by_class: whether a sample of each class is trained on.

    >>> hold_out(np.array(["a", "b", "a", "b"]), 0.5, 1, by_class=True).test.tolist()
    [0, 1]
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    count = round(share * len(labels))
    needed = _first_of_classes(labels, order, count) if by_class else []
    test = order[:count][~np.isin(order[:count], needed)]
    return Split(np.concatenate([order[count:], np.array(needed, dtype=np.intp)]), test)


def _first_of_classes(labels: NDArray[Any], order: Places, count: int) -> Sequence[int]:
    """Of the first samples those of classes that the others have not: a model cannot answer what it has never seen."""
    trained_on = set(labels[order[count:]].tolist())
    needed = []
    for place in order[:count].tolist():
        label = labels[place].item() if isinstance(labels[place], np.generic) else labels[place]
        if label not in trained_on:
            trained_on.add(label)
            needed.append(place)
    return needed
