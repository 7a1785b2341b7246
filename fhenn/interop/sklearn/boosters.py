"""Estimators of XGBoost and LightGBM, which are scikit-learn's by their methods."""

from __future__ import annotations

from typing import Any

from fhenn.errors import UnsupportedModel
from fhenn.interop.model import ImportedModel
from fhenn.interop.sklearn.imported import Final, Imported, Maker
from fhenn.interop.trees.importers import from_lightgbm, from_xgboost, read_lightgbm, read_xgboost
from fhenn.interop.trees.sources import comes_from
from fhenn.interop.trees.xgboost import Linear as Weights
from fhenn.nn import Linear


def model_of(estimator: Any) -> ImportedModel | None:
    """The twin of a fitted estimator of XGBoost or LightGBM that stands alone; None for another one.

    Raises what `from_xgboost` and `from_lightgbm` do.
    """
    if comes_from(estimator, "xgboost"):
        return from_xgboost(estimator)
    return from_lightgbm(estimator) if comes_from(estimator, "lightgbm") else None


def are_trees(estimator: Any) -> bool:
    """Whether an estimator, fitted or not, is of XGBoost or LightGBM and takes bits."""
    return maker_of(estimator) is not None and getattr(estimator, "booster", None) != "gblinear"


def maker_of(step: Any) -> Maker | None:
    """What makes parts of an estimator of XGBoost or LightGBM; None for another one."""
    return _made if comes_from(step, "xgboost") or comes_from(step, "lightgbm") else None


def _made(step: Any, where: str, final: Final) -> Imported:
    """Trees on the features that come to the step, categories by their codes."""
    try:
        found = (read_xgboost if comes_from(step, "xgboost") else read_lightgbm)(step)
    except UnsupportedModel as refusal:
        raise UnsupportedModel(refusal.layer, f"{where}, {refusal.where}", refusal.reason, refusal.supported) from None
    if isinstance(found, Weights):
        return Imported([Linear(found.weights, found.bias)], found.reading, decides=False)
    steps, nodes = found.parts()
    return Imported(nodes, found.reading, decides=False, steps=steps)
