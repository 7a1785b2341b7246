"""Polynomials on ciphertexts: levels, scales, errors and room, as promised."""

from functools import lru_cache
from math import log2

import numpy as np
import pytest
from support import (
    BATCHED,
    FEATURES,
    PACKED,
    TENSEAL_KINDS,
    TENSOR,
    VECTOR,
    compare,
    kinds,
    level_of,
    mostly_thorough,
    shaped,
    tenseal_context,
    without_secret,
)

import fhenn
from fhenn.approx import GELU, RELU, SIGMOID, SIGMOID_CUBIC, SILU, Polynomial, minimax
from fhenn.approx.forms import Blocks, form_of
from fhenn.backends import backend_of, context_class
from fhenn.backends.seal.arithmetic import SealArithmetic
from fhenn.ckks.outlook import outlook
from fhenn.errors import KeyMissing, LevelExhausted, ScaleMismatch, ShapeMismatch, UnsupportedOperation

rng = np.random.default_rng(0)

CASES = {
    "cubic": SIGMOID_CUBIC,
    "degree 5": minimax(SIGMOID, 5, (-8, 8)),
    "degree 7": minimax(SIGMOID, 7, (-8, 8)),
    "degree 9": minimax(SIGMOID, 9, (-8, 8)),
    "degree 15": minimax(SIGMOID, 15, (-8, 8)),
    "degree 15, blocks": minimax(SIGMOID, 15, (-16, 16)),
    "degree 31": minimax(SIGMOID, 31, (-8, 8)),
    "even and tilted, 8": minimax(SILU, 8, (-8, 8)),
    "even and tilted, 24": minimax(GELU, 24, (-8, 8)),
    "lopsided, 6": minimax(SIGMOID, 6, (-2, 6)),
    "lopsided, 14": minimax(SIGMOID, 14, (-2, 6)),
    "affine": Polynomial((1.0, -2.0), (-4, 4)),
    "square": Polynomial((0.0, 0.0, 1.0), (-4, 4)),
    "quadratic": Polynomial((1.0, 2.0, 3.0), (-1, 4)),
    "fourth power": Polynomial((0, 0, 0, 0, 0.001), (-4, 4)),
    "skewed cubic": Polynomial((0.0, 0.5, 0.25, 0.125), (-2, 2)),
}


def keys_for(polynomial, bits=40):
    """SEAL's context with primes that suit the domain: scale·width/4."""
    low, high = polynomial.domain
    prime = min(round(bits + log2((high - low) / 4)), 60)
    return _keys((60, *[prime] * polynomial.depth, 60), bits)


@lru_cache(maxsize=8)
def _keys(chain, bits):
    return fhenn.Context.generate(fhenn.Parameters(16384, chain, 2.0**bits))


@pytest.fixture(scope="module")
def suited(on):
    """The same on the evaluator."""
    return lambda polynomial, bits=40: on(keys_for(polynomial, bits))


def measured(polynomial, context):
    x = rng.uniform(*polynomial.domain, context.slots)
    result = backend_of(a := fhenn.encrypt(context, x)).polynomial(polynomial, a)
    return result, float(np.abs(fhenn.decrypt(context, result) - polynomial(x)).max())


@pytest.mark.parametrize("name", CASES)
def test_parity_levels_and_noise(name, suited):
    polynomial = CASES[name]
    context = suited(polynomial)
    result, error = measured(polynomial, context)
    assert context.levels - result.level == polynomial.depth
    assert set(map(level_of, result.ciphertexts)) == {result.level}
    assert {ciphertext.scale for ciphertext in result.ciphertexts} == {result.scale}
    ahead = outlook(polynomial, context.scale, context.noise, context.levels)
    assert ahead.level == result.level
    assert ahead.scale == pytest.approx(result.scale, rel=1e-9)
    slope = max(map(abs, polynomial.derivative().range()))
    fresh = 1.5 * context.noise.fresh / context.scale * slope
    assert error <= ahead.noise.bound(context.slots) + 9 * fresh
    assert error >= ahead.noise.deviation / 2  # it is no loose bound either


@pytest.mark.thorough
def test_error_of_high_degrees_is_close_to_the_cubics(suited):
    _, cubic = measured(minimax(SIGMOID, 3, (-8, 8)), suited(minimax(SIGMOID, 3, (-8, 8))))
    for degree in (7, 15, 31):
        polynomial = minimax(SIGMOID, degree, (-8, 8))
        assert measured(polynomial, suited(polynomial))[1] <= 10 * cubic


