"""Inputs in [-1, 1]: the client maps features by their declared bounds, and the first affine layer takes the inverse.

CKKS's encoder works in double precision relative to the largest value of a plaintext, so that a feature of 1e-6 beside
one of 1e12 would be lost. A plan knows the bounds of every feature, and so do client and server: with the middle c and
the half width h of a feature's box, the client encrypts u = (x - c)/h, and A x + b = A·diag(h) u + (b + A c). That
costs nothing under encryption.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fhenn.ckks.operator import Scaling
from fhenn.nn import Activation, Affine, Node, layers
from fhenn.ranges import box_of

if TYPE_CHECKING:
    from fhenn.planner.plan import Plan

Floats = NDArray[np.float64]


class ScaledInputs(Affine):
    """An affine layer that takes scaled inputs; it goes by the name of the layer that it stands for."""

    def __init__(self, layer: Affine, middle: Floats, half: Floats) -> None:
        self._name = layer.name
        super().__init__(layer.operator @ Scaling(half), layer.operator @ middle + layer.bias)

    @property
    def name(self) -> str:
        """That of the layer."""
        return self._name


def scaled_nodes(nodes: Sequence[Affine | Activation], low: Floats, high: Floats) -> list[Affine | Activation]:
    """A model's nodes for inputs that the client scaled.

    nodes: of the model, an affine one first.
    low, high: the declared bounds, (features,) each.

    >>> import fhenn
    >>> first = scaled_nodes([fhenn.Linear([[1.0, 1e6]])], np.array([0.0, 0.0]), np.array([2.0, 4e-6]))[0]
    >>> first.operator.dense().round(3), first.bias.round(3)
    (array([[1., 2.]]), array([3.]))
    """
    first, *others = nodes
    if not isinstance(first, Affine):
        raise TypeError("the first node is not affine")
    return [ScaledInputs(first, *_middle_and_half(low, high)), *others]


def served_nodes(plan: Plan, model: Node) -> list[Affine | Activation]:
    """The nodes that a server runs for a model: for inputs as clients of the plan encrypt them.

    plan: of the model.
    model: whose nodes they are.
    """
    nodes = list(layers(model))
    return scaled_nodes(nodes, *plan.bounds) if plan.scaled else nodes


def scaled_bounds(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """The bounds of scaled inputs: -1 and 1, or 0 twice for a feature that is the constant 0.

    low, high: the declared bounds, (features,) each.
    """
    ends = (_middle_and_half(low, high)[1] > 0).astype(np.float64)
    return -ends, ends


def scale(values: Floats, low: Floats, high: Floats) -> Floats:
    """What a client encrypts.

    values: (samples, features).
    low, high: the declared bounds, (features,) each.

    Returns (samples, features), in [-1, 1] where the values lie within the box of the bounds; 0 for a feature that is
    the constant 0.

    >>> scale(np.array([[0.0], [1.0], [2.0]]), np.array([0.0]), np.array([2.0])).round(3).ravel().tolist()
    [-1.0, 0.0, 1.0]
    """
    middle, half = _middle_and_half(low, high)
    scaled: Floats = np.divide(values - middle, half, out=np.zeros_like(values), where=half > 0)
    return scaled


def _middle_and_half(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """The middle and the half width of every feature's box."""
    floor, ceiling = box_of(low, high)
    return floor / 2 + ceiling / 2, ceiling / 2 - floor / 2
