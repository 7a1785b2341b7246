import sys

import numpy as np
import pytest
from support import mostly_thorough

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
    Polynomial,
    is_tail_safe,
    minimax,
    tail_safe,
)
from fhenn.errors import ExtraMissing, ParameterError

FALLING = Function("falling", lambda x: -np.tanh(x), lambda x: np.tanh(x) ** 2 - 1, symmetry="odd")


@pytest.mark.parametrize(
    ("function", "degree", "domain", "reach", "margin"),
    [
        (SIGMOID, 3, (-4, 4), (-8, 8), 0.05),
        (SIGMOID, 7, (-4, 4), (-8, 8), 0.05),
        (SIGMOID, 15, (-8, 8), (-16, 16), 0.05),
        (SIGMOID, 31, (-8, 8), (-12, 12), 0.05),
        (SIGMOID, 7, (-4, 4), (-8, 8), 0.2),
        (SIGMOID, 8, (-3, 5), (-6, 12), 0.05),
        (SIGMOID, 7, (-4, 4), (-4, 9), 0.05),
        (TANH, 7, (-4, 4), (-8, 8), 0.1),
        (FALLING, 7, (-4, 4), (-8, 8), 0.1),
        (FALLING, 7, (-4, 4), (-7, 8), 0.1),
    ],
)
def test_keeps_its_side_on_the_tails(function, degree, domain, reach, margin):
    polynomial = tail_safe(function, degree, domain, reach, margin)
    right, left = np.linspace(domain[1], reach[1], 5001), np.linspace(reach[0], domain[0], 5001)
    rising = -1 if function is FALLING else 1
    assert np.all(rising * (polynomial(right) - function.centre) >= margin - 1e-12)
    assert np.all(rising * (function.centre - polynomial(left)) >= margin - 1e-12)
    assert is_tail_safe(polynomial, reach, margin)
    free = minimax(function, degree, domain)
    assert (free.domain, free.degree, free.basis) == (polynomial.domain, polynomial.degree, polynomial.basis)
    assert not is_tail_safe(free, reach, margin)  # else this would test nothing
    assert polynomial.sup_error() > free.sup_error()


@pytest.mark.parametrize(
    "function", mostly_thorough([RELU, SILU, GELU, SOFTPLUS], (0, 2)), ids=lambda function: function.name
)
@pytest.mark.parametrize(("degree", "domain", "reach"), [(6, (-4, 4), (-8, 8)), (5, (-3, 5), (-6, 9))])
def test_keeps_sign_and_slope_on_the_tails(function, degree, domain, reach):
    polynomial = tail_safe(function, degree, domain, reach, 0.05, slope=1.5)
    right, left = np.linspace(domain[1], reach[1], 5001), np.linspace(reach[0], domain[0], 5001)
    assert np.all(polynomial(right) >= 0.05)
    assert np.all(polynomial(left) >= -0.05)
    assert np.all(np.abs(polynomial.derivative()(np.concatenate([left, right]))) <= 1.5)
    assert is_tail_safe(polynomial, reach, 0.05, slope=1.5)
    free = minimax(function, degree, domain)
    assert not is_tail_safe(free, reach, 0.05, slope=1.5)
    assert polynomial.sup_error() > free.sup_error()


def test_nothing_is_paid_where_minimax_is_safe():
    free = minimax(SIGMOID, 5, (-4, 4))
    assert is_tail_safe(free, (-8, 8))
    np.testing.assert_allclose(tail_safe(SIGMOID, 5, (-4, 4), (-8, 8)).coefficients, free.coefficients, atol=1e-13)


def test_the_error_is_the_smallest():
    """For the cubic on (-4, 4) out to 8, where p(8) = 0.55 binds: one coefficient is left, tried on a fine grid."""
    polynomial = tail_safe(SIGMOID, 3, (-4, 4), (-8, 8))
    x = np.linspace(0, 4, 2001)
    exact = SIGMOID.value(x) - 0.5
    best = np.inf
    for c3 in np.linspace(-0.01, 0, 20_001):
        c1 = (0.05 - 512 * c3) / 8  # binding at 8
        if 4 * c1 + 64 * c3 >= 0.05 and (error := np.abs(c1 * x + c3 * x**3 - exact).max()) < best:
            best = error
    assert polynomial.sup_error() == pytest.approx(best, rel=1e-4)
    assert float(polynomial(8.0)) == pytest.approx(0.55, abs=1e-7)


