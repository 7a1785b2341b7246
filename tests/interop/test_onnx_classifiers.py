"""Classifiers as skl2onnx writes them: float64, zipmap in every form, an input a column, one against the rest."""

from contextlib import suppress
from functools import cache

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import LinearSVC
from support import compare, mostly_thorough

import fhenn
from fhenn.errors import UnsupportedModel, UnsupportedOperation

DRAW = np.random.default_rng(0)
DOUBLE, FLOAT = TensorProto.DOUBLE, TensorProto.FLOAT


def sgd(loss):
    return SGDClassifier(loss=loss, random_state=0)


MAKERS = {
    "logistic": LogisticRegression,
    "hinge": lambda: sgd("hinge"),
    "log-loss": lambda: sgd("log_loss"),
    "ridge": RidgeClassifier,
    "one-vs-rest": lambda: OneVsRestClassifier(LogisticRegression()),
    "one-vs-rest-svc": lambda: OneVsRestClassifier(LinearSVC(random_state=0)),
    "one-vs-rest-sgd": lambda: OneVsRestClassifier(sgd("hinge")),
    "perceptron": lambda: MLPClassifier((3,), activation="tanh", max_iter=20, random_state=0),
    "perceptron-relu": lambda: MLPClassifier((3,), max_iter=20, random_state=0),
}
SINGLE_ONLY = ("ridge", "one-vs-rest-svc")
"""Those that skl2onnx does not write in double precision."""

SHIFTED = ("one-vs-rest-svc", "one-vs-rest-sgd")
"""Those that skl2onnx writes with (1 - s, s) for two classes: of label 1 where s is above 1/2, not above 0."""

FORMS = [
    (name, classes, precise, columns, zipmap)
    for name in MAKERS
    for classes in (2, 3)
    for precise in (False, True)
    for columns in (False, True)
    for zipmap in (True, False, "columns")
    if not (precise and name in SINGLE_ONLY) and not (classes == 2 and name in SHIFTED)
]
QUICK = [
    FORMS.index(form)
    for form in (
        ("logistic", 2, True, True, "columns"),
        ("log-loss", 3, False, True, "columns"),
        ("one-vs-rest", 3, True, False, True),
        ("one-vs-rest", 2, False, True, False),
        ("one-vs-rest-sgd", 3, True, True, "columns"),
        ("one-vs-rest-svc", 3, False, False, False),
        ("hinge", 2, True, False, "columns"),
        ("perceptron", 2, True, True, "columns"),
    )
]


@cache
def fitted(name, classes):
    """An estimator after a scaler, with the samples that it was fitted on, and labels that are text for two classes."""
    data = load_iris() if classes == 3 else load_breast_cancer()
    labels = data.target if classes == 3 else data.target_names[data.target]
    return make_pipeline(StandardScaler(), MAKERS[name]()).fit(data.data[:, :6], labels), data.data[:, :6]


def exported(estimator, width, *, precise, columns, zipmap):
    """An estimator as ONNX."""
    import skl2onnx  # noqa: PLC0415  (seconds to import)
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType  # noqa: PLC0415

    kind = DoubleTensorType if precise else FloatTensorType
    types = [(f"c{place}", kind([None, 1])) for place in range(width)] if columns else [("x", kind([None, width]))]
    return skl2onnx.to_onnx(estimator, initial_types=types, options={id(estimator.steps[-1][1]): {"zipmap": zipmap}})


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::fhenn.errors.ApproximationWarning")
@pytest.mark.parametrize(("name", "classes", "precise", "columns", "zipmap"), mostly_thorough(FORMS, QUICK))
def test_exports_of_skl2onnx_predict_what_scikit_learn_does(name, classes, precise, columns, zipmap):
    estimator, x = fitted(name, classes)
    proto = exported(estimator, x.shape[1], precise=precise, columns=columns, zipmap=zipmap)
    model = fhenn.from_onnx(proto, inputs=x, margin=0)
    assert model.reading.classes == tuple(estimator.classes_.tolist())
    assert model.feature_names == (tuple(f"c{place}" for place in range(x.shape[1])) if columns else None)
    approximate = name.startswith("perceptron")
    assert len(model.nodes) == (3 if approximate else 1)
    close = 0.1 if name == "perceptron-relu" else 1e-2 if approximate else 1e-9 if precise else 1e-4
    has_probabilities = hasattr(estimator, "predict_proba")
    wanted = estimator.predict_proba(x) if has_probabilities else estimator.decision_function(x)
    got = model.predict_proba(x) if has_probabilities else model.decision_function(x)
    compare(got, wanted, close * max(1.0, np.abs(wanted).max()))
    if not has_probabilities:
        with pytest.raises(UnsupportedOperation):
            model.predict_proba(x)
    assert np.mean(model.predict(x) != estimator.predict(x)) <= (0.05 if approximate else 0.0)


