"""A model from elsewhere while it is read: what happens to the features of a sample, one step after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from math import isfinite, prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.approx import RELU, Function, hardtanh, leaky_relu
from fhenn.approx.fits import MAX_DEGREE
from fhenn.errors import NonFiniteValue, ParameterError, ShapeMismatch
from fhenn.finite import count_nonfinite
from fhenn.interop.fold import folded
from fhenn.interop.maps import MOST_FEATURES, MOST_WEIGHTS, Places, folded_size, map_of, merged, numbers_of, one_map
from fhenn.nn import (
    Activation,
    Affine,
    AvgPool1d,
    AvgPool2d,
    Conv1d,
    Conv2d,
    Dense,
    GlobalAvgPool2d,
    ImageLayer,
    Pad,
    PolynomialActivation,
    Scaling,
    Square,
    Upsample,
)

Floats = NDArray[np.float64]
Shape = tuple[int, ...]
Around = tuple[tuple[int, int], ...]
"""Zeros before and after an image, along each of its axes."""


@dataclass(frozen=True, eq=False)
class Meeting:
    """Two branches of one value, where they meet again; a branch without steps is that value itself.

    first: the steps of a branch, at least one.
    second: those of the other one.
    """

    first: tuple[Step, ...]
    second: tuple[Step, ...]

    @property
    def depth(self) -> int:
        """How many of them lie one within the other."""
        return 1 + max((step.depth for step in (*self.first, *self.second) if isinstance(step, Meeting)), default=0)


class Sum(Meeting):
    """Their sum."""


class Product(Meeting):
    """Their product, number by number."""


Step = Affine | Activation | Function | Meeting
"""An affine map, a node, an exact function that a polynomial is still to be chosen for, or where branches meet."""

SAMPLES = 2**62
"""The size, in a shape that is asked for, of the axis of samples: no axis is as long."""

MOST_NESTED = 16
"""Branches within branches: networks have a few, and each is a step deeper in whatever walks a model."""


class Unsuitable(Exception):
    """A step that cannot be taken. The importer says in an UnsupportedModel which layer it is, and where."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, eq=False)
