"""The node on plaintext."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import fhenn
from fhenn.errors import NonFiniteValue, ShapeMismatch

in_band = arrays(np.float64, array_shapes(min_dims=0), elements=st.floats(-4, 4))


@given(in_band)
def test_value(x):
    expected = 0.5 + 0.197 * x - 0.004 * x**3
    np.testing.assert_allclose(fhenn.Sigmoid()(x), expected, atol=1e-15)


@given(in_band, st.floats(-5, 5))
def test_gradient(x, gradient):
    node = fhenn.Sigmoid()
    node(x)
    np.testing.assert_allclose(node.backward(gradient), (0.197 - 0.012 * x**2) * gradient, atol=1e-14)


def test_gradient_is_the_slope_of_the_polynomial():
    node, x, h = fhenn.Sigmoid(), np.linspace(-3.9, 3.9, 50), 1e-6
    slope = (node(x + h) - node(x - h)) / (2 * h)
    node(x)
    np.testing.assert_allclose(node.backward(np.ones_like(x)), slope, atol=1e-9)


@pytest.mark.parametrize("x", [1, 1.0, True, np.float64(1), np.array(1.0)])
def test_scalars_give_scalars(x):
    y = fhenn.Sigmoid()(x)
    assert isinstance(y, np.float64)
    assert y == pytest.approx(0.693)


def test_shapes():
    for shape in ((0,), (1,), (2, 3), (1, 2, 3, 4)):
        assert fhenn.Sigmoid()(np.zeros(shape)).shape == shape
    assert fhenn.Sigmoid()([[1, 2], [3, 4]]).shape == (2, 2)


def test_exact_functions_beside_it():
    node = fhenn.Sigmoid()
    assert node.sigmoid(1000.0) == 1.0
    assert fhenn.Sigmoid.sigmoid(-1000.0) == 0.0
    assert node.sigmoid_prime(-4.0) == pytest.approx(0.017662706213291118, rel=1e-15)
    assert node.sigmoid_second(0.0) == 0.0


def test_cost():
    assert fhenn.Sigmoid().cost == 2
    assert fhenn.Sigmoid().backward_cost == 2


def test_headroom_of_plaintext_is_infinite():
    assert fhenn.Sigmoid().headroom(1.0) == np.inf


class TestProposedWeights:
    @given(
        arrays(np.float64, st.tuples(st.integers(1, 20), st.integers(1, 6)), elements=st.floats(-1e6, 1e6)),
        st.integers(1, 4),
        st.integers(0, 99),
    )
    def test_keep_the_data_in_the_band(self, data, units, seed):
        weight = fhenn.Sigmoid().propose_weights(data, units, seed)
        assert weight.shape == (units, data.shape[1])
        assert np.all(np.abs(data @ weight.T) <= 4)

    def test_use_the_band(self):
        data = np.random.default_rng(0).normal(3, 50, (500, 30))
        pre = data @ fhenn.Sigmoid().propose_weights(data, 200, 1).T
        assert 0.8 < pre.std() < 1.2
        assert np.abs(pre).max() <= 4

    def test_same_seed_same_weights(self):
        data = np.ones((3, 2))
        first, second = (fhenn.Sigmoid().propose_weights(data, 2, 7) for _ in range(2))
        np.testing.assert_array_equal(first, second)

    @pytest.mark.parametrize("data", [[1.0], np.zeros((0, 3)), np.zeros((3, 0)), 1.0])
    def test_refuse_shapes(self, data):
        with pytest.raises(ShapeMismatch):
            fhenn.Sigmoid().propose_weights(data)

    def test_refuse_no_units_and_odd_values(self):
        with pytest.raises(ShapeMismatch):
            fhenn.Sigmoid().propose_weights([[1.0]], units=0)
        with pytest.raises(NonFiniteValue):
            fhenn.Sigmoid().propose_weights([[np.nan]])
