"""What would keep an activation's inputs in its domain: another domain and polynomial, or smaller weights before it."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from math import inf, isfinite

import numpy as np
from numpy.typing import NDArray

from fhenn.approx import Polynomial
from fhenn.approx.domains import holds
from fhenn.approx.families import is_lost
from fhenn.approx.function import Function
from fhenn.approx.numbers import round_up
from fhenn.approx.presets import choose
from fhenn.errors import AccuracyUnreached, ParameterError
from fhenn.nn import Activation, SignReLU
from fhenn.nn.activation import Domain

Floats = NDArray[np.float64]

_SIGNS = ((7, 7), (7, 15), (15, 15), (7, 7, 7), (7, 7, 15), (7, 15, 15), (15, 15, 15))
"""Degrees of SignReLU's stages that are tried, from 7 levels up, a level more and a smaller error each."""

_DIGITS = 3
"""Significant digits to which a domain is rounded outward."""

_EXACT = 1e-12
"""A polynomial that is off by less, relative to its largest value, is the function itself but for rounding."""


@dataclass(frozen=True)
class Proposal:
    """An activation for the values that were seen.

    domain: where its polynomial is good.
    degrees: of its stages, one for all but SignReLU.
    sup_error: the largest |polynomial - function| on the domain; None without a function that is known.
    cost: levels.
    activation: the node itself.
    """

    domain: Domain
    degrees: tuple[int, ...]
    sup_error: float | None
    cost: int
    activation: Activation = field(repr=False, compare=False)

    @classmethod
    def of(cls, node: Activation) -> Proposal:
        """What proposes `node`."""
        degrees = tuple(stage.degree for stage in node.polynomials)
        return cls(node.domain, degrees, error_of(node), node.cost, node)


def function_of(node: Activation) -> Function | None:
    """What a polynomial stands for; None where that is nothing, or was lost in a file.

    node: the activation.
    """
    return None if node.function is None or is_lost(node.function) else node.function


def error_of(node: Activation) -> float | None:
    """The largest error on the domain, None where nothing is known that the polynomial stands for."""
    return None if function_of(node) is None else node.sup_error()


def propose(node: Activation, values: Floats, margin: float, accuracy: float | None) -> tuple[Proposal | None, str]:
    """The cheapest node for values, or None and the reason why there is none.

    node: the present one, which is proposed where it holds the values with their margin, is as accurate as asked, and
    no other is cheaper.
    values: what reaches it, of any shape.
    margin: between the values and the edge of the domain, as a factor.
    accuracy: the largest error; None for that of `node`.
    """
    if not np.isfinite(values).all():
        return None, "values that reach it are NaN or infinite"
    low, high = node.domain
    smallest, largest = float(values.min()), float(values.max())
    function, present = function_of(node), Proposal.of(node)
    inside = holds(node.domain, smallest, largest)
    if function is None:
        if inside or node.is_exact:
            return present, ""
        lost = "its function, which the file of the model does not hold, cannot be fitted anew"
        return None, lost if node.function else "its polynomial stands for no function that could be fitted anew"
    error = node.sup_error()
    target = error if accuracy is None else accuracy
    accurate = error <= target
    wanted = _target_domain(function, smallest, largest, margin) or node.domain
    try:
        candidate = Proposal.of(_fit(node, function, wanted, target))
    except (AccuracyUnreached, ParameterError) as refusal:
        return (present, "") if inside and accurate else (None, f"on {wanted}, {refusal}")
    held = low <= wanted[0] and wanted[1] <= high
    return present if held and accurate and candidate.cost >= node.cost else candidate, ""


def _target_domain(function: Function, smallest: float, largest: float, margin: float) -> Domain | None:
    """The domain that holds the values with their margin, rounded outward; None for a single value."""
    if function.symmetry != "none":
        edge = _outward(margin * max(-smallest, largest))
        return (-edge, edge) if edge > 0 else None
    middle, half = smallest / 2 + largest / 2, margin * (largest / 2 - smallest / 2)
    return (-_outward(half - middle), _outward(middle + half)) if half > 0 else None


def _outward(value: float) -> float:
    """`value` rounded up to a few digits."""
    if value == 0 or not isfinite(value):
        return value
    if value > 0:
        return float(round_up(value, _DIGITS))
    down = float(f"{value:.{_DIGITS}g}")
    return down if down >= value else value


def _fit(node: Activation, function: Function, domain: Domain, accuracy: float) -> Activation:
    """A node of the same kind on `domain`, of the least degree that is as accurate as asked."""
    if isinstance(node, SignReLU):
        return _fit_sign(node, domain, accuracy)
    polynomial = node.polynomial
    if polynomial.sup_error() <= _exactness(polynomial):
        moved = replace(polynomial.to_monomial(), domain=domain)
        moved = moved if polynomial.basis == "monomial" else moved.to_chebyshev()
        if moved.sup_error() <= max(accuracy, _exactness(moved)):
            return node.with_polynomial(moved)
    return node.with_polynomial(choose(function, domain, accuracy=accuracy))


def _exactness(polynomial: Polynomial) -> float:
    low, high = polynomial.range()
    return _EXACT * max(-low, high)


def _fit_sign(node: SignReLU, domain: Domain, accuracy: float) -> SignReLU:
    """The SignReLU of the least cost among `_SIGNS` that is as accurate as asked. Raises AccuracyUnreached."""
    place = bisect_left(_SIGNS, True, key=lambda degrees: node.with_sign(domain, degrees).sup_error() <= accuracy)
    if place == len(_SIGNS):
        best = node.with_sign(domain, _SIGNS[-1]).sup_error()
        raise AccuracyUnreached(accuracy, best, max(_SIGNS[-1]), f"Ask for {round_up(best)} or more.")
    return node.with_sign(domain, _SIGNS[place])


def shrink_for(domain: Domain, values: Floats, margin: float) -> float | None:
    """The factor, at most 1, that brings `values` into `domain` with their margin; None where there is none.

    1 where nothing lies outside.
    """
    low, high = domain
    smallest, largest = float(values.min()), float(values.max())
    if low <= smallest and largest <= high:
        return 1.0
    if not (isfinite(smallest) and isfinite(largest) and low <= 0 <= high):
        return None
    upper = high / (margin * largest) if largest > 0 else inf
    lower = low / (margin * smallest) if smallest < 0 else inf
    factor = min(1.0, upper, lower) * (1 - 2**-40)  # a hair inside, so that rounding in the product cannot cross
    return factor if factor > 0 else None
