"""Functions with parameters, by names that hold them: "leaky_relu(0.01)", "hardtanh(-1.0, 1.0)".

Leaky ReLU of Maas, Hannun & Ng 2013, ICML 30; ELU of Clevert, Unterthiner & Hochreiter 2016, ICLR; CELU of Barron 2017,
arXiv:1704.07483; softplus with β and hardtanh as PyTorch has them, the hard sigmoid as ONNX has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, isfinite
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.approx.function import Function
from fhenn.approx.functions import FUNCTIONS, RELU, RELU6, SOFTPLUS, SQUARE
from fhenn.approx.numbers import floating
from fhenn.approx.polynomial import Polynomial
from fhenn.errors import ParameterError

OWN = "own function"
"""The name in a file of a function that is none of those with a name: what it was is lost there, not its polynomial."""

_LONGEST = 100
"""Characters of a name that is looked up: the longest have two numbers."""

_ELEMENT_BY_ELEMENT = (
    "Give one that works element by element, as NumPy's; np.vectorize(function, otypes=[float]) makes one of a "
    "function of single numbers."
)

_CALL = re.compile(r"(\w+)\(([^()]*)\)", re.ASCII)


@dataclass(frozen=True)
class _Family:
    """The value, or with `slope` the derivative, of one function of a family.

    numbers: its parameters.
    """

    numbers: tuple[float, ...]
    slope: bool = False

    def __call__(self, x: ArrayLike) -> Any:
        x = floating(x)
        numbers = tuple(map(x.dtype.type, self.numbers))
        with np.errstate(over="ignore", divide="ignore"):  # infinite, as what is too large is everywhere
            found = self._slope(x, *numbers) if self.slope else self._value(x, *numbers)
        return np.asarray(found, x.dtype)[()]

    def _value(self, x: NDArray[Any], *numbers: Any) -> Any:
        raise NotImplementedError

    def _slope(self, x: NDArray[Any], *numbers: Any) -> Any:
        raise NotImplementedError


class _LeakyReLU(_Family):
    def _value(self, x: NDArray[Any], *numbers: Any) -> Any:
        return np.where(x > 0, x, numbers[0] * x)

    def _slope(self, x: NDArray[Any], *numbers: Any) -> Any:
        return np.where(np.isnan(x), x, np.where(x > 0, x.dtype.type(1), numbers[0]))


class _CELU(_Family):
    """Parameters: α outside the exponential, and α inside it; ELU has 1 there."""

    def _value(self, x: NDArray[Any], *numbers: Any) -> Any:
        outer, inner = numbers
        return np.where(x > 0, x, outer * np.expm1(np.minimum(x, 0) / inner))

    def _slope(self, x: NDArray[Any], *numbers: Any) -> Any:
        outer, inner = numbers
        return np.where(x > 0, x.dtype.type(1), outer / inner * np.exp(np.minimum(x, 0) / inner))


class _Softplus(_Family):
    def _value(self, x: NDArray[Any], *numbers: Any) -> Any:
        return np.maximum(x, 0) + np.log1p(np.exp(-numbers[0] * np.abs(x))) / numbers[0]

    def _slope(self, x: NDArray[Any], *numbers: Any) -> Any:
        z = np.exp(-numbers[0] * np.abs(x))
        return np.where(x >= 0, x.dtype.type(1), z) / (1 + z)


class _Hardtanh(_Family):
    def _value(self, x: NDArray[Any], *numbers: Any) -> Any:
        return np.clip(x, *numbers)

    def _slope(self, x: NDArray[Any], *numbers: Any) -> Any:
        low, high = numbers
        return np.where(np.isnan(x), x, ((x > low) & (x < high)).astype(x.dtype))


class _HardSigmoid(_Family):
    def _value(self, x: NDArray[Any], *numbers: Any) -> Any:
        slope, middle = numbers
        return np.clip(slope * x + middle, 0, 1)

    def _slope(self, x: NDArray[Any], *numbers: Any) -> Any:
        value = self._value(x, *numbers)
        return np.where(np.isnan(x), x, np.where((value > 0) & (value < 1), numbers[0], 0))


def leaky_relu(slope: float = 0.01) -> Function:
    """x for x > 0, slope·x else; the derivative at 0 is the slope.

    slope: a finite number. 1 is no function that needs a polynomial.

    Raises ParameterError.

    >>> leaky_relu(0.1), float(leaky_relu(0.1).value(-2.0))
    (Function('leaky_relu(0.1)'), -0.2)
    """
    (a,) = numbers = _finite("slope", slope)
    if a == 0:
        return RELU
    value = _LeakyReLU(numbers)
    return _made("leaky_relu", value, symmetry="even", kinks=(0.0,), tilt=(1 + a) / 2, homogeneous=True)


def elu(alpha: float = 1.0) -> Function:
    """x for x > 0, α(eˣ - 1) else; the derivative at 0 is the one from the left, α.

    alpha: a finite number.

    Raises ParameterError.

    >>> elu(), round(float(elu().value(-1.0)), 3)
    (Function('elu(1.0)'), -0.632)
    """
    (a,) = _finite("alpha", alpha)
    return RELU if a == 0 else _made("elu", _CELU((a, 1.0)), named=(a,), kinks=(0.0,))


def celu(alpha: float = 1.0) -> Function:
    """x for x > 0, α(e^(x/α) - 1) else, which has no corner.

    alpha: above 0.

    Raises ParameterError.

    >>> round(float(celu(2.0).value(-1.0)), 3)
    -0.787
    """
    (a,) = _positive("alpha", alpha)
    return _made("celu", _CELU((a, a)), named=(a,), kinks=(0.0,))


def softplus(beta: float = 1.0) -> Function:
    """log(1 + e^(βx))/β, with derivative σ(βx).

    beta: above 0.

    Raises ParameterError.

    >>> softplus(2.0), softplus(1.0)
    (Function('softplus(2.0)'), Function('softplus'))
    """
    (b,) = numbers = _positive("beta", beta)
    return SOFTPLUS if b == 1 else _made("softplus", _Softplus(numbers), symmetry="even", tilt=0.5)


def hardtanh(low: float = -1.0, high: float = 1.0) -> Function:
    """min(max(x, low), high); the derivative at both ends is 0.

    low, high: finite, in this order.

    Raises ParameterError.

    >>> hardtanh(), hardtanh(0, 6)
    (Function('hardtanh(-1.0, 1.0)'), Function('relu6'))
    """
    least, most = numbers = _finite("low and high", low, high)
    if not least < most:
        raise ParameterError(f"low must be below high, not {least:g} and {most:g}.", "Give for instance -1 and 1.")
    if numbers == (0.0, 6.0):
        return RELU6
    return _made("hardtanh", _Hardtanh(numbers), symmetry="odd" if least == -most else "none", kinks=numbers)


def hard_sigmoid(slope: float = 0.2, middle: float = 0.5) -> Function:
    """min(max(slope·x + middle, 0), 1), with the defaults of ONNX; the derivative where it bends is 0.

    slope: above 0. PyTorch's, with 1/6, is `HARD_SIGMOID`.
    middle: the value at 0, between 0 and 1.

    Raises ParameterError.

    >>> float(hard_sigmoid().value(1.0))
    0.7
    """
    (a,), (b,) = _positive("slope", slope), _finite("middle", middle)
    if not 0 < b < 1:
        raise ParameterError(f"middle must be between 0 and 1, not {b:g}.", "Give for instance 0.5.")
    kinks = (-b / a, (1 - b) / a)
    return _made("hard_sigmoid", _HardSigmoid((a, b)), symmetry="odd" if b == 0.5 else "none", kinks=kinks)


def own_function(value: Callable[[Any], Any], name: str | None = None) -> Function:
    """A callable as a function, its derivative by central differences.

    value: takes an array and returns as many numbers in its shape, element by element.
    name: as it is shown; that of the callable where None. Of known functions it is no other's: "own tanh".

    >>> own_function(lambda x: x / (1 + x * x), name="witch")
    Function('witch')
    """
    shown = name or str(getattr(value, "__name__", "function"))
    shown = "function" if shown == "<lambda>" else shown
    try:
        function_named(shown)
    except ParameterError:
        return Function(shown, _Plain(value), _Difference(value))
    return Function(f"own {shown}", _Plain(value), _Difference(value))


@dataclass(frozen=True)
class _Plain:
    """A callable in float64, whatever it computes in."""

    value: Callable[[Any], Any]

    def __call__(self, x: ArrayLike) -> Any:
        x = floating(x)
        found = self._of(x.astype(np.float64))
        if found.shape != x.shape:
            raise ParameterError(f"the function makes shape {found.shape} of shape {x.shape}.", _ELEMENT_BY_ELEMENT)
        return found.astype(x.dtype)[()]

    def _of(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        try:
            return np.asarray(self.value(x), np.float64)
        except (TypeError, ValueError) as error:
            if not x.size or not _takes(np.vectorize(self.value, otypes=[np.float64]), x):
                raise
            raise ParameterError(
                f"the function takes single numbers, not arrays ({error}).", _ELEMENT_BY_ELEMENT
            ) from error


def _takes(value: Callable[[Any], Any], x: NDArray[np.float64]) -> bool:
    """Whether it computes at all: what fails on single numbers as well has a fault of its own, to be told as it is."""
    try:
        value(x)
    except Exception:
        return False
    return True


@dataclass(frozen=True)
class _Difference:
    """The derivative of a callable, by central differences: off by about 1e-10 of its third derivative's size."""

    value: Callable[[Any], Any]

    def __call__(self, x: ArrayLike) -> Any:
        x = floating(x)
        wide = x.astype(np.float64)
        step = 1e-5 * np.maximum(1.0, np.abs(wide))
        plain = _Plain(self.value)
        with np.errstate(invalid="ignore"):
            slope = (plain(wide + step) - plain(wide - step)) / (2 * step)
        return np.asarray(slope, x.dtype)[()]


