"""Nodes of images, against what a loop makes of them, and node by node on ciphertexts."""

import copy
import pickle
import tracemalloc

import numpy as np
import pytest
import tenseal as ts
from hypothesis import given
from hypothesis import strategies as st

import fhenn
from fhenn.ckks.layout import Placement, Vectors
from fhenn.ckks.sums import drop_to
from fhenn.errors import (
    NonFiniteValue,
    ParameterError,
    ScaleMismatch,
    ShapeMismatch,
    UnsupportedNode,
    UnsupportedOperation,
    WireFormatError,
)
from fhenn.nn import Affine, Convolution, Grid, Scaling, Separable, Sparse, layers
from fhenn.nn.image import ImageLayer
from fhenn.wire import frame, unframe

rng = np.random.default_rng(0)
PRECISION = {np.float32: 1e-4, np.float64: 1e-12}


def naive_conv(x, weight, bias, stride, padding, dilation, groups):
    """A convolution of images (samples, channels, height, width), output by output."""
    x = np.pad(x, ((0, 0), (0, 0), *padding))
    out, taken, tall, wide = weight.shape
    down = (x.shape[2] - (tall - 1) * dilation[0] - 1) // stride[0] + 1
    across = (x.shape[3] - (wide - 1) * dilation[1] - 1) // stride[1] + 1
    result = np.empty((len(x), out, down, across))
    for n, o, i, j in np.ndindex(result.shape):
        first = o // (out // groups) * taken
        rows = i * stride[0] + dilation[0] * np.arange(tall)
        columns = j * stride[1] + dilation[1] * np.arange(wide)
        window = x[n, first : first + taken][:, rows[:, None], columns]
        result[n, o, i, j] = bias[o] + (window * weight[o]).sum()
    return result


