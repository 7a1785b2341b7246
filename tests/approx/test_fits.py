from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhenn.approx import (
    FUNCTIONS,
    GELU,
    RELU,
    SIGMOID,
    SIGN,
    SILU,
    SOFTPLUS,
    TANH,
    Function,
    chebyshev,
    error_table,
    fit,
    least_squares,
    minimax,
)
from fhenn.approx.remez import exchange
from fhenn.errors import AccuracyUnreached, ParameterError

SMOOTH = [SIGMOID, TANH, SILU, GELU, SOFTPLUS]
CONTINUOUS = [*SMOOTH, RELU]
GAUSS = np.polynomial.legendre.leggauss(100)
METHODS = (minimax, least_squares, chebyshev)
domains = st.sampled_from([(-4, 4), (-8, 8), (-16, 16), (-1, 0.5), (-3, 8), (2, 5)])


def power(n):
    return Function(f"x^{n}", lambda x: np.asarray(x) ** n, lambda x: n * np.asarray(x) ** (n - 1))


def alternations(polynomial):
    """Sizes of the largest errors between changes of sign, on a grid."""
    low, high = polynomial.domain
    x = (low + high) / 2 - (high - low) / 2 * np.cos(np.linspace(0, np.pi, 60_001))
    error = polynomial(x) - polynomial.function.value(x)
    runs = np.split(error, np.flatnonzero(np.diff(np.sign(error))) + 1)
    return np.array([np.abs(run).max() for run in runs])


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(CONTINUOUS), st.integers(1, 20), domains)
def test_minimax_equioscillates(function, degree, domain):
    """Chebyshev's theorem: degree + 2 errors of the same size and alternating sign make a polynomial the best."""
    polynomial = minimax(function, degree, domain)
    error = polynomial.sup_error()
    if error < 1e-11:
        return
    sizes = alternations(polynomial)
    assert sizes.size >= degree + 2
    # between neighbours of the 60,001 points a degree-20 error moves by 1e-6 of itself; a kink is on none of them
    level = error * (1 - (1e-5 if function is not RELU else 1e-2)) - 2e-14
    assert np.sum(sizes >= level) >= degree + 2


@pytest.mark.parametrize("n", [2, 3, 5, 10, 20, 40])
def test_minimax_of_a_power_errs_by_the_chebyshev_polynomial(n):
    """x^n minus its best approximation of degree n - 1 is T_n/2^(n-1) (Chebyshev 1854)."""
    assert minimax(power(n), n - 1, (-1, 1)).sup_error() == pytest.approx(2.0 ** (1 - n), rel=1e-9, abs=4e-15)


def test_minimax_of_relu_is_half_that_of_the_modulus():
    """E₂(|x|) = 1/8; and 2n·E₂ₙ = 0.2801694990 - 0.0439675/n² + … (Varga & Carpenter 1985, Constr. Approx. 1)."""
    assert minimax(RELU, 2, (-1, 1)).sup_error() == pytest.approx(1 / 16, rel=1e-9)
    assert 2 * 62 * minimax(RELU, 62, (-1, 1)).sup_error() == pytest.approx(0.2801694990 - 0.0439675 / 31**2, abs=1e-7)


@pytest.mark.parametrize("function", CONTINUOUS, ids=lambda function: function.name)
@pytest.mark.parametrize("domain", [(-0.01, 0.01), (-3, 8), (-1e4, 1e4), (100, 200)])
def test_every_degree_settles_and_more_degree_is_not_worse(function, domain):
    errors = [minimax(function, degree, domain).sup_error() for degree in (1, 4, 31, 63)]
    scale = max(1.0, *np.abs(domain)) if function.tilt else 1.0
    assert all(after <= before * (1 + 1e-9) + 1e-13 * scale for before, after in pairwise(errors))


def test_minimax_reaches_the_floor_of_float64():
    assert minimax(SIGMOID, 63, (-4, 4)).sup_error() < 2e-15
    assert minimax(GELU, 63, (-4, 4)).sup_error() < 1e-14


