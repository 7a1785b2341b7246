"""A polynomial with the interval on which it is a good stand-in for a function."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, isfinite, log2
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.approx.numbers import floating
from fhenn.errors import ParameterError


@dataclass(frozen=True)
class Polynomial:
    """c₀ + c₁x + … + cₙxⁿ, good on a domain.

    coefficients: from the constant up; trailing zeros are dropped. domain: the closed interval (low, high).
    Raises ParameterError on an empty or non-finite list, or a domain that is empty or reversed.

    >>> Polynomial((0.5, 0.197, 0.0, -0.004), domain=(-4, 4))
    Polynomial(0.5 + 0.197x - 0.004x^3 on [-4, 4])
    """

    coefficients: tuple[float, ...]
    domain: tuple[float, float]

    def __post_init__(self) -> None:
        coefficients = [float(c) for c in self.coefficients]
        while len(coefficients) > 1 and coefficients[-1] == 0.0:
            coefficients.pop()
        if not coefficients or not all(map(isfinite, coefficients)):
            raise ParameterError(f"coefficients {self.coefficients!r} are not a polynomial.", "Give finite numbers.")
        low, high = (float(bound) for bound in self.domain)
        if not (isfinite(low) and isfinite(high) and low < high):
            raise ParameterError(f"domain ({low:g}, {high:g}) is empty.", "Give (low, high) with low < high.")
        object.__setattr__(self, "coefficients", tuple(coefficients))
        object.__setattr__(self, "domain", (low, high))

    @property
    def degree(self) -> int:
        """The largest exponent."""
        return len(self.coefficients) - 1

    @property
    def depth(self) -> int:
        """Levels that an evaluation consumes: ceil(log2(degree + 1)) (Paterson & Stockmeyer 1973)."""
        return ceil(log2(self.degree + 1))

    def coefficient(self, exponent: int) -> float:
        """The coefficient of x^exponent, 0 beyond the degree."""
        return self.coefficients[exponent] if exponent <= self.degree else 0.0

    def derivative(self) -> Polynomial:
        """The derivative, on the same domain.

        >>> Polynomial((0.5, 0.197, 0.0, -0.004), domain=(-4, 4)).derivative()
        Polynomial(0.197 - 0.012x^2 on [-4, 4])
        """
        slopes = tuple(exponent * c for exponent, c in enumerate(self.coefficients))[1:]
        return Polynomial(slopes or (0.0,), self.domain)

    def __call__(self, x: ArrayLike) -> NDArray[np.floating[Any]]:
        """Value at every element of `x` (any shape) by Horner's rule, float32 for float32 and float64 otherwise.

        Values too large for that precision become infinite without a warning: the range guard reports such inputs.
        Raises UnsupportedValue for anything but real numbers.
        """
        x = floating(x)
        dtype = x.dtype.type
        with np.errstate(over="ignore", invalid="ignore"):
            value = np.full_like(x, self.coefficients[-1])
            for coefficient in reversed(self.coefficients[:-1]):
                value = value * x
                if coefficient:
                    value = value + dtype(coefficient)
        return value

    def __str__(self) -> str:
        terms = []
        for exponent, c in enumerate(self.coefficients):
            if c or self.degree == 0:
                power = "" if exponent == 0 else "x" if exponent == 1 else f"x^{exponent}"
                sign = "-" if c < 0 else "+"
                terms.append(f"{sign} {abs(c):g}{power}")
        text = " ".join(terms)
        return text[2:] if text.startswith("+") else "-" + text[2:]

    def __repr__(self) -> str:
        return f"Polynomial({self} on [{self.domain[0]:g}, {self.domain[1]:g}])"
