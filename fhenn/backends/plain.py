"""The plaintext twin: the nodes' arithmetic in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.approx import Polynomial
from fhenn.approx.numbers import floating
from fhenn.ckks.layout import WholeSamples
from fhenn.ckks.operator import Operator
from fhenn.errors import ShapeMismatch

Floats = NDArray[np.floating[Any]]


class PlainBackend:
    """NumPy arithmetic: float32 stays float32, everything else computes in float64."""

    encrypted = False

    def value(self, x: ArrayLike) -> Floats:
        """`x` as a float32 array if it is one, as float64 otherwise; any shape. Raises UnsupportedValue."""
        return floating(x)

    def keep(self, x: Floats) -> Floats:
        """A read-only copy."""
        copy = x.copy()
        copy.flags.writeable = False
        return copy

    def polynomial(self, polynomial: Polynomial, x: Floats) -> Any:
        """p(x), in the precision and shape of `x`."""
        return polynomial(x)[()]

    def polynomial_times(self, polynomial: Polynomial, x: Floats, factor: ArrayLike) -> Any:
        """p(x)·factor in the precision of `x`.

        polynomial: p.
        x: the inputs, of any shape.
        factor: of a shape that broadcasts to that of `x`.

        Raises ShapeMismatch where it does not.
        """
        factor = broadcast("backward", self.value(factor), x.shape)
        return (polynomial(x) * factor.astype(x.dtype, copy=False))[()]

    def affine(
        self,
        x: Floats,
        operator: Operator,
        bias: NDArray[np.float64] | None,
        idle: float = 0.0,
        target: WholeSamples | None = None,
    ) -> Any:
        """A x + b of every sample, in the precision of `x`.

        x: (..., inputs).
        operator: A, (outputs, inputs).
        bias: b, (outputs,), or None for zero.
        idle, target: of no interest to arrays, which have no positions.

        Returns (..., outputs).
        Raises ShapeMismatch.
        """
        product = operator.apply(x)
        return product if bias is None else product + bias.astype(x.dtype, copy=False)

    def headroom(self, polynomial: Polynomial, x: Floats) -> float:
        """Infinite: plaintext does not wrap."""
        return inf

    def reveal(self, x: Floats, secret: Any) -> Floats:
        """`x` itself."""
        return x


def flatten_first(shape: Sequence[int], features: int) -> str:
    """What to do where features are wanted and images are given, to follow the shape that is wanted; empty elsewhere.

    shape: of a sample that is given.
    features: that are wanted.

    >>> flatten_first((1, 2, 2), 4), flatten_first((4,), 4)
    (': put Flatten() before it', '')
    """
    return ": put Flatten() before it" if len(shape) > 1 and prod(shape) == features else ""


def same_shape(operation: str, value: Floats, shape: tuple[int, ...]) -> Floats:
    """A value, which must have a shape.

    operation: that wants it, for the error.
    value: an array.
    shape: that it must have.

    Raises ShapeMismatch where it has another.
    """
    if value.shape != shape:
        raise ShapeMismatch(operation, shape, str(value.shape))
    return value


def broadcast(operation: str, value: Floats, shape: tuple[int, ...]) -> Floats:
    """A value, broadcast to a shape.

    operation: that wants it, for the error.
    value: an array.
    shape: that it is broadcast to.

    Raises ShapeMismatch where NumPy refuses.
    """
    try:
        return np.broadcast_to(value, shape)
    except ValueError as error:
        raise ShapeMismatch(operation, value.shape, f"one that broadcasts to {shape}") from error


PLAIN = PlainBackend()