@pytest.mark.parametrize("name", SHIFTED)
def test_labels_are_those_of_the_file_where_the_exporter_shifts_them(name):
    estimator, x = fitted(name, 2)
    proto = exported(estimator, x.shape[1], precise=False, columns=False, zipmap=False)
    labels = ReferenceEvaluator(proto).run(["label"], {"x": x.astype(np.float32)})[0]
    assert np.any(labels != estimator.predict(x))
    np.testing.assert_array_equal(fhenn.from_onnx(proto).predict(x), labels)


def test_columns_that_two_scalers_take():
    from sklearn.compose import ColumnTransformer  # noqa: PLC0415

    data = load_iris()
    both = ColumnTransformer([("s", StandardScaler(), [0, 2]), ("m", MinMaxScaler(), [1, 3])])
    estimator = make_pipeline(both, LogisticRegression()).fit(data.data, data.target)
    for columns in (False, True):
        proto = exported(estimator, 4, precise=True, columns=columns, zipmap=False)
        compare(fhenn.from_onnx(proto).predict_proba(data.data), estimator.predict_proba(data.data), 1e-9)


WIDTH = 4


def head(nodes, outputs, constants, inputs=("x",), *, opset=21, element=DOUBLE):
    """A model of nodes (operator, inputs, outputs, attributes) after "z", the scores of "x"."""
    made = []
    for name, given_, results, *attributes in [("Gemm", ["x", "w", "b"], ["z"]), *nodes]:
        domain, _, kind = name.rpartition(":")
        made.append(helper.make_node(kind, given_, results, domain=domain, **(attributes[0] if attributes else {})))
    graph = helper.make_graph(
        made,
        "test",
        [helper.make_tensor_value_info(name, element, (None, WIDTH)) for name in inputs],
        [helper.make_tensor_value_info(name, element, (None,)) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    sets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=sets, ir_version=10)


ONE, MINUS, ROW, LABELS = np.array(1.0), np.array(-1.0), np.array([1]), np.array([-1])
LABEL = [
    ("ai.onnx.ml:ArrayFeatureExtractor", ["classes", "place"], ["picked"]),
    ("Reshape", ["picked", "flat"], ["label"]),
]
LOGISTIC = [
    ("Mul", ["z", "minus"], ["n"]),
    ("Exp", ["n"], ["e"]),
    ("Add", ["e", "one"], ["a"]),
    ("Reciprocal", ["a"], ["p"]),
]
GUARD = [
    ("ReduceSum", ["p", "row"], ["sum"]),
    ("Cast", ["sum"], ["any"], {"to": TensorProto.BOOL}),
    ("Not", ["any"], ["none"]),
    ("Cast", ["none"], ["nil"], {"to": DOUBLE}),
    ("Add", ["p", "nil"], ["rows"]),
    ("Mul", ["nil", "many"], ["mask"]),
    ("Add", ["sum", "mask"], ["sums"]),
    ("Div", ["rows", "sums"], ["y"]),
]
ARG_MAX = ("ArgMax", ["y"], ["place"], {"axis": 1})
WAYS = {
    "sigmoids": [*LOGISTIC, *GUARD, ARG_MAX],
    "sigmoids-plain": [
        ("Sigmoid", ["z"], ["s"]),
        ("Abs", ["s"], ["p"]),
        ("ReduceSum", ["p", "row"], ["sum"]),
        ("Div", ["p", "sum"], ["y"]),
        ("ArgMax", ["z"], ["place"], {"axis": 1}),
    ],
    "sigmoids-argmax": [
        ("Sigmoid", ["z"], ["p"]),
        ("ReduceSum", ["p", "row"], ["sum"]),
        ("Div", ["p", "sum"], ["y"]),
        ("ArgMax", ["p"], ["place"], {"axis": 1}),
    ],
    "softmax": [("Softmax", ["z"], ["y"], {"axis": 1}), ("ArgMax", ["z"], ["place"], {"axis": 1})],
}


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(WAYS)), st.integers(2, 5), st.booleans(), st.integers(0, 2**32 - 1))
def test_heads_of_several_classes(way, classes, opposite, seed):
    """Probabilities and labels as the reference computes them, in whatever way they are written."""
    draw = np.random.default_rng(seed)
    weight, bias = draw.normal(size=(WIDTH, classes)), draw.normal(size=classes)
    if opposite and classes == 2:
        weight[:, 0], bias[0] = -weight[:, 1], -bias[1]
    names = np.array(draw.permutation(100)[:classes])
    constants = {
        "w": weight,
        "b": bias,
        "one": ONE,
        "minus": MINUS,
        "row": ROW,
        "many": np.array(float(classes)),
        "classes": names,
        "flat": LABELS,
    }
    proto = head([*WAYS[way], *LABEL], ["label", "y"], constants)
    x = draw.normal(size=(20, WIDTH))
    labels, probabilities = ReferenceEvaluator(proto).run(None, {"x": x})
    model = fhenn.from_onnx(proto)
    assert [node.name for node in model.nodes] == ["Linear"]
    compare(model.predict_proba(x), probabilities, 1e-9)
    np.testing.assert_array_equal(model.predict(x), labels)
    assert model.reading.classes == tuple(names.tolist())
    if opposite and classes == 2 and way != "softmax":
        assert model.output_shape == (1,)


