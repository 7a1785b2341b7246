"""Operators on images against the matrices that a naive loop makes."""

import copy
import pickle
import tracemalloc
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fhenn
from fhenn.ckks.images import Convolution, Separable, Window
from fhenn.ckks.operator import Dense, Scaling, Sparse
from fhenn.errors import NonFiniteValue, ParameterError, ShapeMismatch


def naive(kernel, shape, stride, padding, dilation, groups):
    """The matrix of a convolution, entry by entry."""
    channels, height, width = shape
    outputs, taken, tall, wide = kernel.shape
    (top, bottom), (left, right) = padding
    down = (height + top + bottom - (tall - 1) * dilation[0] - 1) // stride[0] + 1
    across = (width + left + right - (wide - 1) * dilation[1] - 1) // stride[1] + 1
    matrix = np.zeros((outputs, down, across, channels, height, width))
    for o, i, j, c, u, v in np.ndindex(outputs, down, across, taken, tall, wide):
        y, x = i * stride[0] + u * dilation[0] - top, j * stride[1] + v * dilation[1] - left
        if 0 <= y < height and 0 <= x < width:
            matrix[o, i, j, o // (outputs // groups) * taken + c, y, x] = kernel[o, c, u, v]
    return matrix.reshape(outputs * down * across, -1), (outputs, down, across)


@st.composite
def convolutions(draw):
    """A convolution, its matrix and the shape of what comes out."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    groups = draw(st.sampled_from([1, 1, 2, 4]))
    channels, outputs = (groups * draw(st.integers(1, 4 // groups)) for _ in range(2))
    taps, stride, dilation, padding, sizes = [], [], [], [], []
    for _ in range(2):
        taps.append(draw(st.integers(1, 7)))
        stride.append(draw(st.integers(1, 3)))
        dilation.append(draw(st.integers(1, 2)))
        padding.append((draw(st.integers(0, 3)), draw(st.integers(0, 3))))
        extent = (taps[-1] - 1) * dilation[-1] + 1
        sizes.append(draw(st.integers(max(1, extent - sum(padding[-1])), max(1, extent - sum(padding[-1])) + 4)))
    kernel = rng.normal(size=(outputs, channels // groups, *taps))
    kernel[rng.uniform(size=kernel.shape) < draw(st.sampled_from([0.0, 0.3]))] = 0.0
    given_ = (kernel, (channels, *sizes), tuple(stride), tuple(padding), tuple(dilation), groups)
    return Convolution(*given_), *naive(*given_)


def require_matrix(operator, matrix, rng):
    """Everything that an operator says, against its matrix."""
    assert operator.shape == matrix.shape
    np.testing.assert_allclose(operator.dense(), matrix, atol=1e-13)
    np.testing.assert_allclose(operator.sparse().dense(), matrix, atol=1e-13)
    places = [rows * operator.inputs + columns for rows, columns, _ in operator.pieces()]
    keys = np.concatenate([np.zeros(0, np.int64), *places])
    assert np.all(np.diff(keys) > 0)
    assert all(np.all(values != 0) for _, _, values in operator.pieces())
    rows, columns = rng.integers(-1, operator.outputs + 1, 50), rng.integers(-1, operator.inputs + 1, (3, 50))
    np.testing.assert_allclose(operator.entries(rows, columns), Dense(matrix).entries(rows, columns), atol=1e-13)
    np.testing.assert_allclose(operator.abs().dense(), np.abs(matrix), atol=1e-13)
    assert operator.largest == pytest.approx(np.abs(matrix).max(), rel=1e-12)
    for norm in (1, 2):
        np.testing.assert_allclose(operator.row_norms(norm), np.linalg.norm(matrix, norm, axis=1), atol=1e-12)
    np.testing.assert_array_equal(operator.row_sizes(), np.count_nonzero(matrix, axis=1))
    count = int(rng.integers(1, operator.inputs + 1))
    np.testing.assert_allclose(operator.largest_sums(count), Dense(matrix).largest_sums(count), atol=1e-12)
    assert operator.spectral_norm >= np.linalg.norm(matrix, 2) * (1 - 1e-12)
    assert operator.most_entries >= np.count_nonzero(matrix)
    for extra in ((), (3,), (2, 3)):
        x = rng.normal(size=(*extra, operator.inputs))
        np.testing.assert_allclose(operator.apply(x), x @ matrix.T, atol=1e-11)
        single = operator.apply(x.astype(np.float32))
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, x @ matrix.T, atol=1e-3)


@pytest.mark.thorough
@given(convolutions(), st.integers(0, 2**32 - 1))
def test_a_convolution_is_its_matrix(found, seed):
    (operator, matrix, shape), rng = found, np.random.default_rng(seed)
    assert operator.output_shape == shape
    require_matrix(operator, matrix, rng)
    require_matrix(operator.T, matrix.T, rng)
    assert operator.T.T is operator


@pytest.mark.thorough
@given(st.integers(1, 3), *[st.integers(1, 5)] * 4, st.integers(0, 2**32 - 1))
def test_a_separable_map_is_its_matrix(channels, down, height, right, width, seed):
    rng = np.random.default_rng(seed)
    vertical, horizontal = rng.normal(size=(down, height)), rng.normal(size=(right, width))
    vertical[rng.uniform(size=vertical.shape) < 0.4] = 0.0
    matrix = np.kron(np.eye(channels), np.kron(vertical, horizontal))
    operator = Separable(channels, vertical, horizontal)
    require_matrix(operator, matrix, rng)
    require_matrix(operator.T, matrix.T, rng)


@given(convolutions(), st.integers(0, 2**32 - 1))
def test_products_are_those_of_the_matrices_and_sparse(found, seed):
    (operator, matrix, shape), rng = found, np.random.default_rng(seed)
    by_channel = np.repeat(rng.normal(size=shape[0]), prod(shape[1:]))
    after, one = Scaling(by_channel) @ operator, operator @ Scaling(np.full(operator.inputs, 3.0))
    assert type(after) is type(one) is Convolution
    np.testing.assert_allclose(after.dense(), by_channel[:, None] * matrix, atol=1e-12)
    np.testing.assert_allclose(one.dense(), 3 * matrix, atol=1e-12)
    each = Scaling(rng.normal(size=operator.outputs))
    np.testing.assert_allclose((each @ operator).dense(), each.factors[:, None] * matrix, atol=1e-12)
    gram = operator @ operator.T
    assert type(gram) is Sparse
    np.testing.assert_allclose(gram.dense(), matrix @ matrix.T, atol=1e-10)
    dense = Dense(rng.normal(size=(2, operator.outputs)))
    np.testing.assert_allclose((dense @ operator).dense(), dense.dense() @ matrix, atol=1e-11)


@given(convolutions(), st.integers(0, 2**32 - 1))
def test_the_gradient_of_a_kernel_is_its_slope(found, seed):
    (operator, _, _), rng = found, np.random.default_rng(seed)
    x, gradient = rng.normal(size=(2, operator.inputs)), rng.normal(size=(2, operator.outputs))
    towards = rng.normal(size=operator.kernel.shape)
    slope = np.sum(operator.with_kernel(towards).apply(x) * gradient)  # it is linear in the kernel
    assert np.sum(operator.kernel_gradient(x, gradient) * towards) == pytest.approx(slope, abs=1e-9)


@pytest.mark.parametrize("what", ["apply", "transpose", "row_norms", "abs_row_sums"])
def test_a_wide_layer_needs_no_matrix(what):
    """32 channels to 32, 3 × 3, at 32 × 32: a matrix would take 8 GB."""
    operator = Convolution(np.ones((32, 32, 3, 3)), (32, 32, 32), padding=((1, 1), (1, 1)))
    x = np.ones((1, operator.inputs))
    does = {
        "apply": lambda: operator.apply(x),
        "transpose": lambda: operator.T.apply(x),
        "row_norms": lambda: operator.row_norms(2),
        "abs_row_sums": operator.abs_row_sums,
    }[what]
    tracemalloc.start()
    try:
        result = does()
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()
    assert result.max() == pytest.approx(288.0 if what != "row_norms" else np.sqrt(288.0))


def test_bad_input():
    kernel = np.ones((2, 1, 3, 3))
    with pytest.raises(ParameterError, match="larger than the padded image"):
        Convolution(kernel, (1, 2, 2))
    with pytest.raises(ParameterError, match="do not divide"):
        Convolution(kernel, (3, 4, 4), groups=2)
    with pytest.raises(ShapeMismatch, match="kernel"):
        Convolution(kernel, (3, 4, 4))
    with pytest.raises(NonFiniteValue):
        Convolution(kernel * np.nan, (1, 4, 4))
    with pytest.raises(ParameterError, match="stride"):
        Convolution(kernel, (1, 4, 4), stride=(0, 1))


@given(convolutions(), st.integers(1, 40))
def test_pieces_of_few_rows_are_the_same_entries(found, at_once):
    operator, matrix, _ = found
    for each, expected in ((operator, matrix), (operator.T, matrix.T)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("fhenn.ckks.images.at_once", lambda entries, most=0: at_once)
            pieces = list(each.pieces())
        rows, columns, values = (np.concatenate(part) for part in zip(*pieces, strict=True))
        places = np.nonzero(expected)
        np.testing.assert_array_equal((rows, columns), places)
        np.testing.assert_array_equal(values, expected[places])
        assert len(pieces) == -(-each.outputs // at_once)


@given(convolutions(), st.sampled_from(["dense", "sparse", "scaling", "channels"]), st.integers(0, 2**32 - 1))
def test_products_with_a_transpose_are_those_of_the_matrices(found, kind, seed):
    (operator, matrix, shape), rng = found, np.random.default_rng(seed)

    def other(features, channels):
        if kind == "scaling":
            return Scaling(rng.normal(size=features))
        if kind == "channels":
            return Scaling(np.repeat(rng.normal(size=channels), features // channels))
        dense = Dense(rng.normal(size=(features, features)))
        return dense if kind == "dense" else dense.sparse()

    after, before = other(operator.inputs, operator.input_shape[0]), other(operator.outputs, shape[0])
    for product, expected in (
        (after @ operator.T, after.dense() @ matrix.T),
        (operator.T @ before, matrix.T @ before.dense()),
    ):
        np.testing.assert_allclose(product.dense(), expected, atol=1e-11)
        kinds = {"dense": Dense, "channels": type(operator.T)}
        assert kind == "scaling" or type(product) is kinds.get(kind, Sparse)


def test_products_of_separable_maps_stay_so():
    rng = np.random.default_rng(0)
    first, last = (
        Separable(2, rng.normal(size=(3, 4)), rng.normal(size=(2, 5))),
        Separable(2, [[1.0] * 3], [[2.0, 3.0]]),
    )
    both = last @ first
    assert type(both) is type(Scaling([2.0, 2.0]) @ both) is type(both @ Scaling(np.full(40, 2.0))) is Separable
    np.testing.assert_allclose(both.dense(), last.dense() @ first.dense(), atol=1e-12)
    np.testing.assert_allclose((Scaling([2.0, 3.0]) @ both).dense(), [[2.0], [3.0]] * both.dense(), atol=1e-12)
    other = Separable(1, np.ones((1, 2)), np.ones((1, 6)))  # of another image with as many numbers
    np.testing.assert_allclose((other @ first).dense(), other.dense() @ first.dense(), atol=1e-12)
    convolution = Convolution(rng.normal(size=(3, 2, 2, 1)), first.output_shape)
    assert type(convolution @ first) is Sparse
    np.testing.assert_allclose((convolution @ first).dense(), convolution.dense() @ first.dense(), atol=1e-12)


def test_products_are_made_some_rows_at_a_time(monkeypatch):
    operator = Convolution(np.random.default_rng(0).normal(size=(2, 2, 3, 3)), (2, 6, 5), padding=((1, 1), (1, 1)))
    whole = (operator @ operator).dense()
    for piece in (1, 40, 300):
        monkeypatch.setattr("fhenn.ckks.operator._PIECE", piece)
        np.testing.assert_allclose((operator @ operator).dense(), whole, atol=1e-14)


def test_content_tells_operators_apart():
    kernel = np.arange(1.0, 9.0).reshape(2, 2, 1, 2)
    operators = [
        Convolution(kernel, (2, 4, 4)),
        Convolution(kernel + 1, (2, 4, 4)),
        Convolution(kernel, (2, 4, 4), stride=(2, 1)),
        Convolution(kernel, (2, 4, 4), stride=(1, 2)),
        Convolution(kernel, (2, 4, 4), padding=((1, 0), (0, 0))),
        Convolution(kernel, (2, 4, 4), padding=((0, 1), (0, 0))),
        Convolution(kernel, (2, 4, 4), padding=((0, 0), (0, 1))),
        Convolution(kernel, (2, 4, 4), dilation=(1, 3)),
        Convolution(kernel, (4, 4, 4), groups=2),
        Convolution(kernel.reshape(4, 1, 2, 1), (2, 4, 4), groups=2),
        Separable(1, np.ones((1, 2)), np.ones((2, 1))),
        Separable(2, np.ones((1, 2)), np.ones((2, 1))),
        Separable(1, np.ones((2, 1)), np.ones((1, 2))),
    ]
    assert len({operator.content for operator in operators}) == len(operators)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])  # noqa: S301
def test_copies_are_the_same_and_nobody_can_change_one(duplicate):
    weights = np.ones((1, 1, 2, 2))
    convolution, separable = Convolution(weights, (1, 3, 3)), Separable(2, [[1.0, 2.0]], [[1.0]])
    weights[:] = 5.0
    assert convolution.kernel.max() == 1.0
    for operator in (convolution, separable):
        again = duplicate(operator.T).T
        assert again.content == operator.content
        np.testing.assert_array_equal(again.dense(), operator.dense())
    for array in (convolution.kernel, separable.vertical.values, separable.T.vertical.values):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0.0


def test_rows_that_are_the_same_but_for_their_sign_are_counted():
    assert Convolution(np.array([1.0, 1.0, -1.0]).reshape(3, 1, 1, 1), (1, 2, 2)).most_alike() == 3


def test_an_output_may_meet_padding_alone():
    window = Window(1, 1, stride=3, before=2, after=4)
    assert (window.outputs, window.of_tap(0)[0]) == (3, slice(1, 1))
    assert Convolution([[[[2.0]]]], (1, 1, 1), (3, 1), ((2, 4), (0, 0))).dense().tolist() == [[0.0]] * 3


ONE = np.ones((2, 2, 3, 3))


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((np.ones((2, 2, 3)), (2, 5, 5)), ShapeMismatch, "channels, height, width"),
        ((np.ones((2, 2, 0, 3)), (2, 5, 5)), ShapeMismatch, "not empty"),
        ((ONE, (3, 5, 5)), ShapeMismatch, r"\(outputs, 3, height, width\) for images of \(3, 5, 5\)"),
        ((ONE, (2, 5)), ParameterError, "channels, height, width"),
        ((ONE, (2, 0, 5)), ParameterError, "at least 1 each"),
        ((ONE, (2, 5, 5.5)), ParameterError, "at least 1 each"),
        ((ONE, (2, 5, 5), (1, 1, 1)), ParameterError, "stride"),
        ((ONE, (2, 5, 5), (1, 1), ((-1, 0), (0, 0))), ParameterError, "padding"),
        ((ONE, (2, 5, 5), (1, 1), 1), ParameterError, "padding"),
        ((ONE, (2, 5, 5), (1, 1), ((0, 0), (0, 0)), (1, 0)), ParameterError, "dilation"),
        ((ONE, (2, 5, 5), (1, 1), ((0, 0), (0, 0)), (1, 1), 0), ParameterError, "groups must be a whole number"),
        ((ONE, (2, 5, 5), (1, 1), ((0, 0), (0, 0)), (1, 1), 3), ParameterError, "3 groups do not divide 2 channels"),
        ((ONE, (2, 2, 5)), ParameterError, "3 × 3 is larger than the padded image of 2 × 5.*1 more of padding"),
    ],
)
def test_refuses_what_makes_no_convolution(arguments, error, text):
    with pytest.raises(error, match=text):
        Convolution(*arguments)


def test_the_way_out_is_one():
    assert Convolution(ONE, (2, 2, 5), padding=((1, 1), (1, 1))).output_shape == (2, 2, 5)


def test_refuses_separable_maps_that_are_none():
    with pytest.raises(NonFiniteValue):
        Separable(1, [[np.inf]], [[1.0]])
    with pytest.raises(ShapeMismatch):
        Separable(1, [1.0], [[1.0]])
    with pytest.raises(ParameterError, match="channels"):
        Separable(0, [[1.0]], [[1.0]])
    for make in (lambda: Convolution([[[[1e200]]]], (1, 1, 1)), lambda: Separable(1, [[1e200]], [[1.0]])):
        with pytest.raises(NonFiniteValue):
            Scaling([1e200]) @ make()
        with pytest.raises(ShapeMismatch):
            make().apply(np.ones((2, 2)))


@pytest.mark.thorough
def test_a_long_sequence_stays_small():
    """Averages of a signal of 100,000 points: as a matrix they would be 40 GB."""
    node = fhenn.AvgPool1d(2, shape=(1, 100_000))
    tracemalloc.start()
    try:
        assert node(np.ones(100_000)).sum() == pytest.approx(50_000)
        assert node.operator.row_norms(1).max() == node.operator.largest_sums(2).max() == 1.0
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()
    assert node.operator.size == 100_001


@pytest.mark.parametrize("options", [{"stride": (3, 3)}, {"stride": (2, 1), "dilation": (2, 3), "groups": 2}], ids=str)
def test_a_stride_leaves_a_sharp_bound_of_the_norm(options):
    """That of the kernel with stride 1 is far above it."""
    kernel = np.random.default_rng(0).normal(size=(4, 4 // options.get("groups", 1), 7, 3))
    operator = Convolution(kernel, (4, 28, 20), **options)
    norm = np.linalg.norm(operator.dense(), 2)
    assert norm <= operator.spectral_norm <= 1.3 * norm
