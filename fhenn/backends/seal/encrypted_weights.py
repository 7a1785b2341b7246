"""Products with weights that are encrypted themselves, and their gradients: what training on ciphertexts needs.

Samples are in layout "features". A weight is one number in every slot of a ciphertext (`WEIGHTS`), so that it meets
every sample at once; the gradient of one, summed over all slots by rotations, comes out in the same form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fhenn.backends.seal.arithmetic import Ciphertexts, Handle
from fhenn.backends.seal.array import CipherArray
from fhenn.backends.seal.evaluator import at_level, require_room, times_plain
from fhenn.backends.seal.total import summed
from fhenn.ckks.circuits import brought_to, multiplied
from fhenn.ckks.layout import FEATURES, Vectors
from fhenn.errors import ShapeMismatch

WEIGHTS = Vectors("replicated", 1)
"""The layout of encrypted parameters: an array (count, 1), each number in every slot of a ciphertext of its own."""


def rotations(slots: int) -> tuple[int, ...]:
    """The rotations that need a key: powers of two, for sums over all slots."""
    return tuple(1 << power for power in range((slots - 1).bit_length()))


def weighted(x: CipherArray, weight: CipherArray, outputs: int) -> CipherArray:
    """x Wᵀ, (samples, outputs), a level below the lower of both: products of ciphertexts, one relinearisation each.

    weight: (outputs · features, 1), row by row. Raises ShapeMismatch, LevelExhausted, ContextMismatch, KeyMissing.
    """
    features = x.shape[1]
    _require(x, weight, outputs * features)
    level = _level(x, weight, "a product with encrypted weights")
    results = []
    for start in range(0, len(x.ciphertexts), features):
        block = x.ciphertexts[start : start + features]
        for row in range(outputs):
            row_of_weights = weight.ciphertexts[row * features : (row + 1) * features]
            results.append(_dot(x, level, block, row_of_weights))
    return _array(x, results, (x.shape[0], outputs), FEATURES)


def at_input(gradient: CipherArray, weight: CipherArray, features: int) -> CipherArray:
    """gradient W, (samples, features), a level below the lower of both. Raises as `weighted` does."""
    outputs = gradient.shape[1]
    _require(gradient, weight, outputs * features)
    level = _level(gradient, weight, "a product with encrypted weights")
    results = []
    for start in range(0, len(gradient.ciphertexts), outputs):
        block = gradient.ciphertexts[start : start + outputs]
        results += [_dot(gradient, level, block, weight.ciphertexts[column::features]) for column in range(features)]
    return _array(gradient, results, (gradient.shape[0], features), FEATURES)


def of_weight(gradient: CipherArray, x: CipherArray) -> CipherArray:
    """gradientᵀ x over all samples, as `weighted` takes weights, a level below the lower of both.

    Spare slots count for nothing: a freshly encrypted x holds 0 there, whatever the gradient does, and what came out of
    a computation is cleared first, which takes a level of the side that has more. Raises ShapeMismatch, LevelExhausted,
    ContextMismatch, KeyMissing, ScaleMismatch.
    """
    outputs, features = gradient.shape[1], x.shape[1]
    if gradient.shape[0] != x.shape[0] or gradient.layout != FEATURES or x.layout != FEATURES:
        raise ShapeMismatch("a gradient of weights", gradient.shape, f"({x.shape[0]}, outputs) in layout 'features'")
    gradient.require_same_keys(x.context)
    if x.level < x.context.levels:
        gradient, x = (gradient, _cleared(x)) if x.level > gradient.level else (_cleared(gradient), x)
    level = _level(gradient, x, "a gradient of weights")
    results = []
    for row in range(outputs):
        for column in range(features):
            pair = gradient.ciphertexts[row::outputs], x.ciphertexts[column::features]
            results.append(_dot(x, level, *pair))
    products = _array(x, results, (outputs * features, x.context.slots), Vectors("replicated", x.context.slots))
    return replace(summed(products), shape=(outputs * features, 1), layout=WEIGHTS)


def _cleared(x: CipherArray) -> CipherArray:
    """x with 0 in its spare slots, a level down; x itself where there are none."""
    context, (samples, features) = x.context, x.shape
    used = samples % context.slots
    if not used:
        return x
    context.require_levels("a gradient of weights", 1, x.level)
    mask = [1.0] * used + [0.0] * (context.slots - used)
    last = tuple(times_plain(context, ciphertext, mask, x.scale) for ciphertext in x.ciphertexts[-features:])
    full = tuple(at_level(context, ciphertext, x.level - 1) for ciphertext in x.ciphertexts[:-features])
    return replace(x, ciphertexts=full + last, level=x.level - 1)


def moved(weight: CipherArray, gradient: CipherArray, rate: float) -> CipherArray:
    """weight - rate·gradient, at the gradient's level; the rate is read off the scale, and takes no level.

    Raises ShapeMismatch, ScaleMismatch, LevelExhausted, ContextMismatch.
    """
    slower = replace(gradient, scale=gradient.scale / rate)
    return difference(weight, slower)


def difference(x: CipherArray, y: CipherArray) -> CipherArray:
    """x - y, of one shape and layout, at the lower of both levels and that one's scale.

    The other is brought there, which takes a level of it. Raises ShapeMismatch, ScaleMismatch, LevelExhausted,
    ContextMismatch.
    """
    x.require_same_keys(y.context)
    if x.shape != y.shape or x.layout != y.layout:
        raise ShapeMismatch("a difference", y.shape, f"{x.shape} in layout {x.layout.name!r}")
    on = Ciphertexts(x.context)
    lower = x if x.level <= y.level else y
    sides = []
    for side in (x, y):
        handles: Sequence[Handle] = [_read(on, side, each) for each in side.ciphertexts]
        if side.scale != lower.scale:
            x.context.require_levels("a difference", lower.level + 1, side.level)
            handles = [brought_to(on, on.drop(each, lower.level + 1), lower.scale) for each in handles]
        sides.append([on.drop(each, lower.level) for each in handles])
    require_room(x.context, lower.level, lower.scale, 1.0)
    sums = [on.add(_at(on, left, lower), _at(on, on.negate(right), lower)) for left, right in zip(*sides, strict=True)]
    return replace(lower, ciphertexts=tuple(map(on.ciphertext, sums)))


def _at(on: Ciphertexts, handle: Handle, like: CipherArray) -> Handle:
    """A copy at the other's very scale, equal but for the rounding of float operations."""
    own = replace(handle, scale=like.scale)
    return on.handle(on.ciphertext(own))


