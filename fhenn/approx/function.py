"""An exact function that a polynomial stands for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Symmetry = Literal["odd", "even", "none"]


@dataclass(frozen=True, repr=False)
class Function:
    """A real function with its exact derivative and what a fit may use of it.

    value, derivative: take numbers or an array of any shape and return the same, float32 for float32 and float64
    otherwise, for any float. symmetry: of f(x) - f(0) - tilt·x; so ReLU, x/2 + |x|/2, is "even" with a tilt of 0.5.
    kinks: where f or a derivative of it jumps, in ascending order. Two functions are equal if their names are.

    >>> Function("square", lambda x: x * x, lambda x: 2 * x, symmetry="even")
    Function('square')
    """

    name: str
    value: Callable[[Any], Any] = field(compare=False)
    derivative: Callable[[Any], Any] = field(compare=False)
    symmetry: Symmetry = field(default="none", compare=False)
    kinks: tuple[float, ...] = field(default=(), compare=False)
    tilt: float = field(default=0.0, compare=False)

    @property
    def centre(self) -> float:
        """f(0)."""
        return float(self.value(0.0))

    def __repr__(self) -> str:
        return f"Function({self.name!r})"
