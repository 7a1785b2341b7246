"""The arithmetic of encrypted arrays beside NumPy's: values, levels and exact scales, on every evaluator."""

import operator
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pass_through import PassThroughContext
from support import compare, level_of, on_evaluator

import fhenn
from fhenn.ckks import FEATURES, PACKED, Vectors, algebra
from fhenn.ckks.sums import drop_to
from fhenn.errors import (
    ContextMismatch,
    HeadroomExceeded,
    KeyMissing,
    LevelExhausted,
    NonFiniteValue,
    ScaleMismatch,
    ShapeMismatch,
    UnsupportedOperation,
    UnsupportedValue,
)

rng = np.random.default_rng(0)
X, Y = rng.uniform(-1, 1, (2, 3, 5))
PARAMETERS = fhenn.Parameters(16384, (60, 40, 40, 40, 40, 60), 2.0**40)
ROTATIONS = (1, 2, 4, 8, 16)
DOUBLE = PassThroughContext(PARAMETERS, [1 << power for power in range(13)])
WHOLE = Vectors("replicated", 8, 4)
ALONE = Vectors("replicated", 8)
LAYOUTS = [PACKED, FEATURES, WHOLE]


@pytest.fixture(scope="module")
def keys():
    return fhenn.Context.generate(PARAMETERS, ROTATIONS)


@pytest.fixture(params=["double", "native", pytest.param("seal", marks=pytest.mark.thorough)])
def evaluator(request):
    return request.param


@pytest.fixture
def context(evaluator, keys):
    return DOUBLE if evaluator == "double" else on_evaluator(keys, evaluator)


KEYS_ERR = 2e-5
"""Rotations on SEAL err alike for all ciphertexts of a key: a sum over the slots by 2.6e-6, as deviation over keys."""


def require(array, expected, level, scale, bound=KEYS_ERR):
    assert (array.level, array.scale, array.shape) == (level, pytest.approx(scale, rel=1e-12), np.shape(expected))
    assert {*map(level_of, array.ciphertexts)} <= {level} or array.context is DOUBLE
    compare(fhenn.decrypt(array.context, array), expected, bound)


@pytest.mark.thorough
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_numbers_and_arrays_on_either_side(context, layout):
    x = fhenn.encrypt(context, X, layout=layout)
    top, scale = x.level, x.scale
    others = (Y, 2, Y[0], np.float64(0.25), -1.5, np.float32(0.5), np.int64(3), True, Y[:, :1], Y.tolist(), Y > 0)
    for other in others if context is DOUBLE else others[:4]:
        values = np.asarray(other, np.float64)
        for combine in (operator.add, operator.sub):
            require(combine(x, other), combine(X, values), top, scale)
            require(combine(other, x), combine(values, X), top, scale)
        require(x * other, X * values, top - 1, scale)
        require(other * x, X * values, top - 1, scale)
        if np.all(values):
            require(x / other, X / values, top - 1, scale, 1e-5)
    require(-x, -X, top, scale)
    assert +x is x
    assert x.level == context.levels, "it stays what it is"


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_two_ciphertexts(context, layout):
    x, y = (fhenn.encrypt(context, each, layout=layout) for each in (X, Y))
    top, scale = x.level, x.scale
    require(x + y, X + Y, top, scale)
    require(x - y, X - Y, top, scale)
    product = scale**2 / context.primes[top]
    require(x * y, X * Y, top - 1, product)
    require(x * x, X * X, top - 1, product)
    assert product != scale
    require(x * y + x, X * Y + X, top - 1, product)
    require(x - x * y, X - X * Y, top - 1, product)
    require(x * y * x, X * Y * X, top - 2, product * scale / context.primes[top - 1])
    # at one level with two scales: both come out a level lower
    require(x * y + 2 * x, X * Y + 2 * X, top - 2, product)
    require(2 * x - x * y, 2 * X - X * Y, top - 2, scale)
    total = x
    total += y
    total *= 2
    require(total, 2 * (X + Y), top - 1, scale)


