"""Nodes of images in a model's message: what they were made with as plain data, weights as tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite, prod
from typing import Any

from fhenn.artifacts.operators import (
    MOST_FEATURES,
    Tensor,
    count_of,
    image_of,
    modest_convolution,
    require_modest,
    size_of,
)
from fhenn.errors import UnsupportedNode, UnsupportedValue
from fhenn.nn import (
    AvgPool1d,
    AvgPool2d,
    Conv1d,
    Conv2d,
    Flatten,
    GlobalAvgPool2d,
    ImageLayer,
    Pad,
    Upsample,
)

_CONVOLUTIONS: Mapping[str, type[Conv1d | Conv2d]] = {kind.__name__: kind for kind in (Conv1d, Conv2d)}
_POOLS: Mapping[str, type[AvgPool1d | AvgPool2d]] = {kind.__name__: kind for kind in (AvgPool1d, AvgPool2d)}
IMAGE_NODES: Mapping[str, type[ImageLayer | Flatten]] = {
    **_CONVOLUTIONS,
    **_POOLS,
    **{kind.__name__: kind for kind in (GlobalAvgPool2d, Pad, Upsample, Flatten)},
}
"""The nodes that are here, by name."""


def image_node_to_data(node: ImageLayer | Flatten) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """A node of images as plain data and arrays.

    node: of `IMAGE_NODES`.

    Returns (data, arrays by name).
    Raises UnsupportedNode where it does not know the shape of its images, UnsupportedValue where they are too large.
    """
    if node.input_shape is None:
        raise UnsupportedNode(
            f"{node.name} does not know the shape of its images.",
            "Give it where the model is made: fhenn.Sequential([...], shape=(channels, height, width)).",
            node.name,
        )
    most = max(prod(node.input_shape), prod(node.shape_after(node.input_shape)))
    if most > MOST_FEATURES:
        raise UnsupportedValue(f"a {node.name} of {most} numbers in a file", f"images of at most {MOST_FEATURES}")
    data: dict[str, Any] = {"node": node.name, "shape": node.input_shape}
    match node:
        case Conv1d() | Conv2d():
            geometry = {name: getattr(node, name) for name in ("stride", "padding", "dilation", "groups")}
            return {**data, **geometry}, {"weight": node.weight, "bias": node.channel_bias}
        case AvgPool1d() | AvgPool2d():
            options = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "gain")
            return data | {name: getattr(node, name) for name in options}, {}
        case Pad():
            return data | {"padding": node.padding, "gain": node.gain}, {}
        case Upsample():
            return data | {"factor": node.repeats, "gain": node.gain}, {}
        case GlobalAvgPool2d():
            return data | {"gain": node.gain}, {}
    return data, {}


def image_node_from_data(
    kind: str, fields: dict[str, Any], tensor: Callable[[str], Tensor]
) -> tuple[ImageLayer | Flatten, int]:
    """The node that `image_node_to_data` took apart.

    kind: of `IMAGE_NODES`.
    fields: its data; what is read is taken out.
    tensor: called with a name, returns the array.

    Returns the node, and for how many numbers it asks that the message does not hold.
    Raises ValueError, TypeError, KeyError or a FhennError where they make no node, or one that is too large.
    """
    shape = tuple(map(size_of, fields.pop("shape")))
    require_modest(shape)
    if kind == "Flatten":
        return Flatten(shape=shape), 0
    channels, height, width = image_of(shape if len(shape) == 3 else (shape[0], 1, *shape[1:]))
    if kind in _CONVOLUTIONS:
        return _convolution(kind, shape, (channels, height, width), fields, tensor)
    gain = fields.pop("gain")
    if type(gain) is not float or not isfinite(gain):
        raise ValueError("a gain must be a finite number with a decimal point")
    node: AvgPool1d | AvgPool2d | Pad | Upsample | GlobalAvgPool2d
    if kind in _POOLS:
        node, asked = _pool(kind, (channels, height, width), fields)
    elif kind == "Pad":
        left, right, top, bottom = map(_places, fields.pop("padding"))
        down, across = height + top + bottom, width + left + right
        require_modest((channels, max(down, 1), max(across, 1)))
        node, asked = Pad((left, right, top, bottom)), channels * max(down, 1) * max(across, 1)
    elif kind == "Upsample":
        down, across = map(size_of, fields.pop("factor"))
        require_modest((channels, height * down, width * across))
        node, asked = Upsample((down, across)), channels * height * down * width * across
    else:
        node, asked = GlobalAvgPool2d(), channels + height + width
    return node.with_shape(shape).scaled(gain) if gain != 1.0 else node.with_shape(shape), asked


def _convolution(
    kind: str,
    shape: tuple[int, ...],
    image: tuple[int, int, int],
    fields: dict[str, Any],
    tensor: Callable[[str], Tensor],
) -> tuple[Conv1d | Conv2d, int]:
    """A convolution; the size of what comes out is looked at before anything of that size is made."""
    name = fields.pop("tensors")
    weight, bias = tensor(f"{name}.weight"), tensor(f"{name}.bias")
    stride, padding, dilation, groups = (fields.pop(each) for each in ("stride", "padding", "dilation", "groups"))
    if kind == "Conv1d":
        zeros = tuple(map(count_of, padding))
        modest = modest_convolution(weight[:, :, None], image, (1, stride), ((0, 0), zeros), (1, dilation), groups)
        options: Any = {"stride": size_of(stride), "padding": zeros, "dilation": size_of(dilation)}
    else:
        modest = modest_convolution(weight, image, stride, padding, dilation, groups)
        options = {"stride": modest.stride, "padding": modest.padding, "dilation": modest.dilation}
    return _CONVOLUTIONS[kind](weight, bias, **options, groups=size_of(groups), shape=shape), modest.outputs


def _pool(kind: str, image: tuple[int, int, int], fields: dict[str, Any]) -> tuple[AvgPool1d | AvgPool2d, int]:
    """A pool that does not know its shape yet, and for how many numbers it asks."""
    sizes, steps, zeros = (fields.pop(name) for name in ("kernel_size", "stride", "padding"))
    how = [fields.pop(name) for name in ("ceil_mode", "count_include_pad")]
    if not all(type(each) is bool for each in how):
        raise ValueError("ceil_mode and count_include_pad must be true or false")
    if kind == "AvgPool1d":
        sizes, steps, zeros = (1, sizes), (1, steps), (0, zeros)
    channels, *lengths = image
    asked, counts = 0, list[int]()
    for length, size, step, zero in zip(lengths, sizes, steps, zeros, strict=True):
        over = (size_of(step) - 1) * how[0]  # windows may leave the image at its end
        counts.append(max(1, (length + 2 * count_of(zero) - size_of(size) + over) // step + 1))
        asked += counts[-1] * min(size, length)
    require_modest((asked,), (channels, *counts))
    options: list[Any] = [tuple(each) if kind == "AvgPool2d" else each[1] for each in (sizes, steps, zeros)]
    size, step, zero = options
    return _POOLS[kind](size, step, zero, *how), asked + channels * counts[0] * counts[1]


def _places(value: Any) -> int:
    """`value`, where it is a valid number of rows or columns to add, or below 0 to crop. Raises ValueError."""
    return -count_of(-value) if type(value) is int and value < 0 else count_of(value)


def sample_shape_of(data: Any) -> tuple[int, ...] | None:
    """The shape of a model's samples, None where the message has none. Raises ValueError, TypeError."""
    if data is None:
        return None
    shape = tuple(map(size_of, data))
    require_modest(shape)
    return shape
