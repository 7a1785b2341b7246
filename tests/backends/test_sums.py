"""The sum of two arrays of ciphertexts, which branches meet in: at one level, one scale, under one key."""

import numpy as np
import pytest
from support import compare, level_of

import fhenn
from fhenn.backends import CIPHER
from fhenn.errors import ContextMismatch, ScaleMismatch, ShapeMismatch

rng = np.random.default_rng(0)
X, Y = rng.uniform(-1, 1, (2, 3, 5))


@pytest.fixture
def context(client, on):
    return on(client)


def read_at(array, factor):
    """The same ciphertexts at a scale that is so many times theirs: the values are divided by that."""
    arithmetic = array.context.arithmetic
    return array.of_handles([arithmetic.read(handle, factor * array.scale) for handle in array.handles])


def require_sum(array, expected, level, scale):
    assert (array.level, array.scale) == (level, scale)
    assert {*map(level_of, array.ciphertexts)} == {level}
    compare(fhenn.decrypt(array.context, array), expected, 1e-6)


@pytest.mark.parametrize("layout", ["packed", "features"])
def test_at_one_scale(context, layout):
    x, y = (fhenn.encrypt(context, each, layout=layout) for each in (X, Y))
    require_sum(CIPHER.add(x, y), X + Y, x.level, x.scale)
    lower = CIPHER.drop_to(y, 1)
    for first, second in ((x, lower), (lower, x)):  # dropped, which takes no product and keeps the scale
        require_sum(CIPHER.add(first, second), X + Y, 1, x.scale)
    require_sum(CIPHER.add(x, x), 2 * X, x.level, x.scale)
    assert x.level == y.level == context.levels, "they stay what they are"
    compare(fhenn.decrypt(context, x), X, 1e-6)


@pytest.mark.parametrize("factor", [1.25, 0.8, 1 + 2**-40])
@pytest.mark.parametrize("level", [0, 1, 2])
def test_the_one_with_more_levels_is_brought_to_the_scale_of_the_other(context, factor, level):
    x, y = (fhenn.encrypt(context, each) for each in (X, Y))
    assert x.level == 3
    other = read_at(CIPHER.drop_to(y, level), factor)
    for first, second in ((x, other), (other, x)):
        require_sum(CIPHER.add(first, second), X + Y / factor, level, other.scale)


def test_what_circuits_leave_behind(context):
    """A product of two levels, whose scale is what the primes left of it, and its input."""
    x = fhenn.encrypt(context, X)
    node = fhenn.Sigmoid()
    other = CIPHER.polynomial(node.polynomials[0], x)
    other = read_at(other, 1.5)  # whatever the circuit has brought it to
    require_sum(CIPHER.add(x, other), X + node.infer(X) / 1.5, other.level, other.scale)


def test_two_scales_at_one_level_come_out_a_level_below(context):
    x, y = (fhenn.encrypt(context, each) for each in (X, Y))
    low, other = CIPHER.drop_to(x, 2), read_at(CIPHER.drop_to(y, 2), 1.25)
    require_sum(CIPHER.add(low, other), X + Y / 1.25, 1, low.scale)
    require_sum(CIPHER.add(other, low), X + Y / 1.25, 1, other.scale)
    low, other = CIPHER.drop_to(x, 0), read_at(CIPHER.drop_to(y, 0), 1.25)
    for first, second in ((low, other), (other, low)):
        with pytest.raises(ScaleMismatch, match="added at one level"):
            CIPHER.add(first, second)


def test_arrays_that_are_not_alike_are_refused(context):
    x = fhenn.encrypt(context, X)
    for other in (
        fhenn.encrypt(context, X[:2]),
        fhenn.encrypt(context, X[:, :4]),
        fhenn.encrypt(context, X, layout="features"),
        fhenn.encrypt(context, X.reshape(5, 3)),
    ):
        for first, second in ((x, other), (other, x)):
            with pytest.raises(ShapeMismatch, match="a sum"):
                CIPHER.add(first, second)


def test_other_keys_are_refused(context, on):
    x = fhenn.encrypt(context, X)
    other = fhenn.encrypt(on(fhenn.Context.generate(fhenn.Parameters.for_depth(3))), X)
    for first, second in ((x, other), (other, x)):
        with pytest.raises(ContextMismatch):
            CIPHER.add(first, second)
