"""`calibrate`: data through the twin, node by node, beside the exact model."""

from __future__ import annotations

from math import inf, nan, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.approx.domains import tolerated
from fhenn.columns import as_features, samples
from fhenn.errors import ParameterError, ShapeMismatch
from fhenn.finite import count_nonfinite
from fhenn.nn import Activation, Affine, Node, Sequential, layers
from fhenn.nn.activation import flip_of
from fhenn.ranges.proposal import error_of, propose, shrink_for
from fhenn.ranges.rebuild import rebuild
from fhenn.ranges.report import QUANTILES, ActivationReport, Calibration, Drift, OutputReport

Floats = NDArray[np.float64]


def calibrate(model: Node, X: Any, *, margin: float = 1.25, accuracy: float | None = None) -> Calibration:  # noqa: N803  (scikit-learn's name for samples × features)
    """What `X` does to the activations of `model`, how far its twin is from the exact model, and what would help.

    model: a node or a `Sequential`, of affine layers and activations; it is not changed, and its guards are silent.
    X: (samples, features), an array or anything with named columns, representative of what will be encrypted: nothing
    is said of other data.
    margin: between the values seen and the edge of a proposed domain, as a factor from 1.
    accuracy: the largest error of a proposed polynomial; None for that of the present one on its own domain.
    Returns the findings: print them; `apply()` makes the improved model.
    Raises ShapeMismatch, NonFiniteValue, UnsupportedValue where the data are no finite samples × features.
    Raises ParameterError where margin or accuracy are out of range.
    Raises UnsupportedNode where a node is neither affine nor an activation.

    The data go through the polynomials that will run, not through the exact activations, from which they drift apart
    layer by layer. For each activation a domain is proposed that is `margin` times the largest value seen (the interval
    of the values stretched about its middle, for a function without symmetry), with the least degree that is accurate
    enough there. The present node is proposed where it will do and no other is cheaper; all others are minimax fits, so
    that what was tail-safe no longer is. Or, instead, smaller weights before the activation are proposed. Both are
    found one activation after another, on the values that the improved ones before it hand on.

    >>> from fhenn.nn import Linear, Sigmoid
    >>> model = Sequential([Linear([[2.0]]), Sigmoid(), Linear([[1.0]], [-0.5])])
    >>> found = calibrate(model, [[-4.0], [-1.0], [1.0], [3.0]])
    >>> found.activations[0].share_outside, found.output.differ
    (0.5, 0.25)
    >>> better = found.apply()
    >>> better.nodes[1].domain, calibrate(better, [[-4.0], [-1.0], [1.0], [3.0]]).output.differ
    ((-10.0, 10.0), 0.0)
    """
    snapshot = rebuild(model, {})
    x = _check(X, model)
    if not 1 <= margin < inf:
        raise ParameterError(f"margin must be a finite number from 1, not {margin!r}.", "Give for instance 1.25.")
    if accuracy is not None and not 0 < accuracy < inf:
        raise ParameterError(f"accuracy must be a positive finite number, not {accuracy!r}.", "Give for instance 1e-3.")
    with np.errstate(all="ignore"):  # what overflows is reported
        return _run(snapshot, x, margin, accuracy)


def _check(data: Any, model: Node) -> Floats:
    """The data as (samples, features). Raises ShapeMismatch, NonFiniteValue, UnsupportedValue."""
    x, shape = samples(data, model.feature_names, "calibrate"), model.input_shape
    if shape is not None and len(shape) > 1 and x.shape[1:] != (prod(shape),) and x.size:
        return as_features(x, prod(shape), shape, "calibrate")
    if x.ndim != 2 or 0 in x.shape:
        raise ShapeMismatch("calibrate", x.shape, "(samples, features), not empty")
    return x


