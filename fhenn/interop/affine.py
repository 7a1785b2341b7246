"""Affine maps one after another as one, so that preprocessing costs no level."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.errors import ShapeMismatch
from fhenn.nn import Linear, Node, Sequential

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Affine:
    """y = x Wᵀ + b, or y = x·w + b feature by feature.

    weight: (out, in), or (features,) for the factor of each feature. bias: (out,). Make one with `of`.

    >>> scale = Affine.of([0.5, 2.0], [1.0, 0.0])
    >>> both = scale.then(Affine.of([[1.0, 1.0]]))
    >>> both.weight, both.bias
    (array([[0.5, 2. ]]), array([1.]))
    """

    weight: Floats
    bias: Floats

    @classmethod
    def of(cls, weight: ArrayLike, bias: ArrayLike | None = None) -> Affine:
        """Of anything that makes float64 arrays; bias: a number for all outputs, or None for zero. ShapeMismatch."""
        matrix = np.asarray(weight, dtype=np.float64)
        if matrix.ndim not in (1, 2) or 0 in matrix.shape:
            raise ShapeMismatch("affine map", matrix.shape, "(out, in) or (features,), not empty")
        outputs = matrix.shape[0]
        shift = np.asarray(0.0 if bias is None else bias, dtype=np.float64)
        if shift.shape not in ((), (outputs,)):
            raise ShapeMismatch("affine map", shift.shape, f"({outputs},)")
        return cls(matrix, np.broadcast_to(shift, (outputs,)).copy())

    @property
    def inputs(self) -> int:
        """Features that it takes."""
        return int(self.weight.shape[-1])

    @property
    def outputs(self) -> int:
        """Features that it gives."""
        return int(self.weight.shape[0])

    def __call__(self, x: Floats) -> Floats:
        """The map of samples (..., in)."""
        product: Floats = x * self.weight if self.weight.ndim == 1 else x @ self.weight.T
        return product + self.bias

    def then(self, after: Affine) -> Affine:
        """This map and another one after it, as one. Raises ShapeMismatch."""
        if after.inputs != self.outputs:
            raise ShapeMismatch("affine map", after.weight.shape, f"{self.outputs} inputs")
        if after.weight.ndim == 1:
            weight = after.weight * self.weight if self.weight.ndim == 1 else after.weight[:, None] * self.weight
        else:
            weight = after.weight * self.weight if self.weight.ndim == 1 else after.weight @ self.weight
        return Affine(weight, after(self.bias))

    def node(self) -> Linear:
        """The map as a node. Raises NonFiniteValue."""
        return Linear(np.diag(self.weight) if self.weight.ndim == 1 else self.weight, self.bias)


def merged(parts: Iterable[Affine | Node]) -> list[Node]:
    """Nodes in order, with neighbouring affine maps and Linear nodes as one Linear; a Sequential opens up.

    A Linear that stands alone stays the object that it is. Raises ShapeMismatch.

    >>> [node.name for node in merged([Affine.of([2.0]), Linear([[1.0]]), Linear([[3.0]])])]
    ['Linear']
    """
    nodes: list[Node] = []
    pending: Affine | Linear | None = None
    for part in _opened(parts):
        if isinstance(part, Affine | Linear):
            pending = part if pending is None else _affine(pending).then(_affine(part))
            continue
        if pending is not None:
            nodes.append(_node(pending))
            pending = None
        nodes.append(part)
    if pending is not None:
        nodes.append(_node(pending))
    return nodes


def _opened(parts: Iterable[Affine | Node]) -> Iterable[Affine | Node]:
    for part in parts:
        if isinstance(part, Sequential):
            yield from _opened(part.nodes)
        else:
            yield part


def _affine(part: Affine | Linear) -> Affine:
    return part if isinstance(part, Affine) else Affine(part.weight, part.bias)


def _node(part: Affine | Linear) -> Linear:
    return part if isinstance(part, Linear) else part.node()