CLIPPED = [("Clip", ["z", "minus", "one"], ["c"]), ("Add", ["c", "one"], ["d"]), ("Div", ["d", "two"], ["p"])]


def constants_for(classes, **others):
    return {
        "w": DRAW.normal(size=(WIDTH, classes)),
        "b": DRAW.normal(size=classes),
        "one": ONE,
        "minus": MINUS,
        "two": np.array(2.0),
        "row": ROW,
        "many": np.array(float(classes)),
        "classes": np.arange(classes),
        "flat": LABELS,
        **others,
    }


def test_modified_huber_of_two_classes():
    nodes = [*CLIPPED, ("Sub", ["one", "p"], ["q"]), ("Concat", ["q", "p"], ["y"], {"axis": 1}), ARG_MAX, *LABEL]
    proto = head(nodes, ["label", "y"], {**constants_for(1), "classes": np.arange(2)})
    x = DRAW.normal(size=(50, WIDTH))
    labels, probabilities = ReferenceEvaluator(proto).run(None, {"x": x})
    model = fhenn.from_onnx(proto)
    compare(model.predict_proba(x), probabilities, 1e-9)
    np.testing.assert_array_equal(model.predict(x), labels)


def test_modified_huber_of_several_classes():
    constants = constants_for(3)
    proto = head([*CLIPPED, *GUARD], ["y"], constants)
    x = DRAW.normal(size=(50, WIDTH)) * 3
    (probabilities,) = ReferenceEvaluator(proto).run(None, {"x": x})
    assert np.any(probabilities == 1 / 3), "no row of zeros is tried"
    compare(fhenn.from_onnx(proto).predict_proba(x), probabilities, 1e-9)
    with pytest.raises(UnsupportedModel, match="raw_scores=True"):
        fhenn.from_onnx(head([*CLIPPED, *GUARD, ARG_MAX, *LABEL], ["label", "y"], constants))


def changed(nodes, place, *node):
    return [*nodes[:place], node, *nodes[place + 1 :]]


WRONG = {
    "weight": (GUARD, {"many": np.array(7.0)}, "Add", "equal shares"),
    "not-turned": (changed(GUARD, 2, "Identity", ["any"], ["none"]), {}, "Cast", "more than the precision"),
    "twice-turned": (changed(GUARD, 3, "Not", ["none"], ["nil"]), {}, "Not", "something else than whether"),
    "of-others": (changed(GUARD, 1, "Cast", ["p"], ["any"], {"to": TensorProto.BOOL}), {}, "Add", "equal shares"),
    "other-sums": (changed(GUARD, 7, "Div", ["z", "sums"], ["y"]), {}, "Div", "divides by what the samples come to"),
    "not-turned-rows": (changed(GUARD, 4, "Add", ["p", "any"], ["rows"]), {}, "Add", "equal shares"),
    "twice-as-much": (
        [*GUARD[:4], ("Mul", ["nil", "two"], ["double"]), ("Add", ["p", "double"], ["rows"]), *GUARD[5:]],
        {},
        "Add",
        "equal shares",
    ),
    "row-weights": (changed(GUARD, 5, "Mul", ["nil", "w"], ["mask"]), {}, "Mul", "something else than a number"),
}


@pytest.mark.parametrize("name", WRONG)
def test_guards_that_do_something_else_are_refused(name):
    nodes, others, layer, reason = WRONG[name]
    with pytest.raises(UnsupportedModel, match=reason) as caught:
        fhenn.from_onnx(head([*LOGISTIC, *nodes], ["y"], constants_for(3, **others)))
    assert caught.value.layer == layer