class Chain:
    """The steps so far, and the shape that a sample has after them.

    Make one with `start`; every method returns a new chain, and raises Unsuitable.

    inputs: features that come in.
    shape: of a sample now, without the axis of samples; () for a number each.
    steps: on the features in C order; neighbouring affine maps are one.
    sealed: how many of the first steps stay as they are, since another chain goes on from there too.
    held: the shape in which the layers of images hold a sample now; None where no step has settled it.

    >>> chain = Chain.start((2, 2)).scale([0.5, 2.0]).reshape((4,)).linear([[1.0, 1.0, 1.0, 1.0]])
    >>> chain.shape, len(chain.steps), chain.steps[0].operator.dense()
    ((1,), 1, array([[0.5, 2. , 0.5, 2. ]]))
    """

    inputs: int
    shape: Shape
    steps: tuple[Step, ...] = ()
    sealed: int = 0
    held: Shape | None = None

    @classmethod
    def start(cls, shape: Shape) -> Chain:
        """Nothing done yet to samples of a shape. Raises Unsuitable."""
        if not 0 < prod(shape) <= MOST_FEATURES:
            raise Unsuitable(f"a sample has shape {shape}, not of 1 to {MOST_FEATURES:,} numbers")
        return cls(prod(shape), shape)

    @property
    def features(self) -> int:
        """Numbers of a sample."""
        return prod(self.shape)

    def scale(self, factor: ArrayLike = 1.0, shift: ArrayLike = 0.0) -> Chain:
        """x·factor + shift, constants that spread over a sample as in NumPy, (1, ...) for all samples alike."""
        step = Affine(Scaling(_spread(factor, self.shape)), _spread(shift, self.shape))
        return replace(self._then(step, self.shape), held=self.held)

    def linear(self, weight: ArrayLike, bias: ArrayLike | None = None) -> Chain:
        """x Wᵀ + b along the last axis of a sample.

        weight: (out, in).
        bias: anything that spreads over what comes out.
        """
        matrix = finite(weight)
        if not self.shape or matrix.ndim != 2 or matrix.shape[1] != self.shape[-1] or 0 in matrix.shape:
            raise Unsuitable(f"its weights of shape {matrix.shape} meet samples of shape {self.shape}")
        shape = (*self.shape[:-1], matrix.shape[0])
        shift = np.zeros(prod(shape)) if bias is None else _spread(bias, shape)
        repeats = prod(self.shape[:-1])
        if repeats == 1:
            return self._then(Affine(Dense(matrix), shift), shape)
        if repeats * matrix.size > MOST_WEIGHTS:
            raise _too_many()
        rows, columns = np.nonzero(matrix)
        each = np.arange(repeats)[:, None]
        places = (each * matrix.shape[0] + rows).ravel(), (each * matrix.shape[1] + columns).ravel()
        return self._map(*places, np.tile(matrix[rows, columns], repeats), shape, shift)

    def select(self, places: Places) -> Chain:
        """The numbers at places of a sample in C order, in the shape of `places`: slices, permutations, copies."""
        flat = places.ravel()
        if not 0 < flat.size <= MOST_FEATURES:
            raise Unsuitable(f"it takes {flat.size:,} numbers of a sample, not 1 to {MOST_FEATURES:,}")
        if np.array_equal(flat, np.arange(self.features)):
            return self.reshape(places.shape)
        return self._map(np.arange(flat.size), flat, np.ones(flat.size), places.shape)

    def repeat(self, shape: Shape) -> Chain:
        """Along axes of length 1 as often as a shape of as many axes says, as NumPy broadcasts."""
        if shape == self.shape:
            return self
        if len(shape) == 3 and self.holds_images and self.held in (None, self.shape):
            ones, chain = (1, 1), self
            if shape[0] != self.shape[0]:
                chain = self.convolve(np.ones((shape[0], 1, *ones)), None, ones, ((0, 0),) * 2, ones, 1)
            down, right = (size // length for size, length in zip(shape[1:], self.shape[1:], strict=True))
            return chain if (down, right) == ones else chain._image(lambda: Upsample((down, right), shape=chain.shape))
        if prod(shape) > MOST_FEATURES:
            raise Unsuitable(f"its samples of shape {shape} have more than {MOST_FEATURES:,} numbers")
        return self.select(np.broadcast_to(np.arange(self.features).reshape(self.shape), shape))

    def reduce(self, axes: Iterable[int], *, mean: bool, keep: bool) -> Chain:
        """The sum over axes, counted with that of the samples, which must stay; or the mean.

        keep: whether the axes stay, with length 1.
        """
        rank = len(self.shape) + 1
        summed = {axis + rank if axis < 0 else axis for axis in axes}
        if not all(0 < axis < rank for axis in summed):
            raise Unsuitable(f"its axes {sorted(summed)} would mix samples of shape {self.shape}, or are not there")
        kept = tuple(1 if axis in summed else size for axis, size in enumerate(self.shape, 1))
        rows = np.broadcast_to(np.arange(prod(kept)).reshape(kept), self.shape).ravel()
        share = prod(kept) / self.features if mean else 1.0
        shape = kept if keep else tuple(size for axis, size in enumerate(self.shape, 1) if axis not in summed)
        return self._map(rows, np.arange(self.features), np.full(self.features, share), shape)

    def join(self, others: Sequence[Chain], axis: int) -> Chain:
        """Side by side with other chains from the same input, along an axis counted with that of the samples."""
        chains = [self, *others]
        rank = len(self.shape) + 1
        place = (axis + rank if axis < 0 else axis) - 1
        shapes = [each.shape[:place] + each.shape[place + 1 :] for each in chains]
        if not 0 <= place < rank - 1 or any(each != shapes[0] for each in shapes) or len(set(map(_rank, chains))) > 1:
            listed = ", ".join(str(each.shape) for each in chains[:5])
            raise Unsuitable(f"it joins samples of shapes {listed} along axis {axis}")
        last = chains[0].steps[-1] if chains[0].steps else None
        if isinstance(last, Function) and all(each.ends_in(last) and not each._is_sealed for each in chains):
            rest = [each.without_last() for each in chains]
            return rest[0].join(rest[1:], axis).activate(last)
        ends = np.cumsum([each.shape[place] for each in chains])
        shape = (*self.shape[:place], int(ends[-1]), *self.shape[place + 1 :])
        if prod(shape) > MOST_FEATURES:
            raise Unsuitable(f"its samples of shape {shape} have more than {MOST_FEATURES:,} numbers")
        if rank > 2 and place == 0 and all(each.holds_images for each in chains):
            starts = (0, *ends[:-1].tolist())
            return _sum_of([each._as_channels(start, shape[0]) for each, start in zip(chains, starts, strict=True)])
        places = np.split(np.arange(prod(shape)).reshape(shape), ends[:-1], axis=place)
        return _side_by_side(chains, [each.ravel() for each in places], shape)

    def _as_channels(self, first: int, channels: int) -> Chain:
        """Images as some of the channels of others, which are 0 else."""
        kernel = np.eye(channels)[:, first : first + self.shape[0]].reshape(channels, -1, *(1,) * len(self.shape[1:]))
        ones = (1,) * len(self.shape[1:])
        return self.convolve(kernel, None, ones, ((0, 0),) * len(ones), ones, 1)

    def _map(
        self,
        rows: Places,
        columns: Places,
        values: Floats,
        shape: Shape,
        shift: Floats | None = None,
    ) -> Chain:
        """With a linear map whose entries are given, and those of one place added up."""
        size = (prod(shape), self.features)
        operator = map_of(rows, columns, values, size)
        return self._then(Affine(operator, np.zeros(size[0]) if shift is None else shift), shape)

    def convolve(
        self,
        weight: ArrayLike,
        bias: ArrayLike | None,
        stride: Sequence[int],
        padding: Around,
        dilation: Sequence[int],
        groups: int,
    ) -> Chain:
        """A convolution of images (channels, height, width), or of sequences (channels, length).

        weight: (out, in/groups, height, width), or (out, in/groups, length).
        bias: (out,); None for zero.
        stride, dilation: for each axis.
        padding: zeros before and after each axis.
        """
        kernel = finite(weight)
        taps = kernel.shape[2:]
        self._require_image(len(taps), kernel.shape[1] * groups if kernel.ndim > 1 else None)
        self._require_modest(taps, stride, padding, dilation)
        shift = None if bias is None else finite(bias)
        if len(taps) == 1:
            (step,), (around,), (gap,) = stride, padding, dilation
            return self._image(lambda: Conv1d(kernel, shift, step, around, gap, groups, shape=self.shape))
        (down, right), (rows, columns), (tall, wide) = stride, padding, dilation
        return self._image(
            lambda: Conv2d(kernel, shift, (down, right), (rows, columns), (tall, wide), groups, shape=self.shape)
        )

    def average(
        self,
        sizes: Sequence[int],
        stride: Sequence[int],
        padding: Around,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> Chain:
        """Averages of windows of images (channels, height, width), or of sequences (channels, length).

        sizes, stride: of the windows, for each axis.
        padding: zeros before and after each axis.
        ceil_mode: whether a window that leaves the image at its end counts.
        count_include_pad: whether zeros of the padding count in an average.
        """
        self._require_image(len(sizes), None)
        self._require_modest(sizes, stride, padding, (1,) * len(sizes))
        if any(before != after for before, after in padding):
            if ceil_mode:
                raise Unsuitable("it rounds sizes up, and pads one side more than the other")
            return self._average_of_unlike_sides(sizes, stride, padding, count_include_pad)
        zeros = [before for before, _ in padding]
        options = (bool(ceil_mode), bool(count_include_pad))
        if len(sizes) == 1:
            return self._image(lambda: AvgPool1d(sizes[0], stride[0], zeros[0], *options, shape=self.shape))
        size, step, around = ((each[0], each[1]) for each in (sizes, stride, zeros))
        return self._image(lambda: AvgPool2d(size, step, around, *options, shape=self.shape))

    def _average_of_unlike_sides(
        self, sizes: Sequence[int], stride: Sequence[int], padding: Around, count_include_pad: bool
    ) -> Chain:
        """Averages as a convolution of each channel, and where zeros do not count, a factor for each pixel."""
        channels, gaps = self.shape[0], (1,) * len(sizes)
        share = 1 / prod(sizes)
        kernel = np.full((channels, 1, *sizes), share)
        result = self.convolve(kernel, None, stride, padding, gaps, channels)
        if count_include_pad:
            return result
        ones = Chain.start((1, *self.shape[1:])).convolve(kernel[:1], None, stride, padding, gaps, 1)
        shares = ones.exact(np.ones((1, prod(self.shape[1:]))))
        if not shares.all():
            raise Unsuitable("it averages windows in which there are zeros of the padding only")
        return result.scale(1 / shares.reshape(ones.shape))

    def average_all(self) -> Chain:
        """The average of each channel: (channels, 1, 1), or (channels, 1) of sequences."""
        if len(self.shape) == 2:
            return self.average(self.shape[1:], self.shape[1:], ((0, 0),))
        self._require_image(2, None)
        return self._image(lambda: GlobalAvgPool2d(shape=self.shape))

    def average_to(self, sizes: Sequence[int | None]) -> Chain:
        """Averages of windows without overlap, as many as `sizes` along each axis, where None keeps all."""
        self._require_image(len(sizes), None)
        wanted = [length if size is None else size for size, length in zip(sizes, self.shape[1:], strict=True)]
        if all(size == 1 for size in wanted):
            return self.average_all()
        if any(size < 1 or length % size for size, length in zip(wanted, self.shape[1:], strict=True)):
            raise Unsuitable(f"its windows are of unlike sizes: {wanted} do not divide samples of shape {self.shape}")
        windows = [length // size for size, length in zip(wanted, self.shape[1:], strict=True)]
        return self.average(windows, windows, ((0, 0),) * len(windows))

    def pad(self, padding: Around) -> Chain:
        """Zeros round images (channels, height, width), or sequences (channels, length); negative numbers crop images.

        padding: before and after each axis.
        """
        self._require_image(len(padding), None)
        ones = (1,) * len(padding)
        self._require_modest(ones, ones, padding, ones)
        if not any(sum(map(abs, each)) for each in padding):
            return self
        if len(padding) == 1:
            if min(padding[0]) < 0:
                raise Unsuitable("it crops sequences")
            return self.convolve(np.ones((self.shape[0], 1, 1)), None, ones, padding, ones, self.shape[0])
        (top, bottom), (left, right) = padding
        return self._image(lambda: Pad((left, right, top, bottom), shape=self.shape))

    def plus(self, other: Chain) -> Chain:
        """The sum with another chain from the same input, whose samples have the same shape."""
        if self.shape != other.shape:
            raise Unsuitable(f"it adds samples of shape {self.shape} and {other.shape}")
        common = self._common(other)
        mine, theirs = self.steps[common:], other.steps[common:]
        if not mine and not theirs:
            return self.scale(2.0)
        alike = {each.held for each in (self, other) if each.held is not None}
        added = _overflowing(partial(_added, mine, theirs, _width(self, common)))
        if added is not None:
            return replace(
                self, steps=(*self.steps[:common], added), sealed=common, held=_held_by(alike, self.features)
            )
        return self._meet(other, Sum)

    def times(self, other: Chain) -> Chain:
        """The product with another chain from the same input; of multiples of one value a multiple of its square."""
        if self.shape != other.shape:
            raise Unsuitable(f"it multiplies samples of shape {self.shape} and {other.shape}")
        common = self._common(other)
        factor = np.ones(self.features)
        for step in (*self.steps[common:], *other.steps[common:]):
            if not isinstance(step, Affine) or not isinstance(step.operator, Scaling) or np.any(step.bias):
                return self._meet(other, Product)
            factor = factor * step.operator.factors
        square = replace(self, steps=self.steps[:common]).activate(Square())
        return square if np.all(factor == 1.0) else square.scale(factor.reshape(self.shape))

    def _meet(self, other: Chain, how: type[Sum | Product]) -> Chain:
        """What comes of two branches, of which one has a step of its own at least."""
        common = self._common(other)
        mine, theirs = self.steps[common:], other.steps[common:]
        if _weights(self.steps) + _weights(theirs) > MOST_WEIGHTS:
            raise _too_many()
        both = how(mine, theirs) if mine else how(theirs, mine)
        if both.depth > MOST_NESTED:
            raise Unsuitable(f"more than {MOST_NESTED} sums or products of branches lie one within the other")
        alike = {each.held for each in (self, other) if each.held is not None}
        return replace(self, steps=(*self.steps[:common], both), sealed=common, held=_held_by(alike, self.features))

    def power(self, exponent: float) -> Chain:
        """A whole power, 1 to 63, which is a polynomial itself."""
        if not isfinite(exponent) or exponent != int(exponent) or not 1 <= exponent <= MAX_DEGREE:
            raise Unsuitable(f"of the powers, whole ones from 1 to {MAX_DEGREE} are known only")
        if exponent == 2:
            return self.times(self)
        return self if exponent == 1 else self.activate(PolynomialActivation([0.0] * int(exponent) + [1.0]))

    def clip(self, low: float | None, high: float | None) -> Chain:
        """min(max(x, low), high), where None is no bound."""
        if low is not None and high is not None:
            return self.activate(parametrised(hardtanh, low, high))
        if low is not None:
            return self.scale(1.0, -low).activate(RELU).scale(1.0, low) if low else self.activate(RELU)
        if high is not None:
            return self.scale(-1.0, high).activate(RELU).scale(-1.0, high)
        return self

    def leaky(self, slopes: ArrayLike) -> Chain:
        """x where it is above 0, slope·x else.

        slopes: one for all, or (channels,): ax + (1 - a)·relu(x) then.
        """
        a = finite(slopes)
        if a.size == 1:
            return self if a.item() == 1 else self.activate(leaky_relu(a.item()))
        if not self.shape or a.size != self.shape[0]:
            raise Unsuitable(f"its {a.size} slopes are not one, nor one for each channel of samples of {self.shape}")
        each = a.reshape(-1, *(1,) * (len(self.shape) - 1))
        start = self.seal()
        return start.activate(RELU).scale(1.0 - each).plus(start.scale(each))

    def _common(self, other: Chain) -> int:
        """How many first steps are the very same."""
        return len(list(takewhile(lambda pair: _is(*pair), zip(self.steps, other.steps, strict=False))))

    def seal(self) -> Chain:
        """The same, whose steps stay as they are: for a value that several steps take."""
        return replace(self, sealed=len(self.steps))

    def activate(self, step: Activation | Function) -> Chain:
        """A function element by element."""
        return replace(self, steps=(*self.steps, step))

    def reshape(self, shape: Shape) -> Chain:
        """The same numbers in the same order, in another shape."""
        if prod(shape) != self.features:
            raise Unsuitable(f"it makes {shape} of samples of shape {self.shape}")
        return replace(self, shape=shape)

    def view(self, target: Sequence[int]) -> Chain:
        """The same numbers in a shape with the axis of samples first: SAMPLES, or -1 for what is left."""
        first, *rest = target or (0,)
        known = prod(size for size in rest if size != -1)
        if first == SAMPLES and rest.count(-1) == 1 and known > 0 and self.features % known == 0:
            rest[rest.index(-1)] = self.features // known
        if first not in (SAMPLES, -1) or any(size < 1 for size in rest) or prod(rest) != self.features:
            asked = ["samples" if size == SAMPLES else size for size in target]
            raise Unsuitable(f"{asked} does not keep samples of shape {self.shape} apart, or their axis first")
        return self.reshape(tuple(rest))

    def squeeze(self, axes: Iterable[int]) -> Chain:
        """Without axes of length 1, counted with that of the samples, which must stay."""
        rank = len(self.shape) + 1
        places = {axis + rank if axis < 0 else axis for axis in axes}
        if not all(0 < place < rank and self.shape[place - 1] == 1 for place in places):
            raise Unsuitable(f"its axes are not all of length 1 in samples of shape {self.shape}")
        return self.reshape(tuple(size for place, size in enumerate(self.shape, 1) if place not in places))

    def flatten(self, start: int, end: int = -1) -> Chain:
        """The axes from start to end as one, counted with that of the samples, which must stay."""
        rank = len(self.shape) + 1
        first, last = (axis + rank if axis < 0 else axis for axis in (start, end))
        if not 0 < first <= last < rank:
            raise Unsuitable(f"from axis {start} to {end}, samples of shape {self.shape} do not stay apart")
        inner = prod(self.shape[first - 1 : last])
        return self.reshape((*self.shape[: first - 1], inner, *self.shape[last:]))

    def normalise(
        self, mean: ArrayLike, variance: ArrayLike, epsilon: float, scale: ArrayLike, shift: ArrayLike
    ) -> Chain:
        """(x - mean)/√(variance + epsilon)·scale + shift, by the channels of the first axis of a sample."""
        middle, spread, factor, offset = map(finite, (mean, variance, scale, shift))
        if not self.shape or any(each.shape != self.shape[:1] for each in (middle, spread, factor, offset)):
            raise Unsuitable(f"its channels are not those of samples of shape {self.shape}")
        if not (spread + epsilon > 0).all():
            raise Unsuitable("a variance is not positive")
        factor = factor / np.sqrt(spread + epsilon)
        across = (-1, *(1,) * (len(self.shape) - 1))
        return self.scale(factor.reshape(across), (offset - middle * factor).reshape(across))

    def without_last(self, count: int = 1) -> Chain:
        """All steps but the last ones, which kept the shape."""
        return replace(self, steps=self.steps[: len(self.steps) - count])

    def ends_in(self, function: Function) -> bool:
        """Whether the last step is a function."""
        return bool(self.steps) and isinstance(self.steps[-1], Function) and self.steps[-1] == function

    def ends_in_scaling(self, factor: float, shift: float) -> bool:
        """Whether the last step multiplies every number by a factor, and then adds a shift."""
        last = self.steps[-1] if self.steps else None
        return (
            isinstance(last, Affine)
            and isinstance(last.operator, Scaling)
            and bool(np.all(last.operator.factors == factor) and np.all(last.bias == shift))
        )

    def is_row_sum_of(self, other: Chain) -> bool:
        """Whether it is the sum of all numbers of another chain."""
        last = self.steps[-1] if self.steps else None
        return (
            isinstance(last, Affine)
            and not isinstance(last, ImageLayer)
            and last.outputs == 1
            and last.inputs == other.features
            and bool(np.all(last.operator.dense() == 1.0) and not np.any(last.bias))
            and self.without_last().same(other)
        )

    @property
    def only_scales(self) -> bool:
        """Whether features have had a factor and a shift each, and nothing else."""
        return bool(self.steps) and all(isinstance(s, Affine) and isinstance(s.operator, Scaling) for s in self.steps)

    @property
    def _is_sealed(self) -> bool:
        return self.sealed >= len(self.steps)

    @property
    def holds_images(self) -> bool:
        """Whether a layer of images made what is there now, or nothing has been done yet."""
        return _holds_images(self.steps)

    def same(self, other: object) -> bool:
        """Whether both are the very same steps."""
        return isinstance(other, Chain) and (
            len(self.steps) == len(other.steps) and all(map(_is, self.steps, other.steps))
        )

    def exact(self, x: Floats) -> Floats:
        """Samples (samples, features) through the steps, with exact functions."""
        for step in self.steps:
            x = apply_step(step, x)
        return x

    def _require_image(self, axes: int, channels: int | None) -> None:
        """Raise Unsuitable where samples are no images of so many axes behind the channels."""
        names = {1: "(channels, length)", 2: "(channels, height, width)"}.get(axes)
        if names is None:
            raise Unsuitable("it is neither of images nor of sequences")
        if len(self.shape) != axes + 1:
            raise Unsuitable(f"it takes samples of shape {names}, not {self.shape}")
        if channels not in (None, self.shape[0]):
            last = channels == self.shape[-1]
            hint = ": do its channels come last? np.moveaxis(x, -1, 1) brings them first" if last else ""
            raise Unsuitable(f"it takes {channels} channels, not samples of shape {self.shape}{hint}")
        if self.held not in (None, self.shape):
            raise Unsuitable(f"it takes images that a reshape makes of samples of shape {self.held}")

    def _require_modest(
        self, taps: Sequence[int], stride: Sequence[int], padding: Around, dilation: Sequence[int]
    ) -> None:
        """Raise Unsuitable where sizes contradict one another, or far more comes out than goes in."""
        axes = len(self.shape) - 1
        if not len(taps) == len(stride) == len(padding) == len(dilation) == axes:
            raise Unsuitable(f"its sizes are not those of {axes} axes")
        if min(*taps, *stride, *dilation) < 1:
            raise Unsuitable("its kernel, stride or dilation is below 1")
        padded = [length + sum(zeros) for length, zeros in zip(self.shape[1:], padding, strict=True)]
        if self.shape[0] * prod(max(length, 1) for length in padded) > MOST_FEATURES or max(taps) > MOST_FEATURES:
            raise Unsuitable(f"its padded images have more than {MOST_FEATURES:,} numbers")

    def _image(self, make: Callable[[], ImageLayer]) -> Chain:
        """With a layer of images. Raises Unsuitable where it cannot be made."""
        try:
            layer = make()
        except (ShapeMismatch, ParameterError, NonFiniteValue) as error:
            raise Unsuitable(str(error).rstrip(".")) from None
        if prod(layer.output_shape) > MOST_FEATURES:
            raise Unsuitable(f"its images of shape {layer.output_shape} have more than {MOST_FEATURES:,} numbers")
        if self.holds_images:
            return replace(self._then(layer, layer.output_shape), held=layer.output_shape)
        if len(self.shape) != 2:
            raise Unsuitable(
                "it takes images whose axes were moved, or that no layer of images made: where channels come last, "
                "export a model that takes them first, and give it np.moveaxis(images, -1, 1)"
            )
        if layer.operator.most_entries > MOST_WEIGHTS:
            raise _too_many()
        return self._then(Affine(layer.operator.sparse(), layer.bias), layer.output_shape)

    def _then(self, step: Affine, shape: Shape) -> Chain:
        last = self.steps[-1] if len(self.steps) > self.sealed else None
        joined = last if isinstance(last, Affine) else None
        before = self.steps if joined is None else self.steps[:-1]
        if _weights(before) + folded_size(joined, step) > MOST_WEIGHTS:
            raise _too_many()
        try:
            both = None if joined is None else folded(joined, step)
        except NonFiniteValue as error:
            raise _not_finite(error.count) from error
        steps = (*self.steps, step) if both is None else (*before, both)
        return replace(self, shape=shape, steps=steps, held=shape)


def _held_by(branches: set[Shape], features: int) -> Shape | None:
    """The shape that images have where branches meet that hold them in some."""
    return next(iter(branches)) if len(branches) == 1 else (features,) if branches else None


def _rank(chain: Chain) -> int:
    return len(chain.shape)


def _holds_images(steps: Sequence[Step]) -> bool:
    for step in reversed(steps):
        if isinstance(step, ImageLayer):
            return True
        if isinstance(step, Meeting):
            return _holds_images(step.first) and _holds_images(step.second or step.first)
        if isinstance(step, Affine) and not isinstance(step.operator, Scaling):
            return False
    return True


def _sum_of(chains: Sequence[Chain]) -> Chain:
    total = chains[0]
    for each in chains[1:]:
        total = total.plus(each)
    return total


def _side_by_side(chains: Sequence[Chain], places: Sequence[Places], shape: Shape) -> Chain:
    """The numbers of each chain at places of a sample of a shape; what is affine in the same value is one map."""
    first, outputs = chains[0], prod(shape)
    common = min(first._common(each) for each in chains)
    width = _width(first, common)
    affine, others = list[tuple[Places, Affine]](), list[Chain]()
    for place, chain in zip(places, chains, strict=True):
        one = _overflowing(partial(one_map, chain.steps[common:], width))
        if one is None:
            others.append(chain._map(place, np.arange(chain.features), np.ones(chain.features), shape))
        else:
            affine.append((place, one))
    if not affine:
        return _sum_of(others)
    together = _overflowing(partial(merged, affine, outputs))
    if together is None:
        raise _too_many()
    idle = isinstance(together.operator, Scaling) and np.all(together.operator.factors == 1.0)
    steps = first.steps[:common] if idle and not np.any(together.bias) else (*first.steps[:common], together)
    joined = replace(first, shape=shape, steps=steps, sealed=common, held=shape if steps else None)
    return _sum_of([joined, *others])


def _overflowing(make: Callable[[], Affine | None]) -> Affine | None:
    """A map that is made of others. Raises Unsuitable where it overflows."""
    try:
        return make()
    except NonFiniteValue as error:
        raise _not_finite(error.count) from error


def _width(chain: Chain, steps: int) -> int:
    """Numbers of a sample after the first steps of a chain."""
    for step in reversed(chain.steps[:steps]):
        if isinstance(step, Affine):
            return step.outputs
        if isinstance(step, Meeting):
            return _width(replace(chain, steps=step.first), len(step.first))
    return chain.inputs


def _added(first: Sequence[Step], second: Sequence[Step], width: int) -> Affine | None:
    """The sum of two branches that are affine maps of features, as one; None where one of them is something else.

    width: numbers of a sample that come in.
    """
    mine, theirs = one_map(first, width), one_map(second, width)
    if mine is None or theirs is None:
        return None
    places = np.arange(mine.outputs)
    return merged([(places, mine), (places, theirs)], mine.outputs)


def _weights(steps: Iterable[Step]) -> int:
    """Numbers of affine maps; those of images hold a bias for each number that comes out."""
    return sum(
        _weights((*step.first, *step.second)) if isinstance(step, Meeting) else numbers_of(step)
        for step in steps
        if isinstance(step, Affine | Meeting)
    )


def _too_many() -> Unsuitable:
    return Unsuitable(f"the model comes to more than {MOST_WEIGHTS:,} weights with it")


def finite(values: ArrayLike) -> Floats:
    """Constants as float64. Raises Unsuitable for what is no finite real number."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise Unsuitable(f"its constants are of dtype {array.dtype}")
    with np.errstate(over="ignore"):
        numbers = array.astype(np.float64, copy=False)
    nonfinite = count_nonfinite(numbers)
    if nonfinite:
        raise _not_finite(nonfinite)
    return numbers


def _not_finite(count: int) -> Unsuitable:
    return Unsuitable(f"{count} of its constants are NaN or infinite, or become so with the maps before it")


def _spread(values: ArrayLike, shape: Shape) -> Floats:
    constants = finite(values)
    if constants.ndim == len(shape) + 1 and constants.shape[0] == 1:
        constants = constants[0]
    try:
        return np.broadcast_to(constants, shape).ravel()
    except ValueError:
        raise Unsuitable(f"its constants of shape {constants.shape} do not spread over samples of {shape}") from None


def repeated(first: Chain, second: Chain) -> tuple[Chain, Chain]:
    """Two values of which one has axes of length 1, over which it spreads; others as they are. Raises Unsuitable."""
    if len(first.shape) != len(second.shape):
        return first, second
    if any(1 not in pair and pair[0] != pair[1] for pair in zip(first.shape, second.shape, strict=True)):
        return first, second
    shape = np.broadcast_shapes(first.shape, second.shape)
    return first.repeat(shape), second.repeat(shape)


def parametrised(family: Callable[..., Function], *numbers: float) -> Function:
    """A function of a family of `fhenn.approx`. Raises Unsuitable where there is none with such parameters."""
    try:
        return family(*numbers)
    except ParameterError as error:
        raise Unsuitable(str(error).rstrip(".")) from None


def apply_step(step: Step, x: Floats) -> Floats:
    """A step of samples (samples, features); no guard warns."""
    if isinstance(step, Function):
        return np.asarray(step.value(x))
    if isinstance(step, Meeting):
        first, second = x, x
        for each in step.first:
            first = apply_step(each, first)
        for each in step.second:
            second = apply_step(each, second)
        return np.asarray(first * second if isinstance(step, Product) else first + second)
    return np.asarray((step if isinstance(step, Affine) else step.with_policy("ignore")).infer(x))


def _is(mine: Step, theirs: Step) -> bool:
    return mine is theirs or (isinstance(mine, Function) and mine == theirs)
