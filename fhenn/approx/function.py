"""An exact function that a polynomial stands for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Symmetry = Literal["odd", "even", "none"]


@dataclass(frozen=True, repr=False)
class Function:
    """A real function with its exact derivative and what a fit may use of it.

    name: as it is shown, and by which two functions are compared: equal names are equal functions.
    value: takes a number or an array of any shape and returns the same shape: float32 for float32, float64 otherwise.
    derivative: the same for the first derivative.
    symmetry: "odd", "even" or "none": of f(x) - f(0) - tilt·x. So ReLU, x/2 + |x|/2, is "even" with a tilt of 0.5.
    kinks: where f or a derivative of it jumps, in ascending order.
    tilt: the slope of the linear part that is left out where the symmetry is stated.
    homogeneous: whether f(sx) = s·f(x) for every s > 0, as of ReLU: factors then go through it.

    >>> Function("square", lambda x: x * x, lambda x: 2 * x, symmetry="even")
    Function('square')
    """

    name: str
    value: Callable[[Any], Any] = field(compare=False)
    derivative: Callable[[Any], Any] = field(compare=False)
    symmetry: Symmetry = field(default="none", compare=False)
    kinks: tuple[float, ...] = field(default=(), compare=False)
    tilt: float = field(default=0.0, compare=False)
    homogeneous: bool = field(default=False, compare=False)

    @property
    def centre(self) -> float:
        """f(0)."""
        return float(self.value(0.0))

    def __deepcopy__(self, memo: Any) -> Function:
        return self  # it never changes, and files hold the known ones by name

    def __repr__(self) -> str:
        return f"Function({self.name!r})"
