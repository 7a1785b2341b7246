"""What operators of ONNX do along the axes of samples, and inputs that bring a few features each."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from support import compare

import fhenn
from fhenn.errors import FeatureMismatch, UnsupportedModel
from fhenn.interop.onnx import inputs as onnx_inputs
from fhenn.nn import Sparse

DRAW = np.random.default_rng(0)
DOUBLE = TensorProto.DOUBLE


def graph(*nodes, inputs=None, outputs=("y",), shape=(4, 3), element=DOUBLE, opset=21, **constants):
    """A model of nodes (operator, inputs, outputs, attributes), with an input "x" or those named with their shapes."""
    made = []
    for name, given_, output, *attributes in nodes:
        domain, _, kind = name.rpartition(":")
        results = [output] if isinstance(output, str) else output
        made.append(helper.make_node(kind, given_, results, domain=domain, **(attributes[0] if attributes else {})))
    named = {"x": shape} if inputs is None else inputs
    return helper.make_model(
        helper.make_graph(
            made,
            "test",
            [helper.make_tensor_value_info(name, element, (None, *each)) for name, each in named.items()],
            [helper.make_tensor_value_info(name, DOUBLE, (None,)) for name in outputs],
            [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)],
        ir_version=10,
    )


def of_reference(proto, **inputs):
    """What the reference implementation of ONNX says, samples × outputs."""
    (found,) = ReferenceEvaluator(proto).run(None, inputs)
    return np.asarray(found).reshape(len(found), -1)


def agree(proto, *shape, names=1):
    """Compare a graph of samples of a shape with the reference; the model."""
    x = DRAW.normal(size=(5, *shape))
    model = fhenn.from_onnx(proto)
    got = np.asarray(model.predict(x.reshape(5, -1))).reshape(5, -1)
    compare(got, of_reference(proto, x=x), 1e-9)
    return model


M = DRAW.normal(size=(3, 2))
KERNEL = DRAW.normal(size=(2, 3, 2))
ALONG = {
    "linear": ([("MatMul", ["x", "m"], "y")], {"m": M}),
    "linear-bias": ([("MatMul", ["x", "m"], "t"), ("Add", ["t", "b"], "y")], {"m": M, "b": np.array([1.0, 2.0])}),
    "linear-twice": ([("MatMul", ["x", "m"], "t"), ("MatMul", ["t", "n"], "y")], {"m": M, "n": M.T}),
    "batched-weight": ([("MatMul", ["x", "m"], "y")], {"m": M[None]}),
    "vector": ([("MatMul", ["x", "v"], "y")], {"v": M[:, 0]}),
    "left": ([("MatMul", ["l", "x"], "y")], {"l": DRAW.normal(size=(5, 4))}),
    "einsum": ([("Einsum", ["x", "m"], "y", {"equation": "btc,cd->btd"})], {"m": M}),
    "einsum-first": ([("Einsum", ["m", "x"], "y", {"equation": "cd , btc -> bdt"})], {"m": M}),
    "einsum-sum": ([("Einsum", ["x", "m"], "y", {"equation": "btc,cd->bd"})], {"m": M}),
    "sum": ([("ReduceSum", ["x", "last"], "y")], {"last": np.array([-1])}),
    "sum-all": ([("ReduceSum", ["x", "both"], "y", {"keepdims": 0})], {"both": np.array([1, 2])}),
    "sum-none": ([("ReduceSum", ["x"], "t", {"noop_with_empty_axes": 1}), ("Neg", ["t"], "y")], {}),
    "mean": ([("ReduceMean", ["x", "time"], "y", {"keepdims": 0})], {"time": np.array([1])}),
    "mean-after": (
        [("MatMul", ["x", "m"], "t"), ("ReduceMean", ["t", "last"], "y")],
        {"m": M, "last": np.array([-1])},
    ),
    "transpose": ([("Transpose", ["x"], "y", {"perm": [0, 2, 1]})], {}),
    "convolution": ([("Transpose", ["x"], "t", {"perm": [0, 2, 1]}), ("Conv", ["t", "k"], "y")], {"k": KERNEL}),
    "pooled": (
        [("Transpose", ["x"], "t", {"perm": [0, 2, 1]}), ("AveragePool", ["t"], "y", {"kernel_shape": [2]})],
        {},
    ),
    "slice": (
        [("Slice", ["x", "starts", "ends", "axes", "steps"], "y")],
        {
            "starts": np.array([3, 1]),
            "ends": np.array([-(2**62), 2**62]),
            "axes": np.array([1, -1]),
            "steps": np.array([-2, 1]),
        },
    ),
    "gather": ([("Gather", ["x", "p"], "y", {"axis": 2})], {"p": np.array([2, 0, -1])}),
    "gather-one": ([("Gather", ["x", "p"], "y", {"axis": 1})], {"p": np.array(2)}),
    "join": ([("MatMul", ["x", "m"], "t"), ("Concat", ["t", "x"], "y", {"axis": -1})], {"m": M}),
    "split": (
        [
            ("Split", ["x", "s"], ["a", "b"], {"axis": 2}),
            ("MatMul", ["a", "v"], "c"),
            ("Add", ["c", "b"], "y"),
        ],
        {"s": np.array([2, 1]), "v": DRAW.normal(size=(2, 1))},
    ),
    "split-even": ([("Split", ["x"], ["a", "b"], {"axis": 1, "num_outputs": 2}), ("Sub", ["a", "b"], "y")], {}),
    "spread": (
        [
            ("ReduceMean", ["x", "both"], "m"),
            ("Sub", ["x", "m"], "c"),
            ("Add", ["m", "c"], "t"),
            ("Sum", ["m", "t"], "y"),
        ],
        {"both": np.array([1, 2])},
    ),
    "spread-across": (
        [
            ("ReduceMean", ["x", "time"], "m"),
            ("ReduceSum", ["x", "last"], "s"),
            ("Add", ["m", "s"], "y"),
        ],
        {"time": np.array([1]), "last": np.array([2])},
    ),
    "columns": (
        [("Flatten", ["x"], "t"), ("ai.onnx.ml:ArrayFeatureExtractor", ["t", "p"], "y")],
        {"p": np.array([5, 0, 5])},
    ),
}


@pytest.mark.parametrize("name", ALONG)
def test_operators_along_axes_are_one_exact_map(name):
    nodes, constants = ALONG[name]
    model = agree(graph(*nodes, **constants), 4, 3)
    assert [node.name for node in model.nodes] == ["Linear"]


@pytest.mark.thorough
def test_branches_of_a_network_are_joined():
    for kinds in (["Tanh", "Tanh"], ["Tanh", "Sigmoid"]):
        proto = graph(
            ("MatMul", ["x", "m"], "t"),
            (kinds[0], ["t"], "a"),
            ("MatMul", ["x", "n"], "u"),
            (kinds[1], ["u"], "b"),
            ("Concat", ["a", "b", "x"], "j", {"axis": 1}),
            ("Gemm", ["j", "last"], "y"),
            shape=(3,),
            m=M / 4,
            n=M[::-1] / 4,
            last=DRAW.normal(size=(7, 2)) / 4,
        )
        x = DRAW.uniform(-1, 1, size=(20, 3))
        model = fhenn.from_onnx(proto, inputs=x, margin=0)
        compare(model.predict(x), of_reference(proto, x=x), 5e-3)


def test_the_same_function_of_all_branches_is_one_node():
    proto = graph(
        ("MatMul", ["x", "m"], "t"),
        ("Tanh", ["t"], "a"),
        ("MatMul", ["x", "n"], "u"),
        ("Tanh", ["u"], "b"),
        ("Concat", ["a", "b"], "y", {"axis": 1}),
        shape=(3,),
        m=M,
        n=M[::-1],
    )
    assert [node.name for node in fhenn.from_onnx(proto).nodes] == ["Linear", "Tanh"]


@pytest.mark.thorough
def test_channels_of_images_are_joined_by_convolutions():
    proto = graph(
        ("Conv", ["x", "k"], "t"),
        ("Sigmoid", ["t"], "a"),
        ("Concat", ["a", "x"], "j", {"axis": 1}),
        ("GlobalAveragePool", ["j"], "y"),
        shape=(2, 3, 3),
        k=DRAW.normal(size=(3, 2, 1, 1)) / 4,
    )
    x = DRAW.uniform(size=(4, 2, 3, 3))
    model = fhenn.from_onnx(proto, inputs=x, margin=0)
    assert model.shape == (2, 3, 3)
    compare(model.predict(x), of_reference(proto, x=x), 2e-3)


def test_large_maps_keep_what_is_not_zero():
    steps, wide = 40, 30
    proto = graph(("MatMul", ["x", "m"], "y"), shape=(steps, wide), m=DRAW.normal(size=(wide, wide)))
    model = fhenn.from_onnx(proto)
    assert isinstance(model.nodes[0].operator, Sparse)
    assert model.nodes[0].operator.size == steps * wide * wide
    x = DRAW.normal(size=(3, steps, wide))
    compare(model.predict(x.reshape(3, -1)), of_reference(proto, x=x), 1e-9)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_chains_of_operators_along_axes(data):
    """Any of them after any others, as one map."""
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3), label="shape"))
    nodes, constants, now, before = [], {}, list(shape), "x"
    for place in range(data.draw(st.integers(1, 4), label="steps")):
        axis = data.draw(st.integers(1, len(now)), label="axis")
        length, name, after = now[axis - 1], f"c{place}", f"t{place}"
        kind = data.draw(
            st.sampled_from(["Slice", "Gather", "Transpose", "ReduceSum", "ReduceMean", "MatMul", "Concat"])
        )
        if kind == "Slice":
            start = data.draw(st.integers(0, length - 1))
            end = data.draw(st.integers(start + 1, length))
            constants |= {name + "s": np.array([start]), name + "e": np.array([end]), name + "a": np.array([axis])}
            nodes.append((kind, [before, name + "s", name + "e", name + "a"], after))
            now[axis - 1] = end - start
        elif kind == "Gather":
            places = data.draw(st.lists(st.integers(-length, length - 1), min_size=1, max_size=4))
            constants[name] = np.array(places)
            nodes.append((kind, [before, name], after, {"axis": axis}))
            now[axis - 1] = len(places)
        elif kind == "Transpose":
            order = data.draw(st.permutations(range(1, len(now) + 1)))
            nodes.append((kind, [before], after, {"perm": [0, *order]}))
            now = [now[each - 1] for each in order]
        elif kind.startswith("Reduce"):
            constants[name] = np.array([axis])
            nodes.append((kind, [before, name], after))
            now[axis - 1] = 1
        elif kind == "MatMul":
            width = data.draw(st.integers(1, 3))
            constants[name] = DRAW.normal(size=(now[-1], width))
            nodes.append((kind, [before, name], after))
            now[-1] = width
        else:
            nodes.append(("Neg", [before], name))
            nodes.append((kind, [before, name], after, {"axis": axis}))
            now[axis - 1] *= 2
        before = after
    agree(graph(*nodes, ("Identity", [before], "y"), shape=shape, **constants), *shape)


COLUMNS = {"age": (1,), "height": (1,), "weight": (1,)}


def test_an_input_a_column_names_the_features():
    proto = graph(("Concat", list(COLUMNS), "t", {"axis": 1}), ("MatMul", ["t", "m"], "y"), inputs=COLUMNS, m=M)
    model = fhenn.from_onnx(proto)
    assert model.feature_names == tuple(COLUMNS)
    assert [node.name for node in model.nodes] == ["Linear"]
    table = {name: DRAW.normal(size=4) for name in COLUMNS}
    x = np.column_stack(list(table.values()))
    wanted = of_reference(proto, **{name: values[:, None] for name, values in table.items()})
    compare(model.predict(x), wanted, 1e-9)
    compare(model.predict({name: table[name] for name in reversed(table)}), wanted, 1e-9)
    with pytest.raises(FeatureMismatch):
        model.predict({"age": [1.0], "height": [1.0], "mass": [1.0]})


def test_inputs_of_several_features_stand_in_order():
    proto = graph(
        ("Flatten", ["b"], "t"), ("MatMul", ["t", "n"], "u"), ("MatMul", ["a", "m"], "v"), ("Add", ["u", "v"], "y"),
        inputs={"a": (3,), "b": (2, 1), "idle": (1,)},
        m=M,
        n=M[:2],
    )  # fmt: skip
    model = fhenn.from_onnx(proto)
    assert model.feature_names is None
    x = DRAW.normal(size=(4, 6))
    wanted = of_reference(proto, a=x[:, :3], b=x[:, 3:5, None], idle=x[:, 5:])
    compare(model.predict(x), wanted, 1e-9)


def test_whole_numbers_become_floats():
    proto = graph(
        ("Concat", list(COLUMNS), "t", {"axis": 1}),
        ("Cast", ["t"], "u", {"to": DOUBLE}),
        ("MatMul", ["u", "m"], "y"),
        inputs=COLUMNS,
        element=TensorProto.INT64,
        m=M,
    )
    x = DRAW.integers(-9, 9, size=(4, 3))
    wanted = of_reference(proto, **{name: x[:, [place]] for place, name in enumerate(COLUMNS)})
    compare(fhenn.from_onnx(proto).predict(x), wanted, 1e-9)
    divided = graph(("Div", ["x", "x"], "y"), element=TensorProto.INT64)
    with pytest.raises(UnsupportedModel, match="whole numbers, not floats"):
        fhenn.from_onnx(divided)


VECTORS = ("ai.onnx.ml:FeatureVectorizer", ["x", "x"], "y")
REFUSED = {
    "slice-samples": ([("Slice", ["x", "zero", "two", "zero"], "y")], "Slice", "would mix them"),
    "slice-unlike": ([("Slice", ["x", "zero", "both"], "y")], "Slice", "do not go together"),
    "slice-step": ([("Slice", ["x", "zero", "two", "one", "zero"], "y")], "Slice", "do not go together"),
    "slice-nothing": ([("Slice", ["x", "two", "one", "one"], "y")], "Slice", "takes 0 numbers"),
    "gather-far": ([("Gather", ["x", "nine"], "y", {"axis": 1})], "Gather", "leave samples"),
    "gather-floats": ([("Gather", ["x", "m"], "y", {"axis": 1})], "Gather", "no integers"),
    "gather-large": ([("Gather", ["x", "many"], "y", {"axis": 1})], "Gather", "more than 1,048,576"),
    "split-parts": ([("Split", ["x", "nine"], ["y"], {"axis": 1})], "Split", "are not those"),
    "split-many": ([("Split", ["x"], ["y"], {"axis": 1, "num_outputs": 9})], "Split", "are not those"),
    "transpose-samples": ([("Transpose", ["x"], "y")], "Transpose", "axis of samples first"),
    "sum-samples": ([("ReduceSum", ["x", "zero"], "y")], "ReduceSum", "would mix samples"),
    "sum-everything": ([("ReduceSum", ["x"], "y")], "ReduceSum", "would mix the samples"),
    "sum-far": ([("ReduceSum", ["x", "nine"], "y")], "ReduceSum", "not those of samples"),
    "join-samples": ([("Concat", ["x", "x"], "y", {"axis": 0})], "Concat", "joins samples"),
    "join-unlike": ([("Flatten", ["x"], "t"), ("Concat", ["x", "t"], "y", {"axis": 1})], "Concat", "joins samples"),
    "layer-norm": (
        [
            ("ReduceMean", ["x", "two"], "mean"),
            ("Sub", ["x", "mean"], "c"),
            ("Mul", ["c", "c"], "q"),
            ("ReduceMean", ["q", "two"], "v"),
            ("Sqrt", ["v"], "y"),
        ],
        "Sqrt",
        "LayerNorm",
    ),
    "attention": ([("MatMul", ["x", "x"], "y")], "MatMul", "as in attention"),
    "weights": ([("MatMul", ["x", "wrong"], "y")], "MatMul", "meet samples"),
    "einsum-samples": ([("Einsum", ["x", "m"], "y", {"equation": "btc,cd->td"})], "Einsum", "keep the samples apart"),
    "einsum-mixed": ([("Einsum", ["x", "m"], "y", {"equation": "btc,bd->btd"})], "Einsum", "keep the samples apart"),
    "einsum-implicit": ([("Einsum", ["x", "m"], "y", {"equation": "btc,cd"})], "Einsum", "with a result"),
    "einsum-three": ([("Einsum", ["x"], "y", {"equation": "...->..."})], "Einsum", "with a result"),
    "einsum-shape": ([("Einsum", ["x", "m"], "y", {"equation": "btc,td->bcd"})], "Einsum", "meet samples"),
    "einsum-strange": ([("Einsum", ["x", "m"], "y", {"equation": "btc,cd->bz"})], "Einsum", "axes that are not there"),
    "vectors": ([(*VECTORS[:3], {"inputdimensions": [1, 2]})], "ai.onnx.ml.FeatureVectorizer", "inputdimensions"),
    "norm": ([("LayerNormalization", ["x", "ones"], "y")], "LayerNormalization", "BatchNorm1d or BatchNorm2d"),
    "root": ([("Sqrt", ["x"], "y")], "Sqrt", "leave the norm to the client"),
    "products": ([("ReduceProd", ["x", "one"], "y")], "ReduceProd", "leave PolynomialFeatures to the client"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_what_mixes_samples_or_is_not_there(name):
    nodes, layer, reason = REFUSED[name]
    constants = {
        "zero": np.array([0]),
        "one": np.array([1]),
        "two": np.array([2]),
        "both": np.array([1, 2]),
        "nine": np.array([9]),
        "many": np.zeros(2**19, np.int64),
        "m": M,
        "wrong": M.T,
        "ones": np.ones(3),
    }
    used = {each for node in nodes for each in node[1]}
    proto = graph(*nodes, **{name: value for name, value in constants.items() if name in used})
    with pytest.raises(UnsupportedModel, match=reason) as caught:
        fhenn.from_onnx(proto)
    assert caught.value.layer == layer


def test_inputs_are_bounded(monkeypatch):
    join = ("Concat", list(COLUMNS), "y", {"axis": 1})
    monkeypatch.setattr(onnx_inputs, "_MOST", 2)
    with pytest.raises(UnsupportedModel, match="1 to 2 inputs"):
        fhenn.from_onnx(graph(join, inputs=COLUMNS))
    monkeypatch.undo()
    with pytest.raises(UnsupportedModel, match="not of 1 to"):
        fhenn.from_onnx(graph(("Neg", ["a"], "y"), inputs={"a": (2**20,), "b": (1,)}))
    proto = graph(join, inputs=COLUMNS)
    for place, size in enumerate((1, 2)):
        proto.graph.input[place].type.tensor_type.shape.dim[0].dim_value = size
    with pytest.raises(UnsupportedModel, match="different numbers of samples"):
        fhenn.from_onnx(proto)
    long = "n" * 600
    named = graph(("Concat", [long, "b"], "y", {"axis": 1}), inputs={long: (1,), "b": (1,)})
    assert fhenn.from_onnx(named).feature_names is None


def test_a_small_file_cannot_ask_for_a_large_map():
    wide = 2**14
    sums = graph(("MatMul", ["x", "m"], "y"), shape=(wide, 2**6), m=np.ones((2**6, 2**10)))
    einsum = graph(("Einsum", ["x", "m"], "y", {"equation": "btc,d->btcd"}), shape=(wide, 2), m=np.ones(2**6))
    for proto in (sums, einsum):
        with pytest.raises(UnsupportedModel, match=r"too large|more than 67,108,864 weights|1,048,576"):
            fhenn.from_onnx(proto)
