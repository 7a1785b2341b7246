"""Linear maps of images as operators that store no matrix: convolutions, and maps that act on rows and columns apart.

An image is (channels, height, width); its numbers are features in C order: channel by channel, row by row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod
from operator import index
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.ckks.operator import Dense, Floats, Operator, Places, Samples, Scaling, Sparse, at_once, constants_of, freeze
from fhenn.errors import ParameterError, ShapeMismatch

Pair = tuple[int, int]
Image = tuple[int, int, int]

_PLACES, _ROUNDED = 12, 1e-9
"""Frequencies for each tap at which a kernel's gain is computed, and what rounding may be of it, and more."""

_SAMPLES_AT_ONCE = 1 << 18
"""Numbers of images that are computed on together: their memory stays in reach of a processor's cache."""


@dataclass(frozen=True)
class Window:
    """How a kernel slides along one axis: output i takes the input i·stride + tap·dilation - before for each tap.

    length: of the input.
    taps: of the kernel.
    stride: inputs from one output to the next.
    before, after: zeros that stand before and after the input.
    dilation: inputs from one tap to the next.

    >>> Window(5, 3, 2, 1, 1, 1).outputs
    3
    """

    length: int
    taps: int
    stride: int = 1
    before: int = 0
    after: int = 0
    dilation: int = 1

    @property
    def padded(self) -> int:
        """The input's length with its zeros."""
        return self.before + self.length + self.after

    @property
    def extent(self) -> int:
        """Inputs from the kernel's first tap to its last, both counted."""
        return (self.taps - 1) * self.dilation + 1

    @property
    def outputs(self) -> int:
        """How many outputs there are: none where the kernel is longer than the padded input."""
        return max(0, (self.padded - self.extent) // self.stride + 1)

    def of_tap(self, tap: int) -> tuple[slice, slice]:
        """The outputs whose input of one tap is no padding, and those inputs: slices of one length, maybe 0."""
        shift = tap * self.dilation - self.before
        first = max(0, -(shift // self.stride))
        end = max(first, min(self.outputs, (self.length - 1 - shift) // self.stride + 1))
        start = first * self.stride + shift
        return slice(first, end), slice(start, start + (end - first) * self.stride, self.stride)

    def met(self) -> tuple[Floats, Floats]:
        """Which outputs, (outputs, taps), and which inputs, (length, taps), have something to do with each tap: 1 or 0.

        An output has where the tap meets no padding, an input where the tap lies on it for some output.
        """
        outputs, inputs = np.zeros((self.outputs, self.taps)), np.zeros((self.length, self.taps))
        for tap in range(self.taps):
            some, taken = self.of_tap(tap)
            outputs[some, tap] = inputs[taken, tap] = 1.0
        return outputs, inputs

    def inputs_of(self, outputs: Places, taps: Places) -> tuple[Places, NDArray[np.bool_]]:
        """The input that a tap meets at an output, and whether that is no padding."""
        places = outputs * self.stride + taps * self.dilation - self.before
        return places, (places >= 0) & (places < self.length)

    def outputs_of(self, inputs: Places, taps: Places) -> tuple[Places, NDArray[np.bool_]]:
        """The output for which a tap lies on an input, and whether there is one."""
        places, rest = np.divmod(inputs + self.before - taps * self.dilation, self.stride)
        return places, (rest == 0) & (places >= 0) & (places < self.outputs)

    def taps_of(self, outputs: Places, inputs: Places) -> tuple[Places, NDArray[np.bool_]]:
        """The tap that lies on an input at an output, and whether there is one."""
        taps, rest = np.divmod(inputs + self.before - outputs * self.stride, self.dilation)
        return taps, (rest == 0) & (taps >= 0) & (taps < self.taps)


class Convolution(Operator):
    """A convolution without its bias, as PyTorch has it (a cross-correlation).

    y[o, i, j] = Σ k[o, c, u, v] · x[c', i·stride + u·dilation - top, j·stride + v·dilation - left], over the channels
    c of the group that o is in, which c' counts among all.

    kernel: (outputs, channels of a group, height, width), channels being those of the images.
    shape: of the images that go in, (channels, height, width).
    stride: (down, right), at least 1 each.
    padding: zeros round the image, ((top, bottom), (left, right)).
    dilation: (down, right), at least 1 each.
    groups: into which the channels of images and outputs are divided, each connected to its own.
    Raises ShapeMismatch where kernel and shape do not fit.
    Raises ParameterError where a number is out of range, groups do not divide, or the kernel is larger than the padded
    image.
    Raises NonFiniteValue where the kernel holds NaN or infinity.

    >>> edge = Convolution([[[[-1.0, 1.0]]]], (1, 1, 3))
    >>> edge.apply(np.array([1.0, 4.0, 9.0])).tolist(), edge.output_shape
    ([3.0, 5.0], (1, 1, 2))
    """

    def __init__(
        self,
        kernel: ArrayLike,
        shape: Image,
        stride: Pair = (1, 1),
        padding: tuple[Pair, Pair] = ((0, 0), (0, 0)),
        dilation: Pair = (1, 1),
        groups: int = 1,
    ) -> None:
        self._kernel = constants_of("kernel", kernel)
        if self._kernel.ndim != 4 or 0 in self._kernel.shape:
            raise ShapeMismatch("kernel", self._kernel.shape, "(outputs, channels, height, width), not empty")
        self._shape = image_shape(shape)
        down, right = whole_numbers("stride", stride, 1, 2)
        tall, wide = whole_numbers("dilation", dilation, 1, 2)
        (self._groups,) = whole_numbers("groups", (groups,), 1, 1)
        try:
            rows, columns = padding
        except (TypeError, ValueError):
            raise ParameterError(f"padding must be two pairs, not {padding!r:.40}.", "Give ((1, 1), (1, 1)).") from None
        top, bottom = whole_numbers("padding", rows, 0, 2)
        left, end = whole_numbers("padding", columns, 0, 2)
        channels, height, width = self._shape
        outputs, taken, taps_down, taps_right = self._kernel.shape
        if channels % self._groups or outputs % self._groups:
            raise ParameterError(
                f"{self._groups} groups do not divide {channels} channels into {outputs}.",
                "Give a number of groups that divides both, for instance 1.",
            )
        if taken * self._groups != channels:
            expected = f"(outputs, {channels // self._groups}, height, width) for images of {self._shape}"
            raise ShapeMismatch("kernel", self._kernel.shape, f"{expected} in {self._groups} groups")
        self._windows = (
            Window(height, taps_down, down, top, bottom, tall),
            Window(width, taps_right, right, left, end, wide),
        )
        require_outputs(self._windows)

    @cached_property
    def spectral_norm(self) -> float:
        """An upper bound of the largest ‖A x‖₂ for ‖x‖₂ = 1, a few percent above that of images without an end.

        Those have it where their kernel, as a matrix of channels for each frequency, has the largest one (H. Sedghi,
        V. Gupta & P. Long, "The singular values of convolutional layers", 2019). A stride makes a channel of every
        stride-th row and column. An image that ends, and zeros round it, only leave something out.
        """
        kernel = _by_phases(self._kernel, self.stride, self.dilation)
        return _largest_gain(kernel.tobytes(), kernel.shape, self._groups)

    @property
    def kernel(self) -> Floats:
        """The kernel, (outputs, channels of a group, height, width), read-only."""
        return self._kernel

    @property
    def input_shape(self) -> Image:
        """(channels, height, width) of the images that go in."""
        return self._shape

    @property
    def output_shape(self) -> Image:
        """(channels, height, width) of those that come out."""
        down, right = self._windows
        return self._kernel.shape[0], down.outputs, right.outputs

    @property
    def windows(self) -> tuple[Window, Window]:
        """How the kernel slides, down and to the right."""
        return self._windows

    @property
    def stride(self) -> Pair:
        """(down, right)."""
        down, right = self._windows
        return down.stride, right.stride

    @property
    def padding(self) -> tuple[Pair, Pair]:
        """Zeros round the image, ((top, bottom), (left, right))."""
        down, right = self._windows
        return (down.before, down.after), (right.before, right.after)

    @property
    def dilation(self) -> Pair:
        """(down, right)."""
        down, right = self._windows
        return down.dilation, right.dilation

    @property
    def groups(self) -> int:
        """Into which channels are divided."""
        return self._groups

    @property
    def shape(self) -> Pair:
        return prod(self.output_shape), prod(self._shape)

    @property
    def size(self) -> int:
        return self._kernel.size

    @property
    def most_entries(self) -> int:
        return self.outputs * int(self._kernel[0].size)

    def with_kernel(self, kernel: ArrayLike) -> Convolution:
        """The same with another kernel of the same size. Raises ShapeMismatch, NonFiniteValue."""
        return Convolution(kernel, self._shape, self.stride, self.padding, self.dilation, self._groups)

    def apply(self, x: Samples) -> Samples:
        self._require(x)
        flat = x.reshape(-1, self.inputs)
        result = np.zeros((len(flat), self.outputs), x.dtype)
        kernel = self._by_groups.astype(x.dtype, copy=False)
        for images, outputs in self._some(flat, result):
            for tap, (to, taken) in self._taps:
                outputs[to] += _product(kernel[..., *tap], images[taken])
        return result.reshape(*x.shape[:-1], self.outputs)

    def _back(self, x: Samples) -> Samples:
        """The transpose's product."""
        flat = x.reshape(-1, self.outputs)
        result = np.zeros((len(flat), self.inputs), x.dtype)
        kernel = self._by_groups.astype(x.dtype, copy=False).swapaxes(1, 2)
        for images, outputs in self._some(result, flat):
            for tap, (to, taken) in self._taps:
                images[taken] += _product(kernel[..., *tap], outputs[to])
        return result.reshape(*x.shape[:-1], self.inputs)

    def kernel_gradient(self, x: Samples, gradient: Samples) -> Floats:
        """The gradient of a sum of products with the outputs, in the kernel.

        x: samples, (..., inputs).
        gradient: at the outputs, (..., outputs).
        Returns an array of the kernel's shape.
        """
        self._require(x)
        result = np.zeros(self._by_groups.shape)
        for images, outputs in self._some(x.reshape(-1, self.inputs), gradient.reshape(-1, self.outputs)):
            for tap, (to, taken) in self._taps:
                to_channels, from_channels = (
                    part.reshape(*part.shape[:3], -1) for part in (outputs[to], images[taken])
                )
                result[..., *tap] += (to_channels @ from_channels.swapaxes(2, 3)).sum(axis=0, dtype=np.float64)
        return result.reshape(self._kernel.shape)

    @cached_property
    def _by_groups(self) -> Floats:
        """The kernel as (groups, outputs of a group, channels of a group, height, width)."""
        return self._kernel.reshape(self._groups, -1, *self._kernel.shape[1:])

    @property
    def _taps(self) -> Iterator[tuple[Pair, tuple[tuple[Any, ...], tuple[Any, ...]]]]:
        """Each tap that meets the image at all, with the outputs and the inputs that it connects, as indices."""
        down, right = self._windows
        for u, v in np.ndindex(down.taps, right.taps):
            (rows, taken_rows), (columns, taken_columns) = down.of_tap(u), right.of_tap(v)
            if rows.start < rows.stop and columns.start < columns.stop:
                yield (u, v), ((..., rows, columns), (..., taken_rows, taken_columns))

    def _some(self, images: Samples, outputs: Samples) -> Iterator[tuple[Samples, Samples]]:
        """Some samples at a time, as views (samples, groups, channels of a group, height, width) of both."""
        step = at_once(max(self.shape), _SAMPLES_AT_ONCE)
        into, (_, height, width) = self.output_shape, self._shape
        for start in range(0, len(images), step):
            yield (
                images[start : start + step].reshape(-1, self._groups, self._by_groups.shape[2], height, width),
                outputs[start : start + step].reshape(-1, self._groups, self._by_groups.shape[1], *into[1:]),
            )

    @cached_property
    def transpose(self) -> TransposedConvolution:
        return TransposedConvolution(self)

    def abs(self) -> Convolution:
        return self.with_kernel(freeze(np.abs(self._kernel)))

    @property
    def largest(self) -> float:
        (down, _), (right, _) = (window.met() for window in self._windows)
        met = down.max(axis=0)[:, None] * right.max(axis=0)  # taps that meet padding only are no entries
        return float((np.abs(self._kernel) * met).max())

    def row_norms(self, norm: int) -> Floats:
        (down, _), (right, _) = (window.met() for window in self._windows)
        return _norms((np.abs(self._kernel) ** norm).sum(axis=1), down, right, norm)

    def _transposed_norms(self, norm: int) -> Floats:
        """The norms of columns."""
        (_, down), (_, right) = (window.met() for window in self._windows)
        powers = (np.abs(self._by_groups) ** norm).sum(axis=1).reshape(-1, *self._kernel.shape[2:])
        return _norms(powers, down, right, norm)

    def _entries(self, rows: Places, columns: Places) -> Floats:
        down, right = self._windows
        output, i, j = np.unravel_index(rows, self.output_shape)
        channel, y, x = np.unravel_index(columns, self._shape)
        per_group, taken = self._by_groups.shape[1:3]
        channel = channel - output // per_group * taken  # counted within the output's group
        u, of_rows = down.taps_of(i, y)
        v, of_columns = right.taps_of(j, x)
        met = of_rows & of_columns & (channel >= 0) & (channel < taken)
        return np.where(met, self._kernel[output, *(np.where(met, place, 0) for place in (channel, u, v))], 0.0)

    def pieces(self) -> Iterator[tuple[Places, Places, Floats]]:
        (down, right), (per_group, taken) = self._windows, self._by_groups.shape[1:3]
        channels, u, v = np.ogrid[:taken, : down.taps, : right.taps]
        for rows in self._some_rows(self.outputs, self._kernel[0].size):
            output, i, j = (place[:, None, None, None] for place in np.unravel_index(rows, self.output_shape))
            (y, of_rows), (x, of_columns) = down.inputs_of(i, u), right.inputs_of(j, v)
            columns = ((channels + output // per_group * taken) * down.length + y) * right.length + x
            yield _chosen(rows, columns, self._kernel[output[:, 0, 0, 0]], of_rows & of_columns)

    def _transposed_pieces(self) -> Iterator[tuple[Places, Places, Floats]]:
        """The transpose's pieces: what each input gives to."""
        (down, right), (per_group, taken) = self._windows, self._by_groups.shape[1:3]
        # the last tap first: the outputs that an input gives to are then in order
        outputs, u, v = (
            np.arange(per_group)[:, None, None],
            np.arange(down.taps)[::-1, None],
            np.arange(right.taps)[::-1],
        )
        kernel = self._by_groups.swapaxes(1, 2).reshape(-1, per_group, down.taps, right.taps)[..., ::-1, ::-1]
        for rows in self._some_rows(self.inputs, per_group * down.taps * right.taps):
            channel, y, x = (place[:, None, None, None] for place in np.unravel_index(rows, self._shape))
            (i, of_rows), (j, of_columns) = down.outputs_of(y, u), right.outputs_of(x, v)
            columns = ((outputs + channel // taken * per_group) * down.outputs + i) * right.outputs + j
            yield _chosen(rows, columns, kernel[channel[:, 0, 0, 0]], of_rows & of_columns)

    @staticmethod
    def _some_rows(rows: int, entries: int) -> Iterator[Places]:
        """Some rows at a time, for rows of so many entries at most."""
        step = at_once(entries)
        for start in range(0, rows, step):
            yield np.arange(start, min(rows, start + step))

    def largest_sums(self, count: int) -> Floats:
        (down, _), (right, _) = (window.met() for window in self._windows)
        return _sums_by_border(np.abs(self._kernel), down, right, count)

    def _transposed_sums(self, count: int) -> Floats:
        """The largest sums of columns."""
        kernel = np.abs(self._by_groups).swapaxes(1, 2).reshape(-1, self._by_groups.shape[1], *self._kernel.shape[2:])
        (_, down), (_, right) = (window.met() for window in self._windows)
        return _sums_by_border(kernel, down, right, count)

    @property
    def content(self) -> bytes:
        numbers = (
            *self._kernel.shape,
            *self._shape,
            *self.stride,
            *sum(self.padding, ()),
            *self.dilation,
            self._groups,
        )
        return np.array(numbers, "<i8").tobytes() + self._kernel.tobytes()

    def _after(self, first: Operator) -> Operator:
        factors = self._factors_by_channel(first, self._shape)
        if factors is None:
            return super()._after(first)
        by_group = factors.reshape(self._groups, 1, -1, 1, 1)
        return self.with_kernel(freeze((self._by_groups * by_group).reshape(self._kernel.shape)))

    def _before(self, last: Scaling) -> Operator | None:
        factors = self._factors_by_channel(last, self.output_shape)
        return None if factors is None else self.with_kernel(freeze(self._kernel * factors[:, None, None, None]))

    @staticmethod
    def _factors_by_channel(scaling: Operator, shape: Image) -> Floats | None:
        """The factor of each channel, where an operator is a scaling that has one for each."""
        if not isinstance(scaling, Scaling):
            return None
        factors = scaling.factors.reshape(shape[0], -1)
        return factors[:, 0] if np.all(factors == factors[:, :1]) else None


class TransposedConvolution(Operator):
    """The transpose of a `Convolution`: what its gradients go through.

    of: the convolution.

    >>> TransposedConvolution(Convolution([[[[1.0, 2.0]]]], (1, 1, 3))).apply(np.array([1.0, 1.0])).tolist()
    [1.0, 3.0, 2.0]
    """

    def __init__(self, of: Convolution) -> None:
        self._of = of

    @property
    def shape(self) -> Pair:
        outputs, inputs = self._of.shape
        return inputs, outputs

    @property
    def size(self) -> int:
        return self._of.size

    @property
    def most_entries(self) -> int:
        return self._of.most_entries

    def apply(self, x: Samples) -> Samples:
        self._require(x)
        return self._of._back(x)

    @property
    def transpose(self) -> Convolution:
        return self._of

    def abs(self) -> TransposedConvolution:
        return self._of.abs().transpose

    @property
    def largest(self) -> float:
        return self._of.largest

    def row_norms(self, norm: int) -> Floats:
        return self._of._transposed_norms(norm)

    def _entries(self, rows: Places, columns: Places) -> Floats:
        return self._of._entries(columns, rows)

    def pieces(self) -> Iterator[tuple[Places, Places, Floats]]:
        return self._of._transposed_pieces()

    def largest_sums(self, count: int) -> Floats:
        return self._of._transposed_sums(count)

    @property
    def content(self) -> bytes:
        return self._of.content

    def _after(self, first: Operator) -> Operator:
        scaled = self._of._before(first) if isinstance(first, Scaling) else None
        return super()._after(first) if scaled is None else scaled.T

    def _before(self, last: Scaling) -> Operator | None:
        return (self._of @ last).T


class Separable(Operator):
    """The same map of rows and the same map of columns for each channel: Y = V X Hᵀ.

    Average pooling, padding, cropping and repetition of pixels are such maps. Rows that a border shortens are rows of
    their own, so that averages may count the padding or not. Of both maps what is not zero is stored.

    channels: of the images.
    vertical: V, (height that comes out, height that goes in), not empty: a matrix or an operator.
    horizontal: H, (width that comes out, width that goes in), likewise.
    Raises ShapeMismatch where V or H is no matrix, or empty.
    Raises ParameterError where channels are no whole number above 0.
    Raises NonFiniteValue where V or H hold NaN or infinity.

    >>> mean = Separable(1, [[0.5, 0.5]], [[0.5, 0.5]])
    >>> mean.apply(np.array([1.0, 2.0, 3.0, 6.0])).tolist(), mean.output_shape
    ([3.0], (1, 1, 1))
    """

    def __init__(self, channels: int, vertical: Operator | ArrayLike, horizontal: Operator | ArrayLike) -> None:
        (self._channels,) = whole_numbers("channels", (channels,), 1, 1)
        self._vertical, self._horizontal = (
            (each if isinstance(each, Operator) else Dense(each)).sparse() for each in (vertical, horizontal)
        )

    @property
    def channels(self) -> int:
        """Channels of the images."""
        return self._channels

    @property
    def vertical(self) -> Sparse:
        """V."""
        return self._vertical

    @property
    def horizontal(self) -> Sparse:
        """H."""
        return self._horizontal

    @property
    def input_shape(self) -> Image:
        """(channels, height, width) of the images that go in."""
        return self._channels, self._vertical.inputs, self._horizontal.inputs

    @property
    def output_shape(self) -> Image:
        """(channels, height, width) of those that come out."""
        return self._channels, self._vertical.outputs, self._horizontal.outputs

    @property
    def shape(self) -> Pair:
        return prod(self.output_shape), prod(self.input_shape)

    @property
    def size(self) -> int:
        return self._vertical.size + self._horizontal.size

    @property
    def most_entries(self) -> int:
        return self._channels * self._vertical.size * self._horizontal.size

    def apply(self, x: Samples) -> Samples:
        self._require(x)
        flat = x.reshape(-1, self.inputs)
        result = np.empty((len(flat), self.outputs), x.dtype)
        step = at_once(max(self.shape), _SAMPLES_AT_ONCE)
        for start in range(0, len(flat), step):
            images = flat[start : start + step].reshape(-1, *self.input_shape)
            across = self._horizontal.apply(images).swapaxes(2, 3)
            result[start : start + step] = self._vertical.apply(across).swapaxes(2, 3).reshape(-1, self.outputs)
        return result.reshape(*x.shape[:-1], self.outputs)

    @cached_property
    def transpose(self) -> Separable:
        return Separable(self._channels, self._vertical.T, self._horizontal.T)

    def abs(self) -> Separable:
        return Separable(self._channels, self._vertical.abs(), self._horizontal.abs())

    @property
    def largest(self) -> float:
        return self._vertical.largest * self._horizontal.largest

    def row_norms(self, norm: int) -> Floats:
        return self._per_channel(np.outer(self._vertical.row_norms(norm), self._horizontal.row_norms(norm)))

    def _entries(self, rows: Places, columns: Places) -> Floats:
        channel, i, j = np.unravel_index(rows, self.output_shape)
        same, y, x = np.unravel_index(columns, self.input_shape)
        return np.where(channel == same, self._vertical.entries(i, y) * self._horizontal.entries(j, x), 0.0)

    def pieces(self) -> Iterator[tuple[Places, Places, Floats]]:
        (_, across, down), (_, height, width) = self.output_shape, self.input_shape
        j, x, values = self._horizontal.rows, self._horizontal.columns, self._horizontal.values
        starts = np.searchsorted(self._vertical.rows, np.arange(across + 1))
        for channel, i in np.ndindex(self._channels, across):
            mine = slice(starts[i], starts[i + 1])
            y = self._vertical.columns[mine]
            # by output, then by the row and the column that it takes
            order = np.lexsort((np.tile(x, len(y)), np.repeat(y, len(x)), np.tile(j, len(y))))
            found = np.outer(self._vertical.values[mine], values).reshape(-1)[order]
            rows = (channel * across + i) * down + np.tile(j, len(y))[order]
            columns = ((channel * height + np.repeat(y, len(x))) * width + np.tile(x, len(y)))[order]
            used = np.flatnonzero(found)  # a product of small numbers can be 0
            yield rows[used], columns[used], found[used]

    def largest_sums(self, count: int) -> Floats:
        (down, of_row), (right, of_column) = _rows_that_differ(self._vertical), _rows_that_differ(self._horizontal)
        sums = np.empty((len(down), len(right)))
        for row, column in np.ndindex(*sums.shape):
            sizes = np.outer(down[row], right[column]).reshape(-1)
            first = max(0, len(sizes) - count)
            sums[row, column] = np.partition(sizes, first)[first:].sum() if first else sizes.sum()
        return self._per_channel(sums[of_row][:, of_column])

    def _per_channel(self, numbers: Floats) -> Floats:
        """Numbers of one channel's outputs for every channel's."""
        return np.tile(numbers.reshape(-1), self._channels)

    @property
    def content(self) -> bytes:
        numbers = (*self.input_shape, *self.output_shape, self._vertical.size)
        return np.array(numbers, "<i8").tobytes() + self._vertical.content + self._horizontal.content

    def _after(self, first: Operator) -> Operator:
        if isinstance(first, Separable) and first.output_shape == self.input_shape:
            vertical, horizontal = self._vertical @ first.vertical, self._horizontal @ first.horizontal
            return Separable(self._channels, vertical, horizontal)
        scaled = self._before(first) if isinstance(first, Scaling) else None
        return super()._after(first) if scaled is None else scaled

    def _before(self, last: Scaling) -> Operator | None:
        factor = last.factors[0]
        if np.any(last.factors != factor):
            return None
        vertical = Scaling(np.full(self._vertical.outputs, factor)) @ self._vertical
        return Separable(self._channels, vertical, self._horizontal)


@lru_cache(maxsize=64)
def _largest_gain(content: bytes, shape: tuple[int, ...], groups: int) -> float:
    """A bound on the spectral norms of a kernel's matrices of channels, over all frequencies.

    content: the kernel, of float64.
    shape: of the kernel, (outputs, channels of a group, height, width).
    groups: of channels, each connected to its own.

    An entry is a trigonometric polynomial of degree d, the taps less one; between N > 2d places it exceeds the largest
    value there by 1/cos(πd/N) at most (H. Ehlich & K. Zeller, "Schwankung von Polynomen zwischen Gitterpunkten", 1964).
    """
    kernel = np.frombuffer(content).reshape(shape)
    taps = shape[2:]
    places = [1 if count == 1 else _PLACES * count for count in taps]
    spectrum = np.fft.fft2(kernel, places)
    between = prod(np.cos(np.pi * (count - 1) / many) for count, many in zip(taps, places, strict=True))
    largest = max(
        float(np.linalg.norm(each.transpose(2, 3, 0, 1), 2, axis=(2, 3)).max()) for each in np.split(spectrum, groups)
    )
    return largest / float(between) * (1 + _ROUNDED)


def _by_phases(kernel: Floats, stride: Pair, dilation: Pair) -> Floats:
    """The kernel of the same convolution with stride 1, on images of which every stride-th pixel makes a channel.

    kernel: (outputs, channels of a group, height, width).
    stride, dilation: of the convolution, (down, right).

    Returns (outputs, channels of a group times strides, height, width).

    >>> _by_phases(np.array([[[[1.0, 2.0, 3.0]]]]), (1, 2), (1, 1)).tolist()
    [[[[1.0, 3.0]], [[2.0, 0.0]]]]
    """
    if stride == (1, 1):
        return kernel  # a dilation moves what it does to other frequencies
    outputs, channels, *taps = kernel.shape
    spread = [(count - 1) * apart + 1 for count, apart in zip(taps, dilation, strict=True)]
    wide = np.zeros((outputs, channels, *(-(-each // step) * step for each, step in zip(spread, stride, strict=True))))
    wide[:, :, : spread[0] : dilation[0], : spread[1] : dilation[1]] = kernel
    tall, long = (size // step for size, step in zip(wide.shape[2:], stride, strict=True))
    phases = wide.reshape(outputs, channels, tall, stride[0], long, stride[1]).transpose(0, 1, 3, 5, 2, 4)
    return phases.reshape(outputs, channels * stride[0] * stride[1], tall, long)


def whole_numbers(what: str, values: Any, least: int, count: int) -> tuple[int, ...]:
    """Whole numbers, so many of them.

    what: they are, in messages.
    values: that were given.
    least: that each may be.
    count: how many there must be.
    Raises ParameterError for others.

    >>> whole_numbers("stride", (1, 2), 1, 2)
    (1, 2)
    """
    try:
        found = tuple(map(index, values))
    except TypeError:
        found = ()
    if len(found) != count or min(found) < least:
        wanted = "a whole number" if count == 1 else f"{count} whole numbers"
        given = values[0] if count == 1 else values
        example = least if count == 1 else (max(1, least),) * count
        raise ParameterError(f"{what} must be {wanted}, {least} or more, not {given!r:.40}.", f"Give {example}.")
    return found


def image_shape(shape: Any) -> Image:
    """(channels, height, width), at least 1 each. Raises ParameterError for anything else.

    >>> image_shape([3, 32, 32])
    (3, 32, 32)
    """
    try:
        channels, height, width = map(index, shape)
    except (TypeError, ValueError):
        channels = height = width = 0
    if min(channels, height, width) < 1:
        raise ParameterError(
            f"the shape of an image must be (channels, height, width), at least 1 each, not {shape!r:.40}.",
            "Give for instance (1, 28, 28).",
        )
    return channels, height, width


def require_outputs(windows: tuple[Window, Window]) -> None:
    """Raise ParameterError where a kernel is larger than the padded image, so that nothing comes out.

    windows: down and to the right.
    """
    if all(window.outputs for window in windows):
        return
    down, right = windows
    lacking = max(window.extent - window.padded for window in windows)
    raise ParameterError(
        f"a kernel that reaches over {down.extent} × {right.extent} is larger than the padded image of "
        f"{down.padded} × {right.padded}, so that nothing comes out.",
        f"Give larger images, a smaller kernel, or {-(-lacking // 2)} more of padding on each side.",
    )


def _product(kernel: Samples, images: Samples) -> Samples:
    """What one tap makes of images.

    kernel: (groups, outputs, channels).
    images: (samples, groups, channels, height, width).
    Returns (samples, groups, outputs, height, width).
    """
    flat = kernel @ images.reshape(*images.shape[:3], -1)
    product: Samples = flat.reshape(*flat.shape[:3], *images.shape[3:])
    return product


def _norms(powers: Floats, down: Floats, right: Floats, norm: int) -> Floats:
    """Norms of rows, from sums of powers for each tap, (channels, height, width), and the taps that each row meets."""
    sums: Floats = (down @ powers @ right.T).reshape(-1)
    norms: Floats = sums ** (1 / norm)
    return norms


def _sums_by_border(kernel: Floats, down: Floats, right: Floats, count: int) -> Floats:
    """The sum of the `count` largest of kernel·down·right for every output.

    kernel: magnitudes, (outputs, channels, height, width).
    down, right: (outputs that way, height) and (…, width): most rows are alike, but for the borders.
    """
    (rows, of_row), (columns, of_column) = (
        np.unique(factors, axis=0, return_inverse=True) for factors in (down, right)
    )
    sums = np.empty((len(kernel), len(rows), len(columns)))
    for output, row in np.ndindex(*sums.shape[:2]):
        met = kernel[output] * rows[row][:, None] * columns[:, None, None, :]  # column, channel, height, width
        sizes = met.reshape(len(columns), -1)
        first = max(0, sizes.shape[1] - count)
        sums[output, row] = np.partition(sizes, first, axis=1)[:, first:].sum(axis=1)
    return sums[:, of_row.reshape(-1)][:, :, of_column.reshape(-1)].reshape(-1)


def _rows_that_differ(operator: Sparse) -> tuple[list[Floats], Places]:
    """The magnitudes in each row, in order, of rows that differ in them, and which of those every row is."""
    ends = np.searchsorted(operator.rows, np.arange(operator.outputs), side="right")
    found = dict[bytes, int]()
    of_row = [
        found.setdefault(np.sort(np.abs(row)).tobytes(), len(found)) for row in np.split(operator.values, ends)[:-1]
    ]
    return [np.frombuffer(row) for row in found], np.array(of_row)


def _chosen(rows: Places, columns: Places, values: Floats, met: NDArray[np.bool_]) -> tuple[Places, Places, Floats]:
    """The entries of rows that are there and not zero.

    rows: (rows,).
    columns, values, met: broadcast to (rows, channels, height, width), in the order of the columns.
    """
    used = met & (values != 0)
    across = np.broadcast_to(rows[:, None, None, None], used.shape)
    return across[used], np.broadcast_to(columns, used.shape)[used], np.broadcast_to(values, used.shape)[used]
