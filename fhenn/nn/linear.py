"""The affine map y = x Wᵀ + b as a node."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.backends import PLAIN, Backend, backend_of
from fhenn.backends.plain import broadcast
from fhenn.errors import ShapeMismatch, UnsupportedOperation
from fhenn.finite import require_finite
from fhenn.nn.node import Layer
from fhenn.nn.optimiser import SGD, Optimiser


class Linear(Layer):
    """y = x Wᵀ + b over the last axis, as in PyTorch.

    weight: (out, in). bias: (out,), zero where None. optimiser: how `update` and `updates` move them.
    Plaintext x: (..., in). Ciphertexts: `CipherArray` of samples × features in layout "features"; the result is back
    at the context's scale. An example may be a batch: its rows' parameter gradients are summed, as in PyTorch.
    Raises ShapeMismatch, NonFiniteValue.

    >>> Linear([[1.0, 2.0]], [0.5]).forward([3.0, 4.0])
    array([11.5])
    """

    def __init__(self, weight: ArrayLike, bias: ArrayLike | None = None, optimiser: Optimiser | None = None) -> None:
        super().__init__()
        matrix = _parameter("weight", weight)
        if matrix.ndim != 2 or 0 in matrix.shape:
            raise ShapeMismatch("Linear weight", matrix.shape, "(out, in), not empty")
        outputs = matrix.shape[0]
        vector = _parameter("bias", np.zeros(outputs) if bias is None else bias)
        if vector.shape != (outputs,):
            raise ShapeMismatch("Linear bias", vector.shape, f"({outputs},)")
        self._parameters = (matrix, vector)  # one value: a thread that computes meets both of one step
        self._optimiser = optimiser or SGD()
        self._states: tuple[Any, Any] = (None, None)

    @property
    def weight(self) -> NDArray[np.float64]:
        """The weight (out, in), read-only."""
        return self._parameters[0]

    @property
    def bias(self) -> NDArray[np.float64]:
        """The bias (out,), read-only."""
        return self._parameters[1]

    def scaled(self, factor: float) -> Self:
        """A node with weight and bias times `factor`; nothing kept, and its optimiser starts anew. NonFiniteValue."""
        node = self.fresh()
        weight, bias = self._parameters
        node._parameters = (_parameter("weight", factor * weight), _parameter("bias", factor * bias))
        node._states = (None, None)
        return node

    @property
    def cost(self) -> int:
        """Levels that `forward` consumes on a ciphertext: 1.

        A ciphertext that has none left is multiplied all the same where the first prime holds the product unrescaled.
        """
        return 1

    @property
    def has_parameters(self) -> bool:
        """True."""
        return True

    def _forward(self, backend: Backend, x: Any) -> Any:
        return backend.linear(x, *self._parameters)

    def _backward(self, x: Any, gradient: Any) -> tuple[Any, Any]:
        if backend_of(x, gradient).encrypted:
            raise UnsupportedOperation(
                "Linear.backward on ciphertexts",
                "Train on plaintext, or with fhenn.EncryptedLinear, whose weights are encrypted too.",
            )
        weight, _ = self._parameters
        gradient = broadcast("Linear.backward", gradient, (*x.shape[:-1], weight.shape[0]))
        rows, of_rows = x.reshape(-1, x.shape[-1]), gradient.reshape(-1, weight.shape[0])
        of_weight = (of_rows.T @ rows).astype(np.float64)
        at_input = PLAIN.linear(gradient.astype(x.dtype), weight.T, None)
        return at_input, (of_weight, of_rows.sum(axis=0, dtype=np.float64))

    def _step(self, gradients: list[Any]) -> None:
        of_weight, of_bias = (np.mean(parts, axis=0) for parts in zip(*gradients, strict=True))
        weight, bias = self._parameters
        weight, state_of_weight = self._optimiser.step(weight, of_weight, self._states[0])
        bias, state_of_bias = self._optimiser.step(bias, of_bias, self._states[1])
        self._parameters = (_parameter("weight", weight), _parameter("bias", bias))
        self._states = (state_of_weight, state_of_bias)


def _parameter(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """A read-only float64 copy. Raises NonFiniteValue, UnsupportedValue."""
    array = np.array(PLAIN.value(values), dtype=np.float64)
    require_finite(f"Linear {name}", array, "If training led here, it diverged: lower the learning rate.")
    array.flags.writeable = False
    return array
