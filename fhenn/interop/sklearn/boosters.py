"""Estimators of XGBoost and LightGBM, which are scikit-learn's by their methods."""

from __future__ import annotations

from typing import Any

from fhenn.errors import UnsupportedModel
from fhenn.interop.model import ImportedModel
from fhenn.interop.sklearn.imported import Final, Imported, Maker, refuse
from fhenn.interop.trees.boosted import Boosted
from fhenn.interop.trees.importers import linear_of, read_lightgbm, read_xgboost
from fhenn.interop.trees.sources import comes_from
from fhenn.interop.trees.xgboost import Linear as Weights
from fhenn.nn import Linear


def read(estimator: Any) -> Boosted | ImportedModel | None:
    """The trees of a fitted estimator of XGBoost or LightGBM, or what it is where it is linear; None for another one.

    It stands alone, so that its tables may have categories by their names. Raises what `from_xgboost` and
    `from_lightgbm` do.
    """
    if maker_of(estimator) is None:
        return None
    found = _read(estimator)
    return linear_of(found) if isinstance(found, Weights) else found


def _read(step: Any) -> Boosted | Weights:
    return (read_xgboost if comes_from(step, "xgboost") else read_lightgbm)(step)


def are_trees(estimator: Any) -> bool:
    """Whether an estimator, fitted or not, is of XGBoost or LightGBM and takes bits."""
    return maker_of(estimator) is not None and getattr(estimator, "booster", None) != "gblinear"


def maker_of(step: Any) -> Maker | None:
    """What makes parts of an estimator of XGBoost or LightGBM; None for another one."""
    return _made if comes_from(step, "xgboost") or comes_from(step, "lightgbm") else None


def _made(step: Any, where: str, final: Final) -> Imported:
    """Trees on the features that come to the step, categories by their codes."""
    try:
        found = _read(step)
    except UnsupportedModel as refusal:
        raise UnsupportedModel(refusal.layer, f"{where}, {refusal.where}", refusal.reason, refusal.supported) from None
    if isinstance(found, Weights):
        return Imported([Linear(found.weights, found.bias)], found.reading, decides=False)
    if found.labels:
        reason = "it was fitted on categories with names, and is not alone"
        raise refuse(step, where, reason, "one that is, or an OrdinalEncoder before it")
    before, ensemble = found.ordered
    return Imported([], found.reading, decides=False, before=before).of_trees(ensemble)
