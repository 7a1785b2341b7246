"""An odd cubic on TenSEAL's values: the circuit that lands on any scale, what noise does, and a chain that suits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import log2
from typing import Any

import numpy as np

from fhenn.backends.seal.context import SealContext
from fhenn.ckks.circuits import times_number, times_slots
from fhenn.ckks.cubic import CubicForm
from fhenn.ckks.limits import LARGEST_NOISE
from fhenn.ckks.noise import Noise, NoiseModel, noise_model
from fhenn.ckks.operations import Operations, V
from fhenn.ckks.outlook import Followed, Follower, noise_of_circuit
from fhenn.ckks.parameters import MAX_MODULUS_BITS
from fhenn.ckks.primes import primes_of

_LEAST_BITS = 26
"""Primes of that size are near enough to a power of two on every ring."""

_MOST_BITS = 60
"""Of a prime of SEAL."""

_LEAST_ABOVE, _MOST_ABOVE = 4, 20
"""Bits of the first and last primes above the others."""


@lru_cache(maxsize=256)
def noise_of_landed(
    form: CubicForm, domain: tuple[float, float], target: float, model: NoiseModel, level: int, scale: float
) -> Noise:
    """What `landed_cubic` adds to x at a level and a scale."""
    m = max(abs(bound) for bound in domain) ** 2 / 2
    return noise_of_circuit(lambda on, x: landed_cubic(on, x, form, m, target), scale, model, level, domain)


def landed_cubic(on: Operations[V, Any], x: V, form: CubicForm, m: float, target: float) -> V:
    """k·x·(x² - m) + k(b + m)·x + c, at the scale `target`, three levels down.

    k·x is not rescaled before the product, which would round it where |x² - m| is large.

    on: the operations.
    x: a ciphertext.
    form: of the cubic.
    m: the middle of x².
    target: the scale of the result.
    """
    top = on.level(x)
    square = on.plus(on.rescale(on.relinearise(on.multiply(x, x))), -m)
    below = on.drop(x, top - 1)
    of_k = target * on.primes[top - 1] * on.primes[top - 2] / on.scale(square) / on.scale(below)
    product = on.relinearise(on.multiply(square, times_number(on, below, form.k, of_k)))
    line = times_slots(on, on.drop(x, top - 2), form.k * (form.b + m), target)
    # the scales are equal up to the rounding of a few float operations
    landed = on.read(on.rescale(on.rescale(product)), target)
    return on.plus(on.add(landed, on.read(line, target)), form.c)


@dataclass(frozen=True)
class OwnCubic:
    """k·w·(x² + b) by TenSEAL's own operators, as noise sees it.

    domain: of x.
    k, b: of the cubic.
    of_itself: whether w is x; else it is taken for a number of at most 1.
    """

    domain: tuple[float, float]
    k: float
    b: float
    of_itself: bool = True

    @lru_cache(maxsize=256)  # noqa: B019  (what is kept is small, and the same for all keys)
    def noise(self, model: NoiseModel, level: int, scale: float) -> Noise:
        """What it adds, from a level down, at a scale that the primes match."""
        m = max(abs(bound) for bound in self.domain) ** 2 / 2

        def circuit(on: Follower, x: Followed) -> Followed:
            w = x if self.of_itself else replace(x, values=np.ones_like(x.values))
            square = on.plus(on.rescale(on.relinearise(on.multiply(x, x))), -m)
            factor = on.rescale(times_number(on, w, self.k, scale))
            product = on.rescale(on.relinearise(on.multiply(square, factor)))
            line = on.drop(on.rescale(times_number(on, w, self.k * (self.b + m), scale)), product.level)
            return on.add(product, on.read(line, product.scale))

        return noise_of_circuit(circuit, scale, model, level, self.domain)

    def is_drowned_by(self, noise: Noise) -> bool:
        """Whether six deviations are above 2⁻⁷ of the largest value, 1 at least, as in `require_clear`."""
        x = np.linspace(*self.domain, 129)
        values = self.k * (x**2 + self.b) * (x if self.of_itself else 1.0)
        return 6 * noise.deviation > LARGEST_NOISE * max(float(np.abs(values).max()), 1.0)

    def remedy(self, context: SealContext, scale: float) -> str:
        """A sentence on a chain on which noise does not drown it, as `suggest_chain` has it."""

        def is_clear(model: NoiseModel, bits: int) -> bool:
            return not self.is_drowned_by(self.noise(model, context.levels, 2.0**bits))

        return f"Noise would drown the cubic. {suggest_chain(context, scale, is_clear)}"


def suggest_chain(
    context: SealContext,
    scale: float,
    suits: Callable[[NoiseModel, int], bool] = lambda _model, _bits: True,
) -> str:
    """A sentence on a chain of as many primes whose sizes suit a scale, on the same ring where that holds it.

    context: whose ring, at least, and levels are wanted.
    scale: that the primes should have at least.
    suits: whether a chain does, by its noise and the bits of its scale.
    """
    levels = context.levels
    for bits in range(max(round(log2(scale)), _LEAST_BITS), _MOST_BITS + 1):
        for degree, most in MAX_MODULUS_BITS.items():
            outer = min((most - levels * bits) // 2, bits + _MOST_ABOVE, _MOST_BITS)
            if degree >= context.ring_degree and outer >= bits + _LEAST_ABOVE:
                primes = primes_of(degree, (outer, *[bits] * levels, outer))
                if primes is not None and suits(noise_model(degree, primes), bits):
                    sizes = f"[{outer}, {', '.join([str(bits)] * levels)}, {outer}]"
                    return f"Use a global_scale of 2**{bits} on the chain {sizes} at ring degree {degree}."
    return "Use fewer levels, and primes of the scale's size between the first and the last."
