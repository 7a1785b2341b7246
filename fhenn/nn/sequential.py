"""Nodes one after another, as one node."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from typing import Any, cast

from numpy.typing import ArrayLike

from fhenn.errors import ParameterError, ShapeMismatch
from fhenn.nn.activation import Activation
from fhenn.nn.affine import Affine
from fhenn.nn.finish import FINISHES, Finish, finished
from fhenn.nn.flatten import sample_shape
from fhenn.nn.image import ImageLayer
from fhenn.nn.node import Node, Shape, require_each_once


class Sequential(Node):
    """Nodes whose output is the next one's input.

    nodes: at least one, each its own object; each must fit what comes out of the one before it, where that is known.
    finish: what the client applies to the decrypted output: "sigmoid", "softmax", "argmax", or None. It is exact, and
    two levels cheaper than a `Sigmoid` at the end. It reveals the scores themselves to the client, which a sigmoid on
    the server would have passed through the cubic; that function can be inverted inside the band, so no secret is lost.
    shape: of a sample, (features,), (channels, length) or (channels, height, width); that which the first node takes
    where None. Nodes of images that do not know theirs are taken as copies that do.
    Raises ParameterError where nodes are none, or one is there twice, or the finish is unknown or says nothing.
    Raises ShapeMismatch, ParameterError where a node does not fit the one before it.

    >>> from fhenn.nn import Linear, Sigmoid
    >>> model = Sequential([Linear([[1.0, 1.0]]), Sigmoid()])
    >>> model.cost, model.forward([0.25, 0.75]).round(3)
    (3, array([0.693]))
    >>> from fhenn.nn import AvgPool2d, Flatten
    >>> Sequential([AvgPool2d(2), Flatten()], shape=(1, 28, 28)).output_shape
    (196,)
    """

    def __init__(
        self, nodes: Iterable[Node], *, finish: Finish | None = None, shape: Sequence[int] | None = None
    ) -> None:
        self._nodes = tuple(nodes)
        if not self._nodes or not all(isinstance(node, Node) for node in self._nodes):
            raise ParameterError(
                "nodes must be a list of fhenn nodes, at least one.", "Give for instance [Linear(weight), Sigmoid()]."
            )
        require_each_once(self._nodes)
        if finish is not None and finish not in FINISHES:
            raise ParameterError(f"finish {finish!r} is unknown.", f"Choose None or one of {list(FINISHES)}.")
        self._finish = finish
        self._shape = self._first_shape() if shape is None else sample_shape(shape)
        self._fit()

    def _first_shape(self) -> Shape | None:
        """The shape that the first node which has one takes, where those before it take any."""
        for node in self._nodes:
            if node.input_shape is not None or not isinstance(node, Activation):
                return node.input_shape
        return None

    def _fit(self) -> None:
        """Let every node know the shape of what comes to it. Raises ShapeMismatch, ParameterError."""
        nodes, shape = list[Node](), self._shape
        for node in self._nodes:
            if shape is None:
                shape = node.input_shape
            if shape is not None:
                features = isinstance(node, Affine) and not isinstance(node, ImageLayer)
                if features and len(shape) == 1 and node.input_shape != shape:
                    wanted = f"(out, {shape[0]}) after an output of {shape[0]}"
                    raise ShapeMismatch("Sequential", cast("Affine", node).operator.shape, wanted)
                after = node.shape_after(shape)
                nodes.append(node if node.input_shape == shape else node.with_shape(shape))
                shape = after
            else:
                nodes.append(node)
        self._nodes, self._output_shape = tuple(nodes), shape
        if shape == (1,) and self._finish in ("softmax", "argmax"):
            raise ParameterError(
                f"finish {self._finish!r} of a single output is the same for every sample.",
                "Give 'sigmoid', which is the probability of yes, or one output for each class.",
            )

    @property
    def shape(self) -> Shape | None:
        """The shape of a sample that goes in, None where it is not known."""
        return self._shape

    @property
    def input_shape(self) -> Shape | None:
        """The same."""
        return self._shape

    @property
    def output_shape(self) -> Shape | None:
        """The shape of what comes out for a sample, None where it is not known."""
        return self._output_shape

    def shape_after(self, shape: Sequence[int]) -> Shape:
        """The shape of what comes out for a sample of a shape. Raises ShapeMismatch, ParameterError."""
        after = sample_shape(shape)
        for node in self._nodes:
            after = node.shape_after(after)
        return after

    def with_shape(self, shape: Sequence[int]) -> Sequential:
        """The same model of nodes that know the shape of a sample. Raises ShapeMismatch, ParameterError."""
        model = copy(self)
        model._shape = sample_shape(shape)
        model._fit()
        return model

    @property
    def nodes(self) -> Sequence[Node]:
        """The nodes in order."""
        return self._nodes

    def with_nodes(self, nodes: Iterable[Node]) -> Sequential:
        """A model of its own with other nodes and the same finish. Raises ParameterError, ShapeMismatch."""
        return Sequential(nodes, finish=self._finish, shape=self._image_shape)

    @property
    def _image_shape(self) -> Shape | None:
        """The shape of a sample that is an image; that of features is told by the nodes."""
        return self._shape if self._shape is not None and len(self._shape) > 1 else None

    @property
    def finish(self) -> Finish | None:
        """What the client applies to the decrypted output."""
        return self._finish

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """What the features are called to the first node."""
        return self._nodes[0].feature_names

    def finished(self, scores: ArrayLike) -> Any:
        """What the client makes of decrypted scores (..., out): them, σ or softmax of them, or the largest's index."""
        return finished(self._finish, scores)

    def predict(self, x: ArrayLike) -> Any:
        """The twin's answer for plaintext: `finished(forward(x))`. Nothing is kept for `backward`."""
        return self.finished(self.infer(x))

    def infer(self, x: Any) -> Any:
        """The output, keeping nothing for `backward`."""
        for node in self._nodes:
            x = node.infer(x)
        return x

    def forward(self, x: Any) -> Any:
        """The last node's output, `finish` not applied."""
        for node in self._nodes:
            x = node.forward(x)
        return x

    def backwards(self, gradients: Iterable[Any]) -> list[Any]:
        """Gradients at the input of each example, through all nodes, last first. Raises CacheEmpty."""
        gradients = list(gradients)
        for node in reversed(self._nodes):
            gradients = node.backwards(gradients)
        return gradients

    def update(self) -> None:
        """`update` of every node."""
        for node in self._nodes:
            node.update()

    def updates(self) -> None:
        """`updates` of every node."""
        for node in self._nodes:
            node.updates()

    @property
    def cost(self) -> int:
        """Levels that `forward` consumes on a ciphertext: the sum over the nodes."""
        return sum(node.cost for node in self._nodes)

    @property
    def has_parameters(self) -> bool:
        """Whether any node has."""
        return any(node.has_parameters for node in self._nodes)

    def enable_cache(self) -> None:
        """Keep inputs of every kind in every node."""
        for node in self._nodes:
            node.enable_cache()

    def disable_cache(self) -> None:
        """Keep no inputs in any node, and forget those kept."""
        for node in self._nodes:
            node.disable_cache()

    @property
    def is_cache_enabled(self) -> bool:
        """Whether every node keeps its inputs."""
        return all(node.is_cache_enabled for node in self._nodes)

    def __repr__(self) -> str:
        finish = "" if self._finish is None else f", finish={self._finish!r}"
        shape = "" if self._image_shape is None else f", shape={self._image_shape}"
        return f"{self.name}([{', '.join(map(repr, self._nodes))}]{finish}{shape})"

    def summary(self) -> str:
        """A table: node, shape of its output, cost, level after it (from `cost` down to 0), parameters."""
        rows = [("node", "output", "cost", "level", "parameters")]
        level, known, shape, total = self.cost, self._shape, "(...)", 0
        for node in self._nodes:
            level -= node.cost
            known = node.input_shape if known is None else known
            if known is not None:
                known = node.shape_after(known)
                shape = f"(..., {', '.join(map(str, known))})"
            count = node.parameters if isinstance(node, Affine) else 0
            total += count
            rows.append((node.name, shape, str(node.cost), str(level), f"{count:,}"))
        rows.append(("total", "", str(self.cost), "", f"{total:,}"))
        if self._finish is not None:
            rows.insert(-1, (f"{self._finish} (client)", shape, "0", "-", "0"))
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join(lines)
