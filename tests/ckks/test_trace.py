"""What a plan expects of every small step, in numbers that can be followed by hand."""

from math import sqrt

import numpy as np
import pytest

from fhenn.approx import Polynomial
from fhenn.ckks.bounds import Bounds
from fhenn.ckks.layout import FEATURES, Vectors
from fhenn.ckks.levels import Plain
from fhenn.ckks.maps import AffineMap
from fhenn.ckks.noise import Noise, NoiseModel
from fhenn.ckks.operator import Dense
from fhenn.ckks.parameters import Parameters
from fhenn.ckks.trace import Trace, TracedContext
from fhenn.errors import ScaleMismatch

N, SCALE = 4096, 2.0**30
ROUNDING = sqrt(N / 2 * (1 + 2 * N / 3) / 12)
FRESH = 3.2 * sqrt(N / 2)


def trace(norm=2):
    return Trace(NoiseModel(N, (2.0**40, 2.0**30, 2.0**30), 2.0**41), SCALE, norm)


@pytest.fixture(params=[2, 1])
def on(request):
    return trace(request.param)


def bounded(on, low=-2.0, high=3.0):
    return on.with_bounds(on.fresh(SCALE), Bounds(np.array([low]), np.array([high])))


def both(norm, one, other):
    return one + other if norm == 1 else sqrt(one**2 + other**2)


def test_fresh_ciphertexts_err_by_their_encryption(on):
    x = on.fresh(SCALE)
    assert (x.level, x.noise.laplace, x.noise.normal) == (2, 0.0, pytest.approx(FRESH / SCALE))
    assert on.add(x, x).noise.normal == pytest.approx(both(on._norm, FRESH, FRESH) / SCALE)


def test_half_of_the_modulus_is_room(on):
    assert bounded(on).room == pytest.approx(2.0**100 / 2 / SCALE / 3)
    assert on.drop(bounded(on), 0).level == 0
    low = on.with_bounds(on.drop(on.fresh(SCALE), 0), Bounds(np.array([-512.0]), np.array([1.0])))
    assert low.room == pytest.approx(1.0)
    assert on.with_bounds(on.drop(on.fresh(SCALE), 0), Bounds(np.array([-513.0]), np.array([1.0]))).room < 1


def test_a_product_errs_by_both_together(on):
    """One may have come from the other: their errors are added, whatever the norm."""
    x = bounded(on)
    product = on.multiply(x, x)
    assert product.noise.normal == pytest.approx(2 * 3 * FRESH / SCALE)
    assert product.interval == (0.0, 9.0)
    after = on.relinearise(product).noise
    switch = NoiseModel(N, (2.0**40, 2.0**30, 2.0**30), 2.0**41).key_switch(2)
    assert after.laplace == pytest.approx(switch.laplace / SCALE**2, rel=1e-6, abs=0)
    assert after.normal == pytest.approx(both(on._norm, 6 * FRESH / SCALE, switch.normal / SCALE**2))


def test_laplace_errors_of_a_product_are_added_too(on):
    x = bounded(on)
    rounded = on.rescale(on.times(x, on.plaintext(1.0, 2, 2.0**30)))
    below = on.with_bounds(rounded, Bounds(np.array([-2.0]), np.array([3.0])))
    assert on.multiply(below, below).noise.laplace == pytest.approx(2 * 3 * below.noise.laplace, rel=1e-6, abs=0)


