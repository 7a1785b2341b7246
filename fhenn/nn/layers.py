"""A model's layers in order: the one walk through nodes."""

from __future__ import annotations

from collections.abc import Iterator

from fhenn.errors import UnsupportedNode
from fhenn.nn.activation import Activation
from fhenn.nn.affine import Affine
from fhenn.nn.branches import Branches
from fhenn.nn.flatten import Flatten
from fhenn.nn.image import UNBOUND, ImageLayer
from fhenn.nn.node import Node
from fhenn.nn.sequential import Sequential
from fhenn.text import an


def layers(model: Node) -> Iterator[Affine | Activation]:
    """The affine maps and activations of a model in order, those of a Sequential in its place.

    `Flatten` computes nothing and is left out: layers of images take and give features in C order.

    model: a node.
    Raises UnsupportedNode where a node is something else, of which nothing is known that ranges and plans rest on, or
    does not know the shape of its images.

    >>> from fhenn.nn import Linear
    >>> list(layers(Sequential([Sequential([Linear([[1.0]])]), Linear([[2.0]])])))
    [Linear(inputs=1, outputs=1, cost=1), Linear(inputs=1, outputs=1, cost=1)]
    """
    if isinstance(model, Sequential):
        for node in model.nodes:
            yield from layers(node)
    elif isinstance(model, Affine | Activation):
        if isinstance(model, ImageLayer) and model.input_shape is None:
            raise UnsupportedNode(f"{model.name} does not know the shape of its images.", UNBOUND, model.name)
        yield model
    elif isinstance(model, Flatten):
        return  # features are in the order that they are in already
    elif isinstance(model, Branches):
        raise UnsupportedNode(
            f"a {model.name} has two branches, and what is asked for goes through layers one after another.",
            "fhenn.nn.wired names the layers of both, and how they meet.",
            model.name,
        )
    else:
        raise UnsupportedNode(
            f"{an(type(model).__name__)} is neither an affine layer nor an activation.",
            "Use Linear nodes, activations and Sequential.",
            type(model).__name__,
        )
