"""A model's layers in order: the one walk through nodes."""

from __future__ import annotations

from collections.abc import Iterator

from fhenn.errors import UnsupportedNode
from fhenn.nn.activation import Activation
from fhenn.nn.affine import Affine
from fhenn.nn.node import Node
from fhenn.nn.sequential import Sequential


def layers(model: Node) -> Iterator[Affine | Activation]:
    """The affine maps and activations of a model in order, those of a Sequential in its place.

    model: a node.
    Raises UnsupportedNode where a node is something else: of it nothing is known that ranges and plans rest on.

    >>> from fhenn.nn import Linear
    >>> list(layers(Sequential([Sequential([Linear([[1.0]])]), Linear([[2.0]])])))
    [Linear(inputs=1, outputs=1, cost=1), Linear(inputs=1, outputs=1, cost=1)]
    """
    if isinstance(model, Sequential):
        for node in model.nodes:
            yield from layers(node)
    elif isinstance(model, Affine | Activation):
        yield model
    else:
        raise UnsupportedNode(
            f"a {type(model).__name__} is neither an affine layer nor an activation.",
            "Use Linear nodes, activations and Sequential.",
            type(model).__name__,
        )
