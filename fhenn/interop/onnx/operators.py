"""What each operator of ONNX does to the values of a graph that is read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fhenn import approx
from fhenn.approx import Function
from fhenn.interop.chain import SAMPLES, Chain, Unsuitable, finite, parametrised, repeated
from fhenn.interop.gates import difference, product, quotient
from fhenn.interop.onnx.axes import AXES
from fhenn.interop.onnx.call import Call, Constant, Value
from fhenn.interop.onnx.classifiers import CLASSIFIERS, guard_times, row_share, without_guard
from fhenn.interop.onnx.gates import GATES
from fhenn.interop.onnx.heads import Column, Index, Labels, Shares
from fhenn.interop.onnx.images import average_pool, convolution, global_average_pool, pad
from fhenn.interop.onnx.load import array_of

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


def _sides(call: Call) -> tuple[Chain, NDArray[np.float64], bool]:
    """Samples, the constant beside them, and whether the constant stands first."""
    first = isinstance(call.given(0), np.ndarray)
    return call.chain(1 if first else 0), call.weights(0 if first else 1), first


def _branches(call: Call) -> tuple[Chain, Chain] | None:
    """Both inputs where they come from the samples."""
    return (call.chain(0), call.chain(1)) if call.comes_from_samples(0) and call.comes_from_samples(1) else None


def _add(call: Call) -> Value:
    guarded = without_guard(call)
    if guarded is not None:
        return guarded
    branches = _branches(call)
    if branches is not None:
        first, second = repeated(*branches)
        return first.plus(second)
    chain, constant, _ = _sides(call)
    return chain.scale(1.0, constant)


def _sum(call: Call) -> Chain:
    total = call.chain(0)
    for place in range(1, len(call.inputs)):
        first, second = repeated(total, call.chain(place))
        total = first.plus(second)
    return total


def _sub(call: Call) -> Chain:
    branches = _branches(call)
    if branches is not None:
        first, second = repeated(*branches)
        return difference(first, second) or first.plus(second.scale(-1.0))
    chain, constant, stands_first = _sides(call)
    return chain.scale(-1.0, constant) if stands_first else chain.scale(1.0, -constant)


def _mul(call: Call) -> Value:
    guard = guard_times(call)
    if guard is not None:
        return guard
    branches = _branches(call)
    if branches is not None:
        first, second = repeated(*branches)
        return product(first, second) or first.times(second)
    chain, constant, _ = _sides(call)
    return chain.scale(constant)


def _pow(call: Call) -> Chain:
    exponent = call.constant(1)
    if exponent.size != 1 or exponent.dtype.kind not in "if":
        raise Unsuitable("its exponent is not one number")
    return call.chain().power(exponent.item())


def _neg(call: Call) -> Chain:
    return call.chain().scale(-1.0)


def _div(call: Call) -> Value:
    share = row_share(call)
    if share is not None:
        return share
    branches = _branches(call)
    found = None if branches is None else quotient(*branches)
    if found is not None:
        return found
    if branches is not None or isinstance(call.given(0), np.ndarray):
        raise Unsuitable("it divides by what the samples come to")
    chain, constant, _ = _sides(call)
    with np.errstate(divide="ignore", over="ignore"):
        return chain.scale(1.0 / constant)


def _abs(call: Call) -> Chain:
    chain = call.chain()
    return chain if chain.ends_in(approx.SIGMOID) else chain.activate(approx.ABS)  # a sigmoid is never negative


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
    if isinstance(first, Labels | Index | Column | Shares):
        if target not in ([-1], [-1, 1]):
            raise Unsuitable("labels, or what a column holds, are not in one column after it")
        return first
    chain, keep = call.chain(), call.get("allowzero", 0)
    sizes = [
        chain.shape[place - 1] if size == 0 and not keep and 0 < place <= len(chain.shape) else size
        for place, size in enumerate(target)
    ]
    same = bool(sizes) and ((sizes[0] == 0 and not keep) or sizes[0] == call.batch > 0)
    return chain.view([SAMPLES if same else sizes[0], *sizes[1:]] if sizes else [])


def _squeeze(call: Call) -> Value:
    axes = call.integers(1) if call.given(1) is not None else call.get("axes", None)
    if axes is None:
        raise Unsuitable("without axes, it would take a single sample's axis away")
    column = call.given(0)
    return column if isinstance(column, Column) and axes in ([1], [-1]) else call.chain().squeeze(axes)


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
    ends = (None if bound is None else float(np.asarray(bound).item()) for bound in bounds)
    low, high = (None if end is None or abs(end) >= _NO_BOUND else end for end in ends)
    chain = call.chain()
    if chain.only_scales and None not in (low, high):
        raise Unsuitable(
            "it clips features, as MinMaxScaler(clip=True) does; export clip=False: the client clips to the bounds of "
            "a plan, with on_bounds='clip' of fhenn.encrypted_model"
        )
    return chain.clip(low, high)


def _scaler(call: Call) -> Chain:
    offset, scale = (
        finite(np.array(call.get(name, [default]), dtype=float)) for name, default in (("offset", 0.0), ("scale", 1.0))
    )
    return call.chain_of_any().scale(1.0, -offset).scale(scale)


def _constant(call: Call) -> Constant:
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        if name in call.attributes:
            value = call.attributes[name]
            dtype = np.int64 if "int" in name else np.float32
            return array_of(value) if name == "value" else np.array(value, dtype=dtype)
    raise Unsuitable("it holds no plain numbers")


OPERATORS: dict[tuple[str, str], Operator] = {
    **AXES,
    **CLASSIFIERS,
    **GATES,
    ("", "Gemm"): _gemm,
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
    ("", "Abs"): _abs,
    ("", "Erf"): _elementwise(approx.ERF),
    ("", "Flatten"): _flatten,
    ("", "Reshape"): _reshape,
    ("", "Squeeze"): _squeeze,
    ("", "Unsqueeze"): _unsqueeze,
    ("", "Shape"): _shape,
    ("", "BatchNormalization"): _batch_normalization,
    ("", "Identity"): _identity,
    ("", "Dropout"): _dropout,
    ("", "Constant"): _constant,
    (_ML, "Scaler"): _scaler,
}
"""By domain and name."""

_AVERAGES = "put average pooling, {}, in its place, train on for a few epochs, and export that"
_NORMS = (
    "it divides by the spread of each sample, which no polynomial does well; put BatchNormalization in its place "
    "(BatchNorm1d or BatchNorm2d in PyTorch), train on for a few epochs, and export that"
)
_ROOTS = (
    "it is part of a norm of each sample, which no polynomial divides by well; leave the norm to the client, before it "
    "encrypts, or put BatchNormalization in the place of a LayerNorm, train on for a few epochs, and export that"
)
_STATES = (
    "what comes out goes in again, as often as there are steps; convolutions or dense layers over all steps do not"
)
INSTEAD: dict[str, str] = {
    **dict.fromkeys(
        ("LayerNormalization", "RMSNormalization", "InstanceNormalization", "GroupNormalization", "LpNormalization"),
        _NORMS,
    ),
    **dict.fromkeys(("Sqrt", "ReduceL2", "ReduceSumSquare", "Normalizer"), _ROOTS),
    **dict.fromkeys(("LSTM", "GRU", "RNN", "Loop", "Scan", "If"), _STATES),
    "ReduceProd": "it multiplies features with one another; leave PolynomialFeatures to the client, before it encrypts",
    "MaxPool": _AVERAGES.format("AveragePool"),
    "GlobalMaxPool": _AVERAGES.format("GlobalAveragePool"),
}
"""What can stand in the place of an operator for which no polynomial stands in."""
