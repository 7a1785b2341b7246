"""Files as exporters write them, from `fhenn import` to encrypted scores."""

import numpy as np
import onnx
import pytest
from end_to_end import run
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from support import compare

import fhenn
from fhenn import artifacts
from fhenn.errors import FeatureMismatch

DRAW = np.random.default_rng(0)
COLUMNS = ("age", "height", "weight", "pulse")


def saved(path, nodes, inputs, outputs, constants):
    """A file of nodes (operator, inputs, outputs, attributes)."""
    made = []
    for name, given, results, *attributes in nodes:
        domain, _, kind = name.rpartition(":")
        made.append(helper.make_node(kind, given, results, domain=domain, **(attributes[0] if attributes else {})))
    graph = helper.make_graph(
        made,
        "exported",
        [helper.make_tensor_value_info(name, TensorProto.DOUBLE, (None, *shape)) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.DOUBLE, (None,)) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    sets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 3)]
    proto = helper.make_model(graph, opset_imports=sets, ir_version=10)
    onnx.save_model(proto, path)
    return ReferenceEvaluator(proto)


ONE_AGAINST_THE_REST = [
    ("ai.onnx.ml:FeatureVectorizer", list(COLUMNS), ["all"], {"inputdimensions": [1] * 4}),
    ("CastLike", ["all", "age"], ["x"]),
    *[
        node
        for k in range(3)
        for node in (
            ("MatMul", ["x", f"w{k}"], [f"m{k}"]),
            ("Add", [f"m{k}", f"b{k}"], [f"raw{k}"]),
            ("Sigmoid", [f"raw{k}"], [f"s{k}"]),
            ("Abs", [f"s{k}"], [f"a{k}"]),
            ("ReduceSum", [f"a{k}", "row"], [f"n{k}"]),
            ("Div", [f"s{k}", f"n{k}"], [f"p{k}"]),
            ("Slice", [f"p{k}", "one", "two", "one"], [f"y{k}"]),
        )
    ],
    ("Concat", ["y0", "y1", "y2"], ["joined"], {"axis": 1}),
    ("ArgMax", ["joined"], ["place"], {"axis": 1}),
    ("ReduceSum", ["joined", "row"], ["sum"]),
    ("ai.onnx.ml:ArrayFeatureExtractor", ["classes", "place"], ["picked"]),
    ("Div", ["joined", "sum"], ["probabilities"]),
    ("Reshape", ["picked", "flat"], ["label"]),
]
"""As skl2onnx writes OneVsRestClassifier of LogisticRegression in double precision, with an input for every column."""


def test_an_input_a_column_and_one_against_the_rest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    constants = {"one": np.array([1]), "two": np.array([2]), "row": np.array([1]), "flat": np.array([-1])}
    constants["classes"] = np.array(["high", "low", "middle"], dtype=object)
    for k in range(3):
        weight, bias = DRAW.normal(size=4), DRAW.normal()
        constants |= {f"w{k}": np.column_stack([-weight, weight]), f"b{k}": np.array([[-bias, bias]])}
    exact = saved(
        "model.onnx", ONE_AGAINST_THE_REST, dict.fromkeys(COLUMNS, (1,)), ["label", "probabilities"], constants
    )
    x = DRAW.uniform(-1, 1, size=(12, 4))
    np.savetxt("seen.csv", x[:, ::-1], delimiter=",", header=",".join(COLUMNS[::-1]), comments="")
    run("import", "model.onnx", "--inputs", "seen.csv")
    model = artifacts.model_from_bytes(artifacts.read("model.fhenn"))
    labels, probabilities = exact.run(None, {name: x[:, [k]] for k, name in enumerate(COLUMNS)})
    private = fhenn.encrypted_model(model, inputs=dict(zip(COLUMNS, x.T, strict=True)), accuracy=1e-5, margin=0)
    compare(private.predict_proba(x), probabilities, 1e-5)
    np.testing.assert_array_equal(private.predict(x), labels)
    np.savetxt("other.csv", x, delimiter=",", header="age,height,mass,pulse", comments="")
    with pytest.raises(FeatureMismatch, match="weight"):
        run("import", "model.onnx", "--inputs", "other.csv")


def test_sequences_through_layers_along_their_last_axis(tmp_path, monkeypatch):
    """(B, T, C) @ (C, D), as PyTorch writes a Linear layer of sequences, and a convolution along them."""
    monkeypatch.chdir(tmp_path)
    nodes = [
        ("MatMul", ["x", "w"], ["t"]),
        ("Add", ["t", "b"], ["u"]),
        ("Mul", ["u", "u"], ["v"]),
        ("Transpose", ["v"], ["c"], {"perm": [0, 2, 1]}),
        ("Conv", ["c", "k"], ["d"]),
        ("ReduceMean", ["d", "last"], ["m"], {"keepdims": 0}),
        ("Gemm", ["m", "q"], ["y"], {"transB": 1}),
    ]
    constants = {
        "w": DRAW.normal(size=(3, 4)) / 2,
        "b": DRAW.normal(size=4) / 4,
        "k": DRAW.normal(size=(2, 4, 2)) / 4,
        "last": np.array([-1]),
        "q": DRAW.normal(size=(2, 2)),
    }
    exact = saved("model.onnx", nodes, {"x": (5, 3)}, ["y"], constants)
    x = DRAW.uniform(-1, 1, size=(8, 5, 3))
    np.save("seen.npy", x.reshape(8, -1))
    run("import", "model.onnx", "--inputs", "seen.npy")
    model = artifacts.model_from_bytes(artifacts.read("model.fhenn"))
    assert [node.name for node in model.nodes] == ["Linear", "Square", "Linear"]
    private = fhenn.encrypted_model(model, bounds=[-1, 1], accuracy=1e-4)
    compare(private.predict(x.reshape(8, -1)), exact.run(None, {"x": x})[0], 1e-4)
