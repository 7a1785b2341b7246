import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhenn.approx import SIGMOID_CUBIC, Polynomial, sigmoid, sigmoid_prime, sigmoid_second
from fhenn.errors import ParameterError, UnsupportedValue

coefficients = st.lists(st.floats(-10, 10), min_size=1, max_size=6)


@given(coefficients, st.lists(st.floats(-5, 5), min_size=1, max_size=8))
def test_value_is_numpys(coefficients, x):
    polynomial = Polynomial(tuple(coefficients), (-5, 5))
    np.testing.assert_allclose(polynomial(np.array(x)), np.polynomial.Polynomial(coefficients)(np.array(x)), atol=1e-9)


@given(coefficients)
def test_derivative_is_numpys(coefficients):
    derivative = Polynomial(tuple(coefficients), (-1, 1)).derivative()
    expected = np.polynomial.Polynomial(coefficients).deriv()(np.linspace(-1, 1, 7))
    np.testing.assert_allclose(derivative(np.linspace(-1, 1, 7)), expected, atol=1e-9)


@pytest.mark.parametrize("x", [[1, 2], [True, True], np.array([1, 2], np.int8), (1.0, 2.0)])
def test_integers_are_not_truncated(x):
    expected = SIGMOID_CUBIC(np.array(x, dtype=np.float64))
    np.testing.assert_array_equal(SIGMOID_CUBIC(x), expected)


@pytest.mark.parametrize("x", ["a", None, [1j], [[1], [1, 2]]])
def test_other_things_are_refused(x):
    for function in (SIGMOID_CUBIC, sigmoid, sigmoid_prime, sigmoid_second):
        with pytest.raises(UnsupportedValue):
            function(x)


def test_float32_stays_float32():
    assert SIGMOID_CUBIC(np.float32([1, 2])).dtype == np.float32


@pytest.mark.parametrize(
    ("degree", "depth"), [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (7, 3), (8, 4), (15, 4), (31, 5)]
)
def test_depth(degree, depth):
    assert Polynomial((1.0,) * (degree + 1), (-1, 1)).depth == depth


def test_trailing_zeros_do_not_count():
    assert Polynomial((1.0, 2.0, 0.0, 0.0), (-1, 1)).degree == 1


def test_prints_as_a_formula():
    assert str(SIGMOID_CUBIC) == "0.5 + 0.197x - 0.004x^3"
    assert str(Polynomial((-1.0, 0.0, 2.0), (-1, 1))) == "-1 + 2x^2"
    assert str(Polynomial((0.0,), (-1, 1))) == "0"


@pytest.mark.parametrize(
    ("coefficients", "domain"),
    [((), (-1, 1)), ((np.nan,), (-1, 1)), ((1.0, np.inf), (-1, 1)), ((1.0,), (1, 1)), ((1.0,), (2, -2)),
     ((1.0,), (np.nan, 1)), ((1.0,), (-np.inf, np.inf))],
)  # fmt: skip
def test_refuses(coefficients, domain):
    with pytest.raises(ParameterError):
        Polynomial(coefficients, domain)


def test_huge_inputs_do_not_warn():
    assert not np.isfinite(SIGMOID_CUBIC(np.array([1e200, -np.inf, np.nan]))).any()