@pytest.mark.parametrize("fitting", METHODS, ids=lambda method: method.__name__)
@pytest.mark.parametrize("degree", [1, 2, 5, 6, 31, 63])
def test_symmetry_is_exact(fitting, degree):
    odd = fitting(SIGMOID, degree, (-8, 8))
    assert odd.symmetry == "odd"
    assert odd.coefficients[0] == 0.5
    assert odd.degree == (degree - 1 if degree % 2 == 0 else degree)
    even = fitting(SOFTPLUS, degree, (-8, 8))
    assert even.coefficients[1] == 4.0  # x/2 = 4 T1(x/8)
    assert not any(even.coefficients[3::2])
    assert odd.basis == even.basis == "chebyshev"
    assert (odd.function, even.function) == (SIGMOID, SOFTPLUS)
    assert even.domain == (-8.0, 8.0)


@pytest.mark.parametrize("fitting", METHODS, ids=lambda method: method.__name__)
@pytest.mark.parametrize("function", [SIGMOID, SILU, TANH], ids=lambda function: function.name)
@pytest.mark.parametrize("degree", [3, 4])
def test_use_of_symmetry_changes_nothing(fitting, function, degree):
    plain = Function("plain", function.value, function.derivative)
    if fitting is chebyshev and degree == 4 and function.symmetry == "odd":
        degree = 3  # five points instead of four is another interpolation, but of odd values still odd
    used, unused = (fitting(f, degree, (-6, 6)) for f in (function, plain))
    padded = np.zeros(degree + 1)
    padded[: used.degree + 1] = used.coefficients
    unused_padded = np.zeros(degree + 1)
    unused_padded[: unused.degree + 1] = unused.coefficients
    np.testing.assert_allclose(padded, unused_padded, atol=1e-8)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(list(FUNCTIONS.values())), st.integers(1, 63), domains)
def test_least_squares_leaves_an_orthogonal_residual(function, degree, domain):
    polynomial = least_squares(function, degree, domain)
    nodes, weights = GAUSS
    edges = np.unique(np.clip([*domain, -8, -4, -1, 0, 1, 4, 8, *function.kinks], *domain))
    x = np.concatenate([a + (b - a) * (nodes + 1) / 2 for a, b in pairwise(edges)])
    w = np.concatenate([(b - a) / 2 * weights for a, b in pairwise(edges)])
    residual = polynomial(x) - function.value(x)
    t = (2 * x - sum(domain)) / (domain[1] - domain[0])
    inner = (w * residual) @ np.polynomial.legendre.legvander(t, degree)
    size = max(1.0, float(np.abs(function.value(np.array(domain))).max()) / 100)  # exp is large
    np.testing.assert_allclose(inner, 0, atol=2e-12 * (domain[1] - domain[0]) * size)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(CONTINUOUS), st.integers(1, 40), domains)
def test_chebyshev_meets_the_function_at_its_points(function, degree, domain):
    polynomial = chebyshev(function, degree, domain)
    t = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
    x = (domain[0] + domain[1]) / 2 + (domain[1] - domain[0]) / 2 * t
    if domain[0] == -domain[1] and function.symmetry == "even" and degree == 1:
        return  # T1 has the tilt only, as always
    np.testing.assert_allclose(polynomial(x), function.value(x), atol=1e-12)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(CONTINUOUS), st.integers(2, 30), domains)
def test_no_other_fit_beats_minimax(function, degree, domain):
    best = minimax(function, degree, domain).sup_error()
    for other in (least_squares, chebyshev):
        assert best <= other(function, degree, domain).sup_error() * (1 + 1e-9) + 1e-13


