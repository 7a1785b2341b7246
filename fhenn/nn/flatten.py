"""Images as features: a node that computes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Self

from fhenn.backends import Backend, backend_of
from fhenn.backends.plain import broadcast
from fhenn.ckks import CipherArray
from fhenn.ckks.images import whole_numbers
from fhenn.errors import ShapeMismatch, UnsupportedOperation
from fhenn.nn.node import Layer, Shape


class Flatten(Layer):
    """Images (samples, channels, height, width) as features (samples, features), in C order; features stay.

    On ciphertexts it only changes the array's shape.

    shape: of a sample that goes in, (channels, height, width) or (channels, length); None where a `Sequential` is to
    tell it. Until it is known, images have four axes: of three it cannot be said whether the first counts samples.
    Raises ParameterError where shape is none.

    >>> import numpy as np
    >>> Flatten().forward(np.ones((5, 3, 2, 2))).shape
    (5, 12)
    """

    def __init__(self, *, shape: Sequence[int] | None = None) -> None:
        super().__init__()
        self._input_shape = None if shape is None else sample_shape(shape)

    def with_shape(self, shape: Sequence[int]) -> Self:
        """A fresh node that knows the shape of a sample. Raises ParameterError."""
        node = self.fresh()
        node._input_shape = sample_shape(shape)
        return node

    @property
    def input_shape(self) -> Shape | None:
        """The shape of a sample that goes in, None where it is not known yet."""
        return self._input_shape

    def shape_after(self, shape: Sequence[int]) -> Shape:
        """(features,)."""
        shape = sample_shape(shape)
        if self._input_shape not in (None, shape):
            raise ShapeMismatch(self.name, shape, str(self._input_shape))
        return (prod(shape),)

    @property
    def cost(self) -> int:
        """0."""
        return 0

    def _forward(self, backend: Backend, x: Any) -> Any:
        if backend.encrypted and not isinstance(x, CipherArray):
            raise UnsupportedOperation(
                f"Flatten on {type(x).__name__}", "Encrypt with fhenn.encrypt(layout='features')."
            )
        if not isinstance(x, CipherArray):
            before = x.shape[: len(x.shape) - self._axes(x.shape)]
        elif self._input_shape in (None, x.shape[1:]) or x.shape[1:] == (prod(self._input_shape or ()),):
            before = x.shape[:1]
        else:
            raise ShapeMismatch(self.name, x.shape, f"(samples, {', '.join(map(str, self._input_shape or ()))})")
        return x.reshape((*before, prod(x.shape[len(before) :])))

    def _axes(self, shape: Shape) -> int:
        """How many of an array's last axes are a sample's. Raises ShapeMismatch."""
        known = self._input_shape
        if known is None:
            if len(shape) == 3:
                wanted = "(samples, channels, height, width); for single images or sequences give Flatten(shape=)"
                raise ShapeMismatch(self.name, shape, wanted)
            return 3 if len(shape) >= 4 else min(1, len(shape))
        if len(shape) in (1, 2) and shape[-1] == prod(known):
            return 1
        if shape[-len(known) :] != known:
            raise ShapeMismatch(self.name, shape, f"(samples, {', '.join(map(str, known))})")
        return len(known)

    def _backward(self, x: Any, gradient: Any) -> tuple[Any, None]:
        if backend_of(x, gradient).encrypted:
            raise UnsupportedOperation("Flatten.backward on ciphertexts", "Train on plaintext.")
        before = x.shape[: len(x.shape) - self._axes(x.shape)]
        outputs = (*before, prod(x.shape[len(before) :]))
        return broadcast("Flatten.backward", gradient, outputs).astype(x.dtype).reshape(x.shape), None

    def __repr__(self) -> str:
        return f"{self.name}({'' if self._input_shape is None else f'shape={self._input_shape}, '}cost=0)"


def sample_shape(shape: Any) -> Shape:
    """The shape of a sample: (features,), (channels, length) or (channels, height, width), at least 1 each.

    Raises ParameterError for anything else.

    >>> sample_shape([3, 8, 8])
    (3, 8, 8)
    """
    count = len(shape) if isinstance(shape, Sequence) and 1 <= len(shape) <= 3 else 3
    return whole_numbers("shape", shape, 1, count)
