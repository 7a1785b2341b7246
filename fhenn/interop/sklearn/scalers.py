"""Transformers that are affine maps, which fold into the first layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.interop.sklearn.catalogue import TRANSFORMERS
from fhenn.interop.sklearn.imported import refuse, require_fitted, why_not
from fhenn.nn import Affine, Dense, Scaling

Floats = NDArray[np.float64]


def _makers() -> dict[type, Callable[[Any], Affine]]:
    from sklearn import decomposition, preprocessing

    return {
        preprocessing.StandardScaler: _standard,
        preprocessing.MinMaxScaler: _min_max,
        preprocessing.MaxAbsScaler: _max_abs,
        preprocessing.RobustScaler: _robust,
        decomposition.PCA: _pca,
        decomposition.TruncatedSVD: lambda step: Affine(Dense(step.components_)),
    }


def is_affine(step: Any) -> bool:
    """Whether a transformer is an affine map that folds."""
    return type(step) in _makers() and not getattr(step, "clip", False)


def affine_of(step: Any, where: str) -> Affine:
    """What a transformer does, as an affine map. Raises UnsupportedModel, NotFittedError."""
    makers = _makers()
    maker = makers.get(type(step))
    if maker is None:
        raise refuse(step, where, why_not(step, makers), (*TRANSFORMERS, "others with preparation='client'"))
    require_fitted(step)
    if getattr(step, "clip", False):
        raise refuse(
            step,
            where,
            "clip=True is not affine",
            "preparation='client'; clip=False, as fhenn.encrypted_model clips with on_bounds='clip'",
        )
    return maker(step)


def _standard(step: Any) -> Affine:
    factor = 1 / step.scale_ if step.with_std else np.ones(step.n_features_in_)
    return Affine(Scaling(factor), -step.mean_ * factor if step.with_mean else None)


def _min_max(step: Any) -> Affine:
    return Affine(Scaling(step.scale_), step.min_)


def _max_abs(step: Any) -> Affine:
    return Affine(Scaling(1 / step.scale_))


def _robust(step: Any) -> Affine:
    factor = 1 / step.scale_ if step.with_scaling else np.ones(step.n_features_in_)
    return Affine(Scaling(factor), -step.center_ * factor if step.with_centering else None)


def _pca(step: Any) -> Affine:
    """(x - mean) Cᵀ, divided by the deviations where it whitens: at least by the precision, as scikit-learn does."""
    components = np.asarray(step.components_, dtype=np.float64)
    if step.whiten:
        deviation = np.sqrt(step.explained_variance_)
        components = components / np.maximum(deviation, np.finfo(deviation.dtype).eps)[:, None]
    return Affine(Dense(components), -components @ step.mean_)