@pytest.mark.parametrize("bits", [24, 28])
def test_far_larger_scales_come_down_without_losing_digits(context, bits):
    """As those of means are: 1 would be an integer of a few digits."""
    x, y = (fhenn.encrypt(context, each, layout=FEATURES) for each in (X, Y))
    mean = algebra.divided(x * 2.0**bits, 1 << bits)
    assert mean.scale == pytest.approx(2.0**bits * context.scale)
    lower, lowest = y * 1 * 1, y * 1 * 1 * 1
    require(lowest + mean, X + Y, lowest.level, lowest.scale, 1e-6)
    require(mean - lowest, X - Y, lowest.level, lowest.scale, 1e-6)
    together = fhenn.concatenate([lowest, mean], axis=1)
    compare(fhenn.decrypt(context, together), np.concatenate([Y, X], axis=1), 1e-6)
    if bits < 26:
        require(lower + mean, X + Y, lower.level, lower.scale, 2e-5)
    else:
        with pytest.raises(ScaleMismatch, match="lose their digits"):
            lower + mean


def test_products_that_would_drown_in_noise_are_refused():
    x = fhenn.encrypt(DOUBLE, X)
    on = DOUBLE.arithmetic
    small = x.of_handles([on.read(handle, x.scale / 2.0**30) for handle in x.handles])
    with pytest.raises(ScaleMismatch, match="scale close to the primes"):
        small * x
    assert (x * x).level == x.level - 1


def test_what_cancels_is_zero(context):
    x = fhenn.encrypt(context, X)
    require(x - x, 0 * X, x.level, x.scale)
    require(x * 0, 0 * X, x.level - 1, x.scale)
    require((x + 1) - (x + 1), 0 * X, x.level, x.scale)


@pytest.mark.parametrize("exponent", [1, 2, 3, 4, 5, 7, 16, 3.0, np.int64(2)])
def test_powers_take_as_few_levels_as_products_can(context, exponent):
    x = fhenn.encrypt(context, X)
    y = x**exponent
    assert y.level == x.level - int(np.ceil(np.log2(exponent)))
    compare(fhenn.decrypt(context, y), X**exponent, 1e-6)
    require(x.square(), X**2, x.level - 1, x.scale**2 / context.primes[x.level])


@pytest.mark.parametrize("exponent", [0, -1, 0.5, 1j, "2", None, X, np.inf, np.nan])
def test_other_powers_are_refused(exponent):
    x = fhenn.encrypt(DOUBLE, X)
    with pytest.raises(UnsupportedOperation, match="whole number"):
        x**exponent
    with pytest.raises(UnsupportedOperation, match="polynomial"):
        2**x


def test_powers_beyond_any_number_of_levels_are_refused():
    x = fhenn.encrypt(DOUBLE, X)
    for exponent in (10**400, -(10**5000)):  # which no float holds, nor a message
        with pytest.raises(UnsupportedOperation, match="of that size"):
            x**exponent
    with pytest.raises(LevelExhausted):
        x**1e300


@dataclass(frozen=True)
class Model:
    """What an expression should be: values, level and scale, by the rules that the documentation states."""

    values: np.ndarray
    level: int
    scale: float

    def __add__(self, other):
        if not isinstance(other, Model):
            return Model(self.values + other, self.level, self.scale)
        low = self if self.level <= other.level else other
        level = low.level - (self.level == other.level and self.scale != other.scale)
        return Model(self.values + other.values, level, low.scale)

    def __neg__(self):
        return Model(-self.values, self.level, self.scale)

    def __sub__(self, other):
        return self + -other

    def __mul__(self, other):
        if not isinstance(other, Model):
            return Model(self.values * other, self.level - 1, DOUBLE.scale)
        level = min(self.level, other.level)
        prime = DOUBLE.primes[level] if level > 0 else 1.0
        return Model(self.values * other.values, level - 1, self.scale * other.scale / prime)


def expressions():
    plain = st.one_of(st.floats(-2, 2).map(lambda value: round(value, 3)), st.sampled_from([Y, Y[0], Y[:, :1]]))
    leaves = st.sampled_from("xy").map(lambda name: lambda values: values[name])

    def grown(inner):
        both = st.sampled_from([operator.add, operator.sub, operator.mul])
        return st.one_of(
            st.tuples(both, inner, inner).map(lambda each: lambda values: each[0](each[1](values), each[2](values))),
            st.tuples(both, inner, plain).map(lambda each: lambda values: each[0](each[1](values), each[2])),
            inner.map(lambda each: lambda values: -each(values)),
        )

    return st.recursive(leaves, grown, max_leaves=6)


