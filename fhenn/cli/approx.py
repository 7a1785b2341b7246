"""`fhenn approx`: the polynomial for a range, and what other degrees would give."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from math import ceil, inf, log2
from typing import Any, cast

import click

from fhenn.approx import FUNCTIONS, PRESETS, Function, Polynomial, choose, fit, preset, tail_safe
from fhenn.approx.fits import MAX_DEGREE, Domain, Method, symmetric
from fhenn.approx.numbers import round_up
from fhenn.approx.polynomial import require_domain
from fhenn.cli.nodes import FITTED
from fhenn.cli.show import Grid, as_json_option, tell
from fhenn.errors import AccuracyUnreached, ExtraMissing, ParameterError

METHODS = ("minimax", "least-squares", "chebyshev")

_MOST_ROWS = 12
_LAST_ROWS = 5
_REFUSALS = 4
"""Degrees in a row without a tail-safe polynomial after which higher ones, slower still, are not tried."""

_LARGEST_MONOMIAL = 9
"""Past it, powers of x need coefficients of ever more digits."""


@click.command()
@click.argument("name", type=click.Choice(tuple(FITTED)), metavar="NAME")
@click.option("--domain", type=float, nargs=2, required=True, metavar="LOW HIGH", help="Interval of the inputs.")
@click.option("--degree", type=int, help=f"Degree of the polynomial, 1 to {MAX_DEGREE}.")
@click.option("--accuracy", type=float, help="Largest error on the domain; takes the smallest degree that reaches it.")
@click.option("--method", type=click.Choice(METHODS), default=None, help="How to fit it.  [default: minimax]")
@click.option(
    "--tail-safe",
    "reach",
    type=float,
    nargs=2,
    metavar="LOW HIGH",
    help="Keep the class out to here, by a margin of 0.05. Needs the extra `fit`, except for presets.",
)
@as_json_option
def approx(
    *,
    name: str,
    domain: Domain,
    degree: int | None,
    accuracy: float | None,
    method: str | None,
    reach: Domain | None,
    as_json: bool,
) -> None:
    """Choose the polynomial for an activation and a range.

    NAME is sigmoid, tanh, relu, silu, gelu or softplus. Give --accuracy or --degree. Prints the levels and the largest
    error on the domain of every degree, the polynomial, and the line of Python that makes its node.

    \b
      fhenn approx sigmoid --domain -8 8 --accuracy 1e-3
      fhenn approx sigmoid --domain -8 8 --degree 9 --tail-safe -16 16
    """
    if reach is not None and method is not None:
        raise ParameterError("--tail-safe and --method exclude each other.", "Leave one of them out.")
    fits = _Fits(FUNCTIONS[name], require_domain(domain), method or "minimax", reach)
    if degree is not None and accuracy is None:
        chosen = fits.of_degree(degree)
    elif accuracy is not None and degree is None:
        chosen = fits.of_accuracy(accuracy)
    else:
        given = "neither --degree nor --accuracy is" if degree is None else "--degree and --accuracy are both"
        raise ParameterError(f"{given} given.", "Give one of them: each alone decides how close the polynomial is.")
    degrees = _degrees_to_show(fits, chosen.degree)
    rows = [(each, chosen if each == chosen.degree else _attempt(fits, each)) for each in degrees]
    line = fits.python(chosen)
    formula = chosen.to_monomial() if chosen.degree <= _LARGEST_MONOMIAL else chosen.to_chebyshev()
    report = {
        "function": name,
        "domain": chosen.domain,
        "method": "tail-safe" if reach else method or "minimax",
        "tail_safe": reach,
        "table": [_entry(polynomial) for _, polynomial in rows if polynomial is not None],
        "chosen": _entry(chosen) | {"basis": formula.basis, "coefficients": formula.coefficients},
        "python": line,
    }
    low, high = chosen.domain
    kind = f"tail-safe to [{reach[0]:g}, {reach[1]:g}]" if reach else method or "minimax"
    heading = f"{name} on [{low:g}, {high:g}], {kind}"
    tell(as_json, report, heading, _table(rows, chosen), f"\n{_formula(formula)}\n\n{line}")


class _Fits:
    """The polynomials for a function and a domain, by one method."""

    def __init__(self, function: Function, domain: Domain, method: str, reach: Domain | None) -> None:
        self._function, self._domain, self._reach = function, domain, reach
        self._method = cast("Method", method.replace("-", "_"))

    def of_degree(self, degree: int) -> Polynomial:
        """The polynomial of a degree. Raises what `fit` or `tail_safe` does."""
        if self._reach is not None:
            name = self._preset(degree)
            return preset(name) if name else tail_safe(self._function, degree, self._domain, self._reach)
        if self._method == "minimax":
            return choose(self._function, self._domain, degree)
        return fit(self._function, domain=self._domain, degree=degree, method=self._method)

    def of_accuracy(self, accuracy: float) -> Polynomial:
        """The polynomial of the smallest degree that reaches an accuracy.

        Raises AccuracyUnreached, and what `fit` and `tail_safe` do.
        """
        if self._reach is None:
            if self._method == "minimax":
                return choose(self._function, self._domain, accuracy=accuracy)
            return fit(self._function, domain=self._domain, accuracy=accuracy, method=self._method)
        if not 0 < accuracy < inf:
            raise ParameterError(
                f"accuracy must be a positive finite number, not {accuracy!r}.", "Give for instance 1e-3."
            )
        best, best_degree, refusals = inf, 0, 0
        for degree in self.degrees():
            try:
                polynomial = self.of_degree(degree)
            except ParameterError:  # of this degree none is found
                refusals += 1
                if refusals < _REFUSALS:
                    continue
                if best_degree == 0:
                    raise
                break
            refusals, error = 0, polynomial.sup_error()
            if error <= accuracy:
                return polynomial
            best, best_degree = min((best, best_degree), (error, degree))
        raise AccuracyUnreached(
            accuracy,
            best,
            best_degree,
            f"Ask for an accuracy of {round_up(best)} or more, or for tails that reach less far.",
        )

    def degrees(self) -> Iterator[int]:
        """The degrees to try, in ascending order: symmetry makes every other one no better."""
        step = 2 if symmetric(self._function, self._domain) else 1
        return iter(range(3 if step == 2 and self._function.symmetry == "odd" else 2, MAX_DEGREE + 1, step))

    def python(self, polynomial: Polynomial) -> str:
        """The line that makes the node."""
        low, high = (f"{bound!r}".removesuffix(".0") for bound in self._domain)
        degree, node = polynomial.degree, FITTED[self._function.name].__name__
        function = f"fhenn.approx.{self._function.name.upper()}"
        if self._reach is None and self._method == "minimax":
            return f"fhenn.{node}(domain=({low}, {high}), degree={degree})"
        if self._reach is None:
            call = f"fhenn.approx.{self._method}({function}, {degree}, ({low}, {high}))"
        elif name := self._preset(degree):
            call = f'fhenn.approx.preset("{name}")'
        else:
            left, right = (f"{float(bound)!r}".removesuffix(".0") for bound in self._reach)
            call = f"fhenn.approx.tail_safe({function}, {degree}, ({low}, {high}), ({left}, {right}))"
        return f"fhenn.{node}(polynomial={call})"

    def _preset(self, degree: int) -> str | None:
        """The name of the tail-safe preset of that degree, if there is one for this domain and reach."""
        if self._reach is None or any(low != -high for low, high in (self._domain, self._reach)):
            return None
        name = f"{self._function.name}-tail-safe-{self._domain[1]:g}-{self._reach[1]:g}-{degree}"
        return name if name in PRESETS and PRESETS[name].polynomial.domain == self._domain else None


def _attempt(fits: _Fits, degree: int) -> Polynomial | None:
    """The polynomial of that degree; None where none keeps the tails, or without the SciPy that would find it."""
    try:
        return fits.of_degree(degree)
    except (ParameterError, ExtraMissing):
        return None


def _degrees_to_show(fits: _Fits, degree: int) -> list[int]:
    """The degrees to compare with: up to the chosen one, and one more.

    Where there are many, these are the nearest ones, and below those the largest for each number of levels.
    """
    every = list(fits.degrees())
    below = [each for each in every if each < degree]
    after = [each for each in every if each > degree][:1]
    if len(below) > _MOST_ROWS - 2:
        distant, below = below[:-_LAST_ROWS], below[-_LAST_ROWS:]
        groups = groupby(distant, key=lambda each: ceil(log2(each + 1)))
        below = [max(group) for _, group in groups] + below
    return [*below, degree, *after]


def _entry(polynomial: Polynomial) -> dict[str, Any]:
    return {"degree": polynomial.degree, "levels": polynomial.depth, "error": polynomial.sup_error()}


def _formula(polynomial: Polynomial) -> str:
    """The polynomial in lines that break between terms, in t where it is a Chebyshev series."""
    text, ending = str(polynomial), ""
    if polynomial.basis == "chebyshev":
        low, high = polynomial.domain
        middle, half = low / 2 + high / 2, high / 2 - low / 2
        shifted = f"(x {'-' if middle > 0 else '+'} {abs(middle):g})" if middle else "x"
        text = str(replace(polynomial, domain=(-1.0, 1.0))).replace("(x)", "(t)")
        ending = f"\nwith t = {shifted}/{half:g} and Tk the Chebyshev polynomials"
    terms = (term.replace(" ", "\xa0") for term in re.split(r" (?=[+-] )", text))  # textwrap breaks at no \xa0
    return textwrap.fill(" ".join(terms), 100).replace("\xa0", " ") + ending


def _table(rows: list[tuple[int, Polynomial | None]], chosen: Polynomial) -> Grid:
    table = Grid()
    table.add_column("")
    for heading in ("degree", "levels", "largest error"):
        table.add_column(heading, justify="right")
    for degree, polynomial in rows:
        here = polynomial is chosen
        cells = ("–", "–") if polynomial is None else (str(polynomial.depth), f"{polynomial.sup_error():.2e}")
        table.add_row("→" if here else "", str(degree), *cells, style="bold" if here else None)
    return table
