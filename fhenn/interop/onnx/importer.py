"""The graph of an ONNX model, node by node."""

from __future__ import annotations

from collections import Counter
from functools import partial
from os import PathLike
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike

from fhenn.errors import ParameterError, UnsupportedModel
from fhenn.interop.assembly import Outcome
from fhenn.interop.chain import Chain, Unsuitable
from fhenn.interop.onnx.call import Call, Value
from fhenn.interop.onnx.constants import CONSTANTS, computed
from fhenn.interop.onnx.heads import Index, Labels, Named, Table, columns_of, scores_of
from fhenn.interop.onnx.load import FLOATS, array_of, attributes_of, load, operator_set
from fhenn.interop.onnx.operators import INSTEAD, OPERATORS

SUPPORTED = (
    "Gemm, MatMul, Conv, AveragePool, GlobalAveragePool, Pad with zeros, BatchNormalization, arithmetic with "
    "constants, sums of two branches, whole powers, functions (Relu, Gelu, Sigmoid, Clip, …), Flatten, Reshape, "
    "Squeeze and Unsqueeze of samples, Dropout, Identity, Cast, Constant, and at the end Softmax or the heads of "
    "skl2onnx (LinearClassifier, LinearRegressor, Scaler, Normalizer, ZipMap, ArgMax with labels)"
)


def read(path_or_model: str | PathLike[str] | onnx.ModelProto, classes: ArrayLike | None) -> Outcome:
    """What a model computes and means. Raises UnsupportedModel, WireFormatError, ParameterError, OSError."""
    model = load(path_or_model)
    return _meaning(_evaluate(model), model.graph, classes)


def _evaluate(model: onnx.ModelProto) -> list[Value]:
    """What stands on the outputs of the graph."""
    graph = model.graph
    if graph.sparse_initializer:
        raise _refusal("a sparse tensor", graph.sparse_initializer[0].values.name, "weights are dense here")
    tensors = {each.name: each for each in graph.initializer}
    name, chain, batch = _input(graph, set(tensors))
    values: dict[str, Value] = {name: chain}
    version = operator_set(model)
    needed = _needed_nodes(graph)
    uses = Counter(each for place in needed for each in graph.node[place].input)
    uses.update(each.name for each in graph.output)
    for place, node in enumerate(graph.node):
        if place not in needed:
            continue
        for each in node.input:
            if each in tensors and each not in values:
                values[each] = array_of(tensors[each])
        results = _run(node, place, values, version, batch)
        for each, value in zip(node.output, results, strict=False):
            values[each] = value.seal() if isinstance(value, Chain) and uses[each] > 1 else value
    if not graph.output:
        raise _refusal("the graph", graph.name, "it has no output")
    for each in graph.output:
        if each.name not in values:
            raise _refusal("an output", each.name, "no node makes it")
    return [values[each.name] for each in graph.output]


def _needed_nodes(graph: onnx.GraphProto) -> set[int]:
    """Places of the nodes that an output depends on."""
    wanted = {each.name for each in graph.output}
    needed = set()
    for place in range(len(graph.node) - 1, -1, -1):
        node = graph.node[place]
        if wanted.intersection(node.output):
            needed.add(place)
            wanted.update(node.input)
    return needed


def _input(graph: onnx.GraphProto, initialised: set[str]) -> tuple[str, Chain, int]:
    """The input's name, its samples, and their number where it is fixed (0 for any)."""
    inputs = [each for each in graph.input if each.name not in initialised]
    if len(inputs) != 1:
        names = ", ".join(each.name for each in inputs[:5])
        raise _refusal(f"{len(inputs)} inputs", names, "a model has one input, samples × features")
    (found,) = inputs
    kind = found.type.tensor_type
    sizes = [each.dim_value for each in kind.shape.dim]
    if not found.type.HasField("tensor_type") or kind.elem_type not in FLOATS:
        raise _refusal("an input", found.name, "it is no tensor of float or double")
    if len(sizes) < 2 or any(size <= 0 for size in sizes[1:]) or sizes[0] < 0:
        raise _refusal("an input", found.name, "its features are not all known: it has to be (samples, features, ...)")
    try:
        return found.name, Chain.start(tuple(sizes[1:])), sizes[0]
    except Unsuitable as unsuitable:
        raise _refusal("an input", found.name, unsuitable.reason) from None


def _run(node: onnx.NodeProto, place: int, values: dict[str, Value], version: int, batch: int) -> tuple[Value, ...]:
    domain = "" if node.domain == "ai.onnx" else node.domain
    inputs = tuple(values.get(each) if each else None for each in node.input)
    of_constants = bool(inputs) and all(each is None or isinstance(each, np.ndarray) for each in inputs)
    simple = CONSTANTS.get((domain, node.op_type)) if of_constants else None
    operator = OPERATORS.get((domain, node.op_type)) if simple is None else partial(computed, simple)
    where = f"node {place + 1}, {node.name or next(iter(node.output), '')!r}"
    layer = f"{domain}.{node.op_type}" if domain else node.op_type
    if operator is None:
        reason = INSTEAD.get(node.op_type) if not domain else None
        raise _refusal(layer, where, reason or "it is none of the operators that can be folded or approximated")
    outputs = sum(bool(each) for each in node.output)
    try:
        result = operator(Call(inputs, attributes_of(node), outputs, version, batch))
    except (Unsuitable, UnicodeDecodeError) as error:
        raise _refusal(layer, where, error.reason) from None
    return result if isinstance(result, tuple) else (result,)


def _meaning(outputs: list[Value], graph: onnx.GraphProto, classes: ArrayLike | None) -> Outcome:
    """Scores, their classes, and how they become probabilities, where all outputs tell of the same scores."""
    sources: list[Chain | Table] = []
    named: list[list[Any]] = []
    for value, each in zip(outputs, graph.output, strict=True):
        if not isinstance(value, Chain | Table | Index | Labels | Named):
            raise _refusal("an output", each.name, "it is constant")
        source = value if isinstance(value, Chain | Table) else value.of
        if isinstance(value, Table) and not value.normalised:
            raise _refusal("an output", each.name, "its rows, of several sigmoids, do not sum to 1")
        if sources and not scores_of(source).same(scores_of(sources[0])):
            raise _refusal("an output", each.name, f"it does not come from the same scores as {graph.output[0].name!r}")
        sources.append(source)
        if isinstance(value, Labels | Named):
            named.append(value.classes.tolist())
        elif isinstance(value, Index):
            named.append(list(range(columns_of(source))))
    if named and any(each != named[0] for each in named):
        raise _refusal("an output", graph.output[-1].name, "its classes are others")
    kinds = {each.probability for each in sources if isinstance(each, Table)} - {None}
    if len(kinds) > 1:
        raise _refusal("an output", graph.output[-1].name, "its probabilities are others")
    if classes is not None and named:
        raise ParameterError("classes are given, and the model names its own.", "Leave them out.")
    tables = [each for each in sources if isinstance(each, Table)]
    if not tables and not named:
        return Outcome.of(scores_of(sources[0]), classes)
    labels = named[0] if named else list(range(columns_of(tables[0]))) if classes is None else classes
    return Outcome(scores_of(sources[0]), labels, next(iter(kinds), None))


def _refusal(layer: str, where: str, reason: str) -> UnsupportedModel:
    return UnsupportedModel(layer, where, reason, SUPPORTED)
