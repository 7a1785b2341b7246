"""Sums over the features of each sample, with the rotation keys that are there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from math import prod
from typing import TYPE_CHECKING, Any

from fhenn.ckks.layout import FEATURES, Vectors, WholeSamples
from fhenn.ckks.operations import Operations, V
from fhenn.errors import UnsupportedOperation

if TYPE_CHECKING:
    from fhenn.ckks.array import CipherArray


def drop_to(x: CipherArray, level: int) -> CipherArray:
    """The same values at a lower level.

    x: an array at that level or above.
    level: that is wanted.
    """
    on = x.context.arithmetic
    return x if level == x.level else x.of_handles([on.drop(handle, level) for handle in x.handles])


def sum_features(x: CipherArray) -> CipherArray:
    """The sum over all features of each sample.

    x: (samples, features). Layout "features" takes additions only; whole samples take those of their ciphertexts, then
    rotations, of which any without a key is made of several smaller ones.

    Returns (samples, 1).
    Raises KeyMissing where there is no key to rotate by one position, UnsupportedOperation for another layout.
    """
    on, shape, handles = x.context.arithmetic, (x.shape[0], 1), x.handles
    if x.layout == FEATURES:
        return x.of_handles(_sums(on, handles, prod(x.shape[1:])), shape)
    if not isinstance(x.layout, WholeSamples) or not x.layout.is_plain:
        raise UnsupportedOperation(f"a sum over layout {x.layout.name!r}", "Sum after a Linear node.")
    sums = _sums(on, handles, x.layout.tiles)
    results = [_sum_positions(on, handle, x.layout.period, x.layout.samples) for handle in sums]
    return x.of_handles(results, shape, Vectors("replicated", 1, x.layout.samples))


def _sums(on: Operations[V, Any], handles: Sequence[V], together: int) -> list[V]:
    """The sum of every so many ciphertexts."""
    return [on.sum(handles[start : start + together], together) for start in range(0, len(handles), together)]


def _sum_positions(on: Operations[V, Any], x: V, period: int, samples: int) -> V:
    """The sum over a period of positions, a power of two, by doubling."""
    step = 1
    while step < period:
        x = on.add(x, rotate(on, x, step, samples))
        step *= 2
    return x


def rotate(on: Operations[V, Any], x: V, positions: int, samples: int) -> V:
    """x rotated, in the fewest powers of two that have keys.

    on: the arithmetic.
    x: a ciphertext.
    positions: to rotate by, above 0.
    samples: slots of a position.

    Raises KeyMissing where there is no key for one position.
    """
    level = on.level(x)
    for step in _parts(positions, lambda step: on.can_rotate(step * samples, level)):
        (x,) = on.rotated(x, [step * samples])
    return x


def _parts(positions: int, has_key: Callable[[int], bool]) -> Iterator[int]:
    """Powers of two that add up to so many positions, the largest that have keys; 1 where none has."""
    while positions:
        step = 1 << positions.bit_length() - 1
        while step > 1 and not has_key(step):
            step //= 2
        yield step
        positions -= step


def keys_of_sum(period: int, samples: int, keys: Set[int]) -> set[int]:
    """The rotations that a sum over a period needs keys for besides those that there are.

    None where there is one for a single position and the sum takes at most twice the rotations that it takes with a key
    for every power of four.

    period: positions that are added up, a power of two.
    samples: interleaved in a ciphertext.
    keys: rotations, in slots, that there are keys for.

    >>> keys_of_sum(16, 1, {1, 4}), sorted(keys_of_sum(16, 1, {2, 8})), sorted(keys_of_sum(256, 1, {1}))
    (set(), [1, 4], [4, 16, 64])
    """
    powers = [1 << power for power in range((period - 1).bit_length())]
    wanted = {power * samples for power in powers[::2]}

    def count(there: Set[int]) -> int:
        return sum(1 for power in powers for _ in _parts(power, lambda step: step * samples in there))

    if period == 1 or (samples in keys and count(keys) <= 2 * count(wanted)):
        return set()
    return wanted - keys
