"""The sign as a composition of small polynomials, for comparisons and ReLU.

One polynomial needs a degree of about log(1/error)/eps to be the sign down to |x| = eps; a composition needs a depth
of about log(1/eps) + log log(1/error) only (Cheon, Kim & Kim 2020, "Efficient homomorphic comparison methods with
optimal complexity", ASIACRYPT). Minimax stages, each on the interval that the stage before it fills, are the best of
their degrees (Lee, Lee, No & Kim 2021, "Minimax approximation of sign function by composite polynomial for homomorphic
comparison", IEEE TDSC 19).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, pi
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev as cheb
from numpy.typing import ArrayLike, NDArray

from fhenn.approx.basis import interpolate
from fhenn.approx.extrema import Array, points
from fhenn.approx.fits import checked_degree
from fhenn.approx.functions import SIGN
from fhenn.approx.numbers import floating
from fhenn.approx.polynomial import Polynomial, interval_image
from fhenn.approx.remez import exchange
from fhenn.errors import AccuracyUnreached, ParameterError


@dataclass(frozen=True)
class Composite:
    """Odd polynomials one after another, which stand for the sign on [-1, -epsilon] and [epsilon, 1].

    stages: the first is applied first; the domain of each is the interval that its inputs fill.
    Raises ParameterError for no stages, stages that are not odd, or an epsilon that is not between 0 and 1.
    """

    stages: tuple[Polynomial, ...]
    epsilon: float

    def __post_init__(self) -> None:
        if not self.stages or any(stage.symmetry != "odd" or stage.coefficients[0] for stage in self.stages):
            raise ParameterError(
                "the stages of a sign are odd polynomials.", "Give one at least, on symmetric domains."
            )
        _check_epsilon(self.epsilon)

    def __call__(self, x: ArrayLike) -> NDArray[np.floating[Any]]:
        """Value at every element of `x` (any shape), as of a Polynomial."""
        value = floating(x)
        for stage in self.stages:
            value = stage(value)
        return value

    def slope(self, x: ArrayLike) -> NDArray[np.floating[Any]]:
        """Derivative at every element of `x` (any shape), by the chain rule."""
        value = floating(x)
        slope = np.ones_like(value)
        for stage in self.stages:
            with np.errstate(over="ignore", invalid="ignore"):
                slope = slope * stage.derivative()(value)
            value = stage(value)
        return slope

    @property
    def depth(self) -> int:
        """Levels that an evaluation consumes: the sum over the stages."""
        return sum(stage.depth for stage in self.stages)

    def sup_error(self) -> float:
        """The largest |p - sign| on [-1, -epsilon] and [epsilon, 1]; extrema are located, not sampled.

        The image of an interval is one, so stage after stage takes [epsilon, 1] to where the values are.
        """
        low, high = self.epsilon, 1.0
        for stage in self.stages:
            low, high = interval_image(stage, low, high)
        return max(abs(1 - low), abs(high - 1))


def composite_sign(alpha: float, epsilon: float, degrees: Sequence[int]) -> Composite:
    """The sign to 2^-alpha on [-1, -epsilon] and [epsilon, 1] by minimax stages of the odd `degrees`.

    Raises ParameterError for degrees that are not odd numbers from 3 to 63, or an epsilon that is not between 0 and 1;
    AccuracyUnreached where these degrees do not come to 2^-alpha.

    >>> sign = composite_sign(4, 2**-4, (7, 7))
    >>> sign.depth, round(sign.sup_error(), 4)
    (6, 0.0381)
    """
    _check_epsilon(epsilon)
    if not degrees or any(checked_degree(degree) % 2 == 0 or degree < 3 for degree in degrees):
        raise ParameterError(f"degrees {tuple(degrees)!r} are no stages.", "Give odd numbers from 3 to 63.")
    stages: list[Polynomial] = []
    low, high = epsilon, 1.0
    for degree in degrees:
        stages.append(_stage(degree, low, high))
        low, high = interval_image(stages[-1], low, high)
    composite = Composite(tuple(stages), float(epsilon))
    error = composite.sup_error()
    if not error <= 2.0**-alpha:
        raise AccuracyUnreached(
            2.0**-alpha, error, max(degrees), "Add a stage, raise a degree, or take a larger epsilon."
        )
    return composite


def _check_epsilon(epsilon: float) -> None:
    if not 0 < epsilon < 1:
        raise ParameterError(f"epsilon {epsilon!r} is out of range.", "Give a number between 0 and 1.")


def _stage(degree: int, low: float, high: float) -> Polynomial:
    """The odd polynomial of `degree` closest to 1 on [low, high], in the Chebyshev basis of [-high, high]."""
    count = (degree + 1) // 2
    squared_low, squared_high = low * low, high * high
    middle, half = (squared_low + squared_high) / 2, (squared_high - squared_low) / 2
    if half**count < 1e-15:
        return _flat(count - 1, high)

    def basis(x: Array) -> Array:
        # x·T_k of x² mapped to [-1, 1]: well conditioned on an interval however narrow, where the T_k(x/high) are not
        t = np.clip((x * x - middle) / half, -1, 1)
        return x[:, None] * cheb.chebvander(t, count - 1)

    reference = np.sqrt(middle + half * np.cos(pi * np.arange(count + 1) / count)[::-1])
    coefficients = exchange(np.ones_like, basis, points(low, high, degree), np.clip(reference, low, high))

    def value(x: Any) -> Any:
        return x * cheb.chebval((x * x - middle) / half, coefficients)

    return _odd(interpolate(value, degree, (-high, high)), high)


def _flat(order: int, high: float) -> Polynomial:
    """f of Cheon, Kim & Kim 2020: odd, with f(1) = 1 and `order` derivatives of 0 there, of degree 2·order + 1.

    Σ 4^-i binomial(2i, i) x (1 - x²)^i: the limit of the minimax as the interval shrinks to 1, taken where float64
    cannot tell the two apart.
    """

    def value(x: Any) -> Any:
        return x * sum(comb(2 * i, i) / 4**i * (1 - x * x) ** i for i in range(order + 1))

    return _odd(interpolate(value, 2 * order + 1, (-high, high)), high)


def _odd(coefficients: Array, high: float) -> Polynomial:
    coefficients[::2] = 0.0
    return Polynomial(tuple(coefficients), (-high, high), "chebyshev", SIGN)