@pytest.mark.parametrize("function", [SIGMOID, RELU, GELU], ids=lambda function: function.name)
@pytest.mark.parametrize("method", ["minimax", "least_squares", "chebyshev"])
@pytest.mark.parametrize("domain", [(-6, 6), (-2, 5)])
def test_fit_takes_the_smallest_degree_that_is_accurate(function, method, domain):
    accuracy = 0.1
    polynomial = fit(function, domain=domain, accuracy=accuracy, method=method)
    assert polynomial.sup_error() <= accuracy
    for degree in range(1, polynomial.degree):
        assert fit(function, domain=domain, degree=degree, method=method).sup_error() > accuracy


def test_fit_by_degree_is_the_method():
    assert fit(TANH, domain=(-2, 2), degree=5) == minimax(TANH, 5, (-2, 2))
    assert fit(TANH, domain=(-2, 2), degree=5, method="chebyshev") == chebyshev(TANH, 5, (-2, 2))
    assert fit(SIGN, domain=(-2, 2), degree=5, method="least_squares") == least_squares(SIGN, 5, (-2, 2))


@pytest.mark.parametrize("method", ["minimax", "least_squares", "chebyshev"])
def test_accuracy_that_no_degree_reaches(method):
    with pytest.raises(AccuracyUnreached) as caught:
        fit(SIGMOID, domain=(-100, 100), accuracy=1e-6, method=method)
    error = caught.value
    assert error.accuracy == 1e-6
    assert error.best == pytest.approx(fit(SIGMOID, domain=(-100, 100), degree=error.degree, method=method).sup_error())
    assert error.degree == 63
    assert "narrower than (-100, 100)" in error.suggestion
    offered = float(error.suggestion.split()[5])
    assert fit(SIGMOID, domain=(-100, 100), accuracy=offered, method=method).sup_error() <= offered


@pytest.mark.parametrize("degree", [0, 64, -3, 2.0, "3", None])
def test_degrees_out_of_range(degree):
    for fitting in METHODS:
        with pytest.raises(ParameterError, match="degree"):
            fitting(SIGMOID, degree, (-1, 1))


@pytest.mark.parametrize("domain", [(1, 1), (2, -2), (np.nan, 1), (-np.inf, 0), (1,)])
def test_domains_that_are_none(domain):
    for fitting in METHODS:
        with pytest.raises(ParameterError, match="domain"):
            fitting(SIGMOID, 3, domain)
    with pytest.raises(ParameterError, match="domain"):
        fit(SIGMOID, domain=domain, degree=3)


@pytest.mark.parametrize(
    "options",
    [{}, {"degree": 3, "accuracy": 0.1}, {"accuracy": 0}, {"accuracy": -1.0}, {"accuracy": np.nan},
     {"accuracy": np.inf}, {"degree": 3, "method": "taylor"}, {"degree": 64}],
)  # fmt: skip
def test_fit_refuses(options):
    with pytest.raises(ParameterError):
        fit(SIGMOID, domain=(-1, 1), **options)


def test_a_jump_has_no_minimax():
    with pytest.raises(ParameterError, match="jumps at 0"):
        minimax(SIGN, 3, (-1, 1))
    assert minimax(SIGN, 3, (0.1, 1)).sup_error() < 1e-15


def test_an_exchange_that_cannot_settle_says_so():
    """A space without the Haar property: all its elements vanish at 0, where the target does not."""
    x = np.linspace(-1, 1, 2001)
    with pytest.raises(ParameterError, match="does not converge"):
        exchange(lambda x: np.exp(3 * x), lambda x: np.stack([x, x**3], axis=1), x, np.array([-1.0, 0.3, 1.0]))


def test_error_table():
    rows = error_table(SIGMOID, (-8, 8), range(3, 32, 4))
    assert [row.degree for row in rows] == list(range(3, 32, 4))
    assert [row.depth for row in rows] == [2, 3, 4, 4, 5, 5, 5, 5]
    for row in rows:
        assert row.polynomial == minimax(SIGMOID, row.degree, (-8, 8))
        assert row.error == row.polynomial.sup_error()
    assert error_table(SIGMOID, (-8, 8), [3], "chebyshev")[0].polynomial == chebyshev(SIGMOID, 3, (-8, 8))