def naive_pool(x, size, stride, padding, ceil_mode, count_include_pad):
    """Average pooling, window by window, as PyTorch's documentation and its `pooling_output_shape` have it."""

    def windows(length, axis):
        count = (length + 2 * padding[axis] - size[axis] + (stride[axis] - 1) * ceil_mode) // stride[axis] + 1
        starts = [i * stride[axis] - padding[axis] for i in range(count)]
        return [start for start in starts if not ceil_mode or start < length]

    height, width = x.shape[2:]
    rows, columns = windows(height, 0), windows(width, 1)
    result = np.empty((*x.shape[:2], len(rows), len(columns)))
    for i, top in enumerate(rows):
        for j, left in enumerate(columns):
            bottom, right = min(top + size[0], height + padding[0]), min(left + size[1], width + padding[1])
            window = x[:, :, max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
            count = (bottom - top) * (right - left) if count_include_pad else window.shape[2] * window.shape[3]
            result[:, :, i, j] = window.sum(axis=(2, 3)) / count
    return result


@st.composite
def convs(draw):
    """The arguments of a Conv2d, and the shape of an image that fits."""
    draws = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    groups = draw(st.sampled_from([1, 2, 3]))
    channels, out = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    axes = []
    for _ in range(2):
        taps, gap, zeros = draw(st.integers(1, 5)), draw(st.integers(1, 2)), draw(st.integers(0, 2))
        least = max(1, (taps - 1) * gap + 1 - 2 * zeros)
        axes.append((taps, draw(st.integers(1, 3)), zeros, gap, least + draw(st.integers(0, 3))))
    taps, stride, padding, dilation, size = zip(*axes, strict=True)
    weight, bias = draws.normal(size=(out, channels // groups, *taps)), draws.normal(size=out)
    return (weight, bias, stride, padding, dilation, groups), (channels, *size)


@given(convs(), st.sampled_from([np.float32, np.float64]), st.booleans())
def test_a_convolution_is_its_definition(arguments, dtype, bound):
    (weight, bias, stride, padding, dilation, groups), shape = arguments
    node = fhenn.Conv2d(*arguments[0], shape=shape if bound else None)
    x = rng.normal(size=(2, *shape)).astype(dtype)
    expected = naive_conv(x, weight, bias, stride, [(zeros, zeros) for zeros in padding], dilation, groups)
    result = node(x)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, expected, atol=PRECISION[dtype] * 10)
    np.testing.assert_array_equal(node(x[0]), result[0])
    np.testing.assert_array_equal(node(x[None]), result[None])
    if bound:
        assert (node.inputs, node.outputs, node.output_shape) == (x[0].size, result[0].size, result.shape[1:])
        np.testing.assert_array_equal(node(x.reshape(2, -1)), result.reshape(2, -1))
        np.testing.assert_allclose(
            node.operator.apply(x.reshape(2, -1)) + node.bias, result.reshape(2, -1), atol=PRECISION[dtype] * 10
        )


@pytest.mark.thorough
@given(
    *[st.integers(1, 4)] * 4,
    st.sampled_from([0, 1]),
    st.booleans(),
    st.booleans(),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_average_pooling_is_its_definition(tall, wide, down, right, zeros, ceil_mode, count_include_pad, size):
    padding = (min(zeros, tall // 2), min(zeros, wide // 2))
    node = fhenn.AvgPool2d((tall, wide), (down, right), padding, ceil_mode, count_include_pad)
    x = rng.normal(size=(2, 3, *size))
    if size[0] + 2 * padding[0] < tall or size[1] + 2 * padding[1] < wide:
        with pytest.raises(ParameterError, match="larger than the padded image"):
            node(x)
        return
    expected = naive_pool(x, (tall, wide), (down, right), padding, ceil_mode, count_include_pad)
    np.testing.assert_allclose(node(x), expected, atol=1e-12)
    assert node.with_shape((3, *size)).output_shape == expected.shape[1:]
    assert isinstance(node.with_shape((3, *size)).operator, Separable)


def test_other_maps_of_images():
    x = rng.normal(size=(2, 3, 4, 5)).astype(np.float32)
    for node, expected in (
        (fhenn.GlobalAvgPool2d(), x.mean(axis=(2, 3), keepdims=True)),
        (fhenn.Pad((1, 2, 0, 3)), np.pad(x, ((0, 0), (0, 0), (0, 3), (1, 2)))),
        (fhenn.Pad(1), np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))),
        (fhenn.Pad((-1, 1, -2, -1)), np.pad(x[:, :, 2:3, 1:], ((0, 0), (0, 0), (0, 0), (0, 1)))),
        (fhenn.Upsample((2, 3)), x.repeat(2, axis=2).repeat(3, axis=3)),
        (fhenn.AvgPool2d(2, ceil_mode=True), naive_pool(x, (2, 2), (2, 2), (0, 0), True, True)),
    ):
        for each in (node, node.with_shape(x.shape[1:]), pickle.loads(pickle.dumps(node)), copy.deepcopy(node)):  # noqa: S301
            result = each(x)
            assert result.dtype == np.float32
            np.testing.assert_allclose(result, expected, atol=1e-6)
        assert node.with_shape(x.shape[1:]).output_shape == expected.shape[1:]
        half = node.scaled(0.5)
        np.testing.assert_allclose(half(x), expected / 2, atol=1e-6)
        assert half.scaled(2.0).gain == node.gain == 1.0


def test_sequences_are_images_of_one_row():
    weight, bias, x = rng.normal(size=(4, 2, 3)), rng.normal(size=4), rng.normal(size=(5, 2, 9))
    flat = fhenn.Conv2d(weight[:, :, None], bias, (1, 2), (0, 1), (1, 2))
    node = fhenn.Conv1d(weight, bias, 2, 1, 2)
    np.testing.assert_array_equal(node(x), flat(x[:, :, None])[:, :, 0])
    bound = node.with_shape((2, 9))
    assert (bound.input_shape, bound.output_shape) == ((2, 9), (4, 4))
    assert (node.stride, node.padding, node.dilation) == (2, (1, 1), 2)
    np.testing.assert_array_equal(bound(x.reshape(5, -1)), node(x).reshape(5, -1))
    pool = fhenn.AvgPool1d(2, 3, 1, True, False)
    np.testing.assert_allclose(
        pool(x), naive_pool(x[:, :, None], (1, 2), (1, 3), (0, 1), True, False)[:, :, 0], atol=1e-12
    )
    one = fhenn.Conv1d(weight[:, :1], bias, shape=(1, 9))
    assert one(x[0, :1]).shape == (1, 28)  # features of one sample
    assert one(x[:1, :1]).shape == (1, 4, 7)


def test_padding_in_words():
    weight = rng.normal(size=(1, 1, 4, 3))
    same = fhenn.Conv2d(weight, padding="same", dilation=(1, 2), shape=(1, 6, 5))
    assert (same.output_shape, same.padding) == ((1, 6, 5), ((1, 2), (2, 2)))
    assert fhenn.Conv2d(weight, padding="valid").padding == ((0, 0), (0, 0))
    assert fhenn.Conv2d(weight, padding=((0, 1), (2, 0))).padding == ((0, 1), (2, 0))
    assert fhenn.Conv1d(weight[0], padding="same").padding == (1, 1)
    for padding in ("full", "", (1, 2, 3), "ab"):
        with pytest.raises(ParameterError, match="padding"):
            fhenn.Conv2d(weight, padding=padding)
    with pytest.raises(ParameterError, match="stride of 1"):
        fhenn.Conv2d(weight, stride=2, padding="same")


NODES = {
    "conv": lambda: fhenn.Conv2d(rng.normal(size=(4, 1, 3, 2)), rng.normal(size=4), (2, 1), 1, (1, 2), 2),
    "pool": lambda: fhenn.AvgPool2d(3, 2, 1, count_include_pad=False),
    "global": fhenn.GlobalAvgPool2d,
    "pad": lambda: fhenn.Pad((1, 0, 2, -1)),
    "upsample": lambda: fhenn.Upsample(2),
}


@pytest.mark.parametrize("name", NODES)
def test_what_goes_back_is_the_adjoint(name):
    node, x = NODES[name](), rng.normal(size=(3, 2, 6, 5))
    for each, value in ((node, x), (node, x[0]), (node.with_shape(x.shape[1:]), x.reshape(3, -1))):
        result = each(value)
        gradient = rng.normal(size=result.shape)
        linear = result - each.infer(np.zeros_like(value))
        at_input = each.backward(gradient)
        assert at_input.shape == value.shape
        assert np.vdot(linear, gradient) == pytest.approx(np.vdot(value, at_input), abs=1e-10)
    node(x.astype(np.float32))
    assert node.backward(np.ones((1, 1, 1, 1))).dtype == np.float32
    node(x)
    with pytest.raises(ShapeMismatch, match="backward"):
        node.backward(np.ones((7, 7, 7)))


@pytest.mark.parametrize("bound", [False, True])
def test_gradients_of_weight_and_bias_are_the_slopes(bound):
    weight, bias, x = rng.normal(size=(4, 1, 3, 2)), rng.normal(size=4), rng.normal(size=(3, 2, 6, 5))
    options = {"stride": (2, 1), "padding": 1, "groups": 2, "shape": (2, 6, 5) if bound else None}
    node = fhenn.Conv2d(weight, bias, optimiser=fhenn.SGD(1.0), **options)
    gradient = rng.normal(size=node(x).shape)
    node.backward(gradient)
    before = node.weight
    node.update()
    moved = weight - node.weight, bias - node.channel_bias
    assert node.weight is not before
    for place, (values, step) in enumerate(zip((weight, bias), moved, strict=True)):
        for index in np.ndindex(values.shape):
            changed = [weight.copy(), bias.copy()]
            changed[place][index] += 1.0  # the loss is linear in them
            slope = np.vdot(fhenn.Conv2d(*changed, **options)(x) - fhenn.Conv2d(weight, bias, **options)(x), gradient)
            assert step[index] == pytest.approx(slope, abs=1e-10)
    expected = naive_conv(x, node.weight, node.channel_bias, (2, 1), ((1, 1), (1, 1)), (1, 1), 2)
    np.testing.assert_allclose(node(x), expected, atol=1e-12)


def network(shape=(2, 8, 7), **options):
    draw = np.random.default_rng(4)
    nodes = [
        fhenn.Conv2d(draw.normal(size=(3, 2, 3, 3)) / 4, draw.normal(size=3), optimiser=fhenn.Adam(0.05)),
        fhenn.Square(),
        fhenn.Sequential([fhenn.AvgPool2d(2), fhenn.Pad(1)]),
        fhenn.Flatten(),
        fhenn.Linear(draw.normal(size=(2, 60)) / 8, optimiser=fhenn.Adam(0.05)),
    ]
    return fhenn.Sequential(nodes, shape=shape, **options)


def test_a_model_tells_its_nodes_their_shapes():
    model, x = network(finish="argmax"), rng.normal(size=(5, 2, 8, 7))
    assert (model.shape, model.output_shape) == ((2, 8, 7), (2,))
    shapes = [(2, 8, 7), None, (3, 6, 5), (3, 5, 4), (60,)]
    assert [node.input_shape for node in model.nodes] == shapes
    loose = network(shape=None)
    assert loose.shape is loose.output_shape is loose.nodes[0].input_shape is None or loose.output_shape == (2,)
    np.testing.assert_array_equal(loose(x), model(x))
    np.testing.assert_array_equal(model(x.reshape(5, -1)), model(x))
    np.testing.assert_allclose(model(x[0]), model(x)[0], atol=1e-12)
    for again in (
        model.with_nodes(model.nodes),
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),  # noqa: S301
        loose.with_shape((2, 8, 7)),
        fhenn.Sequential([loose.nodes[0].with_shape((2, 8, 7)), *loose.nodes[1:]]),
    ):
        assert (again.shape, again.output_shape) == (model.shape, model.output_shape)
        np.testing.assert_array_equal(again(x), model(x))
    others = model.with_nodes([fhenn.AvgPool2d(2), fhenn.Flatten()])
    assert (others.shape, others.output_shape) == ((2, 8, 7), (24,))
    assert "shape=(2, 8, 7)" in repr(model)
    assert "Conv2d(2, 3, kernel_size=(3, 3), shape=(2, 8, 7), cost=1)" in repr(model)
    assert loose.nodes[0].input_shape is None  # the user's own node stays


def test_summary_shows_shapes():
    lines = network().summary().splitlines()
    assert [line.split("  ")[0] for line in lines[2:-1]] == ["Conv2d", "Square", "Sequential", "Flatten", "Linear"]
    for line, shape in zip(lines[2:], ["3, 6, 5", "3, 6, 5", "3, 5, 4", "60", "2"], strict=False):
        assert f"(..., {shape})" in line
    assert lines[2].endswith("57")
    assert network(shape=None).summary().splitlines()[2].split()[1] == "(...)"


def test_it_trains():
    """Bars that stand or lie."""
    draw = np.random.default_rng(1)
    x = draw.normal(size=(64, 2, 8, 7)) * 0.1
    y = draw.integers(0, 2, 64)
    for sample, label in zip(x, y, strict=True):
        place = draw.integers(1, 6)
        sample[(slice(None), slice(None), place) if label else (slice(None), place)] += 1.0
    model, wanted = network(), np.eye(2)[y]
    for _ in range(150):
        model.backward((model(x) - wanted) / len(x))
        model.updates()
    assert (model.infer(x).argmax(axis=1) == y).mean() > 0.95


def test_layers_are_the_affine_maps_that_they_are():
    model, x = network(), rng.normal(size=(5, 2, 8, 7))
    kinds = ["Conv2d", "Square", "AvgPool2d", "Pad", "Linear"]
    assert [layer.name for layer in layers(model)] == kinds
    value = x.reshape(5, -1)
    for layer in layers(model):
        value = layer.infer(value)
    np.testing.assert_allclose(value, model(x), atol=1e-12)
    for node in (fhenn.AvgPool2d(2), fhenn.Sequential([fhenn.Conv2d(np.ones((1, 1, 1, 1)))])):
        with pytest.raises(UnsupportedNode, match="does not know the shape") as refusal:
            list(layers(node))
        assert "fhenn.Sequential([...], shape=(channels, height, width))" in str(refusal.value)
    with pytest.raises(UnsupportedNode, match="Residual"):
        list(layers(fhenn.Residual(fhenn.Linear([[1.0]]))))


def test_neighbours_fold():
    conv, pool = fhenn.Conv2d(rng.normal(size=(3, 2, 3, 3)), [1.0, 2.0, 3.0], shape=(2, 6, 6)), fhenn.AvgPool2d(2)
    pool = pool.with_shape(conv.output_shape)
    both, x = conv.then(pool), rng.normal(size=(4, 2, 6, 6))
    assert type(both) is Affine
    np.testing.assert_allclose(both(x.reshape(4, -1)), pool(conv(x)).reshape(4, -1), atol=1e-12)
    for factor in (2.0, 0.5):
        half = conv.scaled(factor)
        assert (type(half), type(half.operator), half.shape_after((2, 6, 6))) == (fhenn.Conv2d, Convolution, (3, 4, 4))
        np.testing.assert_allclose(half(x), factor * conv(x), atol=1e-12)
    with pytest.raises(NonFiniteValue):
        conv.scaled(np.inf)
    with pytest.raises(NonFiniteValue):
        pool.scaled(1e200).scaled(1e200)


def residual():
    draw = np.random.default_rng(2)
    body = fhenn.Sequential([fhenn.Conv2d(draw.normal(size=(4, 2, 3, 3)), stride=2, padding=1), fhenn.Square()])
    return fhenn.Residual(body, fhenn.Conv2d(draw.normal(size=(4, 2, 1, 1)), stride=2))


def test_the_grid_of_what_goes_in_and_comes_out():
    shape = (2, 6, 5)
    for node, outputs, stride in (
        (fhenn.Conv2d(np.ones((3, 2, 3, 3)), stride=(2, 1)), (3, 2, 3), (2, 1)),
        (fhenn.AvgPool2d((3, 2)), (2, 2, 2), (3, 2)),
        (fhenn.GlobalAvgPool2d(), (2, 1, 1), (6, 5)),
        (fhenn.Pad(1), (2, 8, 7), (1, 1)),
    ):
        assert node.with_shape(shape).grid == Grid(shape, outputs, stride)
    assert fhenn.Conv1d(np.ones((3, 2, 3)), stride=2, shape=(2, 9)).grid == Grid((2, 1, 9), (3, 1, 4), (1, 2))
    assert fhenn.Upsample(2, shape=shape).grid is None


def test_a_residual_is_the_sum_of_its_branches():
    node, x = residual(), rng.normal(size=(3, 2, 5, 4))
    np.testing.assert_array_equal(node(x), node.body.infer(x) + node.shortcut.infer(x))
    gradient = rng.normal(size=node.infer(x).shape)
    direction, h = rng.normal(size=x.shape), 1e-6
    slope = np.vdot(node.infer(x + h * direction) - node.infer(x - h * direction), gradient) / (2 * h)
    assert np.vdot(node.backward(gradient), direction) == pytest.approx(slope, rel=1e-6)
    weights = [node.body.nodes[0].weight, node.shortcut.weight]
    node.updates()
    assert all(
        new is not old for new, old in zip([node.body.nodes[0].weight, node.shortcut.weight], weights, strict=True)
    )
    assert (node.cost, node.has_parameters, node.shape_after((2, 5, 4))) == (2, True, (4, 3, 2))
    model = fhenn.Sequential([node, fhenn.Flatten()], shape=(2, 5, 4))
    assert (model.output_shape, model.nodes[0].shortcut.input_shape) == ((24,), (2, 5, 4))
    assert model(x).shape == (3, 24)
    plain = fhenn.Residual(fhenn.Square())
    x = x.astype(np.float32)
    np.testing.assert_allclose(plain(x), x + x * x)
    assert plain.backward(np.ones(x.shape)).dtype == np.float32
    plain.disable_cache()
    assert not plain.is_cache_enabled
    plain.enable_cache()
    assert plain.is_cache_enabled


def test_a_residual_refuses(small):
    with pytest.raises(ShapeMismatch, match="Residual"):
        fhenn.Residual(fhenn.Conv2d(np.ones((1, 1, 2, 2))))(np.ones((1, 3, 3)))
    with pytest.raises(ShapeMismatch, match="Residual"):
        fhenn.Sequential([fhenn.Residual(fhenn.Conv2d(np.ones((1, 1, 2, 2))))], shape=(1, 3, 3))
    node = fhenn.Square()
    for arguments in ((node, node), (None,), (node, 3)):
        with pytest.raises(ParameterError):
            fhenn.Residual(*arguments)
    with pytest.raises(UnsupportedOperation, match=r"Residual on CKKSVector.*fhenn\.encrypt"):
        fhenn.Residual(node)(ts.ckks_vector(small, [1.0]))


ONE = np.ones((2, 3, 3, 3))
IMAGES = np.ones((5, 3, 8, 7))


@pytest.mark.parametrize("bound", [False, True])
def test_channels_last_are_said(bound):
    node = fhenn.Conv2d(ONE, shape=(3, 8, 7) if bound else None)
    last = np.moveaxis(IMAGES, 1, -1)
    with pytest.raises(ShapeMismatch, match=r"\(samples, height, width, channels\)\? Give np.moveaxis\(x, -1, 1\)"):
        node(last)
    with pytest.raises(ShapeMismatch, match=r"is it \(height, width, channels\)\? Give np.moveaxis\(x, -1, 0\)"):
        node(last[0])
    assert node(np.moveaxis(last, -1, 1)).shape == (5, 2, 6, 5)
    assert node(np.moveaxis(last[0], -1, 0)).shape == (2, 6, 5)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: fhenn.Conv2d(ONE[0]), ShapeMismatch, "out, in/groups, height, width"),
        (lambda: fhenn.Conv2d(ONE[:0]), ShapeMismatch, "not empty"),
        (lambda: fhenn.Conv1d(ONE), ShapeMismatch, r"out, in/groups, length"),
        (lambda: fhenn.Conv2d(ONE, [1.0]), ShapeMismatch, r"Conv2d bias.*\(2,\)"),
        (lambda: fhenn.Conv2d(ONE, 1.0), ShapeMismatch, "Conv2d bias"),
        (lambda: fhenn.Conv2d(ONE * np.nan), NonFiniteValue, "Conv2d weight"),
        (lambda: fhenn.Conv2d(ONE, [np.inf, 0.0]), NonFiniteValue, "Conv2d bias"),
        (lambda: fhenn.Conv2d(ONE, groups=3), ParameterError, "3 groups do not divide the 2 channels"),
        (lambda: fhenn.Conv2d(ONE, stride=0), ParameterError, "stride"),
        (lambda: fhenn.Conv2d(ONE, dilation=(1, 0)), ParameterError, "dilation"),
        (lambda: fhenn.Conv2d(ONE, padding=-1), ParameterError, "padding"),
        (lambda: fhenn.Conv2d(ONE, shape=(4, 8, 8)), ShapeMismatch, r"\(4, 8, 8\), expected 3 channels"),
        (lambda: fhenn.Conv2d(ONE, shape=(8, 8)), ParameterError, r"\(channels, height, width\)"),
        (lambda: fhenn.Conv2d(ONE, shape=(3, 0, 8)), ParameterError, "at least 1 each"),
        (lambda: fhenn.Conv2d(ONE, shape=(3, 2, 8)), ParameterError, "larger than the padded image of 2 × 8"),
        (lambda: fhenn.Conv2d(ONE)(np.ones((3, 2, 8))), ParameterError, "1 more of padding on each side"),
        (lambda: fhenn.AvgPool2d(3, shape=(1, 2, 2)), ParameterError, "larger than the padded image"),
        (lambda: fhenn.AvgPool2d(2, padding=2), ParameterError, "more than half"),
        (lambda: fhenn.AvgPool2d(0), ParameterError, "kernel_size"),
        (lambda: fhenn.Pad((1, 1)), ParameterError, "padding"),
        (lambda: fhenn.Pad(-4, shape=(1, 8, 8)), ParameterError, "leaves nothing"),
        (lambda: fhenn.Pad((-8, 8, 0, 0), shape=(1, 8, 8)), ParameterError, "leaves nothing"),
        (lambda: fhenn.Upsample(0), ParameterError, "factor"),
        (lambda: fhenn.Conv2d(ONE, shape=(3, 8, 8))(IMAGES), ShapeMismatch, r"\(samples, 3, 8, 8\)"),
        (lambda: fhenn.Conv2d(ONE)(np.ones((8, 7))), ShapeMismatch, r"\(samples, 3, height, width\)"),
        (lambda: fhenn.Conv2d(ONE)(np.ones((3, 0, 7))), ShapeMismatch, "Conv2d"),
        (lambda: fhenn.Conv2d(ONE).operator, ParameterError, r"fhenn.Sequential\(\[...\], shape="),
        (lambda: fhenn.Conv2d(ONE).bias, ParameterError, "does not know the shape"),
        (lambda: fhenn.AvgPool2d(2).inputs, ParameterError, "does not know the shape"),
        (lambda: fhenn.AvgPool2d(2).output_shape, ParameterError, "does not know the shape"),
        (lambda: fhenn.Flatten()(np.ones((3, 2, 2))), ShapeMismatch, r"Flatten\(shape=\)"),
        (lambda: fhenn.Flatten(shape=(3, 2, 2))(np.ones((3, 2))), ShapeMismatch, r"\(samples, 3, 2, 2\)"),
        (lambda: fhenn.Flatten(shape=(3, 0)), ParameterError, "shape"),
        (lambda: network(shape=(1, 8, 7)), ShapeMismatch, "2 channels"),
        (lambda: network(shape=(2, 9, 9)), ShapeMismatch, r"Sequential.*after an output of 75"),
        (lambda: network(shape="abc"), ParameterError, "shape"),
    ],
)
def test_refuses(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_a_linear_on_images_is_told_to_flatten():
    linear, pool = fhenn.Linear(np.ones((2, 12))), fhenn.AvgPool2d(2)
    with pytest.raises(ShapeMismatch, match=r"\(12,\): put Flatten\(\) before it"):
        fhenn.Sequential([pool, linear], shape=(3, 4, 4))
    with pytest.raises(ShapeMismatch, match=r"put Flatten\(\) before it"):
        fhenn.Sequential([pool, Affine(Sparse([0], [0], [1.0], (12, 12)))], shape=(3, 4, 4))
    with pytest.raises(ShapeMismatch, match=r"put Flatten\(\) before it"):
        linear(np.ones((5, 3, 2, 2)))
    assert fhenn.Sequential([pool, fhenn.Flatten(), linear], shape=(3, 4, 4))(np.ones((5, 3, 4, 4))).shape == (5, 2)


def test_a_scaling_acts_on_images_too():
    scaling = Affine(Scaling(np.arange(12.0)), np.arange(12.0) + 1)
    model = fhenn.Sequential([fhenn.AvgPool2d(2), scaling], shape=(3, 4, 4))
    assert model.output_shape == (3, 2, 2)
    assert model.nodes[1].grid.outputs == (3, 2, 2)
    images = np.random.default_rng(0).normal(size=(5, 3, 4, 4))
    expected = scaling(fhenn.AvgPool2d(2)(images).reshape(5, 12))
    np.testing.assert_array_equal(model(images), expected.reshape(5, 3, 2, 2))
    np.testing.assert_array_equal(model(images.reshape(5, 48)), expected)
    bound, gradient = scaling.with_shape((3, 2, 2)), np.ones((5, 3, 2, 2))
    bound(gradient)
    np.testing.assert_array_equal(
        bound.backward(gradient), np.broadcast_to(np.arange(12.0).reshape(3, 2, 2), (5, 3, 2, 2))
    )
    with pytest.raises(ShapeMismatch, match=r"\(12,\)"):
        scaling.with_shape((3, 3, 2))


def test_integers_are_taken_as_floats():
    node = fhenn.Conv2d(ONE)
    np.testing.assert_array_equal(node(IMAGES.astype(np.uint8)), node(IMAGES))


def test_a_node_that_knows_another_shape_is_refused_in_a_model():
    with pytest.raises(ShapeMismatch, match=r"AvgPool2d: got shape \(3, 8, 8\), expected \(samples, 3, 4, 4\)"):
        fhenn.Sequential([fhenn.AvgPool2d(2, shape=(3, 4, 4))], shape=(3, 8, 8))
    assert fhenn.AvgPool2d(2, shape=(3, 4, 4)).with_shape((3, 8, 8)).output_shape == (3, 4, 4)


def test_unbound_nodes_have_the_same_operator_for_the_same_shape():
    node = fhenn.Conv2d(ONE, shape=(3, 8, 7))
    assert node.operator is node.operator is node.fresh().operator
    assert node.bias.shape == (60,)
    assert isinstance(node, ImageLayer)


@pytest.fixture(scope="module", params=["seal", "native"])
def context(request):
    kind = fhenn.Context if request.param == "seal" else fhenn.NativeContext
    if request.param == "native" and not fhenn.backends.is_available("native"):
        pytest.skip("the native library is not built")
    # noise is some 2e-8 here
    return kind.generate(fhenn.Parameters(16384, (60, 40, 40, 40, 40, 60), 2.0**40))


@pytest.mark.thorough
@pytest.mark.parametrize("flat", [False, True])
def test_images_on_ciphertexts_node_by_node(context, flat):
    draw = np.random.default_rng(3)
    model = fhenn.Sequential(
        [
            fhenn.Conv2d(draw.normal(size=(2, 1, 3, 3)) / 3, draw.normal(size=2), stride=2, padding=1),
            fhenn.Square(),
            fhenn.AvgPool2d(2),
            fhenn.Flatten(),
            fhenn.Linear(draw.normal(size=(3, 2)), draw.normal(size=3)),
        ],
        shape=(1, 4, 3),
    )
    x = draw.uniform(-1, 1, (5, 1, 4, 3))
    value, encrypted = x, fhenn.encrypt(context, x.reshape(5, -1) if flat else x, "features")
    for node in model.nodes:
        value, encrypted = node.infer(value), node.infer(encrypted)
        assert encrypted.shape == (value.reshape(5, -1).shape if flat else value.shape)
        got = fhenn.decrypt(context, encrypted)
        np.testing.assert_allclose(got.reshape(value.shape), value, atol=1e-6)
    assert encrypted.level == context.levels - model.cost


@pytest.mark.thorough
@pytest.mark.parametrize("projected", [False, True], ids=["itself", "projected"])
def test_a_residual_on_ciphertexts(context, projected):
    """The branch with more levels comes to the other's scale; the deeper one decides how many are left."""
    draw = np.random.default_rng(4)

    def convolution():
        return fhenn.Conv2d(draw.normal(size=(2, 2, 3, 3)) / 3, draw.normal(size=2), padding=1)

    body = fhenn.Sequential([convolution(), fhenn.Square()])
    node = fhenn.Residual(body, convolution() if projected else None).with_shape((2, 3, 2))
    x = draw.uniform(-1, 1, (5, 2, 3, 2))
    encrypted = fhenn.encrypt(context, x, "features")
    found = node(encrypted)
    assert (found.shape, found.level) == (x.shape, context.levels - node.cost)
    np.testing.assert_allclose(fhenn.decrypt(context, found), node.infer(x), atol=1e-6)
    alike = fhenn.Residual(fhenn.Square(), convolution()).with_shape((2, 3, 2))
    found = alike.infer(encrypted)  # both end at one level, at two scales
    assert found.level == context.levels - alike.cost - 1
    np.testing.assert_allclose(fhenn.decrypt(context, found), alike.infer(x), atol=1e-6)
    with pytest.raises(ScaleMismatch, match="at one level"):
        alike.infer(drop_to(encrypted, 1))
    node.enable_cache()
    node.forward(x)
    with pytest.raises(UnsupportedOperation, match=r"Residual\.backward|Conv2d"):
        node.backward(encrypted)
    with pytest.raises(UnsupportedOperation, match=r"Residual\.backward"):
        itself = fhenn.Residual(fhenn.Sequential([fhenn.Square()]))
        itself.forward(x)
        itself.backward(encrypted)


def test_a_linear_on_encrypted_images_is_told_to_flatten(context):
    encrypted = fhenn.encrypt(context, np.ones((2, 1, 2, 2)), "features")
    with pytest.raises(ShapeMismatch, match=r"put Flatten\(\) before it"):
        fhenn.Linear(np.ones((1, 4))).infer(encrypted)
    with pytest.raises(ShapeMismatch, match="Flatten"):
        fhenn.Flatten(shape=(4, 1, 1)).infer(encrypted)
    with pytest.raises(ShapeMismatch, match=r"\(samples, 1, 3, 3\)"):
        fhenn.AvgPool2d(2, shape=(1, 3, 3)).infer(encrypted)


@pytest.mark.parametrize("layout", ["features", Vectors("replicated", 16), "packed"])
def test_encrypted_images_travel(context, layout):
    x = rng.normal(size=(3, 2, 2, 3))
    encrypted = fhenn.encrypt(context, x, layout)
    again = fhenn.CipherArray.from_bytes(context, encrypted.to_bytes())
    assert again.shape == x.shape
    values, errors = fhenn.ckks.decrypt_with_errors(context, again)
    np.testing.assert_allclose(values, x, atol=1e-6)
    assert errors.shape == (3,)
    np.testing.assert_allclose(fhenn.decrypt(context, again.reshape((3, 12))), x.reshape(3, 12), atol=1e-6)
    with pytest.raises(ShapeMismatch, match="36 numbers"):
        again.reshape((3, 13))
    if layout != "packed":
        with pytest.raises(ShapeMismatch, match="3 samples"):
            again.reshape((36,))


@pytest.mark.parametrize("layout", [Vectors("replicated", 16), Placement.of(np.arange(16).reshape(1, 16))])
def test_a_shape_that_no_ciphertext_holds_is_refused_before_it_takes_memory(context, layout):
    encrypted = fhenn.encrypt(context, np.ones((1, 16)), layout)
    header, body = unframe("ciphertexts", encrypted.to_bytes())
    for shape in ([1, 1 << 31, 1 << 31], [1, 1 << 31], [1, 4, 5]):
        tracemalloc.start()
        try:
            with pytest.raises(WireFormatError, match="does not hold"):
                fhenn.CipherArray.from_bytes(context, frame("ciphertexts", {**header, "shape": shape}, body))
            assert tracemalloc.get_traced_memory()[1] < 50e6
        finally:
            tracemalloc.stop()
    for shape in ([1, 16], [1, 1, 4, 4]):
        again = fhenn.CipherArray.from_bytes(context, frame("ciphertexts", {**header, "shape": shape}, body))
        assert again.shape == tuple(shape)
