"""Units of a layer brought to one size, by factors that go through the activation: exact, and free.

One polynomial serves all units of a layer, on a domain that holds the largest. Where the function is homogeneous, as
ReLU is, f(sx) = s·f(x): what comes to a unit is divided by its largest value, in the weights before it, and the weights
after it are multiplied by that. Then all units fill the domain, and the same degree errs by about half as much (Nagel,
van Baalen, Blankevoort & Welling 2019, "Data-free quantization through weight equalization and bias correction", ICCV).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fhenn.interop.fold import folded
from fhenn.nn import (
    Activation,
    Affine,
    AvgPool1d,
    AvgPool2d,
    Branches,
    Conv1d,
    Conv2d,
    Flatten,
    GlobalAvgPool2d,
    Linear,
    Node,
    Scaling,
    Sequential,
)
from fhenn.ranges.rebuild import rebuild

Floats = NDArray[np.float64]

_MAPS = Linear | Conv1d | Conv2d
"""Layers that take factors."""

_LEAST = 1e-3
"""A unit of less, relative to the largest one, counts as so large: next to nothing comes of it."""


def equalised(model: Node, stand_ins: Sequence[Activation], seen: Mapping[int, Floats]) -> Node:
    """The same model, in which all units before a homogeneous stand-in are of one size.

    model: of imported nodes.
    stand_ins: its activations that become polynomials.
    seen: what samples bring to each in the exact model, (samples, features) by `id`.

    Layers that no factor can be folded into stay as they are.
    """
    chosen = {id(node) for node in stand_ins}
    changed = dict[int, Affine | Activation]()
    for before, activation, after in _triples(model):
        function = activation.function
        if id(activation) not in chosen or function is None or not function.homogeneous:
            continue
        sizes = _sizes(before, seen[id(activation)])
        first, second = (changed.get(id(node), node) for node in (before, after))
        if sizes is None or not isinstance(first, _MAPS) or not isinstance(second, _MAPS):
            continue
        factors = _at_input(sizes, before, after)
        scaled = folded(first, Affine(Scaling(1 / _spread(sizes, before.outputs))))
        back = None if factors is None else folded(Affine(Scaling(factors)), second)
        if scaled is not None and back is not None:
            changed[id(before)], changed[id(after)] = _alike(scaled, first), _alike(back, second)
    return rebuild(model, changed)


def _triples(model: Node) -> Iterator[tuple[Affine, Activation, Affine]]:
    """Activations with the affine maps before and after them, poolings between left out."""
    if isinstance(model, Branches):
        for branch in (model.body, model.second):
            if branch is not None:
                yield from _triples(branch)
    if not isinstance(model, Sequential):
        return
    nodes = [node for node in model.nodes if not isinstance(node, Flatten)]
    for place, node in enumerate(nodes):
        yield from _triples(node)
        if not isinstance(node, Activation) or not place:
            continue
        before = nodes[place - 1]
        rest = [each for each in nodes[place + 1 :] if not isinstance(each, AvgPool1d | AvgPool2d | GlobalAvgPool2d)]
        if isinstance(before, Affine) and rest and isinstance(rest[0], Affine):
            yield before, node, rest[0]


def _sizes(before: Affine, values: Floats) -> Floats | None:
    """The largest value of each unit, or of each channel of images; None where there is none above 0."""
    largest = np.abs(values).reshape(len(values), -1).max(axis=0)
    if before.grid is not None:
        largest = largest.reshape(_channels(before), -1).max(axis=1)
    most = float(largest.max(initial=0.0))
    return np.maximum(largest, _LEAST * most) if most > 0 and np.isfinite(most) else None


def _channels(layer: Affine) -> int:
    grid = layer.grid
    assert grid is not None  # noqa: S101  (for the type checker)
    return grid.outputs[0]


def _spread(sizes: Floats, features: int) -> Floats:
    """A factor for every feature, in C order."""
    return np.repeat(sizes, features // len(sizes))


def _at_input(sizes: Floats, before: Affine, after: Affine) -> Floats | None:
    """The factor of every feature that comes to a later map; None where they do not spread over its inputs."""
    return None if after.inputs % len(sizes) else _spread(sizes, after.inputs)


def _alike(made: Affine, model: Affine) -> Affine:
    """A map of the kind that it stands for."""
    return Linear(made.operator.dense(), made.bias) if isinstance(model, Linear) else made
