"""Two branches from one input that meet again, as a node: what their sum and their product share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Self

from fhenn.backends import backend_of
from fhenn.ckks import CipherArray
from fhenn.errors import ParameterError, ShapeMismatch, UnsupportedOperation
from fhenn.nn.node import Node, Shape, require_each_once


class Branches(Node):
    """A node that makes one value of what two branches make of its input.

    body: a node, as a `Sequential`.
    other: a node whose output has the shape of the body's; x itself where None.
    Raises ParameterError where they are no nodes, or the same one.
    """

    _other = "other"
    """What the second branch is called."""

    def __init__(self, body: Node, other: Node | None) -> None:
        if not isinstance(body, Node) or not isinstance(other, Node | None):
            raise ParameterError(
                f"body and {self._other} must be fhenn nodes.",
                f"Give for instance {self.name}(Sequential([Conv2d(weight)])).",
            )
        if body is other:
            raise ParameterError(
                f"body and {self._other} are the same node.", "Make a node of its own for each branch."
            )
        self._branches: tuple[Node, ...] = (body,) if other is None else (body, other)
        require_each_once(self._branches)

    @property
    def nodes(self) -> Sequence[Node]:
        """The branches that compute something."""
        return self._branches

    @property
    def body(self) -> Node:
        """The first branch."""
        return self._branches[0]

    @property
    def second(self) -> Node | None:
        """The second one, None for x itself."""
        return self._branches[1] if len(self._branches) == 2 else None

    def with_branches(self, body: Node, second: Node | None) -> Self:
        """A node of the same kind with other branches.

        body, second: as `body` and `second` are.
        """
        return type(self)(body, second)

    def with_shape(self, shape: Sequence[int]) -> Self:
        """A node of branches that know the shape of a sample. Raises ParameterError, ShapeMismatch."""
        self.shape_after(shape)
        second = None if self.second is None else self.second.with_shape(shape)
        return self.with_branches(self.body.with_shape(shape), second)

    @property
    def input_shape(self) -> Shape | None:
        """The shape of a sample that goes in, None where no branch knows it."""
        return next((shape for shape in (branch.input_shape for branch in self._branches) if shape is not None), None)

    def shape_after(self, shape: Sequence[int]) -> Shape:
        """The shape of what comes out. Raises ShapeMismatch where the branches come to different ones."""
        after = self.body.shape_after(shape)
        beside = tuple(shape) if self.second is None else self.second.shape_after(shape)
        if after != beside:
            raise self._apart(after, beside)
        return after

    def infer(self, x: Any) -> Any:
        """`forward` that keeps nothing for `backward`."""
        x = self._checked(x)
        left, right = self.body.infer(x), x if self.second is None else self.second.infer(x)
        self._require_alike(left, right)
        return self._meet(left, right)

    @abstractmethod
    def _meet(self, left: Any, right: Any) -> Any:
        """What is made of the outputs of both branches, which have one shape."""

    @abstractmethod
    def split(self, gradient: Any) -> tuple[Any, Any]:
        """Gradients at the outputs of both branches of the last `forward` on plaintext.

        gradient: at what is made of them.

        Raises CacheEmpty where something was to be kept for it, and was not.
        """

    def _checked(self, x: Any) -> Any:
        backend = backend_of(x)
        if backend.encrypted and not isinstance(x, CipherArray):
            raise UnsupportedOperation(f"{self.name} on {type(x).__name__}", "Encrypt with fhenn.encrypt.")
        return backend.value(x)

    def _require_alike(self, left: Any, right: Any) -> None:
        """Raise ShapeMismatch where the branches come to different shapes."""
        if left.shape != right.shape:
            raise self._apart(left.shape, right.shape)

    def _apart(self, left: Shape, right: Shape) -> ShapeMismatch:
        return ShapeMismatch(self.name, left, f"{right} from its body, as comes from its {self._other}")

    def update(self) -> None:
        """`update` of both branches."""
        for branch in self._branches:
            branch.update()

    def updates(self) -> None:
        """`updates` of both branches."""
        for branch in self._branches:
            branch.updates()

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
