import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from fhenn.approx import FUNCTIONS, GELU, RELU, SIGMOID, SIGN, SILU, SOFTPLUS, TANH, Function
from fhenn.errors import UnsupportedValue

ALL = list(FUNCTIONS.values())
any_function = pytest.mark.parametrize("function", ALL, ids=lambda function: function.name)


@pytest.mark.parametrize(
    ("function", "x", "value", "slope"),
    [
        (SIGMOID, 1.0, 0.7310585786300049, 0.19661193324148185),
        (TANH, 1.0, 0.7615941559557649, 0.41997434161402614),
        (TANH, 20.0, 1.0, 1.6993417021166355e-17),
        (RELU, -2.0, 0.0, 0.0),
        (RELU, 2.0, 2.0, 1.0),
        (SILU, 1.0, 0.7310585786300049, 0.9276705118714869),
        (SILU, -1.0, -0.2689414213699951, 0.07232948812851327),
        (GELU, 1.0, 0.8413447460685429, 1.0833154705876863),
        (GELU, -1.0, -0.15865525393145705, -0.08331547058768629),
        (GELU, -10.0, -7.619853024160527e-23, -7.618538e-22),
        (SOFTPLUS, 0.0, 0.6931471805599453, 0.5),
        (SOFTPLUS, -40.0, 4.248354255291589e-18, 4.248354255291589e-18),
        (SIGN, -3.0, -1.0, 0.0),
    ],
    ids=str,
)
def test_known_values(function, x, value, slope):
    assert function.value(x) == pytest.approx(value, rel=1e-14, abs=0)
    if x != -10.0:  # GELU's slope cancels there
        assert function.derivative(x) == pytest.approx(slope, rel=1e-14, abs=0)


def test_derivatives_that_are_stated_where_there_is_none():
    assert RELU.derivative(0.0) == 0.0
    assert RELU.derivative(-0.0) == 0.0
    assert SIGN.derivative(0.0) == 0.0


@any_function
def test_derivative_is_the_slope(function):
    x = np.setdiff1d(np.linspace(-9, 9, 1001), function.kinks)
    h = 1e-5
    slope = (function.value(x + h) - function.value(x - h)) / (2 * h)
    np.testing.assert_allclose(function.derivative(x), slope, atol=1e-9)


@any_function
@settings(max_examples=40)
@given(x=arrays(np.float64, array_shapes(), elements=st.floats(width=64)))
def test_stable_for_any_float(function, x):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value, slope = function.value(x), function.derivative(x)
    assert value.shape == slope.shape == x.shape
    np.testing.assert_array_equal(np.isnan(value), np.isnan(x))
    np.testing.assert_array_equal(np.isnan(slope), np.isnan(x))
    assert np.all((np.abs(slope) <= 1.13) | np.isnan(x))
    assert np.all((np.abs(value) <= np.maximum(1, np.abs(x)) + 0.7) | np.isnan(x))


@any_function
def test_infinities(function):
    bounded = function.tilt == 0
    assert function.value(np.inf) == (1.0 if bounded else np.inf)
    assert function.value(-np.inf) == {"sigmoid": 0.0, "tanh": -1.0, "sign": -1.0}.get(function.name, 0.0)
    assert function.derivative(np.inf) == (0.0 if bounded else 1.0)
    assert function.derivative(-np.inf) == 0.0


@any_function
def test_symmetry_is_what_it_says(function):
    x = np.linspace(0, 30, 301)
    right, left = (function.value(side) - function.tilt * side - function.centre for side in (x, -x))
    assert function.symmetry in {"odd", "even"}
    np.testing.assert_allclose(left, -right if function.symmetry == "odd" else right, atol=2e-15 * 30)


@any_function
def test_types(function):
    for f in (function.value, function.derivative):
        assert f(np.float32([1, 2])).dtype == np.float32
        assert f(np.array([1, 2])).dtype == np.float64
        assert isinstance(f(1), np.float64)
        with pytest.raises(UnsupportedValue):
            f("a")


@any_function
def test_float32_is_as_exact_as_it_can_be(function):
    x = np.linspace(-20, 20, 401, dtype=np.float32)
    np.testing.assert_allclose(function.value(x), function.value(x.astype(np.float64)), rtol=2e-5, atol=1e-7)


@any_function
def test_names(function):
    assert FUNCTIONS[function.name] is function
    assert function.name == function.name.lower()
    assert repr(function) == f"Function('{function.name}')"
    copy = pickle.loads(pickle.dumps(function))  # noqa: S301  (our own bytes)
    assert copy == function
    assert copy.value is function.value


def test_equality_is_by_name():
    assert Function("tanh", np.sin, np.cos) == TANH
    assert hash(Function("tanh", np.sin, np.cos)) == hash(TANH)
    assert TANH != SIGMOID
    with pytest.raises(TypeError):
        FUNCTIONS["tanh"] = SIGMOID
