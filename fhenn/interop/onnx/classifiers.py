"""What operators of ONNX do where a classifier ends: scores, probabilities, labels, and what exporters write around."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from numpy.typing import NDArray

from fhenn.approx import SIGMOID
from fhenn.interop.chain import Chain, Unsuitable, finite
from fhenn.interop.onnx import axes
from fhenn.interop.onnx.call import Call, Value
from fhenn.interop.onnx.heads import (
    Column,
    Index,
    Labels,
    Named,
    Shares,
    Table,
    Total,
    Whole,
    Zero,
    columns_of,
    complement_table,
    linear_table,
    normalise,
    shares,
)
from fhenn.interop.onnx.load import FLOATS
from fhenn.nn import Affine

_ML = "ai.onnx.ml"
_INTEGERS = (onnx.TensorProto.INT32, onnx.TensorProto.INT64)


def _softmax(call: Call) -> Table:
    """Softmax and LogSoftmax, which the client finishes."""
    chain = call.chain()
    axis = call.get("axis", 1 if call.operator_set < 13 else -1)
    if len(chain.shape) != 1 or axis not in (1, -1) or chain.features < 2:
        raise Unsuitable(f"axis {axis} of samples of shape {chain.shape} is not that of two classes or more")
    return Table(chain, chain.features, "softmax")


def _concat(call: Call) -> Value:
    axis = call.get("axis", 1)
    values = [call.given(place) for place in range(len(call.inputs))]
    if all(isinstance(value, Whole) for value in values):
        return Whole(axes.concat([call.chain_of_any(place) for place in range(len(values))], axis))
    chains = [call.chain(place) for place in range(len(values))]
    table = complement_table(*chains) if len(chains) == 2 and axis in (1, -1) else None
    return axes.concat(chains, axis) if table is None else table


def _slice(call: Call) -> Value:
    value = call.given(0)
    if isinstance(value, Shares):
        return value
    if isinstance(value, Chain | Table) and _is_row(value):
        starts, ends, along, steps = axes.slice_bounds(call)
        if len(starts) == 1 and along[0] in (1, -1):
            places = range(columns_of(value))[starts[0] : ends[0] : steps[0]]
            if len(places) == 1:
                return Column(value, places[0])
    return axes.slice_(call)


def _gather(call: Call) -> Value:
    value, places = call.given(0), call.constant(1)
    if isinstance(value, Table) and places.size == 1 and call.get("axis", 0) in (1, -1):
        return _column(value, places)
    return axes.gather(call)


def _array_feature_extractor(call: Call) -> Value:
    first, second = call.given(0), call.given(1)
    if (
        isinstance(first, np.ndarray)
        and isinstance(second, Index)
        and first.ndim == 1
        and len(first) == columns_of(second.of)
    ):
        return Labels(second.of, first)
    if not isinstance(second, np.ndarray) or second.dtype.kind != "i" or isinstance(first, np.ndarray):
        raise Unsuitable("it takes neither the label of a class's number nor columns at constant places")
    if isinstance(first, Table) and second.size == 1:
        return _column(first, second)
    return axes.feature_columns(call.chain(), second)


def _column(table: Table, places: NDArray[np.integer]) -> Column:
    place = int(places.item())
    if not -table.columns <= place < table.columns:
        raise Unsuitable(f"place {place} is none of {table.columns} columns")
    return Column(table, place % table.columns)


def _is_row(value: Chain | Table) -> bool:
    return isinstance(value, Table) or len(value.shape) == 1


def _reduce_sum(call: Call) -> Value:
    value = call.given(0)
    if isinstance(value, Table):
        row = call.integers(1) if call.given(1) is not None else call.get("axes", [])
        if row not in ([1], [-1]) or not call.get("keepdims", 1):
            raise Unsuitable("it does not sum the rows of a classifier's columns")
        return Total(value)
    return axes.reduce_sum(call)


def row_share(call: Call) -> Value | None:
    """A row over its sum, in a quotient; None for another one."""
    first, second = call.given(0), call.given(1)
    if isinstance(first, Table) and isinstance(second, Total) and second.of is first:
        return Shares(first) if first.probability is None else normalise(first)
    if isinstance(first, Chain) and isinstance(second, Chain) and second.is_row_sum_of(first):
        return shares(first)
    return None


def without_guard(call: Call) -> Value | None:
    """What stands beside a guard against a row of zeros, in a sum; the client guards in the same way. None for others.

    Raises Unsuitable for a guard after which a row has no equal shares.
    """
    first, second = call.given(0), call.given(1)
    if not isinstance(second, Zero) or not isinstance(first, Chain):
        return None
    sums = second.of
    last = sums.steps[-1] if sums.steps else None
    columns = last.inputs if isinstance(last, Affine) else 0
    guards_sums = first.same(sums) and second.weight == columns
    guards_rows = sums.is_row_sum_of(first) and second.weight == 1.0
    if not second.turned or not (guards_sums or guards_rows):
        raise Unsuitable("what it adds where a sum is 0 does not make equal shares of a row")
    return first


def guard_times(call: Call) -> Zero | None:
    """A guard times a number, in a product; None for another one. Raises Unsuitable."""
    first = call.given(0)
    if not isinstance(first, Zero):
        return None
    weight = call.weights(1)
    if weight.size != 1 or not first.turned:
        raise Unsuitable("it multiplies what is known to be 0 or not by something else than a number")
    return Zero(first.of, first.weight * weight.item(), turned=True)


def _not(call: Call) -> Zero:
    value = call.given(0)
    if not isinstance(value, Zero) or value.turned:
        raise Unsuitable("it asks something else than whether the sum of a row is 0")
    return Zero(value.of, turned=True)


def _arg_max(call: Call) -> Index:
    value, axis = call.given(0), call.get("axis", 0)
    if isinstance(value, Column):
        value = call.chain()
    if not isinstance(value, Chain | Table) or axis not in (1, -1) or call.get("select_last_index", 0):
        raise Unsuitable("it is not the first largest of each sample")
    if isinstance(value, Chain) and (len(value.shape) != 1 or value.features < 2):
        raise Unsuitable(f"samples of shape {value.shape} have no two classes")
    if isinstance(value, Table) and value.probability == "modified-huber" and value.columns > 2:
        raise Unsuitable(
            "it takes the first of shares that are equal after clipping, where the classifier itself takes the largest "
            "score; export it with the option raw_scores=True"
        )
    if isinstance(value, Chain) and value.ends_in(SIGMOID):
        return Index(value.without_last())  # whose largest is the same one
    return Index(value)


def _cast(call: Call) -> Value:
    value, to = call.given(0), call.get("to", 0)
    if isinstance(value, Chain | Table | Column | Shares) and to in FLOATS:
        return value
    if isinstance(value, Whole) and to in FLOATS:
        return value.of
    if isinstance(value, Chain) and to == onnx.TensorProto.BOOL:
        return Zero(value)
    if isinstance(value, Zero) and value.turned and to in FLOATS:
        return value
    if isinstance(value, Index) and to in _INTEGERS:
        return value
    if isinstance(value, Labels) and to in (*FLOATS, *_INTEGERS):
        dtype = onnx.helper.tensor_dtype_to_np_dtype(to)
        if value.classes.dtype.kind in "if":
            with np.errstate(invalid="ignore"):
                classes = value.classes.astype(dtype)
            if np.array_equal(classes, value.classes):
                return Labels(value.of, classes)
    raise Unsuitable("it changes more than the precision")


def _cast_like(call: Call) -> Value:
    value, like = call.given(0), call.given(1)
    floats = isinstance(like, Chain) or (isinstance(like, np.ndarray) and like.dtype.kind == "f" and like.itemsize > 2)
    if isinstance(value, np.ndarray) and value.dtype.kind == "f" and floats:
        return value
    if isinstance(value, Chain | Table | Column | Whole) and floats:
        return value.of if isinstance(value, Whole) else value
    raise Unsuitable("it changes more than the precision")


def _linear(call: Call, rows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    coefficients = finite(np.array(call.get("coefficients", []), dtype=float))
    intercepts = finite(np.array(call.get("intercepts", [0.0] * rows), dtype=float))
    chain = call.chain_of_any()
    if rows < 1 or len(chain.shape) != 1 or coefficients.size != rows * chain.features or intercepts.size != rows:
        raise Unsuitable(
            f"{coefficients.size} coefficients and {intercepts.size} intercepts are not those of {rows} outputs for "
            f"samples of shape {chain.shape}"
        )
    return coefficients.reshape(rows, -1), intercepts


def _linear_regressor(call: Call) -> Chain:
    if call.text("post_transform", "NONE") != "NONE":
        raise Unsuitable("it has a post_transform")
    return call.chain_of_any().linear(*_linear(call, call.get("targets", 1)))


def _linear_classifier(call: Call) -> tuple[Labels, Table]:
    strings = [each.decode("utf-8", "strict") for each in call.get("classlabels_strings", [])]
    labels = strings or list(call.get("classlabels_ints", []))
    table = linear_table(call.chain_of_any(), *_linear(call, len(labels)), call.text("post_transform", "NONE"))
    return Labels(table, np.array(labels)), table


def _normalizer(call: Call) -> Table:
    value = call.given(0)
    if not isinstance(value, Table) or call.text("norm", "MAX") != "L1":
        raise Unsuitable(
            "it is no L1 norm of a classifier's probabilities, and no polynomial divides by the norm of a sample well; "
            "leave it to the client, before it encrypts"
        )
    return normalise(value)


def _zip_map(call: Call) -> Named | Shares:
    value = call.given(0)
    strings = [each.decode("utf-8", "strict") for each in call.get("classlabels_strings", [])]
    classes = strings or list(call.get("classlabels_int64s", []))
    if isinstance(value, Shares):
        return value
    if not isinstance(value, Chain | Table):
        raise Unsuitable("it names no scores or probabilities")
    if len(classes) != columns_of(value):
        raise Unsuitable(f"it has {len(classes)} names for {columns_of(value)} columns")
    return Named(value, np.array(classes))


Operator = Callable[[Call], Value | tuple[Value, ...]]

CLASSIFIERS: dict[tuple[str, str], Operator] = {
    ("", "ArgMax"): _arg_max,
    ("", "Cast"): _cast,
    ("", "CastLike"): _cast_like,
    ("", "Concat"): _concat,
    ("", "Gather"): _gather,
    ("", "LogSoftmax"): _softmax,
    ("", "Not"): _not,
    ("", "ReduceSum"): _reduce_sum,
    ("", "Slice"): _slice,
    ("", "Softmax"): _softmax,
    (_ML, "ArrayFeatureExtractor"): _array_feature_extractor,
    (_ML, "LinearClassifier"): _linear_classifier,
    (_ML, "LinearRegressor"): _linear_regressor,
    (_ML, "Normalizer"): _normalizer,
    (_ML, "ZipMap"): _zip_map,
}
"""By domain and name."""
