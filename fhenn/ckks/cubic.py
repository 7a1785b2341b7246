"""k·w·(x² + b) + c on ciphertexts: the scales on the way, and the circuit.

Every cubic a₃x³ + a₁x + a₀ is of that form with w = x, k = a₃, b = a₁/a₃, c = a₀, and so is its derivative times a
gradient g (w = g, k = 3a₃, b = a₁/3a₃, c = 0). It takes one square, one product
and no plaintext product: reading w at scale s/|k| *is* |k|·w, and rescaling noise only ever meets the small k·w.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, inf, log2, prod
from typing import TYPE_CHECKING, Any, TypeVar

from fhenn.approx import Polynomial
from fhenn.approx.forms import Factored, form_of
from fhenn.ckks.limits import LARGEST_NOISE
from fhenn.errors import ScaleMismatch

if TYPE_CHECKING:
    from fhenn.ckks.operations import Operations

V = TypeVar("V")

_ROOM = 2.0
"""The result's scale leaves room for values of at least this size: σ's cubic stays below 1.04 on its domain."""

WIDE = 1.45
"""A prime of that many times the bits of the scale takes the place of two."""


@dataclass(frozen=True)
class CubicForm:
    """A cubic as k·x·(x² + b) + c.

    k: the leading coefficient.
    b: what x² is shifted by.
    c: the constant.
    """

    k: float
    b: float
    c: float

    @classmethod
    def of(cls, polynomial: Polynomial) -> CubicForm | None:
        """The form of an odd polynomial of degree 3, or of one and a constant; None for another polynomial."""
        form = form_of(polynomial)
        if not isinstance(form, Factored) or form.line is None or form.quads or not form.odd or form.middle:
            return None
        return cls(k=form.k / form.half**3, b=-form.line * form.half**2, c=form.offset)


def quadratic_form(polynomial: Polynomial) -> tuple[float, float] | None:
    """(k, b) with p(x) = k·(x² + b), None for another form."""
    if polynomial.degree != 2:
        return None
    powers = polynomial.to_monomial()
    if powers.coefficient(1):
        return None
    return powers.coefficient(2), powers.coefficient(0) / powers.coefficient(2)


@dataclass(frozen=True)
class CubicSchedule:
    """Exact scales of k·w·(x² + b) + c, with x and w at one level.

    Two primes are divided by, after x² and after the product. Where the next prime is wide, it alone is, after the
    product: with a prime less in the chain every key switch is cheaper, and x² is not rounded.

    k: the constant.
    levels: primes that are divided by, 1 or 2.
    square: scale of x² where b is added.
    factor: scale at which w is read, k included.
    multiplier: None where k costs nothing (it is read off the scale); otherwise the integer that w is multiplied by,
    before a rescale of its own, so that the result's scale stays under the modulus.
    result: scale of the result.
    at_result: half the modulus at the result's level, which no value times its scale may exceed.
    """

    k: float
    levels: int
    square: float
    factor: float
    multiplier: int | None
    result: float
    at_result: float

    @classmethod
    def choose(cls, k: float, scales: tuple[float, float], moduli: Sequence[float], ring_degree: int) -> CubicSchedule:
        """The schedule for a constant and inputs x and w.

        k: the constant.
        scales: of x and w.
        moduli: the primes under x, first prime first.
        ring_degree: N.

        Raises ScaleMismatch where no choice leaves room for results of size 2 above the noise. A rescale rounds every
        coefficient, which moves a slot by a standard deviation of N/6 in units of 1/scale for a ternary secret;
        N/scale, six of them, stands for the largest.
        """
        scale_x, scale_w = scales
        if needed_levels(scale_x, moduli) == 1:
            return cls._for_wide_prime(k, scales, moduli, ring_degree)
        second, first = moduli[-2:]
        at_result = float(prod(moduli[:-2])) / 2
        square = scale_x * scale_x / first
        factor, multiplier = scale_w / abs(k), None
        largest_factor = at_result / _ROOM * second / square
        if factor > largest_factor:
            # the free constant would push the scale past the modulus: shrink w by a rescale instead
            multiplier = max(floor(largest_factor * abs(k) * first / scale_w), 1)
            factor = scale_w * multiplier / abs(k) / first
        result = square * factor / second
        noise = inf
        if min(result, square, factor) > 0:  # what underflows is nothing but noise
            noise = ring_degree * (1 / result + 4 * abs(k) / square + (64 / factor if multiplier else 0))
        if noise > LARGEST_NOISE or result * _ROOM > at_result * (1 + 1e-9):
            suggestion = "Use a scale close to the primes in the middle of the chain, and a larger first prime."
            raise ScaleMismatch(scale_x, int(first), suggestion)
        return cls(k, 2, square, factor, multiplier, result, at_result)

    @classmethod
    def _for_wide_prime(
        cls, k: float, scales: tuple[float, float], moduli: Sequence[float], ring_degree: int
    ) -> CubicSchedule:
        """The schedule on one wide prime. Raises ScaleMismatch."""
        square, factor, wide = scales[0] ** 2, scales[1] / abs(k), moduli[-1]
        result, at_result = square * factor / wide, float(prod(moduli[:-1])) / 2
        if result * _ROOM > at_result or ring_degree > LARGEST_NOISE * result:
            raise ScaleMismatch(
                scales[0], int(wide), "Use a wide prime of twice the scale's bits, and a larger first prime."
            )
        return cls(k, 1, square, factor, None, result, at_result)


def needed_levels(scale: float, moduli: Sequence[float]) -> int:
    """Levels that a cubic consumes: 1 where the next prime is wide for the scale, 2 otherwise.

    scale: of x.
    moduli: the primes under x, first prime first.
    """
    return 1 if len(moduli) >= 2 and log2(moduli[-1]) >= WIDE * log2(scale) else 2


def product(
    on: Operations[V, Any], x: V, w: V, k: float, b: float, c: float = 0.0, squares: list[V] | None = None
) -> V:
    """k·w·(x² + b) + c, with 2 products and relinearisations, and a rescale for each level.

    on: the arithmetic.
    x, w: ciphertexts at one level; they may be the same.
    k, b, c: the constants.
    squares: a list that x² is appended to, as it is met on the way; None for none.

    Raises ScaleMismatch, KeyMissing.
    """
    level = on.level(x)
    moduli = on.primes[: level + 1]
    schedule = CubicSchedule.choose(k, (on.scale(x), on.scale(w)), moduli, on.ring_degree)
    # relinearised before each rescale: the other order is a tenth faster, and its key-switching noise is not divided
    # away (ten times the error after the square, a thousand times after the product)
    square = on.multiply_and_relinearise(x, x)
    if squares is None and schedule.levels == 2:
        square = on.rescale_and_add(square, b)
    else:
        square = on.rescale(square) if schedule.levels == 2 else square
        if squares is not None:
            squares.append(square)
        square = on.plus(square, b) if b else square
    if schedule.levels == 1:
        factor = w
    elif schedule.multiplier is None:
        factor = on.drop(w, level - 1)
    else:
        factor = on.rescale(on.times(w, on.plaintext(1.0, level, float(schedule.multiplier))))
    result = on.multiply_and_relinearise(square, on.read(factor, schedule.factor))
    return on.rescale_and_add(result, c, negative=k < 0)