class Counted(SealArithmetic):
    """Counts what is really done, on SEAL: the native evaluator puts relinearisation off until it can be shared."""

    def __init__(self, context):
        super().__init__(context)
        self.products = self.relinearised = 0

    def multiply(self, x, y):
        self.products += 1
        return super().multiply(x, y)

    def multiply_and_relinearise(self, x, y):
        self.relinearised += 1
        return super().multiply_and_relinearise(x, y)

    def relinearise(self, x):
        self.relinearised += x.ciphertext.size() == 3
        return super().relinearise(x)


@pytest.mark.parametrize(("degree", "products", "relinearised"), [(3, 2, 2), (7, 4, 4), (15, 6, 6), (31, 12, 11)])
def test_products_on_ciphertexts(degree, products, relinearised):
    polynomial = minimax(SIGMOID, degree, (-8, 8))
    context = keys_for(polynomial)
    on = Counted(context)
    level, scale = context.levels, context.scale
    on.evaluate_polynomial(on.wrap(context.encrypt_slots(1.0, level, scale), level, scale), polynomial)
    assert (on.products, on.relinearised) == (products, relinearised)


def test_coefficients_below_the_scale(suited):
    """A constant that rounds to nothing makes no product that anybody could read."""
    polynomial = Polynomial((0.5, 1.0, 0, 0, 0, 1e-14, 0, 1e-14), (-1, 1), "chebyshev")
    assert measured(polynomial, suited(polynomial))[1] < 1e-6
    assert measured(polynomial, suited(polynomial, bits=30))[1] < 1e-3


@kinds(VECTOR, TENSOR, BATCHED, PACKED, FEATURES)
@pytest.mark.parametrize("name", mostly_thorough(["degree 5", "lopsided, 6", "square", "affine"], (0, 3)))
def test_every_kind_of_ciphertext(kind, name, deep):
    polynomial = CASES[name]
    x = shaped(kind, rng.uniform(*polynomial.domain, (2, 2)))
    encrypted = kind.encrypt(deep, x)
    before = kind.reveal(encrypted, deep)
    result = backend_of(encrypted).polynomial(polynomial, encrypted)
    compare(kind.reveal(result, deep), polynomial(x), 2e-5)
    np.testing.assert_array_equal(kind.reveal(encrypted, deep), before)  # the operand is as it was
    extra = 1 if kind in TENSEAL_KINDS else 0
    assert kind.levels(result) == {4 - polynomial.depth - extra}
    if extra:
        assert kind.scales(result) == {2.0**40}
        compare(kind.reveal(result + result, deep), 2 * polynomial(x), 4e-5)  # TenSEAL's operators go on


@kinds(VECTOR, PACKED)
def test_several_chunks(kind, small):
    x = rng.uniform(-4, 4, 10_000)
    result = backend_of(a := kind.encrypt(small, x)).polynomial(CASES["square"], a)
    compare(kind.reveal(result, small), x**2, 1e-6)


@kinds(VECTOR, PACKED, BATCHED, thorough=(BATCHED,))
@pytest.mark.parametrize("name", ["degree 5", "quadratic"])
def test_derivative_times_gradient(kind, name, deep):
    polynomial = CASES[name].derivative()
    x = shaped(kind, rng.uniform(*polynomial.domain, (2, 4)))
    gradient = shaped(kind, rng.uniform(-1, 1, (2, 4)))
    encrypted, g = kind.encrypt(deep, x), kind.encrypt(deep, gradient)
    expected = polynomial(x) * gradient
    backend = backend_of(encrypted)
    both = backend.polynomial_times(polynomial, encrypted, g)
    for result in (both, backend.polynomial_times(polynomial, encrypted, gradient)):
        compare(kind.reveal(result, deep), expected, 2e-5)
        extra = 1 if kind in TENSEAL_KINDS else 0
        assert kind.levels(result) == {4 - polynomial.depth - 1 - extra}
    compare(kind.reveal(backend.polynomial_times(polynomial, x, g), deep), expected, 1e-6)


@pytest.fixture(scope="module")
def three(client, on):
    """Keys for three levels, on the evaluator."""
    return on(client)


def test_gradient_of_another_shape_or_layout(three):
    x, y = fhenn.encrypt(three, np.ones((2, 3))), fhenn.encrypt(three, np.ones((3, 2)))
    other = fhenn.encrypt(three, np.ones((2, 3)), layout="features")
    for factor in (y, other):
        with pytest.raises(ShapeMismatch):
            backend_of(x).polynomial_times(CASES["quadratic"].derivative(), x, factor)


