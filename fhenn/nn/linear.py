"""The affine map y = x Wᵀ + b as a node that trains."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.ckks.operator import Dense
from fhenn.errors import ShapeMismatch
from fhenn.nn.affine import Affine, constants
from fhenn.nn.optimiser import SGD, Optimiser


class Linear(Affine):
    """y = x Wᵀ + b over the last axis, as in PyTorch: an `Affine` whose operator is a dense weight, and which trains.

    weight: (out, in).
    bias: (out,); zero where None.
    optimiser: how `update` and `updates` move them.
    Raises ShapeMismatch where weight or bias have another shape.
    Raises NonFiniteValue where they hold NaN or infinity.

    Plaintext x: (..., in). Ciphertexts: `CipherArray` of samples × features; the result is back at the context's scale.
    An example may be a batch: its rows' parameter gradients are summed, as in PyTorch.

    >>> Linear([[1.0, 2.0]], [0.5]).forward([3.0, 4.0])
    array([11.5])
    """

    def __init__(self, weight: ArrayLike, bias: ArrayLike | None = None, optimiser: Optimiser | None = None) -> None:
        matrix = constants("Linear weight", weight)
        if matrix.ndim != 2 or 0 in matrix.shape:
            raise ShapeMismatch("Linear weight", matrix.shape, "(out, in), not empty")
        if bias is not None and np.ndim(bias) == 0:
            raise ShapeMismatch("Linear bias", (), f"({matrix.shape[0]},)")
        super().__init__(Dense(matrix), bias)
        self._optimiser = optimiser or SGD()
        self._states: tuple[Any, Any] = (None, None)

    @property
    def weight(self) -> NDArray[np.float64]:
        """The weight (out, in), read-only; the same array until a step changes it."""
        return self.operator.dense()

    def scaled(self, factor: float) -> Self:
        """A node with weight and bias times a factor; nothing kept, its optimiser starts anew. NonFiniteValue."""
        node = super().scaled(factor)
        node._states = (None, None)
        return node

    @property
    def has_parameters(self) -> bool:
        """True."""
        return True

    def _of_parameters(self, x: Any, gradient: Any) -> Any:
        rows, of_rows = x.reshape(-1, x.shape[-1]), gradient.reshape(-1, gradient.shape[-1])
        return (of_rows.T @ rows).astype(np.float64), of_rows.sum(axis=0, dtype=np.float64)

    def _step(self, gradients: list[Any]) -> None:
        of_weight, of_bias = (np.mean(parts, axis=0) for parts in zip(*gradients, strict=True))
        operator, bias = self._map
        weight, state_of_weight = self._optimiser.step(operator.dense(), of_weight, self._states[0])
        bias, state_of_bias = self._optimiser.step(bias, of_bias, self._states[1])
        self._map = Dense(constants("Linear weight", weight)), constants("Linear bias", bias)
        self._states = (state_of_weight, state_of_bias)

    def __repr__(self) -> str:
        return f"{self.name}(inputs={self.inputs}, outputs={self.outputs}, cost={self.cost})"
