"""The graph of an ONNX model, node by node."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from os import PathLike
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike

from fhenn.errors import ParameterError
from fhenn.interop.assembly import Outcome
from fhenn.interop.chain import Chain, Unsuitable
from fhenn.interop.onnx.call import Call, Value
from fhenn.interop.onnx.constants import CONSTANTS, computed
from fhenn.interop.onnx.heads import (
    Column,
    Index,
    Labels,
    Named,
    Shares,
    Table,
    as_chain,
    columns_of,
    is_opposite,
    one_score,
    scores_of,
)
from fhenn.interop.onnx.inputs import Inputs, inputs_of
from fhenn.interop.onnx.load import array_of, attributes_of, load, operator_set
from fhenn.interop.onnx.operators import INSTEAD, OPERATORS
from fhenn.interop.onnx.refusal import refusal


def read(path_or_model: str | PathLike[str] | onnx.ModelProto, classes: ArrayLike | None) -> Outcome:
    """What a model computes and means. Raises UnsupportedModel, WireFormatError, ParameterError, OSError."""
    model = load(path_or_model)
    graph = model.graph
    if graph.sparse_initializer:
        raise refusal("a sparse tensor", graph.sparse_initializer[0].values.name, "weights are dense here")
    inputs = inputs_of(graph)
    return replace(_meaning(_evaluate(model, inputs), graph, classes), features=inputs.names)


def _evaluate(model: onnx.ModelProto, inputs: Inputs) -> list[Value]:
    """What stands on the outputs of the graph."""
    graph = model.graph
    tensors = {each.name: each for each in graph.initializer}
    values: dict[str, Value] = dict(inputs.values)
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
        results = _run(node, place, values, version, inputs.batch)
        for each, value in zip(node.output, results, strict=False):
            values[each] = value.seal() if isinstance(value, Chain) and uses[each] > 1 else value
    if not graph.output:
        raise refusal("the graph", graph.name, "it has no output")
    for each in graph.output:
        if each.name not in values:
            raise refusal("an output", each.name, "no node makes it")
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


def _run(node: onnx.NodeProto, place: int, values: dict[str, Value], version: int, batch: int) -> tuple[Value, ...]:
    domain = "" if node.domain == "ai.onnx" else node.domain
    inputs = tuple(values.get(each) if each else None for each in node.input)
    of_constants = bool(inputs) and all(each is None or isinstance(each, np.ndarray) for each in inputs)
    simple = CONSTANTS.get((domain, node.op_type)) if of_constants else None
    operator = OPERATORS.get((domain, node.op_type)) if simple is None else partial(computed, simple)
    where = f"node {place + 1}, {node.name or next(iter(node.output), '')!r}"
    layer = f"{domain}.{node.op_type}" if domain else node.op_type
    if operator is None:
        reason = INSTEAD.get(node.op_type)
        raise refusal(layer, where, reason or "it is none of the operators that can be folded or approximated")
    outputs = sum(bool(each) for each in node.output)
    try:
        result = operator(Call(inputs, attributes_of(node), outputs, version, batch))
    except (Unsuitable, UnicodeDecodeError) as error:
        raise refusal(layer, where, error.reason) from None
    return result if isinstance(result, tuple) else (result,)


def _meaning(outputs: list[Value], graph: onnx.GraphProto, classes: ArrayLike | None) -> Outcome:
    """Scores, their classes, and how they become probabilities, where all outputs tell of the same scores."""
    sources: list[Chain | Table] = []
    named: list[list[Any]] = []
    labelled = any(isinstance(value, Labels | Index) for value in outputs)
    for value, each in zip(outputs, graph.output, strict=True):
        if isinstance(value, Shares) and labelled:
            continue  # the scores themselves are known from the labels
        source = _source(value, each.name, labelled)
        if sources and not scores_of(source).same(scores_of(sources[0])):
            raise refusal("an output", each.name, f"it does not come from the same scores as {graph.output[0].name!r}")
        sources.append(source)
        if isinstance(value, Labels | Named):
            named.append(value.classes.tolist())
        elif isinstance(value, Index):
            named.append(list(range(columns_of(source))))
    if named and any(each != named[0] for each in named):
        raise refusal("an output", graph.output[-1].name, "its classes are others")
    kinds = {each.probability for each in sources if isinstance(each, Table)} - {None}
    if len(kinds) > 1:
        raise refusal("an output", graph.output[-1].name, "its probabilities are others")
    if classes is not None and named:
        raise ParameterError("classes are given, and the model names its own.", "Leave them out.")
    tables = [each for each in sources if isinstance(each, Table)]
    if not tables and not named:
        return Outcome.of(scores_of(sources[0]), classes)
    labels = named[0] if named else list(range(columns_of(tables[0]))) if classes is None else classes
    scores, probability = scores_of(sources[0]), next(iter(kinds), None)
    if is_opposite(scores) and probability in (None, "one-vs-rest"):
        return Outcome(one_score(scores), labels, "sigmoid" if probability else None)
    return Outcome(scores, labels, probability)


def _source(value: Value, name: str, labelled: bool) -> Chain | Table:
    """What an output tells of; beside labels, a column is the score of a class, and else a number. UnsupportedModel."""
    if isinstance(value, Column) and isinstance(value.of, Chain) and not labelled:
        return as_chain(value)
    if isinstance(value, Shares):
        raise refusal("an output", name, "it is scores over their sum, which mean nothing without labels beside them")
    if not isinstance(value, Chain | Table | Column | Index | Labels | Named):
        raise refusal("an output", name, "it is constant, or no number of the samples")
    source = value if isinstance(value, Chain | Table) else value.of
    if isinstance(value, Table | Column) and isinstance(source, Table) and not source.normalised:
        raise refusal("an output", name, "its rows, of several sigmoids, do not sum to 1")
    return source
