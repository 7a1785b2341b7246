"""Products with weights that are encrypted themselves, and their gradients: what training on ciphertexts needs.

Samples are in layout "features". A weight is one number in every slot of a ciphertext (`WEIGHTS`), so that it meets
every sample at once; the gradient of one, summed over all slots by rotations, comes out in the same form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np

from fhenn.ckks.array import CipherArray
from fhenn.ckks.circuits import bring_to, multiply_alike, times_slots
from fhenn.ckks.layout import FEATURES, Layout, Vectors
from fhenn.ckks.limits import require_room
from fhenn.ckks.operations import Operations, V
from fhenn.ckks.sums import sum_features
from fhenn.errors import ShapeMismatch

WEIGHTS = Vectors("replicated", 1)
"""The layout of encrypted parameters: an array (count, 1), each number in every slot of a ciphertext of its own."""


def rotation_steps(slots: int) -> tuple[int, ...]:
    """The rotations that need a key for sums over all slots: powers of two.

    slots: of a ciphertext.

    >>> rotation_steps(8)
    (1, 2, 4)
    """
    return tuple(1 << power for power in range((slots - 1).bit_length()))


def apply_weights(x: CipherArray, weight: CipherArray, outputs: int) -> CipherArray:
    """x Wᵀ: products of ciphertexts, with one relinearisation for each result.

    x: (samples, features) in layout "features".
    weight: W, (outputs · features, 1), row by row, in the layout `WEIGHTS`.
    outputs: rows of W.

    Returns (samples, outputs), a level below the lower of both.
    Raises ShapeMismatch, LevelExhausted, ContextMismatch, KeyMissing, ScaleMismatch.
    """
    if x.layout != FEATURES or len(x.shape) != 2:
        raise ShapeMismatch("a product with encrypted weights", x.shape, "(samples, features) in layout 'features'")
    features = x.shape[1]
    _require_weights(x, weight, outputs * features)
    level = _common_level(x, weight, "a product with encrypted weights")
    rows = [weight.handles[row * features : (row + 1) * features] for row in range(outputs)]
    results = []
    for start in range(0, len(x.ciphertexts), features):
        block = x.handles[start : start + features]
        results += [_dot(x, level, block, row) for row in rows]
    return _from_handles(x, results, (x.shape[0], outputs), FEATURES)


def input_gradient(gradient: CipherArray, weight: CipherArray, features: int) -> CipherArray:
    """gradient W: the gradient at the input of x Wᵀ.

    gradient: at its output, (samples, outputs) in layout "features".
    weight: W, (outputs · features, 1), row by row, in the layout `WEIGHTS`.
    features: columns of W.

    Returns (samples, features), a level below the lower of both.
    Raises what `apply_weights` raises.
    """
    outputs = gradient.shape[1]
    _require_weights(gradient, weight, outputs * features)
    level = _common_level(gradient, weight, "a product with encrypted weights")
    columns = [weight.handles[column::features] for column in range(features)]
    results = []
    for start in range(0, len(gradient.ciphertexts), outputs):
        block = gradient.handles[start : start + outputs]
        results += [_dot(gradient, level, block, column) for column in columns]
    return _from_handles(gradient, results, (gradient.shape[0], features), FEATURES)


def weight_gradient(gradient: CipherArray, x: CipherArray) -> CipherArray:
    """gradientᵀ x over all samples: the gradient of the weights of x Wᵀ.

    gradient: at its output, (samples, outputs) in layout "features".
    x: its input, (samples, features) in layout "features".

    Returns (outputs · features, 1), as `apply_weights` takes weights, a level below the lower of both.

    Spare slots count for nothing: a freshly encrypted x holds 0 there, whatever the gradient does, and what came out of
    a computation is cleared first, which takes a level of the side that has more.

    Raises ShapeMismatch, LevelExhausted, ContextMismatch, KeyMissing, ScaleMismatch.
    """
    outputs, features = gradient.shape[1], x.shape[1]
    if gradient.shape[0] != x.shape[0] or gradient.layout != FEATURES or x.layout != FEATURES or len(x.shape) != 2:
        raise ShapeMismatch("a gradient of weights", gradient.shape, f"({x.shape[0]}, outputs) in layout 'features'")
    gradient.require_same_keys(x.context)
    if x.level < x.context.levels:
        gradient, x = (gradient, _clear(x)) if x.level > gradient.level else (_clear(gradient), x)
    level = _common_level(gradient, x, "a gradient of weights")
    results = [
        _dot(x, level, gradient.handles[row::outputs], x.handles[column::features])
        for row in range(outputs)
        for column in range(features)
    ]
    products = _from_handles(x, results, (outputs * features, x.context.slots), Vectors("replicated", x.context.slots))
    return replace(sum_features(products), shape=(outputs * features, 1), layout=WEIGHTS)


def _clear(x: CipherArray) -> CipherArray:
    """x with 0 in its spare slots, a level down; x itself where every slot is in use."""
    context, (samples, features) = x.context, x.shape
    used = samples % context.slots
    if not used:
        return x
    context.require_levels("a gradient of weights", 1, x.level)
    on = context.arithmetic
    mask = np.zeros(context.slots)
    mask[:used] = 1.0
    last = [times_slots(on, handle, mask, x.scale) for handle in x.handles[-features:]]
    full = [on.drop(handle, x.level - 1) for handle in x.handles[:-features]]
    return x.of_handles([*full, *last])


def descend(weight: CipherArray, gradient: CipherArray, rate: float) -> CipherArray:
    """weight - rate·gradient, at the gradient's level; the rate is read off the scale, and takes no level.

    weight: (count, 1) in the layout `WEIGHTS`.
    gradient: of it, as `weight_gradient` gives it.
    rate: above 0.

    Raises ShapeMismatch, ScaleMismatch, LevelExhausted, ContextMismatch.
    """
    return difference(weight, replace(gradient, scale=gradient.scale / rate))


def difference(x: CipherArray, y: CipherArray) -> CipherArray:
    """x - y.

    x, y: arrays of one shape and layout, under the same keys.

    Returns the difference at the lower of both levels and that one's scale. Where their scales differ, the other is
    brought there, which takes a level of it.
    Raises ShapeMismatch, ScaleMismatch, LevelExhausted, ContextMismatch.
    """
    x.require_same_keys(y.context)
    if x.shape != y.shape or x.layout != y.layout:
        raise ShapeMismatch("a difference", y.shape, f"{x.shape} in layout {x.layout.name!r}")
    on = x.context.arithmetic
    lower = x if x.level <= y.level else y
    sides = []
    for side in (x, y):
        handles: Sequence[Any] = side.handles
        if side.scale != lower.scale:
            x.context.require_levels("a difference", lower.level + 1, side.level)
            handles = [bring_to(on, on.drop(each, lower.level + 1), lower.scale) for each in handles]
        # the other's very scale, equal but for the rounding of float operations
        sides.append([on.read(on.drop(each, lower.level), lower.scale) for each in handles])
    require_room(on, lower.level, lower.scale, 1.0)
    return lower.of_handles([on.add(left, on.negate(right)) for left, right in zip(*sides, strict=True)])


def _require_weights(x: CipherArray, weight: CipherArray, count: int) -> None:
    """Raise ShapeMismatch unless x is in layout "features" and there are `count` weights; ContextMismatch."""
    if x.layout != FEATURES or weight.layout != WEIGHTS or weight.shape != (count, 1):
        raise ShapeMismatch("a product with encrypted weights", weight.shape, f"({count}, 1), x in layout 'features'")
    x.require_same_keys(weight.context)


def _common_level(x: CipherArray, y: CipherArray, operation: str) -> int:
    """The lower level of both. Raises LevelExhausted where that is 0."""
    level = min(x.level, y.level)
    x.context.require_levels(operation, 1, level)
    return level


def _dot(like: CipherArray, level: int, left: Sequence[V], right: Sequence[V]) -> V:
    """Σ leftᵢ·rightᵢ, relinearised once and rescaled."""
    on: Operations[V, Any] = like.context.arithmetic
    if not left:
        raise ShapeMismatch("a product with encrypted weights", (0,), "at least one feature")
    products = [
        multiply_alike(on, on.drop(one, level), on.drop(other, level)) for one, other in zip(left, right, strict=True)
    ]
    return on.rescale(on.relinearise(reduce(on.add, products)))


def _from_handles(like: CipherArray, results: Sequence[Any], shape: tuple[int, ...], layout: Layout) -> CipherArray:
    """An array of results, under the keys of another one. Raises ScaleMismatch where their scale leaves no room."""
    on = like.context.arithmetic
    require_room(on, on.level(results[0]), on.scale(results[0]), 1.0)
    return like.of_handles(results, shape, layout)
