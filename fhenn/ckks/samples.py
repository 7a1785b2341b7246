"""Samples of arrays: slices of them, several arrays as one, and sums over them.

A ciphertext holds the same few samples as those beside it in its group: as many as it has slots in layout "features",
a layout's own number where it holds whole samples. Groups are moved about at no cost. Samples within one take a
rotation, and where those of several sources meet in one group, a product that masks each of them besides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import groupby
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fhenn.approx.numbers import is_whole
from fhenn.ckks.algebra import at_one_scale, divided, require_table
from fhenn.ckks.layout import FEATURES, Packed, WholeSamples
from fhenn.ckks.sums import rotate
from fhenn.errors import ShapeMismatch, UnsupportedOperation
from fhenn.steps import counted

if TYPE_CHECKING:
    from fhenn.ckks.array import CipherArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Run:
    """Neighbouring samples of one group, and where they go.

    source: ciphertexts of their group.
    start: place of the first in it.
    count: how many there are.
    group: that they go to.
    place: of the first there.
    """

    source: tuple[Any, ...]
    start: int
    count: int
    group: int
    place: int


def samples_together(x: CipherArray) -> int:
    """How many samples a ciphertext holds.

    x: an array in layout "features", or of whole samples.
    """
    return x.layout.samples if isinstance(x.layout, WholeSamples) else x.context.slots


def _ciphertexts_together(x: CipherArray) -> int:
    """How many ciphertexts hold the same samples."""
    return x.layout.tiles if isinstance(x.layout, WholeSamples) else prod(x.shape[1:])


def take(x: CipherArray, start: int, stop: int) -> CipherArray:
    """Neighbouring samples of an array.

    x: an encrypted array.
    start, stop: of them, from 0; at least one.

    Returns them at the level of x where they begin with a ciphertext, at no cost, or lie within one, by a rotation;
    else a level below, by rotations and products. Spare places may hold other samples of x.
    Raises KeyMissing where there is no key for a rotation, LevelExhausted; UnsupportedOperation for layout "packed"
    where a ciphertext begins or ends elsewhere.
    """
    if (start, stop) == (0, x.shape[0]):
        return x
    shape = (stop - start, *x.shape[1:])
    if isinstance(x.layout, Packed):
        return _take_packed(x, shape, start, stop)
    return _assembled([(x, start, stop)], shape)


def _take_packed(x: CipherArray, shape: tuple[int, ...], start: int, stop: int) -> CipherArray:
    """Samples whose numbers fill ciphertexts: those that do not would need copies in the spare slots."""
    width, slots, size = prod(x.shape[1:]), x.context.slots, x.size
    first, end = start * width, stop * width
    if first % slots or (end % slots and end != size):
        raise UnsupportedOperation(
            f"samples {start} to {stop} in layout 'packed', of which a ciphertext holds {slots} numbers",
            "Take samples that begin and end with a ciphertext, or encrypt samples × features with layout='features'.",
        )
    return x.of_handles(x.handles[first // slots : -(-end // slots)], shape)


def take_features(x: CipherArray, places: Sequence[int]) -> CipherArray:
    """Some features of every sample, at no cost.

    x: (samples, features) in layout "features".
    places: of the features, from 0; at least one.

    Raises UnsupportedOperation for another layout, ShapeMismatch for more axes.
    """
    require_table(x, "taking features")
    features = x.shape[1]
    if x.layout != FEATURES:
        raise UnsupportedOperation(
            f"taking features in layout {x.layout.name!r}, whose ciphertexts hold several",
            f"A product with columns of the identity takes one level: x @ np.eye({features})[:, places].",
        )
    blocks = range(0, len(x.handles), features)
    handles = [x.handles[start + place] for start in blocks for place in places]
    return x.of_handles(handles, (x.shape[0], len(places)))


def concatenate(arrays: Sequence[CipherArray], axis: int) -> CipherArray:
    """Several arrays as one (`fhenn.concatenate`).

    arrays: under the same keys, in one layout, at least one.
    axis: 0 for the samples of one after those of another, 1 for their features.

    Raises what `fhenn.concatenate` does.
    """
    if not arrays:
        raise ShapeMismatch("concatenate", (0,), "at least one array")
    first = arrays[0]
    axes = len(first.shape)
    if not is_whole(axis) or axis not in (0, 1, -1, -axes):
        raise UnsupportedOperation(f"concatenate along axis {axis!r}", "Give 0 for samples, or 1 for features.")
    for array in arrays:
        array.require_same_keys(first.context)
        beside = slice(1, None) if axis % axes == 0 else slice(0, 1)
        if array.layout != first.layout or len(array.shape) != axes or array.shape[beside] != first.shape[beside]:
            kept = "features" if axis % axes == 0 else "samples"
            raise ShapeMismatch(
                "concatenate", array.shape, f"the {kept} of {first.shape}, in layout {first.layout.name!r}"
            )
    if len(arrays) == 1:
        return first
    if axis % axes:
        return _features_together(at_one_scale(arrays))
    if isinstance(first.layout, Packed):
        raise UnsupportedOperation(
            "concatenate in layout 'packed'", "Encrypt samples × features with layout='features'."
        )
    samples = sum(array.shape[0] for array in arrays)
    return _assembled([(array, 0, array.shape[0]) for array in at_one_scale(arrays)], (samples, *first.shape[1:]))


def _features_together(arrays: Sequence[CipherArray]) -> CipherArray:
    """The features of several arrays of the same samples, at one level and scale."""
    first = arrays[0]
    require_table(first, "concatenate along features")
    widths = [array.shape[1] for array in arrays]
    if first.layout != FEATURES:
        raise UnsupportedOperation(
            f"concatenate along features in layout {first.layout.name!r}, whose ciphertexts hold several",
            "A product puts the features of each where they belong, and takes one level: "
            "x @ np.eye(n, n + m) + y @ np.eye(m, n + m, k=n).",
        )
    blocks = range(len(first.handles) // widths[0])
    handles = [
        handle
        for block in blocks
        for array, width in zip(arrays, widths, strict=True)
        for handle in array.handles[block * width : (block + 1) * width]
    ]
    return first.of_handles(handles, (first.shape[0], sum(widths)))


def sum_of_samples(x: CipherArray, *, mean: bool = False) -> CipherArray:
    """The sum over all samples of each feature, or their mean.

    x: (samples, features), not in layout "packed". Takes log₂ of the samples in a ciphertext rotations, by powers of
    two, of which any without a key is made of smaller ones; and one level where samples do not fill the ciphertexts:
    the places that none takes may hold anything.

    Returns (1, features).
    Raises KeyMissing where there is no key to rotate by one slot, LevelExhausted, UnsupportedOperation, ShapeMismatch.
    """
    require_table(x, "a sum over samples")
    on, samples = x.context.arithmetic, x.shape[0]
    together, width = samples_together(x), _ciphertexts_together(x)
    groups = [list(x.handles[start : start + width]) for start in range(0, len(x.handles), width)]
    left = samples % together
    if left:
        on.require_levels("a sum over samples that do not fill their ciphertexts", 1, x.level)
        mask = on.plaintext(_places(x, 0, left), x.level, on.primes[x.level])
        last = [on.read(on.rescale(on.times(handle, mask)), x.scale) for handle in groups[-1]]
        groups = [*([on.drop(handle, x.level - 1) for handle in group] for group in groups[:-1]), last]
    results = []
    for handles in counted(list(zip(*groups, strict=True))):
        total = reduce(on.add, handles)
        step = 1
        while step < min(samples, together):
            total = on.add(total, rotate(on, total, step, 1))
            step *= 2
        results.append(total)
    return divided(x.of_handles(results, (1, x.shape[1])), samples if mean else 1)


def _places(x: CipherArray, start: int, count: int) -> Floats:
    """1 in the slots of neighbouring samples of a group, 0 in the others, (slots,)."""
    of_sample = np.arange(x.context.slots) % samples_together(x)
    return ((start <= of_sample) & (of_sample < start + count)).astype(np.float64)


def _runs(pieces: Sequence[tuple[CipherArray, int, int]]) -> Iterator[_Run]:
    """Which samples go where: those of each piece after those of the one before."""
    done = 0
    for x, start, stop in pieces:
        together, width, first = samples_together(x), _ciphertexts_together(x), start
        while first < stop:
            (group, place), (target, at) = divmod(first, together), divmod(done, together)
            count = min(stop - first, together - place, together - at)
            yield _Run(x.handles[group * width : (group + 1) * width], place, count, target, at)
            first, done = first + count, done + count


def _assembled(pieces: Sequence[tuple[CipherArray, int, int]], shape: tuple[int, ...]) -> CipherArray:
    """Samples of arrays, one after another.

    pieces: an array with the first of its samples and the end of them; all at one level and scale, in one layout.
    shape: of the result.
    """
    x = pieces[0][0]
    on, level = x.context.arithmetic, x.level
    groups = [list(runs) for _, runs in groupby(_runs(pieces), key=lambda run: run.group)]
    for run in (run for runs in groups for run in runs if run.start != run.place):
        x.context.require_rotation(_steps(x, run), level)  # before anything is computed
    meet = any(len(runs) > 1 for runs in groups)
    if meet:
        on.require_levels("samples of several ciphertexts in one", 1, level)
    handles: list[Any] = []
    for runs in counted(groups):
        parts = [[_turned(x, handle, run) for handle in run.source] for run in runs]
        if len(runs) > 1:
            masks = [on.plaintext(_places(x, run.place, run.count), level, on.primes[level]) for run in runs]
            for across in zip(*parts, strict=True):
                total = on.sum_of_products(across, masks)
                handles.append(on.read(on.rescale(total), x.scale))
        else:
            handles += [on.drop(handle, level - 1) if meet else handle for handle in parts[0]]
    return x.of_handles(handles, shape)


def _steps(x: CipherArray, run: _Run) -> int:
    """The rotation that brings samples to their place, in slots."""
    return (run.start - run.place) % x.context.slots


def _turned(x: CipherArray, handle: Any, run: _Run) -> Any:
    """A ciphertext with samples at their place."""
    if run.start == run.place:
        return handle
    (turned,) = x.context.arithmetic.rotated(handle, [_steps(x, run)])
    return turned
