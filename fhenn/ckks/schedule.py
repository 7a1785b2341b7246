"""The scales on the way through k·w·(x² + b) + c, and what fits under the modulus meanwhile. Arithmetic only.

Every cubic a₃x³ + a₁x + a₀ is of that form with w = x, k = a₃, b = a₁/a₃, c = a₀, and so is its derivative times a
gradient g (w = g, k = 3a₃, b = a₁/3a₃, c = 0). It takes one square, one product
and no plaintext product: reading w at scale s/|k| *is* |k|·w, and rescaling noise only ever meets the small k·w.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import copysign, exp, floor, inf, log, log2, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.approx import Polynomial
from fhenn.approx.forms import Factored, form_of
from fhenn.errors import ScaleMismatch

_ROOM = 2.0
"""The result's scale leaves room for values of at least this size: σ's cubic stays below 1.04 on its domain."""

WIDE = 1.45
"""A prime of that many times the bits of the scale takes the place of two."""

LARGEST_NOISE = 2.0**-7
"""A schedule that expects more noise than this at its result, for inputs of order 4, is refused: a result that is
silently off by a percent is worse than an error."""

LEAST_PLAIN_SCALE = 2.0**14
"""A vector of slots is rounded by 18 units in a slot at N=8192: at this scale by a thousandth."""

_WEIGHTLESS = 1e-17
"""A term that small beside the others is none in float64."""

_LARGEST_EXPONENT = 700.0


@dataclass(frozen=True)
class CubicForm:
    """A cubic as k·x·(x² + b) + c."""

    k: float
    b: float
    c: float

    @classmethod
    def of(cls, polynomial: Polynomial) -> CubicForm | None:
        """The form of an odd polynomial of degree 3 and a constant, None for another one."""
        form = form_of(polynomial)
        if not isinstance(form, Factored) or form.line is None or form.quads or not form.odd or form.middle:
            return None
        return cls(k=form.k / form.half**3, b=-form.line * form.half**2, c=form.offset)


def shares_square(domain: tuple[float, float], polynomial: Polynomial) -> bool:
    """Whether the circuit of a polynomial makes t², for t = (x - middle)/half of a domain, on its way."""
    if polynomial.domain != domain:
        return False
    return polynomial.depth > 0 and (CubicForm.of(polynomial) is None or domain[0] == -domain[1])


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

    k: the constant. levels: primes divided by, 1 or 2. square: scale of x² where b is added. factor: scale at which w
    is read, k included. multiplier: None where k is free (read off the scale); otherwise the integer that w is
    multiplied by, before a rescale of its own, so that the result's scale stays under the modulus. result: scale of the
    result. at_result: half the modulus at the result's level, which no value times its scale may exceed.
    """

    k: float
    levels: int
    square: float
    factor: float
    multiplier: int | None
    result: float
    at_result: float

    @classmethod
    def choose(cls, k: float, scales: tuple[float, float], moduli: Sequence[int], ring_degree: int) -> CubicSchedule:
        """The schedule for constant `k` and inputs x and w at the given scales.

        moduli: the primes under x, first prime first. Raises ScaleMismatch where no choice leaves room for results of
        size 2 above the noise. A rescale rounds every coefficient, which moves a slot by a standard deviation of N/6
        in units of 1/scale for a ternary secret; N/scale, six of them, stands for the largest.
        """
        scale_x, scale_w = scales
        if needed_levels(scale_x, moduli) == 1:
            return cls._merged(k, scales, moduli, ring_degree)
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
        noise = ring_degree * (1 / result + 4 * abs(k) / square + (64 / factor if multiplier else 0))
        if noise > LARGEST_NOISE or result * _ROOM > at_result * (1 + 1e-9):
            suggestion = "Use a scale close to the primes in the middle of the chain, and a larger first prime."
            raise ScaleMismatch(scale_x, first, suggestion)
        return cls(k, 2, square, factor, multiplier, result, at_result)

    @classmethod
    def _merged(cls, k: float, scales: tuple[float, float], moduli: Sequence[int], ring_degree: int) -> CubicSchedule:
        """The schedule on one wide prime. Raises ScaleMismatch."""
        square, factor, wide = scales[0] ** 2, scales[1] / abs(k), moduli[-1]
        result, at_result = square * factor / wide, float(prod(moduli[:-1])) / 2
        if result * _ROOM > at_result or ring_degree / result > LARGEST_NOISE:
            raise ScaleMismatch(
                scales[0], wide, "Use a wide prime of twice the scale's bits, and a larger first prime."
            )
        return cls(k, 1, square, factor, None, result, at_result)

    def headroom(self, polynomial: Polynomial) -> float:
        """The largest |x| for which p(x) lies within the modulus that is left.

        Sums, products and rescales are exact modulo the modulus (a rescale turns a multiple of Q into one of Q/q), so
        only the result must lie within it. A vector of slots of largest magnitude v has coefficients of at most v: the
        bound is safe for every vector, and sharp for one whose slots are all alike.
        """
        return radius_within(polynomial, self.at_result / self.result)


def needed_levels(scale: float, moduli: Sequence[int]) -> int:
    """Primes that a cubic divides by: 1 where the next one is wide for the scale, 2 otherwise."""
    return 1 if len(moduli) >= 2 and log2(moduli[-1]) >= WIDE * log2(scale) else 2


def _roots(polynomial: Polynomial, target: float) -> NDArray[Any]:
    """Where p(x) = target, the nearest to 0 at least.

    On a domain around 0, powers do up to degree 3, and are ten times as fast: a plan asks a thousand times. In units of
    about the nearest root, so that terms without weight there cannot spoil the others.
    """
    if polynomial.degree > 3 or polynomial.domain[0] != -polynomial.domain[1]:
        found: NDArray[Any] = (polynomial.to_numpy() - target).roots()
        return found
    constant, *others = polynomial.to_monomial().coefficients
    rest = constant - target
    if rest == 0 or not any(others):
        return np.zeros(int(rest == 0))
    # in logarithms: a coefficient next to nothing would be divided by
    sizes = [(log(abs(rest)) - log(abs(each))) / power for power, each in enumerate(others, 1) if each]
    nearest = min(sizes)
    scaled = [
        copysign(exp(log(abs(each)) + power * nearest - log(abs(rest))), each) if each else 0.0
        for power, each in enumerate(others, 1)
    ]
    while abs(scaled[-1]) < _WEIGHTLESS:
        scaled.pop()
    few: NDArray[Any] = np.roots([*scaled[::-1], copysign(1.0, rest)]) * exp(min(nearest, _LARGEST_EXPONENT))
    return few


def radius_within(polynomial: Polynomial, limit: float) -> float:
    """The largest r such that |p(x)| <= limit for all |x| <= r; 0 where p(0) is beyond already.

    For a domain that does not hold 0: for all x from the domain outwards, away from 0, to |x| = r.

    >>> round(radius_within(Polynomial((0.0, 0.0, 1.0), domain=(-1, 1)), 9.0), 9)
    3.0
    """
    low, high = polynomial.domain
    start = 0.0 if low <= 0 <= high else min(low, high, key=abs)
    if abs(float(polynomial(start))) > limit:
        return 0.0
    crossings = []
    for target in (limit, -limit):
        roots = _roots(polynomial, target)
        real = [root.real for root in map(complex, roots) if abs(root.imag) <= 1e-7 * max(1.0, abs(root))]
        crossings += [abs(root) for root in real if start == 0 or root / start >= 1]
    return float(min(crossings, default=inf))
