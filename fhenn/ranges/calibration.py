"""`calibrate`: data through the twin, node by node, beside the exact model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, nan, prod
from operator import add, mul
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.approx.domains import tolerated
from fhenn.columns import as_features, features_of, flat_hint, samples
from fhenn.errors import ParameterError, ShapeMismatch
from fhenn.finite import count_nonfinite
from fhenn.nn import Activation, Affine, Node, Sequential, Step, trail, wired
from fhenn.nn.activation import flip_of
from fhenn.ranges.proposal import error_of, function_of, propose, shrink_for
from fhenn.ranges.rebuild import rebuild
from fhenn.ranges.report import QUANTILES, ActivationReport, Calibration, Drift, OutputReport

Floats = NDArray[np.float64]


def calibrate(model: Node, X: Any, *, margin: float = 1.25, accuracy: float | None = None) -> Calibration:  # noqa: N803  (scikit-learn's name for samples × features)
    """What `X` does to the activations of `model`, how far its twin is from the exact model, and what would help.

    model: a node or a `Sequential`, of affine layers, activations and branches; it is not changed, and its guards are
    silent.
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
    x = samples_of(model, X, "calibrate")
    if not 1 <= margin < inf:
        raise ParameterError(f"margin must be a finite number from 1, not {margin!r}.", "Give for instance 1.25.")
    if accuracy is not None and not 0 < accuracy < inf:
        raise ParameterError(f"accuracy must be a positive finite number, not {accuracy!r}.", "Give for instance 1e-3.")
    with np.errstate(all="ignore"):  # what overflows is reported
        return _run(snapshot, x, margin, accuracy)


def samples_of(model: Node, data: Any, operation: str) -> Floats:
    """Data as the samples of a model, (samples, features).

    model: whose features they are; raw tables are prepared where it has a preparation.
    data: an array, or anything with named columns; images where it takes these.
    operation: what they are for, in the errors.

    Raises ShapeMismatch, NonFiniteValue, UnsupportedValue.
    """
    data = features_of(data, model.preparation, operation)
    x, shape = samples(data, model.feature_names, operation), model.input_shape
    if shape is not None and len(shape) > 1 and x.shape[1:] != (prod(shape),) and x.size:
        return as_features(x, prod(shape), shape, operation)
    if x.ndim != 2 or 0 in x.shape or (shape is not None and len(shape) == 1 and x.shape[1:] != shape):
        hint = "" if shape is None else flat_hint(x.shape, prod(shape))
        width = "features" if shape is None else prod(shape)
        raise ShapeMismatch(operation, x.shape, f"(samples, {width}), not empty{hint}")
    return x


@dataclass(frozen=True)
class _Abreast:
    """What four models make of the samples at one place, (samples, features) each.

    twin: of the model as it is.
    widened: with the proposed domains so far.
    rescaled: with the proposed weights so far.
    exact: with exact activations; None where one of them is not known.
    """

    twin: Floats
    widened: Floats
    rescaled: Floats
    exact: Floats | None

    def through(self, layer: Affine) -> _Abreast:
        """What an affine map makes of them."""
        twin, widened, rescaled = (np.asarray(layer.infer(each)) for each in (self.twin, self.widened, self.rescaled))
        return _Abreast(twin, widened, rescaled, None if self.exact is None else np.asarray(layer.infer(self.exact)))

    def met(self, other: _Abreast, meet: Callable[[Any, Any], Any]) -> _Abreast:
        """What comes of them and those of another branch."""
        exact = None if self.exact is None or other.exact is None else meet(self.exact, other.exact)
        twin, widened = meet(self.twin, other.twin), meet(self.widened, other.widened)
        return _Abreast(twin, widened, meet(self.rescaled, other.rescaled), exact)


def _run(model: Node, x: Floats, margin: float, accuracy: float | None) -> Calibration:
    """Four models abreast: the twin as it is, the exact one, and the twin improved in either way."""
    steps = list(wired(model))
    reports: list[ActivationReport] = []

    def step(place: int, layer: Affine | Activation, at: _Abreast) -> _Abreast:
        if isinstance(layer, Affine):
            return at.through(layer)
        before = steps[place - 1] if place else None
        silent, function = layer.with_policy("ignore"), function_of(layer)
        proposal, no_proposal = propose(layer, at.widened, margin, accuracy)
        shrink, no_shrink = _shrink(layer, before, at.rescaled, margin)
        twin = np.asarray(silent.infer(at.twin))
        exact = None if at.exact is None or function is None else np.asarray(function.value(at.exact))
        outside, nonfinite, quantiles = _spread(layer, at.twin)
        report = ActivationReport(
            place=len(reports) + 1,
            node=layer.name,
            function=layer.function.name if layer.function else None,
            domain=layer.domain,
            flip=None if layer.is_exact else flip_of(layer.polynomial),
            total=at.twin.size,
            outside=outside,
            nonfinite=nonfinite,
            quantiles=quantiles,
            sup_error=error_of(layer),
            drift=None if exact is None else Drift.between(twin, exact),
            proposal=proposal,
            no_proposal=no_proposal,
            shrink=shrink,
            no_shrink=no_shrink,
        )
        reports.append(report)
        improved = silent if proposal is None else proposal.activation.with_policy("ignore")
        widened = np.asarray(improved.infer(at.widened))
        rescaled = np.asarray(silent.infer(at.rescaled * (1.0 if shrink is None else shrink)))
        return _Abreast(twin, widened, rescaled, exact)

    *_, end = trail(
        steps,
        _Abreast(x, x, x, x),
        step,
        lambda _, first, second: first.met(second, add),
        lambda _, first, second: first.met(second, mul),
    )
    return Calibration(len(x), margin, tuple(reports), _output(model, steps, end.twin, end.exact), model)


def _shrink(node: Activation, before: Step | None, values: Floats, margin: float) -> tuple[float | None, str]:
    """The factor for the layer before, or None and the reason why there is none."""
    everywhere = node.is_exact and bool(np.isfinite(values).all())
    shrink = 1.0 if everywhere else shrink_for(node.domain, values, margin)
    if shrink is None:
        if np.isfinite(values).all():
            return None, "its domain does not reach to both sides of 0"
        return None, "values that reach it are NaN or infinite"
    if shrink < 1 and not isinstance(before, Affine):
        return None, "there is no affine layer just before it"
    return shrink, ""


def _spread(node: Activation, values: Floats) -> tuple[int, int, tuple[float, ...]]:
    """How many values lie outside the domain and how many are not finite; the quantiles of the others."""
    low, high = (-inf, inf) if node.is_exact else tolerated(node.domain)
    finite = values[np.isfinite(values)]
    inside = np.count_nonzero((finite >= low) & (finite <= high))
    quantiles = tuple(np.percentile(finite, QUANTILES).tolist()) if finite.size else (nan,) * len(QUANTILES)
    return int(values.size - inside), int(values.size - finite.size), quantiles


def _output(model: Node, steps: Sequence[Step], twin: Floats, exact: Floats | None) -> OutputReport:
    threshold, last = None, steps[-1] if steps else None
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
