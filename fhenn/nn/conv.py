"""Convolutions as nodes that train."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.ckks.images import Convolution, Image, whole_numbers
from fhenn.ckks.operator import Operator
from fhenn.errors import ParameterError, ShapeMismatch
from fhenn.nn.affine import constants
from fhenn.nn.image import ImageLayer, pair, zeros_round
from fhenn.nn.node import Shape
from fhenn.nn.optimiser import SGD, Optimiser

Floats = NDArray[np.float64]
Padding = tuple[tuple[int, int], tuple[int, int]]


class _Conv(ImageLayer):
    """What `Conv1d` and `Conv2d` share. The kernel has four axes here: a sequence is an image of one row."""

    _taps: ClassVar[str]

    def __init__(
        self,
        weight: ArrayLike,
        bias: ArrayLike | None,
        stride: tuple[int, int],
        padding: Any,
        dilation: tuple[int, int],
        groups: int,
        shape: Sequence[int] | None,
        optimiser: Optimiser | None,
    ) -> None:
        kernel = constants(f"{self.name} weight", weight)
        if kernel.ndim != len(self._axes) + 1 or 0 in kernel.shape:
            raise ShapeMismatch(f"{self.name} weight", kernel.shape, f"(out, in/groups, {self._taps}), not empty")
        shift = constants(f"{self.name} bias", np.zeros(len(kernel)) if bias is None else bias)
        if shift.shape != kernel.shape[:1]:
            raise ShapeMismatch(f"{self.name} bias", shift.shape, f"({len(kernel)},)")
        (self._groups,) = whole_numbers("groups", (groups,), 1, 1)
        if len(kernel) % self._groups:
            raise ParameterError(
                f"{self._groups} groups do not divide the {len(kernel)} channels that come out of {self.name}.",
                "Give a number of groups that divides them, for instance 1.",
            )
        self._stride, self._dilation = stride, dilation
        self._padding = _padding_of(padding, (1, *kernel.shape[2:])[-2:], stride, dilation)
        self._optimiser = optimiser or SGD()
        self._states: tuple[Any, Any] = (None, None)
        super().__init__(shape, (kernel, shift))

    def _operator(self, parameters: tuple[Floats, Floats], image: Image) -> Convolution:
        kernel = parameters[0]
        if kernel.ndim == 3:
            kernel = kernel[:, :, None, :]
        if image[0] != kernel.shape[1] * self._groups:
            got = image if len(self._axes) == 3 else (image[0], image[2])
            raise ShapeMismatch(self.name, got, f"{kernel.shape[1] * self._groups} channels, as its weight has")
        return Convolution(kernel, image, self._stride, self._padding, self._dilation, self._groups)

    def _channel_bias(self, parameters: tuple[Floats, Floats]) -> Floats:
        return parameters[1]

    def _scaled(self, parameters: tuple[Floats, Floats], factor: float) -> tuple[Floats, Floats]:
        with np.errstate(over="ignore", invalid="ignore"):  # refused where they are constants
            kernel, bias = (factor * each for each in parameters)
        return constants(f"{self.name} weight", kernel), constants(f"{self.name} bias", bias)

    def with_shape(self, shape: Sequence[int]) -> Any:
        node = super().with_shape(shape)
        node._states = (None, None)
        return node

    def scaled(self, factor: float) -> Any:
        node = super().scaled(factor)
        node._states = (None, None)
        return node

    @property
    def weight(self) -> Floats:
        """The weight, read-only; the same array until a step changes it."""
        weight: Floats = self._parameters[0]
        return weight

    @property
    def channel_bias(self) -> Floats:
        """What is added to each channel, (out,), read-only; `bias` has it for every output."""
        bias: Floats = self._parameters[1]
        return bias

    @property
    def groups(self) -> int:
        """Into which channels are divided, each connected to its own."""
        return self._groups

    def _steps(self) -> tuple[int, int]:
        return self._stride

    @property
    def parameters(self) -> int:
        """How many numbers it holds: weight and bias."""
        return self.weight.size + self.channel_bias.size

    @property
    def has_parameters(self) -> bool:
        """True."""
        return True

    def _fits(self, image: Shape) -> bool:
        return image[0] == self._channels()

    def _channels(self) -> int:
        return int(self.weight.shape[1]) * self._groups

    def _of_image_parameters(self, operator: Operator, x: Any, gradient: Any) -> Any:
        assert isinstance(operator, Convolution)  # noqa: S101  (for the type checker)
        of_weight = operator.kernel_gradient(x, gradient).reshape(self.weight.shape)
        by_channel = gradient.reshape(len(gradient), len(self.weight), -1)
        return of_weight, by_channel.sum(axis=(0, 2), dtype=np.float64)

    def _step(self, gradients: list[Any]) -> None:
        of_weight, of_bias = (np.mean(parts, axis=0) for parts in zip(*gradients, strict=True))
        weight, bias = self._parameters
        weight, state_of_weight = self._optimiser.step(weight, of_weight, self._states[0])
        bias, state_of_bias = self._optimiser.step(bias, of_bias, self._states[1])
        self._parameters = constants(f"{self.name} weight", weight), constants(f"{self.name} bias", bias)
        self._states = (state_of_weight, state_of_bias)

    def _settings(self) -> str:
        outputs, _, *taps = self.weight.shape
        options = {
            "stride": (self._stride, (1, 1)),
            "padding": (self._padding, ((0, 0), (0, 0))),
            "dilation": (self._dilation, (1, 1)),
        }
        count = len(taps)
        said = [f"{name}={value[-count:]}" for name, (value, usual) in options.items() if value != usual]
        said += [f"groups={self._groups}"] * (self._groups > 1)
        return ", ".join([str(self._channels()), str(outputs), f"kernel_size={tuple(taps)}", *said])


class Conv2d(_Conv):
    """A convolution of images, as in PyTorch, which trains.

    y[o, i, j] = b[o] + Σ w[o, c, u, v]·x[c, i·stride + u·dilation - padding, j·stride + v·dilation - padding].

    weight: (out, in/groups, height, width).
    bias: (out,); zero where None.
    stride, dilation: a whole number, or (down, right).
    padding: zeros round the image: a whole number, (down, right), ((top, bottom), (left, right)), "valid" for none, or
    "same", with which as much comes out as goes in, for strides of 1.
    groups: into which channels are divided, each connected to its own.
    shape: of the images that go in, (channels, height, width); None where a `Sequential` is to tell it.
    optimiser: how `update` and `updates` move weight and bias.
    Raises ShapeMismatch where weight, bias or shape do not fit one another.
    Raises ParameterError where a number is out of range, groups do not divide, or the kernel is larger than the padded
    image.
    Raises NonFiniteValue where weight or bias hold NaN or infinity.

    >>> blur = Conv2d([[[[0.25, 0.25], [0.25, 0.25]]]], shape=(1, 3, 3))
    >>> blur.forward([[[1.0, 1.0, 1.0], [1.0, 5.0, 1.0], [1.0, 1.0, 1.0]]]).tolist(), blur.output_shape
    ([[[2.0, 2.0], [2.0, 2.0]]], (1, 2, 2))
    """

    _taps = "height, width"

    def __init__(
        self,
        weight: ArrayLike,
        bias: ArrayLike | None = None,
        stride: int | tuple[int, int] = 1,
        padding: int | str | tuple[int, int] | Padding = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        *,
        shape: Sequence[int] | None = None,
        optimiser: Optimiser | None = None,
    ) -> None:
        steps, gaps = pair("stride", stride, 1), pair("dilation", dilation, 1)
        super().__init__(weight, bias, steps, padding, gaps, groups, shape, optimiser)

    @property
    def stride(self) -> tuple[int, int]:
        """(down, right)."""
        return self._stride

    @property
    def padding(self) -> Padding:
        """Zeros round the image, ((top, bottom), (left, right))."""
        return self._padding

    @property
    def dilation(self) -> tuple[int, int]:
        """(down, right)."""
        return self._dilation


class Conv1d(_Conv):
    """A convolution of sequences (channels, length), as in PyTorch, which trains: a `Conv2d` of one row.

    Where it knows its shape, an array (1, length) for one channel is a sample's features; a single sequence of one
    channel is (1, 1, length).

    weight: (out, in/groups, length).
    bias: (out,); zero where None.
    stride, dilation: whole numbers.
    padding: zeros before and after: a whole number, (before, after), "valid" or "same".
    groups, optimiser: as of a `Conv2d`.
    shape: of what goes in, (channels, length); None where a `Sequential` is to tell it.
    Raises what `Conv2d` does.

    >>> difference = Conv1d([[[-1.0, 1.0]]])
    >>> difference.forward([[1.0, 4.0, 9.0]]).tolist()
    [[3.0, 5.0]]
    """

    _axes = ("channels", "length")
    _taps = "length"

    def __init__(
        self,
        weight: ArrayLike,
        bias: ArrayLike | None = None,
        stride: int = 1,
        padding: int | str | tuple[int, int] = 0,
        dilation: int = 1,
        groups: int = 1,
        *,
        shape: Sequence[int] | None = None,
        optimiser: Optimiser | None = None,
    ) -> None:
        (step,), (gap,) = whole_numbers("stride", (stride,), 1, 1), whole_numbers("dilation", (dilation,), 1, 1)
        around = padding if isinstance(padding, str) else ((0, 0), pair("padding", padding, 0))
        super().__init__(weight, bias, (1, step), around, (1, gap), groups, shape, optimiser)

    @property
    def stride(self) -> int:
        """From one output to the next."""
        return self._stride[1]

    @property
    def padding(self) -> tuple[int, int]:
        """Zeros (before, after)."""
        return self._padding[1]

    @property
    def dilation(self) -> int:
        """From one tap to the next."""
        return self._dilation[1]


def _padding_of(padding: Any, taps: Sequence[int], stride: tuple[int, int], dilation: tuple[int, int]) -> Padding:
    """Padding ((top, bottom), (left, right)) from what a user gives. Raises ParameterError."""
    if not isinstance(padding, str):
        return zeros_round(padding)
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding != "same":
        raise ParameterError(f"padding {padding!r:.40} is unknown.", "Give a whole number, 'valid' or 'same'.")
    if stride != (1, 1):
        raise ParameterError(f"padding 'same' needs a stride of 1, not {stride}.", "Give the padding as a number.")
    # PyTorch's: what is odd goes to the end
    down, right = (
        (gap * (count - 1) // 2, -(-gap * (count - 1) // 2)) for count, gap in zip(taps, dilation, strict=True)
    )
    return down, right
