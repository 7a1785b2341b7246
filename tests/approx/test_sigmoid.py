import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from fhenn.approx import SIGMOID_CUBIC, sigmoid, sigmoid_prime, sigmoid_second

any_float = arrays(np.float64, array_shapes(), elements=st.floats(allow_nan=False, width=64))


@pytest.mark.parametrize(
    ("function", "x", "value"),
    [
        (sigmoid, 0.0, 0.5),
        (sigmoid, 1.0, 0.7310585786300049),
        (sigmoid, -4.0, 0.01798620996209156),
        (sigmoid_prime, 0.0, 0.25),
        (sigmoid_prime, -4.0, 0.017662706213291118),
        (sigmoid_prime, 1.0, 0.19661193324148185),
        (sigmoid_second, 0.0, 0.0),
    ],
)
def test_the_numbers_that_the_literature_prints(function, x, value):
    assert function(x) == pytest.approx(value, rel=1e-15, abs=0)


@given(any_float)
def test_stable_for_any_float(x):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value, slope, bend = sigmoid(x), sigmoid_prime(x), sigmoid_second(x)
    assert np.all((value >= 0) & (value <= 1))
    assert np.all((slope >= 0) & (slope <= 0.25))
    assert np.all(np.abs(bend) <= 0.0963)
    assert value.shape == slope.shape == bend.shape == x.shape


def test_far_out():
    assert sigmoid(1000.0) == 1.0
    assert sigmoid(-1000.0) == 0.0
    assert sigmoid(np.inf) == 1.0
    assert sigmoid(-np.inf) == 0.0
    assert np.isnan(sigmoid(np.nan))


@given(any_float)
def test_symmetry(x):
    np.testing.assert_allclose(sigmoid(-x), 1 - sigmoid(x), rtol=1e-15, atol=1e-15)
    np.testing.assert_array_equal(sigmoid_prime(-x), sigmoid_prime(x))
    np.testing.assert_array_equal(sigmoid_second(-x), -sigmoid_second(x))


def test_derivatives_are_the_formulas_and_the_slopes():
    x = np.linspace(-8, 8, 401)
    s, h = sigmoid(x), 1e-5
    np.testing.assert_allclose(sigmoid_prime(x), s * (1 - s), atol=1e-15)
    np.testing.assert_allclose(sigmoid_second(x), sigmoid_prime(x) * (1 - 2 * s), atol=1e-15)
    np.testing.assert_allclose(sigmoid_prime(x), (sigmoid(x + h) - sigmoid(x - h)) / (2 * h), atol=1e-10)
    np.testing.assert_allclose(sigmoid_second(x), (sigmoid_prime(x + h) - sigmoid_prime(x - h)) / (2 * h), atol=1e-10)


@pytest.mark.parametrize("function", [sigmoid, sigmoid_prime, sigmoid_second])
def test_types(function):
    assert function(np.float32([1, 2])).dtype == np.float32
    assert function(np.array([1, 2])).dtype == np.float64
    assert isinstance(function(1), np.float64)


def test_cubic_is_off_by_at_most_0_051_on_its_domain():
    x = np.linspace(*SIGMOID_CUBIC.domain, 100_001)
    assert np.abs(SIGMOID_CUBIC(x) - sigmoid(x)).max() == pytest.approx(0.0510, abs=1e-4)


def test_cubic_is_the_truncated_minimax_on_5():
    """Equioscillation of the untruncated odd cubic on [-5, 5], found by Remez exchange, gives these digits."""
    grid = np.linspace(0, 5, 200_001)
    nodes = np.array([1.0, 3.0, 5.0])
    for _ in range(30):
        system = np.stack([nodes, nodes**3, [1, -1, 1]], axis=1)
        c1, c3, _ = np.linalg.solve(system, sigmoid(nodes) - 0.5)
        error = c1 * grid + c3 * grid**3 + 0.5 - sigmoid(grid)
        turns = np.flatnonzero(np.diff(np.sign(np.diff(error)))) + 1
        nodes = np.append(grid[turns[:2]], 5.0)
    assert np.trunc(c1 * 1000) / 1000 == 0.197
    assert np.trunc(c3 * 1000) / 1000 == -0.004
