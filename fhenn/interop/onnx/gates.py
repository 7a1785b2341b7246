"""Activations that exporters write as several operators: x·σ(x), log σ(x), x·(1 + erf(x/√2))/2 and others."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np

from fhenn.approx import (
    ABS,
    ERF,
    EXP,
    GELU,
    HARD_SIGMOID,
    HARD_SWISH,
    LOG_SIGMOID,
    MISH,
    SIGMOID,
    SILU,
    SOFTPLUS,
    SOFTSIGN,
    TANH,
    TANHSHRINK,
    Function,
    softplus,
)
from fhenn.interop.chain import Chain, Step, Unsuitable
from fhenn.interop.onnx.call import Call, Value
from fhenn.interop.onnx.heads import Above, Table
from fhenn.nn import Affine, Scaling

_NEAR = 1e-6
"""How far constants may be from those of an activation, relative to them: what float32 leaves of them."""

_LARGE = 10.0
"""From there on log(1 + eˣ) is x, as near as exporters take it."""


def product(first: Chain, second: Chain) -> Chain | None:
    """An activation that is a product of two branches; None for another one."""
    return _gated(first, second) or _gated(second, first)


def _gated(x: Chain, gate: Chain) -> Chain | None:
    """x times a gate of x, where x may have a factor of its own."""
    base, factor = _unscaled(x, gate)
    after = gate.steps[len(base.steps) :]
    if not gate.without_last(len(after)).same(base):
        return None
    kinds: list[Step] = [step for step in after if isinstance(step, Function)]
    whole = len(kinds) == len(after)
    named = {(SIGMOID,): SILU, (HARD_SIGMOID,): HARD_SWISH, (SOFTPLUS, TANH): MISH}
    function = named.get(tuple(each for each in kinds if isinstance(each, Function))) if whole else None
    if function is None and len(after) == 3 and after[1] == ERF:
        inner, outer = _uniform(after[0]), _uniform(after[2])
        if inner and outer and _is_near(inner, (1 / sqrt(2), 0.0)) and _is_near(outer, (outer[0], outer[0])):
            function, factor = GELU, factor * 2 * outer[0]
    if function is None:
        return None
    made = base.activate(function)
    return made if factor == 1.0 else made.scale(factor)


def _unscaled(x: Chain, gate: Chain) -> tuple[Chain, float]:
    """x without a last factor that its gate does not have, and the factor."""
    last = _uniform(x.steps[-1]) if x.steps else None
    if last is not None and last[1] == 0.0 and not gate.without_last(len(gate.steps) - len(x.steps)).same(x):
        return x.without_last(), last[0]
    return x, 1.0


def _uniform(step: Step) -> tuple[float, float] | None:
    """The factor and the shift of a step that has one of each for all numbers."""
    if not isinstance(step, Affine) or not isinstance(step.operator, Scaling):
        return None
    factors, shifts = step.operator.factors, step.bias
    if np.any(factors != factors[0]) or np.any(shifts != shifts[0]):
        return None
    return float(factors[0]), float(shifts[0])


def _is_near(found: tuple[float, float], wanted: tuple[float, float]) -> bool:
    return bool(np.allclose(found, wanted, rtol=_NEAR, atol=0))


def quotient(first: Chain, second: Chain) -> Chain | None:
    """x/(1 + |x|); None for another quotient."""
    if second.ends_in_scaling(1.0, 1.0) and second.without_last().ends_in(ABS) and second.without_last(2).same(first):
        return first.activate(SOFTSIGN)
    return None


def difference(first: Chain, second: Chain) -> Chain | None:
    """x - tanh(x); None for another difference."""
    return first.activate(TANHSHRINK) if second.ends_in(TANH) and second.without_last().same(first) else None


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
            smooth, back = _unscaled(smooth, x)
        alike = smooth.ends_in(SOFTPLUS) and _factor(x, smooth.without_last()) == factor
        if factor and alike and abs(factor * back - 1.0) <= _NEAR:
            return x.activate(SOFTPLUS if factor == 1.0 else softplus(factor))
    raise Unsuitable("it chooses by what the samples come to, which no polynomial does")


def _factor(x: Chain, other: Chain) -> float | None:
    """The factor by which another chain is x; None where it is something else."""
    if other.same(x):
        return 1.0
    last = _uniform(other.steps[-1]) if other.steps else None
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
