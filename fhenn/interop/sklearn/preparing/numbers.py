"""Transformers of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from fhenn.interop.preparation import (
    Bins,
    Clip,
    Function,
    Kernel,
    Matrix,
    Normalize,
    OneHot,
    Polynomial,
    Power,
    Quantiles,
    Scale,
    Select,
    Sketch,
    Spline,
    Step,
    Thermometer,
)
from fhenn.interop.preparation.scaling import FUNCTIONS
from fhenn.interop.sklearn.imported import refuse
from fhenn.interop.sklearn.preparing.context import Context, Reader, floats, integers, rows, same
from fhenn.interop.sklearn.scalers import affine_of


def readers() -> dict[type, Reader]:
    """The transformers of this module."""
    from sklearn import decomposition, kernel_approximation, preprocessing, random_projection

    return {
        preprocessing.StandardScaler: _standard,
        preprocessing.MinMaxScaler: _min_max,
        preprocessing.MaxAbsScaler: _max_abs,
        preprocessing.RobustScaler: _robust,
        preprocessing.Binarizer: _binarizer,
        preprocessing.KBinsDiscretizer: _bins,
        preprocessing.Normalizer: lambda step, _: [Normalize(step.norm)],
        preprocessing.PolynomialFeatures: _polynomial,
        preprocessing.SplineTransformer: _spline,
        preprocessing.QuantileTransformer: _quantiles,
        preprocessing.PowerTransformer: _power,
        preprocessing.FunctionTransformer: _function,
        decomposition.PCA: _affine,
        decomposition.TruncatedSVD: _affine,
        random_projection.GaussianRandomProjection: _projection,
        random_projection.SparseRandomProjection: _projection,
        kernel_approximation.RBFSampler: _rbf_sampler,
        kernel_approximation.PolynomialCountSketch: _sketch,
        kernel_approximation.Nystroem: _nystroem,
    }


def selector(step: Any, context: Context) -> list[Step]:
    """What a selector of features keeps."""
    return [Select(integers(step.get_support(indices=True)))]


def is_selector(step: Any) -> bool:
    """Whether a transformer is a selector of scikit-learn's own."""
    from sklearn.feature_selection import SelectorMixin

    return isinstance(step, SelectorMixin) and type(step).__module__.startswith("sklearn.feature_selection")


def _standard(step: Any, context: Context) -> list[Step]:
    subtract = floats(step.mean_) if step.with_mean else ()
    return _scaled(Scale(subtract, floats(step.scale_) if step.with_std else ()))


def _robust(step: Any, context: Context) -> list[Step]:
    subtract = floats(step.center_) if step.with_centering else ()
    return _scaled(Scale(subtract, floats(step.scale_) if step.with_scaling else ()))


def _scaled(scale: Scale) -> list[Step]:
    return [scale] if scale.subtract or scale.divide else []


def _min_max(step: Any, context: Context) -> list[Step]:
    scale = Scale(multiply=floats(step.scale_), add=floats(step.min_))
    low, high = step.feature_range
    return [scale, *_clipped(step, context, low, high)]


def _max_abs(step: Any, context: Context) -> list[Step]:
    return [Scale(divide=floats(step.scale_)), *_clipped(step, context, -1.0, 1.0)]


def _clipped(step: Any, context: Context, low: float, high: float) -> list[Step]:
    if not getattr(step, "clip", False):
        return []
    return [Clip(same(low, context.count), same(high, context.count))]


def _binarizer(step: Any, context: Context) -> list[Step]:
    """x > t is 1 - (x <= t)."""
    count = context.count
    return [
        Thermometer(((float(step.threshold),),) * count),
        Scale(multiply=same(-1.0, count), add=same(1.0, count)),
    ]


def _bins(step: Any, context: Context) -> list[Step]:
    bins = Bins(tuple(floats(edges[1:-1]) for edges in step.bin_edges_))
    if step.encode == "ordinal":
        return [bins]
    counts = integers(step.n_bins_)
    every = tuple(tuple(map(float, range(count))) for count in counts)
    slots = tuple(tuple(range(count)) for count in counts)
    return [bins, OneHot(every, slots, counts, (None,) * len(counts))]


