"""Affine layers one after another as one, so that preprocessing costs no level."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fhenn.nn import (
    Affine,
    Conv1d,
    Conv2d,
    Dense,
    Flatten,
    ImageLayer,
    Linear,
    Node,
    Pad,
    Residual,
    Scaling,
    Sequential,
    layers,
)

Floats = NDArray[np.float64]


def fold(nodes: Iterable[Node]) -> list[Node]:
    """The layers of nodes in order, with neighbouring affine ones as a single one: the product of their operators.

    nodes: affine layers, activations, and Sequentials of them, whose layers stand in their place.
    Returns the layers. What was folded is a `Linear`, as is a scaling that stands alone; a sparse operator stays what
    it is, and a Linear that stands alone the object that it is. Layers of images are folded where a layer of images
    comes of it (`folded`); a `Residual` stays as it is.
    Raises ShapeMismatch where neighbours do not fit.
    Raises NonFiniteValue where a product overflows.
    Raises UnsupportedNode where a node is something else.

    >>> from fhenn.nn import Sigmoid
    >>> fold([Affine(Scaling([2.0])), Linear([[1.0]]), Linear([[3.0]]), Sigmoid()])
    [Linear(inputs=1, outputs=1, cost=1), Sigmoid(domain=(-4, 4), degree=3, cost=2)]
    """
    found: list[Node] = []
    for layer in _flat(nodes):
        before = found[-1] if found else None
        both = folded(before, layer) if isinstance(layer, Affine) and isinstance(before, Affine) else None
        if both is None:
            found.append(layer)
        else:
            found[-1] = both
    return [trainable(layer) if isinstance(layer, Affine) else layer for layer in found]


def _flat(nodes: Iterable[Node]) -> Iterable[Node]:
    """The nodes of Sequentials in their place. Raises UnsupportedNode."""
    for node in nodes:
        if isinstance(node, Sequential):
            yield from _flat(node.nodes)
        elif isinstance(node, Flatten | Residual):
            yield node
        else:
            yield from layers(node)


def trainable(layer: Affine) -> Affine:
    """A dense map, or a scaling of features, as a Linear; other layers as they are."""
    if isinstance(layer, Linear) or layer.grid is not None:
        return layer
    return Linear(layer.operator.dense(), layer.bias) if isinstance(layer.operator, Dense | Scaling) else layer


def folded(first: Affine, second: Affine) -> Affine | None:
    """Two affine layers as one; None where that would be no layer of images any more, and one of them is.

    A factor and a shift for each channel go into a convolution beside them, but for a shift before zeros of a padding,
    which it does not reach; zeros round an image go into the padding of a convolution.

    first, second: of features, or of images of known shape.
    Raises ShapeMismatch where they do not fit.
    Raises NonFiniteValue where a product overflows.

    >>> convolution = Conv2d([[[[1.0, 2.0]]]], [3.0], shape=(1, 1, 2))
    >>> both = folded(convolution, Affine(Scaling([2.0]), [1.0]))
    >>> both.weight.tolist(), both.channel_bias.tolist()
    ([[[[2.0, 4.0]]]], [7.0])
    """
    if not isinstance(first, ImageLayer) and not isinstance(second, ImageLayer):
        return first.then(second)
    if isinstance(first, Conv1d | Conv2d) and isinstance(second.operator, Scaling):
        return _scaled_after(first, second, second.operator)
    if isinstance(second, Conv1d | Conv2d) and isinstance(first.operator, Scaling):
        return _scaled_before(first, first.operator, second)
    if isinstance(first, Pad) and isinstance(second, Conv2d):
        return _padded(first, second)
    return None


def _scaled_after(convolution: Conv1d | Conv2d, scaling: Affine, operator: Scaling) -> Affine | None:
    """A convolution with a factor and a shift for each of its channels."""
    channels = len(convolution.weight)
    factors, shifts = _by_channel(operator.factors, channels), _by_channel(scaling.bias, channels)
    if factors is None or shifts is None:
        return None
    with np.errstate(over="ignore", invalid="ignore"):  # refused where the layer is made
        weight = convolution.weight * factors.reshape(-1, *[1] * (convolution.weight.ndim - 1))
        bias = convolution.channel_bias * factors + shifts
    return _like(convolution, weight, bias)


def _scaled_before(scaling: Affine, operator: Scaling, convolution: Conv1d | Conv2d) -> Affine | None:
    """A convolution of images whose channels have a factor and a shift each."""
    weight, groups = convolution.weight, convolution.groups
    channels = weight.shape[1] * groups
    factors, shifts = _by_channel(operator.factors, channels), _by_channel(scaling.bias, channels)
    if factors is None or shifts is None or (np.any(shifts) and np.any(convolution.padding)):
        return None
    taps = [1] * (weight.ndim - 2)
    by_group = weight.reshape(groups, -1, *weight.shape[1:])
    with np.errstate(over="ignore", invalid="ignore"):  # refused where the layer is made
        bias = (by_group * shifts.reshape(groups, 1, -1, *taps)).reshape(len(weight), -1).sum(axis=1)
        weight = (by_group * factors.reshape(groups, 1, -1, *taps)).reshape(weight.shape)
        return _like(convolution, weight, convolution.channel_bias + bias)


def _padded(pad: Pad, convolution: Conv2d) -> Affine | None:
    """A convolution whose padding is that of a layer before it too."""
    left, right, top, bottom = pad.padding
    if min(pad.padding) < 0 or pad.gain != 1.0:
        return None
    (above, below), (before, after) = convolution.padding
    return _like(
        convolution,
        convolution.weight,
        convolution.channel_bias,
        padding=((above + top, below + bottom), (before + left, after + right)),
        shape=pad.input_shape,
    )


def _like(convolution: Conv1d | Conv2d, weight: Floats, bias: Floats, **others: object) -> Affine:
    """A convolution of the same kind with another weight and bias, and what else is given."""
    names = ("stride", "padding", "dilation", "groups")
    options: dict[str, object] = {name: getattr(convolution, name) for name in names}
    made: Affine = type(convolution)(weight, bias, **{**options, "shape": convolution.input_shape, **others})  # type: ignore[arg-type]
    return made


def _by_channel(numbers: Floats, channels: int) -> Floats | None:
    """The number of each channel, where all of a channel's are the same."""
    each = numbers.reshape(channels, -1)
    return each[:, 0] if np.all(each == each[:, :1]) else None
