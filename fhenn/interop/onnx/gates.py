"""Activations that exporters write as several operators on one branch: log σ(x), 1/(1 + exp(-x)) and others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fhenn.approx import (
    EXP,
    LOG_SIGMOID,
    SIGMOID,
    SOFTPLUS,
    softplus,
)
from fhenn.interop.chain import Chain, Unsuitable
from fhenn.interop.gates import uniform, unscaled
from fhenn.interop.onnx.call import Call, Value
from fhenn.interop.onnx.heads import Above, Table

_NEAR = 1e-6
"""How far constants may be from those of an activation, relative to them: what float32 leaves of them."""

_LARGE = 10.0
"""From there on log(1 + eˣ) is x, as near as exporters take it."""


def _log(call: Call) -> Value:
    """log σ(x), and the logarithm of a softmax, which the client finishes."""
    value = call.given(0)
    if isinstance(value, Table) and value.probability == "softmax":
        return value
    chain = call.chain()
    if chain.ends_in(SIGMOID):
        return chain.without_last().activate(LOG_SIGMOID)
    raise Unsuitable("of the logarithms, those of a sigmoid or a softmax are known only")


def _reciprocal(call: Call) -> Chain:
    """1/(1 + exp(-x)), as some write σ(x)."""
    chain = call.chain()
    if chain.ends_in_scaling(1.0, 1.0) and chain.without_last().ends_in(EXP):
        return chain.without_last(2).scale(-1.0).activate(SIGMOID)
    raise Unsuitable("it divides by what the samples come to, and only 1/(1 + exp(x)) is known of that")


def _greater(call: Call) -> Above:
    threshold = call.weights(1)
    if threshold.size != 1:
        raise Unsuitable("it compares with more than one number")
    return Above(call.chain(), threshold.item())


def _where(call: Call) -> Chain:
    """The softplus of β·x over β, which some write as x where β·x is large."""
    above = call.given(0)
    if isinstance(above, Above) and above.threshold >= _LARGE:
        x, smooth = call.chain(1), call.chain(2)
        factor, back = _factor(x, above.of), 1.0
        if not smooth.ends_in(SOFTPLUS):
            smooth, back = unscaled(smooth, x)
        alike = smooth.ends_in(SOFTPLUS) and _factor(x, smooth.without_last()) == factor
        if factor and alike and abs(factor * back - 1.0) <= _NEAR:
            return x.activate(SOFTPLUS if factor == 1.0 else softplus(factor))
    raise Unsuitable("it chooses by what the samples come to, which no polynomial does")


def _factor(x: Chain, other: Chain) -> float | None:
    """The factor by which another chain is x; None where it is something else."""
    if other.same(x):
        return 1.0
    last = uniform(other.steps[-1]) if other.steps else None
    return last[0] if last is not None and last[1] == 0.0 and other.without_last().same(x) else None


def _bounded(low: bool) -> Callable[[Call], Chain]:
    """Max or Min with one constant."""

    def bound(call: Call) -> Chain:
        first = isinstance(call.given(0), np.ndarray)
        constant = call.weights(0 if first else 1)
        if len(call.inputs) != 2 or constant.size != 1:
            raise Unsuitable("it takes the larger or smaller of more than samples and one number")
        chain, end = call.chain(1 if first else 0), constant.item()
        return chain.clip(end, None) if low else chain.clip(None, end)

    return bound


GATES: dict[tuple[str, str], Callable[[Call], Any]] = {
    ("", "Greater"): _greater,
    ("", "Log"): _log,
    ("", "Max"): _bounded(low=True),
    ("", "Min"): _bounded(low=False),
    ("", "Reciprocal"): _reciprocal,
    ("", "Where"): _where,
}
"""By domain and name."""
