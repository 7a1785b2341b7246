"""What a scale must leave: digits above the noise, and room for the values under the modulus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fhenn.errors import HeadroomExceeded, ScaleMismatch

if TYPE_CHECKING:
    from fhenn.ckks.operations import Operations

LARGEST_NOISE = 2.0**-7
"""A circuit that expects more noise than this at its result, for inputs of order 4, is refused: a result that is
silently off by a percent is worse than an error."""

LEAST_PLAIN_SCALE = 2.0**14
"""A vector of slots is rounded by 18 units in a slot at N=8192: at this scale by a thousandth."""


def require_room(on: Operations[Any, Any], level: int, scale: float, largest: float) -> None:
    """Raise where a result does not fit at a level and scale.

    on: the arithmetic.
    level: of the result.
    scale: of the result.
    largest: magnitude that it may have.

    Raises HeadroomExceeded where the modulus does not hold it; ScaleMismatch where the scale leaves no room for values
    of size 2, or drowns them in noise, as for the cubic.
    """
    modulus = on.modulus(level)
    if 4 * scale > modulus or on.ring_degree / scale > LARGEST_NOISE:
        suggestion = "Use a scale close to the primes in the middle of the chain, and a larger first prime."
        raise ScaleMismatch(scale, int(on.primes[level]), suggestion)
    if largest > modulus / 2 / scale:
        raise HeadroomExceeded(largest, modulus / 2 / scale, "a product")


def require_digits(on: Operations[Any, Any], level: int, scale: float, plain_scale: float) -> None:
    """Raise ScaleMismatch where plaintexts would be rounded to few digits, or to nothing.

    on: the arithmetic.
    level: of the ciphertext that they multiply.
    scale: of that ciphertext.
    plain_scale: of the plaintexts.
    """
    if plain_scale < LEAST_PLAIN_SCALE:
        raise ScaleMismatch(
            scale,
            int(on.primes[level]),
            "It has grown so far above the context's scale that weights would lose their digits: use larger primes "
            "there, or a smaller scale; fhenn.plan does.",
        )