@settings(max_examples=60)
@given(expressions(), st.sampled_from(LAYOUTS))
def test_random_expressions(expression, layout):
    """Any of them is NumPy's, at the level and the scale that the rules give, or refused for want of levels."""
    names = {"x": X, "y": Y}
    encrypted = {name: fhenn.encrypt(DOUBLE, values, layout=layout) for name, values in names.items()}
    models = {name: Model(values, DOUBLE.levels, DOUBLE.scale) for name, values in names.items()}
    expected = expression(models)
    if expected.level < 0:
        with pytest.raises((LevelExhausted, ScaleMismatch)):
            expression(encrypted)
        return
    got = expression(encrypted)
    require(got, expected.values, expected.level, expected.scale, 1e-7 * (1 + np.abs(expected.values).max()))


@pytest.mark.parametrize("layout", [FEATURES, ALONE], ids=lambda layout: layout.name)
def test_a_matrix_product(context, layout):
    x = fhenn.encrypt(context, X, layout=layout)
    matrix = rng.normal(size=(5, 2))
    require(x @ matrix, X @ matrix, x.level - 1, x.scale, 1e-5)
    require((x + 3) @ matrix, (X + 3) @ matrix, x.level - 1, x.scale, 1e-5)
    for wrong in (matrix[:4], matrix[:, 0], 2.0, matrix[:, :0]):
        with pytest.raises(ShapeMismatch, match="outputs"):
            x @ wrong
    with pytest.raises(NonFiniteValue):
        x @ np.full((5, 2), np.nan)
    with pytest.raises(UnsupportedOperation, match=r"sum\(axis=1\)"):
        x @ x
    with pytest.raises(UnsupportedOperation, match="mixes features"):
        X.T @ x


def test_a_matrix_product_needs_samples():
    with pytest.raises(UnsupportedOperation, match="features"):
        fhenn.encrypt(DOUBLE, X) @ np.ones((5, 2))


@pytest.mark.thorough
@pytest.mark.parametrize("layout", [FEATURES, ALONE, WHOLE], ids=["features", "one sample", "four samples"])
def test_sums_and_means(context, layout):
    x = fhenn.encrypt(context, X, layout=layout)
    top, scale = x.level, x.scale
    of_features = top - (layout != FEATURES)
    of_samples = top - (layout != ALONE)  # one a ciphertext fills it
    for array, values in ((x, X), (x + 1, X + 1)):  # what idle places hold does not count
        require(array.sum(axis=1), values.sum(axis=1, keepdims=True), of_features, scale)
        require(array.sum(axis=0), values.sum(axis=0, keepdims=True), of_samples, scale)
        require(array.mean(axis=0), values.mean(axis=0, keepdims=True), of_samples, 3 * scale)
        mean = scale if layout != FEATURES else 5 * scale
        require(array.mean(axis=1), values.mean(axis=1, keepdims=True), of_features, mean)
        require(array.sum(), values.sum(keepdims=True), of_samples + of_features - top, scale, 1e-5)
        require(array.mean(axis=None), values.mean(keepdims=True), of_samples + of_features - top, 3 * mean)
    assert x.sum(axis=-1).shape, x.sum(axis=-2).shape == ((3, 1), (1, 5))
    # a sum over features meets every feature
    compare(fhenn.decrypt(context, x - x.mean(axis=1)), X - X.mean(axis=1, keepdims=True), 1e-6)
    compare(fhenn.decrypt(context, x.mean(axis=1) * x), X * X.mean(axis=1, keepdims=True), 1e-6)
    with pytest.raises(ShapeMismatch, match="a sum"):
        x - x.mean(axis=0)


