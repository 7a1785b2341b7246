"""Estimators that answer as one that they hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fhenn.interop.sklearn.imported import Final, Imported, Maker, refuse
from fhenn.nn import Affine, Dense


def makers() -> dict[type, Maker]:
    """The estimators of this module."""
    from sklearn import feature_selection

    return dict.fromkeys((feature_selection.RFE, feature_selection.RFECV), _selected)


def held_by(estimator: Any, where: str) -> tuple[Any, str] | None:
    """The estimator that one answers as, with its place; None for others. Raises UnsupportedModel, NotFittedError."""
    from sklearn.utils.validation import check_is_fitted

    name = _holders().get(type(estimator))
    if name is None:
        return None
    if name == "best_estimator_" and not estimator.refit:
        raise refuse(estimator, where, "refit=False leaves no estimator that is fitted on all samples", "refit=True")
    if name.endswith("_"):
        check_is_fitted(estimator)
    return getattr(estimator, name), f"{where}, {name}"


def _holders() -> dict[type, str]:
    """Where each holds the one that it answers as."""
    from sklearn import frozen, linear_model, model_selection, semi_supervised

    # halving searches are there where scikit-learn was told to have them
    named = ("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV")
    searches = [vars(model_selection)[name] for name in named if name in vars(model_selection)]
    return {
        **dict.fromkeys(searches, "best_estimator_"),
        frozen.FrozenEstimator: "estimator",
        linear_model.RANSACRegressor: "estimator_",
        semi_supervised.SelfTrainingClassifier: "estimator_",
    }


def _selected(step: Any, where: str, final: Final) -> Imported:
    """An estimator of the features that were kept."""
    inner = final(step.estimator_, f"{where}, estimator_")
    if inner.is_prepared:
        return replace(inner, transformers=((step, where), *inner.transformers))
    kept = Affine(Dense(np.eye(len(step.support_))[step.support_]))
    return replace(inner, parts=[kept, *inner.parts])
