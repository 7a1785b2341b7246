"""The inputs of a graph: all features in one, or a few in each, as where every column of a table has its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
import onnx

from fhenn.interop.chain import Chain, Unsuitable
from fhenn.interop.onnx.heads import Whole
from fhenn.interop.onnx.load import FLOATS
from fhenn.interop.onnx.refusal import refusal

Names = tuple[str, ...] | None
"""Of features, where they have some."""

_MOST = 2**12
"""Inputs of a graph: each is a map of all features, until they are joined."""

_LONGEST_NAME = 512

_INTEGERS = (onnx.TensorProto.INT32, onnx.TensorProto.INT64)


@dataclass(frozen=True)
class Inputs:
    """What comes into a graph.

    values: by the names of the inputs; features are in their order.
    batch: the number of samples that the graph is fixed to, 0 for any.
    names: of the features, where each has an input of its own, and there are several.
    """

    values: Mapping[str, Chain | Whole]
    batch: int
    names: Names


def inputs_of(graph: onnx.GraphProto) -> Inputs:
    """The inputs of a graph that no initializer fills. Raises UnsupportedModel."""
    initialised = {each.name for each in graph.initializer}
    found = [each for each in graph.input if each.name not in initialised]
    if not 0 < len(found) <= _MOST:
        raise refusal(f"{len(found)} inputs", graph.name, f"a model has 1 to {_MOST:,} inputs, samples × features each")
    shapes = [_shape(each) for each in found]
    batches = {batch for batch, _ in shapes} - {0}
    if len(batches) > 1:
        raise refusal(f"{len(found)} inputs", graph.name, "they are fixed to different numbers of samples")
    widths = [prod(shape) for _, shape in shapes]
    ends = np.cumsum(widths).tolist()
    values: dict[str, Chain | Whole] = {}
    try:
        if len(found) == 1:
            values[found[0].name] = _of_kind(found[0], Chain.start(shapes[0][1]))
        else:
            start = Chain.start((ends[-1],)).seal()
            for each, (_, shape), width, end in zip(found, shapes, widths, ends, strict=True):
                values[each.name] = _of_kind(each, start.select(np.arange(end - width, end).reshape(shape)).seal())
    except Unsuitable as unsuitable:
        raise refusal("an input", found[0].name, unsuitable.reason) from None
    names = tuple(each.name for each in found)
    single = len(found) > 1 and all(width == 1 for width in widths)
    return Inputs(values, max(batches, default=0), names if single and max(map(len, names)) <= _LONGEST_NAME else None)


def _shape(found: onnx.ValueInfoProto) -> tuple[int, tuple[int, ...]]:
    """The number of samples where it is fixed, else 0, and the shape of each. Raises UnsupportedModel."""
    kind = found.type.tensor_type
    sizes = [each.dim_value for each in kind.shape.dim]
    if not found.type.HasField("tensor_type") or kind.elem_type not in (*FLOATS, *_INTEGERS):
        text = ": encode what is text as numbers before, on the client" * (kind.elem_type == onnx.TensorProto.STRING)
        raise refusal("an input", found.name, f"it is no tensor of float or double, nor of whole numbers{text}")
    if len(sizes) < 2 or any(size <= 0 for size in sizes[1:]) or sizes[0] < 0:
        raise refusal("an input", found.name, "its features are not all known: it has to be (samples, features, ...)")
    return sizes[0], tuple(sizes[1:])


def _of_kind(found: onnx.ValueInfoProto, chain: Chain) -> Chain | Whole:
    return Whole(chain) if found.type.tensor_type.elem_type in _INTEGERS else chain
