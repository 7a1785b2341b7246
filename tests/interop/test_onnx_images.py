"""Convolutional networks of ONNX in: against onnxruntime and ONNX's reference evaluator; refusals by name."""

from contextlib import suppress

import numpy as np
import onnx
import pytest
from google.protobuf.message import DecodeError
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, numpy_helper
from onnx_graphs import DRAW, IMAGES, graph, of_reference, of_runtime
from support import compare

import fhenn
from fhenn.errors import FhennError, ShapeMismatch, UnsupportedModel
from fhenn.nn import Affine

NORM = ("BatchNormalization", ["x", "scale", "scale", "scale", "variance"], "n")


def scores(model, x):
    return model.predict(x).reshape(len(x), -1)


@st.composite
def networks(draw):
    """Nodes and constants of a small network, and the shape of its images."""
    shape = channels, height, width = draw(st.integers(1, 16)), draw(st.integers(7, 12)), draw(st.integers(7, 12))
    values = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    nodes, constants, last = [], {}, "x"
    for place in range(draw(st.integers(1, 4))):
        kind, name, given_, attributes = (
            draw(st.sampled_from(["Conv", "Pool", "Norm", "Square", "Pad", "Add"])),
            "",
            [],
            {},
        )
        if kind in ("Conv", "Pool"):
            most = 7 if kind == "Conv" else 3
            taps, stride = ([draw(st.integers(1, limit)) for _ in range(2)] for limit in (most, 3))
            gaps = [draw(st.integers(1, 2)) for _ in range(2)] if kind == "Conv" else [1, 1]
            pads = [draw(st.integers(0, taps[axis % 2] // 2)) for axis in range(4)]
            padding = draw(st.sampled_from(["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]))
            padding = "NOTSET" if max(gaps) > 1 else padding  # runtimes know no gaps with the others
            if kind == "Pool" and padding.startswith("SAME"):
                stride = [min(each) for each in zip(stride, taps, strict=True)]
            attributes = {"kernel_shape": taps, "strides": stride, "auto_pad": padding}
            sizes = []
            for axis, length in enumerate((height, width)):
                if padding.startswith("SAME"):
                    sizes.append(-(-length // stride[axis]))
                else:
                    zeros = pads[axis] + pads[axis + 2] if padding == "NOTSET" else 0
                    sizes.append((length + zeros - (taps[axis] - 1) * gaps[axis] - 1) // stride[axis] + 1)
            attributes |= {"pads": pads} if padding == "NOTSET" else {}
            height, width = sizes
            assume(min(sizes) > 0)
        if kind == "Conv":
            groups = draw(st.sampled_from([each for each in (1, 2, 4) if channels % each == 0]))
            out = groups * draw(st.integers(1, 16 // groups))
            constants[f"w{place}"] = values.normal(size=(out, channels // groups, *taps)) / np.prod(taps)
            constants[f"b{place}"] = values.normal(size=out)
            given_ = [f"w{place}", f"b{place}"][: draw(st.integers(1, 2))]
            name, attributes, channels = "Conv", attributes | {"dilations": gaps, "group": groups}, out
        elif kind == "Pool":
            name, attributes = "AveragePool", attributes | {"count_include_pad": draw(st.integers(0, 1))}
        elif kind == "Norm":
            constants[f"s{place}"] = values.normal(size=channels)
            constants[f"v{place}"] = values.uniform(0.5, 2, channels)
            name, given_ = "BatchNormalization", [f"s{place}"] * 3 + [f"v{place}"]
        elif kind == "Pad":
            ends = [draw(st.integers(0, 2)) for _ in range(4)]
            constants[f"p{place}"] = np.array([0, 0, *ends[:2], 0, 0, *ends[2:]])
            name, given_, height, width = "Pad", [f"p{place}"], height + ends[0] + ends[2], width + ends[1] + ends[3]
        elif kind == "Square":
            name, given_ = "Mul", [last]
        else:
            constants[f"w{place}"] = values.normal(size=(channels, channels, 1, 1)) / channels
            nodes.append(("Conv", [last, f"w{place}"], f"branch{place}"))
            name, given_ = "Add", [f"branch{place}"]
        nodes.append((name, [last, *given_], f"t{place}", attributes))
        last = f"t{place}"
    constants["matrix"] = values.normal(size=(channels * height * width, 3)) / (height * width)
    return [*nodes, ("Flatten", [last], "flat"), ("Gemm", ["flat", "matrix"], "y")], constants, shape


@pytest.mark.thorough
@settings(deadline=None)
@given(networks(), st.integers(0, 2**32 - 1))
def test_any_network(network, seed):
    nodes, constants, shape = network
    proto = graph(*nodes, shape=(None, *shape), element=TensorProto.FLOAT, **constants)
    x = np.random.default_rng(seed).uniform(-1, 1, (2, *shape))
    expected = of_runtime(proto, x)
    model = fhenn.from_onnx(proto)
    compare(scores(model, x.reshape(2, -1)), expected, 1e-4 * max(1, np.abs(expected).max()))
    for node in model.nodes[:-1]:  # nothing of images is a matrix
        assert not isinstance(node, Affine) or node.grid is not None or node.input_shape == (np.prod(shape),)


CHAINS = {
    "conv": ([("Conv", ["x", "w", "b"], "y", {"pads": [1, 0, 0, 2], "strides": [2, 1]})], ["Conv2d"]),
    "groups": ([("Conv", ["x", "grouped"], "y", {"group": 2, "dilations": [2, 3]})], ["Conv2d"]),
    "same": ([("Conv", ["x", "w", "b"], "y", {"auto_pad": "SAME_UPPER", "strides": [2, 2]})], ["Conv2d"]),
    "normalised": ([NORM, ("Conv", ["n", "w"], "y")], ["Conv2d"]),
    "normalised-and-padded": ([NORM, ("Conv", ["n", "w"], "y", {"pads": [1, 1, 1, 1]})], ["Affine", "Conv2d"]),
    "arithmetic": (
        [
            ("Sub", ["x", "channels"], "t"),
            ("Div", ["t", "two"], "u"),
            ("Neg", ["u"], "v"),
            ("Conv", ["v", "w"], "y"),
        ],
        ["Conv2d"],
    ),
    "padded": ([("Pad", ["x", "ends"], "t"), ("Conv", ["t", "w"], "y")], ["Conv2d"]),
    "pool": ([("AveragePool", ["x"], "y", {"kernel_shape": [3, 2], "strides": [3, 2]})], ["AvgPool2d"]),
    "pool-unlike-sides": (
        [("AveragePool", ["x"], "y", {"kernel_shape": [3, 3], "pads": [1, 0, 0, 1], "count_include_pad": 1})],
        ["Conv2d"],
    ),
    "pool-unlike-sides-counted": (
        [("AveragePool", ["x"], "y", {"kernel_shape": [3, 3], "pads": [1, 0, 0, 1]})],
        ["Conv2d", "Affine"],
    ),
    "global": (
        [("GlobalAveragePool", ["x"], "t"), ("Flatten", ["t"], "u"), ("Gemm", ["u", "matrix"], "y")],
        ["GlobalAvgPool2d", "Flatten", "Linear"],
    ),
    "mean": ([("ReduceMean", ["x", "axes"], "t", {"keepdims": 0}), ("Gemm", ["t", "matrix"], "y")], None),
    "flat": ([("Conv", ["x", "one"], "c"), ("Flatten", ["c"], "t"), ("Gemm", ["t", "all"], "y")], None),
    "flat-by-shape": (
        [
            ("Conv", ["x", "one"], "c"),
            ("Shape", ["x"], "s"),
            ("Gather", ["s", "first"], "i"),
            ("Unsqueeze", ["i", "zero"], "u"),
            ("Concat", ["u", "rest"], "r", {"axis": 0}),
            ("Reshape", ["c", "r"], "t"),
            ("Gemm", ["t", "all"], "y"),
        ],
        ["Conv2d", "Flatten", "Linear"],
    ),
    "dropped": ([("Conv", ["x", "w"], "t"), ("Dropout", ["t"], "y")], ["Conv2d"]),
    "squared": ([("Conv", ["x", "w"], "t"), ("Pow", ["t", "two"], "y")], ["Conv2d", "Square"]),
    "multiplied": ([("Conv", ["x", "w"], "t"), ("Mul", ["t", "t"], "y")], ["Conv2d", "Square"]),
    "multiples": (
        [
            ("Conv", ["x", "one"], "t"),
            ("Mul", ["t", "two"], "u"),
            ("Mul", ["t", "channels"], "v"),
            ("Mul", ["u", "v"], "y"),
        ],
        ["Conv2d", "Square", "Affine"],
    ),
    "branches": ([("Conv", ["x", "one"], "t"), ("Add", ["t", "x"], "y")], ["Affine", "Residual"]),
    "difference": (
        [("Conv", ["x", "one"], "t"), ("Mul", ["x", "channels"], "u"), ("Sub", ["t", "u"], "y")],
        ["Affine", "Residual"],
    ),
    "shared": (  # by both branches, and computed once
        [("Conv", ["x", "one"], "t"), ("Mul", ["t", "channels"], "u"), ("Add", ["u", "t"], "y")],
        ["Conv2d"],
    ),
    "three": (
        [("Conv", ["x", "one"], "t"), ("Mul", ["t", "channels"], "u"), ("Sum", ["t", "u", "x"], "y")],
        None,
    ),
    "twice": ([("Conv", ["x", "w"], "t"), ("Add", ["t", "t"], "y")], ["Conv2d"]),
}


@pytest.mark.parametrize("name", CHAINS)
def test_operators_are_exact(name):
    nodes, expected = CHAINS[name]
    proto = graph(*nodes)
    model = fhenn.from_onnx(proto)
    wanted = of_reference(proto, IMAGES)
    compare(scores(model, IMAGES), wanted, 1e-9)
    compare(scores(model, IMAGES.reshape(3, -1)), wanted, 1e-9)
    assert model.shape == (4, 9, 7)
    assert expected is None or [node.name for node in model.nodes] == expected


def test_sequences():
    proto = graph(
        ("Conv", ["x", "sequence", "b"], "t", {"pads": [1, 0], "dilations": [2]}),
        ("AveragePool", ["t"], "y", {"kernel_shape": [2]}),
        shape=(None, 4, 9),
    )
    model = fhenn.from_onnx(proto)
    assert [node.name for node in model.nodes] == ["Conv1d", "AvgPool1d"]
    compare(scores(model, IMAGES[..., 0]), of_reference(proto, IMAGES[..., 0]), 1e-9)


def test_older_operator_sets_hold_their_numbers_in_attributes():
    proto = graph(
        ("Pad", ["x"], "t", {"pads": [0, 0, 1, 2, 0, 0, 0, 1]}),
        ("ReduceMean", ["t"], "m", {"axes": [2, 3]}),
        ("Squeeze", ["m"], "v", {"axes": [2, 3]}),
        ("Unsqueeze", ["v"], "u", {"axes": [1]}),
        ("Flatten", ["u"], "y"),
        opset=9,
        element=TensorProto.FLOAT,
    )
    compare(scores(fhenn.from_onnx(proto), IMAGES), of_runtime(proto, IMAGES), 1e-5)


def test_padding_that_is_computed():
    """As PyTorch exports F.pad(x, (1, 2, 0, 3)): the ends of the last axis first, and each before its other end."""
    proto = graph(
        ("ConstantOfShape", ["four"], "zeros", {"value": numpy_helper.from_array(np.array([0]))}),
        ("Concat", ["given", "zeros"], "listed", {"axis": 0}),
        ("Reshape", ["listed", "pairs"], "p"),
        ("Slice", ["p", "rest", "least", "zero", "rest"], "turned"),
        ("Transpose", ["turned"], "t", {"perm": [1, 0]}),
        ("Reshape", ["t", "rest"], "row"),
        ("Cast", ["row"], "e", {"to": TensorProto.INT64}),
        ("Pad", ["x", "e"], "y"),
        given=np.array([1, 2, 0, 3]),
        four=np.array([4]),
        pairs=np.array([-1, 2]),
        least=np.array([-(2**63) + 1]),
    )
    model = fhenn.from_onnx(proto)
    assert model.nodes[-1].padding == (1, 2, 0, 3)
    compare(scores(model, IMAGES), of_reference(proto, IMAGES), 1e-9)


def test_shapes_that_are_computed():
    """As PyTorch exports x.view(-1, x.shape[1], x.shape[2] * x.shape[3])[...].squeeze()."""
    proto = graph(
        ("Conv", ["x", "one"], "c"),
        ("Shape", ["c"], "s"),
        ("Gather", ["s", "far"], "sizes"),
        ("Unsqueeze", ["sizes", "zero"], "u"),
        ("Squeeze", ["u"], "v"),
        ("Slice", ["v", "zero", "two_"], "first_two"),
        ("Slice", ["v", "two_", "three_"], "third"),
        ("Mul", ["third", "seven"], "area"),
        ("Add", ["area", "seven"], "more"),
        ("Sub", ["more", "seven"], "same"),
        ("Concat", ["first_two", "same"], "r", {"axis": 0}),
        ("Reshape", ["c", "r"], "y"),
        far=np.array([0, 1, 2]),
        two_=np.array([2]),
        three_=np.array([3]),
        seven=np.array([7]),
    )
    compare(scores(fhenn.from_onnx(proto), IMAGES), of_reference(proto, IMAGES), 1e-9)


def test_pads_that_crop():
    proto = graph(("Pad", ["x", "crop", "nothing", "rows"], "y"), element=TensorProto.FLOAT)
    model = fhenn.from_onnx(proto)
    assert [node.name for node in model.nodes] == ["Pad"]
    compare(scores(model, IMAGES), of_runtime(proto, IMAGES), 1e-5)


@pytest.mark.parametrize("counted", [0, 1])
@pytest.mark.parametrize("ends", [[0, 0, 0, 0], [1, 1, 1, 1]])
def test_pooling_that_rounds_up(counted, ends):
    attributes = {"kernel_shape": [3, 3], "strides": [2, 3], "pads": ends, "ceil_mode": 1, "count_include_pad": counted}
    proto = graph(("AveragePool", ["x"], "y", attributes), element=TensorProto.FLOAT, opset=22)
    compare(scores(fhenn.from_onnx(proto), IMAGES), of_runtime(proto, IMAGES), 1e-5)


TAPS = {"kernel_shape": [2, 2]}
REFUSED = {
    "max-pool": ([("MaxPool", ["x"], "y", TAPS)], "MaxPool", "put average pooling, AveragePool, in its place"),
    "global-max": ([("GlobalMaxPool", ["x"], "y")], "GlobalMaxPool", "GlobalAveragePool, in its place"),
    "transpose": (
        [("Transpose", ["x"], "t", {"perm": [0, 3, 1, 2]}), ("Conv", ["t", "v"], "y")],
        "Conv",
        r"np.moveaxis\(images, -1, 1\)",
        np.ones((2, 7, 2, 2)),
    ),
    "transposed-samples": ([("Transpose", ["x"], "y")], "Transpose", "axis of samples first"),
    "channels": ([("Conv", ["x", "v"], "y")], "Conv", "3 channels, not samples of shape", np.ones((2, 3, 2, 2))),
    "channels-last": ([("Conv", ["x", "v"], "y")], "Conv", r"np.moveaxis\(x, -1, 1\)", np.ones((2, 7, 2, 2))),
    "kernel": ([("Conv", ["x", "v"], "y")], "Conv", "larger than the padded image", np.ones((2, 4, 2, 8))),
    "kernel-shape": ([("Conv", ["x", "w"], "y", TAPS)], "Conv", "not that of weights"),
    "groups": ([("Conv", ["x", "grouped"], "y", {"group": 4})], "Conv", "8 channels"),
    "axes": ([("Conv", ["x", "sequence"], "y")], "Conv", "not those of samples of shape"),
    "strides": ([("Conv", ["x", "w"], "y", {"strides": [0, 1]})], "Conv", "strides are"),
    "pads": ([("Conv", ["x", "w"], "y", {"pads": [1, 1]})], "Conv", "pads"),
    "auto-pad": ([("Conv", ["x", "w"], "y", {"auto_pad": "ODD"})], "Conv", "its auto_pad is 'ODD', not NOTSET,"),
    "auto-pad-bytes": ([("Conv", ["x", "w"], "y", {"auto_pad": b"\xff"})], "Conv", r"auto_pad is '\\+xff', not"),
    "nan": ([("Conv", ["x", "v"], "y")], "Conv", "NaN", np.full((2, 4, 2, 2), np.nan)),
    "of-samples": ([("Conv", ["x", "x"], "y")], "Conv", "constant is needed"),
    "gaps": ([("AveragePool", ["x"], "y", TAPS | {"dilations": [2, 2]})], "AveragePool", "gaps"),
    "same-crops": (
        [("AveragePool", ["x"], "y", TAPS | {"strides": [3, 3], "auto_pad": "SAME_UPPER"})],
        "AveragePool",
        "windows that do not meet",
    ),
    "zeros-only": ([("AveragePool", ["x"], "y", TAPS | {"pads": [2, 0, 2, 0]})], "AveragePool", "half of kernel_size"),
    "reflect": ([("Pad", ["x", "ends"], "y", {"mode": "reflect"})], "Pad", "only zeros"),
    "ones": ([("Pad", ["x", "ends", "two"], "y")], "Pad", "only zeros"),
    "pad-channels": ([("Pad", ["x", "across"], "y")], "Pad", "more than the axes behind"),
    "dropping": ([("Dropout", ["x", "two", "yes"], "y")], "Dropout", "training mode", np.array(True)),
    "unlike": ([("Conv", ["x", "w"], "t"), ("Add", ["t", "x"], "y")], "Add", "adds samples of shape"),
    "unlike-product": ([("Conv", ["x", "w"], "t"), ("Mul", ["t", "x"], "y")], "Mul", "multiplies samples of shape"),
    "root": ([("Pow", ["x", "half"], "y")], "Pow", "whole ones from 1 to"),
    "samples-as-axis": ([("Unsqueeze", ["x", "zero"], "y")], "Unsqueeze", "apart"),
    "taken": ([("Gather", ["x", "first"], "y")], "Gather", "would mix them"),
    "no-axis": ([("Shape", ["x"], "s"), ("Gather", ["s", "far"], "y")], "Gather", "fails on constants", np.array(9)),
    "large-constant": (
        [("ConstantOfShape", ["far"], "s"), ("Add", ["x", "s"], "y")],
        "ConstantOfShape",
        "more than 1,048,576 numbers",
        np.array([2**10, 2**11]),
    ),
    "large-choice": ([("Gather", ["far", "far"], "y")], "Gather", "67,108,864 numbers", np.zeros(2**14, np.int64)),
    "samples-computed-with": (
        [("Shape", ["x"], "s"), ("Mul", ["s", "rows"], "r"), ("Reshape", ["x", "r"], "y")],
        "Mul",
        "not for the number of samples",
    ),
    "bytes": ([("Cast", ["rows"], "r", {"to": 3}), ("Squeeze", ["x", "r"], "y")], "Cast", "neither floats nor"),
    "huge": ([("Pad", ["x", "far"], "y")], "Pad", "1,048,576 numbers", np.array([0, 0, 2**40, 0, 0, 0, 0, 0])),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_what_is_outside_the_list(name):
    nodes, layer, reason, *constant = REFUSED[name]
    given_ = dict.fromkeys(("v", "yes", "far"), *constant) if constant else {}
    with pytest.raises(UnsupportedModel, match=reason) as caught:
        fhenn.from_onnx(graph(*nodes, **given_))
    assert caught.value.layer == layer
    assert "GlobalAveragePool" in caught.value.supported


@pytest.mark.parametrize("count", [16, 17, 3000])
def test_sums_within_sums(count):
    steps = [("Conv", ["x", "one"], "t0"), *(("Add", ["x", f"t{place}"], f"t{place + 1}") for place in range(count))]
    proto = graph(*steps, ("Conv", [f"t{count}", "w"], "y"))
    if count > 16:
        with pytest.raises(UnsupportedModel, match="more than 16 sums or products of branches"):
            fhenn.from_onnx(proto)
        return
    model = fhenn.from_onnx(proto)
    again = fhenn.artifacts.model_from_bytes(fhenn.artifacts.model_to_bytes(model))
    compare(scores(again, IMAGES), of_reference(proto, IMAGES), 1e-9 * count)


def test_many_blocks_one_after_another():
    steps, last = [], "x"
    for place in range(60):
        steps += [("Conv", [last, "one"], f"c{place}"), ("Mul", [f"c{place}", "small"], f"m{place}")]
        steps += [("Add", [last, f"m{place}"], f"t{place}")]
        last = f"t{place}"
    proto = graph(*steps, ("Conv", [last, "w"], "y"), small=np.array(0.1))
    model = fhenn.from_onnx(proto)
    assert [node.name for node in model.nodes] == ["Affine", *["Residual"] * 60, "Conv2d"]
    expected = of_reference(proto, IMAGES)
    compare(scores(model, IMAGES), expected, 1e-9 * np.abs(expected).max())


def test_channels_last_at_prediction():
    model = fhenn.from_onnx(graph(("Conv", ["x", "w"], "y")))
    with pytest.raises(ShapeMismatch, match=r"np.moveaxis\(x, -1, 1\)"):
        model.predict(np.moveaxis(IMAGES, 1, -1))


def test_the_model_stays_as_it_is():
    proto = graph(*CHAINS["three"][0])
    before = proto.SerializeToString(deterministic=True)
    fhenn.from_onnx(proto)
    assert proto.SerializeToString(deterministic=True) == before


@settings(max_examples=100, deadline=None)
@given(st.data(), st.integers(1, 255))
def test_a_damaged_file_is_refused_or_read(data, bits):
    whole = graph(*CHAINS["flat-by-shape"][0]).SerializeToString()
    place = data.draw(st.integers(0, len(whole) - 1))
    try:
        proto = onnx.ModelProto.FromString(whole[:place] + bytes([whole[place] ^ bits]) + whole[place + 1 :])
    except DecodeError:
        return
    with suppress(FhennError):
        fhenn.from_onnx(proto)


@pytest.mark.thorough
def test_encrypted_from_a_file(tmp_path):
    proto = graph(
        ("BatchNormalization", ["x", "s", "s", "s", "v"], "n"),
        ("Conv", ["n", "k"], "c", {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
        ("Mul", ["c", "c"], "q"),
        ("Conv", ["q", "inner"], "i"),
        ("Add", ["i", "q"], "r"),
        ("AveragePool", ["r"], "p", TAPS | {"strides": [2, 2]}),
        ("Flatten", ["p"], "f"),
        ("Gemm", ["f", "m"], "y"),
        shape=(None, 1, 8, 8),
        s=np.array([0.5]),
        v=np.array([1.5]),
        k=DRAW.normal(size=(3, 1, 3, 3)) / 3,
        inner=DRAW.normal(size=(3, 3, 1, 1)) / 3,
        m=DRAW.normal(size=(12, 3)),
    )
    path = tmp_path / "model.onnx"
    onnx.save_model(proto, path)
    images = DRAW.uniform(size=(4, 1, 8, 8))
    model = fhenn.from_onnx(path, classes=["a", "b", "c"])
    private = fhenn.encrypted_model(model, images, bounds=[0, 1])
    expected = of_reference(proto, images)
    compare(private.scores(images), expected, private.plan.error + 1e-9)
    assert private.predict(images).shape == (4,)
