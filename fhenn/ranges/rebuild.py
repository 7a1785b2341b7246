"""The same model with some of its layers replaced."""

from __future__ import annotations

from collections.abc import Mapping

from fhenn.nn import Activation, Affine, Branches, Flatten, Node, Sequential, layers


def rebuild(model: Node, replacements: Mapping[int, Affine | Activation]) -> Node:
    """The same model of new nodes, which share the parameters but nothing kept.

    model: a node.
    replacements: by `id` of a layer, what stands in its place.
    Raises UnsupportedNode where a node is neither affine nor an activation.
    """
    if isinstance(model, Sequential):
        return model.with_nodes([rebuild(node, replacements) for node in model.nodes])
    if isinstance(model, Branches):
        second = None if model.second is None else rebuild(model.second, replacements)
        return model.with_branches(rebuild(model.body, replacements), second)
    if isinstance(model, Flatten):
        return model.fresh()
    return next(replacements.get(id(layer), layer).fresh() for layer in layers(model))
