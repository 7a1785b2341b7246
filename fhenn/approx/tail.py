"""Fits that stay safe beyond their domain.

A minimax polynomial leaves the range of its function right past its domain: the sigmoid's falls through 0.5, and a
confident prediction flips class. Here the error on the domain is the smallest under conditions on the tails, a linear
program with infinitely many constraints; solved on points, to which the places where the solution violates most are
added until there are none (Remez's idea; Hettich & Kortanek 1993, "Semi-infinite programming", SIAM Review 35).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev as cheb

from fhenn.approx.extrema import Array, local_maxima, points
from fhenn.approx.fits import Domain, Indices, assemble, checked_degree, exponents, reduced, refuse_jumps, symmetric
from fhenn.approx.function import Function
from fhenn.approx.polynomial import Polynomial, checked_domain, interval_image
from fhenn.errors import ExtraMissing, ParameterError

_ROUNDS = 40
_VIOLATION = 1e-9
"""What the linear program may violate its constraints by."""

_SPARE = (1e-8, 1e-7, 1e-6, 1e-5)
"""By how much it is given stricter tails than asked, for that violation and the rounding of coefficients; in turn."""

_EASIER = "Use another degree, or a reach closer to the domain."


@dataclass(frozen=True)
class _Constraint:
    """matrix(x)·c - slack·e <= bound(x) for every x of [low, high]; c the coefficients, e the error."""

    low: float
    high: float
    matrix: Callable[[Array], Array]
    bound: Callable[[Array], Array]
    slack: float = 0.0

    def violation(self, solution: Array) -> Callable[[Array], Array]:
        return lambda x: self.matrix(x) @ solution[:-1] - self.slack * solution[-1] - self.bound(x)

    def rounding(self, solution: Array) -> float:
        """What float64 may err by in a violation: T_k grows fast beyond the domain, and its sums cancel there."""
        return 1e-15 * float((np.abs(self.matrix(np.array([self.low, self.high]))) @ np.abs(solution[:-1])).max())


def tail_safe(
    function: Function, degree: int, domain: Domain, reach: Domain, margin: float = 0.05, *, slope: float = 2.0
) -> Polynomial:
    """The polynomial closest to `function` on `domain` that stays on the right side out to `reach`.

    domain, reach: closed intervals, reach around domain around 0; the tails are what lies between them.
    For an odd function plus a constant, as the sigmoid (0.5) and tanh (0): on the tails the value keeps to the side of
    that constant that the function is on, by `margin` at least. For ReLU, SiLU, GELU and softplus: it is at least
    `margin` on the right tail and at least -`margin` on the left, with a derivative within ±`slope` on both.
    Verified at located extrema. The side says nothing of the size: high degrees grow large on the tails.
    Needs the extra "fit" (SciPy). Raises ExtraMissing; ParameterError for what `minimax` refuses, for intervals that do
    not nest, a margin that the function itself does not keep, a slope below 1.2 or another kind of function, and where
    the tails magnify rounding so much that nothing can be promised.

    >>> from fhenn.approx import SIGMOID
    >>> p = tail_safe(SIGMOID, 7, (-4, 4), (-8, 8))
    >>> round(p.sup_error(), 4), float(p(7.9)) > 0.55
    (0.0041, True)
    """
    degree, domain, reach = checked_degree(degree), checked_domain(domain), checked_domain(reach)
    refuse_jumps(function, domain)
    _check(function, domain, reach, margin, slope)
    program = _linear_program()
    for spare in _SPARE:
        ks, constraints = _constraints(function, degree, domain, reach, margin=margin, slope=slope, spare=spare)
        solution = _solve(program, constraints, ks, degree)
        if _halved(function, domain, reach):
            fitted = assemble(function, domain, ks, solution[:-1], degree)
        else:
            fitted = Polynomial(tuple(solution[:-1]), domain, "chebyshev", function)
        if is_tail_safe(fitted, reach, margin, slope=slope):
            return fitted
    raise ParameterError("the tails magnify the rounding of coefficients too much.", _EASIER)


def is_tail_safe(polynomial: Polynomial, reach: Domain, margin: float = 0.05, *, slope: float = 2.0) -> bool:
    """Whether `polynomial` keeps what `tail_safe` promises between its domain and `reach`; extrema are located."""
    function = polynomial.function
    if function is None:
        raise ParameterError(
            f"{polynomial!r} stands for no function.", "Give function=, as in Polynomial(..., function=f)."
        )
    (low, high), (left, right) = polynomial.domain, reach
    if function.symmetry == "odd":
        rising, level = _rising(function), function.centre
        above = interval_image(polynomial, high, right) if high < right else ()
        below = interval_image(polynomial, left, low) if left < low else ()
        return all(rising * (value - level) >= margin for value in above) and all(
            rising * (level - value) >= margin for value in below
        )
    slopes = polynomial.derivative()
    for a, b, floor in ((left, low, -margin), (high, right, margin)):
        if a < b and (
            interval_image(polynomial, a, b)[0] < floor or max(map(abs, interval_image(slopes, a, b))) > slope
        ):
            return False
    return True


def _linear_program() -> Any:
    try:
        from scipy.optimize import linprog
    except ImportError as error:
        raise ExtraMissing("fit", "scipy") from error
    return linprog


def _rising(function: Function) -> float:
    """1 for an odd function that is positive (less its centre) on the right, else -1."""
    return float(np.sign(function.value(1.0) - function.centre))


def _halved(function: Function, domain: Domain, reach: Domain) -> bool:
    return symmetric(function, domain) and symmetric(function, reach)


def _check(function: Function, domain: Domain, reach: Domain, margin: float, slope: float) -> None:
    (low, high), (left, right) = domain, reach
    if not (left <= low < 0 < high <= right) or domain == reach:
        raise ParameterError(
            f"reach ({left:g}, {right:g}) does not go around the domain ({low:g}, {high:g}), and that around 0.",
            "Give (-a, a) and (-b, b) with b > a > 0.",
        )
    if not (function.symmetry == "odd" or (function.symmetry == "even" and function.tilt)):
        raise ParameterError(f"{function.name} has no side to keep.", "Use minimax, on a domain as wide as the reach.")
    ends = np.array([low, high])
    most = float(
        np.abs(function.value(ends) - function.centre).min() if function.symmetry == "odd" else function.value(high)
    )
    if not 0 <= margin <= most:
        raise ParameterError(
            f"margin {margin!r} is out of range.", f"Give one from 0 to {most:.4g}, what {function.name} itself keeps."
        )
    if not (isfinite(slope) and slope >= 1.2):
        raise ParameterError(f"slope {slope!r} is out of range.", "Give at least 1.2: GELU itself reaches 1.13.")


def _constraints(
    function: Function, degree: int, domain: Domain, reach: Domain, *, margin: float, slope: float, spare: float
) -> tuple[Indices, list[_Constraint]]:
    """The k of the T_k on `domain` that the fit combines, and what binds their coefficients."""
    (low, high), (left, right) = domain, reach
    middle, half = low / 2 + high / 2, high / 2 - low / 2
    halved, odd = _halved(function, domain, reach), function.symmetry == "odd"
    ks = exponents(function, degree, domain) if halved else np.arange(degree + 1)
    tilt = function.tilt if halved else 0.0
    offset = function.centre if halved and odd else 0.0
    target = reduced(function, domain) if halved else function.value
    unit = np.eye(degree + 1)[:, ks]
    derived = cheb.chebder(unit, axis=0) / half

    def value(x: Array) -> Array:
        return np.asarray(cheb.chebvander((x - middle) / half, degree) @ unit)

    def steep(x: Array) -> Array:
        return np.asarray(cheb.chebvander((x - middle) / half, degree - 1) @ derived)

    def at_least(a: float, b: float, floor: float) -> _Constraint:
        return _Constraint(a, b, lambda x: -value(x), lambda x: tilt * x + offset - floor)

    def at_most(a: float, b: float, ceiling: float) -> _Constraint:
        return _Constraint(a, b, value, lambda x: ceiling - tilt * x - offset)

    start = 0.0 if halved else low
    found = [
        _Constraint(start, high, value, target, slack=1.0),
        _Constraint(start, high, lambda x: -value(x), lambda x: -target(x), slack=1.0),
    ]
    if odd:
        level, keep = function.centre, margin + spare
        upper, lower = ((high, right), (left, low))[:: int(_rising(function))]
        found += [at_least(*upper, level + keep), at_most(*lower, level - keep)]
        if halved:  # by symmetry each of the two says the same
            found.pop()
    else:
        found += [at_least(high, right, margin + spare), at_least(left, low, spare - margin)]
        for a, b in ((left, low), (high, right)):
            found.append(_Constraint(a, b, steep, lambda x: np.full_like(x, slope - spare - tilt)))
            found.append(_Constraint(a, b, lambda x: -steep(x), lambda x: np.full_like(x, slope - spare + tilt)))
    return ks, [constraint for constraint in found if constraint.low < constraint.high]


def _solve(program: Any, constraints: list[_Constraint], ks: Indices, degree: int) -> Array:
    """Coefficients and error, the smallest that violates no constraint by more than 1e-9 and rounding."""
    fine = [points(c.low, c.high, degree) for c in constraints]
    taken = [at[:: max(1, at.size // (8 * (degree + 2)))] for at in fine]
    aim = np.zeros(ks.size + 1)
    aim[-1] = 1.0
    options = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    for _ in range(_ROUNDS):
        rows = [
            np.column_stack([c.matrix(x), np.full(x.size, -c.slack)]) for c, x in zip(constraints, taken, strict=True)
        ]
        bounds = [c.bound(x) for c, x in zip(constraints, taken, strict=True)]
        system, right = np.concatenate(rows), np.concatenate(bounds)
        size = np.abs(system).max(axis=1)  # T_k grows fast beyond the domain
        result = program(
            aim, system / size[:, None], right / size, bounds=(None, None), method="highs", options=options
        )
        if result.x is None:
            raise ParameterError(f"the linear program fails: {result.message}", _EASIER)
        binding = np.split(result.ineqlin.marginals < 0, np.cumsum([b.size for b in bounds])[:-1])
        solution = _polish(constraints, fine, [x[tight] for x, tight in zip(taken, binding, strict=True)], result.x)
        extrema = [local_maxima(c.violation(solution), at) for c, at in zip(constraints, fine, strict=True)]
        # the program on points bounds the error from below
        optimal = solution[-1] <= result.x[-1] * (1 + 1e-3) + _VIOLATION
        if optimal and all(
            sizes.max() <= _VIOLATION + c.rounding(solution) for c, (_, sizes) in zip(constraints, extrema, strict=True)
        ):
            return solution
        taken = [np.union1d(x, places[sizes > -1e-6]) for x, (places, sizes) in zip(taken, extrema, strict=True)]
    raise ParameterError("the linear program does not settle.", _EASIER)


def _polish(constraints: list[_Constraint], fine: list[Array], active: list[Array], solution: Array) -> Array:
    """`solution` to the precision of float64: what binds there, solved as equations at located extrema.

    A linear program's solver stops at 1e-10 or so, by a path that differs between versions; this makes the digits
    reproducible. Where the binding extrema are not as many as the unknowns, `solution` stays as it is.
    """
    current = solution
    for _ in range(6):
        rows, bounds = [], []
        for constraint, at, tight in zip(constraints, fine, active, strict=True):
            if not tight.size:
                continue
            places, _ = local_maxima(constraint.violation(current), at)
            nearest = np.unique([np.abs(places - x).argmin() for x in tight])
            x = places[nearest]
            rows.append(np.column_stack([constraint.matrix(x), np.full(x.size, -constraint.slack)]))
            bounds.append(constraint.bound(x))
        system, right = np.concatenate(rows), np.concatenate(bounds)
        if system.shape[0] != current.size:
            return solution
        size = np.abs(system).max(axis=1)
        try:
            current = np.linalg.solve(system / size[:, None], right / size)
        except np.linalg.LinAlgError:
            return solution
    return current
