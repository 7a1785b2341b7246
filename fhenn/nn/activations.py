"""The sigmoid's sisters: tanh, ReLU, SiLU, GELU, softplus, the square, any polynomial."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fhenn.approx import Polynomial, functions
from fhenn.approx.numbers import floating
from fhenn.errors import ParameterError
from fhenn.nn.activation import Activation, Domain, Fitted
from fhenn.nn.guard import Policy


class Tanh(Fitted):
    """tanh as a minimax polynomial: by default of degree 7 on [-2, 2], 3 levels, off by 0.0026 at most.

    Arguments and errors as for `Sigmoid`.

    >>> float(round(Tanh().forward(0.5), 2))
    0.46
    """

    _function = functions.TANH
    _default = ((-2.0, 2.0), 7)


class ReLU(Fitted):
    """max(0, x) as a minimax polynomial: by default of degree 8 on [-4, 4], 3 levels, off by 0.07 at most.

    A polynomial is smooth, and stays off at the kink; `SignReLU` is closer, at more levels. `backward` is the slope of
    the polynomial, 0.5 at 0 (the exact slope is stated as 0 there). Arguments and errors as for `Sigmoid`.

    >>> float(round(ReLU().forward(3.0), 1))
    2.9
    """

    _function = functions.RELU
    _default = ((-4.0, 4.0), 8)


class SiLU(Fitted):
    """x·σ(x) as a minimax polynomial: by default of degree 8 on [-4, 4], 3 levels, off by 0.002 at most.

    Arguments and errors as for `Sigmoid`.

    >>> float(round(SiLU().forward(2.0), 2))
    1.76
    """

    _function = functions.SILU
    _default = ((-4.0, 4.0), 8)


class GELU(Fitted):
    """x·Φ(x), Φ the normal distribution, as a minimax polynomial: by default of degree 8 on [-4, 4], 3 levels.

    Off by 0.0098 at most. Arguments and errors as for `Sigmoid`.

    >>> float(round(GELU().forward(2.0), 1))
    2.0
    """

    _function = functions.GELU
    _default = ((-4.0, 4.0), 8)


class Softplus(Fitted):
    """log(1 + eˣ) as a minimax polynomial: by default of degree 4 on [-4, 4], 2 levels, off by 0.0092 at most.

    Arguments and errors as for `Sigmoid`.

    >>> float(round(Softplus().forward(0.0), 1))
    0.7
    """

    _function = functions.SOFTPLUS
    _default = ((-4.0, 4.0), 4)


class PolynomialActivation(Activation):
    """A polynomial of your own, element by element: c₀ + c₁x + … + cₙxⁿ, for any x.

    polynomial: a `Polynomial`, or its coefficients from the constant up. One that states a function stands for it on
    its domain only, and is watched there.
    domain: of coefficients, [-4, 4] by default; a `Polynomial` has its own. Its circuit has the most digits there.
    on_violation, debug_secret: as for every `Activation`.
    Raises ParameterError where the coefficients are no list of numbers, or a `Polynomial` comes with a domain.

    >>> float(PolynomialActivation([0.0, 0.5, 0.25], domain=(-2, 2)).forward(2.0))
    2.0
    """

    def __init__(
        self,
        polynomial: Polynomial | Iterable[float],
        domain: Domain | None = None,
        *,
        on_violation: Policy = "warn",
        debug_secret: Any = None,
    ) -> None:
        if not isinstance(polynomial, Polynomial):
            coefficients = floating(polynomial)  # type: ignore[arg-type]
            if coefficients.ndim != 1:
                raise ParameterError(
                    f"coefficients must be a list of numbers, not of shape {coefficients.shape}.",
                    "Give c₀, c₁, …, cₙ.",
                )
            polynomial = Polynomial(tuple(coefficients.tolist()), (-4.0, 4.0) if domain is None else domain)
        elif domain is not None:
            raise ParameterError(
                "a Polynomial was given together with a domain.", "Leave the domain out: it has its own."
            )
        super().__init__(polynomial, on_violation=on_violation, debug_secret=debug_secret)


class Square(Activation):
    """x², 1 level, for any x: the domain, [-4, 4] by default, only says where its circuit has the most digits.

    >>> float(Square().forward(3.0)), Square().cost
    (9.0, 1)
    """

    def __init__(
        self, domain: Domain = (-4.0, 4.0), *, on_violation: Policy = "warn", debug_secret: Any = None
    ) -> None:
        square = Polynomial((0.0, 0.0, 1.0), domain, function=functions.SQUARE)
        super().__init__(square, on_violation=on_violation, debug_secret=debug_secret)
