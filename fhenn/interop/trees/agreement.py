"""Whether an ensemble decides as the library whose model it was read from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import UnsupportedModel
from fhenn.interop.trees.ensemble import Ensemble

Floats = NDArray[np.float64]

_SAMPLES = 200
_BLANK = 0.1
"""The share of cells that are missing."""


def probes(ensemble: Ensemble) -> Floats:
    """Samples that sit on thresholds, just beside them and between them, in categories and out, and in blanks.

    ensemble: of numbers.

    Returns (200, features).
    """
    draw = np.random.default_rng(0)
    found = draw.normal(size=(_SAMPLES, ensemble.features))
    values: dict[int, set[float]] = {}
    for tree in ensemble.trees:
        for node in np.flatnonzero(~tree.is_leaf).tolist():
            asked = values.setdefault(int(tree.features[node]), set())
            codes = tree.sets.get(node)
            if codes is None:
                asked.add(float(tree.thresholds[node]))
            else:
                asked |= {0.0, 1.0 + max(map(float, codes), default=0.0), *map(float, codes)}
    coded = {int(tree.features[node]) for tree in ensemble.trees for node in tree.sets}
    for feature, known in values.items():
        chosen = draw.choice(sorted(known), _SAMPLES)
        if feature not in coded:
            chosen = np.clip(chosen, -1e30, 1e30)
            above = np.nextafter(chosen.astype(np.float32), np.float32(np.inf)).astype(np.float64)
            below = np.nextafter(chosen.astype(np.float32), np.float32(-np.inf)).astype(np.float64)
            beside = [chosen, np.nextafter(chosen, -np.inf), np.nextafter(chosen, np.inf), above, below]
            beside += [chosen + draw.normal(size=_SAMPLES) * (1 + np.abs(chosen)), np.zeros(_SAMPLES)]
            chosen = np.choose(draw.integers(len(beside), size=_SAMPLES), beside)
        found[:, feature] = chosen
    found[(draw.random(found.shape) < _BLANK) & np.array(ensemble.missing)] = np.nan
    return found


def require_agreement(ensemble: Ensemble, scores: Callable[[Floats], Any], rounding: float, library: str) -> None:
    """Compare the scores of an ensemble with those of the library, on samples that are hard to decide.

    scores: the library's, of samples (samples, features).
    rounding: the largest relative error of one of its sums.
    library: its name.
    Raises UnsupportedModel where they differ by more than its sums round.
    """
    samples = probes(ensemble)
    theirs = np.asarray(scores(samples), dtype=np.float64).reshape(_SAMPLES, -1)
    ours = ensemble.scores(samples)
    size = np.abs(ensemble.offset) + sum(np.abs(tree.values[tree.leaves]).max(axis=0) for tree in ensemble.trees)
    allowed = (len(ensemble.trees) + 8) * rounding * size
    apart = np.abs(ours - theirs) if ours.shape == theirs.shape else np.full((1, 1), np.inf)
    if not (apart <= allowed).all():
        reason = f"its scores differ from those of {library} by {apart.max():.2g} on samples"
        raise UnsupportedModel("the ensemble", "all of it", reason, f"the file that this version of {library} saves")
