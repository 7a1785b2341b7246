"""Affine layers one after another as one, so that preprocessing costs no level."""

from __future__ import annotations

from collections.abc import Iterable

from fhenn.nn import Activation, Affine, Dense, Linear, Node, Scaling, layers


def fold(nodes: Iterable[Node]) -> list[Node]:
    """The layers of nodes in order, with neighbouring affine ones as a single one: the product of their operators.

    nodes: affine layers, activations, and Sequentials of them, whose layers stand in their place.
    Returns the layers. What was folded is a `Linear`, as is a scaling that stands alone; a sparse operator stays what
    it is, and a Linear that stands alone the object that it is.
    Raises ShapeMismatch where neighbours do not fit.
    Raises NonFiniteValue where a product overflows.
    Raises UnsupportedNode where a node is something else.

    >>> from fhenn.nn import Sigmoid
    >>> fold([Affine(Scaling([2.0])), Linear([[1.0]]), Linear([[3.0]]), Sigmoid()])
    [Linear(inputs=1, outputs=1, cost=1), Sigmoid(domain=(-4, 4), degree=3, cost=2)]
    """
    folded: list[Affine | Activation] = []
    for node in nodes:
        for layer in layers(node):
            before = folded[-1] if folded else None
            if isinstance(layer, Affine) and isinstance(before, Affine):
                folded[-1] = before.then(layer)
            else:
                folded.append(layer)
    return [_trainable(layer) for layer in folded]


def _trainable(layer: Affine | Activation) -> Node:
    """A dense or scaling map as a Linear; other layers as they are."""
    if isinstance(layer, Linear) or not isinstance(layer, Affine):
        return layer
    return Linear(layer.operator.dense(), layer.bias) if isinstance(layer.operator, Dense | Scaling) else layer
