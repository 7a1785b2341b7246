import math
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from fhenn import Activation
from fhenn.approx import (
    ABS,
    ERF,
    EXP,
    FUNCTIONS,
    GELU,
    GELU_TANH,
    HARD_SIGMOID,
    HARD_SWISH,
    LOG_SIGMOID,
    MISH,
    RELU,
    RELU6,
    SELU,
    SIGMOID,
    SIGN,
    SILU,
    SOFTPLUS,
    SOFTSIGN,
    TANH,
    TANHSHRINK,
    Function,
    celu,
    elu,
    function_named,
    hard_sigmoid,
    hardtanh,
    leaky_relu,
    own_function,
    softplus,
)
from fhenn.approx.families import is_known
from fhenn.errors import ParameterError, UnsupportedValue

FAMILIES = [
    leaky_relu(0.2),
    leaky_relu(-1.5),
    elu(),
    elu(0.5),
    celu(2.0),
    softplus(3.0),
    hardtanh(),
    hardtanh(-1, 2),
    hard_sigmoid(),
    hard_sigmoid(0.3, 0.2),
]
ALL = [*FUNCTIONS.values(), *FAMILIES]
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
        (GELU_TANH, 1.0, 0.8411919906082768, 1.0829640838457826),
        (MISH, 1.0, 0.8650983882673103, 1.0490362200997922),
        (MISH, -1.0, -0.3034014613741089, 0.05921675587739495),
        (SELU, 2.0, 2.1014019747109609, 1.0507009873554805),
        (SELU, -1.0, -1.1113307378125628, 0.6467686030348141),
        (SOFTSIGN, -1.0, -0.5, 0.25),
        (LOG_SIGMOID, 1.0, -0.31326168751822286, 0.2689414213699951),
        (RELU6, 7.0, 6.0, 0.0),
        (RELU6, 2.0, 2.0, 1.0),
        (HARD_SIGMOID, 1.0, 2 / 3, 1 / 6),
        (HARD_SWISH, 1.0, 2 / 3, 5 / 6),
        (HARD_SWISH, -4.0, 0.0, 0.0),
        (TANHSHRINK, 1.0, 0.2384058440442351, 0.5800256583859739),
        (ERF, 1.0, 0.8427007929497149, 0.41510749742059466),
        (EXP, 1.0, 2.718281828459045, 2.718281828459045),
        (ABS, -2.0, 2.0, -1.0),
        (leaky_relu(0.1), -2.0, -0.2, 0.1),
        (elu(0.5), -1.0, -0.31606027941427883, 0.18393972058572117),
        (celu(2.0), -1.0, -0.7869386805747332, 0.6065306597126334),
        (softplus(3.0), 0.0, 0.23104906018664842, 0.5),
        (hardtanh(-1, 2), -3.0, -1.0, 0.0),
        (hard_sigmoid(), 1.0, 0.7, 0.2),
    ],
    ids=str,
)
def test_known_values(function, x, value, slope):
    assert function.value(x) == pytest.approx(value, rel=1e-14, abs=0)
    if x != -10.0:  # GELU's slope cancels there
        assert function.derivative(x) == pytest.approx(slope, rel=1e-14 if x > 0 else 4e-14, abs=0)


def test_derivatives_that_are_stated_where_there_is_none():
    assert RELU.derivative(0.0) == 0.0
    assert RELU.derivative(-0.0) == 0.0
    assert SIGN.derivative(0.0) == 0.0


@any_function
def test_derivative_is_the_slope(function):
    x = np.setdiff1d(np.linspace(-9, 9, 1001), function.kinks)
    h = 1e-5
    slope = (function.value(x + h) - function.value(x - h)) / (2 * h)
    np.testing.assert_allclose(function.derivative(x), slope, rtol=1e-9, atol=1e-9)


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
    if function == EXP:  # it alone grows faster than x
        assert np.all(np.isfinite(value) | (x > 709) | np.isnan(x))
        return
    steepest, most = {SELU: (1.76, 1.06), HARD_SWISH: (1.5, 1.0)}.get(
        function, (1.5 if function in FAMILIES else 1.13, 1.0)
    )
    assert np.all((np.abs(slope) <= steepest) | np.isnan(x))
    with np.errstate(over="ignore"):
        assert np.all((np.abs(value) <= steepest * most * np.maximum(1, np.abs(x)) + 0.8) | np.isnan(x))


@pytest.mark.parametrize(
    ("function", "left", "right", "slopes"),
    [
        (SIGMOID, 0.0, 1.0, (0.0, 0.0)),
        (TANH, -1.0, 1.0, (0.0, 0.0)),
        (SIGN, -1.0, 1.0, (0.0, 0.0)),
        *(
            (function, 0.0, np.inf, (0.0, 1.0))
            for function in (RELU, SILU, GELU, SOFTPLUS, GELU_TANH, MISH, HARD_SWISH)
        ),
        (SELU, -1.7580993408473766, np.inf, (0.0, 1.0507009873554805)),
        (SOFTSIGN, -1.0, 1.0, (0.0, 0.0)),
        (LOG_SIGMOID, -np.inf, 0.0, (1.0, 0.0)),
        (RELU6, 0.0, 6.0, (0.0, 0.0)),
        (HARD_SIGMOID, 0.0, 1.0, (0.0, 0.0)),
        (TANHSHRINK, -np.inf, np.inf, (1.0, 1.0)),
        (ERF, -1.0, 1.0, (0.0, 0.0)),
        (EXP, 0.0, np.inf, (0.0, np.inf)),
        (ABS, np.inf, np.inf, (-1.0, 1.0)),
        (leaky_relu(0.2), -np.inf, np.inf, (0.2, 1.0)),
        (elu(0.5), -0.5, np.inf, (0.0, 1.0)),
        (celu(2.0), -2.0, np.inf, (0.0, 1.0)),
        (softplus(3.0), 0.0, np.inf, (0.0, 1.0)),
        (hardtanh(-1, 2), -1.0, 2.0, (0.0, 0.0)),
        (hard_sigmoid(), 0.0, 1.0, (0.0, 0.0)),
    ],
    ids=str,
)
def test_infinities(function, left, right, slopes):
    assert [function.value(end) for end in (-np.inf, np.inf)] == pytest.approx([left, right])
    assert [function.derivative(end) for end in (-np.inf, np.inf)] == pytest.approx(list(slopes))


