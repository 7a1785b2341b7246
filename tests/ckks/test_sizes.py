"""Sizes that plans state are those of messages, to the byte; the public key's is SEAL's own, within two percent."""

import numpy as np
import pytest
from support import mostly_thorough

from fhenn.backends.seal import SealContext
from fhenn.ckks import Parameters
from fhenn.ckks.messages import EvaluationMessage, context_parts
from fhenn.ckks.sizes import bytes_of_key, bytes_of_polynomials, bytes_of_public_key

CHAINS = [
    (4096, (40, 28, 40)),
    (4096, (54, 55)),
    (8192, (60, 40, 40, 60)),
    (8192, (44, 32, 32, 32, 32, 46)),
    (16384, (34, 37, 32, 32, 32, 32, 37, 32, 32, 32, 32, 30, 44)),
    (16384, (60, 40, 40, 60)),
    (32768, (60, 45, 45, 60)),
]


OUTER = 16 + 32 + 8
"""Of keys: a header, an id, the number of lists."""


@pytest.mark.parametrize(("ring_degree", "chain"), mostly_thorough(CHAINS, (0, 1, 2, 3)), ids=str)
def test_ciphertexts_and_keys_are_as_large_as_stated(ring_degree, chain):
    context = SealContext.generate(Parameters(ring_degree, chain, 2.0**20))
    values = np.random.default_rng(0).normal(size=ring_degree // 2).tolist()
    for level in {0, len(chain) - 2}:
        bits = chain[: level + 1]
        seeded = context.encrypt_seeded(values, level, 2.0**20)
        whole = context.save(context.encrypt_slots(values, level, 2.0**20))
        assert len(seeded) == bytes_of_polynomials(ring_degree, bits)
        assert len(whole) == bytes_of_polynomials(ring_degree, bits, 2)
        # a residue has as many bits as its prime; beside them there are some hundred bytes
        assert 0 < len(whole) - 2 * ring_degree * sum(bits) // 8 < 300
    message, _ = EvaluationMessage.decode(context.evaluation_bytes({1: context.levels}))
    assert len(message.relinearisation.data) == OUTER + bytes_of_key(ring_degree, chain)
    (rotation,) = message.rotations
    absent = (pow(3, 1, 2 * ring_degree) - 1) // 2
    assert len(rotation.data) == OUTER + 8 * absent + bytes_of_key(ring_degree, chain)
    public = context_parts(message.context).public_key
    assert len(public) == pytest.approx(bytes_of_public_key(ring_degree, chain), rel=0.02)
