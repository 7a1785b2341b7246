"""How every preset is made.

`write_presets()` makes presets.json again (it needs the extra "fit"); a test makes every coefficient again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from math import trunc
from pathlib import Path

from fhenn.approx.fits import least_squares, minimax
from fhenn.approx.function import Function
from fhenn.approx.functions import GELU, RELU, SIGMOID, SILU, SOFTPLUS, TANH
from fhenn.approx.polynomial import Polynomial
from fhenn.approx.tail import tail_safe

DECIMALS = 13
"""Decimals of the coefficients of fhenn's own presets: absolute, as the T_k are at most 1 on the domain."""

_CHEN = (
    "Chen, Gilad-Bachrach, Han, Huang, Jalali, Laine & Lauter 2018, Logistic regression over encrypted data from fully "
    "homomorphic encryption, BMC Medical Genomics 11:81: minimax of degree 3 on [-5, 5], truncated to three decimals; "
    "used on [-4, 4]"
)
_KIM = (
    "Kim, Song, Wang, Xia & Jiang 2018, Secure logistic regression based on homomorphic encryption: design and "
    "evaluation, JMIR Medical Informatics 6(2):e19, least squares on [-8, 8], as printed in powers of x/8"
)
_KIM_NOTES = {
    3: "",
    5: "; the printed coefficient of x^5 is 2.4 % below that of continuous least squares, the others within 6e-5",
    7: "; the printed coefficients are within 8e-4 of those of continuous least squares",
}
KIM = {
    3: (1.20096, -0.81562),
    5: (1.53048, -2.3533056, 1.3511295),
    7: (1.73496, -4.19407, 5.43402, -2.50739),
}
"""The printed coefficients of x/8, (x/8)³, …, of σ(x); the paper prints σ(-x)."""


@dataclass(frozen=True)
class Recipe:
    """How a preset is made.

    name: of the preset.
    make: makes its polynomial, with the digits that the preset has.
    source: where the coefficients come from.
    """

    name: str
    make: Callable[[], Polynomial]
    source: str


def _rounded(polynomial: Polynomial) -> Polynomial:
    coefficients = tuple(round(c, DECIMALS) for c in polynomial.coefficients)
    return Polynomial(coefficients, polynomial.domain, polynomial.basis, polynomial.function)


def _chen() -> Polynomial:
    exact = minimax(SIGMOID, 3, (-5.0, 5.0)).to_monomial()
    return Polynomial(tuple(trunc(c * 1000) / 1000 for c in exact.coefficients), (-4.0, 4.0), function=SIGMOID)


def _kim(degree: int) -> Polynomial:
    coefficients = [0.5] + [0.0] * degree
    coefficients[1::2] = [c / 8**exponent for exponent, c in zip(range(1, degree + 1, 2), KIM[degree], strict=True)]
    return Polynomial(tuple(coefficients), (-8.0, 8.0), function=SIGMOID)


def _minimax(function: Function, width: int, degree: int) -> Recipe:
    return Recipe(
        f"{function.name}-minimax-{width}-{degree}",
        lambda: _rounded(minimax(function, degree, (-width, width))),
        f"Remez exchange, fhenn.approx.minimax; {DECIMALS} decimals",
    )


def _least_squares(degree: int) -> Recipe:
    return Recipe(
        f"sigmoid-least-squares-8-{degree}",
        lambda: _rounded(least_squares(SIGMOID, degree, (-8, 8))),
        f"Legendre projection, fhenn.approx.least_squares; {DECIMALS} decimals",
    )


def _tail_safe(function: Function, width: int, reach: int, degree: int) -> Recipe:
    # a little stricter than the 0.05 and 2 that are promised, for the rounding; ReLU's margin binds on the left
    margin = 0.0502 if function.symmetry == "odd" else 0.0498
    return Recipe(
        f"{function.name}-tail-safe-{width}-{reach}-{degree}",
        lambda: _rounded(tail_safe(function, degree, (-width, width), (-reach, reach), margin, slope=1.999)),
        f"linear program, fhenn.approx.tail_safe with margin {margin:g} and slope 1.999; {DECIMALS} decimals",
    )


RECIPES: tuple[Recipe, ...] = (
    Recipe("sigmoid-chen-3", _chen, _CHEN),
    *(Recipe(f"sigmoid-kim-{n}", lambda n=n: _kim(n), _KIM + _KIM_NOTES[n]) for n in KIM),  # type: ignore[misc]
    *map(_least_squares, (3, 5, 7)),
    *(_minimax(SIGMOID, width, degree) for width in (4, 6, 8, 12, 16) for degree in range(3, 32, 2)),
    *(_minimax(TANH, width, degree) for width in (2, 4, 8) for degree in (3, 7, 15)),
    *(
        _minimax(function, width, degree)
        for function in (RELU, SILU, GELU, SOFTPLUS)
        for width in (4, 8)
        for degree in (2, 6, 14)
    ),
    *(_tail_safe(SIGMOID, 4, 8, degree) for degree in (3, 5, 7)),
    *(_tail_safe(SIGMOID, 8, 16, degree) for degree in (7, 9, 15)),
    _tail_safe(TANH, 2, 4, 5),
    _tail_safe(TANH, 4, 8, 7),
    *(_tail_safe(function, 4, 8, 6) for function in (RELU, SILU, GELU, SOFTPLUS)),
)
"""All of them, in the order of the file."""


def write_presets(path: Path) -> None:
    """Make every preset and write them to `path` as JSON, one a line. Raises ExtraMissing without SciPy."""
    lines = []
    for recipe in RECIPES:
        polynomial = recipe.make()
        function = polynomial.function
        entry = {
            "name": recipe.name,
            "function": function.name if function else None,
            "domain": polynomial.domain,
            "basis": polynomial.basis,
            "coefficients": polynomial.coefficients,
            "source": recipe.source,
        }
        lines.append(json.dumps(entry))
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