def _run(model: Node, x: Floats, margin: float, accuracy: float | None) -> Calibration:
    """Four models abreast: the twin as it is, the exact one, and the twin improved in either way."""
    twin, widened, rescaled = x, x, x
    exact: Floats | None = x
    before: Affine | Activation | None = None
    reports: list[ActivationReport] = []
    for layer in layers(model):
        if isinstance(layer, Activation):
            silent = layer.with_policy("ignore")
            proposal, no_proposal = propose(layer, widened, margin, accuracy)
            shrink, no_shrink = _shrink(layer, before, rescaled, margin)
            after = np.asarray(silent.infer(twin))
            exact = None if exact is None or layer.function is None else np.asarray(layer.function.value(exact))
            outside, nonfinite, quantiles = _spread(layer, twin)
            report = ActivationReport(
                place=len(reports) + 1,
                node=layer.name,
                function=layer.function.name if layer.function else None,
                domain=layer.domain,
                flip=None if layer.is_exact else flip_of(layer.polynomial),
                total=twin.size,
                outside=outside,
                nonfinite=nonfinite,
                quantiles=quantiles,
                sup_error=error_of(layer),
                drift=None if exact is None else Drift.between(after, exact),
                proposal=proposal,
                no_proposal=no_proposal,
                shrink=shrink,
                no_shrink=no_shrink,
            )
            reports.append(report)
            improved = silent if proposal is None else proposal.activation.with_policy("ignore")
            widened = np.asarray(improved.infer(widened))
            rescaled = np.asarray(silent.infer(rescaled * (1.0 if shrink is None else shrink)))
            twin = after
        else:
            twin, widened, rescaled = (np.asarray(layer.infer(values)) for values in (twin, widened, rescaled))
            exact = None if exact is None else np.asarray(layer.infer(exact))
        before = layer
    return Calibration(len(x), margin, tuple(reports), _output(model, before, twin, exact), model)


def _shrink(
    node: Activation, before: Affine | Activation | None, values: Floats, margin: float
) -> tuple[float | None, str]:
    """The factor for the layer before, or None and the reason why there is none."""
    everywhere = node.is_exact and bool(np.isfinite(values).all())
    shrink = 1.0 if everywhere else shrink_for(node.domain, values, margin)
    if shrink is None:
        if np.isfinite(values).all():
            return None, "its domain does not reach to both sides of 0"
        return None, "values that reach it are NaN or infinite"
    if shrink < 1 and not isinstance(before, Affine):
        return None, "there is no affine layer before it"
    return shrink, ""


def _spread(node: Activation, values: Floats) -> tuple[int, int, tuple[float, ...]]:
    """How many values lie outside the domain and how many are not finite; the quantiles of the others."""
    low, high = (-inf, inf) if node.is_exact else tolerated(node.domain)
    finite = values[np.isfinite(values)]
    inside = np.count_nonzero((finite >= low) & (finite <= high))
    quantiles = tuple(np.percentile(finite, QUANTILES).tolist()) if finite.size else (nan,) * len(QUANTILES)
    return int(values.size - inside), int(values.size - finite.size), quantiles


def _output(model: Node, last: Affine | Activation | None, twin: Floats, exact: Floats | None) -> OutputReport:
    threshold = None
    if twin.shape[-1] == 1:
        probability = isinstance(last, Activation) and last.function is not None and last.function.name == "sigmoid"
        on_client = isinstance(model, Sequential) and model.finish is not None
        threshold = 0.5 if probability and not on_client else 0.0
    nonfinite = count_nonfinite(twin)
    if exact is None:
        return OutputReport(None, None, threshold, nonfinite)
    decided, expected = _decisions(twin, threshold), _decisions(exact, threshold)
    differ = (decided != expected) | ~np.isfinite(twin).all(axis=-1)
    return OutputReport(Drift.between(twin, exact), float(differ.mean()), threshold, nonfinite)


def _decisions(scores: Floats, threshold: float | None) -> NDArray[np.integer[Any]]:
    """The class of each sample."""
    if threshold is None:
        return np.asarray(np.argmax(scores, axis=-1))
    return np.asarray(scores[..., 0] > threshold, dtype=np.intp)
