"""How many bytes SEAL's objects take as SEAL saves them: measured on random ones, since theirs are random too.

SEAL writes a number below a prime as 8 bytes and compresses all with Zstandard, block by block of 128 KiB. What that
makes of primes of 20 to 60 bits, whose highest bytes are zero, has no formula: a tenth to a quarter more than the bits
of the primes. The coefficients of a ciphertext or key are uniform below each prime, so drawn ones compress alike,
within 1 % (measured for rings from 4096 to 16384).
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil

import numpy as np

from fhenn.ckks.inflate import zstandard

_HEADER = 97
"""Bytes of SEAL's own before the coefficients; they shift what falls into one block of Zstandard."""


@lru_cache(maxsize=1024)
def bytes_of_polynomials(ring_degree: int, bits: tuple[int, ...], count: int = 1) -> int:
    """About how many bytes polynomials of random coefficients take in one of SEAL's objects.

    ring_degree: N.
    bits: of the primes modulo which each is kept.
    count: of the polynomials: 2 of a ciphertext, 1 of one whose random half is a seed.

    >>> round(bytes_of_polynomials(8192, (60,)) / 8192, 1), round(bytes_of_polynomials(8192, (40,)) / 8192, 1)
    (8.0, 6.0)
    """
    draw = np.random.default_rng(0)
    drawn = [
        draw.integers(0, 1 << each, size=ring_degree, dtype=np.uint64).astype("<u8").tobytes()
        for _ in range(count)
        for each in bits
    ]
    return len(zstandard().compress(b"".join([bytes(_HEADER), *drawn])))


_ENOUGH = 1 << 19
"""Bytes of coefficients that are compressed as more of their kind are: four blocks of Zstandard."""


def bytes_of_key(ring_degree: int, bits: tuple[int, ...]) -> int:
    """About how many bytes a switching key takes, whose random half is sent as seeds.

    ring_degree: N.
    bits: of the primes that it is over: those of the ciphertexts, each of which is a digit, and the special one.

    >>> bytes_of_key(8192, (40, 50)) == bytes_of_polynomials(8192, (40, 50))
    True
    """
    digits = len(bits) - 1
    some = min(digits, ceil(_ENOUGH / (8 * ring_degree * len(bits))))
    return digits * bytes_of_polynomials(ring_degree, bits, some) // some
