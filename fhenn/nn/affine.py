"""The affine map y = A x + b as a node, whatever kind of linear map A is."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.backends import PLAIN, Backend, backend_of
from fhenn.backends.plain import broadcast, flatten_first
from fhenn.ckks.layout import WholeSamples
from fhenn.ckks.operator import Operator, Scaling
from fhenn.errors import ShapeMismatch, UnsupportedOperation, UnsupportedValue
from fhenn.finite import require_finite
from fhenn.nn.grid import Grid
from fhenn.nn.node import Layer, Shape
from fhenn.text import an

Floats = NDArray[np.float64]


class Affine(Layer):
    """y = A x + b over the last axis, with an operator A and a bias b that stand still; `Linear` is one that trains.

    operator: A, of shape (outputs, inputs): dense, a factor for each feature, sparse (`fhenn.nn.Dense`, `Scaling`,
    `Sparse`). On ciphertexts it costs what its non-zero diagonals cost.
    bias: b, (outputs,), or a number for all; zero where None.
    Raises ShapeMismatch where the bias does not fit.
    Raises NonFiniteValue where the bias holds NaN or infinity.
    Raises UnsupportedValue where the operator is none.

    A `Scaling` acts on images as well, number by number: `with_shape` tells it which, as a `Sequential` with a shape
    does. Its samples are then features or images, and what comes out is the same.

    >>> standardise = Affine(Scaling([0.5, 2.0]), [1.0, 0.0])
    >>> standardise.forward([2.0, 3.0])
    array([2., 6.])
    """

    def __init__(self, operator: Operator, bias: ArrayLike | None = None) -> None:
        super().__init__()
        if not isinstance(operator, Operator):
            expected = "an operator: Dense(matrix), Scaling(factors) or Sparse(…) of fhenn.nn"
            raise UnsupportedValue(an(type(operator).__name__), expected)
        shift = constants(f"{self.name} bias", 0.0 if bias is None else bias)
        if shift.shape not in ((), (operator.outputs,)):
            raise ShapeMismatch(f"{self.name} bias", shift.shape, f"({operator.outputs},)")
        # one value: a thread that computes meets both of one step
        self._map = operator, constants(f"{self.name} bias", np.broadcast_to(shift, (operator.outputs,)))

    @property
    def idle(self) -> float:
        """What positions of a ciphertext hold that hold no output: 0, unless what follows is served better."""
        return 0.0

    _image: Shape | None = None
    """The shape of the images that a scaling acts on."""

    def _both(self) -> tuple[Operator, Floats]:
        """A and b of one moment."""
        return self._map

    @property
    def target(self) -> WholeSamples | None:
        """Where outputs go in ciphertexts of whole samples: one after another (None), but in a plan."""
        return None

    @property
    def grid(self) -> Grid | None:
        """The images that it takes and makes; None where its features are none."""
        if self._image is None:
            return None
        channels, *sizes = self._image
        height, width = sizes if len(sizes) == 2 else (1, *sizes)
        return Grid((channels, height, width), (channels, height, width), (1, 1))

    @property
    def operator(self) -> Operator:
        """A."""
        return self._both()[0]

    @property
    def bias(self) -> Floats:
        """b, (outputs,), read-only."""
        return self._both()[1]

    @property
    def inputs(self) -> int:
        """Numbers of a sample that go in."""
        return self.operator.inputs

    @property
    def outputs(self) -> int:
        """Numbers that come out for a sample."""
        return self.operator.outputs

    @property
    def parameters(self) -> int:
        """How many numbers it holds."""
        return self.operator.size + self.bias.size

    @property
    def cost(self) -> int:
        """Levels that `forward` consumes on a ciphertext: 1.

        A ciphertext that has none left is multiplied all the same where the first prime holds the product unrescaled.
        """
        return 1

    @property
    def input_shape(self) -> Shape | None:
        """(inputs,), but for the images of a scaling that knows theirs."""
        return self._image or (self.inputs,)

    def with_shape(self, shape: Sequence[int]) -> Affine:
        """The node for samples of a shape: itself for features; of a scaling also a fresh one for images.

        shape: (inputs,), or the shape of images of as many numbers.
        Raises ShapeMismatch where it takes no such samples.

        >>> Affine(Scaling([0.5, 2.0])).with_shape((1, 1, 2)).forward([[[2.0, 3.0]]])
        array([[[1., 6.]]])
        """
        self.shape_after(shape)
        if tuple(shape) == (self._image or (self.inputs,)):
            return self
        node = self.fresh()
        node._image = tuple(shape) if len(shape) > 1 else None
        return node

    def shape_after(self, shape: Sequence[int]) -> Shape:
        """(outputs,), for samples of shape (inputs,); a scaling leaves images as they are. Raises ShapeMismatch."""
        if 1 < len(shape) <= 3 and isinstance(self.operator, Scaling) and prod(shape) == self.inputs:
            return tuple(shape)
        if tuple(shape) != (self.inputs,):
            raise ShapeMismatch(self.name, tuple(shape), f"({self.inputs},){flatten_first(shape, self.inputs)}")
        return (self.outputs,)

    def then(self, after: Affine) -> Affine:
        """This map and another one after it, as one, with the product of their operators.

        after: a map of as many inputs as this one has outputs.
        Raises ShapeMismatch where they do not fit.
        Raises NonFiniteValue where the product overflows.

        >>> both = Affine(Scaling([0.5, 2.0]), [1.0, 0.0]).then(Affine(Scaling([2.0, 2.0])))
        >>> both.operator, both.bias
        (Scaling(inputs=2, outputs=2), array([2., 0.]))
        """
        if after.inputs != self.outputs:
            shape = after.operator.shape
            raise ShapeMismatch(f"{after.name} after {self.name}", shape, f"(outputs, {self.outputs})")
        with np.errstate(over="ignore", invalid="ignore"):  # refused where the map is made
            bias = after.operator.apply(self.bias) + after.bias
        return Affine(after.operator @ self.operator, bias)

    def scaled(self, factor: float) -> Self:
        """A node with operator and bias times a factor, nothing kept. Raises NonFiniteValue."""
        node = self.fresh()
        operator, bias = self._map
        scaling = Scaling(np.full(operator.outputs, float(factor)))
        node._map = scaling @ operator, constants(f"{self.name} bias", scaling.apply(bias))
        return node

    def evaluate(self, backend: Backend, x: Any) -> Any:
        """A x + b through a backend."""
        operator, bias = self._both()
        image = self._image
        if image is not None and x.shape[-len(image) :] == image:
            before = x.shape[: -len(image)]
            features = x.reshape((*before, operator.inputs))
            return backend.affine(features, operator, bias, self.idle, self.target).reshape(x.shape)
        if not backend.encrypted and (x.ndim == 0 or x.shape[-1] != operator.inputs):
            hint = flatten_first(x.shape, operator.inputs) or flatten_first(x.shape[1:], operator.inputs)
            raise ShapeMismatch(self.name, x.shape, f"(..., {operator.inputs}){hint}")
        return backend.affine(x, operator, bias, self.idle, self.target)

    def _forward(self, backend: Backend, x: Any) -> Any:
        return self.evaluate(backend, x)

    def _backward(self, x: Any, gradient: Any) -> tuple[Any, Any]:
        if backend_of(x, gradient).encrypted:
            raise UnsupportedOperation(
                f"{self.name}.backward on ciphertexts",
                "Train on plaintext, or with fhenn.EncryptedLinear, whose weights are encrypted too.",
            )
        operator, image = self.operator, self._image
        if image is not None and x.shape[-len(image) :] == image:
            gradient = broadcast(f"{self.name}.backward", gradient, x.shape).astype(x.dtype)
            return operator.T.apply(gradient.reshape((*x.shape[: -len(image)], -1))).reshape(x.shape), None
        gradient = broadcast(f"{self.name}.backward", gradient, (*x.shape[:-1], operator.outputs))
        return operator.T.apply(gradient.astype(x.dtype)), self._of_parameters(x, gradient)

    def _of_parameters(self, x: Any, gradient: Any) -> Any:
        """The gradients of the parameters for an input and the gradient at the output; None where there are none."""
        return None

    def __repr__(self) -> str:
        return f"{self.name}(operator={self.operator!r}, cost={self.cost})"


def constants(name: str, values: ArrayLike) -> Floats:
    """A read-only float64 copy of the numbers of a layer.

    name: what they are, in messages.
    Raises NonFiniteValue where they hold NaN or infinity.
    Raises UnsupportedValue where they are no real numbers.
    """
    array = np.array(PLAIN.value(values), dtype=np.float64)
    require_finite(name, array, "If training led here, it diverged: lower the learning rate.")
    array.flags.writeable = False
    return array