def test_scores_over_their_sum_are_left_out_beside_labels():
    nodes = [("ReduceSum", ["z", "row"], ["sum"]), ("Div", ["z", "sum"], ["y"])]
    best = ("ArgMax", ["z"], ["place"], {"axis": 1})
    constants = constants_for(3)
    model = fhenn.from_onnx(head([*nodes, best, *LABEL], ["label", "y"], constants))
    x = DRAW.normal(size=(9, WIDTH))
    compare(model.decision_function(x), x @ constants["w"] + constants["b"], 1e-9)
    with pytest.raises(UnsupportedModel, match="mean nothing without labels"):
        fhenn.from_onnx(head(nodes, ["y"], constants))


def test_columns_of_probabilities_as_outputs():
    """As zipmap="columns" writes them; alone, a column of scores is a number."""
    cut = {"zero": np.array([0]), "one_": np.array([1]), "two_": np.array([2])}
    columns = [
        ("Slice", ["y", "zero", "one_", "one_"], ["c0"]),
        ("Reshape", ["c0", "flat"], ["i0"]),
        ("Gather", ["y", "one_"], ["c1"], {"axis": 1}),
        ("Squeeze", ["c1", "one_"], ["i1"]),
    ]
    constants = constants_for(3, **cut)
    softmax = ("Softmax", ["z"], ["y"], {"axis": 1})
    x = DRAW.normal(size=(9, WIDTH))
    scores = x @ constants["w"] + constants["b"]
    model = fhenn.from_onnx(head([softmax, *columns, ARG_MAX, *LABEL], ["label", "i0", "i1"], constants))
    assert model.reading.probability == "softmax"
    np.testing.assert_array_equal(model.predict(x), np.argmax(scores, axis=1))
    alone = fhenn.from_onnx(head([("Identity", ["z"], ["y"]), *columns[:2]], ["i0"], constants))
    compare(alone.predict(x).ravel(), scores[:, 0], 1e-9)


def test_entries_of_a_table_go_on_into_the_network():
    """Where each depends on its own score alone."""
    constants = constants_for(1, v=DRAW.normal(size=(2, 2)), **{"zero": np.array([0]), "place0": np.array([0])})
    pair = [("Neg", ["z"], ["n"]), ("Concat", ["n", "z"], ["t"], {"axis": 1})]
    x = DRAW.normal(size=(9, WIDTH)) / 4
    for nodes in (
        [*pair, ("MatMul", ["t", "v"], ["y"])],
        [*pair, ("Sigmoid", ["t"], ["s"]), ("MatMul", ["s", "v"], ["y"])],
        [
            ("Sigmoid", ["z"], ["p"]),
            ("Sub", ["one", "p"], ["q"]),
            ("Concat", ["q", "p"], ["t"], {"axis": 1}),
            ("MatMul", ["t", "v"], ["y"]),
        ],
        [*pair, ("Gather", ["t", "zero"], ["c"], {"axis": 1}), ("Mul", ["c", "two"], ["y"])],
    ):
        proto = head(nodes, ["y"], constants)
        (wanted,) = ReferenceEvaluator(proto).run(None, {"x": x})
        compare(fhenn.from_onnx(proto, inputs=x).predict(x), wanted, 5e-3)
    softmax = [("Softmax", ["z"], ["t"], {"axis": 1}), ("MatMul", ["t", "v"], ["y"])]
    with pytest.raises(UnsupportedModel, match="depends on all scores"):
        fhenn.from_onnx(head(softmax, ["y"], constants_for(2, v=np.ones((2, 2)))))


@pytest.mark.parametrize("kind", ["LogSoftmax", "Log"])
def test_logarithms_of_a_softmax_are_finished_by_the_client(kind):
    nodes = [(kind, ["z"], ["y"])] if kind == "LogSoftmax" else [("Softmax", ["z"], ["s"]), ("Log", ["s"], ["y"])]
    proto = head(nodes, ["y"], constants_for(3))
    x = DRAW.normal(size=(9, WIDTH))
    (wanted,) = ReferenceEvaluator(proto).run(None, {"x": x})
    compare(np.log(fhenn.from_onnx(proto).predict_proba(x)), wanted, 1e-9)


def test_two_opposite_scores_are_one():
    """What folding rounds does not keep them apart; what is not opposite stays as it is."""
    constants = constants_for(2)
    nodes = [("ArgMax", ["z"], ["place"], {"axis": 1}), *LABEL]
    assert fhenn.from_onnx(head(nodes, ["label", "z"], constants)).output_shape == (2,)
    constants["w"][:, 0], constants["b"][0] = -constants["w"][:, 1] * (1 + 1e-15), -constants["b"][1]
    model = fhenn.from_onnx(head(nodes, ["label", "z"], constants))
    assert model.output_shape == (1,)
    x = DRAW.normal(size=(9, WIDTH))
    compare(model.decision_function(x), x @ constants["w"][:, 1] + constants["b"][1], 1e-9)