@dataclass(frozen=True)
class _Held:
    """A polynomial with its values at the ends of the domain kept beyond them."""

    polynomial: Polynomial
    slope: bool = False

    def __call__(self, x: ArrayLike) -> Any:
        x = floating(x)
        low, high = map(x.dtype.type, self.polynomial.domain)
        if not self.slope:
            return self.polynomial(np.clip(x, low, high))[()]
        inside = (x > low) & (x < high)
        return np.where(inside, self.polynomial.derivative()(np.clip(x, low, high)), 0 * x)[()]


def lost_function(polynomial: Polynomial) -> Function:
    """What a polynomial of a file stands for where the function had no name: itself, on its domain.

    polynomial: without a function.

    Its name is `OWN`. It keeps a guard on the domain; how far the polynomial is from what it stood for is not known.
    """
    return Function(OWN, _Held(polynomial), _Held(polynomial, slope=True))


def is_lost(function: Function) -> bool:
    """Whether a function is what stands for one that a file did not hold (`lost_function`).

    >>> is_lost(lost_function(Polynomial((0.0, 1.0), (-1, 1)))), is_lost(leaky_relu(0.3))
    (True, False)
    """
    return isinstance(function.value, _Held)


FAMILIES: Mapping[str, Callable[..., Function]] = MappingProxyType(
    {
        "leaky_relu": leaky_relu,
        "elu": elu,
        "celu": celu,
        "softplus": softplus,
        "hardtanh": hardtanh,
        "hard_sigmoid": hard_sigmoid,
    }
)
"""The families by name: what makes a function from its parameters."""