def test_sums_of_what_cannot_be_summed():
    x = fhenn.encrypt(DOUBLE, X)
    for axis in (0, 1, None):
        with pytest.raises(UnsupportedOperation, match="layout='features'"):
            x.sum(axis=axis)
    images = fhenn.encrypt(DOUBLE, X.reshape(3, 1, 5, 1), layout="features")
    with pytest.raises(ShapeMismatch, match="reshape"):
        images.sum(axis=1)
    for axis in (2, "samples", (0, 1), True):
        with pytest.raises(UnsupportedOperation, match="0 for samples"):
            fhenn.encrypt(DOUBLE, X, layout="features").sum(axis=axis)
    none = PassThroughContext(PARAMETERS)
    with pytest.raises(KeyMissing, match=r"rotations=\[1\]"):
        fhenn.encrypt(none, X, layout="features").sum(axis=0)
    for layout, axis in ((FEATURES, 0), (ALONE, 1)):
        with pytest.raises((LevelExhausted, ScaleMismatch)):
            drop_to(fhenn.encrypt(DOUBLE, X, layout=layout), 0).sum(axis=axis) @ np.ones((1, 1))


EVERY = PassThroughContext(PARAMETERS, range(1, DOUBLE.slots))
"""Keys for all rotations."""


@pytest.mark.parametrize("layout", [FEATURES, ALONE, WHOLE], ids=["features", "one sample", "four samples"])
@pytest.mark.parametrize(
    ("start", "stop"), [(0, 3), (2, 5), (4, 8), (4, 11), (8, 10), (10, 11), (3, 9), (1, 11), (5, 6)]
)
def test_slices_of_samples(layout, start, stop):
    """At no level where samples begin with a ciphertext or lie within one, else at one."""
    values = rng.normal(size=(11, 5))
    together = {FEATURES: 11, ALONE: 1, WHOLE: 4}[layout]
    moved = start % together and start // together != (stop - 1) // together
    for context in (EVERY, PassThroughContext(PARAMETERS)):
        x = fhenn.encrypt(context, values, layout=layout)
        if context is EVERY or not start % together:
            require(x[start:stop], values[start:stop], x.level - bool(moved), x.scale)
        else:
            with pytest.raises(KeyMissing, match="rotations="):
                x[start:stop]


def test_slices_and_rotations_on_ciphertexts(context):
    values = rng.normal(size=(6, 2))
    x = fhenn.encrypt(context, values, layout=FEATURES)
    require(x[1:3], values[1:3], x.level, x.scale)
    require(x[4:], values[4:], x.level, x.scale)
    require(x[:3], values[:3], x.level, x.scale)
    require(x[1:3].sum(axis=0), values[1:3].sum(axis=0, keepdims=True), x.level - 1, x.scale)
    y = fhenn.encrypt(context, values, layout=Vectors("replicated", 2, 4))
    require(y[4:], values[4:], y.level, y.scale)
    require(y[2:4], values[2:4], y.level, y.scale)


def test_samples_beyond_one_ciphertext():
    """Of three groups of samples in layout "features", of which the last is not full."""
    values = rng.normal(size=(2 * EVERY.slots + 100, 2))
    x = fhenn.encrypt(EVERY, values, layout=FEATURES)
    for start, stop, levels in (
        (EVERY.slots, 2 * EVERY.slots, 0),
        (EVERY.slots, EVERY.slots + 7, 0),
        (10, EVERY.slots, 0),
        (10, 2 * EVERY.slots + 50, 1),
    ):
        require(x[start:stop], values[start:stop], x.level - levels, x.scale)
    require(x.sum(axis=0), values.sum(axis=0, keepdims=True), x.level - 1, x.scale, 1e-4)
    full = x[: 2 * EVERY.slots]
    require(full.sum(axis=0), values[: 2 * EVERY.slots].sum(axis=0, keepdims=True), x.level, x.scale, 1e-4)
    require(fhenn.concatenate([full, x[-100:]]), values, x.level, x.scale)


