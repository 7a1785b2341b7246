"""What the operators of ONNX that take images do to the values of a graph that is read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fhenn.interop.chain import Around, Chain, Unsuitable
from fhenn.interop.onnx.call import Call


def convolution(call: Call) -> Chain:
    """Conv. Raises Unsuitable."""
    chain, kernel = call.chain(), call.weights(1)
    taps = _taps(call, kernel.shape[2:])
    if taps != kernel.shape[2:]:
        raise Unsuitable(f"its kernel_shape {list(taps)} is not that of weights of shape {kernel.shape}")
    stride, dilation = _each(call, "strides", len(taps)), _each(call, "dilations", len(taps))
    padding = _padding(call, chain, taps, stride, dilation)
    bias = None if call.given(2) is None else call.weights(2)
    return chain.convolve(kernel, bias, stride, padding, dilation, call.get("group", 1))


def average_pool(call: Call) -> Chain:
    """AveragePool. Raises Unsuitable."""
    chain, sizes = call.chain(), _taps(call)
    stride, dilation = _each(call, "strides", len(sizes)), _each(call, "dilations", len(sizes))
    if any(gap != 1 for gap in dilation):
        raise Unsuitable(f"its windows have gaps, dilations {list(dilation)}")
    if call.text("auto_pad", "NOTSET").startswith("SAME") and any(map(int.__lt__, sizes, stride)):
        raise Unsuitable("it has auto_pad, and windows that do not meet: runtimes place them in different ways")
    padding = _padding(call, chain, sizes, stride, dilation)
    return chain.average(sizes, stride, padding, bool(call.get("ceil_mode", 0)), bool(call.get("count_include_pad", 0)))


def global_average_pool(call: Call) -> Chain:
    """GlobalAveragePool. Raises Unsuitable."""
    return call.chain().average_all()


def pad(call: Call) -> Chain:
    """Pad, with zeros. Raises Unsuitable."""
    chain = call.chain()
    value = call.get("value", 0.0) if call.given(2) is None else call.constant(2)
    if call.text("mode", "constant") != "constant" or np.any(value):
        raise Unsuitable("it pads with something else than zeros, and only zeros are known")
    rank = len(chain.shape) + 1
    ends = call.integers(1) if call.given(1) is not None else list(call.get("pads", call.get("paddings", [])))
    axes = list(range(rank)) if call.given(3) is None else call.integers(3)
    if len(ends) != 2 * len(axes):
        raise Unsuitable(f"its pads {ends} are not two for each axis")
    round_axis = {
        axis + rank if axis < 0 else axis: each
        for axis, each in zip(axes, zip(ends[: len(axes)], ends[len(axes) :], strict=True), strict=True)
    }
    inner = [round_axis.pop(axis, (0, 0)) for axis in range(2, rank)]
    if any(any(each) for each in round_axis.values()):
        raise Unsuitable("it pads more than the axes behind the channels")
    return chain.pad(tuple(inner)) if inner else chain


def _taps(call: Call, default: Sequence[int] = ()) -> tuple[int, ...]:
    """The size of a kernel or window. Raises Unsuitable."""
    taps = tuple(call.get("kernel_shape", default))
    if not taps:
        raise Unsuitable("it does not say its kernel_shape")
    return taps


def _each(call: Call, name: str, axes: int) -> tuple[int, ...]:
    """An attribute with a number for each axis, 1 where it is left out. Raises Unsuitable."""
    values = tuple(call.get(name, (1,) * axes))
    if len(values) != axes or min(values) < 1:
        raise Unsuitable(f"its {name} are {list(values)}, not one of at least 1 for each of {axes} axes")
    return values


def _padding(call: Call, chain: Chain, taps: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Around:
    """Zeros before and after each axis. Raises Unsuitable."""
    axes, kind = len(taps), call.text("auto_pad", "NOTSET")
    if len(chain.shape) != axes + 1 or min(taps) < 1:
        raise Unsuitable(f"its windows {list(taps)} are not those of samples of shape {chain.shape}")
    if kind == "NOTSET":
        ends = list(call.get("pads", [0] * (2 * axes)))
        if len(ends) != 2 * axes or min(ends) < 0:
            raise Unsuitable(f"its pads {ends} are not two of at least 0 for each of {axes} axes")
        return tuple(zip(ends[:axes], ends[axes:], strict=True))
    if kind == "VALID":
        return ((0, 0),) * axes
    if kind not in ("SAME_UPPER", "SAME_LOWER"):
        raise Unsuitable(f"its auto_pad is {kind!r}, not NOTSET, VALID, SAME_UPPER or SAME_LOWER")
    around = []
    for length, size, step, gap in zip(chain.shape[1:], taps, stride, dilation, strict=True):
        zeros = max((-(-length // step) - 1) * step + (size - 1) * gap + 1 - length, 0)
        less, more = zeros // 2, zeros - zeros // 2
        around.append((less, more) if kind == "SAME_UPPER" else (more, less))
    return tuple(around)