def test_not_the_columns_of_a_table():
    softmax = ("Softmax", ["z"], ["y"], {"axis": 1})
    for nodes, reason in (
        ([softmax, ("Gather", ["y", "far"], ["t"], {"axis": 1})], "none of 3 columns"),
        ([softmax, ("ReduceSum", ["y", "zero"], ["t"])], "rows of a classifier's columns"),
        ([("ai.onnx.ml:ArrayFeatureExtractor", ["z", "z"], ["t"])], "constant places"),
        ([("Log", ["z"], ["t"])], "a sigmoid or a softmax"),
        ([("Reciprocal", ["z"], ["t"])], "only 1/"),
        ([("Not", ["z"], ["t"])], "whether the sum of a row"),
    ):
        constants = constants_for(3, far=np.array([9]), zero=np.array([0]))
        with pytest.raises(UnsupportedModel, match=reason):
            fhenn.from_onnx(head(nodes, ["t"], constants))


def test_a_scaler_that_clips_leaves_that_to_the_client():
    data = load_iris()
    estimator = make_pipeline(MinMaxScaler(clip=True), LogisticRegression()).fit(data.data, data.target)
    for precise in (False, True):
        proto = exported(estimator, 4, precise=precise, columns=precise, zipmap=False)
        with pytest.raises(UnsupportedModel, match="on_bounds='clip'"):
            fhenn.from_onnx(proto)


@pytest.mark.filterwarnings("ignore::fhenn.errors.ApproximationWarning")
@pytest.mark.parametrize("high", [1.0, 2.0])
def test_a_clip_inside_a_network_is_taken(high):
    """The exchange does not converge for it at every degree."""
    nodes = [("Clip", ["z", "low", "high"], ["y"])]
    proto = head(nodes, ["y"], constants_for(3, low=np.array(0.0), high=np.array(high)))
    assert fhenn.from_onnx(proto).nodes[1].function.name == f"hardtanh(0.0, {high})"


def mutate(proto, draw):
    """Make one thing of a graph another: an input of a node, its operator, a number in an attribute or a constant."""
    graph = proto.graph
    node = draw(st.sampled_from(list(graph.node)))
    names = [each for other in graph.node for each in other.output] + [each.name for each in graph.initializer]
    kind = draw(st.sampled_from(["input", "operator", "attribute", "constant", "less", "more", "size"]))
    number = draw(st.sampled_from([-(2**40), -2, -1, 0, 1, 2, 3, 7, 2**40]))
    if kind == "input" and node.input:
        node.input[draw(st.integers(0, len(node.input) - 1))] = draw(st.sampled_from(names))
    elif kind == "operator":
        other = draw(st.sampled_from(list(graph.node)))
        node.op_type, node.domain = other.op_type, other.domain
    elif kind == "attribute" and node.attribute:
        attribute = draw(st.sampled_from(list(node.attribute)))
        if attribute.type == onnx.AttributeProto.INT:
            attribute.i = number
        elif attribute.type == onnx.AttributeProto.INTS:
            attribute.ints[0] = number
    elif kind == "constant":
        tensor = draw(st.sampled_from(list(graph.initializer)))
        values = numpy_helper.to_array(tensor).copy()
        if values.dtype in (np.int64, np.float64):
            values.reshape(-1)[draw(st.integers(0, values.size - 1))] = number
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    elif kind == "less" and node.input:
        del node.input[draw(st.integers(0, len(node.input) - 1))]
    elif kind == "more":
        node.input.append(draw(st.sampled_from(names)))
    elif kind == "size":
        draw(st.sampled_from(list(graph.input))).type.tensor_type.shape.dim[1].dim_value = abs(number)


@settings(max_examples=80, deadline=None)
@given(st.sampled_from([("one-vs-rest", 3, True), ("log-loss", 3, False), ("perceptron", 2, True)]), st.data())
@pytest.mark.filterwarnings("ignore")
def test_mutated_exports_are_refused_or_read(form, data):
    name, classes, columns = form
    proto = onnx.ModelProto.FromString(serialised(name, classes, columns))
    for _ in range(data.draw(st.integers(1, 3))):
        mutate(proto, data.draw)
    with suppress(fhenn.errors.FhennError):
        fhenn.from_onnx(proto)


@cache
def serialised(name, classes, columns):
    estimator, x = fitted(name, classes)
    return exported(estimator, x.shape[1], precise=True, columns=columns, zipmap="columns").SerializeToString()
