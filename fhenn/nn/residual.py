"""The sum of two branches as a node."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fhenn.backends import CIPHER, PLAIN, backend_of
from fhenn.backends.plain import broadcast
from fhenn.ckks import CipherArray
from fhenn.errors import ParameterError, ShapeMismatch, UnsupportedOperation
from fhenn.nn.node import Node, Shape


class Residual(Node):
    """body(x) + shortcut(x), as in residual networks (He et al. 2016). Gradients are for plaintext.

    body: a node, as a `Sequential`.
    shortcut: a node whose output has the shape of the body's; x itself where None.
    Raises ParameterError where they are no nodes, or the same one.

    >>> from fhenn.nn import Linear
    >>> Residual(Linear([[2.0]])).forward([3.0])
    array([9.])
    """

    def __init__(self, body: Node, shortcut: Node | None = None) -> None:
        if not isinstance(body, Node) or not isinstance(shortcut, Node | None):
            raise ParameterError(
                "body and shortcut must be fhenn nodes.", "Give for instance Residual(Sequential([Conv2d(weight)]))."
            )
        if body is shortcut:
            raise ParameterError("body and shortcut are the same node.", "Make a node of its own for each branch.")
        self._body, self._shortcut = body, shortcut

    @property
    def body(self) -> Node:
        """The first branch."""
        return self._body

    @property
    def shortcut(self) -> Node | None:
        """The second one, None for x itself."""
        return self._shortcut

    @property
    def _branches(self) -> tuple[Node, ...]:
        return (self._body,) if self._shortcut is None else (self._body, self._shortcut)

    def with_shape(self, shape: Sequence[int]) -> Residual:
        """A node of branches that know the shape of a sample. Raises ParameterError, ShapeMismatch."""
        self.shape_after(shape)
        body, *others = (branch.with_shape(shape) for branch in self._branches)
        return Residual(body, *others)

    @property
    def input_shape(self) -> Shape | None:
        """The shape of a sample that goes in, None where no branch knows it."""
        return next((shape for shape in (branch.input_shape for branch in self._branches) if shape is not None), None)

    def shape_after(self, shape: Sequence[int]) -> Shape:
        """The shape of the sum. Raises ShapeMismatch where the branches come to different ones."""
        after = self._body.shape_after(shape)
        beside = tuple(shape) if self._shortcut is None else self._shortcut.shape_after(shape)
        if after != beside:
            raise ShapeMismatch("Residual", after, f"{beside} from its body, as comes from its shortcut")
        return after

    def forward(self, x: Any) -> Any:
        """body(x) + shortcut(x).

        x: plaintext, or a `CipherArray`, of which the branch that is left with more levels is brought to the scale of
        the other exactly.

        Raises ShapeMismatch; ScaleMismatch where the branches end at the last level with two scales;
        UnsupportedOperation for TenSEAL's own ciphertexts.
        """
        x = self._checked(x)
        return self._sum(self._body.forward(x), x if self._shortcut is None else self._shortcut.forward(x))

    def infer(self, x: Any) -> Any:
        """The same, keeping nothing for `backward`."""
        x = self._checked(x)
        return self._sum(self._body.infer(x), x if self._shortcut is None else self._shortcut.infer(x))

    def _checked(self, x: Any) -> Any:
        backend = backend_of(x)
        if backend.encrypted and not isinstance(x, CipherArray):
            raise UnsupportedOperation(f"Residual on {type(x).__name__}", "Encrypt with fhenn.encrypt.")
        return backend.value(x)

    @staticmethod
    def _sum(left: Any, right: Any) -> Any:
        if left.shape != right.shape:
            raise ShapeMismatch("Residual", left.shape, f"{right.shape} from its body, as comes from its shortcut")
        return CIPHER.add(left, right) if isinstance(left, CipherArray) else left + right

    def backwards(self, gradients: Iterable[Any]) -> list[Any]:
        """Gradients at the input of each example: the sum of those through both branches.

        Raises CacheEmpty, and UnsupportedOperation where gradients are ciphertexts, or the inputs were.
        """
        gradients = list(gradients)
        through = self._body.backwards(gradients)
        beside = gradients if self._shortcut is None else self._shortcut.backwards(gradients)
        if backend_of(*through, *beside).encrypted:
            raise UnsupportedOperation("Residual.backward on ciphertexts", "Train on plaintext.")
        return [
            left + broadcast("Residual.backward", PLAIN.value(right), left.shape).astype(left.dtype)
            for left, right in zip(through, beside, strict=True)
        ]

    def update(self) -> None:
        """`update` of both branches."""
        for branch in self._branches:
            branch.update()

    def updates(self) -> None:
        """`updates` of both branches."""
        for branch in self._branches:
            branch.updates()

    @property
    def cost(self) -> int:
        """Levels that `forward` consumes on a ciphertext: those of the deeper branch.

        One more where both branches end at one level with two scales, as those of `Square` and of `Linear` do.
        """
        return max(branch.cost for branch in self._branches)

    @property
    def has_parameters(self) -> bool:
        """Whether a branch has any."""
        return any(branch.has_parameters for branch in self._branches)

    def enable_cache(self) -> None:
        """Keep inputs of every kind in both branches."""
        for branch in self._branches:
            branch.enable_cache()

    def disable_cache(self) -> None:
        """Keep no inputs in either branch, and forget those kept."""
        for branch in self._branches:
            branch.disable_cache()

    @property
    def is_cache_enabled(self) -> bool:
        """Whether both branches keep their inputs."""
        return all(branch.is_cache_enabled for branch in self._branches)

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self._branches))})"
