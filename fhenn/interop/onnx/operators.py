"""What each operator of ONNX does to the values of a graph that is read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from numpy.typing import NDArray

from fhenn import approx
from fhenn.approx import Function
from fhenn.interop.chain import SAMPLES, Chain, Unsuitable, finite, parametrised
from fhenn.interop.onnx.call import Call, Constant, Value
from fhenn.interop.onnx.heads import Index, Labels, Named, Table, columns_of, complement_table, linear_table, normalise
from fhenn.interop.onnx.images import average_pool, convolution, global_average_pool, pad, reduce_mean
from fhenn.interop.onnx.load import FLOATS, array_of

_ML = "ai.onnx.ml"

_SELU = 1.6732632423543772848, 1.0507009873554804934
"""alpha and gamma."""

_NO_BOUND = 3e38
"""Bounds of that size are the ends of float32: none."""


Operator = Callable[[Call], Value | tuple[Value, ...]]


def _gemm(call: Call) -> Chain:
    weight = call.weights(1)
    if call.get("transA", 0):
        raise Unsuitable("transA would mix the samples")
    matrix = weight if call.get("transB", 0) else weight.T
    alpha, beta = call.get("alpha", 1.0), call.get("beta", 1.0)
    bias = None if call.given(2) is None else beta * call.weights(2)
    return call.chain().linear(matrix if alpha == 1.0 else alpha * matrix, bias)


def _matmul(call: Call) -> Chain:
    weight = call.weights(1)
    chain = call.chain()
    if weight.ndim == 1:
        return chain.linear(weight[None, :]).reshape(())
    return chain.linear(weight.T)


def _sides(call: Call) -> tuple[Chain, NDArray[np.float64], bool]:
    """Samples, the constant beside them, and whether the constant stands first."""
    first = isinstance(call.given(0), np.ndarray)
    return call.chain(1 if first else 0), call.weights(0 if first else 1), first


def _are_branches(call: Call) -> bool:
    """Whether both inputs come from the samples."""
    return isinstance(call.given(0), Chain) and isinstance(call.given(1), Chain)


def _add(call: Call) -> Chain:
    if _are_branches(call):
        return call.chain(0).plus(call.chain(1))
    chain, constant, _ = _sides(call)
    return chain.scale(1.0, constant)


def _sum(call: Call) -> Chain:
    total = call.chain(0)
    for place in range(1, len(call.inputs)):
        total = total.plus(call.chain(place))
    return total


def _sub(call: Call) -> Chain:
    if _are_branches(call):
        return call.chain(0).plus(call.chain(1).scale(-1.0))
    chain, constant, first = _sides(call)
    return chain.scale(-1.0, constant) if first else chain.scale(1.0, -constant)


def _mul(call: Call) -> Chain:
    if _are_branches(call):
        return call.chain(0).times(call.chain(1))
    chain, constant, _ = _sides(call)
    return chain.scale(constant)


def _pow(call: Call) -> Chain:
    exponent = call.constant(1)
    if exponent.size != 1 or exponent.dtype.kind not in "if":
        raise Unsuitable("its exponent is not one number")
    return call.chain().power(exponent.item())


def _neg(call: Call) -> Chain:
    return call.chain().scale(-1.0)


def _div(call: Call) -> Chain:
    chain, constant, first = _sides(call)
    if first:
        raise Unsuitable("it divides by what the samples come to")
    with np.errstate(divide="ignore", over="ignore"):
        return chain.scale(1.0 / constant)


def _batch_normalization(call: Call) -> Chain:
    if call.get("training_mode", 0) or call.outputs > 1 or not call.get("spatial", 1):
        raise Unsuitable("it is in training mode, or not one channel at a time")
    chain = call.chain()
    scale, shift, mean, variance = (call.weights(place) for place in (1, 2, 3, 4))
    return chain.normalise(mean, variance, call.get("epsilon", 1e-5), scale, shift)


def _flatten(call: Call) -> Chain:
    chain = call.chain()
    axis, rank = call.get("axis", 1), len(chain.shape) + 1
    if axis not in (1, 1 - rank) or rank == 1:
        raise Unsuitable(f"axis {axis} would mix the samples")
    return chain.reshape((chain.features,))


def _reshape(call: Call) -> Value:
    first, target = call.given(0), call.integers(1)
    if isinstance(first, Labels | Index):
        if target not in ([-1], [-1, 1]):
            raise Unsuitable("labels are not in one column after it")
        return first
    chain, keep = call.chain(), call.get("allowzero", 0)
    sizes = [
        chain.shape[place - 1] if size == 0 and not keep and 0 < place <= len(chain.shape) else size
        for place, size in enumerate(target)
    ]
    same = bool(sizes) and ((sizes[0] == 0 and not keep) or sizes[0] == call.batch > 0)
    return chain.view([SAMPLES if same else sizes[0], *sizes[1:]] if sizes else [])


def _squeeze(call: Call) -> Chain:
    chain = call.chain()
    axes = call.integers(1) if call.given(1) is not None else call.get("axes", None)
    if axes is None:
        raise Unsuitable("without axes, it would take a single sample's axis away")
    return chain.squeeze(axes)


def _unsqueeze(call: Call) -> Chain:
    chain = call.chain()
    axes = call.integers(1) if call.given(1) is not None else list(call.get("axes", []))
    rank = len(chain.shape) + 1 + len(axes)
    places = {axis + rank if axis < 0 else axis for axis in axes}
    if len(places) != len(axes) or not all(0 < place < rank for place in places):
        raise Unsuitable(f"its axes {axes} do not keep samples of shape {chain.shape} apart, or their axis first")
    lengths = iter(chain.shape)
    return chain.reshape(tuple(1 if place in places else next(lengths) for place in range(1, rank)))


def _shape(call: Call) -> Constant:
    """The shape, with SAMPLES for the number of samples."""
    sizes = [SAMPLES, *call.chain().shape]
    return np.array(sizes[slice(call.get("start", 0), call.get("end", None))], dtype=np.int64)


def _identity(call: Call) -> Value:
    value = call.given(0)
    if value is None:
        raise Unsuitable("it has no input")
    return value


def _dropout(call: Call) -> Value:
    if call.outputs > 1 or (call.given(2) is not None and np.any(call.constant(2))):
        raise Unsuitable("it is in training mode, or tells what it drops")
    return _identity(call)


def _cast(call: Call) -> Value:
    value, to = call.given(0), call.get("to", 0)
    if isinstance(value, Chain | Table) and to in FLOATS:
        return value
    if isinstance(value, Index) and to in (onnx.TensorProto.INT32, onnx.TensorProto.INT64):
        return value
    if isinstance(value, Labels) and to in (*FLOATS, onnx.TensorProto.INT32, onnx.TensorProto.INT64):
        dtype = onnx.helper.tensor_dtype_to_np_dtype(to)
        if value.classes.dtype.kind in "if":
            with np.errstate(invalid="ignore"):
                classes = value.classes.astype(dtype)
            if np.array_equal(classes, value.classes):
                return Labels(value.of, classes)
    raise Unsuitable("it changes more than the precision")


def _elementwise(function: Function) -> Operator:
    """A function without parameters."""
    return lambda call: call.chain().activate(function)


def _leaky_relu(call: Call) -> Chain:
    return call.chain().activate(parametrised(approx.leaky_relu, call.get("alpha", 0.01)))


def _prelu(call: Call) -> Chain:
    slopes, shape = call.weights(1), call.chain().shape
    spread = slopes[0] if slopes.ndim == len(shape) + 1 and slopes.shape[0] == 1 else slopes
    if slopes.size != 1 and (spread.ndim != len(shape) or spread.size != spread.shape[0]):
        raise Unsuitable(f"its slopes of shape {slopes.shape} are not one, nor one for each channel")
    return call.chain().leaky(slopes.ravel())


def _elu(call: Call) -> Chain:
    return call.chain().activate(parametrised(approx.elu, call.get("alpha", 1.0)))


def _selu(call: Call) -> Chain:
    alpha, gamma = call.get("alpha", _SELU[0]), call.get("gamma", _SELU[1])
    if np.allclose((alpha, gamma), _SELU, rtol=1e-6, atol=0):
        return call.chain().activate(approx.SELU)
    return call.chain().activate(parametrised(approx.elu, alpha)).scale(gamma)


def _celu(call: Call) -> Chain:
    return call.chain().activate(parametrised(approx.celu, call.get("alpha", 1.0)))


def _gelu(call: Call) -> Chain:
    form = call.text("approximate", "none")
    if form not in ("none", "tanh"):
        raise Unsuitable(f"its form {form[:20]!r} is neither 'none' nor 'tanh'")
    return call.chain().activate(approx.GELU if form == "none" else approx.GELU_TANH)


def _swish(call: Call) -> Chain:
    alpha = call.get("alpha", 1.0)
    if alpha <= 0:
        raise Unsuitable(f"its alpha of {alpha:g} is not above 0")
    chain = call.chain() if alpha == 1 else call.chain().scale(alpha)
    return chain.activate(approx.SILU) if alpha == 1 else chain.activate(approx.SILU).scale(1 / alpha)


def _hard_sigmoid(call: Call) -> Chain:
    slope, middle = call.get("alpha", 0.2), call.get("beta", 0.5)
    if np.allclose((slope, middle), (1 / 6, 0.5), rtol=1e-6, atol=0):
        return call.chain().activate(approx.HARD_SIGMOID)
    return call.chain().activate(parametrised(approx.hard_sigmoid, slope, middle))


def _clip(call: Call) -> Chain:
    if call.operator_set < 11:
        bounds = [call.get("min", None), call.get("max", None)]
    else:
        bounds = [None if call.given(place) is None else call.constant(place) for place in (1, 2)]
    if any(np.size(bound) != 1 for bound in bounds):
        raise Unsuitable("its bounds are not one number each")
    ends = (None if bound is None else float(bound) for bound in bounds)
    low, high = (None if end is None or abs(end) >= _NO_BOUND else end for end in ends)
    return call.chain().clip(low, high)


def _softmax(call: Call) -> Table:
    chain = call.chain()
    axis = call.get("axis", 1 if call.operator_set < 13 else -1)
    if len(chain.shape) != 1 or axis not in (1, -1) or chain.features < 2:
        raise Unsuitable(f"axis {axis} of samples of shape {chain.shape} is not that of two classes or more")
    return Table(chain, chain.features, "softmax")


def _concat(call: Call) -> Table:
    first, second = (call.chain(0), call.chain(1)) if len(call.inputs) == 2 else (None, None)
    if first is None or second is None or call.get("axis", 1) not in (1, -1) or len(first.shape) != 1:
        raise Unsuitable("it joins values that are not 1 - p and p of a sigmoid's p")
    return complement_table(first, second)


def _arg_max(call: Call) -> Index:
    value, axis = call.given(0), call.get("axis", 0)
    if not isinstance(value, Chain | Table) or axis not in (1, -1) or call.get("select_last_index", 0):
        raise Unsuitable("it is not the first largest of each sample")
    if isinstance(value, Chain) and (len(value.shape) != 1 or value.features < 2):
        raise Unsuitable(f"samples of shape {value.shape} have no two classes")
    return Index(value)


def _array_feature_extractor(call: Call) -> Value:
    first, second = call.given(0), call.given(1)
    if (
        isinstance(first, np.ndarray)
        and isinstance(second, Index)
        and first.ndim == 1
        and len(first) == columns_of(second.of)
    ):
        return Labels(second.of, first)
    if isinstance(first, Table) and isinstance(second, np.ndarray):
        taken = second.ravel().tolist() == [1]
        if taken and first.probability is None and first.scores.features == 1:
            return first.scores
    raise Unsuitable("it takes neither the label of a class's number nor the second class's score")


def _scaler(call: Call) -> Chain:
    offset, scale = (
        finite(np.array(call.get(name, [default]), dtype=float)) for name, default in (("offset", 0.0), ("scale", 1.0))
    )
    return call.chain().scale(1.0, -offset).scale(scale)


def _linear(call: Call, rows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    coefficients = finite(np.array(call.get("coefficients", []), dtype=float))
    intercepts = finite(np.array(call.get("intercepts", [0.0] * rows), dtype=float))
    chain = call.chain()
    if rows < 1 or len(chain.shape) != 1 or coefficients.size != rows * chain.features or intercepts.size != rows:
        raise Unsuitable(
            f"{coefficients.size} coefficients and {intercepts.size} intercepts are not those of {rows} outputs for "
            f"samples of shape {chain.shape}"
        )
    return coefficients.reshape(rows, -1), intercepts


def _linear_regressor(call: Call) -> Chain:
    if call.text("post_transform", "NONE") != "NONE":
        raise Unsuitable("it has a post_transform")
    return call.chain().linear(*_linear(call, call.get("targets", 1)))


def _linear_classifier(call: Call) -> tuple[Labels, Table]:
    strings = [each.decode("utf-8", "strict") for each in call.get("classlabels_strings", [])]
    labels = strings or list(call.get("classlabels_ints", []))
    table = linear_table(call.chain(), *_linear(call, len(labels)), call.text("post_transform", "NONE"))
    return Labels(table, np.array(labels)), table


def _normalizer(call: Call) -> Table:
    value = call.given(0)
    if not isinstance(value, Table) or call.text("norm", "MAX") != "L1":
        raise Unsuitable("it is no L1 norm of a classifier's probabilities")
    return normalise(value)


def _zip_map(call: Call) -> Named:
    value = call.given(0)
    strings = [each.decode("utf-8", "strict") for each in call.get("classlabels_strings", [])]
    classes = strings or list(call.get("classlabels_int64s", []))
    if not isinstance(value, Chain | Table):
        raise Unsuitable("it names no scores or probabilities")
    if len(classes) != columns_of(value):
        raise Unsuitable(f"it has {len(classes)} names for {columns_of(value)} columns")
    return Named(value, np.array(classes))


def _constant(call: Call) -> Constant:
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        if name in call.attributes:
            value = call.attributes[name]
            dtype = np.int64 if "int" in name else np.float32
            return array_of(value) if name == "value" else np.array(value, dtype=dtype)
    raise Unsuitable("it holds no plain numbers")


OPERATORS: dict[tuple[str, str], Operator] = {
    ("", "Gemm"): _gemm,
    ("", "MatMul"): _matmul,
    ("", "Add"): _add,
    ("", "Sub"): _sub,
    ("", "Mul"): _mul,
    ("", "Div"): _div,
    ("", "Sum"): _sum,
    ("", "Neg"): _neg,
    ("", "Pow"): _pow,
    ("", "Conv"): convolution,
    ("", "AveragePool"): average_pool,
    ("", "GlobalAveragePool"): global_average_pool,
    ("", "ReduceMean"): reduce_mean,
    ("", "Pad"): pad,
    ("", "Relu"): _elementwise(approx.RELU),
    ("", "LeakyRelu"): _leaky_relu,
    ("", "PRelu"): _prelu,
    ("", "Elu"): _elu,
    ("", "Selu"): _selu,
    ("", "Celu"): _celu,
    ("", "Gelu"): _gelu,
    ("", "Swish"): _swish,
    ("", "Mish"): _elementwise(approx.MISH),
    ("", "Sigmoid"): _elementwise(approx.SIGMOID),
    ("", "HardSigmoid"): _hard_sigmoid,
    ("", "HardSwish"): _elementwise(approx.HARD_SWISH),
    ("", "Tanh"): _elementwise(approx.TANH),
    ("", "Softplus"): _elementwise(approx.SOFTPLUS),
    ("", "Softsign"): _elementwise(approx.SOFTSIGN),
    ("", "Clip"): _clip,
    ("", "Exp"): _elementwise(approx.EXP),
    ("", "Abs"): _elementwise(approx.ABS),
    ("", "Erf"): _elementwise(approx.ERF),
    ("", "Flatten"): _flatten,
    ("", "Reshape"): _reshape,
    ("", "Squeeze"): _squeeze,
    ("", "Unsqueeze"): _unsqueeze,
    ("", "Shape"): _shape,
    ("", "BatchNormalization"): _batch_normalization,
    ("", "Identity"): _identity,
    ("", "Dropout"): _dropout,
    ("", "Cast"): _cast,
    ("", "Constant"): _constant,
    ("", "Softmax"): _softmax,
    ("", "Concat"): _concat,
    ("", "ArgMax"): _arg_max,
    (_ML, "ArrayFeatureExtractor"): _array_feature_extractor,
    (_ML, "LinearClassifier"): _linear_classifier,
    (_ML, "LinearRegressor"): _linear_regressor,
    (_ML, "Normalizer"): _normalizer,
    (_ML, "Scaler"): _scaler,
    (_ML, "ZipMap"): _zip_map,
}
"""By domain and name."""

_AVERAGES = "put average pooling, {}, in its place, train on for a few epochs, and export that"
INSTEAD: dict[str, str] = {
    "MaxPool": _AVERAGES.format("AveragePool"),
    "GlobalMaxPool": _AVERAGES.format("GlobalAveragePool"),
    "Transpose": "it changes the order of axes: where images come with channels last, export a model that takes "
    "channels first, and give it np.moveaxis(images, -1, 1)",
}
"""What can stand in the place of an operator for which no polynomial stands in."""