def function_named(name: str) -> Function:
    """The function of a name, which may be a stranger's.

    name: one of `fhenn.approx.FUNCTIONS`, "square", or that of a family with its parameters.

    Raises ParameterError where there is none.

    >>> function_named("leaky_relu(0.01)"), function_named("relu")
    (Function('leaky_relu(0.01)'), Function('relu'))
    """
    plain = {**FUNCTIONS, SQUARE.name: SQUARE}.get(name) if isinstance(name, str) else None
    if plain is not None:
        return plain
    if isinstance(name, str) and len(name) <= _LONGEST:
        match = _CALL.fullmatch(name)
        family = FAMILIES.get(match[1]) if match else None
        if match and family is not None:
            try:
                function = family(*map(float, match[2].split(",")))
            except (ValueError, TypeError):
                function = None
            if function is not None and function.name == name:  # one spelling of each
                return function
    shown = repr(name)[:_LONGEST]
    known = ", ".join(sorted({*FUNCTIONS, *(f"{family}(…)" for family in FAMILIES)}))
    raise ParameterError(f"there is no function {shown}.", f"The names are {known}.")


def is_known(function: Function) -> bool:
    """Whether a function is the very one that its name finds, so that a file can hold it by that name.

    >>> is_known(leaky_relu(0.3)), is_known(Function("tanh", np.sin, np.cos))
    (True, False)
    """
    try:
        return function_named(function.name).value == function.value
    except ParameterError:
        return False


def _made(name: str, value: _Family, *, named: tuple[float, ...] | None = None, **facts: Any) -> Function:
    shown = ", ".join(map(repr, value.numbers if named is None else named))
    return Function(f"{name}({shown})", value, type(value)(value.numbers, slope=True), **facts)


def _finite(what: str, *values: float) -> tuple[float, ...]:
    """The values as floats. Raises ParameterError."""
    try:
        numbers = tuple(map(float, values))
    except (TypeError, ValueError):
        numbers = (inf,)
    if not all(map(isfinite, numbers)):
        shown = ", ".join(map(repr, values))
        raise ParameterError(f"{what} must be finite, not {shown}.", "Give a number.")
    return numbers


def _positive(what: str, value: float) -> tuple[float, ...]:
    (number,) = numbers = _finite(what, value)
    if number <= 0:
        raise ParameterError(f"{what} must be above 0, not {number:g}.", "Give for instance 1.")
    return numbers
