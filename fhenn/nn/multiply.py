"""The product of two branches as a node."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from fhenn.backends import Backend, backend_of
from fhenn.backends.plain import broadcast
from fhenn.ckks import CipherArray
from fhenn.errors import UnsupportedOperation
from fhenn.nn.branches import Branches
from fhenn.nn.node import Layer, Node


class Multiply(Branches):
    """body(x)·other(x), number by number, as gates and interactions of features are. Gradients are for plaintext.

    body: a node, as a `Sequential`.
    other: a node whose output has the shape of the body's; x itself where None.
    Raises ParameterError where they are no nodes, or the same one.

    >>> from fhenn.nn import Linear, Sequential, Sigmoid
    >>> gate = Multiply(Linear([[2.0]]), Sequential([Linear([[1.0]]), Sigmoid()]))
    >>> gate.forward([1.0]).round(3), gate.cost
    (array([1.386]), 4)
    """

    def __init__(self, body: Node, other: Node | None = None) -> None:
        super().__init__(body, other)
        self._product = _Product()

    @property
    def other(self) -> Node | None:
        """The second branch, None for x itself."""
        return self.second

    def forward(self, x: Any) -> Any:
        """body(x)·other(x).

        x: plaintext, or a `CipherArray`, of which nothing is kept.

        Raises ShapeMismatch; LevelExhausted, KeyMissing, ScaleMismatch; UnsupportedOperation for TenSEAL's own
        ciphertexts.
        """
        x = self._checked(x)
        if isinstance(x, CipherArray):
            return self.infer(x)
        left, right = self.body.forward(x), x if self.second is None else self.second.forward(x)
        self._require_alike(left, right)
        return self._product.forward(np.stack([left, right]))

    def _meet(self, left: Any, right: Any) -> Any:
        return left * right

    def split(self, gradient: Any) -> tuple[Any, Any]:
        """The gradient at each, times what the other made. Raises CacheEmpty."""
        of_body, of_other = self._product.backward(gradient)
        return of_body, of_other

    def backwards(self, gradients: Iterable[Any]) -> list[Any]:
        """Gradients at the input of each example: of each branch, times what the other made.

        Raises CacheEmpty, and UnsupportedOperation where gradients are ciphertexts.
        """
        gradients = list(gradients)
        if backend_of(*gradients).encrypted:
            raise UnsupportedOperation("Multiply.backward on ciphertexts", "Train on plaintext.")
        of_body, of_other = zip(*self._product.backwards(gradients), strict=True)
        through = self.body.backwards(of_body)
        beside = of_other if self.second is None else self.second.backwards(of_other)
        return [left + right.astype(left.dtype, copy=False) for left, right in zip(through, beside, strict=True)]

    @property
    def cost(self) -> int:
        """Levels that `forward` consumes on a ciphertext: one more than the deeper branch does."""
        return 1 + max(branch.cost for branch in self._branches)

    def enable_cache(self) -> None:
        """Keep inputs in both branches, and what they make of them; of ciphertexts nothing."""
        super().enable_cache()
        self._product.enable_cache()

    def disable_cache(self) -> None:
        """Keep nothing, and forget what was kept."""
        super().disable_cache()
        self._product.disable_cache()


class _Product(Layer):
    """The product of two arrays, stacked to one (2, ...)."""

    name = "Multiply"

    def _forward(self, backend: Backend, x: Any) -> Any:
        return x[0] * x[1]

    def _backward(self, x: Any, gradient: Any) -> tuple[Any, None]:
        return x[::-1] * broadcast("Multiply.backward", gradient, x.shape[1:]).astype(x.dtype), None

    @property
    def cost(self) -> int:
        return 1