@any_function
def test_symmetry_is_what_it_says(function):
    x = np.linspace(0, 30, 301)
    right, left = (function.value(side) - function.tilt * side - function.centre for side in (x, -x))
    mirrored = {"odd": -right, "even": right}
    if function.symmetry == "none":
        assert all(np.abs(left - each).max() > 0.01 for each in mirrored.values())
    else:
        np.testing.assert_allclose(left, mirrored[function.symmetry], atol=2e-15 * 60)


@any_function
def test_kinks_are_where_a_derivative_jumps(function):
    """Second differences of the derivative are small everywhere else."""
    x = np.linspace(-9, 9, 9001)
    bend = np.abs(np.diff(function.derivative(x), 2)) / np.maximum(1, np.abs(function.value(x[1:-1])))
    sharp = x[1:-1][bend > 3e-5]
    assert all(min(abs(place - kink) for kink in function.kinks or [np.inf]) < 0.01 for place in sharp)


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
    np.testing.assert_allclose(function.value(x), function.value(x.astype(np.float64)), rtol=2e-5, atol=1.5e-7)


@any_function
def test_names(function):
    assert FUNCTIONS.get(function.name, function) is function
    assert is_known(function)
    assert function_named(function.name) == function
    assert function.name == function.name.lower()
    assert repr(function) == f"Function('{function.name}')"
    copy = pickle.loads(pickle.dumps(function))  # noqa: S301  (our own bytes)
    assert copy == function
    assert copy.value == function.value


def test_equality_is_by_name():
    assert Function("tanh", np.sin, np.cos) == TANH
    assert hash(Function("tanh", np.sin, np.cos)) == hash(TANH)
    assert TANH != SIGMOID
    with pytest.raises(TypeError):
        FUNCTIONS["tanh"] = SIGMOID


@pytest.mark.parametrize(
    "name",
    [
        "leaky_relu",
        "leaky_relu()",
        "leaky_relu(nan)",
        "leaky_relu(inf)",
        "leaky_relu(0.1, 0.2)",
        "leaky_relu(0.10)",
        "leaky_relu(__import__('os'))",
        "celu(-1.0)",
        "celu(0.0)",
        "hardtanh(1.0, -1.0)",
        "hard_sigmoid(0.2, 1.5)",
        "own_function(1.0)",
        "os.system(1.0)",
        "leaky_relu(" + "1" * 200 + ")",
        "leaky_relu(0.1)\n",
        7,
        None,
        ["relu"],
    ],
    ids=str,
)
def test_a_strangers_name_is_of_the_list_or_refused(name):
    with pytest.raises(ParameterError, match="there is no function"):
        function_named(name)


def test_parameters_that_make_another_function():
    assert leaky_relu(0.0) is RELU
    assert hardtanh(0, 6) is RELU6
    assert softplus(1) is SOFTPLUS
    assert elu(0.0) is RELU
    for make, numbers in (
        (leaky_relu, (np.nan,)),
        (hardtanh, (2, 1)),
        (celu, (0,)),
        (softplus, ("a",)),
        (elu, (None,)),
    ):
        with pytest.raises(ParameterError):
            make(*numbers)


def test_a_function_of_ones_own():
    witch = own_function(lambda x: x / (1 + x * x), name="witch")
    x = np.linspace(-3, 3, 50)
    np.testing.assert_allclose(witch.derivative(x), (1 - x * x) / (1 + x * x) ** 2, atol=1e-9)
    assert witch.value(np.float32([1, 2])).dtype == np.float32
    assert not is_known(witch)
    assert own_function(np.tanh).name == "own tanh"
    assert not is_known(own_function(np.tanh))
    with pytest.raises(ParameterError, match="element by element"):
        own_function(np.sum).value([1.0, 2.0])


@pytest.mark.parametrize("single", [math.tanh, lambda x: x if x > 0 else 0], ids=["math.tanh", "comparison"])
def test_a_function_of_single_numbers_is_refused_and_the_way_out_works(single):
    with pytest.raises(ParameterError, match=r"takes single numbers, not arrays .*np\.vectorize"):
        Activation.fit(single, (-2, 2), 5)
    node = Activation.fit(np.vectorize(single, otypes=[float]), (-2, 2), 8)
    assert abs(node.forward(1.5) - single(1.5)) < 0.1


@pytest.mark.parametrize("faulty", [lambda x: x.missing, lambda x: float("a"), lambda x: [1.0] + x.tolist() + None])
def test_the_fault_of_a_function_of_ones_own_comes_through(faulty):
    with pytest.raises((AttributeError, ValueError, TypeError)) as error:
        own_function(faulty).value(np.ones(3))
    assert not isinstance(error.value, ParameterError)
