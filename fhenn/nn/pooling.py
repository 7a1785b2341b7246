"""Average pooling, padding and repetition of pixels as nodes: what acts on rows and columns apart."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fhenn.ckks.images import Image, Separable, Window, require_outputs, whole_numbers
from fhenn.ckks.operator import Dense, Scaling, Sparse
from fhenn.errors import ParameterError
from fhenn.finite import require_finite
from fhenn.nn.image import ImageLayer, pair


class _Resampling(ImageLayer):
    """A `Separable` map that stands still; its one parameter is a factor, which is 1 but where a model was rescaled."""

    def __init__(self, shape: Sequence[int] | None) -> None:
        super().__init__(shape, 1.0)

    @abstractmethod
    def _matrices(self, height: int, width: int) -> tuple[Sparse, Sparse]:
        """What is done to the rows and to the columns of an image. Raises ParameterError."""

    @property
    def gain(self) -> float:
        """By which the node's outputs are multiplied: 1, unless `scaled` made it."""
        return float(self._parameters)

    def _operator(self, parameters: float, image: Image) -> Separable:
        channels, height, width = image
        vertical, horizontal = self._matrices(height, width)
        return Separable(channels, Scaling(np.full(vertical.outputs, parameters)) @ vertical, horizontal)

    def _scaled(self, parameters: float, factor: float) -> float:
        product = parameters * factor
        require_finite(f"{self.name} factor", product, "Give a smaller factor.")
        return product


class _AvgPool(_Resampling):
    """What `AvgPool1d` and `AvgPool2d` share."""

    def __init__(
        self,
        kernel_size: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int],
        ceil_mode: bool,
        count_include_pad: bool,
        shape: Sequence[int] | None,
    ) -> None:
        self._sizes = tuple(zip(kernel_size, stride, padding, strict=True))
        for size, _, zeros in self._sizes:
            if 2 * zeros > size:
                raise ParameterError(
                    f"padding {padding} is more than half of kernel_size {kernel_size}: windows would meet zeros only.",
                    "Give at most half of it, or put fhenn.Pad before.",
                )
        self._ceil_mode, self._count_include_pad = bool(ceil_mode), bool(count_include_pad)
        super().__init__(shape)

    @property
    def ceil_mode(self) -> bool:
        """Whether a window that leaves the image at its end counts."""
        return self._ceil_mode

    @property
    def count_include_pad(self) -> bool:
        """Whether zeros of the padding count in an average."""
        return self._count_include_pad

    def _matrices(self, height: int, width: int) -> tuple[Sparse, Sparse]:
        (tall, down, rows), (wide, right, columns) = self._sizes
        require_outputs((Window(height, tall, down, rows, rows), Window(width, wide, right, columns, columns)))
        vertical, horizontal = (self._means(size, *how) for size, how in zip((height, width), self._sizes, strict=True))
        return vertical, horizontal

    def _steps(self) -> tuple[int, int]:
        (_, down, _), (_, right, _) = self._sizes
        return down, right

    def _means(self, length: int, size: int, stride: int, zeros: int) -> Sparse:
        """The averages along one axis, (outputs, length), with PyTorch's counts at the borders."""
        count = (length + 2 * zeros - size + (stride - 1 if self._ceil_mode else 0)) // stride + 1
        if self._ceil_mode and (count - 1) * stride >= length + zeros:
            count -= 1  # a window that starts beyond the image and its first zeros is none
        starts = np.arange(count) * stride - zeros
        ends = np.minimum(starts + size, length + zeros)
        first, last = np.maximum(starts, 0), np.minimum(ends, length)
        met = last - first
        rows = np.repeat(np.arange(count), met)
        columns = np.arange(len(rows)) - np.repeat(np.cumsum(met) - met, met) + np.repeat(first, met)
        counted = ends - starts if self._count_include_pad else met
        return Sparse(rows, columns, 1 / counted[rows], (count, length))

    def _settings(self) -> str:
        (tall, down, rows), (wide, right, columns) = self._sizes
        both = len(self._axes) == 3
        options = {
            "kernel_size": (tall, wide) if both else wide,
            "stride": (down, right) if both else right,
            "padding": (rows, columns) if both else columns,
        }
        said = [f"{name}={value}" for name, value in options.items()]
        said += ["ceil_mode=True"] * self._ceil_mode + ["count_include_pad=False"] * (not self._count_include_pad)
        return ", ".join(said)


