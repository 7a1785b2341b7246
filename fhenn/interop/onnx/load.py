"""An ONNX file as a message that is what it says: one file, well-formed, without lies about sizes."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from fhenn.errors import UnsupportedModel, UnsupportedValue, WireFormatError
from fhenn.text import an, first_line

LARGEST_FILE = 2**28
"""Bytes. A message can take fifty times its bytes in memory."""

_OLDEST = 7
"""The operator set from which on broadcasting is NumPy's."""

_FIELDS = {
    onnx.TensorProto.FLOAT: (np.float32, "float_data"),
    onnx.TensorProto.DOUBLE: (np.float64, "double_data"),
    onnx.TensorProto.FLOAT16: (np.float16, "int32_data"),
    onnx.TensorProto.INT32: (np.int32, "int32_data"),
    onnx.TensorProto.INT64: (np.int64, "int64_data"),
    onnx.TensorProto.BOOL: (np.bool_, "int32_data"),
    onnx.TensorProto.STRING: (np.object_, "string_data"),
}
"""The types that constants may have, with their field in the message."""

FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)


def load(path_or_model: str | PathLike[str] | onnx.ModelProto) -> onnx.ModelProto:
    """The model of a file, or the one given, checked.

    Raises WireFormatError where it is no well-formed ONNX model, UnsupportedModel for weights in other files, operator
    sets that are too old or too new and functions of its own, OSError where there is no file, UnsupportedValue.
    """
    if isinstance(path_or_model, onnx.ModelProto):
        model = path_or_model
    elif isinstance(path_or_model, str | PathLike):
        model = _parse(Path(path_or_model))
    else:
        raise UnsupportedValue(an(type(path_or_model).__name__), "the path of an ONNX file, or an onnx.ModelProto")
    for tensor in _tensors(model.graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise UnsupportedModel(
                "weights outside the file",
                f"tensor {tensor.name!r}",
                "a model is read from one file only",
                "models saved by onnx.save_model(model, path, save_as_external_data=False)",
            )
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise WireFormatError("ONNX model", first_line(error).rstrip(".")) from error
    _check_operator_sets(model)
    return model


def operator_set(model: onnx.ModelProto) -> int:
    """The version of the default operator set."""
    return max((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), default=_OLDEST)


def array_of(tensor: onnx.TensorProto) -> NDArray[Any]:
    """A constant. Raises WireFormatError where its size is not what it says, UnsupportedModel for odd types."""
    if tensor.data_type not in _FIELDS:
        name = onnx.TensorProto.DataType.Name(tensor.data_type) if tensor.data_type in _types() else tensor.data_type
        raise UnsupportedModel(
            f"a constant of type {name}",
            f"tensor {tensor.name!r}",
            "it is none of the types that weights have",
            "float, double, float16, int32, int64, bool and string",
        )
    dtype, field = _FIELDS[tensor.data_type]
    count = prod(tensor.dims)
    if tensor.HasField("raw_data"):
        held = len(tensor.raw_data) / np.dtype(dtype).itemsize if dtype is not np.object_ else -1.0
    else:
        held = len(getattr(tensor, field))
    if any(size < 0 for size in tensor.dims) or held != count or tensor.HasField("segment"):
        shape = tuple(tensor.dims)
        raise WireFormatError("ONNX model", f"tensor {tensor.name!r} says {shape} and holds {held:g} numbers")
    try:
        return np.asarray(onnx.numpy_helper.to_array(tensor))
    except (ValueError, TypeError) as error:
        raise WireFormatError("ONNX model", f"tensor {tensor.name!r} is not readable ({error})") from error


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    """Its attributes by name: numbers, bytes, lists of them, tensors."""
    return {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}


def _parse(path: Path) -> onnx.ModelProto:
    with path.open("rb") as file:
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise UnsupportedModel(
            "a large file",
            str(path),
            f"it has more than {LARGEST_FILE:,} bytes",
            "smaller ones, or a model that you trust, as onnx.load(path)",
        )
    try:
        return onnx.load_model_from_string(content)
    except (DecodeError, ValueError) as error:
        raise WireFormatError("ONNX model", f"{path} cannot be parsed ({error})") from error


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """All tensors of a graph, those of graphs inside it too."""
    pending = [graph]
    while pending:
        graph = pending.pop()
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
        for node in graph.node:
            for attribute in node.attribute:
                yield from (attribute.t, *attribute.tensors)
                pending += [attribute.g] if attribute.HasField("g") else []
                pending += attribute.graphs


def _types() -> list[int]:
    return list(onnx.TensorProto.DataType.values())


def _check_operator_sets(model: onnx.ModelProto) -> None:
    if model.functions:
        raise UnsupportedModel(
            f"function {model.functions[0].name}",
            "the file's own functions",
            "it defines operators of its own",
            "operators of ONNX; onnx.inliner.inline_local_functions(model) puts them in the place of functions",
        )
    default = {each.version for each in model.opset_import if each.domain in ("", "ai.onnx")}
    newest = onnx.defs.onnx_opset_version()
    if len(default) > 1 or not all(_OLDEST <= version <= newest for version in default):
        versions = ", ".join(map(str, sorted(default)))
        raise UnsupportedModel(
            f"operator set {versions}",
            "the file's header",
            "what its operators mean is not known",
            f"one of {_OLDEST} to {newest}; onnx.version_converter.convert_version(model, {newest}) makes it",
        )
