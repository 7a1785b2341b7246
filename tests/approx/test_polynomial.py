import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhenn.approx import (
    FUNCTIONS,
    RELU,
    SIGMOID,
    SIGMOID_CUBIC,
    SIGN,
    SILU,
    TANH,
    Function,
    Polynomial,
    sigmoid,
    sigmoid_prime,
    sigmoid_second,
)
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
    ("degree", "depth"), [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (7, 3), (9, 4), (15, 4), (31, 5), (63, 6)]
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


domains = st.tuples(st.floats(-20, 20), st.floats(0.1, 20)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(coefficients, domains)
def test_chebyshev_value_is_numpys(coefficients, domain):
    polynomial = Polynomial(tuple(coefficients), domain, "chebyshev")
    x = np.linspace(*domain, 33)
    expected = np.polynomial.Chebyshev(coefficients, domain=domain)(x)
    np.testing.assert_allclose(polynomial(x), expected, atol=1e-11)


@pytest.mark.thorough
@given(coefficients, domains)
def test_chebyshev_derivative_is_numpys(coefficients, domain):
    derivative = Polynomial(tuple(coefficients), domain, "chebyshev", SIGMOID).derivative()
    x = np.linspace(*domain, 33)
    expected = np.polynomial.Chebyshev(coefficients, domain=domain).deriv()(x)
    np.testing.assert_allclose(derivative(x), expected, atol=1e-10 * max(1, np.abs(expected).max()))
    assert derivative.basis == "chebyshev"
    assert derivative.function is None


@settings(max_examples=50, deadline=None)
@given(coefficients, st.sampled_from([(-1, 1), (-8, 8), (-3, 5), (0, 0.5), (2, 40)]))
def test_bases_are_the_same_polynomial(coefficients, domain):
    series = Polynomial(tuple(coefficients), domain, "chebyshev", TANH)
    powers = series.to_monomial()
    back = powers.to_chebyshev()
    assert (powers.basis, back.basis, powers.function, back.function) == ("monomial", "chebyshev", TANH, TANH)
    x = np.linspace(*domain, 21)
    size = np.abs(powers.coefficients) @ np.abs(domain[1]) ** np.arange(powers.degree + 1) + 1
    np.testing.assert_allclose(powers(x), series(x), atol=1e-14 * size)
    np.testing.assert_allclose(back(x), series(x), atol=1e-14 * size)
    assert powers.to_monomial() is powers
    assert series.to_chebyshev() is series


def test_conversion_rounds_once():
    """T₆₃ in powers has integers to 10²³; its leading one is 2⁶²."""
    powers = Polynomial((0.0,) * 63 + (1.0,), (-1, 1), "chebyshev").to_monomial()
    assert powers.coefficients[63] == 2.0**62
    assert powers.coefficients[1] == -63.0
    assert not any(powers.coefficients[::2])
    assert Polynomial((0.0,) * 63 + (2.0**62,), (-1, 1)).to_chebyshev().coefficients[63] == 1.0


def test_conversion_that_overflows_is_refused():
    with pytest.raises(ParameterError, match="too large"):
        Polynomial((0.0,) * 63 + (1.0,), (-1e-10, 1e-10), "chebyshev").to_monomial()
    with pytest.raises(ParameterError, match="too large"):
        Polynomial((0.0,) * 63 + (1.0,), (-1e10, 1e10)).to_chebyshev()


@pytest.mark.parametrize("degree", [1, 2, 5, 31, 63])
@pytest.mark.parametrize("domain", [(-1, 1), (-8, 8), (3, 7), (-1e6, 1e6)])
def test_clenshaw_is_well_conditioned(degree, domain):
    """T_n(cos θ) = cos nθ; the value errs by n² units, which is what rounding x itself costs at the ends."""
    polynomial = Polynomial((0.0,) * degree + (1.0,), domain, "chebyshev")
    theta = np.linspace(0, np.pi, 1001)
    x = (domain[0] + domain[1]) / 2 + (domain[1] - domain[0]) / 2 * np.cos(theta)
    np.testing.assert_allclose(polynomial(x), np.cos(degree * theta), atol=2e-15 * degree**2)
    assert np.abs(polynomial(np.float32(x)) - np.cos(degree * theta)).max() < 1e-6 * degree**2


def test_chebyshev_types_and_shapes():
    polynomial = Polynomial((1.0, 2.0, 3.0), (-2, 2), "chebyshev")
    assert polynomial(np.float32([[1, 2]])).dtype == np.float32
    assert polynomial(np.float32([[1, 2]])).shape == (1, 2)
    assert isinstance(polynomial(1), np.float64)
    assert polynomial([1]).dtype == np.float64
    assert Polynomial((4.0,), (-2, 2), "chebyshev")([1, 2]).tolist() == [4.0, 4.0]
    with pytest.raises(UnsupportedValue):
        polynomial("a")


@pytest.mark.parametrize("coefficients", [(0.5, 1.0, 0.0, -0.3), (0.5, 0.0, 2.0, 0.0, -1.0), (0.0,) * 20 + (1.0,)])
def test_huge_inputs_are_infinite_in_either_basis(coefficients):
    series = Polynomial(coefficients, (-8, 8), "chebyshev")
    x = np.array([1e200, -1e200, np.inf, -np.inf])
    np.testing.assert_array_equal(series(x), series.to_monomial()(x))
    assert np.isinf(series(x)).all()
    assert np.isnan(series(np.nan))


def test_prints_chebyshev_as_a_formula():
    coefficients = (0.5, 1.2, 0.0, -0.25)
    assert str(Polynomial(coefficients, (-8, 8), "chebyshev")) == "0.5 + 1.2 T1(x/8) - 0.25 T3(x/8)"
    assert str(Polynomial(coefficients, (-1, 1), "chebyshev")) == "0.5 + 1.2 T1(x) - 0.25 T3(x)"
    assert str(Polynomial((0.0, -1.0), (-2, 4), "chebyshev")) == "-1 T1((x - 1)/3)"
    assert str(Polynomial((0.0, 1.0), (-3, -1), "chebyshev")) == "1 T1(x + 2)"


@pytest.mark.parametrize(
    ("coefficients", "domain", "symmetry"),
    [((1, 2, 0, 3), (-1, 1), "odd"), ((1, 0, 2), (-1, 1), "even"), ((5,), (-1, 1), "even"), ((1, 2), (-1, 1), "odd"),
     ((1, 2, 1e-300), (-1, 1), "none"), ((1, 2, 0, 3), (-1, 2), "none"), ((0, 0.5, 1), (-4, 4), "none")],
)  # fmt: skip
@pytest.mark.parametrize("basis", ["monomial", "chebyshev"])
def test_symmetry(coefficients, domain, symmetry, basis):
    assert Polynomial(coefficients, domain, basis).symmetry == symmetry


def test_unknown_basis_and_domains_that_are_not_intervals():
    with pytest.raises(ParameterError, match="legendre"):
        Polynomial((1.0,), (-1, 1), "legendre")
    for domain in ((1,), (1, 2, 3), None, "ab", (None, 1)):
        with pytest.raises(ParameterError, match="must be two numbers"):
            Polynomial((1.0,), domain)


@settings(max_examples=50, deadline=None)
@given(coefficients, domains, domains)
def test_numpy_and_back(coefficients, domain, window):
    for kind in (np.polynomial.Polynomial, np.polynomial.Chebyshev):
        p = kind(coefficients, domain=domain, window=window)
        ours = Polynomial.from_numpy(p, SIGMOID)
        x = np.linspace(*domain, 13)
        bound = np.abs(ours(x)).max() + np.abs(ours.coefficients) @ np.abs(domain).max() ** np.arange(ours.degree + 1)
        np.testing.assert_allclose(ours(x), p(x), atol=1e-9 * (1 + bound), rtol=1e-9)
        assert ours.function is SIGMOID
        assert ours.domain == pytest.approx(domain)
        again = ours.to_numpy()
        assert isinstance(again, kind)
        np.testing.assert_allclose(again(x), ours(x), atol=1e-11 * (1 + bound))
        assert Polynomial.from_numpy(again, SIGMOID) == ours


@pytest.mark.parametrize(
    "p", [np.polynomial.Legendre([1, 2]), np.poly1d([1, 2]), [1, 2], np.polynomial.Polynomial([1j, 2])], ids=repr
)
def test_from_numpy_refuses(p):
    with pytest.raises(UnsupportedValue):
        Polynomial.from_numpy(p)


@pytest.mark.parametrize(
    ("polynomial", "error"),
    [
        (Polynomial((0.0, 1.0), (-1, 1), function=Function("cube", lambda x: x**3, lambda x: 3 * x**2)), 12**0.5 / 9),
        (Polynomial((0.0,), (-3, 2), function=RELU), 2.0),
        (Polynomial((0.25,), (-1, 1), function=RELU), 0.75),
        (Polynomial((0.5, 0.0), (-1e6, 1e6), function=SIGMOID), 0.5),
        (Polynomial((0.0, 0.5), (-1, 1), function=SIGN), 1.0),
        (Polynomial((0.0,), (-1e5, 1e5), function=Function("peak", lambda x: 1 / (1 + (x - 0.3) ** 2), np.cos)), 1.0),
    ],
)
def test_sup_errors_known_in_closed_form(polynomial, error):
    assert polynomial.sup_error() == pytest.approx(error, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(coefficients, domains, st.sampled_from(list(FUNCTIONS.values())), st.sampled_from(["monomial", "chebyshev"]))
def test_sup_error_bounds_every_sample_and_is_met(coefficients, domain, function, basis):
    polynomial = Polynomial(tuple(coefficients), domain, basis, function)
    sampled = np.abs(polynomial(x := np.linspace(*domain, 20_011)) - function.value(x)).max()
    error = polynomial.sup_error()
    slope = np.abs(polynomial.derivative()(x)).max() + 1.2
    assert sampled <= error + 1e-9 * max(1, error)
    jump = 2.0 if function is SIGN else 0.0
    assert error <= sampled + slope * (x[1] - x[0]) + jump


def test_sup_error_needs_a_function():
    with pytest.raises(ParameterError, match="has no function to compare"):
        Polynomial((1.0,), (-1, 1)).sup_error()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-100, 100), min_size=1, max_size=6), domains, st.sampled_from(["monomial", "chebyshev"]))
def test_range_is_exact(coefficients, domain, basis):  # integers: numpy's roots fail where the last is next to nothing
    polynomial = Polynomial(tuple(coefficients), domain, basis)
    low, high = polynomial.range()
    turns = polynomial.to_numpy().deriv().roots() if polynomial.degree > 1 else np.array([])
    turns = turns.real[(np.abs(turns.imag) < 1e-6) & (turns.real > domain[0]) & (turns.real < domain[1])]
    values = polynomial(np.concatenate([turns, polynomial.domain]))
    scale = 1e-9 * max(1, np.abs(values).max())
    assert low == pytest.approx(values.min(), abs=scale)
    assert high == pytest.approx(values.max(), abs=scale)


def test_equal_polynomials():
    assert Polynomial((1.0, 2.0), (-1, 1)) != Polynomial((1.0, 2.0), (-1, 1), "chebyshev")
    assert Polynomial((1.0, 2.0), (-1, 1), function=RELU) != Polynomial((1.0, 2.0), (-1, 1))
    assert len({Polynomial((1.0, 2.0), (-1, 1), function=f) for f in (RELU, SILU, RELU)}) == 2
