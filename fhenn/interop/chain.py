"""A model from elsewhere while it is read: what happens to the features of a sample, one step after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from math import isfinite, prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.approx import RELU, Function, hardtanh, leaky_relu
from fhenn.approx.fits import MAX_DEGREE
from fhenn.errors import NonFiniteValue, ParameterError, ShapeMismatch
from fhenn.finite import count_nonfinite
from fhenn.interop.fold import folded
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
)

Floats = NDArray[np.float64]
Shape = tuple[int, ...]
Around = tuple[tuple[int, int], ...]
"""Zeros before and after an image, along each of its axes."""


@dataclass(frozen=True, eq=False)
class Sum:
    """The sum of two branches of one value; a branch without steps is that value itself.

    first: the steps of a branch, at least one.
    second: those of the other one.
    """

    first: tuple[Step, ...]
    second: tuple[Step, ...]

    @property
    def depth(self) -> int:
        """How many sums lie one within the other."""
        return 1 + max((step.depth for step in (*self.first, *self.second) if isinstance(step, Sum)), default=0)


Step = Affine | Activation | Function | Sum
"""An affine map, a node, an exact function that a polynomial is still to be chosen for, or a sum of branches."""

SAMPLES = 2**62
"""The size, in a shape that is asked for, of the axis of samples: no axis is as long."""

MOST_FEATURES = 2**20
MOST_WEIGHTS = 2**26
"""Far more than what is computed on ciphertexts in a day; a model that says it has more fills the memory."""

MOST_NESTED = 16
"""Sums of branches within branches: networks have a few, and each is a step deeper in whatever walks a model."""


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
        """X Wᵀ + b of samples (features,): weight (out, in); bias: anything that spreads over (out,)."""
        matrix = finite(weight)
        if len(self.shape) != 1 or matrix.ndim != 2 or matrix.shape[1] != self.shape[0] or 0 in matrix.shape:
            raise Unsuitable(f"its weights of shape {matrix.shape} meet samples of shape {self.shape}, not a row each")
        shape = matrix.shape[:1]
        shift = np.zeros(shape) if bias is None else _spread(bias, shape)
        return self._then(Affine(Dense(matrix), shift), shape)

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
        weights = _weights(self.steps) + _weights(theirs)
        if weights > MOST_WEIGHTS:
            raise _too_many()
        both = Sum(mine, theirs) if mine else Sum(theirs, mine)
        if both.depth > MOST_NESTED:
            raise Unsuitable(f"more than {MOST_NESTED} sums of branches lie one within the other")
        holds = {each.held for each in (self, other) if each.held is not None}
        held = next(iter(holds)) if len(holds) == 1 else (self.features,) if holds else None
        return replace(self, steps=(*self.steps[:common], both), sealed=common, held=held)

    def times(self, other: Chain) -> Chain:
        """The product with another chain, where both are multiples of the same value: a multiple of its square."""
        common = self._common(other)
        factor = np.ones(self.features)
        for step in (*self.steps[common:], *other.steps[common:]):
            if not isinstance(step, Affine) or not isinstance(step.operator, Scaling) or np.any(step.bias):
                raise Unsuitable("two branches are multiplied that are not multiples of the same value")
            factor = factor * step.operator.factors
        if self.shape != other.shape:
            raise Unsuitable(f"it multiplies samples of shape {self.shape} and {other.shape}")
        square = replace(self, steps=self.steps[:common]).activate(Square())
        return square if np.all(factor == 1.0) else square.scale(factor.reshape(self.shape))

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

    def without_last(self) -> Chain:
        """All steps but the last."""
        return replace(self, steps=self.steps[:-1])

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
        return replace(self._then(layer, layer.output_shape), held=layer.output_shape)

    def _then(self, step: Affine, shape: Shape) -> Chain:
        last = self.steps[-1] if len(self.steps) > self.sealed else None
        joined = last if isinstance(last, Affine) else None
        before = self.steps if joined is None else self.steps[:-1]
        if _weights(before) + _size(joined, step) > MOST_WEIGHTS:
            raise _too_many()
        try:
            both = None if joined is None else folded(joined, step)
        except NonFiniteValue as error:
            raise _not_finite(error.count) from error
        steps = (*self.steps, step) if both is None else (*before, both)
        return replace(self, shape=shape, steps=steps, held=shape)


def _weights(steps: Iterable[Step]) -> int:
    """Numbers of affine maps; those of images hold a bias for each number that comes out."""
    return sum(
        _weights((*step.first, *step.second)) if isinstance(step, Sum) else _numbers(step)
        for step in steps
        if isinstance(step, Affine | Sum)
    )


def _numbers(step: Affine) -> int:
    return step.operator.size + (step.outputs if isinstance(step, ImageLayer) else 0)


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


def _size(joined: Affine | None, step: Affine) -> int:
    """Numbers of a step, or of its product with the affine map before it, before that is computed."""
    both = [each for each in (joined, step) if each is not None]
    if any(isinstance(each, ImageLayer) for each in both):
        return sum(map(_numbers, both))
    return step.outputs if all(isinstance(each.operator, Scaling) for each in both) else step.outputs * both[0].inputs


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
    if isinstance(step, Sum):
        first, second = x, x
        for each in step.first:
            first = apply_step(each, first)
        for each in step.second:
            second = apply_step(each, second)
        return np.asarray(first + second)
    return np.asarray((step if isinstance(step, Affine) else step.with_policy("ignore")).infer(x))


def _is(mine: Step, theirs: Step) -> bool:
    return mine is theirs or (isinstance(mine, Function) and mine == theirs)
