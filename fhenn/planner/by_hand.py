"""`parameters_for`: parameters for nodes that are put together by hand, without a plan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fhenn.backends import CIPHER
from fhenn.ckks.bounds import Bounds
from fhenn.ckks.layout import FEATURES
from fhenn.ckks.parameters import MAX_MODULUS_BITS, Parameters
from fhenn.ckks.primes import primes_of
from fhenn.ckks.trace import TracedContext
from fhenn.errors import LevelExhausted, ParameterError, ScaleMismatch
from fhenn.nn import Activation, Affine
from fhenn.planner.chains import LARGEST_PRIME_BITS, LARGEST_SCALE_BITS, chain_for

_ROOM_BITS = 4
"""Of the first prime above the scale, at least."""


def parameters_for(*nodes: Affine | Activation, scale_bits: int = 30) -> Parameters:
    """Parameters on the smallest ring that holds nodes one after another, with the largest scale that it holds.

    nodes: affine nodes and activations, in order, whose inputs stay in the domains of activations.
    scale_bits: least bits of the scale; the error at the output is of the order of N/2^bits.

    Raises ParameterError where no ring holds them.

    >>> import fhenn
    >>> parameters_for(fhenn.Sigmoid(domain=(-8, 8), degree=9)).levels
    4
    """
    for ring_degree, limit in MAX_MODULUS_BITS.items():
        for bits in range(LARGEST_SCALE_BITS, scale_bits - 1, -1):
            used = chain_for(nodes, bits, None, 1.0)
            if used is None:
                continue
            left = limit - sum(used)
            first = min(left // 2, LARGEST_PRIME_BITS)
            chain = (first, *used, min(left - first, LARGEST_PRIME_BITS))
            if first < bits + _ROOM_BITS or primes_of(ring_degree, chain) is None:
                continue
            parameters = Parameters(ring_degree, chain, 2.0**bits)
            if _hold(parameters, nodes):
                return parameters
    raise ParameterError(
        f"no ring holds {len(nodes)} nodes at a scale of {scale_bits} bits at 128-bit security.",
        "Ask for fewer nodes, lower degrees or a smaller scale.",
    )


def _hold(parameters: Parameters, nodes: tuple[Affine | Activation, ...]) -> bool:
    """Whether parameters hold nodes, for inputs in the domains of activations and within ±1 elsewhere."""
    features = nodes[0].inputs if isinstance(nodes[0], Affine) else 1
    context = TracedContext(parameters)
    x = context.array(FEATURES, Bounds(-np.ones(features), np.ones(features)))
    try:
        for node in nodes:
            if isinstance(node, Activation):
                low, high = (np.full(x.shape[1], end) for end in node.domain)
                x = replace(x, ciphertexts=(context.arithmetic.with_bounds(x.ciphertexts[0], Bounds(low, high)),))
            x = node.evaluate(CIPHER, x)
    except (ScaleMismatch, LevelExhausted):
        return False
    return bool(x.ciphertexts[0].room >= 1)