def test_features_of_samples(context):
    x = fhenn.encrypt(context, X, layout=FEATURES)
    for columns in (slice(1, 3), slice(4, None), slice(None, None, -2), [0, 0, 4], [-1], np.array([2, 1])):
        require(x[:, columns], X[:, columns], x.level, x.scale)
        require(x[0:2, columns], X[0:2, columns], x.level, x.scale)
    require(x[...], X, x.level, x.scale)
    require(x[:, :], X, x.level, x.scale)
    require(x[..., 1:2], X[..., 1:2], x.level, x.scale)


def test_slices_that_ciphertexts_cannot_follow():
    features, whole, packed = (fhenn.encrypt(EVERY, X, layout=layout) for layout in (FEATURES, ALONE, PACKED))
    for key in (0, -1, [0, 1], None, X > 0, "a", (0, slice(None)), 1.0):
        with pytest.raises(UnsupportedOperation, match=r"x\[i:i"):
            features[key]
    with pytest.raises(UnsupportedOperation, match="keeps the axis"):
        features[:, 1]
    with pytest.raises(UnsupportedOperation, match=r"fhenn\.concatenate"):
        features[::2]
    with pytest.raises(UnsupportedOperation, match="axes"):
        features[:, 1:2, 1:2]
    with pytest.raises(UnsupportedOperation, match=r"np.eye\(5\)\[:, places\]"):
        whole[:, 1:2]
    with pytest.raises(UnsupportedOperation, match="begin and end with a ciphertext"):
        packed[1:2]
    for key in (slice(2, 2), slice(7, 9)):
        with pytest.raises(ShapeMismatch, match="at least one sample"):
            features[key]
    for columns in ([], [5], [-6], slice(3, 3)):
        with pytest.raises(ShapeMismatch, match="of the 5"):
            features[:, columns]
    with pytest.raises(LevelExhausted, match="several ciphertexts"):
        drop_to(fhenn.encrypt(EVERY, rng.normal(size=(11, 5)), layout=WHOLE), 0)[3:9]


def test_packed_numbers_are_sliced_where_ciphertexts_end():
    values = rng.normal(size=2 * DOUBLE.slots + 10)
    x = fhenn.encrypt(DOUBLE, values)
    for start, stop in ((0, DOUBLE.slots), (DOUBLE.slots, len(values)), (0, 2 * DOUBLE.slots)):
        require(x[start:stop], values[start:stop], x.level, x.scale)
    with pytest.raises(UnsupportedOperation, match="packed"):
        x[: DOUBLE.slots + 1]


@pytest.mark.parametrize("layout", [FEATURES, ALONE, WHOLE], ids=["features", "one sample", "four samples"])
def test_samples_put_together(layout):
    parts = [rng.normal(size=(samples, 5)) for samples in (3, 1, 6, 2)]
    arrays = [fhenn.encrypt(EVERY, part, layout=layout) for part in parts]
    lower = [arrays[0] * 1, *arrays[1:]]  # the level of the lowest, and its scale
    for each in (arrays, lower):
        level = min(array.level for array in each) - (layout != ALONE)
        require(fhenn.concatenate(each), np.concatenate(parts), level, arrays[0].scale)
        require(np.concatenate(each), np.concatenate(parts), level, arrays[0].scale)
    assert fhenn.concatenate(arrays[:1]) is arrays[0]
    keyless = [fhenn.encrypt(PassThroughContext(PARAMETERS), parts[0], layout=layout)] * 2
    if layout == ALONE:
        assert fhenn.concatenate(keyless).level == EVERY.levels
    else:
        with pytest.raises(KeyMissing, match="rotations="):
            fhenn.concatenate(keyless)


def test_features_put_together(context):
    x, y = fhenn.encrypt(context, X, layout=FEATURES), fhenn.encrypt(context, Y[:, :2], layout=FEATURES)
    both = np.concatenate([X, Y[:, :2]], axis=1)
    require(fhenn.concatenate([x, y], axis=np.int64(1)), both, x.level, x.scale)
    require(
        fhenn.concatenate([x * x, y], axis=-1), np.concatenate([X * X, Y[:, :2]], axis=1), x.level - 1, (x * x).scale
    )


