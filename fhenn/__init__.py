"""fhenn: neural-network layers, the sigmoid first, under homomorphic encryption."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Adam": "fhenn.nn",
    "CipherArray": "fhenn.backends.ckks",
    "Context": "fhenn.backends.ckks",
    "Linear": "fhenn.nn",
    "Node": "fhenn.nn",
    "Parameters": "fhenn.backends.ckks",
    "Polynomial": "fhenn.approx",
    "RangeReport": "fhenn.errors",
    "RangeViolation": "fhenn.errors",
    "RangeWarning": "fhenn.errors",
    "SGD": "fhenn.nn",
    "Sequential": "fhenn.nn",
    "Sigmoid": "fhenn.nn",
    "decrypt": "fhenn.backends.ckks",
    "encrypt": "fhenn.backends.ckks",
}
"""Where each public name lives; it is imported when it is first used, TenSEAL with the first that needs it."""

__all__ = [
    "SGD",
    "Adam",
    "CipherArray",
    "Context",
    "Linear",
    "Node",
    "Parameters",
    "Polynomial",
    "RangeReport",
    "RangeViolation",
    "RangeWarning",
    "Sequential",
    "Sigmoid",
    "__version__",
    "decrypt",
    "encrypt",
]

if TYPE_CHECKING:
    from fhenn.approx import Polynomial
    from fhenn.backends.ckks import CipherArray, Context, Parameters, decrypt, encrypt
    from fhenn.errors import RangeReport, RangeViolation, RangeWarning
    from fhenn.nn import SGD, Adam, Linear, Node, Sequential, Sigmoid


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'fhenn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
