"""Operators of affine layers in a model's message: their kind as plain data, their numbers as tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import UnsupportedValue
from fhenn.nn import Convolution, Dense, Operator, Scaling, Separable, Sparse

Tensor = NDArray[Any]

MOST_FEATURES = 1 << 20
"""Inputs or outputs of an operator whose file need not hold a number for each."""


def operator_to_data(operator: Operator) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """An operator as plain data and arrays.

    operator: of `fhenn.nn`.

    Returns (data, arrays): its kind with what is not an array, and its arrays by name.
    Raises UnsupportedValue for an operator of your own.
    """
    kind = {"kind": operator.name}
    if type(operator) is Dense:
        return kind, {"weight": operator.dense()}
    if type(operator) is Scaling:
        return kind, {"factors": operator.factors}
    if type(operator) is Sparse:
        tensors = {"rows": operator.rows, "columns": operator.columns, "values": operator.values}
        return {**kind, "inputs": operator.inputs, "outputs": operator.outputs}, tensors
    if type(operator) is Convolution:
        geometry = {
            "shape": operator.input_shape,
            "stride": operator.stride,
            "padding": operator.padding,
            "dilation": operator.dilation,
            "groups": operator.groups,
        }
        return {**kind, **geometry}, {"kernel": operator.kernel}
    if type(operator) is Separable:
        both, arrays = {"vertical": operator.vertical, "horizontal": operator.horizontal}, dict[str, Tensor]()
        for name, each in both.items():
            arrays |= {f"{name}.rows": each.rows, f"{name}.columns": each.columns, f"{name}.values": each.values}
        shapes = {name: each.shape for name, each in both.items()}
        return {**kind, "channels": operator.channels, **shapes}, arrays
    raise UnsupportedValue(
        f"a {operator.name} operator in a file", "an operator of fhenn.nn, or what its sparse() makes of it"
    )


def operator_from_data(data: Any, tensor: Callable[[str, type[np.number[Any]]], Tensor]) -> Operator:
    """The operator that `operator_to_data` took apart.

    data: its kind with what is not an array.
    tensor: called with a name and a dtype; returns the array.

    Raises ValueError, TypeError, KeyError or a FhennError where they make no operator.
    """
    fields = dict(data)
    kind = fields.pop("kind")
    if kind == "Sparse":
        outputs, inputs = (size_of(fields.pop(name)) for name in ("outputs", "inputs"))
        rows, columns = (tensor(name, np.int64) for name in ("rows", "columns"))
        operator: Operator = Sparse(rows, columns, tensor("values", np.float64), (outputs, inputs))
    elif kind == "Convolution":
        kernel, geometry = tensor("kernel", np.float64), {name: fields.pop(name) for name in GEOMETRY}
        operator = modest_convolution(kernel, fields.pop("shape"), **geometry)
    elif kind == "Separable":
        channels = size_of(fields.pop("channels"))
        vertical, horizontal = (_sparse(name, fields.pop(name), tensor) for name in ("vertical", "horizontal"))
        require_modest((channels, *vertical.shape), (channels, *horizontal.shape))
        require_modest((channels, vertical.inputs, horizontal.inputs), (channels, vertical.outputs, horizontal.outputs))
        operator = Separable(channels, vertical, horizontal)
    elif kind == "Scaling":
        operator = Scaling(tensor("factors", np.float64))
    elif kind == "Dense":
        operator = Dense(tensor("weight", np.float64))
    else:
        raise ValueError(f"unknown operator {str(kind)[:40]!r}")
    if fields:
        raise ValueError(f"unknown field {next(iter(fields))[:40]!r}")
    return operator


def _sparse(name: str, shape: Any, tensor: Callable[[str, type[np.number[Any]]], Tensor]) -> Sparse:
    """A sparse operator that is a part of another. Raises as `operator_from_data` does."""
    outputs, inputs = map(size_of, shape)
    rows, columns = (tensor(f"{name}.{part}", np.int64) for part in ("rows", "columns"))
    return Sparse(rows, columns, tensor(f"{name}.values", np.float64), (outputs, inputs))


GEOMETRY = ("stride", "padding", "dilation", "groups")
"""What a convolution has besides its kernel and the shape of its images."""


def modest_convolution(
    kernel: Tensor, shape: Any, stride: Any, padding: Any, dilation: Any, groups: Any
) -> Convolution:
    """A convolution of a stranger's. Raises ValueError, TypeError or a FhennError where it is none, or too large."""
    image = image_of(shape)
    down, right = (tuple(map(count_of, each)) for each in padding)
    steps, gaps = tuple(map(size_of, stride)), tuple(map(size_of, dilation))
    operator = Convolution(kernel, image, steps, (down, right), gaps, size_of(groups))  # type: ignore[arg-type]
    require_modest(operator.output_shape)
    return operator


def image_of(data: Any) -> tuple[int, int, int]:
    """The shape of an image. Raises ValueError, TypeError."""
    channels, height, width = map(size_of, data)
    require_modest((channels, height, width))
    return channels, height, width


def require_modest(*shapes: Sequence[int]) -> None:
    """Raise ValueError where images of a shape have more numbers than a file may ask for."""
    for shape in shapes:
        if prod(shape) > MOST_FEATURES:
            raise ValueError(f"an image of {tuple(shape)} has more than {MOST_FEATURES} numbers")


def count_of(value: Any) -> int:
    """`value`, where it is a valid number of zeros. Raises ValueError."""
    if type(value) is not int or not 0 <= value <= MOST_FEATURES:
        raise ValueError(f"a count must be a whole number from 0 to {MOST_FEATURES}, not {value!r:.40}")
    return value


def size_of(value: Any) -> int:
    """`value`, where it is a valid number of inputs or outputs. Raises ValueError."""
    if type(value) is not int or not 0 < value <= MOST_FEATURES:
        raise ValueError(f"a size must be a whole number from 1 to {MOST_FEATURES}, not {value!r:.40}")
    return value
