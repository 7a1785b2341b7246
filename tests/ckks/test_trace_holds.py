"""A plan's arithmetic against one that computes: each step has the traced level and scale, within the bounds."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pass_through import PassThroughContext

import fhenn
from fhenn.backends import CIPHER
from fhenn.ckks import FEATURES, Vectors
from fhenn.ckks.bounds import Bounds
from fhenn.ckks.levels import Plain
from fhenn.ckks.trace import TracedContext

PARAMETERS = fhenn.Parameters(8192, (50, 36, 36, 36, 50), 2.0**36)
SLOTS = PARAMETERS.slots
NEXT_TO_NOTHING = 1e-4
"""What plaintexts are rounded by, many times over."""

ends = st.tuples(st.floats(-4, 4), st.floats(-4, 4)).map(lambda pair: sorted(end + 0.0 for end in pair))  # no -0.0
seeds = st.integers(0, 2**16)


class Pair:
    """The same steps on numbers and on what is traced of them."""

    def __init__(self):
        self.context, self.traces = PassThroughContext(PARAMETERS, range(1, SLOTS)), TracedContext(PARAMETERS)
        self.on, self.trace = self.context.arithmetic, self.traces.arithmetic

    def fresh(self, low, high, random, scale=PARAMETERS.scale):
        values = random.uniform(low, high, SLOTS)
        values[:2] = low, high
        numbers = self.context.encrypt_slots(values.tolist(), PARAMETERS.levels, scale)
        bounds = Bounds(np.array([low]), np.array([high]))
        return self.on.wrap(numbers, PARAMETERS.levels, scale), self.trace.with_bounds(self.trace.fresh(scale), bounds)

    def same(self, step, *operands):
        """A step on both, compared; step: called with the arithmetic and its operands."""
        of_numbers, of_traced = zip(*operands, strict=True)
        numbers, traced = step(self.on, *of_numbers), step(self.trace, *of_traced)
        self.require_held(numbers, traced)
        return numbers, traced

    def require_held(self, numbers, traced):
        assert (numbers.level, numbers.parts) == (traced.level, traced.parts)
        assert numbers.scale == pytest.approx(traced.scale, rel=1e-9)
        low, high = traced.interval
        slack = NEXT_TO_NOTHING * max(1, abs(low), abs(high))
        assert low - slack <= numbers.values.min()
        assert numbers.values.max() <= high + slack
        largest = np.abs(numbers.values).max()
        if largest > NEXT_TO_NOTHING:
            held = self.on.modulus(numbers.level) / 2 / numbers.scale / largest
            assert min(traced.room, 1e9) <= held * (1 + NEXT_TO_NOTHING)


def slots_of(low, high, random):
    return random.uniform(low, high, SLOTS)


def steps(random, low, high):
    """Every small step, as a function of the arithmetic and two operands at one level and scale."""
    scale, values = PARAMETERS.scale, slots_of(low, high, random)
    number = high if abs(high) > NEXT_TO_NOTHING else 1.0
    values[0] = number  # a product with zeros alone is another matter

    def plain(on, x, factor):
        return on.plaintext(factor, on.level(x), scale)

    return {
        "negate": lambda on, x, y: on.negate(x),
        "drop": lambda on, x, y: on.drop(x, 1),
        "read": lambda on, x, y: on.read(x, on.scale(x) / 3),
        "wrap": lambda on, x, y: on.wrap(on.unwrap(x), on.level(x), on.scale(x) * 2),
        "plus a number": lambda on, x, y: on.plus(x, low),
        "plus slots": lambda on, x, y: on.plus(x, plain(on, x, values)),
        "times a number": lambda on, x, y: on.times(x, plain(on, x, number)),
        "times slots": lambda on, x, y: on.times(x, plain(on, x, values)),
        "rescale": lambda on, x, y: on.rescale(on.times(x, plain(on, x, values))),
        "add": lambda on, x, y: on.add(x, y),
        "add rotated": lambda on, x, y: on.add_rotated(x, 3),
        "multiply": lambda on, x, y: on.multiply(x, y),
        "square": lambda on, x, y: on.relinearise(on.multiply(x, x)),
        "multiply and relinearise": lambda on, x, y: on.rescale(on.multiply_and_relinearise(x, y)),
        "rotate": lambda on, x, y: on.rotated(x, [0, 5])[1],
        "stay": lambda on, x, y: on.rotated(x, [0, 5])[0],
        "sum of products": lambda on, x, y: on.sum_of_products(
            [x, y], [plain(on, x, values), plain(on, x, number)], on.times(x, plain(on, x, number))
        ),
        "rescale and add": lambda on, x, y: on.rescale_and_add(
            on.multiply_and_relinearise(x, y), low, scale=on.scale(x), negative=True
        ),
    }


NAMES = sorted(steps(np.random.default_rng(0), -1.0, 1.0))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15)
@given(ends, ends, ends, seeds)
def test_every_small_step_is_held(name, one, other, factors, seed):
    random, pair = np.random.default_rng(seed), Pair()
    x, y = pair.fresh(*one, random), pair.fresh(*other, random)
    step = steps(random, *factors)[name]
    numbers, _ = result = pair.same(step, x, y)
    if numbers.level and numbers.parts == 2:
        pair.same(lambda on, z: on.rescale(on.plus(z, 0.5)), result)


def test_a_negative_factor_turns_the_bounds_round():
    trace = TracedContext(PARAMETERS).arithmetic
    x = trace.with_bounds(trace.fresh(PARAMETERS.scale), Bounds(np.array([0.5]), np.array([1.0])))
    assert trace.times(x, Plain(-2.0, 2.0**30)).interval == (-2.0, -1.0)
    assert trace.times(x, Plain(np.array([-2.0, 3.0]), 2.0**30)).interval == (-2.0, 3.0)
    assert trace.times(x, Plain(-2.0, 2.0**30)).noise.normal >= 2 * x.noise.normal


def test_another_scale_in_an_array_is_another_value():
    trace = TracedContext(PARAMETERS).arithmetic
    x = trace.with_bounds(trace.fresh(PARAMETERS.scale), Bounds(np.array([-1.0]), np.array([2.0])))
    read = trace.wrap(x, x.level, x.scale / 4)
    assert (read.interval, read.noise.normal) == ((-4.0, 8.0), 4 * x.noise.normal)
    assert trace.wrap(x, 1, x.scale).level == 1


@settings(max_examples=25)
@given(st.lists(ends, min_size=1, max_size=5), st.sampled_from(["features", "replicated"]), seeds)
def test_a_sum_over_features_is_held(bounds, form, seed):
    """Whatever stands for all features counts as often as there are some."""
    low, high = np.array(bounds).T
    width, random, pair = len(low), np.random.default_rng(seed), Pair()
    layout = FEATURES if form == "features" else Vectors("replicated", 1 << (width - 1).bit_length())
    x = random.uniform(low, high, (3, width))
    total = CIPHER.sum_features(fhenn.encrypt(pair.context, x, layout=layout))
    traced = CIPHER.sum_features(pair.traces.array(layout, Bounds(low, high)))
    got = fhenn.decrypt(pair.context, total)
    np.testing.assert_allclose(got, x.sum(axis=1, keepdims=True), atol=1e-6)
    assert (total.level, total.layout) == (traced.level, traced.layout)
    assert total.scale == traced.scale
    (bound,) = traced.ciphertexts
    slack = 1e-6 * max(1, bound.largest)
    assert bound.interval[0] - slack <= got.min()
    assert got.max() <= bound.interval[1] + slack
    if form == "features":
        assert bound.interval == (pytest.approx(low.sum()), pytest.approx(high.sum()))


@pytest.mark.parametrize("norm", [1, 2])
def test_the_errors_of_features_add_up(norm):
    context = TracedContext(PARAMETERS, norm)
    x = context.array(FEATURES, Bounds(np.full(9, -1.0), np.full(9, 1.0)))
    (total,) = CIPHER.sum_features(x).ciphertexts
    (one,) = x.ciphertexts
    assert total.noise.normal == pytest.approx(one.noise.normal * (9 if norm == 1 else 3))
    assert total.room == pytest.approx(one.room / 9)


@settings(max_examples=25)
@given(ends, st.sampled_from([2, 3, 4, 6]), seeds)
def test_a_polynomial_and_its_square_are_held(bounds, degree, seed):
    random = np.random.default_rng(seed)
    low, high = bounds
    coefficients = random.uniform(0.2, 1, degree + 1) / 4.0 ** np.arange(degree + 1)
    polynomial = fhenn.approx.Polynomial(tuple(coefficients), domain=(-4, 4))
    parameters = replace(PARAMETERS, scale=2.0**35)
    context, traces = PassThroughContext(parameters), TracedContext(parameters)
    x = random.uniform(low, high, (1, 3))
    numbers = CIPHER.polynomial_and_square(polynomial, fhenn.encrypt(context, x, layout=FEATURES))
    traced = CIPHER.polynomial_and_square(polynomial, traces.array(FEATURES, Bounds(np.full(3, low), np.full(3, high))))
    for real, planned, wanted in zip(numbers, traced, (polynomial(x), (x / 4) ** 2), strict=True):
        got = fhenn.decrypt(context, real)
        np.testing.assert_allclose(got, wanted, atol=1e-4)
        assert real.level == planned.level
        assert real.scale == pytest.approx(planned.scale, rel=1e-9)
        (bound,) = planned.ciphertexts
        assert bound.interval[0] - 1e-4 <= got.min()
        assert got.max() <= bound.interval[1] + 1e-4
