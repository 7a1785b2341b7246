"""Regressors of a transformed target: the way back is the client's, or the last layer's where it is affine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from fhenn.interop.reading import Maps, Reading
from fhenn.interop.reading.expressions import Expression
from fhenn.interop.reading.operations import Apply, Columns, Concatenate, Function, Interpolate, InversePower, Scale
from fhenn.interop.sklearn.imported import Final, Imported, Maker, refuse
from fhenn.nn import Affine, Scaling

Floats = NDArray[np.float64]
Factors = tuple[Floats, Floats]
"""Factors and shifts, of each output."""

_BOUND = 1e-7

Step = Factors | Callable[[Expression], Expression]
"""One step back."""


def makers() -> dict[type, Maker]:
    """The estimators of this module."""
    from sklearn import compose

    return {compose.TransformedTargetRegressor: _transformed_target}


def _transformed_target(step: Any, where: str, final: Final) -> Imported:
    inner = final(step.regressor_, f"{where}, regressor_")
    back = _back(step.transformer_, f"{where}, transformer_")
    parts, maps = list(inner.parts), inner.reading.maps
    while back and maps is None and isinstance(back[0], tuple):
        parts.append(Affine(Scaling(back[0][0]), back[0][1]))
        back = back[1:]
    if back:
        predict = inner.maps.predict
        for each in back:
            predict = each(predict) if callable(each) else _scaled(predict, each)
        maps = Maps(predict)
    trees = inner.ensemble if len(parts) == len(inner.parts) else None
    return replace(
        inner, parts=parts, ensemble=trees, reading=Reading.regression(flat=step._training_dim == 1, maps=maps)
    )


def _scaled(of: Expression, factors: Factors) -> Expression:
    factor, shift = (tuple(np.broadcast_to(each, of.width).tolist()) for each in factors)
    return Scale(of, factor, shift)


def _back(transformer: Any, where: str) -> list[Step]:
    """The steps of the inverse of a transformer. Raises UnsupportedModel."""
    from sklearn import pipeline, preprocessing

    makers: dict[type, Callable[[Any, str], list[Step]]] = {
        preprocessing.FunctionTransformer: _function,
        preprocessing.StandardScaler: _standard,
        preprocessing.MinMaxScaler: lambda step, where: [(1 / step.scale_, -step.min_ / step.scale_)],
        preprocessing.MaxAbsScaler: lambda step, where: [(step.scale_, np.zeros_like(step.scale_))],
        preprocessing.RobustScaler: _robust,
        preprocessing.PowerTransformer: _power,
        preprocessing.QuantileTransformer: _quantile,
        pipeline.Pipeline: lambda step, where: [
            each for name, one in reversed(step.steps) for each in _back(one, f"{where}, step {name!r}")
        ],
    }
    maker = makers.get(type(transformer))
    if transformer is None or (isinstance(transformer, str) and transformer == "passthrough"):
        return []
    if maker is None:
        supported = (
            "StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler, PowerTransformer, QuantileTransformer, "
            "functions of NumPy, a Pipeline of them"
        )
        raise refuse(transformer, where, "the client has no way back through it", supported)
    return maker(transformer, where)


def _standard(step: Any, where: str) -> list[Step]:
    one = np.ones(step.n_features_in_)
    return [(step.scale_ if step.with_std else one, step.mean_ if step.with_mean else 0 * one)]


def _robust(step: Any, where: str) -> list[Step]:
    one = np.ones(step.n_features_in_)
    return [(step.scale_ if step.with_scaling else one, step.center_ if step.with_centering else 0 * one)]


def _power(step: Any, where: str) -> list[Step]:
    method, exponents = step.method, tuple(map(float, step.lambdas_))
    back: Step = partial(InversePower, method=method, exponents=exponents)
    return [*_standard(step._scaler, where), back] if step.standardize else [back]


def _quantile(step: Any, where: str) -> list[Step]:
    """From shares to the quantiles of the training targets, which the client then has."""
    normal = step.output_distribution == "normal"
    tables = [_table(step.references_, column, normal) for column in step.quantiles_.T]

    def back(of: Expression) -> Expression:
        shares = Apply(of, "normal-cdf") if normal else of
        columns = [Interpolate(Columns(shares, (place,)), *table) for place, table in enumerate(tables)]
        return Concatenate(tuple(columns))

    return [back]


def _table(shares: Floats, quantiles: Floats, normal: bool) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The points of a quantile function.

    normal: whether the least and the largest 10⁻⁷ of the shares jump to the ends, as they do in scikit-learn.
    """
    x, y = np.asarray(shares, dtype=np.float64), np.asarray(quantiles, dtype=np.float64)
    if normal:
        low, high = _BOUND, 1 - _BOUND
        while high + _BOUND > 1:
            high = np.nextafter(high, 0)
        inner = [low, *x[(x > low) & (x < high)], high]
        y = np.array([y[0], y[0], *np.interp(inner, x, y), y[-1], y[-1]])
        x = np.array([0.0, np.nextafter(low, 0), *inner, np.nextafter(high, 1), 1.0])
    return tuple(x.tolist()), tuple(y.tolist())


def _function(step: Any, where: str) -> list[Step]:
    if step.inverse_func is None:
        return []
    names = [name for name in get_args(Function) if getattr(np, name, None) is step.inverse_func]
    if not names or step.inv_kw_args:
        shown = getattr(step.inverse_func, "__name__", "of one's own")
        known = ", ".join(f"numpy.{name}" for name in get_args(Function) if hasattr(np, name))
        raise refuse(step, where, f"inverse_func is {shown!r:.40}, which is no data to send to a client", known)
    return [partial(Apply, function=names[0])]
