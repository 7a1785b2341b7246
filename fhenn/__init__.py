"""fhenn: neural-network layers, the sigmoid first, under homomorphic encryption."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Adam": "fhenn.nn",
    "CipherArray": "fhenn.backends.ckks",
    "Client": "fhenn.session",
    "Context": "fhenn.backends.ckks",
    "Linear": "fhenn.nn",
    "Node": "fhenn.nn",
    "Parameters": "fhenn.backends.ckks",
    "Plan": "fhenn.planner",
    "Polynomial": "fhenn.approx",
    "RangeReport": "fhenn.errors",
    "RangeViolation": "fhenn.errors",
    "RangeWarning": "fhenn.errors",
    "SGD": "fhenn.nn",
    "Sequential": "fhenn.nn",
    "Server": "fhenn.session",
    "Sigmoid": "fhenn.nn",
    "decrypt": "fhenn.backends.ckks",
    "encrypt": "fhenn.backends.ckks",
    "plan": "fhenn.planner",
}
"""Where each public name lives; it is imported when it is first used, TenSEAL with the first that needs it."""

__all__ = [
    "SGD",
    "Adam",
    "CipherArray",
    "Client",
    "Context",
    "Linear",
    "Node",
    "Parameters",
    "Plan",
    "Polynomial",
    "RangeReport",
    "RangeViolation",
    "RangeWarning",
    "Sequential",
    "Server",
    "Sigmoid",
    "__version__",
    "decrypt",
    "encrypt",
    "plan",
]

if TYPE_CHECKING:
    from fhenn.approx import Polynomial
    from fhenn.backends.ckks import CipherArray, Context, Parameters, decrypt, encrypt
    from fhenn.errors import RangeReport, RangeViolation, RangeWarning
    from fhenn.nn import SGD, Adam, Linear, Node, Sequential, Sigmoid
    from fhenn.planner import Plan, plan
    from fhenn.session import Client, Server


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'fhenn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
