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
from fhenn.approx.fits import MAX_DEGREE, require_degree
from fhenn.approx.functions import SIGN
from fhenn.approx.numbers import floating
from fhenn.approx.polynomial import Polynomial, interval_image
from fhenn.approx.remez import exchange
from fhenn.errors import AccuracyUnreached, ParameterError


@dataclass(frozen=True)
class Composite:
    """Odd polynomials one after another, which stand for the sign on [-1, -epsilon] and [epsilon, 1].

    stages: odd polynomials, the first of which is applied first; the domain of each is the interval of its inputs.
    epsilon: the smallest |x| at which the composition stands for the sign, between 0 and 1.

    Raises ParameterError where there is no stage, where a stage is not odd, or for an epsilon not between 0 and 1.
    """

    stages: tuple[Polynomial, ...]
    epsilon: float

    def __post_init__(self) -> None:
        if not self.stages or any(stage.symmetry != "odd" or stage.coefficients[0] for stage in self.stages):
            raise ParameterError(
                "the stages of a sign must be odd polynomials, and one at least.",
                "Give polynomials without even powers, on domains (-a, a).",
            )
        _check_epsilon(self.epsilon)

    def __call__(self, x: ArrayLike) -> NDArray[np.floating[Any]]:
        """Value at every element of `x` (any shape): float32 for float32, float64 otherwise."""
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
        """The largest |p - sign| on [-1, -epsilon] and [epsilon, 1].

        Each stage maps an interval to an interval. Its ends are the extrema of the stage, which are located, not
        sampled.
        """
        low, high = self.epsilon, 1.0
        for stage in self.stages:
            low, high = interval_image(stage, low, high)
        return max(abs(1 - low), abs(high - 1))


def composite_sign(alpha: float, epsilon: float, degrees: Sequence[int]) -> Composite:
    """The sign, to within 2^-alpha, on [-1, -epsilon] and [epsilon, 1], as a composition of minimax polynomials.

    alpha: bits of accuracy: the largest error is at most 2^-alpha.
    epsilon: the smallest |x| at which this holds, between 0 and 1.
    degrees: of the stages, the first applied first; odd numbers from 3 to 63.

    Returns the composition.
    Raises ParameterError for degrees that are not odd numbers from 3 to 63, or an epsilon that is not between 0 and 1;
    AccuracyUnreached where these degrees do not reach 2^-alpha.

    Source: Lee, Lee, No & Kim 2021, as at the top of this module.

    >>> sign = composite_sign(4, 2**-4, (7, 7))
    >>> sign.depth, round(sign.sup_error(), 4)
    (6, 0.0381)
    """
    _check_epsilon(epsilon)
    if not degrees or any(require_degree(degree) % 2 == 0 or degree < 3 for degree in degrees):
        raise ParameterError(
            f"degrees must be odd numbers from 3 to {MAX_DEGREE}, one at least, not {tuple(degrees)!r}.",
            "Give for instance (7, 7).",
        )
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
        raise ParameterError(f"epsilon must be between 0 and 1, not {epsilon!r}.", "Give for instance 0.05.")


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
    """The Chebyshev series on [-high, high] with its even coefficients, which are rounding, set to 0."""
    coefficients[::2] = 0.0
    return Polynomial(tuple(coefficients), (-high, high), "chebyshev", SIGN)
