"""Sums over the features of each sample, with the rotation keys that are there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fhenn.backends.seal.array import CipherArray
from fhenn.backends.seal.context import Context
from fhenn.backends.seal.evaluator import at_level
from fhenn.ckks.layout import FEATURES, Vectors
from fhenn.errors import UnsupportedOperation


def at(x: CipherArray, level: int) -> CipherArray:
    """The same values on fewer primes."""
    lower = tuple(at_level(x.context, ciphertext, level) for ciphertext in x.ciphertexts)
    return replace(x, ciphertexts=lower, level=level)


def summed(x: CipherArray) -> CipherArray:
    """The sum over all features of each sample, (samples, 1).

    Layout "features" takes additions only; "replicated" rotations, made of those that there are keys for: any that is
    missing is several smaller ones. Raises KeyMissing where not even one position can be rotated,
    UnsupportedOperation.
    """
    context, shape = x.context, (x.shape[0], 1)
    if x.layout == FEATURES:
        width = x.shape[1]
        blocks = [x.ciphertexts[start : start + width] for start in range(0, len(x.ciphertexts), width)]
        return replace(x, shape=shape, ciphertexts=tuple(_added(context, block) for block in blocks))
    if not isinstance(x.layout, Vectors) or x.layout.form != "replicated":
        raise UnsupportedOperation(f"a sum over layout {x.layout.name!r}", "Sum after a Linear node.")
    results = []
    for ciphertext in x.ciphertexts:
        total, step = at_level(context, ciphertext, x.level), 1
        while step < x.layout.period:
            context.evaluator.add_inplace(total, _turned(context, total, step, x.layout.samples))
            step *= 2
        results.append(total)
    layout = Vectors("replicated", 1, x.layout.samples)
    return replace(x, shape=shape, layout=layout, ciphertexts=tuple(results))


def _added(context: Context, ciphertexts: tuple[Any, ...]) -> Any:
    total = at_level(context, ciphertexts[0], context.level_of(ciphertexts[0]))
    for ciphertext in ciphertexts[1:]:
        context.evaluator.add_inplace(total, ciphertext)
    return total


def _turned(context: Context, ciphertext: Any, steps: int, samples: int) -> Any:
    """Rotated by that many positions, in the fewest powers of two that have keys."""
    while steps:
        step = 1 << steps.bit_length() - 1
        while step > 1 and not context.can_rotate(step * samples):
            step //= 2
        ciphertext = context.rotate(ciphertext, step * samples)
        steps -= step
    return ciphertext
