"""A model from elsewhere while it is read: what happens to the features of a sample, one step after another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.approx import Function
from fhenn.errors import NonFiniteValue
from fhenn.finite import count_nonfinite
from fhenn.nn import Activation, Affine, Dense, Scaling

Floats = NDArray[np.float64]
Shape = tuple[int, ...]
Step = Affine | Activation | Function
"""An affine map, a node, or an exact function that a polynomial is still to be chosen for."""

SAMPLES = 2**62
"""The size, in a shape that is asked for, of the axis of samples: no axis is as long."""

MOST_FEATURES = 2**20
MOST_WEIGHTS = 2**26
"""Far more than what is computed on ciphertexts in a day; a model that says it has more fills the memory."""


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

    >>> chain = Chain.start((2, 2)).scale([0.5, 2.0]).reshape((4,)).linear([[1.0, 1.0, 1.0, 1.0]])
    >>> chain.shape, len(chain.steps), chain.steps[0].operator.dense()
    ((1,), 1, array([[0.5, 2. , 0.5, 2. ]]))
    """

    inputs: int
    shape: Shape
    steps: tuple[Step, ...] = ()

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
        return self._then(Affine(Scaling(_spread(factor, self.shape)), _spread(shift, self.shape)), self.shape)

    def linear(self, weight: ArrayLike, bias: ArrayLike | None = None) -> Chain:
        """X Wᵀ + b of samples (features,): weight (out, in); bias: anything that spreads over (out,)."""
        matrix = finite(weight)
        if len(self.shape) != 1 or matrix.ndim != 2 or matrix.shape[1] != self.shape[0] or 0 in matrix.shape:
            raise Unsuitable(f"its weights of shape {matrix.shape} meet samples of shape {self.shape}, not a row each")
        shape = matrix.shape[:1]
        shift = np.zeros(shape) if bias is None else _spread(bias, shape)
        return self._then(Affine(Dense(matrix), shift), shape)

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

    def _then(self, step: Affine, shape: Shape) -> Chain:
        joined = self.steps[-1] if self.steps and isinstance(self.steps[-1], Affine) else None
        inputs = step.inputs if joined is None else joined.inputs
        matrices = [each for each in self.steps if isinstance(each, Affine) and each is not joined]
        if sum(each.operator.size for each in matrices) + _size(joined, step, inputs) > MOST_WEIGHTS:
            raise Unsuitable(f"the model comes to more than {MOST_WEIGHTS:,} weights with it")
        if joined is None:
            return replace(self, shape=shape, steps=(*self.steps, step))
        try:
            both = joined.then(step)
        except NonFiniteValue as error:
            raise _not_finite(error.count) from error
        return replace(self, shape=shape, steps=(*self.steps[:-1], both))


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


def _size(joined: Affine | None, step: Affine, inputs: int) -> int:
    """Numbers of a step, or of its product with the affine map before it, before that is computed."""
    elementwise = all(isinstance(each.operator, Scaling) for each in (joined, step) if each is not None)
    return step.outputs if elementwise else step.outputs * inputs


def apply_step(step: Step, x: Floats) -> Floats:
    """A step of samples (samples, features); no guard warns."""
    if isinstance(step, Function):
        return np.asarray(step.value(x))
    return np.asarray((step if isinstance(step, Affine) else step.with_policy("ignore")).infer(x))


def _is(mine: Step, theirs: Step) -> bool:
    return mine is theirs or (isinstance(mine, Function) and mine == theirs)
