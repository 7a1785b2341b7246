"""A model's layers in order, and the same model with some of them replaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fhenn.errors import ParameterError
from fhenn.nn import Node, Sequential
from fhenn.nn.node import Layer


def layers(model: Node) -> Iterator[Layer]:
    """The layers of a model in order, those of a Sequential in its place. Raises ParameterError for other nodes."""
    if isinstance(model, Sequential):
        for node in model.nodes:
            yield from layers(node)
    elif isinstance(model, Layer):
        yield model
    else:
        raise ParameterError(f"a {model!r} cannot be looked into.", "Use layers, activations and Sequential.")


def rebuilt(model: Node, replacements: Mapping[int, Layer]) -> Node:
    """The same model of new nodes, which share the parameters but nothing kept.

    replacements: by `id` of a layer, what stands in its place.
    """
    if isinstance(model, Sequential):
        return model.with_nodes([rebuilt(node, replacements) for node in model.nodes])
    return next(replacements.get(id(layer), layer).fresh() for layer in layers(model))
