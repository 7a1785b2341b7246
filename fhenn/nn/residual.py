"""The sum of two branches as a node."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fhenn.backends import CIPHER, PLAIN, backend_of
from fhenn.backends.plain import broadcast
from fhenn.ckks import CipherArray
from fhenn.errors import UnsupportedOperation
from fhenn.nn.branches import Branches
from fhenn.nn.node import Node


class Residual(Branches):
    """body(x) + shortcut(x), as in residual networks (He et al. 2016). Gradients are for plaintext.

    body: a node, as a `Sequential`.
    shortcut: a node whose output has the shape of the body's; x itself where None.
    Raises ParameterError where they are no nodes, or the same one.

    >>> from fhenn.nn import Linear
    >>> Residual(Linear([[2.0]])).forward([3.0])
    array([9.])
    """

    _other = "shortcut"

    def __init__(self, body: Node, shortcut: Node | None = None) -> None:
        super().__init__(body, shortcut)

    @property
    def shortcut(self) -> Node | None:
        """The second branch, None for x itself."""
        return self.second

    def forward(self, x: Any) -> Any:
        """body(x) + shortcut(x).

        x: plaintext, or a `CipherArray`, of which the branch that is left with more levels is brought to the scale of
        the other exactly.

        Raises ShapeMismatch; ScaleMismatch where the branches end at the last level with two scales;
        UnsupportedOperation for TenSEAL's own ciphertexts.
        """
        x = self._checked(x)
        left, right = self.body.forward(x), x if self.second is None else self.second.forward(x)
        self._require_alike(left, right)
        return self._meet(left, right)

    def _meet(self, left: Any, right: Any) -> Any:
        return CIPHER.add(left, right) if isinstance(left, CipherArray) else left + right

    def split(self, gradient: Any) -> tuple[Any, Any]:
        """The gradient itself at both."""
        return gradient, gradient

    def backwards(self, gradients: Iterable[Any]) -> list[Any]:
        """Gradients at the input of each example: the sum of those through both branches.

        Raises CacheEmpty, and UnsupportedOperation where gradients are ciphertexts, or the inputs were.
        """
        gradients = list(gradients)
        through = self.body.backwards(gradients)
        beside = gradients if self.second is None else self.second.backwards(gradients)
        if backend_of(*through, *beside).encrypted:
            raise UnsupportedOperation("Residual.backward on ciphertexts", "Train on plaintext.")
        return [
            left + broadcast("Residual.backward", PLAIN.value(right), left.shape).astype(left.dtype)
            for left, right in zip(through, beside, strict=True)
        ]

    @property
    def cost(self) -> int:
        """Levels that `forward` consumes on a ciphertext: those of the deeper branch.

        One more where both branches end at one level with two scales, as those of `Square` and of `Linear` do.
        """
        return max(branch.cost for branch in self._branches)
