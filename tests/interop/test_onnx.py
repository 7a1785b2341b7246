"""ONNX files in: against onnxruntime, crafted files, and what runs encrypted."""

import sys
from contextlib import suppress

import numpy as np
import onnx
import onnxruntime
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier, SGDClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, Normalizer, RobustScaler, StandardScaler
from sklearn.svm import LinearSVC, LinearSVR
from sklearn.tree import DecisionTreeClassifier
from support import compare, mostly_thorough

import fhenn
from fhenn.approx import sigmoid
from fhenn.errors import ExtraMissing, ParameterError, UnsupportedModel, UnsupportedValue, WireFormatError
from fhenn.interop.onnx.load import array_of

rng = np.random.default_rng(0)
W, B, V = rng.normal(size=(6, 3)), rng.normal(size=3), rng.normal(size=6)
X = rng.normal(size=(20, 6))
FLOAT = TensorProto.DOUBLE


def model_of(*nodes, shape=(None, 6), out=(None, 3), opset=21, inputs=(), outputs=None, element=FLOAT, **constants):
    """A model of nodes (operator, inputs, output, attributes) from "x" to "y"."""
    made = []
    for name, given_, output, *attributes in nodes:
        domain, _, kind = name.rpartition(":")
        results = [output] if isinstance(output, str) else output
        made.append(helper.make_node(kind, given_, results, domain=domain, **(attributes[0] if attributes else {})))
    graph = helper.make_graph(
        made,
        "test",
        [helper.make_tensor_value_info("x", element, shape), *inputs],
        outputs or [helper.make_tensor_value_info("y", element, out)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    sets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=sets, ir_version=8)


def to_onnx(estimator, *args, **options):
    """A model of scikit-learn as ONNX. Its converter takes seconds to import, which not every worker needs to spend."""
    import skl2onnx  # noqa: PLC0415

    return skl2onnx.to_onnx(estimator, *args, **options)


def of_runtime(model, x, names=None):
    """What onnxruntime says."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.get_inputs()[0]
    dtype = np.float32 if found.type == "tensor(float)" else np.float64
    return session.run(names, {found.name: x.astype(dtype)})


ROW = np.ones((1, 3))
STATISTICS = {"s": rng.normal(size=6), "b": rng.normal(size=6), "m": rng.normal(size=6), "v": rng.uniform(0.1, 2, 6)}
CHAINS = {
    "gemm": ([("Gemm", ["x", "w", "b"], "y")], {"w": W, "b": B}),
    "gemm-transposed": (
        [("Gemm", ["x", "w", "b"], "y", {"transB": 1, "alpha": 0.5, "beta": -2.0})],
        {"w": W.T, "b": B[None, :]},
    ),
    "gemm-scalar": ([("Gemm", ["x", "w", "b"], "y")], {"w": W, "b": np.array(2.0)}),
    "gemm-alone": ([("Gemm", ["x", "w"], "y")], {"w": W}),
    "matmul-add": ([("MatMul", ["x", "w"], "t"), ("Add", ["t", "b"], "y")], {"w": W, "b": B}),
    "add-first": ([("MatMul", ["x", "w"], "t"), ("Add", ["b", "t"], "y")], {"w": W, "b": ROW}),
    "sub": ([("Sub", ["x", "v"], "t"), ("MatMul", ["t", "w"], "y")], {"w": W, "v": V}),
    "sub-from": ([("Sub", ["v", "x"], "t"), ("MatMul", ["t", "w"], "y")], {"w": W, "v": V}),
    "mul": (
        [("Mul", ["x", "v"], "t"), ("MatMul", ["t", "w"], "u"), ("Mul", ["s", "u"], "y")],
        {"w": W, "v": V, "s": np.array([3.0])},
    ),
    "div": ([("Div", ["x", "v"], "t"), ("MatMul", ["t", "w"], "y")], {"w": W, "v": V}),
    "identity-cast": (
        [("Identity", ["x"], "t"), ("Cast", ["t"], "u", {"to": FLOAT}), ("MatMul", ["u", "w"], "y")],
        {"w": W},
    ),
    "batch-norm": (
        [("BatchNormalization", ["x", "s", "b", "m", "v"], "t", {"epsilon": 1e-3}), ("MatMul", ["t", "w"], "y")],
        {"w": W, **STATISTICS},
    ),
    "reshape": ([("Reshape", ["x", "r"], "t"), ("MatMul", ["t", "w"], "y")], {"w": W, "r": np.array([-1, 6])}),
    "reshape-0": ([("Reshape", ["x", "r"], "t"), ("MatMul", ["t", "w"], "y")], {"w": W, "r": np.array([0, -1])}),
    "reshape-twice": (
        [("Reshape", ["x", "r"], "t"), ("Reshape", ["t", "q"], "u"), ("MatMul", ["u", "w"], "y")],
        {"w": W, "r": np.array([-1, 2, 3]), "q": np.array([0, 6])},
    ),
    "constant-node": ([("Constant", [], "c", {"value": numpy_helper.from_array(W)}), ("MatMul", ["x", "c"], "y")], {}),
    "dead": ([("MatMul", ["x", "w"], "y"), ("Relu", ["x"], "unused")], {"w": W}),
}


@pytest.mark.parametrize("name", CHAINS)
def test_affine_operators_are_exact(name):
    nodes, constants = CHAINS[name]
    proto = model_of(*nodes, **constants)
    model = fhenn.from_onnx(proto)
    assert [node.name for node in model.nodes] == ["Linear"]
    compare(model.predict(X), of_runtime(proto, X)[0], 1e-9)


SHAPES = {
    "flatten": ([("Flatten", ["x"], "t"), ("MatMul", ["t", "w"], "y")], (None, 3)),
    "flatten-axis": ([("Flatten", ["x"], "t", {"axis": -2}), ("MatMul", ["t", "w"], "y")], (None, 3)),
    "squeeze": (
        [
            ("Flatten", ["x"], "t"),
            ("MatMul", ["t", "w"], "u"),
            ("Reshape", ["u", "r"], "s"),
            ("Squeeze", ["s", "a"], "y"),
        ],
        (None, 3),
    ),
    "per-channel": (
        [
            ("BatchNormalization", ["x", "ones", "ones", "ones", "ones"], "n"),
            ("Flatten", ["n"], "t"),
            ("MatMul", ["t", "w"], "y"),
        ],
        (None, 3),
    ),
    "spread": ([("Mul", ["x", "column"], "m"), ("Flatten", ["m"], "t"), ("MatMul", ["t", "w"], "y")], (None, 3)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_features_are_in_the_order_of_the_tensor(name):
    nodes, out = SHAPES[name]
    proto = model_of(
        *nodes,
        shape=(None, 2, 3),
        out=out,
        w=W,
        r=np.array([-1, 1, 3]),
        a=np.array([1]),
        ones=np.array([2.0, 3.0]),
        column=np.array([[2.0], [3.0]]),
    )
    compare(fhenn.from_onnx(proto).predict(X), of_runtime(proto, X.reshape(-1, 2, 3))[0], 1e-9)


def test_a_number_for_each_sample():
    for nodes in (
        [("MatMul", ["x", "v"], "y")],
        [("MatMul", ["x", "c"], "t"), ("Squeeze", ["t", "a"], "y")],
        [("MatMul", ["x", "c"], "t"), ("Reshape", ["t", "r"], "y")],
    ):
        proto = model_of(*nodes, out=(None,), v=V, c=V[:, None], a=np.array([-1]), r=np.array([-1]))
        compare(fhenn.from_onnx(proto).predict(X), of_runtime(proto, X)[0], 1e-9)


def test_a_fixed_number_of_samples_is_no_limit():
    proto = model_of(
        ("Reshape", ["x", "r"], "t"), ("MatMul", ["t", "w"], "y"), shape=(1, 6), out=(1, 3), w=W, r=[1, -1]
    )
    got = fhenn.from_onnx(proto).predict(X)
    compare(got[:1], of_runtime(proto, X[:1])[0], 1e-9)
    compare(got, X @ W, 1e-9)


@pytest.mark.parametrize("kind", ["Sigmoid", "Tanh"])
def test_functions_become_polynomials(kind):
    proto = model_of(("MatMul", ["x", "w"], "t"), (kind, ["t"], "u"), ("Gemm", ["u", "q"], "y"), w=W / 4, q=W[:3, :3])
    x = np.clip(X, -2, 2)
    expected = of_runtime(proto, x)[0]
    for options in ({}, {"bounds": [-2, 2]}, {"inputs": x}, {"domain": (-8, 8)}, {"domain": [(-8, 8)]}):
        model = fhenn.from_onnx(proto, **options)
        assert [node.name for node in model.nodes] == ["Linear", kind, "Linear"]
        assert len(model.stand_ins) == (0 if "domain" in options else 1)
        assert model.nodes[1].sup_error() <= 1e-3
        compare(model.predict(x), expected, 1e-3 * np.abs(W[:3, :3]).sum(axis=0).max())


def test_ends():
    softmax = model_of(("MatMul", ["x", "w"], "t"), ("Softmax", ["t"], "y"), w=W)
    compare(fhenn.from_onnx(softmax).predict_proba(X), of_runtime(softmax, X)[0], 1e-9)
    assert fhenn.from_onnx(softmax, classes=["a", "b", "c"]).predict(X)[0] in ("a", "b", "c")
    old = model_of(("MatMul", ["x", "w"], "t"), ("Softmax", ["t"], "y", {"axis": 1}), w=W, opset=11)
    compare(fhenn.from_onnx(old).predict_proba(X), of_runtime(old, X)[0], 1e-9)
    single = model_of(("MatMul", ["x", "w"], "t"), ("Sigmoid", ["t"], "y"), w=W[:, :1], out=(None, 1))
    model = fhenn.from_onnx(single)
    assert [node.name for node in model.nodes] == ["Linear"]
    compare(model.predict_proba(X)[:, 1:], of_runtime(single, X)[0], 1e-9)
    logits = fhenn.from_onnx(model_of(("MatMul", ["x", "w"], "y"), w=W), classes=["a", "b", "c"])
    compare(logits.predict_proba(X), of_runtime(softmax, X)[0], 1e-9)
    number = model_of(
        ("MatMul", ["x", "w"], "t"),
        ("ArgMax", ["t"], "y", {"axis": 1, "keepdims": 0}),
        w=W,
        outputs=[helper.make_tensor_value_info("y", TensorProto.INT64, (None,))],
    )
    np.testing.assert_array_equal(fhenn.from_onnx(number).predict(X), of_runtime(number, X)[0])


def test_weights_of_half_precision():
    half = model_of(("MatMul", ["x", "w"], "y"), w=W.astype(np.float16), element=TensorProto.FLOAT16)
    with pytest.raises(UnsupportedModel, match="float or double"):
        fhenn.from_onnx(half)
    mixed = model_of(("MatMul", ["x", "w"], "y"), w=W.astype(np.float16))
    compare(fhenn.from_onnx(mixed).predict(X), X @ W.astype(np.float16).astype(float), 1e-9)


CLASSIFIERS = {
    "logistic": (load_breast_cancer, lambda: make_pipeline(StandardScaler(), LogisticRegression())),
    "multinomial": (load_iris, lambda: make_pipeline(StandardScaler(), LogisticRegression())),
    "hinge": (load_wine, lambda: make_pipeline(StandardScaler(), SGDClassifier(random_state=0))),
    "log-loss": (
        load_breast_cancer,
        lambda: make_pipeline(MinMaxScaler(), SGDClassifier(loss="log_loss", random_state=0)),
    ),
    "svc": (load_iris, lambda: LinearSVC(random_state=0)),
    "svc-binary": (load_breast_cancer, lambda: LinearSVC(random_state=0)),
    "ridge": (load_breast_cancer, lambda: make_pipeline(MaxAbsScaler(), PCA(5), RidgeClassifier())),
    "perceptron": (
        load_wine,
        lambda: make_pipeline(
            StandardScaler(), MLPClassifier((4,), activation="logistic", max_iter=300, random_state=0)
        ),
    ),
    "perceptron-binary": (
        load_breast_cancer,
        lambda: make_pipeline(MinMaxScaler(), MLPClassifier((4,), activation="tanh", max_iter=300, random_state=0)),
    ),
    "perceptron-linear": (
        load_iris,
        lambda: make_pipeline(MinMaxScaler(), MLPClassifier((4,), activation="identity", max_iter=200, random_state=0)),
    ),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::fhenn.errors.ApproximationWarning")
@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize(("zipmap", "named"), mostly_thorough([(True, True), (False, False)], (0,)))
def test_classifiers_of_skl2onnx(name, zipmap, named):
    load, make = CLASSIFIERS[name]
    data = load()
    train = np.arange(len(data.target)) % 4 != 0
    labels = data.target_names[data.target] if named else data.target
    estimator = make().fit(data.data[train], labels[train])
    held_out = data.data[~train]
    options = None if zipmap or name in ("ridge", "svc", "svc-binary") else {"zipmap": False}
    proto = to_onnx(estimator, held_out[:1].astype(np.float32), options=options)
    model = fhenn.from_onnx(proto, inputs=data.data, margin=0)
    expected = of_runtime(proto, held_out)
    assert model.reading.classes == tuple(estimator.classes_.tolist())
    differ = model.predict(held_out) != expected[0]
    print(f"{name}: {differ.sum()} of {len(differ)} labels differ")
    close = 2e-2 if name.startswith("perceptron") else 1e-4
    got = model.predict_proba(held_out) if model.reading.probability else model.decision_function(held_out)
    wanted = expected[1]
    if zipmap and isinstance(wanted, list):
        wanted = np.array([[each[label] for label in estimator.classes_] for each in wanted])
    if got.ndim == 1:
        wanted = wanted[:, -1]
    compare(got, wanted, close * max(1, np.abs(wanted).max()))
    if not named:
        assert model.predict(held_out).dtype == np.int64
    best = np.abs(wanted) if got.ndim == 1 else -np.diff(np.sort(wanted, axis=1)[:, -2:][:, ::-1], axis=1)[:, 0]
    assert not np.any(differ & (best > 2 * close * max(1, np.abs(wanted).max())))


REGRESSORS = {
    "linear": lambda: make_pipeline(MinMaxScaler(), PCA(4), LinearRegression()),
    "ridge": lambda: make_pipeline(RobustScaler(), TruncatedSVD(4), Ridge()),
    "svr": lambda: make_pipeline(StandardScaler(), LinearSVR(random_state=0)),
    "perceptron": lambda: make_pipeline(
        StandardScaler(), MLPRegressor(hidden_layer_sizes=(3,), activation="logistic", max_iter=200, random_state=0)
    ),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", REGRESSORS)
def test_regressors_of_skl2onnx(name):
    x, y = load_diabetes(return_X_y=True)
    estimator = REGRESSORS[name]().fit(x, y)
    proto = to_onnx(estimator, x[:1].astype(np.float32))
    expected = of_runtime(proto, x)[0]
    model = fhenn.from_onnx(proto, inputs=x, margin=0)
    compare(model.predict(x), expected, 1e-4 * np.abs(expected).max() if name != "perceptron" else 0.2)
    if name == "linear":
        two = to_onnx(estimator.fit(x, np.c_[y, -y]), x[:1].astype(np.float32))
        compare(fhenn.from_onnx(two).predict(x), of_runtime(two, x)[0], 0.05)


def test_a_perceptron_in_float64_is_scikit_learns():
    data = load_digits()
    x = data.data / 16
    estimator = MLPClassifier((8,), activation="identity", max_iter=5, random_state=0)
    with pytest.warns(UserWarning, match="iterations"):
        estimator.fit(x, data.target)
    from skl2onnx.common.data_types import DoubleTensorType  # noqa: PLC0415

    proto = to_onnx(estimator, initial_types=[("x", DoubleTensorType([None, 64]))])
    compare(fhenn.from_onnx(proto).predict_proba(x), estimator.predict_proba(x), 1e-9)


def test_encrypted_from_a_file(tmp_path):
    data = load_iris()
    estimator = make_pipeline(MinMaxScaler(), LogisticRegression()).fit(data.data, data.target_names[data.target])
    path = tmp_path / "iris.onnx"
    path.write_bytes(to_onnx(estimator, data.data[:1].astype(np.float32)).SerializeToString())
    for place in (path, str(path)):
        model = fhenn.from_onnx(place)
    private = fhenn.encrypted_model(model, inputs=data.data, accuracy=1e-4)
    scores = private.scores(data.data)
    compare(scores, model.scores(data.data), 1e-4)
    expected = of_runtime(onnx.load(path), data.data)[0]
    differ = np.sum(private.reading.predict(scores) != expected)
    print(f"{differ} of {len(expected)} labels differ")
    assert differ == 0


HEAD = {"coefficients": W[:, :2].T.ravel().tolist(), "intercepts": [0.0, 0.5], "classlabels_ints": [0, 1]}
REFUSED = {
    "residual": ([("MatMul", ["x", "w"], "t"), ("Add", ["x", "t"], "y")], {"w": W}, "Add", "samples of shape"),
    "product": (
        [("MatMul", ["x", "w"], "t"), ("Mul", ["x", "t"], "y")],
        {"w": W},
        "Mul",
        "multiplies samples of shape",
    ),
    "matmul-left": ([("MatMul", ["w", "x"], "y")], {"w": W}, "MatMul", "constant is needed"),
    "trans-a": ([("Gemm", ["x", "w"], "y", {"transA": 1})], {"w": W}, "Gemm", "mix the samples"),
    "width": ([("MatMul", ["x", "w"], "y")], {"w": W[:5]}, "MatMul", r"\(3, 5\)"),
    "gemm-rows": ([("Gemm", ["x", "w", "b"], "y")], {"w": W, "b": np.ones((20, 3))}, "Gemm", "do not spread"),
    "spread-out": ([("Add", ["x", "b"], "y")], {"b": np.ones((4, 6))}, "Add", "do not spread"),
    "more-axes": ([("Add", ["x", "b"], "y")], {"b": np.ones((1, 1, 6))}, "Add", "do not spread"),
    "divides-by": ([("Div", ["v", "x"], "y")], {"v": V}, "Div", "divides by"),
    "by-zero": ([("Div", ["x", "v"], "y")], {"v": np.zeros(6)}, "Div", "NaN or infinite"),
    "nan": ([("MatMul", ["x", "w"], "y")], {"w": W * np.nan}, "MatMul", "NaN or infinite"),
    "overflow": ([("Mul", ["x", "a"], "t"), ("Mul", ["t", "a"], "y")], {"a": np.array(1e200)}, "Mul", "infinite"),
    "integers": ([("Mul", ["x", "a"], "y")], {"a": np.array(2)}, "Mul", "floats are needed"),
    "variance": (
        [("BatchNormalization", ["x", "v", "v", "v", "n"], "y")],
        {"v": V, "n": np.full(6, -1.0)},
        "BatchNormalization",
        "not positive",
    ),
    "training": (
        [("BatchNormalization", ["x", "v", "v", "v", "n"], ["y", "a", "b"], {"training_mode": 1})],
        {"v": V, "n": np.ones(6)},
        "BatchNormalization",
        "training mode",
    ),
    "channels": (
        [("BatchNormalization", ["x", "v", "v", "v", "v"], "y")],
        {"v": V[:5]},
        "BatchNormalization",
        "channels",
    ),
    "flatten-all": ([("Flatten", ["x"], "y", {"axis": 0})], {}, "Flatten", "mix the samples"),
    "reshape-all": ([("Reshape", ["x", "r"], "y")], {"r": np.array([1, -1])}, "Reshape", "apart"),
    "reshape-mixed": ([("Reshape", ["x", "r"], "y")], {"r": np.array([-1, 3])}, "Reshape", "apart"),
    "reshape-empty": ([("Reshape", ["x", "r"], "y")], {"r": np.array([], dtype=np.int64)}, "Reshape", "apart"),
    "reshape-of-data": ([("Reshape", ["x", "x"], "y")], {}, "Reshape", "constant is needed"),
    "squeeze": ([("Squeeze", ["x"], "y")], {}, "Squeeze", "without axes"),
    "squeeze-axis": ([("Squeeze", ["x", "a"], "y")], {"a": np.array([0])}, "Squeeze", "not all of length 1"),
    "cast-integer": ([("Cast", ["x"], "y", {"to": TensorProto.INT64})], {}, "Cast", "more than the precision"),
    "cast-half": ([("Cast", ["x"], "y", {"to": TensorProto.FLOAT16})], {}, "Cast", "more than the precision"),
    "softmax-inside": ([("Softmax", ["x"], "t"), ("MatMul", ["t", "w"], "y")], {"w": W}, "MatMul", "probabilities"),
    "softmax-of-samples": ([("Softmax", ["x"], "y", {"axis": 0})], {}, "Softmax", "axis 0"),
    "concat": ([("Concat", ["x", "x"], "y", {"axis": 0})], {}, "Concat", "joins samples of shapes"),
    "arg-max-0": ([("ArgMax", ["x"], "y")], {}, "ArgMax", "first largest"),
    "normalizer": ([("ai.onnx.ml:Normalizer", ["x"], "y", {"norm": "L1"})], {}, "ai.onnx.ml.Normalizer", "no L1 norm"),
    "own-domain": ([("mine:Gemm", ["x"], "y")], {}, "mine.Gemm", "none of the operators"),
    "one-row": (
        [("ai.onnx.ml:LinearClassifier", ["x"], ["l", "y"], {"coefficients": V.tolist(), "classlabels_ints": [1]})],
        {},
        "ai.onnx.ml.LinearClassifier",
        "single row",
    ),
    "coefficients": (
        [("ai.onnx.ml:LinearClassifier", ["x"], ["l", "y"], HEAD | {"coefficients": [1.0]})],
        {},
        "ai.onnx.ml.LinearClassifier",
        "1 coefficients",
    ),
    "probit": (
        [("ai.onnx.ml:LinearClassifier", ["x"], ["l", "y"], HEAD | {"post_transform": "PROBIT"})],
        {},
        "ai.onnx.ml.LinearClassifier",
        "PROBIT",
    ),
    "not-normalised": (
        [("ai.onnx.ml:LinearClassifier", ["x"], ["l", "y"], HEAD | {"post_transform": "LOGISTIC"})],
        {},
        "an output",
        "do not sum to 1",
    ),
    "regressor": (
        [("ai.onnx.ml:LinearRegressor", ["x"], "y", {"coefficients": V.tolist(), "post_transform": "SOFTMAX"})],
        {},
        "ai.onnx.ml.LinearRegressor",
        "post_transform",
    ),
    "constant-output": ([("Identity", ["w"], "y")], {"w": W}, "an output", "constant"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_what_is_outside_the_list(name):
    nodes, constants, layer, reason = REFUSED[name]
    proto = model_of(*nodes, **constants)
    if name == "own-domain":
        proto.opset_import.append(helper.make_opsetid("mine", 1))
    with pytest.raises(UnsupportedModel, match=reason) as caught:
        fhenn.from_onnx(proto)
    assert caught.value.layer == layer
    assert caught.value.where
    assert "LinearClassifier" in caught.value.supported


@pytest.mark.parametrize(
    ("load", "make", "operator"),
    [
        (load_iris, lambda: make_pipeline(Normalizer(), LogisticRegression()), "Normalizer"),
        (load_iris, DecisionTreeClassifier, "TreeEnsembleClassifier"),
    ],
)
def test_refuses_other_estimators(load, make, operator):
    data = load()
    with pytest.raises(UnsupportedModel, match=operator):
        fhenn.from_onnx(to_onnx(make().fit(data.data, data.target), data.data[:1].astype(np.float32)))


def test_refuses_other_inputs_and_outputs():
    info = helper.make_tensor_value_info
    gemm = ("MatMul", ["x", "w"], "y")
    for options, reason in (
        ({"shape": (None, None)}, "not all known"),
        ({"shape": ("samples", "features")}, "not all known"),
        ({"shape": (6,)}, "not all known"),
        ({"shape": (None, 2**40)}, "not of 1 to"),
        ({"element": TensorProto.INT64}, "whole numbers, not floats"),
        ({"element": TensorProto.STRING}, "encode what is text as numbers"),
        ({"element": TensorProto.BOOL}, "float or double"),
    ):
        with pytest.raises(UnsupportedModel, match=reason):
            fhenn.from_onnx(model_of(gemm, w=W, **options))
    hidden = model_of(
        ("MatMul", ["x", "w"], "y"),
        ("Sigmoid", ["y"], "z"),
        w=W,
        outputs=[info("y", FLOAT, (None, 3)), info("z", FLOAT, (None, 3))],
    )
    with pytest.raises(UnsupportedModel, match="same scores"):
        fhenn.from_onnx(hidden)
    named = to_onnx(LogisticRegression().fit(X, [0, 1] * 10), X[:1].astype(np.float32))
    with pytest.raises(ParameterError, match="names its own"):
        fhenn.from_onnx(named, classes=["a", "b"])


def test_inputs_that_are_initialised_too():
    proto = model_of(("MatMul", ["x", "w"], "y"), w=W, inputs=[helper.make_tensor_value_info("w", FLOAT, (6, 3))])
    compare(fhenn.from_onnx(proto).predict(X), X @ W, 1e-9)


def crafted(change):
    proto = model_of(("MatMul", ["x", "w"], "y"), w=W)
    change(proto)
    return proto


def external(proto):
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def dims(*sizes):
    def change(proto):
        del proto.graph.initializer[0].dims[:]
        proto.graph.initializer[0].dims.extend(sizes)

    return change


CRAFTED = {
    "external": (external, UnsupportedModel, "one file only"),
    "external-constant": (
        lambda proto: proto.graph.node.append(
            helper.make_node("Constant", [], ["c"], value=crafted(external).graph.initializer[0])
        ),
        UnsupportedModel,
        "one file only",
    ),
    "too-many": (dims(6, 2**40), WireFormatError, "holds 18 numbers|size|overflow|0-element"),
    "empty-axis": (dims(0, 2**40), WireFormatError, "holds 18 numbers|size|overflow|0-element"),
    "overflowing": (dims(2**62, 2**62), WireFormatError, "holds 18 numbers|size|overflow|0-element"),
    "negative": (dims(-6, -3), WireFormatError, "holds 18 numbers|dim"),
    "odd-bytes": (
        lambda proto: setattr(proto.graph.initializer[0], "raw_data", b"abc"),
        WireFormatError,
        "holds 0.375 numbers|size",
    ),
    "no-numbers": (
        lambda proto: proto.graph.initializer[0].ClearField("raw_data"),
        WireFormatError,
        "holds 0|size|field",
    ),
    "bfloat16": (
        lambda proto: setattr(proto.graph.initializer[0], "data_type", TensorProto.BFLOAT16),
        Exception,
        "BFLOAT16|size|18",
    ),
    "unknown-type": (lambda proto: setattr(proto.graph.initializer[0], "data_type", 99), Exception, "99|type"),
    "not-sorted": (
        lambda proto: proto.graph.node.insert(0, helper.make_node("Add", ["y", "y"], ["q"])),
        WireFormatError,
        "sorted",
    ),
    "twice": (lambda proto: proto.graph.node.append(proto.graph.node[0]), WireFormatError, "SSA"),
    "unknown-operator": (lambda proto: setattr(proto.graph.node[0], "op_type", "Nothing"), WireFormatError, "Nothing"),
    "no-graph": (lambda proto: proto.ClearField("graph"), WireFormatError, "graph"),
    "no-output": (lambda proto: proto.graph.ClearField("output"), UnsupportedModel, "no output"),
    "old": (lambda proto: setattr(proto.opset_import[0], "version", 6), UnsupportedModel, "operator set 6"),
    "new": (lambda proto: setattr(proto.opset_import[0], "version", 999), Exception, "999"),
    "function": (
        lambda proto: proto.functions.append(
            helper.make_function(
                "own", "F", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], [helper.make_opsetid("", 21)]
            )
        ),
        UnsupportedModel,
        "operators of its own",
    ),
    "sparse": (
        lambda proto: proto.graph.sparse_initializer.append(
            helper.make_sparse_tensor(
                numpy_helper.from_array(np.array([1.0]), "q"), numpy_helper.from_array(np.array([0])), [2**40]
            )
        ),
        UnsupportedModel,
        "dense",
    ),
}


@pytest.mark.parametrize("name", CRAFTED)
def test_crafted_files(name, tmp_path):
    change, error, reason = CRAFTED[name]
    proto = crafted(change)
    path = tmp_path / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    for given_ in (proto, path):
        with pytest.raises(error, match=reason) as caught:
            fhenn.from_onnx(given_)
        assert isinstance(caught.value, UnsupportedModel | WireFormatError)


@pytest.mark.parametrize("sizes", [(6, 2**40), (0, 2**40), (2**62, 2**62), (-6, -3), (3, 5), ()])
def test_sizes_are_checked_without_the_checker_too(sizes):
    proto = crafted(dims(*sizes))
    with pytest.raises(WireFormatError, match="holds 18 numbers"):
        array_of(proto.graph.initializer[0])


def test_small_files_that_ask_for_large_matrices():
    wide = 2**15
    outer = model_of(
        ("MatMul", ["x", "v"], "t"),
        ("MatMul", ["t", "w"], "y"),
        shape=(None, wide),
        out=(None, wide),
        v=np.ones((wide, 1)),
        w=np.ones((1, wide)),
    )
    diagonal = model_of(("Sigmoid", ["x"], "y"), shape=(None, 2**20), out=(None, 2**20))
    many = [("MatMul", [f"t{n}", "w"], f"s{n}") for n in range(200)]
    many = [step for n, one in enumerate(many) for step in (one, ("Sigmoid", [f"s{n}"], f"t{n + 1}"))]
    reused = model_of(
        ("Identity", ["x"], "t0"),
        *many,
        ("Identity", ["t200"], "y"),
        shape=(None, 1000),
        out=(None, 1000),
        w=np.ones((1000, 1000)),
    )
    for proto, layer in ((outer, "MatMul"), (reused, "MatMul"), (diagonal, "the model")):
        with pytest.raises(UnsupportedModel, match=r"more than 67,108,864 weights") as caught:
            fhenn.from_onnx(proto)
        assert caught.value.layer == layer  # before it is made


def test_no_models(tmp_path):
    path = tmp_path / "model.onnx"
    for content in (b"", b"\x80\x04\x95pickled", b"PK\x03\x04", bytes(100)):
        path.write_bytes(content)
        with pytest.raises(WireFormatError, match="ONNX model"):
            fhenn.from_onnx(path)
    with pytest.raises(FileNotFoundError):
        fhenn.from_onnx(tmp_path / "missing.onnx")
    with pytest.raises(UnsupportedValue, match="path"):
        fhenn.from_onnx(b"bytes")


def test_a_large_file(tmp_path, monkeypatch):
    from fhenn.interop.onnx import load  # noqa: PLC0415

    monkeypatch.setattr(load, "LARGEST_FILE", 100)
    path = tmp_path / "model.onnx"
    path.write_bytes(model_of(("MatMul", ["x", "w"], "y"), w=W).SerializeToString())
    with pytest.raises(UnsupportedModel, match="100 bytes"):
        fhenn.from_onnx(path)


@pytest.fixture(scope="module")
def whole():
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, [0, 1, 2, 3] * 5)
    return to_onnx(estimator, X[:1].astype(np.float32)).SerializeToString()


@settings(max_examples=150, deadline=None)
@given(st.data(), st.integers(1, 255), st.booleans())
def test_a_damaged_file_is_refused_or_read(whole, data, bits, cut):
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:place] if cut else whole[:place] + bytes([whole[place] ^ bits]) + whole[place + 1 :]
    try:
        proto = onnx.ModelProto.FromString(damaged)
    except DecodeError:
        return
    with suppress(fhenn.errors.FhennError):
        fhenn.from_onnx(proto)


def test_without_onnx(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("fhenn.interop.onnx")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ExtraMissing, match=r"the extra onnx brings it\. Run pip install "):
        fhenn.from_onnx("model.onnx")


def test_scores_of_one_output_for_two_classes():
    """(1 - p, p) is told from other pairs of columns."""
    steps = [("MatMul", ["x", "w"], "t"), ("Sigmoid", ["t"], "p"), ("Sub", ["one", "p"], "q")]
    proto = model_of(*steps, ("Concat", ["q", "p"], "y", {"axis": 1}), w=W[:, :1], one=np.array([1.0]), out=(None, 2))
    model = fhenn.from_onnx(proto)
    compare(model.predict_proba(X)[:, 1], sigmoid(X @ W[:, 0]), 1e-9)
    for other in (["p", "q"], ["p", "p"], ["q", "q"]):
        proto = model_of(*steps, ("Concat", other, "y", {"axis": 1}), w=W[:, :1], one=np.array([1.0]), out=(None, 2))
        compare(fhenn.from_onnx(proto, inputs=X).predict(X), of_runtime(proto, X)[0], 1e-2)
    two = model_of(*steps, ("Concat", ["q", "p"], "y", {"axis": 1}), w=W[:, :1], one=np.array([2.0]), out=(None, 2))
    assert fhenn.from_onnx(two, inputs=X).is_regression


def test_a_checker_that_says_nothing(monkeypatch):
    def refuse(model):
        raise onnx.checker.ValidationError

    monkeypatch.setattr(onnx.checker, "check_model", refuse)
    with pytest.raises(WireFormatError, match="ValidationError"):
        fhenn.from_onnx(onnx.ModelProto())
