"""The guard after decryption, and what it cannot see."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fhenn
from fhenn.approx import preset
from fhenn.safety import output_guard

CUBIC = fhenn.Sigmoid().polynomial
GUARD = output_guard(CUBIC)


def test_the_cubics_blind_intervals():
    (low, high) = GUARD.blind[1]
    assert 4.0 < low < 4.11
    assert high == pytest.approx(8.10, abs=0.01)
    assert GUARD.blind[0] == pytest.approx((-high, -low))
    assert GUARD.flips == pytest.approx(7.02, abs=0.005)
    assert "cannot tell" in str(GUARD)
    assert "7.018" in str(GUARD)


@given(x=st.floats(-20, 20))
def test_it_sees_what_is_neither_inside_nor_blind(x):
    seen = bool(GUARD.alarms(np.array([[CUBIC(x)]]))[0])
    inside = -4 <= x <= 4 or any(a - 1e-6 <= x <= b + 1e-6 for a, b in GUARD.blind)
    # just past the edge the polynomial still rises, by 1e-4
    assert seen == (not inside) or any(abs(abs(x) - edge) < 1e-5 for edge in (4, *map(abs, GUARD.blind[1])))


@pytest.mark.parametrize("name", ["sigmoid-minimax-8-7", "tanh-minimax-4-7", "relu-minimax-4-6"])
def test_other_polynomials(name):
    polynomial = preset(name)
    guard = output_guard(polynomial)
    x = np.linspace(3 * polynomial.domain[0], 3 * polynomial.domain[1], 4001)
    y = polynomial(x)
    low, high = guard.outputs
    hidden = (y >= low) & (y <= high) & ((x < polynomial.domain[0]) | (x > polynomial.domain[1]))
    blind = np.zeros(len(x), bool)
    for a, b in guard.blind:
        blind |= (x >= a - 1e-9) & (x <= b + 1e-9)
    assert np.array_equal(hidden, blind)


def test_a_monotone_polynomial_has_no_blind_interval():
    guard = output_guard(fhenn.PolynomialActivation((0.5, 0.25)).polynomial)
    assert guard.blind == ()
    assert "no others do" in str(guard)


def test_nan_is_an_alarm():
    assert GUARD.alarms(np.array([[np.nan], [0.5]])).tolist() == [True, False]