def test_a_constant_derivative(three, small):
    x = fhenn.encrypt(three, np.ones(3))
    constant = CASES["affine"].derivative()
    compare(fhenn.decrypt(three, backend_of(x).polynomial_times(constant, x, x)), [-2.0] * 3, 1e-6)
    with pytest.raises(UnsupportedOperation, match="affine"):
        backend_of(x).polynomial_times(constant, x, np.ones(3))
    vector = VECTOR.encrypt(small, np.ones(3))
    with pytest.raises(UnsupportedOperation, match="affine"):
        backend_of(vector).polynomial_times(constant, vector, vector)


def test_a_constant_is_refused(three):
    x = fhenn.encrypt(three, np.ones(3))
    with pytest.raises(UnsupportedOperation, match="constant"):
        backend_of(x).polynomial(Polynomial((2.0,), (-1, 1)), x)


@pytest.mark.parametrize("name", ["degree 7", "degree 15, blocks", "even and tilted, 8"])
def test_too_few_levels(name, three, small):
    polynomial = CASES[name]
    x = fhenn.encrypt(three, np.ones(3))
    needed, left = polynomial.depth, three.levels
    if needed > left:
        with pytest.raises(LevelExhausted) as caught:
            backend_of(x).polynomial(polynomial, x)
        assert (caught.value.needed, caught.value.left) == (needed, left)
    vector = VECTOR.encrypt(small, np.ones(3))
    with pytest.raises(LevelExhausted) as caught:
        backend_of(vector).polynomial(polynomial, vector)
    assert caught.value.needed == polynomial.depth + 1
    assert "coeff_mod_bit_sizes" in caught.value.suggestion


def test_scale_that_does_not_suit_the_domain(on):
    """The powers outgrow the modulus: an error that names a scale that suits, not a wrong result."""
    polynomial = CASES["degree 15"]
    context = on(fhenn.Context.generate(fhenn.Parameters(16384, (60, *[40] * 4, 60), 2.0**40)))
    x = fhenn.encrypt(context, np.linspace(-8, 8, 9))
    with pytest.raises(ScaleMismatch, match=r"about 2\^38 suits"):
        backend_of(x).polynomial(polynomial, x)
    with pytest.raises(ScaleMismatch):
        backend_of(x).headroom(polynomial, x)
    better = on(fhenn.Context.generate(fhenn.Parameters(16384, (60, *[40] * 4, 60), 2.0**38)))
    y = fhenn.encrypt(better, np.linspace(-8, 8, 9))
    compare(fhenn.decrypt(better, backend_of(y).polynomial(polynomial, y)), polynomial(np.linspace(-8, 8, 9)), 1e-7)


def test_no_room_for_the_result(on):
    polynomial = Polynomial((0.0, 0.0, 1000.0), (-4, 4))
    context = on(fhenn.Context.generate(fhenn.Parameters(8192, (34, 30, 40), 2.0**30)))
    x = fhenn.encrypt(context, np.ones(3))
    with pytest.raises(ScaleMismatch):
        backend_of(x).polynomial(polynomial, x)


@pytest.mark.parametrize("name", ["degree 7", "even and tilted, 8", "degree 15, blocks"])
@pytest.mark.parametrize("share", [0.97, 1.03])
def test_headroom_is_sharp(name, share, suited):
    """Slots that are all alike wrap just past it."""
    polynomial = CASES[name]
    context = suited(polynomial)
    headroom = backend_of(x := fhenn.encrypt(context, [0.0])).headroom(polynomial, x)
    assert headroom > polynomial.domain[1]
    at = headroom * share
    for sign in (1.0, -1.0):
        x = fhenn.encrypt(context, np.full(context.slots, sign * at))
        result = fhenn.decrypt(context, backend_of(x).polynomial(polynomial, x))
        close = np.abs(result - polynomial(sign * at)).max() <= 1e-3 * abs(polynomial(sign * at))
        if share < 1:
            assert close
        elif not close:
            return
    assert share < 1, "it held values beyond its headroom"


def test_relinearisation_keys_are_asked_for(on):
    bare = tenseal_context(8192, [60, 40, 40, 60], 40)
    server = on(without_secret(bare, save_relin_keys=False))
    x = fhenn.encrypt(server, np.ones(3))
    with pytest.raises(KeyMissing, match="relinearisation"):
        backend_of(x).polynomial(CASES["square"], x)
    # an affine map needs none
    assert backend_of(x).polynomial(CASES["affine"], x).level == x.level


def test_wide_domains_go_by_blocks():
    assert isinstance(form_of(CASES["degree 15, blocks"]), Blocks)
    assert form_of(minimax(RELU, 24, (-8, 8))).squared