def test_arrays_that_do_not_go_together():
    x = fhenn.encrypt(DOUBLE, X, layout=FEATURES)
    for other, axis in (
        (fhenn.encrypt(DOUBLE, X[:, :4], layout=FEATURES), 0),
        (fhenn.encrypt(DOUBLE, X[:2], layout=FEATURES), 1),
        (fhenn.encrypt(DOUBLE, X, layout=ALONE), 0),
        (fhenn.encrypt(DOUBLE, X.reshape(3, 1, 5, 1), layout=FEATURES), 0),
    ):
        with pytest.raises(ShapeMismatch, match="concatenate"):
            fhenn.concatenate([x, other], axis)
    with pytest.raises(ShapeMismatch, match="at least one"):
        fhenn.concatenate([])
    with pytest.raises(UnsupportedValue, match="ndarray"):
        np.concatenate([x, X])
    with pytest.raises(ContextMismatch):
        fhenn.concatenate([x, fhenn.encrypt(EVERY, X, layout=FEATURES)])
    for axis in (2, None, "0"):
        with pytest.raises(UnsupportedOperation, match="axis"):
            fhenn.concatenate([x, x], axis)
    alone, packed = (fhenn.encrypt(DOUBLE, X, layout=layout) for layout in (ALONE, PACKED))
    with pytest.raises(UnsupportedOperation, match=r"np\.eye"):
        fhenn.concatenate([alone, alone], 1)
    with pytest.raises(UnsupportedOperation, match="layout='features'"):
        fhenn.concatenate([packed, packed])
    with pytest.raises(UnsupportedOperation, match="layout='features'"):
        fhenn.concatenate([packed, packed], 1)


def test_arrays_that_do_not_meet():
    x = fhenn.encrypt(DOUBLE, X)
    for other in (X[:2], X.T, np.ones((1, 3, 5)), np.ones((0, 5)), [[1.0]] * 4):
        for combine in (operator.add, operator.sub, operator.mul, lambda a, b: b + a, lambda a, b: b * a):
            with pytest.raises(ShapeMismatch, match="broadcasts"):
                combine(x, other)
    for other in (fhenn.encrypt(DOUBLE, X[:2]), fhenn.encrypt(DOUBLE, X, layout=FEATURES)):
        for combine in (operator.add, operator.sub, operator.mul):
            with pytest.raises(ShapeMismatch, match=r"a (sum|product)"):
                combine(x, other)
    for combine in (operator.add, operator.sub, operator.mul):
        with pytest.raises(ContextMismatch):
            combine(x, fhenn.encrypt(EVERY, X))
        for bad in (np.nan, np.inf, np.where(X > 0, np.nan, X)):
            with pytest.raises(NonFiniteValue):
                combine(x, bad)
        for bad in ("a", None, 1j, object(), np.ma.masked_array([1.0], [True])):
            with pytest.raises(UnsupportedValue):
                combine(x, bad)
        with pytest.raises(HeadroomExceeded):
            combine(x, 1e60)
    with pytest.raises(NonFiniteValue, match="not zero"):
        x / 0
    with pytest.raises(NonFiniteValue, match="not zero"):
        x / np.where(X > 0, 0.0, 1.0)


def test_levels_run_out(context):
    x = drop_to(fhenn.encrypt(context, X, layout=FEATURES), 0)
    for compute in (lambda: 2 * x, lambda: x * x, lambda: x / 2, lambda: x**2, lambda: np.square(x)):
        with pytest.raises(LevelExhausted, match=r"has \d left|level"):
            compute()
    with pytest.raises(LevelExhausted, match="power of 9"):
        drop_to(fhenn.encrypt(context, X), 3) ** 9
    with pytest.raises(ScaleMismatch, match="for_depth"):
        x + x.mean(axis=1)


@pytest.mark.parametrize("evaluator", ["native", pytest.param("seal", marks=pytest.mark.thorough)])
def test_no_key_to_relinearise_with(keys, evaluator):
    x = fhenn.encrypt(on_evaluator(keys, evaluator), X)
    server = type(x.context).from_bytes(x.context.evaluation_bytes({}, 0))
    y = fhenn.CipherArray.from_bytes(server, x.to_bytes())
    with pytest.raises(KeyMissing, match="relinearisation"):
        y * y
    assert (2 * y + 1).level == x.level - 1


