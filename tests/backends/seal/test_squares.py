"""The square that a polynomial's circuit makes anyway, and sums over features."""

import numpy as np
import pytest

import fhenn
from fhenn.approx import preset
from fhenn.backends import CIPHER as BACKEND
from fhenn.ckks.circuits import shares_square
from fhenn.ckks.sums import drop_to, sum_features
from fhenn.errors import KeyMissing, UnsupportedOperation

rng = np.random.default_rng(0)
TWO_PRIMES = fhenn.Parameters(8192, (60, 40, 40, 60), 2.0**40)
WIDE_PRIME = fhenn.Parameters(8192, (60, 60, 60), 2.0**36)
DEEP = fhenn.Parameters.for_depth(4, half_width=4)


class Counting:
    """SEAL's evaluator, with its calls counted."""

    def __init__(self, evaluator):
        self.evaluator, self.calls = evaluator, []

    def __getattr__(self, name):
        self.calls.append(name.removesuffix("_inplace"))
        return getattr(self.evaluator, name)

    def products(self):
        return sum(self.calls.count(name) for name in ("square", "multiply", "relinearize"))


POLYNOMIALS = {
    "cubic": (fhenn.Sigmoid().polynomial, TWO_PRIMES),
    "cubic on a wide prime": (fhenn.Sigmoid().polynomial, WIDE_PRIME),
    "quadratic": (fhenn.PolynomialActivation((0.5, 0.25, 0.1), domain=(-4, 4)).polynomial, DEEP),
    "square": (fhenn.Square(domain=(-3, 5)).polynomial, DEEP),
    "degree 4": (fhenn.GELU(domain=(-4, 4), degree=4).polynomial, DEEP),
    "degree 7": (preset("sigmoid-minimax-8-7"), DEEP),
    "degree 7, off centre": (fhenn.Sigmoid(domain=(-3, 5), degree=7).polynomial, DEEP),
    "degree 15": (fhenn.Tanh(domain=(-4, 4), degree=15).polynomial, DEEP),
}


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_the_square_is_met_on_the_way(name):
    polynomial, parameters = POLYNOMIALS[name]
    low, high = polynomial.domain
    assert shares_square(polynomial.domain, polynomial)
    context = fhenn.Context.generate(parameters)
    values = rng.uniform(1.05 * low, 1.05 * high, 64)  # farther out, degree 15 makes errors thousands of times larger
    x = fhenn.encrypt(context, np.stack([values, values[::-1]], axis=1), layout="features")  # two ciphertexts
    counts = []
    alone = lambda: (BACKEND.polynomial(polynomial, x), None)  # noqa: E731
    for run in (alone, lambda: BACKEND.polynomial_and_square(polynomial, x)):
        context.__dict__["evaluator"] = Counting(context.evaluator)
        result, square = run()
        counts.append(context.evaluator.products())
        context.__dict__["evaluator"] = context.evaluator.evaluator
    assert counts[0] == counts[1]
    assert square.level in (x.level, x.level - 1)
    values = np.stack([values, values[::-1]], axis=1)
    t = (values - (low + high) / 2) / ((high - low) / 2)
    np.testing.assert_allclose(fhenn.decrypt(context, square), t**2, atol=1e-5)
    np.testing.assert_allclose(fhenn.decrypt(context, result), polynomial(values), atol=1e-3)
    assert np.abs(fhenn.decrypt(context, x) - values).max() < 1e-5  # the operand is as it was


@pytest.mark.parametrize(
    "polynomial",
    [fhenn.PolynomialActivation((0.5, 0.25)).polynomial, fhenn.Sigmoid().polynomial],
)
def test_where_there_is_none_a_square_is_made(polynomial):
    domain = (-1.0, 3.0)
    assert not shares_square(domain, polynomial)
    context = fhenn.Context.generate(TWO_PRIMES)
    values = rng.uniform(-2, 4, 16)
    square = BACKEND.square(domain, fhenn.encrypt(context, values))
    np.testing.assert_allclose(fhenn.decrypt(context, square), ((values - 1) / 2) ** 2, atol=1e-6)


def test_a_sum_over_features_takes_no_key(client):
    values = rng.normal(size=(5, 7))
    x = fhenn.encrypt(client, values, layout="features")
    total = sum_features(drop_to(x, 1))
    assert (total.shape, total.level) == ((5, 1), 1)
    np.testing.assert_allclose(fhenn.decrypt(client, total), values.sum(axis=1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize("rotations", [(1,), (1, 4), (1, 2, 4, 8)])
@pytest.mark.parametrize("samples", [1, 2])
def test_a_sum_over_slots_makes_do_with_the_keys_there_are(rotations, samples):
    context = fhenn.Context.generate(TWO_PRIMES, [step * samples for step in rotations])
    values = rng.normal(size=(3, 13))
    layout = fhenn.ckks.Vectors("replicated", 16, samples)
    x = fhenn.encrypt(context, values, layout=layout)
    total = sum_features(x)
    np.testing.assert_allclose(fhenn.decrypt(context, total), values.sum(axis=1, keepdims=True), atol=1e-5)


def test_a_sum_that_cannot_be(client):
    with pytest.raises(KeyMissing):
        sum_features(fhenn.encrypt(client, np.ones((1, 4)), layout=fhenn.ckks.Vectors("replicated", 4)))
    with pytest.raises(UnsupportedOperation):
        sum_features(fhenn.encrypt(client, [1.0, 2.0]))
