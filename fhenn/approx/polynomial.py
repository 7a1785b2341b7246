"""A polynomial with the interval on which it is a good stand-in for a function."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, isfinite
from typing import Any, Literal

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike, NDArray

from fhenn.approx.basis import chebyshev_to_monomial, compose, interpolate, monomial_to_chebyshev
from fhenn.approx.extrema import Array, local_maxima, points
from fhenn.approx.forms import form_of
from fhenn.approx.function import Function, Symmetry
from fhenn.approx.numbers import floating
from fhenn.errors import ParameterError, UnsupportedValue

Basis = Literal["monomial", "chebyshev"]


@dataclass(frozen=True)
class Polynomial:
    """c₀ + c₁x + … + cₙxⁿ, or c₀ + c₁T₁(t) + … + cₙTₙ(t), good on a domain.

    coefficients: from the constant up; trailing zeros are dropped.
    domain: the closed interval (low, high).
    basis: "monomial", or "chebyshev" for the Chebyshev polynomials Tₖ of t = (2x - low - high)/(high - low).
    function: the function that it approximates, if any.

    Raises ParameterError for coefficients that are empty or not finite, an unknown basis, or a domain that is empty or
    reversed.

    >>> Polynomial((0.5, 0.197, 0.0, -0.004), domain=(-4, 4))
    Polynomial(0.5 + 0.197x - 0.004x^3 on [-4, 4])
    >>> Polynomial((0.5, 1.2, 0.0, -0.3), domain=(-8, 8), basis="chebyshev")
    Polynomial(0.5 + 1.2 T1(x/8) - 0.3 T3(x/8) on [-8, 8])
    """

    coefficients: tuple[float, ...]
    domain: tuple[float, float]
    basis: Basis = "monomial"
    function: Function | None = None

    def __post_init__(self) -> None:
        coefficients = [float(c) for c in self.coefficients]
        while len(coefficients) > 1 and coefficients[-1] == 0.0:
            coefficients.pop()
        if not coefficients or not all(map(isfinite, coefficients)):
            raise ParameterError(
                f"coefficients must be finite numbers, one at least, not {self.coefficients!r}.",
                "Give for instance (0.5, 0.25) for 0.5 + 0.25x.",
            )
        if self.basis not in {"monomial", "chebyshev"}:
            raise ParameterError(
                f"basis must be 'monomial' or 'chebyshev', not {self.basis!r}.",
                "Give 'monomial' for coefficients of the powers of x.",
            )
        object.__setattr__(self, "coefficients", tuple(coefficients))
        object.__setattr__(self, "domain", require_domain(self.domain))

    @classmethod
    def from_numpy(
        cls, p: np.polynomial.Polynomial | np.polynomial.Chebyshev, function: Function | None = None
    ) -> Polynomial:
        """A polynomial of NumPy as one of fhenn, in the same basis.

        p: a numpy.polynomial.Polynomial or Chebyshev; its domain and window are respected.
        function: the function that it approximates, if any.

        Returns the same polynomial on the domain of `p`.
        Raises UnsupportedValue for other series and complex coefficients, ParameterError as the constructor does.

        >>> Polynomial.from_numpy(np.polynomial.Polynomial([0, 1], domain=[0, 4], window=[-1, 1]))
        Polynomial(-1 + 0.5x on [0, 4])
        """
        if not isinstance(p, np.polynomial.Polynomial | np.polynomial.Chebyshev) or np.iscomplexobj(p.coef):
            raise UnsupportedValue(f"{type(p).__name__} {p!r}", "a real numpy.polynomial.Polynomial or Chebyshev")
        monomial = isinstance(p, np.polynomial.Polynomial)
        domain = require_domain((p.domain[0], p.domain[1]))
        window = require_domain((p.window[0], p.window[1]))
        coefficients = tuple(map(float, p.coef))
        if monomial and window != domain:
            coefficients = compose(coefficients, domain, window)
        elif not monomial and window != (-1.0, 1.0):
            coefficients = tuple(interpolate(p, p.degree(), domain))
        return cls(coefficients, domain, "monomial" if monomial else "chebyshev", function)

    def to_numpy(self) -> np.polynomial.Polynomial | np.polynomial.Chebyshev:
        """The same polynomial as a numpy.polynomial.Polynomial, whose window is its domain, or as a Chebyshev."""
        if self.basis == "monomial":
            return np.polynomial.Polynomial(self.coefficients, domain=self.domain, window=self.domain)
        return np.polynomial.Chebyshev(self.coefficients, domain=self.domain)

    @property
    def degree(self) -> int:
        """The largest exponent."""
        return len(self.coefficients) - 1

    @property
    def depth(self) -> int:
        """Levels that an evaluation on ciphertexts consumes: at most ceil(log2(degree + 1)).

        A polynomial of degree 1 takes none and x^(2ⁿ) takes n, since a constant factor is free.

        Source: Paterson & Stockmeyer 1973, and `fhenn.approx.forms`.
        """
        return form_of(self).depth

    @property
    def symmetry(self) -> Symmetry:
        """The symmetry about 0 of p minus its constant coefficient: "odd", "even" or "none".

        Coefficients count as zero only where they are exactly zero. A constant is "even"; on a domain that is not
        symmetric about 0, the answer is "none".
        """
        if self.domain[0] == -self.domain[1]:
            if not any(self.coefficients[1::2]):
                return "even"
            if not any(self.coefficients[2::2]):
                return "odd"
        return "none"

    def coefficient(self, exponent: int) -> float:
        """The coefficient of x^exponent, or of T_exponent in the Chebyshev basis; 0 above the degree."""
        return self.coefficients[exponent] if exponent <= self.degree else 0.0

    def derivative(self) -> Polynomial:
        """The derivative, on the same domain and in the same basis; its `function` is None.

        >>> Polynomial((0.5, 0.197, 0.0, -0.004), domain=(-4, 4)).derivative()
        Polynomial(0.197 - 0.012x^2 on [-4, 4])
        """
        if self.basis == "chebyshev":
            low, high = self.domain
            inner = chebyshev.chebder(np.array(self.coefficients)) * (2 / (high - low))
            return Polynomial(tuple(inner), self.domain, "chebyshev")
        slopes = tuple(exponent * c for exponent, c in enumerate(self.coefficients))[1:]
        return Polynomial(slopes or (0.0,), self.domain)

    def to_chebyshev(self) -> Polynomial:
        """The same polynomial in the Chebyshev basis of its domain; every coefficient is rounded once.

        Raises ParameterError where a coefficient is too large for a float.
        """
        if self.basis == "chebyshev":
            return self
        return replace(self, coefficients=monomial_to_chebyshev(self.coefficients, self.domain), basis="chebyshev")

    def to_monomial(self) -> Polynomial:
        """The same polynomial in powers of x; every coefficient is rounded once.

        From about degree 20 on, powers of x magnify that rounding, so that values near the ends of the domain differ.

        Raises ParameterError where a coefficient is too large for a float.

        >>> Polynomial((0.0, 0.0, 1.0), (-2, 2), "chebyshev").to_monomial()
        Polynomial(-1 + 0.5x^2 on [-2, 2])
        """
        if self.basis == "monomial":
            return self
        return replace(self, coefficients=chebyshev_to_monomial(self.coefficients, self.domain), basis="monomial")

    def __call__(self, x: ArrayLike) -> NDArray[np.floating[Any]]:
        """The value at every element of `x`.

        x: real numbers of any shape.

        Returns an array of that shape: float32 for float32, float64 otherwise. Values too large for that precision
        become infinite without a warning: the range guard reports such inputs.
        Raises UnsupportedValue for anything but real numbers.

        Source: Horner's rule; in the Chebyshev basis Clenshaw's (1955), which is well conditioned on the domain.
        """
        x = floating(x)
        with np.errstate(over="ignore", invalid="ignore"):
            return self._clenshaw(x) if self.basis == "chebyshev" else self._horner(x)

    def _horner(self, x: Array) -> Array:
        dtype = x.dtype.type
        value = np.full_like(x, self.coefficients[-1])
        for coefficient in reversed(self.coefficients[:-1]):
            value = value * x
            if coefficient:
                value = value + dtype(coefficient)
        return value

    def _clenshaw(self, x: Array) -> Array:
        dtype, (low, high) = x.dtype.type, self.domain
        if self.degree == 0:
            return np.full_like(x, self.coefficients[0])
        t: Array = (x - dtype(low / 2 + high / 2)) / dtype(high / 2 - low / 2)
        after, value, double = np.zeros_like(x), np.full_like(x, self.coefficients[-1]), t + t
        for coefficient in self.coefficients[-2:0:-1]:
            after, value = value, dtype(coefficient) + double * value - after
        value = dtype(self.coefficients[0]) + t * value - after
        # past an overflow the recurrence meets inf - inf; so far out the leading term has the say
        lost = np.isnan(value) & ~np.isnan(x)
        if lost.any():
            lead = np.copysign(dtype(inf), self.coefficients[-1] * np.sign(t) ** self.degree).astype(dtype)
            value = np.where(lost, lead, value)[()]
        return value

    def sup_error(self, interval: tuple[float, float] | None = None) -> float:
        """The largest |p - f| on the domain, f the function that the polynomial approximates.

        interval: (low, high), in the place of the domain.

        Returns the error, true to 1e-9·max(1, error). Extrema are located, not sampled. Features of f narrower than a
        thousandth of the interval must be at its kinks or about 0, as those of all FUNCTIONS are.
        Raises ParameterError where the polynomial has no `function`.

        >>> from fhenn.approx import SIGMOID
        >>> round(Polynomial((0.5, 0.25), (-1, 1), function=SIGMOID).sup_error(), 4)
        0.0189
        """
        if self.function is None:
            raise ParameterError(
                f"{self!r} has no function to compare it with.",
                "Give it one: Polynomial(..., function=fhenn.approx.SIGMOID).",
            )
        exact = self.function.value
        grid = points(*(interval or self.domain), self.degree, self.function.kinks)
        return float(local_maxima(lambda x: np.abs(self(x) - exact(x)), grid, near=0.9)[1].max())

    def range(self) -> tuple[float, float]:
        """The smallest and the largest value on the domain; extrema are located, not sampled.

        >>> Polynomial((1.0, 0.0, -1.0), (-1, 2)).range()
        (-3.0, 1.0)
        """
        return interval_image(self, *self.domain)

    def __str__(self) -> str:
        terms = []
        for exponent, c in enumerate(self.coefficients):
            if c or self.degree == 0:
                sign = "-" if c < 0 else "+"
                terms.append(f"{sign} {abs(c):g}{self._factor(exponent)}")
        text = " ".join(terms)
        return text[2:] if text.startswith("+") else "-" + text[2:]

    def _factor(self, exponent: int) -> str:
        if exponent == 0:
            return ""
        if self.basis == "monomial":
            return "x" if exponent == 1 else f"x^{exponent}"
        low, high = self.domain
        middle, half = low / 2 + high / 2, high / 2 - low / 2
        shifted = f"x {'-' if middle > 0 else '+'} {abs(middle):g}" if middle else "x"
        if half != 1:
            shifted = f"({shifted})/{half:g}" if middle else f"x/{half:g}"
        return f" T{exponent}({shifted})"

    def __repr__(self) -> str:
        return f"Polynomial({self} on [{self.domain[0]:g}, {self.domain[1]:g}])"


def require_domain(domain: tuple[float, float]) -> tuple[float, float]:
    """`domain` as two floats. Raises ParameterError unless it is (low, high), both finite, with low < high."""
    try:
        low, high = (float(bound) for bound in domain)
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"domain must be two numbers, not {domain!r}.", "Give (low, high) with low < high."
        ) from error
    if not (isfinite(low) and isfinite(high)):
        raise ParameterError(f"domain ({low:g}, {high:g}) is not finite.", "Give (low, high) with low < high.")
    if not low < high:
        raise ParameterError(f"domain ({low:g}, {high:g}) is empty.", "Give (low, high) with low < high.")
    return low, high


def interval_image(polynomial: Polynomial, low: float, high: float) -> tuple[float, float]:
    """The smallest and the largest value of `polynomial` on [low, high]; extrema are located, not sampled."""
    grid = points(low, high, polynomial.degree)
    largest = local_maxima(polynomial, grid)[1].max()
    smallest = -local_maxima(lambda x: -polynomial(x), grid)[1].max()
    return float(smallest), float(largest)