OUTGROWN = [(31, (-8, 8)), (15, (-8, 8)), (15, (-32, 32)), (7, (-1000, 1000)), (7, (-64, 64))]


@pytest.fixture(scope="module")
def many():
    """Seven levels of 40 bits: room for a scale that nothing after it can bring back."""
    return tenseal_context(16384, [60, *[40] * 7, 60], 40)


@pytest.mark.thorough
@pytest.mark.parametrize(("degree", "domain"), OUTGROWN, ids=str)
def test_a_scale_that_outgrows_its_primes_is_refused(degree, domain, many, features):
    """Nothing silently wrong: not on TenSEAL's values, not in the Linear after it, not backwards."""
    node = fhenn.Sigmoid(domain=domain, degree=degree, on_violation="ignore")
    x = 0.9 * np.linspace(*domain, 20)
    with pytest.raises(ScaleMismatch, match=r"suits|brought"):
        node(VECTOR.encrypt(many, x))
    encrypted = features.encrypt(many, x[:, None])
    with pytest.raises(ScaleMismatch, match=r"suits|digits"):
        fhenn.Linear([[0.37]])(node(encrypted))
    node.enable_cache()
    with pytest.raises(ScaleMismatch):
        node.backward(np.ones((20, 1)) + 0 * node.forward(encrypted).shape[1])


@pytest.mark.parametrize("node", [fhenn.Sigmoid(domain=(-16, 16), degree=7), fhenn.Sigmoid(domain=(-8, 8), degree=9)])
def test_what_follows_keeps_its_digits(node, many, features):
    x = 0.9 * np.linspace(*node.domain, 20)[:, None]
    linear = fhenn.Linear([[0.37], [-1.21]])
    result = linear(node(features.encrypt(many, x)))
    compare(features.reveal(result, many), linear(node(x)), 1e-4)


def test_tiny_coefficients(many, packed):
    x = np.linspace(-4, 4, 20)
    for coefficients in ([1, 1e-15], [1, 0, 1e-8]):
        node = fhenn.PolynomialActivation(coefficients)
        compare(packed.reveal(node(packed.encrypt(many, x)), many), node(x), 1e-9)
        with pytest.raises(ScaleMismatch):
            node(VECTOR.encrypt(many, x))
    dusty = fhenn.PolynomialActivation([0.5, 1, 0, 1e-17])
    result = dusty(packed.encrypt(many, x))
    assert 7 - result.level == dusty.cost == 0


def test_a_domain_far_from_zero(many, on):
    context = on(many)
    polynomial = Polynomial((0.5, 0.3, 0.1, 0.05, 0.02, 0.01), (1000, 1004), "chebyshev")
    node = fhenn.Sigmoid(polynomial=polynomial)
    x = fhenn.encrypt(context, np.linspace(1000.1, 1003.9, 50))
    assert 1003.9 < node.headroom(x) < np.inf
    assert node.check(x, context) is None
    compare(fhenn.decrypt(context, node(x)), polynomial(np.linspace(1000.1, 1003.9, 50)), 1e-7)


@pytest.mark.thorough
@pytest.mark.parametrize("k", [8.0, 50.0, 1e4])
def test_a_large_leading_coefficient_is_read_off_the_scale(k, evaluator):
    """SEAL looks at the scales that are written on factors, which may be larger than those that they are read at."""
    polynomial = Polynomial((0.0, 1.0, 0.0, k), (-1, 1))
    model = fhenn.Sequential(
        [fhenn.Linear([[1.0]]), fhenn.PolynomialActivation(polynomial.coefficients, domain=(-1, 1))]
    )
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-3 * k, evaluator=evaluator)
    context = context_class(evaluator).generate(plan.parameters, plan.rotations)
    x = rng.uniform(-1, 1, (4, 1))
    result = model.infer(fhenn.encrypt(context, x, layout=plan.layout))
    np.testing.assert_allclose(fhenn.decrypt(context, result), model.infer(x), atol=plan.error)


@pytest.mark.parametrize("coefficients", [(0, 0, 0, 0, 1.0), (1.0, 0, 400.0)], ids=str)
def test_large_constants_that_are_read_off_the_scale(coefficients, suited):
    polynomial = Polynomial(coefficients, (-4, 4))
    context = suited(polynomial)
    x = rng.uniform(-4, 4, 64)
    result = backend_of(a := fhenn.encrypt(context, x)).polynomial(polynomial, a)
    np.testing.assert_allclose(fhenn.decrypt(context, result), polynomial(x), rtol=1e-5, atol=1e-4)
