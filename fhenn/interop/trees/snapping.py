"""`snapped`: thresholds on quantiles of public samples, so that they tell a client nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fhenn.errors import ParameterError, join_first
from fhenn.interop.trees.ensemble import Ensemble, Floats


def snapped(ensemble: Ensemble, samples: Floats, bins: int, names: Sequence[str] | None = None) -> Ensemble:
    """An ensemble whose thresholds are the nearest quantiles of samples; sets of categories stay as they are.

    samples: (samples, features), NaN for missing cells.
    bins: between quantiles, 2 or more.
    names: of the features, for errors; None for those of the ensemble.
    Raises ParameterError where no sample has a feature that has thresholds: these would stay as they are.
    """
    shares = np.arange(1, bins) / bins
    there = [column[~np.isnan(column)] for column in np.asarray(samples, dtype=np.float64).T]
    edges = [np.unique(np.quantile(column, shares)) if column.size else column for column in there]
    trees, blank = [], set[int]()
    for tree in ensemble.trees:
        thresholds = tree.thresholds.copy()
        asking = ~tree.is_leaf & np.isfinite(thresholds)
        asking[list(tree.sets)] = False
        for node in np.flatnonzero(asking).tolist():
            near = edges[int(tree.features[node])]
            if near.size:
                thresholds[node] = near[np.argmin(np.abs(near - thresholds[node]))]
            else:
                blank.add(int(tree.features[node]))
        trees.append(replace(tree, thresholds=thresholds))
    if blank:
        called = names or ensemble.names or [f"x{place}" for place in range(ensemble.features)]
        raise ParameterError(
            f"the inputs have no cell of {join_first([called[place] for place in sorted(blank)], 'feature')}, so that "
            f"quantiles cannot stand for its thresholds.",
            "Give public samples in which it is not always missing.",
        )
    return replace(ensemble, trees=tuple(trees))
