"""The noise model against SEAL itself."""

import numpy as np
import pytest
import tenseal.sealapi as seal

import fhenn
from fhenn.planner import NoiseModel


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
    assert 0.5 * model.rounding < error.std() < 1.2 * model.key_switch(context.levels)
    assert np.abs(error).max() < NoiseModel.bound(model.key_switch(context.levels), context.slots)


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
    assert np.abs(error).max() < NoiseModel.bound(model.key_switch(context.levels), context.slots)


def test_bound_holds_for_normal_values_and_is_not_loose():
    draws = np.abs(X.normal(size=100_000)).max()
    assert draws < NoiseModel.bound(1.0, 100_000) < 3 * draws
