"""Activations that exporters write as several operators are the one node that they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import fhenn
from fhenn.approx import softplus
from fhenn.errors import UnsupportedModel

DRAW = np.random.default_rng(0)
WEIGHT = DRAW.normal(size=(3, 2))


def gated(*nodes, element=TensorProto.DOUBLE, **constants):
    """A model of nodes (operator, inputs, output, attributes) on "z", which a dense layer makes, up to another one."""
    made = [
        helper.make_node(kind, given_, [output], **(attributes[0] if attributes else {}))
        for kind, given_, output, *attributes in (
            ("MatMul", ["x", "weight"], "z"),
            *nodes,
            ("MatMul", ["y", "last"], "out"),
        )
    ]
    values = {"weight": WEIGHT, "last": np.eye(2), "one": np.array(1.0), "half": np.array(0.5), **constants}
    graph = helper.make_graph(
        made,
        "test",
        [helper.make_tensor_value_info("x", element, (None, 3))],
        [helper.make_tensor_value_info("out", element, (None, 2))],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


ERF = [("Div", ["z", "root"], "d"), ("Erf", ["d"], "e"), ("Add", ["e", "one"], "a")]
SOFTPLUS = [("Mul", ["z", "beta"], "b"), ("Softplus", ["b"], "s"), ("Div", ["s", "beta"], "t")]
WAYS = {
    "silu": [("Sigmoid", ["z"], "s"), ("Mul", ["z", "s"], "y")],
    "silu-first": [("Sigmoid", ["z"], "s"), ("Mul", ["s", "z"], "y")],
    "hard_swish": [("HardSigmoid", ["z"], "s", {"alpha": 1 / 6}), ("Mul", ["z", "s"], "y")],
    "mish": [("Softplus", ["z"], "s"), ("Tanh", ["s"], "t"), ("Mul", ["z", "t"], "y")],
    "gelu": [*ERF, ("Mul", ["z", "a"], "m"), ("Mul", ["m", "half"], "y")],
    "gelu-half-first": [*ERF, ("Mul", ["z", "half"], "h"), ("Mul", ["h", "a"], "y")],
    "gelu-half-of-gate": [*ERF, ("Mul", ["a", "half"], "h"), ("Mul", ["h", "z"], "y")],
    "softsign": [("Abs", ["z"], "a"), ("Add", ["a", "one"], "b"), ("Div", ["z", "b"], "y")],
    "log_sigmoid": [("Sigmoid", ["z"], "s"), ("Log", ["s"], "y")],
    "tanhshrink": [("Tanh", ["z"], "t"), ("Sub", ["z", "t"], "y")],
    "sigmoid": [
        ("Neg", ["z"], "n"),
        ("Exp", ["n"], "e"),
        ("Add", ["e", "one"], "a"),
        ("Reciprocal", ["a"], "y"),
    ],
    "softplus": [
        ("Softplus", ["z"], "s"),
        ("Greater", ["z", "far"], "g"),
        ("Where", ["g", "z", "s"], "y"),
    ],
    softplus(2.0).name: [*SOFTPLUS, ("Greater", ["b", "far"], "g"), ("Where", ["g", "z", "t"], "y")],
    "relu": [("Max", ["z", "nil"], "y")],
}
CONSTANTS = {"root": np.array(2**0.5), "far": np.array(20.0), "beta": np.array(2.0), "nil": np.array(0.0)}


@pytest.mark.parametrize("name", WAYS)
def test_it_is_one_node(name):
    model = fhenn.from_onnx(gated(*WAYS[name], **CONSTANTS), domain=(-4, 4), accuracy=0.02)
    assert len(model.nodes) == 3
    assert model.nodes[1].function.name == name.partition("-")[0] or model.nodes[1].function.name == name
    x = DRAW.normal(size=(9, 3)) / 4
    exact = model.nodes[1].function.value(x @ WEIGHT)
    assert np.abs(model.predict(x) - exact).max() <= model.nodes[1].sup_error() + 1e-9


@settings(max_examples=30, deadline=None)
@given(st.floats(0.125, 4), st.floats(-2, 2).filter(lambda factor: abs(factor) > 0.01))
def test_factors_of_a_gelu_are_kept(spread, factor):
    """x·(1 + erf(x/√2)) times any factor; with another spread it is no GELU, and a product of branches."""
    nodes = [*ERF, ("Mul", ["z", "factor"], "h"), ("Mul", ["h", "a"], "y")]
    proto = gated(*nodes, **{**CONSTANTS, "factor": np.array(factor)})
    model = fhenn.from_onnx(proto, domain=(-4, 4))
    x = DRAW.normal(size=(9, 3)) / 4
    exact = 2 * factor * model.nodes[1].function.value(x @ WEIGHT)
    assert np.abs(model.predict(x) - exact).max() <= 2 * abs(factor) * model.nodes[1].sup_error() + 1e-9
    if abs(spread - 2**0.5) > 1e-3:
        other = fhenn.from_onnx(gated(*nodes, **{**CONSTANTS, "factor": np.array(factor), "root": np.array(spread)}))
        assert [node.name for node in other.nodes] == ["Linear", "Multiply", "Linear"]


REFUSED = {
    "quotient": ([("Sigmoid", ["z"], "s"), ("Div", ["z", "s"], "y")], "Div", "divides by"),
    "log": ([("Log", ["z"], "y")], "Log", "a sigmoid or a softmax"),
    "choice": ([("Greater", ["z", "nil"], "g"), ("Where", ["g", "z", "z"], "y")], "Where", "no polynomial"),
    "choice-of-others": (
        [("Softplus", ["z"], "s"), ("Greater", ["z", "far"], "g"), ("Where", ["g", "s", "z"], "y")],
        "Where",
        "no polynomial",
    ),
    "choice-of-slope": (
        [*SOFTPLUS, ("Greater", ["z", "far"], "g"), ("Where", ["g", "z", "t"], "y")],
        "Where",
        "no polynomial",
    ),
    "choice-at-0": (
        [("Softplus", ["z"], "s"), ("Greater", ["z", "nil"], "g"), ("Where", ["g", "z", "s"], "y")],
        "Where",
        "no polynomial",
    ),
    "choice-without-factor": (
        [*SOFTPLUS[:2], ("Greater", ["b", "far"], "g"), ("Where", ["g", "z", "s"], "y")],
        "Where",
        "no polynomial",
    ),
    "many-thresholds": ([("Greater", ["z", "last"], "g"), ("Where", ["g", "z", "z"], "y")], "Greater", "one number"),
    "larger-of-three": ([("Max", ["z", "nil", "one"], "y")], "Max", "one number"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_what_is_none_of_them(name):
    nodes, layer, reason = REFUSED[name]
    with pytest.raises(UnsupportedModel, match=reason) as caught:
        fhenn.from_onnx(gated(*nodes, **CONSTANTS))
    assert caught.value.layer == layer
