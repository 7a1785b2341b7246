"""`snapped`: thresholds on quantiles of public samples, so that they tell a client nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fhenn.interop.trees.ensemble import Ensemble, Floats


def snapped(ensemble: Ensemble, samples: Floats, bins: int) -> Ensemble:
    """An ensemble whose thresholds are the nearest quantiles of samples.

    samples: (samples, features), NaN for missing cells.
    bins: between quantiles, 2 or more.

    Sets of categories, and thresholds of features that no sample has, stay as they are.
    """
    shares = np.arange(1, bins) / bins
    there = [column[~np.isnan(column)] for column in np.asarray(samples, dtype=np.float64).T]
    edges = [np.unique(np.quantile(column, shares)) if column.size else column for column in there]
    trees = []
    for tree in ensemble.trees:
        thresholds = tree.thresholds.copy()
        for node in np.flatnonzero(~tree.is_leaf & np.isfinite(thresholds)).tolist():
            near = edges[int(tree.features[node])]
            if near.size and node not in tree.sets:
                thresholds[node] = near[np.argmin(np.abs(near - thresholds[node]))]
        trees.append(replace(tree, thresholds=thresholds))
    return replace(ensemble, trees=tuple(trees))