class AvgPool2d(_AvgPool):
    """Averages of windows of an image, channel by channel, as in PyTorch.

    kernel_size: of a window, a whole number or (down, right).
    stride: from one window to the next; kernel_size where None.
    padding: zeros round the image, at most half of kernel_size.
    ceil_mode: whether a window that leaves the image at its end counts.
    count_include_pad: whether zeros of the padding count in an average.
    shape: of the images that go in, (channels, height, width); None where a `Sequential` is to tell it.
    Raises ParameterError where a number is out of range, or a window is larger than the padded image.

    >>> AvgPool2d(2).forward([[[1.0, 2.0], [3.0, 6.0]]]).tolist()
    [[[3.0]]]
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        *,
        shape: Sequence[int] | None = None,
    ) -> None:
        size = pair("kernel_size", kernel_size, 1)
        steps = size if stride is None else pair("stride", stride, 1)
        super().__init__(size, steps, pair("padding", padding, 0), ceil_mode, count_include_pad, shape)

    @property
    def kernel_size(self) -> tuple[int, int]:
        """(down, right)."""
        (down, *_), (right, *_) = self._sizes
        return down, right

    @property
    def stride(self) -> tuple[int, int]:
        """(down, right)."""
        (_, down, _), (_, right, _) = self._sizes
        return down, right

    @property
    def padding(self) -> tuple[int, int]:
        """Zeros (above and below, left and right)."""
        (*_, down), (*_, right) = self._sizes
        return down, right


class AvgPool1d(_AvgPool):
    """Averages of windows of a sequence (channels, length), as in PyTorch.

    kernel_size, stride, padding: as of an `AvgPool2d`, whole numbers.
    ceil_mode, count_include_pad: as of an `AvgPool2d`.
    shape: of what goes in, (channels, length); None where a `Sequential` is to tell it.
    Raises ParameterError where a number is out of range, or a window is larger than the padded sequence.

    >>> AvgPool1d(2).forward([[1.0, 2.0, 3.0, 6.0]]).tolist()
    [[1.5, 4.5]]
    """

    _axes = ("channels", "length")

    def __init__(
        self,
        kernel_size: int,
        stride: int | None = None,
        padding: int = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        *,
        shape: Sequence[int] | None = None,
    ) -> None:
        (size,) = whole_numbers("kernel_size", (kernel_size,), 1, 1)
        (step,) = (size,) if stride is None else whole_numbers("stride", (stride,), 1, 1)
        (zeros,) = whole_numbers("padding", (padding,), 0, 1)
        super().__init__((1, size), (1, step), (0, zeros), ceil_mode, count_include_pad, shape)

    @property
    def kernel_size(self) -> int:
        """Of a window."""
        return self._sizes[1][0]

    @property
    def stride(self) -> int:
        """From one window to the next."""
        return self._sizes[1][1]

    @property
    def padding(self) -> int:
        """Zeros before and after."""
        return self._sizes[1][2]


class GlobalAvgPool2d(_Resampling):
    """The average of each channel: (channels, height, width) becomes (channels, 1, 1).

    shape: of the images that go in, (channels, height, width); None where a `Sequential` is to tell it.

    >>> GlobalAvgPool2d().forward([[[1.0, 2.0], [3.0, 6.0]]]).tolist()
    [[[3.0]]]
    """

    def __init__(self, *, shape: Sequence[int] | None = None) -> None:
        super().__init__(shape)

    def _matrices(self, height: int, width: int) -> tuple[Sparse, Sparse]:
        return Dense(np.full((1, height), 1 / height)).sparse(), Dense(np.full((1, width), 1 / width)).sparse()

    def _steps(self) -> tuple[int, int] | None:
        if self._input_shape is None:
            return None
        _, height, width = self._input_shape
        return height, width


class Pad(_Resampling):
    """Zeros round an image, as PyTorch's ZeroPad2d; negative numbers crop it.

    padding: (left, right, top, bottom), or a whole number for all four.
    shape: of the images that go in, (channels, height, width); None where a `Sequential` is to tell it.
    Raises ParameterError where padding is something else, or nothing of the image is left.

    >>> Pad((1, 0, 0, 0)).forward([[[1.0, 2.0]]]).tolist()
    [[[0.0, 1.0, 2.0]]]
    """

    def __init__(self, padding: int | tuple[int, int, int, int], *, shape: Sequence[int] | None = None) -> None:
        given = padding if isinstance(padding, Sequence) else (padding,) * 4
        left, right, top, bottom = whole_numbers("padding", given, -(2**31), 4)
        self._padding = left, right, top, bottom
        super().__init__(shape)

    @property
    def padding(self) -> tuple[int, int, int, int]:
        """(left, right, top, bottom)."""
        return self._padding

    def _matrices(self, height: int, width: int) -> tuple[Sparse, Sparse]:
        left, right, top, bottom = self._padding
        down, across = height + top + bottom, width + left + right
        if min(down, across) < 1 or max(-left, -right) >= width or max(-top, -bottom) >= height:
            raise ParameterError(
                f"Pad({self._padding}) leaves nothing of an image of {height} × {width}.",
                "Crop less, or give larger images.",
            )
        return _moved(height, down, top), _moved(width, across, left)

    def _steps(self) -> tuple[int, int]:
        return 1, 1

    def _settings(self) -> str:
        return f"padding={self._padding}"


class Upsample(_Resampling):
    """Each pixel repeated down and to the right, as PyTorch's Upsample with mode "nearest".

    factor: how often, a whole number or (down, right).
    shape: of the images that go in, (channels, height, width); None where a `Sequential` is to tell it.
    Raises ParameterError where factor is something else.

    >>> Upsample((1, 2)).forward([[[1.0, 2.0]]]).tolist()
    [[[1.0, 1.0, 2.0, 2.0]]]
    """

    def __init__(self, factor: int | tuple[int, int], *, shape: Sequence[int] | None = None) -> None:
        self._repeats = pair("factor", factor, 1)
        super().__init__(shape)

    @property
    def repeats(self) -> tuple[int, int]:
        """How often a pixel stands (down, right)."""
        return self._repeats

    def _matrices(self, height: int, width: int) -> tuple[Sparse, Sparse]:
        down, right = self._repeats
        return _chosen(np.repeat(np.arange(height), down), height), _chosen(np.repeat(np.arange(width), right), width)

    def _steps(self) -> tuple[int, int] | None:
        return (1, 1) if self._repeats == (1, 1) else None

    def _settings(self) -> str:
        return f"factor={self._repeats}"


def _moved(length: int, outputs: int, by: int) -> Sparse:
    """Each output is the input that stands `by` before it; those without one are 0."""
    places = np.arange(max(0, by), min(outputs, length + by))
    return Sparse(places, places - by, np.ones(len(places)), (outputs, length))


def _chosen(inputs: NDArray[np.int64], length: int) -> Sparse:
    """Each output is one of the inputs."""
    return Sparse(np.arange(len(inputs)), inputs, np.ones(len(inputs)), (len(inputs), length))
