"""Polynomials fitted to a function: minimax, least squares, interpolation at Chebyshev points.

All results are in the Chebyshev basis of their domain. On a domain that is symmetric about 0, the symmetry of the
function is used: the coefficients that it rules out are exactly 0. So the fit of even degree of an odd function is the
fit of one degree less.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from math import inf
from operator import index
from typing import Any, Literal

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from fhenn.approx.basis import interpolate
from fhenn.approx.extrema import Array, points
from fhenn.approx.forms import DUST
from fhenn.approx.function import Function
from fhenn.approx.numbers import round_up
from fhenn.approx.polynomial import Polynomial, require_domain
from fhenn.approx.remez import exchange
from fhenn.errors import AccuracyUnreached, ParameterError

Domain = tuple[float, float]
Indices = NDArray[np.integer[Any]]
Method = Literal["minimax", "least_squares", "chebyshev"]

MAX_DEGREE = 63
"""The largest degree: six levels."""


_WARPS = (0.0, 0.2, -0.3)
"""How unevenly the exchange starts. An even start fails where the function has a symmetry that nobody stated: equal and
alternating errors at points that mirror each other are then errors of 0."""


def require_degree(degree: int) -> int:
    """`degree` as an int. Raises ParameterError unless it is a whole number from 1 to MAX_DEGREE."""
    try:
        whole = index(degree)
    except TypeError:
        whole = 0
    if not 1 <= whole <= MAX_DEGREE:
        raise ParameterError(
            f"degree must be a whole number from 1 to {MAX_DEGREE}, not {degree!r}.", "Give for instance 7."
        )
    return whole


def symmetric(function: Function, domain: Domain) -> bool:
    """Whether `function` has a symmetry and `domain` is symmetric about 0, so that a fit can use it."""
    return function.symmetry != "none" and domain[0] == -domain[1]


def exponents(function: Function, degree: int, domain: Domain) -> Indices:
    """Which T_k a fit combines: those that the symmetry of `function` leaves, without a constant that is known."""
    if not symmetric(function, domain):
        return np.arange(degree + 1)
    return np.arange(1 if function.symmetry == "odd" else 0, degree + 1, 2)


def assemble(function: Function, domain: Domain, ks: Indices, values: Array, degree: int) -> Polynomial:
    """The polynomial on `domain` from the coefficients that were fitted, plus the tilt and the constant that were not.

    function: what the polynomial stands for.
    domain: the interval (low, high).
    ks: indices of the T_k that were fitted, of shape (n,).
    values: their coefficients, of shape (n,).
    degree: of the polynomial.
    """
    coefficients = np.zeros(degree + 1)
    coefficients[ks] = values
    if symmetric(function, domain):
        coefficients[1] += function.tilt * domain[1]
        if function.symmetry == "odd":
            coefficients[0] = function.centre
    # no float64 shows them on the domain, and no circuit evaluates them: beyond it they would grow in the twin alone
    coefficients[np.abs(coefficients) <= DUST * np.abs(coefficients).max()] = 0.0
    return Polynomial(tuple(coefficients), domain, "chebyshev", function)


def fit_target(function: Function, domain: Domain) -> Callable[[Array], Array]:
    """The part of `function` that is to be fitted: without the tilt and the constant, where symmetry gives them."""
    if not symmetric(function, domain):
        return function.value
    centre, tilt = function.centre if function.symmetry == "odd" else 0.0, function.tilt
    return lambda x: function.value(x) - tilt * x - centre


def chebyshev_matrix(ks: Indices, domain: Domain) -> Callable[[Array], Array]:
    """The function that takes points x of the domain, of shape (n,), to T_k(t(x)), of shape (n, number of ks)."""
    middle, half = domain[0] / 2 + domain[1] / 2, domain[1] / 2 - domain[0] / 2
    return lambda x: np.cos(np.arccos(np.clip((x - middle) / half, -1, 1))[:, None] * ks)


def refuse_jumps(function: Function, domain: Domain) -> None:
    """Raise ParameterError where `function` jumps inside `domain`, so that no polynomial is close to it."""
    for kink in function.kinks:
        left, right = np.nextafter(kink, -inf), np.nextafter(kink, inf)
        if domain[0] < kink < domain[1] and abs(float(function.value(right)) - float(function.value(left))) > 1e-9:
            raise ParameterError(
                f"{function.name} jumps at {kink:g}, inside the domain; no polynomial comes close to it there.",
                "Choose a domain without the jump; for the sign, use composite_sign.",
            )


def minimax(function: Function, degree: int, domain: Domain) -> Polynomial:
    """The polynomial of `degree` whose largest error on `domain` is the smallest.

    function: the function to approximate.
    degree: of the polynomial, 1 to 63.
    domain: the interval (low, high).

    Returns the polynomial in the Chebyshev basis of the domain. Its error alternates between equal extremes to 1e-10
    of their size, or to what float64 resolves.
    Raises ParameterError for a degree outside 1 to 63, an empty domain, a function that jumps inside the domain, as
    the sign at 0, and where the exchange does not converge.

    Source: the Remez exchange (`fhenn.approx.remez`).

    >>> from fhenn.approx import SIGMOID
    >>> print(minimax(SIGMOID, 3, (-5, 5)).to_monomial())
    0.5 + 0.197513x - 0.00426518x^3
    """
    degree, domain = require_degree(degree), require_domain(domain)
    refuse_jumps(function, domain)
    ks = exponents(function, degree, domain)
    low, end = domain[0], 1.0
    if symmetric(function, domain):  # on the right half, where only the extrema of even polynomials come to 0
        low, end = 0.0, ks.size / (2 * ks.size + (function.symmetry == "odd"))
    middle, half = domain[0] / 2 + domain[1] / 2, domain[1] / 2 - domain[0] / 2
    grid = points(low, domain[1], degree, function.kinks)
    target, basis = fit_target(function, domain), chebyshev_matrix(ks, domain)
    steps = np.linspace(0, end, ks.size + 1)
    for warp in _WARPS:
        turns = steps + warp * steps * (end - steps)
        reference = middle + half * np.cos(np.pi * turns)[::-1]
        try:
            values = exchange(target, basis, grid, np.clip(reference, low, domain[1]))
            break
        except ParameterError:
            if warp == _WARPS[-1]:
                raise
    return assemble(function, domain, ks, values, degree)


def least_squares(function: Function, degree: int, domain: Domain) -> Polynomial:
    """The polynomial of `degree` with the smallest integral of the squared error over `domain`.

    function: the function to approximate.
    degree: of the polynomial, 1 to 63.
    domain: the interval (low, high).

    Returns the polynomial in the Chebyshev basis of the domain.
    Raises ParameterError for a degree outside 1 to 63 or an empty domain.

    Source: projection onto the Legendre polynomials; the integrals by Gauss's rule of 16 points between close breaks.

    >>> from fhenn.approx import SIGMOID
    >>> print(least_squares(SIGMOID, 3, (-8, 8)).to_monomial())
    0.5 + 0.15012x - 0.00159302x^3
    """
    degree, domain = require_degree(degree), require_domain(domain)
    middle, half = domain[0] / 2 + domain[1] / 2, domain[1] / 2 - domain[0] / 2
    inside = [kink for kink in function.kinks if domain[0] < kink < domain[1]]
    breaks = np.union1d(points(*domain, degree)[::16], [*domain, *inside])
    nodes, weights = legendre.leggauss(16)
    width = np.diff(breaks) / 2
    x = (breaks[:-1, None] + width[:, None] * (1 + nodes)).ravel()
    summands = (width[:, None] * weights).ravel() / half * fit_target(function, domain)(x)
    ks = exponents(function, degree, domain)
    projections = (ks + 0.5) * (summands @ legendre.legvander((x - middle) / half, degree)[:, ks])
    series = np.zeros(degree + 1)
    series[ks] = projections
    values = interpolate(lambda t: legendre.legval(t, series), degree, (-1.0, 1.0))[ks]
    return assemble(function, domain, ks, values, degree)


def chebyshev(function: Function, degree: int, domain: Domain) -> Polynomial:
    """The polynomial of `degree` that equals the function at the degree + 1 zeros of T_(degree + 1) on `domain`.

    function: the function to approximate.
    degree: of the polynomial, 1 to 63.
    domain: the interval (low, high).

    Returns the polynomial in the Chebyshev basis of the domain. Its largest error is at most
    2 + (2/π)·log(degree + 1) times that of `minimax`.
    Raises ParameterError for a degree outside 1 to 63 or an empty domain.

    Source: Trefethen 2013, "Approximation Theory and Approximation Practice", theorem 15.2.

    >>> from fhenn.approx import SIGMOID
    >>> print(chebyshev(SIGMOID, 3, (-8, 8)))
    0.5 + 0.635597 T1(x/8) - 0.229513 T3(x/8)
    """
    degree, domain = require_degree(degree), require_domain(domain)
    ks = exponents(function, degree, domain)
    values = interpolate(fit_target(function, domain), degree, domain)[ks]
    return assemble(function, domain, ks, values, degree)


_METHODS: dict[str, Callable[[Function, int, Domain], Polynomial]] = {
    "minimax": minimax,
    "least_squares": least_squares,
    "chebyshev": chebyshev,
}


def fit(
    function: Function,
    *,
    domain: Domain,
    degree: int | None = None,
    accuracy: float | None = None,
    method: Method = "minimax",
) -> Polynomial:
    """The polynomial of a given degree, or of the smallest degree that reaches a given accuracy.

    function: the function to approximate.
    domain: the interval (low, high).
    degree: of the polynomial, 1 to 63.
    accuracy: the largest error allowed on the domain, in the place of `degree`.
    method: "minimax", "least_squares" or "chebyshev".

    Returns the polynomial in the Chebyshev basis of the domain.
    Raises ParameterError where both or neither of degree and accuracy are given, for an accuracy that is not positive,
    an unknown method, and where the method itself raises it; AccuracyUnreached where no degree to 63 is enough.

    >>> from fhenn.approx import SIGMOID
    >>> fit(SIGMOID, domain=(-8, 8), accuracy=0.02).degree
    7
    """
    domain, make = require_domain(domain), _METHODS.get(method)
    if make is None:
        raise ParameterError(
            f"method must be one of {', '.join(_METHODS)}, not {method!r}.", "For safe tails, call tail_safe."
        )
    if (degree is None) == (accuracy is None):
        given = "neither degree nor accuracy is given." if degree is None else "degree and accuracy are both given."
        raise ParameterError(given, "Give one of them: each alone decides how close the polynomial is.")
    if degree is not None:
        return make(function, degree, domain)
    if accuracy is None or not 0 < accuracy < inf:
        raise ParameterError(f"accuracy must be a positive finite number, not {accuracy!r}.", "Give for instance 1e-3.")

    @cache
    def attempt(candidate: int) -> tuple[float, Polynomial]:
        try:
            polynomial = make(function, candidate, domain)
        except ParameterError:  # the exchange does not converge at every degree, beside kinks
            polynomial = chebyshev(function, candidate, domain)
        return polynomial.sup_error(), polynomial

    degrees = _degrees(function, domain)
    if method == "minimax":  # more degree is never worse, so bisect
        place = bisect_left(degrees, True, key=lambda candidate: attempt(candidate)[0] <= accuracy)
    else:
        place = next((i for i, candidate in enumerate(degrees) if attempt(candidate)[0] <= accuracy), len(degrees))
    if place < len(degrees):
        return attempt(degrees[place])[1]
    tried = degrees[-1:] if method == "minimax" else degrees
    best, largest = min((attempt(candidate)[0], candidate) for candidate in tried)
    raise AccuracyUnreached(
        accuracy,
        best,
        largest,
        f"Ask for an accuracy of {round_up(best)} or more, or for a domain narrower than "
        f"({domain[0]:g}, {domain[1]:g}).",
    )


def _degrees(function: Function, domain: Domain) -> list[int]:
    """1 to MAX_DEGREE, without those that symmetry makes no better than the one before."""
    if not symmetric(function, domain):
        return list(range(1, MAX_DEGREE + 1))
    return list(range(1, MAX_DEGREE + 1, 2)) if function.symmetry == "odd" else [1, *range(2, MAX_DEGREE + 1, 2)]


@dataclass(frozen=True)
class Row:
    """One degree of an error table.

    degree: of the polynomial.
    depth: levels that it consumes.
    error: its largest error on the domain.
    polynomial: the polynomial itself.
    """

    degree: int
    depth: int
    error: float
    polynomial: Polynomial


def error_table(function: Function, domain: Domain, degrees: Iterable[int], method: Method = "minimax") -> list[Row]:
    """How close the polynomials of some degrees are, and how many levels they take.

    function: the function to approximate.
    domain: the interval (low, high).
    degrees: from 1 to 63, in the order of the rows.
    method: as for `fit`.

    Returns a row for each degree.
    Raises what `fit` does.

    >>> from fhenn.approx import SIGMOID
    >>> [(row.degree, row.depth, round(row.error, 3)) for row in error_table(SIGMOID, (-8, 8), (3, 7))]
    [(3, 2, 0.089), (7, 3, 0.019)]
    """
    fits = (fit(function, domain=domain, degree=degree, method=method) for degree in degrees)
    return [Row(p.degree, p.depth, p.sup_error(), p) for p in fits]
