"""How far inputs may reach before a polynomial's values leave the modulus."""

from __future__ import annotations

from math import copysign, exp, inf, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.approx import Polynomial

_WEIGHTLESS = 1e-17
"""A term that small beside the others changes nothing in float64."""

_LARGEST_EXPONENT = 700.0


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

    polynomial: p.
    limit: above 0.

    For a domain that does not hold 0 inside: for all x from the domain outwards, away from 0, to |x| = r.

    >>> round(radius_within(Polynomial((0.0, 0.0, 1.0), domain=(-1, 1)), 9.0), 9)
    3.0
    """
    low, high = polynomial.domain
    start = 0.0 if low <= 0 <= high else min(low, high, key=abs)
    sides = [side for side, edge in ((-1.0, low), (1.0, high)) if edge * side > 0]
    if abs(float(polynomial(start))) > limit:
        return 0.0
    crossings = []
    for target in (limit, -limit):
        roots = _roots(polynomial, target)
        real = [root.real for root in map(complex, roots) if abs(root.imag) <= 1e-7 * max(1.0, abs(root))]
        crossings += [abs(root) for root in real for side in sides if root * side >= abs(start)]
    return float(min(crossings, default=inf))