def test_a_plaintext_is_rounded_and_so_is_a_rescale(on):
    x = bounded(on)
    plaintext = on.plaintext(np.full(N // 2, 0.5), 2, 2.0**20)
    assert isinstance(plaintext, Plain)
    product = on.times(x, plaintext)
    encoding = sqrt(N / 24) / 2.0**20 * 3  # of a coefficient, times the largest value
    assert product.noise.normal == pytest.approx(both(on._norm, 0.5 * FRESH / SCALE, encoding))
    result = on.rescale(product)
    assert (result.level, result.scale) == (1, 2.0**20)
    assert result.noise.laplace == pytest.approx(ROUNDING / 2.0**20)


def test_a_rotation_is_a_key_switch(on):
    x = bounded(on)
    switch = NoiseModel(N, (2.0**40, 2.0**30, 2.0**30), 2.0**41).key_switch(2)
    (turned,) = on.rotated(x, [1])
    assert turned.noise.laplace == pytest.approx(switch.laplace / SCALE)
    assert turned.noise.normal == pytest.approx(both(on._norm, FRESH / SCALE, switch.normal / SCALE))


def test_a_map_multiplies_errors_by_its_rows(on):
    """Of the row that has most: |3| + |4| where errors go one way, √(3² + 4²) where they do not."""
    operator = Dense(np.array([[3.0, -4.0], [1.0, 0.0]]))
    affine = AffineMap(operator, np.zeros(2), FEATURES, N // 2, on.rotations)
    x = on.with_bounds(on.fresh(SCALE), Bounds(np.array([-1.0, -1.0]), np.array([1.0, 1.0])))
    (result,) = on.apply_map([x], affine)
    gain = 7 if on._norm == 1 else 5
    assert result.noise.laplace == pytest.approx(ROUNDING / SCALE)
    assert result.noise.normal == pytest.approx(gain * FRESH / SCALE, rel=1e-3)
    assert result.noise == result.noise + Noise(0.0, 0.0, on._norm)
    assert result.interval == (-7.0, 7.0)


def test_a_bias_must_fit_as_a_plaintext(on):
    x = on.drop(bounded(on), 1)  # what comes out has the first prime alone: 2^40 at a scale of 2^30
    operator = Dense(np.array([[1.0]]))
    for bias, fits in ((200.0, True), (300.0, False)):
        affine = AffineMap(operator, np.array([bias]), FEATURES, N // 2, on.rotations)
        if fits:
            on.apply_map([x], affine)
            continue
        with pytest.raises(ScaleMismatch):
            on.apply_map([x], affine)


FINE = 2.0**100
"""A scale at which nothing but double precision is seen; no evaluator has such primes."""


def fine(norm, *magnitudes):
    on = Trace(NoiseModel(N, (2.0**120, FINE, FINE, FINE), 2.0**121), FINE, norm)
    sizes = np.array(magnitudes)
    return on, on.with_bounds(on.fresh(FINE), Bounds(-sizes, sizes))


def test_inputs_err_by_2_to_the_minus_52_of_the_largest_as_they_are_encoded():
    context = TracedContext(Parameters(32768, (60, 58, 58, 58, 60), 2.0**58))
    x = context.array(FEATURES, Bounds(np.array([-1.0, -1e6]), np.array([1.0, 1e3]))).ciphertexts[0]
    assert x.noise.normal == pytest.approx(2.0**-52 * 1e6, rel=1e-3)


@pytest.mark.parametrize("norm", [1, 2])
def test_slots_err_by_2_to_the_minus_52_of_the_largest_of_a_plaintext(norm):
    on, x = fine(norm, 1.0, 1e6)
    once = on.decoded(x)
    assert once.noise.normal == pytest.approx(2.0**-52 * 1e6)
    assert on.decoded(once).noise.normal == pytest.approx(both(norm, 1, 1) * 2.0**-52 * 1e6)
    weights = on.plaintext(np.array([1.0, -3.0]), 3, FINE)
    expected = both(norm, 3 * once.noise.normal, 2.0**-52 * 3 * 1e6)
    assert on.times(once, weights).noise.normal == pytest.approx(expected)
    added = on.plus(once, on.plaintext(np.array([0.0, 5e6]), 3, FINE))
    assert added.noise.normal == pytest.approx(both(norm, once.noise.normal, 2.0**-52 * 5e6))


def test_a_number_errs_by_one_rounding():
    on, x = fine(1, 1e6)
    assert on.times(x, on.plaintext(3.0, 3, FINE)).noise.normal == pytest.approx(2.0**-53 * 3 * 1e6)


@pytest.mark.parametrize("norm", [1, 2])
def test_weights_err_by_the_largest_of_their_plaintext(norm):
    """What is small beside it, too; the bias alike. The twin errs besides, by (n + 4) roundings of what it adds up."""
    size, bias = 1e6, np.array([2e6, 0.0])
    operator = Dense(np.array([[5.0, 0.0], [0.0, 1e-9]]))
    inputs = both(norm, size, size)
    floats = (2 + 4) * 2.0**-53 * (5 * size + 2e6)
    for layout, encoding in (
        (FEATURES, 0.0),
        (Vectors("replicated", 2, 1), 2.0**-52 * (5 * inputs + 2e6)),
    ):
        on, x = fine(norm, size, size)
        (result,) = on.apply_map([x], AffineMap(operator, bias, layout, on.slots, on.rotations))
        assert result.noise.normal == pytest.approx(both(norm, encoding, floats))


def test_a_polynomial_errs_by_the_roundings_of_its_terms():
    """(degree + 2) of the sum of their magnitudes, and of the input's, times the slope."""
    on, x = fine(1, 1e3)
    square = Polynomial((0.0, 0.0, 1.0), (-1e3, 1e3))
    result = on.evaluate_polynomial(x, square)
    assert result.noise.normal == pytest.approx(4 * 2.0**-53 * (1e6 + 2e3 * 1e3), rel=0.01)
