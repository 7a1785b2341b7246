"""Sizes that plans state are those of SEAL's bytes."""

import numpy as np
import pytest
from support import mostly_thorough

from fhenn.backends.seal import SealContext
from fhenn.ckks import Parameters
from fhenn.ckks.sizes import bytes_of_key, bytes_of_polynomials

CHAINS = [
    (4096, (40, 28, 40)),
    (4096, (54, 55)),
    (8192, (60, 40, 40, 60)),
    (8192, (44, 32, 32, 32, 32, 46)),
    (16384, (34, 37, 32, 32, 32, 32, 37, 32, 32, 32, 32, 30, 44)),
    (16384, (60, 40, 40, 60)),
    (32768, (60, 45, 45, 60)),
]


@pytest.mark.parametrize(("ring_degree", "chain"), mostly_thorough(CHAINS, (0, 1, 2, 3)), ids=str)
def test_ciphertexts_and_keys_are_as_large_as_stated_within_three_percent(ring_degree, chain):
    context = SealContext.generate(Parameters(ring_degree, chain, 2.0**20))
    values = np.random.default_rng(0).normal(size=ring_degree // 2).tolist()
    for level in {0, len(chain) - 2}:
        bits = chain[: level + 1]
        # Zstandard's choices vary by a percent from one to the next
        seeded = np.mean([len(context.encrypt_seeded(values, level, 2.0**20)) for _ in range(3)])
        whole = np.mean([len(context.save(context.encrypt_slots(values, level, 2.0**20))) for _ in range(3)])
        assert seeded == pytest.approx(bytes_of_polynomials(ring_degree, bits), rel=0.03)
        assert whole == pytest.approx(bytes_of_polynomials(ring_degree, bits, 2), rel=0.03)
    keys = len(context.evaluation_bytes({1: context.levels}))
    assert keys - len(context.evaluation_bytes()) == pytest.approx(bytes_of_key(ring_degree, chain), rel=0.03)
    assert keys == pytest.approx((2 + (len(chain) - 1) * 2) * bytes_of_polynomials(ring_degree, chain), rel=0.03)
