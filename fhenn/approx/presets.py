"""Named polynomials with their sources, and the choice of one for a range.

The coefficients are in presets.json beside this file, to the digits that `fhenn.approx.recipes` says; that module made
the file and can make it again, which a test does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from fhenn.approx.fits import Domain, fit
from fhenn.approx.function import Function
from fhenn.approx.functions import FUNCTIONS
from fhenn.approx.polynomial import Polynomial, require_domain
from fhenn.errors import ParameterError


@dataclass(frozen=True)
class Preset:
    """A polynomial with a name and a source.

    name: as in PRESETS.
    polynomial: the polynomial itself.
    source: where its coefficients come from, and to which digits they are given.
    """

    name: str
    polynomial: Polynomial
    source: str


@cache
def _table() -> dict[str, dict[str, Any]]:
    text = (files("fhenn.approx") / "presets.json").read_text(encoding="utf-8")
    return {entry["name"]: entry for entry in json.loads(text)}


@cache
def _load(name: str) -> Preset:
    entry = _table()[name]
    low, high = entry["domain"]
    function = FUNCTIONS[entry["function"]]
    polynomial = Polynomial(tuple(entry["coefficients"]), (low, high), entry["basis"], function)
    return Preset(name, polynomial, entry["source"])


class _Presets(Mapping[str, Preset]):
    """The presets by name; the file is read at the first look."""

    def __getitem__(self, name: str) -> Preset:
        if name not in _table():
            raise KeyError(name)
        return _load(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_table())

    def __len__(self) -> int:
        return len(_table())


PRESETS: Mapping[str, Preset] = _Presets()
"""The presets by name: "sigmoid-chen-3", "sigmoid-minimax-8-7" (function, kind, half width of the domain, degree),
"sigmoid-tail-safe-8-16-7" (safe out to ±16), …"""


def preset(name: str) -> Polynomial:
    """The polynomial of that name in PRESETS.

    name: for instance "sigmoid-kim-3".

    Raises ParameterError for an unknown name, with the names nearest to it.

    >>> preset("sigmoid-kim-3")
    Polynomial(0.5 + 0.15012x - 0.00159301x^3 on [-8, 8])
    """
    if name not in PRESETS:
        near = get_close_matches(str(name), PRESETS, n=3, cutoff=0) or list(PRESETS)[:3]
        raise ParameterError(f"there is no preset {name!r}.", f"Did you mean {', '.join(near)}? PRESETS lists all.")
    return PRESETS[name].polynomial


def choose(function: Function, domain: Domain, degree: int | None = None, accuracy: float | None = None) -> Polynomial:
    """The minimax polynomial of a given degree, or of the smallest degree that reaches a given accuracy.

    function: the function to approximate.
    domain: the interval (low, high).
    degree: of the polynomial, 1 to 63.
    accuracy: the largest error allowed on the domain, in the place of `degree`.

    Returns a preset if there is one for this very function, domain and degree; else a fit, which is kept for the next
    call.
    Raises what `fit` does.

    >>> choose(FUNCTIONS["sigmoid"], (-8, 8), degree=7) is preset("sigmoid-minimax-8-7")
    True
    """
    # functions are equal by name; one's own of a known name must not meet the other's polynomial
    return _choose(function, function.value, require_domain(domain), degree, accuracy)


@lru_cache(maxsize=256)
def _choose(
    function: Function, value: Callable[[Any], Any], domain: Domain, degree: int | None, accuracy: float | None
) -> Polynomial:
    known = FUNCTIONS.get(function.name)
    if (
        degree is not None
        and accuracy is None
        and known is not None
        and known.value is value
        and domain[0] == -domain[1]
    ):
        name = f"{function.name}-minimax-{domain[1]:g}-{degree}"
        if name in PRESETS and PRESETS[name].polynomial.domain == domain:
            return preset(name)
    fitted = fit(function, domain=domain, degree=degree, accuracy=accuracy)
    if degree is None and fitted.degree:  # of a function that is constant there, it is 0
        stored = _choose(function, value, domain, fitted.degree, None)
        if accuracy is not None and stored.sup_error() <= accuracy:
            return stored
    return fitted
