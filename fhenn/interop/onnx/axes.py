"""What operators of ONNX do along the axes of samples: slices, sums, permutations, joins, and products of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from fhenn.interop.chain import Chain, Unsuitable
from fhenn.interop.maps import MOST_FEATURES, MOST_WEIGHTS
from fhenn.interop.onnx.call import Call

_MOST_PRODUCTS = 2**28
"""Of an einsum by which a matrix is found."""


def slice_(call: Call) -> Chain:
    """Slice. Raises Unsuitable."""
    chain = call.chain()
    starts, ends, axes, steps = slice_bounds(call)
    cuts = [slice(None)] * len(chain.shape)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        cuts[_inner(axis, chain)] = slice(start, end, step)
    return chain.select(_places(chain)[tuple(cuts)])


def slice_bounds(call: Call) -> tuple[list[int], list[int], list[int], list[int]]:
    """Starts, ends, axes and steps of a Slice. Raises Unsuitable where they contradict one another."""
    listed = [
        call.integers(place) if call.given(place) is not None else call.get(name, None)
        for place, name in enumerate(("starts", "ends", "axes", "steps"), 1)
    ]
    starts, ends = listed[0] or [], listed[1] or []
    axes, steps = listed[2] or list(range(len(starts))), listed[3] or [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise Unsuitable("its starts, ends, axes and steps do not go together")
    return starts, ends, axes, steps


def gather(call: Call) -> Chain:
    """Gather, at constant places. Raises Unsuitable."""
    chain, places = call.chain(), call.constant(1)
    axis = _inner(call.get("axis", 0), chain)
    if places.dtype.kind != "i":
        raise Unsuitable("its places are no integers")
    return _take(chain, places, axis)


def feature_columns(chain: Chain, places: NDArray[np.integer]) -> Chain:
    """Some features of samples, the last axis of them. Raises Unsuitable."""
    return _take(chain, places.ravel(), len(chain.shape) - 1)


def _take(chain: Chain, places: NDArray[np.integer], axis: int) -> Chain:
    if places.size * (chain.features // chain.shape[axis]) > MOST_FEATURES:
        raise Unsuitable(f"it makes samples of more than {MOST_FEATURES:,} numbers")
    if np.any(places < -chain.shape[axis]) or np.any(places >= chain.shape[axis]):
        raise Unsuitable(f"its places leave samples of shape {chain.shape}")
    return chain.select(np.take(_places(chain), places, axis=axis))


def split(call: Call) -> tuple[Chain, ...]:
    """Split. Raises Unsuitable."""
    chain = call.chain()
    axis = _inner(call.get("axis", 0), chain)
    length = chain.shape[axis]
    sizes = call.integers(1) if call.given(1) is not None else call.get("split", None)
    if sizes is None:
        parts = call.get("num_outputs", call.outputs)
        each = -(-length // parts)
        sizes = [each] * (parts - 1) + [length - each * (parts - 1)]
    if sum(sizes) != length or min(sizes) < 1:
        raise Unsuitable(f"its parts {sizes[:10]} are not those of samples of shape {chain.shape}")
    return tuple(chain.select(part) for part in np.split(_places(chain), np.cumsum(sizes)[:-1], axis=axis))


def transpose(call: Call) -> Chain:
    """Transpose, of which the samples stay first. Raises Unsuitable."""
    chain = call.chain()
    rank = len(chain.shape) + 1
    order = list(call.get("perm", range(rank)[::-1]))
    if sorted(order) != list(range(rank)) or order[0] != 0:
        raise Unsuitable(f"its order {order} does not keep the axis of samples first")
    return chain.select(np.transpose(_places(chain), [axis - 1 for axis in order[1:]]))


def reduce_sum(call: Call) -> Chain:
    """ReduceSum. Raises Unsuitable."""
    chain = call.chain()
    return chain.reduce(reduced_axes(call, chain), mean=False, keep=bool(call.get("keepdims", 1)))


def reduce_mean(call: Call) -> Chain:
    """ReduceMean; over all axes behind the channels of images, it is their average pool. Raises Unsuitable."""
    chain, keep = call.chain(), bool(call.get("keepdims", 1))
    axes, rank = reduced_axes(call, chain), len(chain.shape) + 1
    if rank > 2 and chain.holds_images and {axis % rank for axis in axes} == set(range(2, rank)):
        means = chain.average_all()
        return means if keep else means.reshape(chain.shape[:1])
    return chain.reduce(axes, mean=True, keep=keep)


def reduced_axes(call: Call, chain: Chain) -> list[int]:
    """The axes of a reduction. Raises Unsuitable where it would reduce all, that of the samples too."""
    axes: list[int] | None = call.integers(1) if call.given(1) is not None else call.get("axes", None)
    if not axes:
        if call.get("noop_with_empty_axes", 0):
            return []
        raise Unsuitable("without axes, it would mix the samples")
    if any(not -len(chain.shape) - 1 <= axis <= len(chain.shape) for axis in axes):
        raise Unsuitable(f"its axes {axes[:10]} are not those of samples of shape {chain.shape}")
    return axes


def matmul(call: Call) -> Chain:
    """MatMul with a constant on the right, or on the left of matrices for each sample. Raises Unsuitable."""
    if isinstance(call.given(0), np.ndarray) and call.comes_from_samples(1) and len(call.chain(1).shape) == 2:
        matrix, chain = call.weights(0), call.chain(1)
        if matrix.ndim == 2:
            return einsum_of(chain, matrix, "bc", "ab", "ac")
    if call.comes_from_samples(0) and call.comes_from_samples(1):
        raise Unsuitable("both of its factors come from the samples, as in attention, and one has to be constant")
    weight = call.weights(1)
    chain = call.chain()
    if weight.ndim == 1:
        return chain.linear(weight[None, :]).reshape(chain.shape[:-1])
    if weight.ndim > 2 and prod(weight.shape[:-2]) == 1 and weight.ndim <= len(chain.shape) + 1:
        weight = weight.reshape(weight.shape[-2:])
    return chain.linear(weight.T)


def einsum(call: Call) -> Chain:
    """Einsum of samples and a constant. Raises Unsuitable."""
    equation = call.text("equation", "").replace(" ", "")
    terms, arrow, result = equation.partition("->")
    names = terms.split(",")
    first = not call.comes_from_samples(0)
    if not arrow or len(names) != 2 or not all(each.isalpha() and each.isascii() for each in (*names, result)):
        raise Unsuitable(f"its equation {equation[:40]!r} is not that of samples and a constant, with a result")
    chain, constant = call.chain(1 if first else 0), call.weights(0 if first else 1)
    of_samples, of_constant = (names[1], names[0]) if first else (names[0], names[1])
    sample, inner = of_samples[0], of_samples[1:]
    if not result.startswith(sample) or sample in of_constant or of_samples.count(sample) + result.count(sample) > 2:
        raise Unsuitable(f"its equation {equation[:40]!r} does not keep the samples apart, and their axis first")
    return einsum_of(chain, constant, inner, of_constant, result[1:])


def einsum_of(chain: Chain, constant: NDArray[np.float64], inner: str, of_constant: str, result: str) -> Chain:
    """A product of samples with a constant, by the names of their axes without that of the samples."""
    sizes: dict[str, int] = {}
    for letters, shape in ((inner, chain.shape), (of_constant, constant.shape)):
        if len(letters) != len(shape) or any(
            sizes.setdefault(*each) != each[1] for each in zip(letters, shape, strict=True)
        ):
            raise Unsuitable(f"its weights of shape {constant.shape} meet samples of shape {chain.shape}")
    if not set(result) <= set(sizes) or len(set(result)) < len(result):
        raise Unsuitable("its result has axes that are not there, or one of them twice")
    outputs = prod(sizes[letter] for letter in result)
    if chain.features * outputs > MOST_WEIGHTS or chain.features * prod(sizes.values()) > _MOST_PRODUCTS:
        raise Unsuitable("its matrix would be too large")
    ones = np.eye(chain.features).reshape(-1, *chain.shape)
    sample = next(letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if letter not in sizes)
    matrix = np.einsum(f"{sample}{inner},{of_constant}->{sample}{result}", ones, constant)
    flat = chain.reshape((chain.features,)).linear(matrix.reshape(chain.features, -1).T)
    return flat.reshape(tuple(sizes[letter] for letter in result))


def concat(chains: Sequence[Chain], axis: int) -> Chain:
    """Concat of what comes from the samples. Raises Unsuitable."""
    return chains[0].join(chains[1:], axis)


def feature_vectorizer(call: Call) -> Chain:
    """FeatureVectorizer: the columns of all inputs side by side. Raises Unsuitable."""
    chains = [call.chain_of_any(place) for place in range(len(call.inputs))]
    widths = call.get("inputdimensions", [each.features for each in chains])
    if not chains or widths != [each.features for each in chains]:
        raise Unsuitable(f"its inputdimensions {widths[:10]} are not those of its inputs")
    rows = [each.reshape((each.features,)) for each in chains]
    return rows[0].join(rows[1:], 1)


def _places(chain: Chain) -> NDArray[np.int64]:
    """The place of every number of a sample."""
    return np.arange(chain.features).reshape(chain.shape)


def _inner(axis: int, chain: Chain) -> int:
    """An axis as one of a sample. Raises Unsuitable for that of the samples."""
    rank = len(chain.shape) + 1
    place = axis + rank if axis < 0 else axis
    if not 0 < place < rank:
        raise Unsuitable(f"axis {axis} of samples of shape {chain.shape} would mix them, or is not there")
    return place - 1


Operator = Callable[[Call], Chain | tuple[Chain, ...]]

AXES: dict[tuple[str, str], Operator] = {
    ("", "Einsum"): einsum,
    ("", "MatMul"): matmul,
    ("", "ReduceMean"): reduce_mean,
    ("", "Split"): split,
    ("", "Transpose"): transpose,
    ("ai.onnx.ml", "FeatureVectorizer"): feature_vectorizer,
}
"""By domain and name; those that classifiers use in another way too are among theirs."""
