"""Histogram gradient boosting: trees that take missing cells and categories, which the client encodes."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.interop.reading import Maps, Reading
from fhenn.interop.reading.expressions import Scores
from fhenn.interop.reading.operations import Apply
from fhenn.interop.sklearn.imported import Final, Imported, Maker, refuse
from fhenn.interop.sklearn.trees import imported, parts_missing
from fhenn.interop.trees import Tree

_WORD = 32
"""Bits of a word of a set of categories."""


def makers() -> dict[type, Maker]:
    """The estimators of this module."""
    from sklearn import ensemble

    return {
        ensemble.HistGradientBoostingClassifier: _classifier,
        ensemble.HistGradientBoostingRegressor: _regressor,
    }


def _classifier(step: Any, where: str, final: Final) -> Imported:
    reading = Reading.classification(step.classes_, "sigmoid" if step.n_trees_per_iteration_ == 1 else "softmax")
    return _boosted(step, where, reading)


def _regressor(step: Any, where: str, final: Final) -> Imported:
    link = type(step._loss.link).__name__
    if link not in ("IdentityLink", "LogLink"):
        raise refuse(step, where, f"its loss has the link {link}", "loss='squared_error', 'poisson' or 'gamma'")
    maps = Maps(Apply(Scores((0,)), "exp")) if link == "LogLink" else None
    return _boosted(step, where, Reading.regression(maps=maps))


def _boosted(step: Any, where: str, reading: Reading) -> Imported:
    outputs = int(step.n_trees_per_iteration_)
    trees = [
        _tree(predictor, place, outputs) for iteration in step._predictors for place, predictor in enumerate(iteration)
    ]
    begin = np.ravel(step._baseline_prediction)
    before = () if step._preprocessor is None else ((_encoder(step._preprocessor), f"{where}, its categories"),)
    missing = bool(before) or any(_parts_missing(each.nodes) for iteration in step._predictors for each in iteration)
    return imported(step, trees, begin, reading, single=False, missing=missing, transformers=before)


def _parts_missing(nodes: Any) -> bool:
    children = (np.where(nodes["is_leaf"], 0, nodes[side]).astype(np.int64) for side in ("left", "right"))
    return parts_missing(nodes["missing_go_to_left"], nodes["count"], *children)


def _tree(predictor: Any, place: int, outputs: int) -> Tree:
    """A tree of one of several outputs."""
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    values = np.zeros((len(nodes), outputs))
    values[:, place] = nodes["value"]
    by_set = np.flatnonzero(nodes["is_categorical"].astype(bool) & ~leaf).tolist()
    return Tree(
        np.where(leaf, -1, nodes["feature_idx"].astype(np.int64)),
        nodes["num_threshold"],
        nodes["left"].astype(np.int64),
        nodes["right"].astype(np.int64),
        nodes["missing_go_to_left"].astype(bool),
        values,
        {node: _members(predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]]) for node in by_set},
    )


def _members(words: NDArray[np.uint32]) -> tuple[float, ...]:
    """The codes in a set."""
    bits = np.arange(_WORD * len(words))
    held = np.asarray(words)[bits // _WORD] >> (bits % _WORD).astype(np.uint32) & 1
    return tuple(np.flatnonzero(held).astype(float).tolist())


def _encoder(preprocessor: Any) -> Any:
    """What encodes its categories, where columns of numbers go through as they are: they are checked only."""
    from sklearn.preprocessing import FunctionTransformer

    made = copy(preprocessor)
    through = FunctionTransformer(feature_names_out="one-to-one")
    made.transformers_ = [
        (name, through if name == "numerical" else each, columns) for name, each, columns in preprocessor.transformers_
    ]
    made.verbose_feature_names_out = False
    return made