UNARY = [np.exp, np.sin, np.sqrt, np.sign, np.abs, np.isnan, np.invert, np.rint]
BINARY = [np.floor_divide, np.maximum, np.arctan2, np.logical_and, np.mod, np.hypot]


@pytest.mark.parametrize("function", UNARY + BINARY, ids=lambda each: each.__name__)
def test_other_ufuncs_are_refused(function):
    x = fhenn.encrypt(DOUBLE, X)
    calls = [lambda: function(x)] if function in UNARY else [lambda: function(x, X), lambda: function(X, x)]
    for call in calls:
        with pytest.raises(UnsupportedOperation, match="polynomial"):
            call()


def test_ufuncs_that_do_the_right_thing():
    x = fhenn.encrypt(DOUBLE, X)
    for function in (np.add, np.subtract, np.multiply):
        compare(fhenn.decrypt(DOUBLE, function(x, Y)), function(X, Y), 1e-6)
        compare(fhenn.decrypt(DOUBLE, function(Y, x)), function(Y, X), 1e-6)
        compare(fhenn.decrypt(DOUBLE, function(x, x)), function(X, X), 1e-6)
    compare(fhenn.decrypt(DOUBLE, np.negative(x)), -X, 1e-6)
    compare(fhenn.decrypt(DOUBLE, np.true_divide(x, 4)), X / 4, 1e-6)
    compare(fhenn.decrypt(DOUBLE, np.power(x, 3)), X**3, 1e-6)
    compare(fhenn.decrypt(DOUBLE, np.square(x)), X**2, 1e-6)
    assert np.positive(x) is x
    features = fhenn.encrypt(DOUBLE, X, layout=FEATURES)
    compare(fhenn.decrypt(DOUBLE, np.matmul(features, np.ones((5, 1)))), X.sum(axis=1, keepdims=True), 1e-6)
    assert (np.shape(x), np.ndim(x), np.size(x), len(x)) == ((3, 5), 2, 15, 3)


def test_numpy_never_makes_an_array_of_objects():
    x = fhenn.encrypt(DOUBLE, X)
    for make in (np.array, np.asarray, np.float64, lambda value: np.array([value, value])):
        with pytest.raises(UnsupportedValue, match="decrypt"):
            make(x)
    for call in (
        lambda: np.add(x, 1, out=np.zeros((3, 5))),
        lambda: np.add.reduce(x),
        lambda: np.multiply.outer(X, x),
        lambda: np.sum(x, axis=1),
        lambda: np.mean(x),
        lambda: x.mean(axis=1, keepdims=False),
        lambda: np.dot(x, X),
        lambda: np.where(X > 0, x, X),
        lambda: np.stack([x, x]),
        lambda: np.linalg.norm(x),
    ):
        with pytest.raises(UnsupportedOperation):
            call()
    for call, text in (
        (lambda: np.dot(x, X), "x @ W"),
        (lambda: np.vstack([x, x]), "concatenate"),
        (lambda: np.hstack([x, x]), "concatenate"),
        (lambda: np.ravel(x), "reshape"),
    ):
        with pytest.raises(UnsupportedOperation, match=text):
            call()
    values = X.copy()
    with pytest.raises(UnsupportedOperation, match="out="):
        values += x


def test_what_nobody_sees_is_not_compared():
    x = fhenn.encrypt(DOUBLE, X)
    for compare_with in (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne):
        for other in (0.0, X, x, None):
            with pytest.raises(UnsupportedOperation, match="Nobody sees"):
                compare_with(x, other)
        with pytest.raises(UnsupportedOperation, match="Nobody sees"):
            compare_with(X, x)
    for ask in (bool, lambda value: 1.0 in value):
        with pytest.raises(UnsupportedOperation, match="Nobody sees"):
            ask(x)
    with pytest.raises(UnsupportedOperation, match="all samples at once"):
        list(x)
    for divide in (operator.truediv, lambda y, _: 1 / y, lambda y, _: X / y, lambda y, _: abs(y)):
        with pytest.raises(UnsupportedOperation, match="polynomial"):
            divide(x, x)
    assert {x: 1}[x] == 1, "it is itself alone"
