"""Fits on data: closer where the data are, and no wild tails."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhenn.approx import ABS, GELU, MISH, RELU, RELU6, SIGMOID, SIGN, TANH, leaky_relu, minimax
from fhenn.approx.weighted import TAIL, by_levels, rms_error, weighted
from fhenn.errors import NonFiniteValue, ParameterError

rng = np.random.default_rng(0)
NORMAL = rng.normal(size=4000)
SKEWED = rng.gamma(2.0, 1.0, 4000) - 1.0
FUNCTIONS = [RELU, GELU, MISH, RELU6, SIGMOID, TANH, ABS, leaky_relu(0.1)]


def widened(values, margin=1.5):
    middle, half = (values.min() + values.max()) / 2, margin * (values.max() - values.min()) / 2
    return middle - half, middle + half


@pytest.mark.parametrize("function", FUNCTIONS, ids=str)
@pytest.mark.parametrize("values", [NORMAL, SKEWED], ids=["normal", "skewed"])
def test_closer_on_the_data_than_minimax(function, values):
    domain = widened(values)
    for degree in (4, 8, 15):
        ours, worst = weighted(function, degree, domain, values), minimax(function, degree, domain)
        assert rms_error(ours, values) <= (1.0 if degree == 4 else 0.9) * rms_error(worst, values)
        assert ours.sup_error() >= worst.sup_error() * (1 - 1e-9)


def test_it_is_the_least_squares_fit_where_the_weight_is_the_densitys():
    """Of a cubic through data that lie evenly, the residual is orthogonal to cubics."""
    values = np.linspace(-2, 2, 20001)
    polynomial = weighted(TANH, 3, (-2, 2), values)
    residual = polynomial(values) - np.tanh(values)
    inner = np.polynomial.legendre.legvander(values / 2, 3).T @ residual / values.size
    assert np.abs(inner).max() < 0.02 * np.abs(residual).max()


@pytest.mark.thorough
@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(FUNCTIONS),
    st.integers(2, 20),
    st.floats(-3, 3),
    st.floats(0.1, 3),
    st.floats(1.05, 4),
    st.integers(0, 1000),
)
def test_tails_stay_near_the_function(function, degree, middle, width, margin, seed):
    values = middle + width * np.random.default_rng(seed).standard_t(3, 500)
    domain = widened(values, margin)
    polynomial = weighted(function, degree, domain, values)
    best = minimax(function, degree, domain)
    exact = function.value(np.linspace(*domain, 257))
    allowed = max(TAIL * (exact.max() - exact.min()), best.sup_error() * (1 + 1e-9))
    for tail in ((domain[0], values.min()), (values.max(), domain[1])):
        assert polynomial.sup_error(tail) <= allowed


@pytest.mark.parametrize("function", [SIGMOID, TANH], ids=str)
def test_no_wrong_side_in_the_tails(function):
    values = rng.normal(size=500)
    for degree in (3, 5, 7, 9):
        polynomial = weighted(function, degree, (-9, 9), values)
        right = np.linspace(values.max(), 9, 200)
        assert np.all(polynomial(right) > function.centre), degree


@pytest.mark.parametrize("seed", range(3))
def test_no_wrong_side_where_samples_end_near_the_middle(seed):
    """Where the function is small, an error that is small enough for the tails can change sides."""
    values = np.random.default_rng(seed).normal(1.3, 0.6, 200)
    polynomial = weighted(TANH, 12, (-17.0, 20.0), values)
    assert np.all(polynomial(np.linspace(-17, values.min(), 400)) < 0)


@pytest.mark.thorough
def test_levels():
    for function in FUNCTIONS:
        errors = [rms_error(by_levels(function, levels, widened(SKEWED), SKEWED), SKEWED) for levels in range(1, 7)]
        depths = [by_levels(function, levels, widened(SKEWED), SKEWED).depth for levels in range(1, 7)]
        assert all(depth <= levels for levels, depth in enumerate(depths, 1))
        assert errors[-1] < errors[1] < errors[0]


def test_a_symmetric_domain_saves_products():
    """Of |x| on a domain that is hardly lopsided an even polynomial takes half the products."""
    polynomial = by_levels(ABS, 4, (-4, 4.1), NORMAL[np.abs(NORMAL) < 3])
    assert polynomial.domain == (-4.1, 4.1)
    assert (polynomial.symmetry, polynomial.depth) == ("even", 4)


def test_a_symmetric_domain_is_not_taken_where_it_is_much_wider():
    values = np.abs(NORMAL) - 0.2
    polynomial = by_levels(ABS, 3, (-0.5, 6.0), values)
    assert polynomial.domain == (-0.5, 6.0)
    assert rms_error(polynomial, values) < 0.5 * rms_error(weighted(ABS, 8, (-6.0, 6.0), values), values)


def test_samples_beyond_the_domain_do_not_count():
    inside = NORMAL[np.abs(NORMAL) < 2]
    assert weighted(RELU, 6, (-2, 2), NORMAL) == weighted(RELU, 6, (-2, 2), inside)


def test_many_samples_say_what_some_say():
    many = np.random.default_rng(1).normal(size=1 << 20)
    fine = by_levels(RELU, 3, widened(many), many)
    assert rms_error(fine, many) <= 1.01 * rms_error(weighted(RELU, 8, fine.domain, many), many)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((RELU, 0, (-1, 1), [0.5]), ParameterError),
        ((RELU, 4, (1, -1), [0.5]), ParameterError),
        ((RELU, 4, (-1, 1), [5.0]), ParameterError),
        ((RELU, 4, (-1, 1), []), ParameterError),
        ((RELU, 4, (-1, 1), [0.5, np.nan]), NonFiniteValue),
        ((SIGN, 4, (-1, 1), [0.5]), ParameterError),
    ],
)
def test_bad_arguments(arguments, error):
    with pytest.raises(error):
        weighted(*arguments)


def test_a_single_value():
    polynomial = weighted(RELU, 4, (-1, 1), [0.5])
    assert abs(float(polynomial(0.5)) - 0.5) < 0.1
