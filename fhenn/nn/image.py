"""What affine maps of images share: shapes, which are known or not yet, and values with or without samples."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray

from fhenn.backends import Backend, backend_of
from fhenn.backends.plain import broadcast
from fhenn.ckks import CipherArray
from fhenn.ckks.images import Convolution, Image, Separable, whole_numbers
from fhenn.ckks.operator import Operator
from fhenn.errors import ParameterError, ShapeMismatch
from fhenn.nn.affine import Affine, constants
from fhenn.nn.grid import Grid
from fhenn.nn.node import Layer, Shape

Floats = NDArray[np.float64]

UNBOUND = "Give it where the model is made: fhenn.Sequential([...], shape=(channels, height, width))."
"""What to do about a node that does not know the shape of its images."""


class ImageLayer(Affine):
    """An affine map of images: its features are an image's numbers in C order, channel by channel, row by row.

    Plaintext x: images (samples, channels, height, width), or one (channels, height, width); any number of axes may
    stand before. What comes out has the same axes. Where the node knows the shape of its images, (samples, features)
    and (features,) are images too, and what comes out are features again. Ciphertexts: `CipherArray` of either shape.

    shape: of the images that go in, (channels, height, width); None where it is not known yet. Such a node computes on
    arrays of any shape that fits; operator, bias, inputs and outputs it has once it knows its shape.
    """

    _axes: ClassVar[tuple[str, ...]] = ("channels", "height", "width")

    def __init__(self, shape: Sequence[int] | None, parameters: Any) -> None:
        Layer.__init__(self)
        # one value, and another after each step: a thread that computes meets both of one step
        self._parameters = parameters
        self._made: tuple[Any, Shape, tuple[Operator, Floats]] | None = None
        self._input_shape = None
        if shape is not None:
            self._input_shape = self._shape_of(shape)
            self._both()  # refuses a shape that does not fit

    @abstractmethod
    def _operator(self, parameters: Any, image: Image) -> Convolution | Separable:
        """A for images of a shape. Raises ParameterError, ShapeMismatch where it takes none of them."""

    def _channel_bias(self, parameters: Any) -> Floats | None:
        """What is added to each channel that comes out, None for nothing."""
        return None

    @abstractmethod
    def _scaled(self, parameters: Any, factor: float) -> Any:
        """The parameters with which the map is `factor` times itself."""

    def with_shape(self, shape: Sequence[int]) -> Self:
        """A fresh node that knows the shape of its images; its optimiser starts anew.

        shape: (channels, height, width).
        Raises ParameterError, ShapeMismatch where it takes no such images.

        >>> import fhenn
        >>> fhenn.AvgPool2d(2).with_shape((3, 8, 8)).output_shape
        (3, 4, 4)
        """
        node = self.fresh()
        node._input_shape, node._made = self._shape_of(shape), None
        node._both()
        return node

    @property
    def input_shape(self) -> Shape | None:
        """(channels, height, width) of the images that go in, None where it is not known yet."""
        return self._input_shape

    @property
    def output_shape(self) -> Shape:
        """(channels, height, width) of the images that come out. Raises ParameterError where it is not known yet."""
        return self._output_of(self._both()[0])

    def shape_after(self, shape: Sequence[int]) -> Shape:
        """The shape of what comes out for images of a shape; where the node knows its own, it must be that one."""
        shape = self._shape_of(shape)
        if self._input_shape not in (None, shape):
            raise ShapeMismatch(self.name, shape, self._wanted())
        return self._output_of(self._for(shape)[0])

    def scaled(self, factor: float) -> Self:
        """A node with operator and bias times a factor; nothing kept, its optimiser starts anew. NonFiniteValue."""
        node = self.fresh()
        node._parameters, node._made = self._scaled(self._parameters, float(factor)), None
        return node

    def evaluate(self, backend: Backend, x: Any) -> Any:
        """A x + b through a backend, of images or of their features."""
        if backend.encrypted and not isinstance(x, CipherArray):
            return super().evaluate(backend, x)
        shape = self._image_in(x.shape)
        if shape is None:
            return super().evaluate(backend, x)
        operator, bias = self._for(shape)
        before = x.shape[: -len(shape)]
        result = backend.affine(x.reshape((*before, operator.inputs)), operator, bias, self.idle, self.target)
        return result.reshape((*before, *self._output_of(operator)))

    def _backward(self, x: Any, gradient: Any) -> tuple[Any, Any]:
        if backend_of(x, gradient).encrypted:
            return super()._backward(x, gradient)
        shape = self._image_in(x.shape)
        operator, _ = self._both() if shape is None else self._for(shape)
        before = x.shape[:-1] if shape is None else x.shape[: -len(shape)]
        outputs = (operator.outputs,) if shape is None else self._output_of(operator)
        gradient = broadcast(f"{self.name}.backward", gradient, (*before, *outputs)).astype(x.dtype)
        features, at_output = x.reshape(-1, operator.inputs), gradient.reshape(-1, operator.outputs)
        of_parameters = self._of_image_parameters(operator, features, at_output)
        return operator.T.apply(at_output).reshape(x.shape), of_parameters

    def _of_image_parameters(self, operator: Operator, x: Any, gradient: Any) -> Any:
        """The gradients of the parameters for features and the gradient at theirs; None where there are none."""
        return None

    def _image_in(self, shape: Shape) -> Shape | None:
        """The shape of the images in an array, None where it holds features. Raises ShapeMismatch."""
        known, axes = self._input_shape, len(self._axes)
        if known is not None and len(shape) <= 2 and shape[-1:] == (prod(known),):
            return None
        image = shape[-axes:]
        if len(shape) >= axes and 0 not in image and (known == image or (known is None and self._fits(image))):
            return image
        raise ShapeMismatch(self.name, shape, self._wanted(shape))

    def _fits(self, image: Shape) -> bool:
        """Whether images of a shape have as many channels as the node takes."""
        return True

    def _channels(self) -> int | None:
        """How many channels its images have, where that is known."""
        return None if self._input_shape is None else self._input_shape[0]

    def _wanted(self, shape: Shape = ()) -> str:
        """The shape of the values that it takes, and what may be wrong with one that it does not take."""
        channels, axes = self._channels(), self._axes
        sizes: tuple[object, ...] = self._input_shape or (axes[0] if channels is None else channels, *axes[1:])
        wanted = f"(samples, {', '.join(map(str, sizes))})"
        last = channels is not None and len(shape) >= len(axes) and shape[-1] == channels
        if last and (self._input_shape is None or shape[-len(axes) : -1] == self._input_shape[1:]):
            samples = "" if len(shape) == len(axes) else "samples, "
            first = len(shape) - len(axes)
            return f"{wanted}: is it ({samples}{', '.join(axes[1:])}, channels)? Give np.moveaxis(x, -1, {first})"
        return wanted

    def _shape_of(self, shape: Sequence[int]) -> Shape:
        """A shape of as many axes as its images have. Raises ParameterError."""
        count = len(self._axes)
        try:
            return whole_numbers("shape", shape, 1, count)
        except ParameterError:
            raise ParameterError(
                f"the shape of what goes into {self.name} must be ({', '.join(self._axes)}), at least 1 each, not "
                f"{shape!r:.40}.",
                f"Give for instance {(1, 28, 28)[:count]}.",
            ) from None

    def _output_of(self, operator: Operator) -> Shape:
        """The shape that comes out of an operator of `_operator`."""
        channels, height, width = cast("Convolution | Separable", operator).output_shape
        return (channels, height, width) if len(self._axes) == 3 else (channels, width)

    def _both(self) -> tuple[Operator, Floats]:
        if self._input_shape is None:
            raise ParameterError(f"{self.name} does not know the shape of its images.", UNBOUND)
        return self._for(self._input_shape)

    def _for(self, shape: Shape) -> tuple[Operator, Floats]:
        """A and b for images of a shape; the same objects until a step changes them, or another shape is asked for."""
        parameters, made = self._parameters, self._made
        if made is None or made[0] is not parameters or made[1] != shape:
            channels, *sizes = shape
            height, width = sizes if len(sizes) == 2 else (1, *sizes)
            operator, bias = self._operator(parameters, (channels, height, width)), self._channel_bias(parameters)
            each = np.zeros(operator.outputs) if bias is None else np.repeat(bias, operator.outputs // bias.size)
            made = parameters, shape, (operator, constants(f"{self.name} bias", each))
            self._made = made
        return made[2]

    @property
    def grid(self) -> Grid | None:
        """The images that it takes and makes; None where no whole number of inputs lies between two outputs."""
        operator, stride = cast("Convolution | Separable", self._both()[0]), self._steps()
        return None if stride is None else Grid(operator.input_shape, operator.output_shape, stride)

    @abstractmethod
    def _steps(self) -> tuple[int, int] | None:
        """Rows and columns of what comes in from one output to the next, None where that is no whole number."""

    @property
    def parameters(self) -> int:
        """How many numbers it holds: none that train, but for convolutions."""
        return 0

    def _settings(self) -> str:
        """What it was made with, as its arguments say it."""
        return ""

    def __repr__(self) -> str:
        shape = "" if self._input_shape is None else f"shape={self._input_shape}"
        return f"{self.name}({', '.join(filter(None, (self._settings(), shape, f'cost={self.cost}')))})"


def pair(what: str, value: Any, least: int) -> tuple[int, int]:
    """A whole number for both directions, or one for each, as PyTorch takes them.

    what: it is, in messages.
    value: a whole number, or (down, right).
    least: that each may be.
    Raises ParameterError for anything else.

    >>> pair("stride", 2, 1), pair("stride", (1, 2), 1)
    ((2, 2), (1, 2))
    """
    down, right = whole_numbers(what, value if isinstance(value, Sequence) else (value, value), least, 2)
    return down, right


def zeros_round(value: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """Padding ((top, bottom), (left, right)).

    value: a whole number for all four, (down, right), or all four as they come out.
    Raises ParameterError for anything else.

    >>> zeros_round(1), zeros_round((0, 2))
    (((1, 1), (1, 1)), ((0, 0), (2, 2)))
    """
    if not isinstance(value, Sequence):
        value = (value, value)
    if len(value) != 2 or isinstance(value, str):
        raise ParameterError(
            f"padding must be a whole number, (down, right) or ((top, bottom), (left, right)), not {value!r:.40}.",
            "Give for instance 1.",
        )
    down, right = (pair("padding", each, 0) for each in value)
    return down, right