def _polynomial(step: Any, context: Context) -> list[Step]:
    products = tuple(
        tuple(place for place, power in enumerate(powers) for _ in range(power)) for powers in step.powers_.tolist()
    )
    return [Polynomial(products)]


def _spline(step: Any, context: Context) -> list[Step]:
    degree, extrapolation = int(step.degree), step.extrapolation
    if degree == 0 and extrapolation == "constant":
        reason = "degree=0 with extrapolation='constant', which scikit-learn cannot apply itself"
        raise refuse(step, context.where, reason, "extrapolation='continue', or KBinsDiscretizer")
    if degree <= 1 and extrapolation == "linear" and len(step.bsplines_) > 1:
        reason = f"degree={degree} with extrapolation='linear', which scikit-learn applies to the first column alone"
        raise refuse(step, context.where, reason, "degree=2 or more, or a SplineTransformer for each column")
    return [
        Spline(
            tuple(floats(spline.t) for spline in step.bsplines_),
            degree,
            extrapolation,
            bool(step.include_bias),
            getattr(step, "handle_missing", "error") == "zeros",
        )
    ]


def _quantiles(step: Any, context: Context) -> list[Step]:
    columns = tuple(map(floats, np.asarray(step.quantiles_).T))
    return [Quantiles(columns, floats(step.references_), step.output_distribution)]


def _power(step: Any, context: Context) -> list[Step]:
    found: list[Step] = [Power(floats(step.lambdas_), step.method)]
    return [*found, *_standard(step._scaler, context)] if step.standardize else found


def _function(step: Any, context: Context) -> list[Step]:
    if step.func is None:
        return []
    known = {id(getattr(np, name)): name for name in FUNCTIONS if hasattr(np, name)}
    name = known.get(id(step.func))
    if name is None or step.kw_args:
        called = getattr(step.func, "__name__", type(step.func).__name__)
        reason = f"func={called}{', with kw_args' * bool(step.kw_args)}: code of Python does not travel as data"
        raise refuse(step, context.where, reason, f"NumPy's {', '.join(sorted(known.values()))}, without kw_args")
    return [Function(name)]


def _affine(step: Any, context: Context) -> list[Step]:
    found = affine_of(step, context.where)
    return [Matrix(rows(found.operator.dense()), floats(found.bias))]


def _projection(step: Any, context: Context) -> list[Step]:
    return [Matrix(rows(step.components_))]


def _rbf_sampler(step: Any, context: Context) -> list[Step]:
    """√(2/n) cos(x W + b)."""
    count = int(step.n_components)
    return [
        Matrix(rows(np.asarray(step.random_weights_).T), floats(step.random_offset_)),
        Function("cos"),
        Scale(multiply=same(np.sqrt(2.0) / np.sqrt(count), count)),
    ]


def _sketch(step: Any, context: Context) -> list[Step]:
    places = tuple(map(integers, step.indexHash_))
    signs = tuple(map(integers, step.bitHash_))
    return [Sketch(places, signs, int(step.n_components), float(step.gamma), float(step.coef0))]


def _nystroem(step: Any, context: Context) -> list[Step]:
    """k(x, rows) Nᵀ, with rows of the training data."""
    if not context.allow_rows:
        raise refuse(
            step,
            context.where,
            f"it would send {len(step.components_)} rows of the training data to every client",
            "allow_rows=True, if they may be seen; else RBFSampler or PolynomialCountSketch, which hold none",
        )
    kinds = {"rbf": "rbf", "linear": "linear", "poly": "poly", "polynomial": "poly", "sigmoid": "sigmoid"}
    kind: Any = kinds.get(step.kernel) if isinstance(step.kernel, str) else None
    if kind is None or step.kernel_params:
        raise refuse(step, context.where, f"kernel={step.kernel!r:.40}", "kernel='rbf', 'poly', 'sigmoid', 'linear'")
    count = np.asarray(step.components_).shape[1]
    gamma = 1.0 / count if step.gamma is None else float(step.gamma)
    kernel = Kernel(
        kind,
        rows(step.components_),
        gamma,
        1.0 if step.coef0 is None else float(step.coef0),
        3.0 if step.degree is None else float(step.degree),
    )
    return [kernel, Matrix(rows(step.normalization_))]