def _read(on: Ciphertexts, array: CipherArray, ciphertext: Any) -> Handle:
    return Handle(ciphertext, array.level, array.scale)


def _require(x: CipherArray, weight: CipherArray, count: int) -> None:
    if x.layout != FEATURES or weight.layout != WEIGHTS or weight.shape != (count, 1):
        raise ShapeMismatch("a product with encrypted weights", weight.shape, f"({count}, 1), x in layout 'features'")
    x.require_same_keys(weight.context)


def _level(x: CipherArray, y: CipherArray, operation: str) -> int:
    level = min(x.level, y.level)
    x.context.require_levels(operation, 1, level)
    return level


def _dot(like: CipherArray, level: int, left: Sequence[Any], right: Sequence[Any]) -> Handle:
    """Σ leftᵢ·rightᵢ, relinearised once and rescaled."""
    on = Ciphertexts(like.context)
    total: Handle | None = None
    for one, other in zip(left, right, strict=True):
        product = multiplied(on, on.drop(on.handle(one), level), on.drop(on.handle(other), level))
        total = product if total is None else on.add(total, product)
    if total is None:
        raise ShapeMismatch("a product with encrypted weights", (0,), "at least one feature")
    return on.rescale(on.relinearise(total))


def _array(like: CipherArray, results: list[Handle], shape: tuple[int, ...], layout: Any) -> CipherArray:
    on = Ciphertexts(like.context)
    level, scale = results[0].level, results[0].scale
    require_room(like.context, level, scale, 1.0)
    ciphertexts = tuple(on.ciphertext(result) for result in results)
    return CipherArray(like.context, shape, layout, ciphertexts, level, scale)
