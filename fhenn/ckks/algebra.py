"""Sums, products and powers of arrays, with exact scales: what the operators of `CipherArray` do.

Arrays of one shape and layout meet number by number. One of a single feature meets every feature of the other, as in
NumPy: its ciphertexts stand for all of them, at no cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.approx.numbers import floating
from fhenn.ckks.circuits import multiply_alike, times_slots
from fhenn.ckks.layout import FEATURES, Vectors, WholeSamples
from fhenn.ckks.limits import require_digits, require_room
from fhenn.ckks.maps import AffineMap
from fhenn.ckks.operator import Dense, Operator
from fhenn.ckks.sums import drop_to
from fhenn.errors import HeadroomExceeded, ScaleMismatch, ShapeMismatch, UnsupportedOperation
from fhenn.finite import require_finite
from fhenn.steps import counted

if TYPE_CHECKING:
    from fhenn.ckks.array import CipherArray

Floats = NDArray[np.float64]

_DIGITS = 2.0**20
"""1 as an integer of fewer bits is off by 10⁻⁶."""


def add(x: CipherArray, y: CipherArray) -> CipherArray:
    """x + y, at the lower level of the two.

    x, y: arrays under the same keys, of one layout, and of one shape or a single feature. The one with more levels is
    brought to the scale of the other exactly: at no cost where it has that, else by a product with 1, which takes one
    of its levels, or more where its scale is far larger, as means have. Where both are at one level with two scales,
    the sum is a level below.

    Raises ScaleMismatch where no level is left for that, or too few digits would be, ContextMismatch, ShapeMismatch.
    """
    x, y = at_one_scale(_matched(x, y, "a sum"))
    on = x.context.arithmetic
    return x.of_handles([on.add(left, right) for left, right in zip(x.handles, y.handles, strict=True)])


def add_values(x: CipherArray, values: ArrayLike) -> CipherArray:
    """x + values, at the level and scale of x.

    x: an encrypted array.
    values: one number, or an array that broadcasts to the shape of x.

    Raises ShapeMismatch, NonFiniteValue, UnsupportedValue; HeadroomExceeded where the modulus does not hold them.
    """
    plain, on = _plain(x, values, "a sum"), x.context.arithmetic
    largest, limit = float(np.abs(plain).max()), on.modulus(x.level) / 4 / x.scale
    if largest > limit:
        raise HeadroomExceeded(largest, limit, "a sum")
    if plain.ndim == 0:
        return x.of_handles([on.plus(handle, float(plain)) for handle in x.handles])
    rows = x.layout.pack(np.broadcast_to(plain, x.shape), x.context.slots)
    return x.of_handles(
        [
            on.plus(handle, on.plaintext(row, x.level, x.scale))
            for handle, row in zip(counted(x.handles), rows, strict=True)
        ]
    )


def negate(x: CipherArray) -> CipherArray:
    """-x, at the level and scale of x."""
    return x.of_handles([x.context.arithmetic.negate(handle) for handle in x.handles])


def multiply(x: CipherArray, y: CipherArray) -> CipherArray:
    """x·y, one level below the lower of the two, at whatever scale that gives.

    x, y: arrays under the same keys, of one layout, and of one shape or a single feature.

    Raises LevelExhausted, KeyMissing, ScaleMismatch, ContextMismatch, ShapeMismatch.
    """
    x, y = _matched(x, y, "a product")
    on, level = x.context.arithmetic, min(x.level, y.level)
    on.require_levels("a product of ciphertexts", 1, level)
    on.require_relinearisation("a product of ciphertexts")
    require_room(on, level - 1, x.scale * y.scale / on.primes[level], 1.0)
    pairs = zip(counted(x.handles), y.handles, strict=True)
    return x.of_handles(
        [
            on.rescale(multiply_alike(on, on.drop(left, level), on.drop(right, level), relinearise=True))
            for left, right in pairs
        ]
    )


def multiply_values(x: CipherArray, values: ArrayLike, size: float = 1.0) -> CipherArray:
    """x·values, one level below x, at the context's scale.

    x: an encrypted array.
    values: one number, or an array that broadcasts to the shape of x.
    size: what |x| may reach.

    Raises LevelExhausted, ShapeMismatch, NonFiniteValue, UnsupportedValue, ScaleMismatch; HeadroomExceeded where the
    modulus does not hold the products; KeyMissing where all numbers of a ciphertext are multiplied by zero, and the
    keys cannot encrypt.
    """
    plain, context, on = _plain(x, values, "a product"), x.context, x.context.arithmetic
    on.require_levels("a product with numbers", 1, x.level)
    require_room(on, x.level - 1, context.scale, float(np.abs(plain).max()) * size)
    if plain.ndim == 0:
        return x.of_handles([times_slots(on, handle, float(plain), context.scale) for handle in counted(x.handles)])
    rows = x.layout.pack(np.broadcast_to(plain, x.shape), context.slots)
    pairs = zip(counted(x.handles), rows, strict=True)
    return x.of_handles([times_slots(on, handle, row, context.scale) for handle, row in pairs])


def power(x: CipherArray, exponent: int) -> CipherArray:
    """x to the power of a whole number, as few levels down as products can: ⌈log₂ exponent⌉.

    x: an encrypted array.
    exponent: 1 or more.

    Raises LevelExhausted, before anything is computed; KeyMissing, ScaleMismatch.
    """
    x.context.arithmetic.require_levels(f"a power of {exponent}", (exponent - 1).bit_length(), x.level)
    powers = {1: x}

    def to(times: int) -> CipherArray:
        """x to the power of `times`: of the largest power of two below it, and the rest."""
        if times not in powers:
            half = 1 << (times - 1).bit_length() - 1
            powers[times] = multiply(to(half), to(times - half))
        return powers[times]

    return to(exponent)


def matmul(x: CipherArray, matrix: ArrayLike) -> CipherArray:
    """x @ matrix, a level below x at the context's scale.

    x: (samples, features), not in layout "packed".
    matrix: (features, outputs), plaintext.

    Returns (samples, outputs).
    Raises what `affine` does, NonFiniteValue and UnsupportedValue.
    """
    plain = floating(matrix)
    if len(x.shape) != 2 or plain.ndim != 2 or plain.shape[0] != x.shape[1] or not plain.size:
        raise ShapeMismatch("x @ matrix", plain.shape, f"(features, outputs) for x of shape {x.shape}")
    require_finite("x @ matrix", plain, "CKKS cannot encode them.")
    return affine(x, Dense(plain.T.astype(np.float64)), None)


def affine(
    x: CipherArray,
    operator: Operator,
    bias: Floats | None,
    idle: float = 0.0,
    target: WholeSamples | None = None,
    hint: str = "",
) -> CipherArray:
    """A x + b of every sample.

    x: samples × features. Layout "features" takes no rotation; whole samples take rotation keys.
    operator: A, (outputs, inputs).
    bias: b, (outputs,), or None for zero.
    idle: what the positions hold that whole samples have besides their outputs.
    target: where the outputs of whole samples go; None for one after another, up to a power of two.
    hint: what to do where the shape does not fit, to follow the one that is wanted.

    Returns samples × outputs, a level below `x` at the context's scale; where no level is left, the product is not
    rescaled, and its scale is that of `x` times the context's.
    Raises LevelExhausted, ShapeMismatch, KeyMissing, ScaleMismatch, UnsupportedOperation.
    """
    on = x.context.arithmetic
    mapping = AffineMap(operator, bias, x.layout, x.context.slots, on.rotations, idle, target)
    layout = mapping.result_layout  # refuses layouts that it cannot serve
    if x.shape[1:] != (operator.inputs,):
        raise ShapeMismatch("Linear", x.shape, f"(samples, {operator.inputs}){hint}")
    results: list[Any] = []
    for start in counted(range(0, len(x.ciphertexts), mapping.group)):
        results += on.apply_map(x.handles[start : start + mapping.group], mapping)
    return x.of_handles(results, (x.shape[0], operator.outputs), layout)


def sum_of_features(x: CipherArray, *, mean: bool = False) -> CipherArray:
    """The sum over the features of each sample, or their mean.

    x: (samples, features). Layout "features" takes additions alone, and no level: a mean is a sum that is read at
    another scale. Whole samples take a product with a matrix of one column, which leaves out what idle positions hold.

    Returns (samples, 1).
    Raises UnsupportedOperation for layout "packed", ShapeMismatch for more axes, and what `matmul` does.
    """
    require_table(x, "a sum")
    features = x.shape[1]
    if isinstance(x.layout, WholeSamples):
        return matmul(x, np.full((features, 1), 1 / features if mean else 1.0))
    on, handles = x.context.arithmetic, x.handles
    sums = [on.sum(handles[start : start + features], features) for start in range(0, len(handles), features)]
    return divided(x.of_handles(sums, (x.shape[0], 1)), features if mean else 1)


def divided(x: CipherArray, by: int) -> CipherArray:
    """x over a whole number, at no cost: read at another scale.

    x: an encrypted array.
    by: 1 or more.
    """
    on = x.context.arithmetic
    return x if by == 1 else x.of_handles([on.read(handle, x.scale * by) for handle in x.handles])


def at_one_scale(arrays: Sequence[CipherArray]) -> list[CipherArray]:
    """The same values, all at one level and one scale: those of the array with the fewest levels.

    arrays: under the same keys, at least one. What has that scale is dropped; what has another loses one of its levels
    to a product with 1, or more. Where that one is at the lowest level too, all come out a level below it.

    Raises ScaleMismatch where no level is left for that, or too few digits would be.
    """
    lowest = min(arrays, key=lambda array: array.level)
    level, scale = lowest.level, lowest.scale
    if any(array.level == level and array.scale != scale for array in arrays):
        level -= 1
    if level < 0:
        raise ScaleMismatch(
            scale,
            int(lowest.context.primes[0]),
            "Arrays that are added at one level must have one scale, and to bring one to the other takes a level more "
            "than they have: give the context another level, as Parameters.for_depth(…) does.",
        )
    return [drop_to(x if x.scale == scale else _at_scale(x, scale, level), level) for x in arrays]


def _at_scale(x: CipherArray, scale: float, level: int) -> CipherArray:
    """The same values at another scale, by a product with 1, which is encoded as an integer.

    x: an encrypted array above `level`.
    scale: that is wanted, exactly.
    level: the lowest that the result may be at.

    Where that integer would have few digits, since x has a far larger scale, as means have, x is brought near the scale
    first, a level down, by an integer that needs none.
    Raises ScaleMismatch where there is no level for that, and too few digits would be left.
    """
    on = x.context.arithmetic

    def one() -> float:
        """What 1 is encoded as, so that the rescale comes out at the scale."""
        return scale * on.primes[x.level] / x.scale

    while one() < _DIGITS and x.level > level + 1:
        x = _times_one(x, float(max(1, round(one()))))
    require_digits(on, x.level, x.scale, one())
    made = _times_one(x, one())
    return made.of_handles([on.read(handle, scale) for handle in made.handles])


def _times_one(x: CipherArray, one: float) -> CipherArray:
    """x times 1, a level down, at a scale of `one` times its own over the prime.

    x: an encrypted array.
    one: the scale that 1 is encoded at.
    """
    on = x.context.arithmetic
    return x.of_handles([on.rescale(on.times(handle, on.plaintext(1.0, x.level, one))) for handle in x.handles])


def require_table(x: CipherArray, operation: str) -> None:
    """Raise where an array is not samples × features in a layout that tells samples apart.

    x: an encrypted array.
    operation: that wants it.

    Raises UnsupportedOperation for layout "packed", ShapeMismatch for more axes.
    """
    if x.layout != FEATURES and not isinstance(x.layout, WholeSamples):
        raise UnsupportedOperation(
            f"{operation} in layout {x.layout.name!r}",
            "Encrypt samples × features with fhenn.encrypt(context, values, layout='features').",
        )
    if len(x.shape) != 2:
        raise ShapeMismatch(operation, x.shape, f"(samples, features): take reshape(({x.shape[0]}, -1)) of it first")


def require_alike(x: CipherArray, factor: CipherArray, operation: str = "backward") -> None:
    """Raise ShapeMismatch where input and gradient differ in shape or layout.

    x: the input.
    factor: the gradient.
    operation: that wants both, for the error.
    """
    if factor.shape != x.shape or factor.layout != x.layout:
        found = "" if factor.layout == x.layout else f", not in layout {factor.layout.name!r}"
        raise ShapeMismatch(operation, factor.shape, f"{x.shape} in layout {x.layout.name!r}{found}")


def _matched(x: CipherArray, y: CipherArray, operation: str) -> tuple[CipherArray, CipherArray]:
    """x and y, of which one of a single feature stands for all features of the other.

    Raises ContextMismatch, ShapeMismatch where they do not meet.
    """
    y.require_same_keys(x.context)
    x, y = _spread(x, y), _spread(y, x)
    require_alike(x, y, operation)
    return x, y


def _spread(x: CipherArray, like: CipherArray) -> CipherArray:
    """x with its only feature in the place of every feature of another array; x itself where it does not go."""
    if x.shape != (like.shape[0] if like.shape else 0, 1) or x.shape == like.shape:
        return x
    if x.layout == like.layout == FEATURES:
        copies = prod(like.shape[1:])
    elif (
        isinstance(x.layout, Vectors)
        and isinstance(like.layout, WholeSamples)
        and (x.layout.period, x.layout.samples, x.layout.tiles) == (1, like.layout.samples, 1)
    ):
        copies = like.layout.tiles  # of a period of one position, every position holds the feature
    else:
        return x
    return x.of_handles([handle for handle in x.handles for _ in range(copies)], like.shape, like.layout)


def _plain(x: CipherArray, values: Any, operation: str) -> Floats:
    """Numbers for an array, of no axes or of such as broadcast to its shape.

    Raises ShapeMismatch, NonFiniteValue, UnsupportedValue.
    """
    plain = floating(values).astype(np.float64, copy=False)
    require_finite(operation, plain, "CKKS cannot encode them: drop or impute them first.")
    fits = plain.ndim <= len(x.shape) and plain.size > 0
    ends = zip(reversed(plain.shape), reversed(x.shape), strict=False)
    if not fits or any(size not in (1, wanted) for size, wanted in ends):
        raise ShapeMismatch(operation, plain.shape, f"one that broadcasts to {x.shape}")
    return plain
