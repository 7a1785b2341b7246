"""fhenn: neural-network layers, the sigmoid first, under homomorphic encryption."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Activation": "fhenn.nn",
    "Adam": "fhenn.nn",
    "Calibration": "fhenn.ranges",
    "Certificate": "fhenn.safety",
    "CipherArray": "fhenn.backends.seal",
    "Client": "fhenn.session",
    "Context": "fhenn.backends.seal",
    "EncryptedLinear": "fhenn.training",
    "EncryptedModel": "fhenn.interop",
    "GELU": "fhenn.nn",
    "ImportedModel": "fhenn.interop",
    "Linear": "fhenn.nn",
    "Node": "fhenn.nn",
    "Parameters": "fhenn.ckks",
    "Plan": "fhenn.planner",
    "Polynomial": "fhenn.approx",
    "PolynomialActivation": "fhenn.nn",
    "RangeReport": "fhenn.errors",
    "RangeViolation": "fhenn.errors",
    "RangeWarning": "fhenn.errors",
    "ReLU": "fhenn.nn",
    "Reading": "fhenn.interop",
    "RemoteServer": "fhenn.service",
    "SGD": "fhenn.nn",
    "Sequential": "fhenn.nn",
    "Server": "fhenn.session",
    "SiLU": "fhenn.nn",
    "Sigmoid": "fhenn.nn",
    "SignReLU": "fhenn.nn",
    "Softplus": "fhenn.nn",
    "Square": "fhenn.nn",
    "Tanh": "fhenn.nn",
    "calibrate": "fhenn.ranges",
    "certify": "fhenn.safety",
    "decrypt": "fhenn.backends.seal",
    "encrypt": "fhenn.backends.seal",
    "encrypted": "fhenn.interop",
    "from_onnx": "fhenn.interop",
    "from_sklearn": "fhenn.interop.sklearn",
    "from_torch": "fhenn.interop",
    "plan": "fhenn.planner",
    "range_penalty": "fhenn.ranges",
    "safety_report": "fhenn.safety",
}
"""Where each public name lives; it is imported when it is first used, TenSEAL with the first that needs it."""

_ROOMS = ("approx", "artifacts", "errors", "interop", "ranges", "sklearn", "tabular")
"""Rooms that are public as a whole."""

__all__ = [
    "GELU",
    "SGD",
    "Activation",
    "Adam",
    "Calibration",
    "Certificate",
    "CipherArray",
    "Client",
    "Context",
    "EncryptedLinear",
    "EncryptedModel",
    "ImportedModel",
    "Linear",
    "Node",
    "Parameters",
    "Plan",
    "Polynomial",
    "PolynomialActivation",
    "RangeReport",
    "RangeViolation",
    "RangeWarning",
    "ReLU",
    "Reading",
    "RemoteServer",
    "Sequential",
    "Server",
    "SiLU",
    "Sigmoid",
    "SignReLU",
    "Softplus",
    "Square",
    "Tanh",
    "__version__",
    "calibrate",
    "certify",
    "decrypt",
    "encrypt",
    "encrypted",
    "from_onnx",
    "from_sklearn",
    "from_torch",
    "plan",
    "range_penalty",
    "safety_report",
]

if TYPE_CHECKING:
    from fhenn import approx as approx
    from fhenn import artifacts as artifacts
    from fhenn import errors as errors
    from fhenn import interop as interop
    from fhenn import ranges as ranges
    from fhenn import sklearn as sklearn
    from fhenn import tabular as tabular
    from fhenn.approx import Polynomial
    from fhenn.backends.seal import CipherArray, Context, decrypt, encrypt
    from fhenn.ckks import Parameters
    from fhenn.errors import RangeReport, RangeViolation, RangeWarning
    from fhenn.interop import ImportedModel, Reading, from_onnx, from_torch
    from fhenn.interop.encrypted import EncryptedModel, encrypted
    from fhenn.interop.sklearn import from_sklearn
    from fhenn.nn import (
        GELU,
        SGD,
        Activation,
        Adam,
        Linear,
        Node,
        PolynomialActivation,
        ReLU,
        Sequential,
        Sigmoid,
        SignReLU,
        SiLU,
        Softplus,
        Square,
        Tanh,
    )
    from fhenn.planner import Plan, plan
    from fhenn.ranges import Calibration, calibrate, range_penalty
    from fhenn.safety import Certificate, certify, safety_report
    from fhenn.service import RemoteServer
    from fhenn.session import Client, Server
    from fhenn.training import EncryptedLinear


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    if name in _ROOMS:
        return import_module(f"fhenn.{name}")
    raise AttributeError(f"module 'fhenn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
