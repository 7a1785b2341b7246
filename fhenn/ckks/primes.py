"""The primes of a modulus chain: of each size the largest that are 1 modulo 2N, as SEAL takes them.

A plan computes with the very primes that its keys will have, and asks for no more of a size than there are: of 20 bits
at N = 8192 there are five, and of 19 none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

_WITNESSES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)
"""Bases for which no composite below 2⁶⁴ passes the test of Miller and Rabin (Sorenson & Webster, "Strong pseudoprimes
to twelve prime bases", 2017)."""


def primes_of(ring_degree: int, chain: Sequence[int]) -> tuple[int, ...] | None:
    """The primes of a chain.

    ring_degree: N.
    chain: bits of every prime, first prime first, special prime last.

    Returns them in that order, None where there are not enough of a size.
    Source: `CoeffModulus::Create` of SEAL 4, which gives the smallest of those that it takes of a size first.

    >>> primes_of(8192, (40, 20, 40))
    (1099510890497, 1032193, 1099511480321)
    """
    return _primes_of(ring_degree, tuple(chain))


@lru_cache(maxsize=4096)
def _primes_of(ring_degree: int, chain: tuple[int, ...]) -> tuple[int, ...] | None:
    found = {bits: list(largest_primes(ring_degree, bits, count)) for bits, count in Counter(chain).items()}
    if any(len(found[bits]) < count for bits, count in Counter(chain).items()):
        return None
    return tuple(found[bits].pop() for bits in chain)


@lru_cache(maxsize=4096)
def largest_primes(ring_degree: int, bits: int, count: int) -> tuple[int, ...]:
    """The largest primes of a size that are 1 modulo 2N, the largest first; fewer where there are not so many.

    ring_degree: N.
    bits: of each prime.
    count: how many are wanted.
    """
    step, found = 2 * ring_degree, list(largest_primes(ring_degree, bits, count - 1)) if count > 1 else []
    if len(found) < count - 1:
        return tuple(found)
    candidate = found[-1] - step if found else ((1 << bits) - 1) // step * step + 1
    while candidate > 1 << (bits - 1) and not _is_prime(candidate):
        candidate -= step
    return (*found, candidate) if candidate > 1 << (bits - 1) else tuple(found)


def _is_prime(number: int) -> bool:
    """Whether an odd number between 37 and 2⁶⁴ is prime, by the test of Miller and Rabin."""
    if any(number % prime == 0 for prime in _WITNESSES):
        return False
    twos = ((number - 1) & (1 - number)).bit_length() - 1
    odd = (number - 1) >> twos
    for base in _WITNESSES:
        power = pow(base, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True
