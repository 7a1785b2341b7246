import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhenn.approx import SIGMOID_CUBIC, Polynomial
from fhenn.ckks.cubic import CubicForm, CubicSchedule
from fhenn.ckks.headroom import radius_within
from fhenn.errors import ScaleMismatch

number = st.floats(-10, 10).map(lambda value: round(value, 3))


@given(number, number, number.filter(bool), st.floats(-5, 5))
def test_cubic_form_is_the_cubic(a0, a1, a3, x):
    polynomial = Polynomial((a0, a1, 0.0, a3), (-1, 1))
    for same in (polynomial, polynomial.to_chebyshev()):
        form = CubicForm.of(same)
        if form is None:  # a root so far out that the factors would be as large
            assert abs(a1 / a3) > 60
            continue
        assert form.k * x * (x * x + form.b) + form.c == pytest.approx(polynomial(np.array(x)), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("coefficients", [(1.0,), (0, 1), (0, 0, 1), (0, 1, 1, 1), (0, 1, 0, 0, 1)])
def test_other_polynomials_have_no_cubic_form(coefficients):
    assert CubicForm.of(Polynomial(coefficients, (-1, 1))) is None


def test_the_constant_is_free_where_the_first_prime_has_room():
    schedule = CubicSchedule.choose(-0.004, (2.0**40, 2.0**40), [2**60, 2**40, 2**40], 8192)
    assert schedule.multiplier is None
    assert schedule.result == pytest.approx(250 * 2.0**40)


def test_a_grown_scale_is_brought_down_by_a_multiplier():
    schedule = CubicSchedule.choose(-0.004, (2.0**48, 2.0**48), [2**60, 2**40, 2**40], 8192)
    assert schedule.multiplier > 2**20
    assert schedule.result <= 2.0**58


@pytest.mark.parametrize(
    ("scale", "moduli"),
    [
        (2.0**60, [2**60, 2**30, 2**30]),  # grows past the modulus
        (2.0**30, [2**60, 2**40, 2**40]),  # shrinks into the noise
        (2.0**40, [2**20, 2**40, 2**40]),  # no room for a result
    ],
)
def test_no_room_is_said(scale, moduli):
    with pytest.raises(ScaleMismatch, match="larger first prime"):
        CubicSchedule.choose(-0.004, (scale, scale), moduli, 8192)


def test_headroom_of_the_known_case():
    """N=4096 [33, 23, 23, 30]: an input of 11 wraps."""
    schedule = CubicSchedule.choose(-0.004, (2.0**23, 2.0**23), [2**33, 2**23, 2**23], 4096)
    headroom = radius_within(SIGMOID_CUBIC, schedule.at_result / schedule.result)
    assert 9 < headroom < 11
    assert SIGMOID_CUBIC(np.array(-headroom)) == pytest.approx(2.0**32 / (250 * 2.0**23), rel=1e-9)


@given(number, number, number, number, st.floats(0.1, 100))
def test_radius_within(a0, a1, a2, a3, limit):
    polynomial = Polynomial((a0, a1, a2, a3), (-1, 1))
    radius = radius_within(polynomial, limit)
    if radius == 0:
        assert abs(a0) >= limit * (1 - 1e-6)
    elif np.isfinite(radius):
        inside = polynomial(np.linspace(-radius, radius, 501))
        assert np.abs(inside).max() <= limit * (1 + 1e-6)
        beyond = np.array([-radius, radius]) * 1.01
        assert np.abs(polynomial(np.concatenate([beyond, [radius, -radius]]))).max() >= limit * (1 - 1e-6)
    else:
        assert polynomial.degree == 0


@pytest.mark.parametrize("last", [0.0, 5e-324, 1e-300, 1e-30])
@pytest.mark.parametrize("limit", [2.0, 2.0**20, 2.0**300])
def test_a_leading_coefficient_next_to_nothing_moves_no_radius(last, limit):
    line = Polynomial((0.5, 0.25, 0.0, last), domain=(-4, 4), basis="monomial")
    if last * (4 * limit) ** 3 < 1e-9 * limit:
        assert radius_within(line, limit) == pytest.approx(4 * (limit - 0.5), rel=1e-9)
    else:
        assert abs(float(line(radius_within(line, limit)))) == pytest.approx(limit, rel=1e-6)
