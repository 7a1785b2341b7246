"""Changes of basis, in exact arithmetic so that every coefficient is rounded only once.

The monomials are a badly conditioned basis: converting degree 63 in floats loses all digits, where exact fractions
give the nearest coefficients that there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from fhenn.errors import ParameterError

Interval = tuple[float, float]


def _affine(source: Interval, target: Interval) -> tuple[Fraction, Fraction]:
    """a and b of x -> a + bx that takes the interval `source` to `target`."""
    low, high, left, right = map(Fraction, (*source, *target))
    slope = (right - left) / (high - low)
    return left - slope * low, slope


def _substitute(coefficients: Sequence[Fraction], shift: Fraction, slope: Fraction) -> list[Fraction]:
    """Coefficients of p(shift + slope·x) from those of p, monomials both, by Horner's rule."""
    result = [Fraction(0)]
    for c in reversed(coefficients):
        by_shift = [shift * r for r in result] + [Fraction(0)]
        by_slope = [Fraction(0)] + [slope * r for r in result]
        result = [a + b for a, b in zip(by_shift, by_slope, strict=True)]
        result[0] += c
    return result[: len(coefficients)]


def _to_floats(coefficients: Sequence[Fraction]) -> tuple[float, ...]:
    """The nearest floats. Raises ParameterError where one is too large for a float."""
    try:
        return tuple(map(float, coefficients))
    except OverflowError as error:
        raise ParameterError(
            "a coefficient is too large for a float.", "Use a wider domain or a lower degree."
        ) from error


def compose(coefficients: Sequence[float], source: Interval, target: Interval) -> tuple[float, ...]:
    """Monomial coefficients of p(m(x)), m the affine map that takes the interval `source` to `target`.

    coefficients: of p, from the constant up.
    source: the interval (low, high) of x.
    target: the interval that m takes it to.

    Returns as many coefficients as p has.
    Raises ParameterError where a coefficient is too large for a float.

    >>> compose([0, 0, 1], (0, 1), (1, 3))
    (1.0, 4.0, 4.0)
    """
    return _to_floats(_substitute(list(map(Fraction, coefficients)), *_affine(source, target)))


def chebyshev_to_monomial(coefficients: Sequence[float], domain: Interval) -> tuple[float, ...]:
    """Coefficients in powers of x of a polynomial that is given in the Chebyshev basis of `domain`.

    coefficients: those of T_k(t), from the constant up; t is the affine map of `domain` to [-1, 1].
    domain: the interval (low, high).

    Returns as many coefficients, each rounded once.
    Raises ParameterError where a coefficient is too large for a float.

    >>> chebyshev_to_monomial([0, 0, 1], (-2, 2))
    (-1.0, 0.0, 0.5)
    """
    return _to_floats(_substitute(_powers(coefficients), *_affine(domain, (-1.0, 1.0))))


def monomial_to_chebyshev(coefficients: Sequence[float], domain: Interval) -> tuple[float, ...]:
    """Coefficients in the Chebyshev basis of `domain` of a polynomial that is given in powers of x.

    coefficients: of the powers of x, from the constant up.
    domain: the interval (low, high).

    Returns as many coefficients of T_k(t), each rounded once; t is the affine map of `domain` to [-1, 1].
    Raises ParameterError where a coefficient is too large for a float.

    >>> monomial_to_chebyshev([-1, 0, 0.5], (-2, 2))
    (0.0, 0.0, 1.0)
    """
    return _to_floats(_series(_substitute(list(map(Fraction, coefficients)), *_affine((-1.0, 1.0), domain))))


def interpolate(value: Callable[[Any], Any], degree: int, domain: Interval) -> NDArray[np.float64]:
    """The polynomial that equals `value` at the zeros of T_(degree + 1) on `domain`.

    value: a function of an array of points, which returns an array of the same shape.
    degree: of the polynomial, 0 or more.
    domain: the interval (low, high).

    Returns the degree + 1 coefficients of T_k(t); t is the affine map of `domain` to [-1, 1].

    >>> interpolate(lambda x: x * x + x, 2, (-2, 2)).round(12).tolist()
    [2.0, 2.0, 2.0]
    """
    middle, half = domain[0] / 2 + domain[1] / 2, domain[1] / 2 - domain[0] / 2

    def value_of_t(t: Any) -> Any:
        return value(middle + half * t)

    return np.asarray(chebyshev.chebinterpolate(value_of_t, degree), np.float64)


def _powers(coefficients: Sequence[float]) -> list[Fraction]:
    """Coefficients in powers of t from those of T_k(t), by T_k = 2t·T_(k-1) - T_(k-2)."""
    powers = [Fraction(0)] * len(coefficients)
    before, current = [0, 1], [1]  # T₋₁ = T₁
    for c in coefficients:
        for exponent, integer in enumerate(current):
            powers[exponent] += Fraction(c) * integer
        doubled = [0, *(2 * integer for integer in current)]
        before, current = current, [a - b for a, b in zip_longest(doubled, before, fillvalue=0)][: len(doubled)]
    return powers


def _series(powers: Sequence[Fraction]) -> list[Fraction]:
    """Coefficients of T_k(t) from those in powers of t, by Horner's rule and t·T_k = (T_(k+1) + T_|k-1|)/2."""
    result = [Fraction(0)] * (len(powers) + 1)
    for c in reversed(powers):
        product = [Fraction(0)] * len(result)
        for k, r in enumerate(result[:-1]):
            if r:
                product[k + 1] += r / 2
                product[abs(k - 1)] += r / 2
        product[0] += c
        result = product
    return result[: len(powers)]
