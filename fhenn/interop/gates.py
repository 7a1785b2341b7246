"""Activations that are written as steps on two branches: x·σ(x), x·(1 + erf(x/√2))/2, x/(1 + |x|) and x - tanh(x)."""

from __future__ import annotations

from math import sqrt

import numpy as np

from fhenn.approx import (
    ABS,
    ERF,
    GELU,
    HARD_SIGMOID,
    HARD_SWISH,
    MISH,
    SIGMOID,
    SILU,
    SOFTPLUS,
    SOFTSIGN,
    TANH,
    TANHSHRINK,
    Function,
)
from fhenn.interop.chain import Chain, Step
from fhenn.nn import Affine, Scaling

_NEAR = 1e-6
"""How far constants may be from those of an activation, relative to them: what float32 leaves of them."""


def product(first: Chain, second: Chain) -> Chain | None:
    """An activation that is a product of two branches; None for another one."""
    return _gated(first, second) or _gated(second, first)


def _gated(x: Chain, gate: Chain) -> Chain | None:
    """x times a gate of x, where x may have a factor of its own."""
    base, factor = unscaled(x, gate)
    after = gate.steps[len(base.steps) :]
    if not gate.without_last(len(after)).same(base):
        return None
    kinds: list[Step] = [step for step in after if isinstance(step, Function)]
    whole = len(kinds) == len(after)
    named = {(SIGMOID,): SILU, (HARD_SIGMOID,): HARD_SWISH, (SOFTPLUS, TANH): MISH}
    function = named.get(tuple(each for each in kinds if isinstance(each, Function))) if whole else None
    if function is None and len(after) == 3 and after[1] == ERF:
        inner, outer = uniform(after[0]), uniform(after[2])
        if inner and outer and _is_near(inner, (1 / sqrt(2), 0.0)) and _is_near(outer, (outer[0], outer[0])):
            function, factor = GELU, factor * 2 * outer[0]
    if function is None:
        return None
    made = base.activate(function)
    return made if factor == 1.0 else made.scale(factor)


def unscaled(x: Chain, gate: Chain) -> tuple[Chain, float]:
    """x without a last factor that its gate does not have, and the factor."""
    last = uniform(x.steps[-1]) if x.steps else None
    if last is not None and last[1] == 0.0 and not gate.without_last(len(gate.steps) - len(x.steps)).same(x):
        return x.without_last(), last[0]
    return x, 1.0


def uniform(step: Step) -> tuple[float, float] | None:
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
