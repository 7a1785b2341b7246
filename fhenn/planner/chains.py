"""Which modulus chains a model wants: the primes that its nodes divide by, and the first prime above them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from math import log2

from fhenn.approx import Polynomial
from fhenn.ckks.circuits import natural_scale, suitable_primes, takes_wide_prime
from fhenn.ckks.cubic import WIDE
from fhenn.ckks.evaluator import Evaluator
from fhenn.ckks.parameters import MAX_MODULUS_BITS
from fhenn.errors import LevelExhausted, ScaleMismatch
from fhenn.nn import MULTIPLY, Activation, Step, deepest

LARGEST_PRIME_BITS = 60
_SMALLEST_PRIME_BITS = 18

LARGEST_SCALE_BITS = 45
"""Beyond this a larger scale no longer shows in float64 arithmetic on values of order 10."""

_LARGEST_NATURAL = 2.0 ** max(MAX_MODULUS_BITS.values())

_SCALE_BITS = range(LARGEST_SCALE_BITS, 17, -1)
_SCALE_BITS_TO_SHARE = range(56, 17, -1)
_LIFTS = (0.0, 0.6, 1.0)

Shape = tuple[tuple[tuple[Polynomial, ...], bool] | None, ...]
"""What chains depend on, node by node: polynomials and `times_input` of an activation, None for an affine node."""


def prime_limits(evaluator: Evaluator) -> tuple[int, ...]:
    """Bits that primes may have at most, by what is to be tried first.

    evaluator: that is planned for.

    >>> from fhenn.ckks.evaluator import NATIVE, SEAL
    >>> prime_limits(SEAL), prime_limits(NATIVE)
    ((60,), (50, 60))
    """
    fast = evaluator.fast_prime_bits
    return (LARGEST_PRIME_BITS,) if fast is None else (fast, LARGEST_PRIME_BITS)


def chains_of(
    nodes: Sequence[Step], shared: bool, most: int = LARGEST_PRIME_BITS, spare: int = 0
) -> list[tuple[int, tuple[int, ...], int]]:
    """Chains for every scale, as the values on the way want them, those of fewer primes first.

    nodes: of the model, in order.
    shared: whether results are to be shared, which takes larger scales.
    most: bits of a prime, at most.
    spare: levels more than the nodes take.

    Returns (scale, primes above the first one, least first prime) of each, all in bits.
    """
    return list(_chains_of(_shape_of(nodes), shared, most, spare))


def has_chain(nodes: Sequence[Step], ring_degree: int, shared: bool, most: int = LARGEST_PRIME_BITS) -> bool:
    """Whether one of `chains_of` may fit a ring: so that no placement is sought for one that is too small.

    nodes: of the model, in order.
    ring_degree: N.
    shared: whether results are to be shared.
    most: bits of a prime, at most.
    """
    chains = chains_of(nodes, shared, most)
    return any(special_bits(ring_degree, (least, *used), most) > bits for bits, used, least in chains)


@lru_cache(maxsize=64)
def _chains_of(shape: Shape, shared: bool, most: int, spare: int) -> tuple[tuple[int, tuple[int, ...], int], ...]:
    """The same for all rings, of which several are tried: kept. Arguments and the tuple returned as `chains_of`."""
    least_first: dict[tuple[int, tuple[int, ...]], int] = {}
    for bits in _SCALE_BITS_TO_SHARE if shared else _SCALE_BITS:
        choices = product(_wide_primes(shape, bits, most), _LIFTS)
        # the first node divides by the last prime
        found_for = (_chain_for(shape, bits, wide, lift, most, spare) for wide, lift in choices)
        chains = {used: bits + 4 for used in found_for if used}
        if shape[-1] is None:
            # the last product need not be rescaled where the first prime holds it
            chains |= {used[1:]: 2 * bits + 3 for used in chains}
        least_first |= {(bits, used): least for used, least in chains.items()}
    found = ((bits, used, least) for (bits, used), least in least_first.items())
    return tuple(sorted(found, key=lambda chain: len(chain[1])))


def special_bits(ring_degree: int, primes: Sequence[int], most: int = LARGEST_PRIME_BITS) -> int:
    """Bits of the largest special prime that 128-bit security leaves.

    ring_degree: N.
    primes: bits of the other primes.
    most: bits of a prime, at most.
    """
    return min(MAX_MODULUS_BITS[ring_degree] - sum(primes), most)


def _shape_of(nodes: Sequence[Step]) -> Shape:
    """What chains of the nodes depend on."""
    return tuple(map(_shape_of_one, deepest(nodes)))


def _shape_of_one(node: Step) -> tuple[tuple[Polynomial, ...], bool] | None:
    """What chains depend on of one node: None for what comes out near the scale of fresh ciphertexts."""
    if isinstance(node, Activation):
        return node.polynomials, node.times_input
    return ((), True) if node is MULTIPLY else None  # times what is as large


def _wide_primes(shape: Shape, bits: int, limit: int) -> list[int | None]:
    """Bits of a prime that may take the place of two for an odd cubic; None for two."""
    polynomials = [polynomial for activation in shape if activation is not None for polynomial in activation[0]]
    if not any(map(takes_wide_prime, polynomials)):
        return [None]
    most = min(2 * bits, limit)
    return [None, *(wide for wide in (most, most - 3, most - 6, most - 9) if wide >= WIDE * bits)]


def chain_for(
    nodes: Sequence[Step], bits: int, wide: int | None, lift: float, most: int = LARGEST_PRIME_BITS
) -> tuple[int, ...] | None:
    """The primes above the first one that nodes divide by, in bits; None where a polynomial does not fit their scales.

    nodes, bits, wide, lift, most: as for `_prime_bits`.
    """
    return _chain_for(_shape_of(nodes), bits, wide, lift, most, 0)


def _chain_for(shape: Shape, bits: int, wide: int | None, lift: float, most: int, spare: int) -> tuple[int, ...] | None:
    try:
        primes = _prime_bits(shape, bits, wide, lift, most)
        if not spare:
            return tuple(primes[::-1])
        # before the last affine node, which leaves them out
        last = len(shape) - shape[::-1].index(None) - 1
        before = len(_prime_bits(shape[:last], bits, wide, lift, most))
        return tuple([*primes[:before], *[min(bits, most)] * spare, *primes[before:]][::-1])
    except (ScaleMismatch, LevelExhausted, OverflowError):
        return None


def _prime_bits(shape: Shape, bits: int, wide: int | None, lift: float, most: int) -> list[int]:
    """Bits of the primes that the nodes divide by, one after another, as the scales on the way want them.

    shape: of the model's nodes, in order.
    bits: of the scale of fresh ciphertexts.
    wide: bits of the prime that an odd cubic takes in place of two, None for two.
    lift: which part of what an activation adds to the scale the prime of the affine node after it makes up for, 0 to 1;
    the weights lose the other part in bits.
    most: bits of a prime, at most.
    """
    used: list[int] = []
    scale = float(bits)  # in bits
    for activation in shape:
        if activation is None:
            used.append(_clip_bits(bits + lift * max(scale - bits, 0.0), most))
            scale = float(bits)
            continue
        polynomials, times_input = activation
        start = scale
        for polynomial in polynomials:
            primes = [_clip_bits(prime, most) for prime in suitable_primes(polynomial, scale, bits, wide)]
            # the last one is divided by first
            natural = natural_scale(polynomial, 2.0**scale, tuple(2.0**prime for prime in primes[::-1]))
            if not 1 < natural < _LARGEST_NATURAL:
                raise ScaleMismatch(natural, 1 << LARGEST_PRIME_BITS, "No prime brings it back.")
            scale = log2(natural)
            used += primes
        if times_input:
            used.append(min(bits, most))
            scale += start - used[-1]
    return used


def _clip_bits(bits: float, most: int) -> int:
    """Bits of the prime nearest to that size that may be taken."""
    return min(max(round(bits), _SMALLEST_PRIME_BITS), most)
