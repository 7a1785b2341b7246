"""How many bytes ciphertexts and keys take in fhenn's messages.

They are packed (`fhenn.ckks.packing`): residues take as many bits as their primes have, and all else is counted. The
public key alone is saved by TenSEAL, with Zstandard, of whose output there is no formula: it is measured on random
residues, since a key's are random too.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from fhenn.ckks.bits import packed_size
from fhenn.ckks.inflate import zstandard
from fhenn.ckks.structure import bytes_beside_residues


def bytes_of_polynomials(ring_degree: int, bits: tuple[int, ...], count: int = 1) -> int:
    """How many bytes a ciphertext takes.

    ring_degree: N.
    bits: of the primes under it.
    count: of its polynomials: 2, or 1 where the random half is a seed.

    >>> bytes_of_polynomials(8192, (60,)) - bytes_of_polynomials(8192, (40,))
    20480
    """
    return bytes_beside_residues(count) + count * sum(packed_size(ring_degree, each) for each in bits)


def bytes_of_key(ring_degree: int, bits: tuple[int, ...]) -> int:
    """How many bytes a switching key takes, whose random half is sent as seeds.

    ring_degree: N.
    bits: of the primes that it is over: those of the ciphertexts, each of which is a digit, and the special one.

    >>> bytes_of_key(8192, (40, 50)) == bytes_of_polynomials(8192, (40, 50)) + 8
    True
    """
    return (len(bits) - 1) * bytes_of_polynomials(ring_degree, bits) + 8


@lru_cache(maxsize=64)
def bytes_of_public_key(ring_degree: int, bits: tuple[int, ...]) -> int:
    """About how many bytes a public key takes, as SEAL saves it.

    ring_degree: N.
    bits: of the primes of the chain.
    """
    draw = np.random.default_rng(0)
    drawn = [draw.integers(0, 1 << each, ring_degree, np.uint64).astype("<u8").tobytes() for each in bits * 2]
    return len(zstandard().compress(b"".join([bytes(bytes_beside_residues(2)), *drawn])))
