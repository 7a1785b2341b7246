"""Products of two branches of ONNX in, as `Multiply`: against onnxruntime, in files, planned and on ciphertexts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto
from onnx_graphs import IMAGES, graph, of_reference, of_runtime
from support import mostly_thorough

import fhenn
from fhenn import artifacts
from fhenn.interop.onnx import read
from fhenn.nn import Multiply, wired
from fhenn.planner import fingerprint_of, verify

DRAW = np.random.default_rng(0)
X = DRAW.uniform(-1, 1, (60, 4))
WEIGHTS = {
    "first": DRAW.normal(size=(4, 4)) / 2,
    "second": DRAW.normal(size=(4, 4)) / 2,
    "column": DRAW.normal(size=(4, 1)) / 2,
    "last": DRAW.normal(size=(4, 3)) / 2,
    "shift": DRAW.normal(size=4) / 2,
    "three": np.array(3.0),
}


def network(*nodes, element=TensorProto.DOUBLE):
    """A model of nodes (operator, inputs, output) from "x", (samples, 4), to "y"."""
    return graph(*nodes, shape=(None, 4), element=element, **WEIGHTS)


LAST = ("MatMul", ["p", "last"], "y")
PRODUCTS = {
    "affine": [("MatMul", ["x", "first"], "a"), ("MatMul", ["x", "second"], "n"), ("Mul", ["a", "n"], "p"), LAST],
    "with-itself": [("MatMul", ["x", "first"], "a"), ("Mul", ["a", "x"], "p"), LAST],
    "shifted": [("Add", ["x", "shift"], "a"), ("Mul", ["a", "x"], "p"), LAST],
    "gate": [
        ("MatMul", ["x", "first"], "a"),
        ("MatMul", ["x", "second"], "n"),
        ("Sigmoid", ["n"], "s"),
        ("Mul", ["a", "s"], "p"),
        LAST,
    ],
    "tanh-of-itself": [("MatMul", ["x", "first"], "a"), ("Tanh", ["a"], "t"), ("Mul", ["a", "t"], "p"), LAST],
    "one-for-all": [
        ("MatMul", ["x", "column"], "c"),
        ("Sigmoid", ["c"], "s"),
        ("Mul", ["s", "x"], "p"),
        LAST,
    ],
    "at-the-end": [("MatMul", ["x", "first"], "a"), ("MatMul", ["x", "second"], "n"), ("Mul", ["a", "n"], "y")],
    "of-products": [
        ("MatMul", ["x", "first"], "a"),
        ("Mul", ["a", "x"], "q"),
        ("MatMul", ["q", "second"], "n"),
        ("Mul", ["q", "n"], "p"),
        LAST,
    ],
    "beside-a-sum": [
        ("MatMul", ["x", "first"], "a"),
        ("Tanh", ["a"], "t"),
        ("Add", ["a", "t"], "s"),
        ("Mul", ["s", "x"], "p"),
        LAST,
    ],
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_it_is_what_others_compute(name):
    proto = network(*PRODUCTS[name])
    expected = of_reference(proto, X)
    np.testing.assert_allclose(read(proto, None).chain.exact(X), expected, atol=1e-12)
    model = fhenn.from_onnx(proto, inputs=X, accuracy=1e-5)
    assert any(step.name == "Multiply" for step in wired(model))
    assert np.abs(model.scores(X) - expected).max() <= 1e-3
    assert np.abs(model.scores(X) - of_runtime(network(*PRODUCTS[name], element=TensorProto.FLOAT), X)).max() <= 1e-3
    again = artifacts.model_from_bytes(artifacts.model_to_bytes(model))
    assert fingerprint_of(again) == fingerprint_of(model)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


@pytest.mark.parametrize("name", mostly_thorough(PRODUCTS, ()))
def test_encrypted(name, evaluator):
    model = fhenn.from_onnx(network(*PRODUCTS[name]), inputs=X, accuracy=1e-2)
    plan = fhenn.plan(model, inputs=X, bounds=[-1.5, 1.5], rows=2, evaluator=evaluator)
    verify(plan, model)
    client = fhenn.Client(plan.public())
    server = fhenn.Server(model, plan, client.evaluation_keys())
    upload = client.encrypt(X[:2])
    scores = client.decrypt_scores(server.predict(upload), receipt=fhenn.session.Receipt.of(upload))
    assert np.all(np.abs(scores - model.scores(X[:2])) <= plan.errors)


def test_a_product_of_multiples_of_one_value_is_a_square():
    model = fhenn.from_onnx(network(("Mul", ["x", "three"], "a"), ("Mul", ["a", "x"], "p"), LAST))
    assert not any(isinstance(node, Multiply) for node in model.nodes)
    assert model.cost == 3


def test_a_branch_is_the_value_itself():
    model = fhenn.from_onnx(network(*PRODUCTS["with-itself"]))
    product = next(node for node in model.nodes if isinstance(node, Multiply))
    assert product.second is None
    assert [node.name for node in model.nodes] == ["Linear", "Multiply", "Linear"]


@pytest.mark.thorough
def test_conversion_by_agreement_goes_through_products():
    nodes = [
        ("MatMul", ["x", "first"], "a"),
        ("Relu", ["a"], "r"),
        ("MatMul", ["x", "second"], "n"),
        ("Mul", ["r", "n"], "p"),
        LAST,
    ]
    model = fhenn.from_onnx(network(*nodes), inputs=X, agreement=0.9, classes=[0, 1, 2])
    assert model.conversion.agreement >= 0.9
    assert model.cost == model.conversion.levels
    assert [row.function for row in model.conversion.nodes] == ["relu"]


POOLED = [("GlobalAveragePool", ["x"], "g"), ("Conv", ["g", "one"], "c"), ("Sigmoid", ["c"], "s")]
OF_IMAGES = {
    "convolutions": [("Conv", ["x", "one"], "t"), ("Mul", ["t", "x"], "p"), ("Conv", ["p", "w"], "y")],
    "squeeze-and-excitation": [*POOLED, ("Mul", ["s", "x"], "p"), ("Conv", ["p", "w"], "y")],
    "sum-with-an-average": [
        ("GlobalAveragePool", ["x"], "t"),
        ("Sub", ["x", "t"], "p"),
        ("Conv", ["p", "w"], "y"),
    ],
    "flattened": [("Conv", ["x", "one"], "t"), ("Mul", ["t", "x"], "p"), ("Flatten", ["p"], "y")],
    "rows": [("ReduceMean", ["x", "rest"], "m"), ("Mul", ["m", "x"], "p"), ("Flatten", ["p"], "y")],
}


@pytest.mark.parametrize("name", OF_IMAGES)
def test_of_images(name):
    proto = graph(*OF_IMAGES[name])
    expected, flat = of_reference(proto, IMAGES), IMAGES.reshape(len(IMAGES), -1)
    np.testing.assert_allclose(read(proto, None).chain.exact(flat), expected, atol=1e-10)
    images = flat if name == "rows" else IMAGES  # without a layer of images they are features
    model = fhenn.from_onnx(proto, inputs=images, accuracy=1e-4)
    assert np.abs(model.scores(images) - expected).max() <= 0.05
    again = artifacts.model_from_bytes(artifacts.model_to_bytes(model))
    np.testing.assert_array_equal(again.predict(images), model.predict(images))


def test_channels_that_are_weighed_stay_images():
    model = fhenn.from_onnx(graph(*OF_IMAGES["squeeze-and-excitation"]))
    (product,) = (node for node in model.nodes if isinstance(node, Multiply))
    assert [node.name for node in product.body.nodes][-1] == "Upsample"
    assert model.nodes[-1].name == "Conv2d"


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["convolutions", "squeeze-and-excitation"])
def test_of_images_encrypted(name):
    proto = graph(*OF_IMAGES[name], shape=(None, 4, 6, 6))
    images = DRAW.uniform(-1, 1, (40, 4, 6, 6))
    model = fhenn.from_onnx(proto, inputs=images, accuracy=1e-2)
    plan = fhenn.plan(model, inputs=images, rows=1, ranges="worst" if name == "convolutions" else "data")
    verify(plan, model)
    client = fhenn.Client(plan.public())
    server = fhenn.Server(model, plan, client.evaluation_keys())
    scores = client.decrypt_scores(server.predict(client.encrypt(images[:1])), on_violation="mask")
    assert np.all(np.abs(np.ma.getdata(scores) - model.scores(images[:1])) <= plan.errors)


@st.composite
def graphs(draw):
    """A graph of products, sums, maps and functions of values that are there."""
    nodes, values = [], ["x"]
    for place in range(draw(st.integers(1, 7))):
        kind = draw(st.sampled_from(["MatMul", "Mul", "Mul", "Add", "Sub", "Tanh", "Sigmoid"]))
        inputs = [draw(st.sampled_from(values))]
        if kind == "MatMul":
            inputs.append(draw(st.sampled_from(["first", "second"])))
        elif kind in ("Mul", "Add", "Sub"):
            inputs.append(draw(st.sampled_from(values)))
        values.append(f"v{place}")
        nodes.append((kind, inputs, values[-1]))
    return [*nodes, ("MatMul", [values[-1], "last"], "y")]


@pytest.mark.thorough
@settings(max_examples=200, deadline=None)
@given(graphs())
def test_any_graph(nodes):
    proto = network(*nodes)
    expected = of_reference(proto, X)
    np.testing.assert_allclose(read(proto, None).chain.exact(X), expected, atol=1e-9 * max(1, np.abs(expected).max()))
    model = fhenn.from_onnx(proto)
    again = artifacts.model_from_bytes(artifacts.model_to_bytes(model))
    assert fingerprint_of(again) == fingerprint_of(model)
