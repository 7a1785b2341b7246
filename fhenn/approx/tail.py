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
from fhenn.approx.fits import Domain, Indices, assemble, exponents, fit_target, refuse_jumps, require_degree, symmetric
from fhenn.approx.function import Function
from fhenn.approx.polynomial import Polynomial, interval_image, require_domain
from fhenn.errors import ExtraMissing, ParameterError

_ROUNDS = 40
_VIOLATION = 1e-9
"""What the linear program may violate its constraints by."""

_SPARE = (1e-8, 1e-7, 1e-6, 1e-5)
"""By how much it is given stricter tails than asked, for that violation and the rounding of coefficients; in turn."""

_EASIER = "Use another degree, or a reach that goes less far beyond the domain."


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

    function: the sigmoid, tanh, ReLU, SiLU, GELU, softplus, or another with their kind of symmetry.
    degree: of the polynomial, 1 to 63.
    domain: the interval (low, high) on which the error is the smallest; 0 lies inside.
    reach: the wider interval; the tails are the parts of it outside `domain`.
    margin: for an odd function plus a constant, as the sigmoid (0.5) and tanh (0): on the tails the value keeps to the
    side of that constant that the function is on, by `margin` at least. For ReLU, SiLU, GELU and softplus: the value is
    at least `margin` on the right tail and at least -`margin` on the left one.
    slope: for ReLU, SiLU, GELU and softplus: the largest |derivative| on the tails, 1.2 or more.

    Returns the polynomial, for which this was checked at located extrema. Being on the right side does not bound the
    size: high degrees grow large on the tails. Needs the extra "fit" (SciPy).
    Raises ExtraMissing without SciPy; ParameterError as `minimax` does, for a reach that does not go around the domain,
    a margin that the function itself does not keep, a slope below 1.2, a function of another symmetry, and where the
    tails magnify rounding so much that nothing can be promised.

    >>> from fhenn.approx import SIGMOID
    >>> p = tail_safe(SIGMOID, 7, (-4, 4), (-8, 8))
    >>> round(p.sup_error(), 4), float(p(7.9)) > 0.55
    (0.0041, True)
    """
    degree, domain, reach = require_degree(degree), require_domain(domain), require_domain(reach)
    refuse_jumps(function, domain)
    _check(function, domain, reach, margin, slope)
    program = _linear_program()
    for spare in _SPARE:
        ks, constraints = _constraints(function, degree, domain, reach, margin=margin, slope=slope, spare=spare)
        solution = _solve(program, constraints, ks, degree)
        if _is_symmetric(function, domain, reach):
            fitted = assemble(function, domain, ks, solution[:-1], degree)
        else:
            fitted = Polynomial(tuple(solution[:-1]), domain, "chebyshev", function)
        if is_tail_safe(fitted, reach, margin, slope=slope):
            return fitted
    raise ParameterError("no tail-safe polynomial is found: the tails magnify rounding too much.", _EASIER)


def is_tail_safe(polynomial: Polynomial, reach: Domain, margin: float = 0.05, *, slope: float = 2.0) -> bool:
    """Whether a polynomial keeps what `tail_safe` promises, between its domain and `reach`.

    polynomial: with the function that it stands for.
    reach: the interval (low, high) around its domain.
    margin, slope: as for `tail_safe`.

    Raises ParameterError where the polynomial has no `function`.

    >>> from fhenn.approx import SIGMOID_CUBIC
    >>> is_tail_safe(SIGMOID_CUBIC, (-6, 6)), is_tail_safe(SIGMOID_CUBIC, (-8, 8))
    (True, False)
    """
    function = polynomial.function
    if function is None:
        raise ParameterError(
            f"{polynomial!r} has no function to compare it with.",
            "Give it one: Polynomial(..., function=fhenn.approx.SIGMOID).",
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


def _is_symmetric(function: Function, domain: Domain, reach: Domain) -> bool:
    """Whether the right half says all: the symmetry of the function holds on both intervals."""
    return symmetric(function, domain) and symmetric(function, reach)


def _check(function: Function, domain: Domain, reach: Domain, margin: float, slope: float) -> None:
    (low, high), (left, right) = domain, reach
    if not (left <= low < 0 < high <= right) or domain == reach:
        raise ParameterError(
            f"reach ({left:g}, {right:g}) must go around the domain ({low:g}, {high:g}), and the domain around 0.",
            "Give a domain (-a, a) and a reach (-b, b) with b > a > 0.",
        )
    rectifies = function.symmetry == "even" and function.tilt == 0.5 and float(function.value(high)) > 0
    if not (function.symmetry == "odd" or rectifies):
        raise ParameterError(
            f"tail_safe does not know which side {function.name} keeps on its tails: it is neither odd, but for a "
            "constant, nor x/2 plus an even function that is positive on the right.",
            "Use minimax, on a domain as wide as the reach.",
        )
    ends = np.array([low, high])
    most = float(
        np.abs(function.value(ends) - function.centre).min() if function.symmetry == "odd" else function.value(high)
    )
    if not 0 <= margin <= most:
        raise ParameterError(
            f"margin must be from 0 to {most:.4g}, which {function.name} itself keeps on the tails, not {margin!r}.",
            "Give a smaller margin, for instance 0.05." if margin > 0.05 <= most else "Give for instance 0.",
        )
    if not (isfinite(slope) and slope >= 1.2):
        raise ParameterError(
            f"slope must be a finite number from 1.2 on, not {slope!r}.",
            "Give for instance 2; GELU itself reaches 1.13.",
        )


def _constraints(
    function: Function, degree: int, domain: Domain, reach: Domain, *, margin: float, slope: float, spare: float
) -> tuple[Indices, list[_Constraint]]:
    """The k of the T_k on `domain` that the fit combines, and what binds their coefficients."""
    (low, high), (left, right) = domain, reach
    middle, half = low / 2 + high / 2, high / 2 - low / 2
    half_says_all, odd = _is_symmetric(function, domain, reach), function.symmetry == "odd"
    ks = exponents(function, degree, domain) if half_says_all else np.arange(degree + 1)
    tilt = function.tilt if half_says_all else 0.0
    offset = function.centre if half_says_all and odd else 0.0
    target = fit_target(function, domain) if half_says_all else function.value
    unit = np.eye(degree + 1)[:, ks]
    derivative = cheb.chebder(unit, axis=0) / half

    def value(x: Array) -> Array:
        return np.asarray(cheb.chebvander((x - middle) / half, degree) @ unit)

    def steepness(x: Array) -> Array:
        return np.asarray(cheb.chebvander((x - middle) / half, degree - 1) @ derivative)

    def at_least(a: float, b: float, floor: float) -> _Constraint:
        return _Constraint(a, b, lambda x: -value(x), lambda x: tilt * x + offset - floor)

    def at_most(a: float, b: float, ceiling: float) -> _Constraint:
        return _Constraint(a, b, value, lambda x: ceiling - tilt * x - offset)

    start = 0.0 if half_says_all else low
    constraints = [
        _Constraint(start, high, value, target, slack=1.0),
        _Constraint(start, high, lambda x: -value(x), lambda x: -target(x), slack=1.0),
    ]
    if odd:
        level, keep = function.centre, margin + spare
        upper, lower = ((high, right), (left, low))[:: int(_rising(function))]
        constraints += [at_least(*upper, level + keep), at_most(*lower, level - keep)]
        if half_says_all:  # by symmetry each of the two says the same
            constraints.pop()
    else:
        constraints += [at_least(high, right, margin + spare), at_least(left, low, spare - margin)]
        for a, b in ((left, low), (high, right)):
            constraints += [
                _Constraint(a, b, steepness, lambda x: np.full_like(x, slope - spare - tilt)),
                _Constraint(a, b, lambda x: -steepness(x), lambda x: np.full_like(x, slope - spare + tilt)),
            ]
    return ks, [constraint for constraint in constraints if constraint.low < constraint.high]


def _solve(program: Any, constraints: list[_Constraint], ks: Indices, degree: int) -> Array:
    """Coefficients and error, the smallest that violates no constraint by more than 1e-9 and rounding."""
    grids = [points(c.low, c.high, degree) for c in constraints]
    samples = [grid[:: max(1, grid.size // (8 * (degree + 2)))] for grid in grids]
    aim = np.zeros(ks.size + 1)
    aim[-1] = 1.0
    options = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    for _ in range(_ROUNDS):
        rows = [
            np.column_stack([c.matrix(x), np.full(x.size, -c.slack)]) for c, x in zip(constraints, samples, strict=True)
        ]
        bounds = [c.bound(x) for c, x in zip(constraints, samples, strict=True)]
        system, right = np.concatenate(rows), np.concatenate(bounds)
        size = np.abs(system).max(axis=1)  # T_k grows fast beyond the domain
        result = program(
            aim, system / size[:, None], right / size, bounds=(None, None), method="highs", options=options
        )
        if result.x is None:
            raise ParameterError(f"no polynomial of degree {degree} is found by SciPy: {result.message}", _EASIER)
        binding = np.split(result.ineqlin.marginals < 0, np.cumsum([b.size for b in bounds])[:-1])
        active = [x[tight] for x, tight in zip(samples, binding, strict=True)]
        solution = _polish(constraints, grids, active, result.x)
        extrema = [local_maxima(c.violation(solution), grid) for c, grid in zip(constraints, grids, strict=True)]
        # the program on points bounds the error from below
        optimal = solution[-1] <= result.x[-1] * (1 + 1e-3) + _VIOLATION
        if optimal and all(
            sizes.max() <= _VIOLATION + c.rounding(solution) for c, (_, sizes) in zip(constraints, extrema, strict=True)
        ):
            return solution
        samples = [np.union1d(x, places[sizes > -1e-6]) for x, (places, sizes) in zip(samples, extrema, strict=True)]
    raise ParameterError(f"the linear program does not converge in {_ROUNDS} rounds.", _EASIER)


def _polish(constraints: list[_Constraint], grids: list[Array], active: list[Array], solution: Array) -> Array:
    """`solution` to the precision of float64: what binds there, solved as equations at located extrema.

    A linear program's solver stops at 1e-10 or so, by a path that differs between versions; this makes the digits
    reproducible. Where the binding extrema are not as many as the unknowns, `solution` stays as it is.
    """
    current = solution
    for _ in range(6):
        rows, bounds = [], []
        for constraint, grid, tight in zip(constraints, grids, active, strict=True):
            if not tight.size:
                continue
            places, _ = local_maxima(constraint.violation(current), grid)
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
