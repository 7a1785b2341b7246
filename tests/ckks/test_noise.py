"""The noise model against SEAL itself."""

import numpy as np
import pytest
import tenseal.sealapi as seal

import fhenn
from fhenn.ckks.noise import Noise, NoiseModel


@pytest.fixture(scope="module", params=[(8192, (37, 32, 32, 32, 53), 32), (4096, (36, 28, 45), 28)], ids=str)
def case(request):
    ring_degree, chain, bits = request.param
    context = fhenn.Context.generate(fhenn.Parameters(ring_degree, chain, 2.0**bits), [1])
    return context, NoiseModel(ring_degree, [2.0**b for b in chain[:-1]], 2.0 ** chain[-1])


def _error(context, ciphertext, expected):
    return (np.array(context.decrypt_slots(ciphertext)) - expected) * ciphertext.scale


X = np.random.default_rng(0)


def test_fresh(case):
    context, model = case
    x = X.uniform(-1, 1, context.slots)
    ciphertext = context.encrypt_slots(x.tolist(), context.levels, context.scale)
    # the plaintext's own rounding is there too
    expected = np.hypot(model.fresh, model.encoding)
    assert _error(context, ciphertext, x).std() == pytest.approx(expected, rel=0.06)


def test_rescale(case):
    context, model = case
    x = X.uniform(-1, 1, context.slots)
    ciphertext = context.encrypt_slots(x.tolist(), context.levels, context.scale)
    before = np.array(context.decrypt_slots(ciphertext))
    context.evaluator.multiply_plain_inplace(ciphertext, context.encode(0.7345, context.levels, context.scale))
    context.evaluator.rescale_to_next_inplace(ciphertext)
    factor = round(0.7345 * context.scale) / context.scale
    assert _error(context, ciphertext, before * factor).std() == pytest.approx(model.rounding, rel=0.06)


def test_rotation(case):
    context, model = case
    x = X.uniform(-1, 1, context.slots)
    ciphertext = context.encrypt_slots(x.tolist(), context.levels, context.scale)
    before = np.array(context.decrypt_slots(ciphertext))
    error = _error(context, context.rotate(ciphertext, 1), np.roll(before, -1))
    assert 0.5 * model.rounding < error.std() < 1.2 * model.key_switch(context.levels).deviation
    assert np.abs(error).max() < model.key_switch(context.levels).bound(context.slots)


def test_relinearisation(case):
    context, model = case
    # a small scale, so that float64 still resolves the noise on the square
    ciphertext = context.encrypt_slots([0.5] * context.slots, context.levels, 2.0**22)
    square = seal.Ciphertext()
    context.evaluator.square(ciphertext, square)
    before = np.array(context.decrypt_slots(square))
    keys = context.relinearisation_keys("test")
    context.evaluator.relinearize_inplace(square, keys)
    error = _error(context, square, before)
    assert np.abs(error).max() < model.key_switch(context.levels).bound(context.slots)


def test_a_rescale_has_the_tails_of_laplace(case):
    """Six deviations among thousands of slots: a normal bound would be broken every other day."""
    context, model = case
    largest = 0.0
    for _ in range(5):
        ciphertext = context.encrypt_slots([0.5] * context.slots, context.levels, context.scale)
        before = np.array(context.decrypt_slots(ciphertext))
        context.evaluator.multiply_plain_inplace(ciphertext, context.encode(0.7345, context.levels, context.scale))
        context.evaluator.rescale_to_next_inplace(ciphertext)
        factor = round(0.7345 * context.scale) / context.scale
        largest = max(largest, float(np.abs(_error(context, ciphertext, before * factor)).max()))
    bound = Noise(model.rounding, 0.0).bound(5 * context.slots)
    assert 4.5 * model.rounding < largest < bound < 8 * largest


def test_bound_holds_and_is_not_loose():
    normal, laplace = np.abs(X.normal(size=100_000)).max(), np.abs(X.laplace(scale=0.5**0.5, size=100_000)).max()
    assert normal < Noise(0.0, 1.0).bound(100_000) < 3 * normal
    assert laplace < Noise(1.0, 0.0).bound(100_000) < 5 * laplace


def test_errors_add_and_scale():
    total = Noise(3.0, 0.0) + Noise(4.0, 12.0)
    assert (total.laplace, total.normal, total.deviation) == (5.0, 12.0, 13.0)
    assert (total * 2.0).laplace == 10.0
