"""The noise model against the native evaluator: centred digits, hoisted rotations and whole maps."""

import numpy as np
import pytest

import fhenn
from fhenn.backends import context_class, is_available
from fhenn.ckks.bounds import Bounds
from fhenn.ckks.evaluator import NATIVE, SEAL
from fhenn.ckks.layout import Vectors
from fhenn.ckks.maps import AffineMap
from fhenn.ckks.operator import Dense
from fhenn.ckks.rotations import CHAINED, HOISTED, STRATEGIES
from fhenn.ckks.trace import TracedContext
from fhenn.nn import Affine

pytestmark = pytest.mark.skipif(not is_available("native"), reason="there is no native library")

rng = np.random.default_rng(11)

RINGS = [
    fhenn.Parameters(8192, (37, 32, 32, 32, 50), 2.0**32),
    fhenn.Parameters(8192, (40, 40, 40, 40), 2.0**38),
    fhenn.Parameters(4096, (36, 28, 30), 2.0**28),
    fhenn.Parameters(8192, (60, 50, 60), 2.0**45),
]
STEPS = [1, 2, 3, 5, 8]


@pytest.mark.parametrize("parameters", RINGS, ids=lambda each: str(list(each.chain)))
def test_key_switches_err_as_the_model_says_in_every_slot(parameters):
    """No spike in slot 0, where SEAL's digits put one of many deviations; special primes of other primes' size."""
    client = context_class("native").generate(parameters, STEPS)
    on, scale, slots = client.arithmetic, client.scale, client.slots
    x = on.wrap(client.encrypt_slots(rng.uniform(-1, 1, slots).tolist(), client.levels, scale), client.levels, scale)
    before = np.array(client.decrypt_complex(on.unwrap(x)))
    switch, seals = (each.noise(parameters).key_switch(client.levels) for each in (NATIVE, SEAL))
    errors = {
        step: (np.array(client.decrypt_complex(on.unwrap(turned))) - np.roll(before, -step)).real * scale
        for step, turned in zip(STEPS, on.rotated(x, STEPS, HOISTED), strict=True)
    }
    for error in errors.values():
        assert 0.5 * switch.laplace < error.std() < 1.1 * switch.laplace
        assert np.abs(error).max() < switch.bound(slots)
    # the first slots are like the others: SEAL's spike would be there in every rotation
    first = np.abs([error[:2] for error in errors.values()])
    assert first.max() < 12 * switch.laplace
    if seals.normal > 100 * switch.laplace:
        assert first.max() < seals.normal / 10


@pytest.mark.thorough
@pytest.mark.parametrize("way", STRATEGIES, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("parameters", RINGS, ids=lambda each: str(list(each.chain)))
def test_maps_err_within_their_bound_by_keys_of_either_way(parameters, way):
    """Double hoisting divides by the special prime once for many rotations, and so errs less than each alone would."""
    inputs, outputs, slots = 64, 64, parameters.slots
    layout, operator = Vectors("replicated", inputs), Dense(rng.normal(size=(outputs, inputs)))
    keys = AffineMap(operator, None, layout, slots, way).schedules[0].keys
    client = context_class("native").generate(parameters, keys)
    x = rng.uniform(-1, 1, (1, inputs))
    y = Affine(operator).infer(fhenn.encrypt(client, x, layout=layout))
    error = np.abs(np.array(client.decrypt_slots(y.ciphertexts[0])) - np.resize(operator.dense() @ x[0], slots)).max()

    traced = TracedContext(parameters, evaluator=NATIVE)
    traced.arithmetic.available = dict.fromkeys(keys, parameters.levels)
    noise = Affine(operator).infer(traced.array(layout, Bounds(-np.ones(inputs), np.ones(inputs)))).ciphertexts[0].noise
    assert set(traced.arithmetic.keys) == keys
    assert noise.normal < 10 * noise.laplace
    assert noise.bound(slots) / 300 < error < noise.bound(slots)
    assert traced.arithmetic.counts["hoisted rotation", parameters.levels] == (
        0 if way is CHAINED else AffineMap(operator, None, layout, slots, way).schedules[0].hoisted
    )