def test_symmetry_is_exact():
    assert tail_safe(SIGMOID, 7, (-4, 4), (-8, 8)).symmetry == "odd"
    even = tail_safe(SILU, 6, (-4, 4), (-8, 8))
    assert even.coefficients[1] == 2.0
    assert not any(even.coefficients[3::2])


def test_more_margin_costs_more():
    errors = [tail_safe(SIGMOID, 7, (-4, 4), (-8, 8), margin).sup_error() for margin in (0, 0.05, 0.2, 0.4)]
    assert errors == sorted(errors)
    assert errors[-1] > errors[0]


@pytest.mark.parametrize(
    ("polynomial", "safe"),
    [
        (Polynomial((0.5, 0.2), (-1, 1), function=SIGMOID), True),
        (Polynomial((0.5, -0.2), (-1, 1), function=SIGMOID), False),
        (Polynomial((0.6, 0.2), (-1, 1), function=SIGMOID), True),
        (Polynomial((0.66, 0.2), (-1, 1), function=SIGMOID), False),  # 0.46 at -1
        (Polynomial((0.34, 0.2), (-1, 1), function=SIGMOID), False),  # 0.54 at 1
        (Polynomial((1.0, 0.5), (-1, 1), function=RELU), True),
        (Polynomial((0.9, 0.5), (-1, 1), function=RELU), False),  # -0.1 at -2
        (Polynomial((6.0, 2.5), (-1, 1), function=RELU), False),  # steep
        (Polynomial((6.0, -2.5), (-1, 1), function=RELU), False),
        (Polynomial((0.01,), (-1, 1), function=RELU), False),  # less than the margin on the right
    ],
)
def test_is_tail_safe(polynomial, safe):
    assert is_tail_safe(polynomial, (-2, 2)) is safe


def test_is_tail_safe_needs_a_function():
    with pytest.raises(ParameterError, match="has no function to compare"):
        is_tail_safe(Polynomial((1.0,), (-1, 1)), (-2, 2))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((SIGMOID, 0, (-4, 4), (-8, 8)), "degree"),
        ((SIGMOID, 3, (4, -4), (-8, 8)), "domain"),
        ((SIGMOID, 3, (-4, 4), (8, -8)), "domain"),
        ((SIGMOID, 3, (-4, 4), (-3, 8)), "reach"),
        ((SIGMOID, 3, (-4, 4), (-4, 4)), "reach"),
        ((SIGMOID, 3, (1, 4), (-8, 8)), "around 0"),
        ((SIGMOID, 3, (-4, 4), (-8, 8), -0.1), "margin"),
        ((SIGMOID, 3, (-4, 4), (-8, 8), 0.49), "from 0 to 0.482"),
        ((SIGMOID, 3, (-4, 4), (-8, 8), np.nan), "margin"),
        ((RELU, 3, (-4, 4), (-8, 8), 4.1), "from 0 to 4"),
        ((SIGN, 3, (-4, 4), (-8, 8)), "jumps"),
        ((Function("exp", np.exp, np.exp), 3, (-4, 4), (-8, 8)), "which side"),
        ((Function("square", np.square, lambda x: 2 * x, symmetry="even"), 3, (-4, 4), (-8, 8)), "which side"),
    ],
)
def test_refuses(arguments, says):
    with pytest.raises(ParameterError, match=says):
        tail_safe(*arguments)


@pytest.mark.parametrize("slope", [1.0, np.nan, np.inf, -2])
def test_refuses_slopes(slope):
    with pytest.raises(ParameterError, match="slope"):
        tail_safe(RELU, 4, (-4, 4), (-8, 8), slope=slope)


def test_hopeless_tails_end_in_an_error_not_in_a_promise():
    with pytest.raises(ParameterError, match="goes less far"):
        tail_safe(RELU, 30, (-1, 1), (-1000, 1000))


def test_without_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(ExtraMissing) as caught:
        tail_safe(SIGMOID, 3, (-4, 4), (-8, 8))
    assert (caught.value.extra, caught.value.package) == ("fit", "scipy")
    for function in FUNCTIONS.values():
        if function is not SIGN:
            minimax(function, 3, (-4, 4))  # needs none
