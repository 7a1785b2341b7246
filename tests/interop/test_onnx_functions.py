"""Every elementwise operator of ONNX, against onnxruntime."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import fhenn
from fhenn.errors import UnsupportedModel
from fhenn.interop.onnx import read

rng = np.random.default_rng(0)
W = rng.normal(size=(6, 3)).astype(np.float32)
X = (2 * rng.normal(size=(50, 6))).astype(np.float32)
SLOPES = np.float32([0.25, -0.5, 2.0])

OPERATORS = {
    "relu": ("Relu", {}, {}, "relu"),
    "leaky": ("LeakyRelu", {"alpha": 0.25}, {}, "leaky_relu(0.25)"),
    "prelu": ("PRelu", {}, {"p1": np.float32([0.25])}, "leaky_relu(0.25)"),
    "elu": ("Elu", {"alpha": 0.5}, {}, "elu(0.5)"),
    "selu": ("Selu", {}, {}, "selu"),
    "selu-own": ("Selu", {"alpha": 0.5, "gamma": 2.0}, {}, "elu(0.5)"),
    "celu": ("Celu", {"alpha": 2.0}, {}, "celu(2.0)"),
    "gelu": ("Gelu", {}, {}, "gelu"),
    "gelu-tanh": ("Gelu", {"approximate": "tanh"}, {}, "gelu_tanh"),
    "mish": ("Mish", {}, {}, "mish"),
    "sigmoid": ("Sigmoid", {}, {}, "sigmoid"),
    "hard-sigmoid": ("HardSigmoid", {"alpha": 0.25}, {}, "hard_sigmoid(0.25, 0.5)"),
    "hard-sigmoid-torch": ("HardSigmoid", {"alpha": 1 / 6}, {}, "hard_sigmoid"),
    "hard-swish": ("HardSwish", {}, {}, "hard_swish"),
    "tanh": ("Tanh", {}, {}, "tanh"),
    "softplus": ("Softplus", {}, {}, "softplus"),
    "softsign": ("Softsign", {}, {}, "softsign"),
    "exp": ("Exp", {}, {}, "exp"),
    "abs": ("Abs", {}, {}, "abs"),
    "erf": ("Erf", {}, {}, "erf"),
    "clip": ("Clip", {}, {"p1": np.float32(0), "p2": np.float32(6)}, "relu6"),
    "clip-both": ("Clip", {}, {"p1": np.float32(-1), "p2": np.float32(2)}, "hardtanh(-1.0, 2.0)"),
    "clip-below": ("Clip", {}, {"p1": np.float32(-0.5)}, "relu"),
    "clip-wide": ("Clip", {}, {"p1": np.float32(0), "p2": np.float32(3.4e38)}, "relu"),
    "cube": ("Pow", {}, {"p1": np.float32(3)}, None),
    "fourth": ("Pow", {}, {"p1": np.int64(4)}, None),
}


def model_of(kind, attributes, constants, opset=22):
    """x·w, one operator, and the sum of its outputs twice."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["t"]),
        helper.make_node(kind, ["t", *constants], ["y"], **attributes),
    ]
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (None, 6))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (None, 3))],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in {"w": W, **constants}.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def of_runtime(model):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": X})[0]


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_is_read_for_what_it_is(name):
    kind, attributes, constants, function = OPERATORS[name]
    model = model_of(kind, attributes, constants)
    chain = read(model, None).chain
    np.testing.assert_allclose(chain.exact(X.astype(np.float64)), of_runtime(model), rtol=2e-4, atol=2e-4)
    names = [step.name for step in chain.steps if isinstance(step, fhenn.approx.Function)]
    assert names == [] if function is None else [function]


def test_clip_of_old_files():
    model = model_of("Clip", {"min": 0.0, "max": 6.0}, {}, opset=7)
    np.testing.assert_allclose(read(model, None).chain.exact(X.astype(np.float64)), of_runtime(model), atol=1e-4)
    assert read(model_of("Clip", {}, {}, opset=7), None).chain.steps[0].outputs == 3


@pytest.mark.parametrize("slopes", [SLOPES, SLOPES[None, :]], ids=["channels", "with-samples"])
def test_a_slope_for_each_channel(slopes):
    model = model_of("PRelu", {}, {"p1": slopes})
    np.testing.assert_allclose(read(model, None).chain.exact(X.astype(np.float64)), of_runtime(model), atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "attributes", "constants", "reason"),
    [
        ("Pow", {}, {"p1": np.float32(0.5)}, "whole ones from 1 to 63"),
        ("Pow", {}, {"p1": np.float32(np.nan)}, "whole ones from 1 to 63"),
        ("Pow", {}, {"p1": np.float32([2, 3, 2])}, "not one number"),
        ("Clip", {}, {"p1": np.float32(2), "p2": np.float32(1)}, "low must be below high"),
        ("Celu", {"alpha": -1.0}, {}, "alpha must be above 0"),
        ("LeakyRelu", {"alpha": float("nan")}, {}, "slope must be finite"),
        ("HardSigmoid", {"beta": 1.5}, {}, "middle must be between 0 and 1"),
        ("Gelu", {"approximate": "cosh"}, {}, "neither 'none' nor 'tanh'"),
        ("PRelu", {}, {"p1": np.ones((6, 3), np.float32)}, "not one, nor one for each channel"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(kind, attributes, constants, reason):
    with pytest.raises(UnsupportedModel, match=reason):
        read(model_of(kind, attributes, constants), None)


def test_the_operators_are_those_of_onnx():
    """A name that ONNX does not know would never be met."""
    for kind, *_ in OPERATORS.values():
        assert onnx.defs.has(kind)
