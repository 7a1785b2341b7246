"""CKKS parameters: ring degree, modulus chain and scale, at 128-bit security."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from math import floor, inf
from numbers import Integral, Real
from operator import index

from fhenn.ckks.primes import primes_of
from fhenn.errors import ParameterError

MAX_MODULUS_BITS = {1024: 27, 2048: 54, 4096: 109, 8192: 218, 16384: 438, 32768: 881}
"""Bits of the whole modulus, special prime included, at 128-bit security and a ternary secret, by ring degree
(Homomorphic Encryption Security Standard, 2018, table 1; Microsoft SEAL enforces the same)."""

_GROWTH_BITS = 8
"""The free constant of the sigmoid's cubic multiplies the scale by 1/0.004 = 250."""

_INTEGER_BITS = 6
"""Room above the point in a result: values to ±32 after that growth."""

_LARGEST_PRIME_BITS = 60
"""SEAL's limit for one prime."""

_PLENTIFUL_BITS = 26
"""From this size on every ring has more primes than a chain can use."""

_LARGEST_SCALE_BITS = 45
"""Beyond this a larger scale no longer shows in float64 arithmetic on values of order 10."""


@dataclass(frozen=True)
class Parameters:
    """Ring degree, modulus chain and scale of a CKKS context.

    ring_degree: N, a power of two from 1024 to 32768; a ciphertext has N/2 slots.
    chain: bits of every prime, the first prime first and the special prime last. There are `len(chain) - 2` levels.
    scale: of fresh ciphertexts.

    Raises ParameterError where ring and chain are below 128-bit security, where ring degree, chain or scale are out of
    range, and where there are not so many primes of a size that are 1 modulo 2N.

    Source: Homomorphic Encryption Security Standard, 2018, table 1.

    >>> Parameters(8192, (60, 40, 40, 60), scale=2.0**40).levels
    2
    """

    ring_degree: int
    chain: tuple[int, ...]
    scale: float

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "chain", tuple(int(bits) for bits in self.chain))
            object.__setattr__(self, "ring_degree", index(self.ring_degree))
            object.__setattr__(self, "scale", float(self.scale))
        except (TypeError, ValueError, OverflowError):
            raise ParameterError(
                f"ring_degree must be a whole number, chain a list of them and scale a number, not "
                f"{self.ring_degree!r}, {self.chain!r} and {self.scale!r}.",
                "Give for instance Parameters(8192, (60, 40, 40, 60), scale=2.0**40).",
            ) from None
        if self.ring_degree not in MAX_MODULUS_BITS:
            raise ParameterError(
                f"ring_degree must be one of {sorted(MAX_MODULUS_BITS)}, not {self.ring_degree}.",
                "Give for instance 8192.",
            )
        limit = MAX_MODULUS_BITS[self.ring_degree]
        if sum(self.chain) > limit:
            raise ParameterError(
                f"a modulus of {sum(self.chain)} bits at ring degree {self.ring_degree} is below 128-bit security.",
                f"At most {limit} bits are secure: shorten the chain or take a larger ring.",
            )
        if len(self.chain) < 2 or min(self.chain) < 15 or max(self.chain) > _LARGEST_PRIME_BITS:
            raise ParameterError(
                f"chain must be a first prime, primes for the levels and a special prime, each of 15 to "
                f"{_LARGEST_PRIME_BITS} bits, not {list(self.chain)}.",
                "Give for instance (60, 40, 40, 60) for two levels.",
            )
        if primes_of(self.ring_degree, self.chain) is None:
            raise ParameterError(
                f"there are not enough primes for the chain {list(self.chain)} at ring degree {self.ring_degree}.",
                f"Take larger ones: of {_PLENTIFUL_BITS} bits or more there are enough on every ring.",
            )
        if not 1.0 < self.scale < 2.0 ** sum(self.chain[:-1]):
            raise ParameterError(
                f"scale must be above 1 and below the modulus of fresh ciphertexts, not {self.scale:g} with the chain "
                f"{list(self.chain)}.",
                "Take a power of two close to the primes in the middle of the chain.",
            )

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that differ from parameters to parameters."""
        return fingerprint_of_parameters(self.ring_degree, self.chain, self.scale)

    @property
    def primes(self) -> tuple[int, ...]:
        """The primes of the chain, first prime first, the special one last, as SEAL takes them."""
        return primes_of(self.ring_degree, self.chain) or ()  # there are enough: checked at construction

    @property
    def levels(self) -> int:
        """Rescales that a fresh ciphertext has."""
        return len(self.chain) - 2

    @property
    def slots(self) -> int:
        """Values that one ciphertext holds."""
        return self.ring_degree // 2

    @classmethod
    def for_depth(cls, depth: int, scale_bits: int = 30, half_width: float = 2.0) -> Parameters:
        """Parameters on the smallest ring that holds a number of levels, with the largest scale that it holds.

        depth: levels, for instance the `cost` of a node. For several nodes, and for `SignReLU`, whose stages have
        domains of their own, `fhenn.planner.parameters_for(*nodes)` fits every prime to its node.
        scale_bits: least bits of the scale; the error at the output is of the order of N/2^bits.
        half_width: half the width of the domain of a polynomial of high degree. The scale is smaller than the primes by
        this factor, so that the scales of powers do not drift.

        Returns parameters whose first prime leaves 14 bits above the scale: 8 for the free constant of the sigmoid, 6
        for values to ±32. The special prime is as large as the first, so that key-switching noise stays below rescaling
        noise.
        Raises ParameterError for numbers out of range, and where no ring holds so many levels of so many bits.

        >>> Parameters.for_depth(2)
        Parameters(ring_degree=8192, chain=(59, 45, 45, 59), scale=35184372088832.0)
        """
        if not (isinstance(depth, Integral) and isinstance(scale_bits, Integral) and isinstance(half_width, Real)):
            raise ParameterError(
                f"depth and scale_bits must be whole numbers and half_width a number, not {depth!r}, {scale_bits!r} "
                f"and {half_width!r}.",
                "Ask for instance for the cost of a node, 40 bits and a half width of 1.",
            )
        if depth < 1 or scale_bits < 15 or not 0 < half_width < inf:
            raise ParameterError(
                "depth must be 1 or more, scale_bits 15 or more and half_width above 0 and finite, not "
                f"{depth}, {scale_bits} and {half_width:g}.",
                "Ask for instance for the cost of a node, 40 bits and a half width of 1.",
            )
        above = _GROWTH_BITS + _INTEGER_BITS
        for ring_degree, limit in MAX_MODULUS_BITS.items():
            most = min(floor((limit - 2 * above) / (depth + 2)), _LARGEST_SCALE_BITS)
            for bits in range(most, scale_bits - 1, -1):
                chain = (bits + above, *[bits] * depth, bits + above)
                if primes_of(ring_degree, chain) is None:
                    continue
                return cls(ring_degree, chain, 2.0 ** (bits + 1) / half_width)
        raise ParameterError(
            f"no ring holds {depth} levels of {scale_bits} bits at 128-bit security.",
            "Ask for fewer levels or a smaller scale.",
        )


def fingerprint_of_parameters(ring_degree: int, chain: tuple[int, ...], scale: float) -> str:
    """16 hexadecimal digits that differ from parameters to parameters, valid or not.

    ring_degree: N.
    chain: bits of every prime.
    scale: of fresh ciphertexts.
    """
    return sha256(repr((ring_degree, chain, float(scale))).encode()).hexdigest()[:16]


def chain_for_levels(chain_bits: list[int], levels: int) -> str:
    """A sentence with parameters like the given ones that have `levels` levels.

    chain_bits: bits of the primes, special prime last.
    levels: that are needed.

    In the sentence, first and special prime are as large as possible: the first holds what the sigmoid's free constants
    add to the scale, the special one keeps key-switching noise small.
    """
    middle = max(chain_bits[1:-1], default=min(chain_bits[0], _LARGEST_SCALE_BITS))
    chain = [_LARGEST_PRIME_BITS, *[middle] * levels, _LARGEST_PRIME_BITS]
    for ring_degree, limit in MAX_MODULUS_BITS.items():
        if sum(chain) <= limit:
            return f"coeff_mod_bit_sizes={chain} with poly_modulus_degree={ring_degree} has {levels} levels."
    return f"No ring at 128-bit security holds {levels} levels of {middle} bits: use a smaller scale or fewer layers."
