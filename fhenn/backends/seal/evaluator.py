"""Arithmetic on SEAL ciphertexts with exact scales: nothing is rounded to a nominal scale, no operand is changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tenseal.sealapi as seal

from fhenn.approx import Polynomial
from fhenn.backends.seal.context import Context
from fhenn.ckks.circuits import largest_of, mismatch, outlook
from fhenn.ckks.schedule import LARGEST_NOISE, LEAST_PLAIN_SCALE, CubicSchedule
from fhenn.errors import HeadroomExceeded, ScaleMismatch


def require_room(context: Context, level: int, scale: float, largest: float) -> None:
    """Raise where a result of that size does not fit at a level and scale: ScaleMismatch, HeadroomExceeded.

    As for the cubic, a scale is refused that leaves no room for values of size 2, or drowns them in noise.
    """
    modulus = context.modulus(level)
    if 4 * scale > modulus or context.ring_degree / scale > LARGEST_NOISE:
        suggestion = "Use a scale close to the primes in the middle of the chain, and a larger first prime."
        raise ScaleMismatch(scale, context.primes[level], suggestion)
    if largest > modulus / 2 / scale:
        raise HeadroomExceeded(largest, modulus / 2 / scale, "backward")


def require_digits(context: Context, level: int, scale: float, plain_scale: float) -> None:
    """Raise ScaleMismatch where plaintexts of that scale would be rounded to few digits, or to nothing."""
    if plain_scale < LEAST_PLAIN_SCALE:
        raise ScaleMismatch(
            scale,
            context.primes[level],
            "It has grown so far above the context's scale that weights would lose their digits: use larger primes "
            "there, or a smaller scale; fhenn.plan does.",
        )


def at_level(context: Context, ciphertext: Any, level: int) -> Any:
    """A copy of `ciphertext` on fewer primes; its scale and message stay."""
    lower = seal.Ciphertext()
    context.evaluator.mod_switch_to(ciphertext, context.parms_id(level), lower)
    return lower


def square_plus(context: Context, x: Any, relinearisation_keys: Any, b: float, rescale: bool = True) -> Any:
    """x² + b, one level down at scale s²/q, or, not rescaled, at scale s².

    Relinearised before the rescale: the other order is a tenth faster, and ten times less accurate.
    """
    square = seal.Ciphertext()
    context.evaluator.square(x, square)
    context.evaluator.relinearize_inplace(square, relinearisation_keys)
    if rescale:
        context.evaluator.rescale_to_next_inplace(square)
    add_constant(context, square, b)
    return square


def cubic_product(
    context: Context, x: Any, w: Any, b: float, schedule: CubicSchedule, squares: list[Any] | None = None
) -> Any:
    """k·w·(x² + b) for the schedule's k, its levels down; x and w at one level.

    squares: takes x² (a copy) as it is met on the way, if given.
    """
    evaluator = context.evaluator
    keys = context.relinearisation_keys("a product of ciphertexts")
    product = square_plus(context, x, keys, 0.0, rescale=schedule.levels == 2)
    if squares is not None:
        squares.append(at_level(context, product, context.level_of(product)))
    add_constant(context, product, b)
    factor = seal.Ciphertext()
    if schedule.levels == 1:
        factor = at_level(context, w, context.level_of(w))
    elif schedule.multiplier is None:
        evaluator.mod_switch_to_next(w, factor)
    else:
        multiplier = context.encode(float(schedule.multiplier), context.level_of(w), 1.0)
        evaluator.multiply_plain(w, multiplier, factor)
        evaluator.rescale_to_next_inplace(factor)
    factor.scale = schedule.factor
    evaluator.multiply_inplace(product, factor)
    # before the last rescale: in the other order key-switching noise is not divided away (1000 times the error)
    evaluator.relinearize_inplace(product, keys)
    evaluator.rescale_to_next_inplace(product)
    if schedule.k < 0:
        evaluator.negate_inplace(product)
    return product


def add_constant(context: Context, ciphertext: Any, constant: float) -> None:
    """Add one number to every slot of a ciphertext of our own."""
    if constant:
        level = context.level_of(ciphertext)
        plaintext = context.encode(constant, level, ciphertext.scale)
        context.evaluator.add_plain_inplace(ciphertext, plaintext)


def times_plain(context: Context, ciphertext: Any, values: float | list[float], scale: float) -> Any:
    """ciphertext · values, one level down, exactly at `scale`.

    values: one number for every slot, or a list of slot values. A product that would be all zeros, which needs no key
    to read, is replaced by a fresh encryption of zero. Raises KeyMissing where that needs a key that is not there.
    """
    level = context.level_of(ciphertext)
    plain_scale = scale * context.primes[level] / ciphertext.scale
    require_digits(context, level, ciphertext.scale, plain_scale)
    plaintext = context.encode(values, level, plain_scale)
    if plaintext.is_zero():
        return context.encrypt_slots(0.0, level - 1, scale)
    product = seal.Ciphertext()
    context.evaluator.multiply_plain(ciphertext, plaintext, product)
    context.evaluator.rescale_to_next_inplace(product)
    product.scale = scale  # equal up to the rounding of two float operations
    return product


def sum_of(context: Context, left: Any | None, right: Any | None) -> Any | None:
    """left + right, where None stands for nothing; `left`, one of our own, takes the sum."""
    if left is None or right is None:
        return right if left is None else left
    context.evaluator.add_inplace(left, right)
    return left


@dataclass(frozen=True)
class Landing:
    """Where the product of a ciphertext with plaintext weights comes out: their scale, its level and its scale.

    A level down at the context's scale; or, where no level is left, not rescaled, if the first prime holds it.
    """

    plain_scale: float
    level: int
    scale: float

    @classmethod
    def of(cls, context: Context, level: int, scale: float) -> Landing:
        """For a ciphertext at a level and scale. Raises LevelExhausted."""
        if level == 0 and 4 * scale * context.scale <= context.modulus(0):
            return cls(context.scale, 0, scale * context.scale)
        context.require_levels("Linear", 1, level)
        plain_scale = context.scale * context.primes[level] / scale
        require_digits(context, level, scale, plain_scale)
        return cls(plain_scale, level - 1, context.scale)

    def rescale(self, context: Context, product: Any) -> None:
        """Bring a product of our own there."""
        if context.level_of(product) > self.level:
            context.evaluator.rescale_to_next_inplace(product)
        product.scale = self.scale


def weighted_sum(context: Context, ciphertexts: list[Any], weights: list[float], bias: float, landing: Landing) -> Any:
    """Σ wᵢ·cᵢ + bias in every slot, as the landing says; ciphertexts at one level and scale."""
    level, plain_scale = context.level_of(ciphertexts[0]), landing.plain_scale
    total, term = None, seal.Ciphertext()
    for ciphertext, weight in zip(ciphertexts, weights, strict=True):
        plaintext = context.encode(weight, level, plain_scale)
        if plaintext.is_zero():
            continue
        if total is None:
            total = seal.Ciphertext()
            context.evaluator.multiply_plain(ciphertext, plaintext, total)
        else:
            context.evaluator.multiply_plain(ciphertext, plaintext, term)
            context.evaluator.add_inplace(total, term)
    if total is None:
        total = context.encrypt_slots(0.0, landing.level, landing.scale)
    else:
        landing.rescale(context, total)
    add_constant(context, total, bias)
    return total


def require_clear(polynomial: Polynomial, context: Context, level: int, scale: float) -> float:
    """The scale of p(x) to come. Raises LevelExhausted, KeyMissing, and ScaleMismatch where noise drowns it.

    Six standard deviations may not exceed 2⁻⁷ of the largest value: what is silently off by a percent is worse than an
    error.
    """
    depth = polynomial.depth
    context.require_levels(f"a polynomial of degree {polynomial.degree}", depth, level)
    if depth:
        context.relinearisation_keys(f"a polynomial of degree {polynomial.degree}")
    ahead = outlook(polynomial, scale, context.noise, level)
    if 6 * ahead.noise.deviation > LARGEST_NOISE * largest_of(polynomial):
        raise mismatch(polynomial, scale, context.primes[level])
    return ahead.scale
