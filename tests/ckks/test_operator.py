"""Operators against the matrices that they stand for."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhenn.ckks.operator import Dense, Operator, Scaling, Sparse
from fhenn.errors import NonFiniteValue, ParameterError, ShapeMismatch

SIZES = st.integers(1, 6)
rng = np.random.default_rng(3)
KINDS = st.sampled_from(["dense", "scaling", "sparse"])


def operator_of(kind, outputs, inputs, rng):
    """An operator and its matrix, made apart from it; a scaling has as many inputs as outputs."""
    if kind == "scaling":
        factors = rng.normal(size=outputs)
        matrix = np.zeros((outputs, outputs))
        for place, factor in enumerate(factors):
            matrix[place, place] = factor
        return Scaling(factors), matrix
    if kind == "sparse":
        count = int(rng.integers(0, 2 * outputs * inputs))  # places may come twice
        rows, columns = rng.integers(0, outputs, count), rng.integers(0, inputs, count)
        values = rng.normal(size=count)
        matrix = np.zeros((outputs, inputs))
        for row, column, value in zip(rows, columns, values, strict=True):
            matrix[row, column] += value
        return Sparse(rows, columns, values, (outputs, inputs)), matrix
    matrix = rng.normal(size=(outputs, inputs))
    return Dense(matrix), matrix


@given(KINDS, SIZES, SIZES, st.integers(0, 2**32 - 1))
def test_an_operator_is_its_matrix(kind, outputs, inputs, seed):
    rng = np.random.default_rng(seed)
    operator, matrix = operator_of(kind, outputs, inputs, rng)
    outputs, inputs = matrix.shape
    assert operator.shape == (outputs, inputs) == (operator.outputs, operator.inputs)
    np.testing.assert_allclose(operator.dense(), matrix, atol=1e-14)
    np.testing.assert_allclose(operator.T.dense(), matrix.T, atol=1e-14)
    np.testing.assert_allclose(operator.abs().dense(), np.abs(matrix), atol=1e-14)
    largest = rng.uniform(size=inputs)
    np.testing.assert_allclose(operator.abs_row_sums(), np.abs(matrix).sum(axis=1), atol=1e-13)
    np.testing.assert_allclose(operator.abs_row_sums(largest), np.abs(matrix) @ largest, atol=1e-13)
    assert operator.largest == np.abs(matrix).max()
    np.testing.assert_allclose(operator.row_norms(1), np.linalg.norm(matrix, 1, axis=1), atol=1e-13)
    np.testing.assert_allclose(operator.row_norms(2), np.linalg.norm(matrix, 2, axis=1), atol=1e-13)
    assert operator.spectral_norm == pytest.approx(np.linalg.norm(matrix, 2), rel=1e-5)
    assert operator.spectral_norm >= np.linalg.norm(matrix, 2) * (1 - 1e-12)
    for extra in ((), (3,), (2, 3)):
        x, columns = rng.normal(size=(*extra, inputs)), rng.normal(size=(inputs, *extra))
        np.testing.assert_allclose(operator.apply(x), x @ matrix.T, atol=1e-13)
        np.testing.assert_allclose(operator @ columns, np.tensordot(matrix, columns, 1), atol=1e-13)


@pytest.mark.parametrize("piece", [1, 20, 1 << 20])
@pytest.mark.parametrize("extra", [(), (40,), (3, 20)])
def test_many_columns_are_those_of_the_matrix(monkeypatch, piece, extra):
    """Where the matrix is written in full, piece by piece."""
    for name, value in (("_MANY", 0), ("_PIECE", piece)):
        monkeypatch.setattr(f"fhenn.ckks.operator.{name}", value)
    operator, matrix = operator_of("sparse", 9, 7, np.random.default_rng(4))
    assert 0 < np.count_nonzero(matrix) < matrix.size
    columns = rng.normal(size=(7, *extra))
    np.testing.assert_allclose(operator @ columns, np.tensordot(matrix, columns, 1), rtol=0, atol=1e-13)
    columns[0] = np.inf
    with np.errstate(invalid="ignore"):
        found, own = operator @ columns, operator.apply(np.moveaxis(columns, 0, -1))
    np.testing.assert_array_equal(found, np.moveaxis(own, -1, 0))
    assert np.isfinite(found[matrix[:, 0] == 0]).all(), "what does not take it is not spoilt"


def test_a_bound_that_is_known_counts_where_it_is_less():
    operator, matrix = operator_of("dense", 4, 3, np.random.default_rng(0))
    own = operator.spectral_norm
    assert own == pytest.approx(np.linalg.norm(matrix, 2), rel=1e-5)
    assert operator.known_to_be(2 * own) is operator
    assert operator.known_to_be(own).spectral_norm == own
    assert operator.known_to_be(0.5 * own) is operator
    assert operator.spectral_norm == 0.5 * own
    assert operator.known_to_be(0.75 * own).spectral_norm == 0.5 * own
    untouched = Dense(matrix)  # whose own norm was not asked for yet
    assert untouched.known_to_be(0.5 * own).spectral_norm == 0.5 * own
    assert Dense(matrix).known_to_be(2 * own).spectral_norm == own
    assert copy.copy(operator).spectral_norm == 0.5 * own
    assert (operator @ Dense(np.eye(3))).spectral_norm == pytest.approx(own, rel=1e-5), "another operator has its own"


@given(KINDS, KINDS, SIZES, SIZES, SIZES, st.integers(0, 2**32 - 1))
def test_products_are_those_of_the_matrices(last, first, outputs, between, inputs, seed):
    rng = np.random.default_rng(seed)
    after, second = operator_of(last, between if last == "scaling" else outputs, between, rng)
    before, matrix = operator_of(first, between, inputs, rng)
    np.testing.assert_allclose((after @ before).dense(), second @ matrix, atol=1e-12)


@given(KINDS, SIZES, SIZES, st.integers(0, 2**32 - 1))
def test_entries_are_those_of_the_matrix_and_none_outside(kind, outputs, inputs, seed):
    rng = np.random.default_rng(seed)
    operator, matrix = operator_of(kind, outputs, inputs, rng)
    outputs, inputs = matrix.shape
    rows, columns = rng.integers(-2, outputs + 2, (5, 1)), rng.integers(-2, inputs + 2, (3, 1, 4))
    found = operator.entries(rows, columns)
    assert found.shape == (3, 5, 4)
    for place in np.ndindex(found.shape):
        row, column = rows[place[1], 0], columns[place[0], 0, place[2]]
        inside = 0 <= row < outputs and 0 <= column < inputs
        assert found[place] == pytest.approx(matrix[row, column] if inside else 0.0, abs=1e-14)


@pytest.mark.parametrize("kind", ["dense", "scaling", "sparse"])
def test_single_precision_stays(kind):
    operator, matrix = operator_of(kind, 3, 3, np.random.default_rng(0))
    x = np.ones((2, 3), np.float32)
    result = operator.apply(x)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, x @ matrix.T.astype(np.float32), rtol=1e-5)


def test_what_is_sparse_stays_so():
    scaling, sparse = Scaling([2.0, 3.0]), Sparse([1, 0], [0, 1], [5.0, 7.0], (2, 2))
    assert type(scaling @ scaling) is type(scaling.abs()) is type(scaling.T) is Scaling
    for product in (scaling @ sparse, sparse @ scaling, sparse @ sparse, sparse.T, sparse.abs()):
        assert (type(product), product.size) == (Sparse, 2)
    assert (scaling.size, Dense(np.ones((2, 3))).size) == (2, 6)


def test_nothing_at_all():
    nothing = Sparse([], [], [], (2, 3))
    assert nothing.size == 0
    assert nothing.apply(np.ones((4, 3))).tolist() == [[0.0, 0.0]] * 4
    assert (nothing.T @ nothing).dense().tolist() == np.zeros((3, 3)).tolist()
    assert nothing.entries(np.array([0, 1]), np.array([2, 0])).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("kind", ["dense", "scaling", "sparse"])
def test_nobody_can_change_one(kind):
    operator = operator_of(kind, 3, 3, np.random.default_rng(0))[0]
    with pytest.raises(ValueError, match="read-only"):
        operator.dense()[0, 0] = 1.0


def test_equal_is_the_same_object():
    operator = Scaling([1.0])
    again = copy.deepcopy(operator)
    assert operator in {operator}
    assert operator != again
    assert again.content == operator.content


def test_later_changes_do_not_reach_it():
    weight = np.ones((1, 2))
    view = weight[:]
    view.flags.writeable = False
    operators = [Dense(weight), Dense(view), Scaling(weight[0]), Sparse([0, 0], [0, 1], weight[0], (1, 2))]
    weight[:] = 5.0
    for operator in operators:
        assert operator.dense().max() == 1.0


def test_the_same_array_is_handed_out():
    """What is encoded once is found again by the array that it was made from."""
    weight = np.ones((1, 2))
    weight.flags.writeable = False
    operator = Dense(weight)
    assert operator.dense() is weight is operator.dense()


def test_content_tells_operators_apart():
    contents = {
        Dense([[1.0, 2.0]]).content,
        Dense([[1.0, 3.0]]).content,
        Sparse([0], [1], [1.0], (1, 2)).content,
        Sparse([0], [0], [1.0], (1, 2)).content,
    }
    assert len(contents) == 4


def test_refuses_shapes():
    for values in (1.0, [1.0], [[]], [[[1.0]]]):
        with pytest.raises(ShapeMismatch):
            Dense(values)
    for values in (1.0, [], [[1.0]]):
        with pytest.raises(ShapeMismatch):
            Scaling(values)
    for rows, columns, values, shape in (
        ([0], [0], [1.0, 2.0], (1, 1)),
        ([0, 0], [0], [1.0], (1, 1)),
        ([1], [0], [1.0], (1, 1)),
        ([0], [1], [1.0], (1, 1)),
        ([-1], [0], [1.0], (1, 1)),
        ([0], [-1], [1.0], (1, 1)),
        ([0.5], [0], [1.0], (1, 1)),
        ([], [], [], (0, 1)),
        ([], [], [], (1, 0)),
    ):
        with pytest.raises(ShapeMismatch):
            Sparse(rows, columns, values, shape)


@pytest.mark.parametrize("kind", ["dense", "scaling", "sparse"])
def test_refuses_what_does_not_fit(kind):
    operator: Operator = operator_of(kind, 3, 3, np.random.default_rng(0))[0]
    for x in (np.float64(1.0), np.ones(2), np.ones((3, 2))):
        with pytest.raises(ShapeMismatch):
            operator.apply(x)
    for columns in (np.float64(1.0), np.ones(2), np.ones((2, 3))):
        with pytest.raises(ShapeMismatch):
            operator @ columns
    with pytest.raises(ShapeMismatch, match="3 outputs"):
        operator @ Scaling([1.0, 2.0])
    with pytest.raises(TypeError):
        np.ones((3, 3)) @ operator


def test_refuses_what_is_not_finite():
    for make in (lambda v: Dense([[v]]), lambda v: Scaling([v]), lambda v: Sparse([0], [0], [v], (1, 1))):
        for value in (np.nan, np.inf):
            with pytest.raises(NonFiniteValue):
                make(value)
        for other in (Dense([[1e200]]), Scaling([1e200]), Sparse([0], [0], [1e200], (1, 1))):
            with pytest.raises(NonFiniteValue):
                make(1e200) @ other


@pytest.mark.parametrize("shape", ["ab", (1,), (1, 2, 3), (1.5, 2), None, 3], ids=repr)
def test_a_shape_that_is_none_is_refused(shape):
    with pytest.raises(ParameterError, match="two whole numbers"):
        Sparse([0], [0], [1.0], shape)


def test_a_spectral_norm_of_a_matrix_too_large_for_it_is_bounded(monkeypatch):
    monkeypatch.setattr("fhenn.ckks.operator._DENSE", 10)
    for matrix in (np.ones((4, 5)), np.eye(6), 1e100 * rng.normal(size=(5, 7))):
        assert 4 * np.linalg.norm(matrix, 2) >= Dense(matrix).spectral_norm >= np.linalg.norm(matrix, 2) * (1 - 1e-12)
    assert Dense(np.zeros((4, 5))).spectral_norm == 0.0


@pytest.mark.parametrize("kind", [Dense, "sparse"])
def test_rows_that_are_the_same_but_for_their_sign_are_counted(kind):
    matrix = np.array([[1.0, 2.0, 0.0], [-1.0, -2.0, 0.0], [0.0, 1.0, 2.0], [0.0, 0.0, 0.0], [1.0, 2.0, 0.0]])
    operator = Dense(matrix)
    if kind == "sparse":
        rows, columns = np.nonzero(matrix)
        operator = Sparse(rows, columns, matrix[rows, columns], matrix.shape)
    assert operator.most_alike() == 3
    assert Scaling([2.0, 2.0, 0.0]).most_alike() == 1
    assert Dense(np.zeros((2, 3))).most_alike() == 1
