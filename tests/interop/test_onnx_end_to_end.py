"""A convolutional network in a file of ONNX, from `fhenn import` to answers: on files, and over a service."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from end_to_end import plan_for, run, scores_on_files, scores_over_a_service
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from support import compare

from fhenn import artifacts
from fhenn.errors import SamplesWarning, ShapeMismatch

DRAW = np.random.default_rng(0)
IMAGES = DRAW.uniform(size=(5, 1, 8, 8))
WEIGHTS = {
    "kernel": DRAW.normal(size=(3, 1, 3, 3)) / 3,
    "bias": DRAW.normal(size=3) / 3,
    "inner": DRAW.normal(size=(3, 3, 3, 3)) / 9,
    "matrix": DRAW.normal(size=(12, 3)) / 4,
}


def network(kind):
    """The network of test_torch_end_to_end.py as PyTorch exports it, with an activation."""
    around = {"pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["x", "kernel", "bias"], ["stem"], strides=[2, 2], **around),
        helper.make_node(kind, ["stem", "stem"] if kind == "Mul" else ["stem"], ["active"]),
        helper.make_node("Conv", ["active", "inner"], ["inner_out"], **around),
        helper.make_node("Add", ["active", "inner_out"], ["sum"]),
        helper.make_node("AveragePool", ["sum"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "matrix"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, (None, 1, 8, 8))],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, (None, 3))],
        [numpy_helper.from_array(value, name) for name, value in WEIGHTS.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


@pytest.fixture
def imported(tmp_path, monkeypatch):
    """What imports the network with an activation, and makes a client's files; gives its plan, and its true scores."""
    monkeypatch.chdir(tmp_path)

    def make(kind):
        proto = network(kind)
        onnx.save_model(proto, "network.onnx")
        np.save("seen.npy", IMAGES)
        run("import", "network.onnx", "--inputs", "seen.npy")
        (exact,) = ReferenceEvaluator(proto).run(None, {"x": IMAGES})
        return plan_for(IMAGES), scores_of_twin(), exact

    return make


def scores_of_twin():
    return artifacts.model_from_bytes(artifacts.read("model.fhenn")).scores(IMAGES)


@pytest.mark.parametrize("kind", ["Mul", pytest.param("Sigmoid", marks=pytest.mark.thorough)])
def test_from_the_file_to_answers_on_files(imported, kind):
    plan, twin, exact = imported(kind)
    assert plan.shape == (1, 8, 8)
    found = scores_on_files()
    compare(found, twin, plan.error)
    compare(found, exact, plan.error + (1e-9 if kind == "Mul" else 1e-2))


@pytest.mark.thorough
def test_from_the_file_to_answers_over_a_service(imported, monkeypatch):
    plan, twin, _ = imported("Mul")
    for found in scores_over_a_service(monkeypatch):
        compare(found, twin, plan.error)


@pytest.mark.thorough
def test_samples_of_another_shape_are_refused_at_the_import(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    onnx.save_model(network("Sigmoid"), "network.onnx")
    np.save("last.npy", np.moveaxis(IMAGES, 1, -1))
    with pytest.raises(ShapeMismatch, match=r"np\.moveaxis\(x, -1, 1\)"):
        run("import", "network.onnx", "--inputs", "last.npy")
    assert not Path("model.fhenn").exists()
    np.save("one.npy", IMAGES[0])
    with pytest.warns(SamplesWarning, match="those of 1 sample"):
        run("import", "network.onnx", "--inputs", "one.npy")
