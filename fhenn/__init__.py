"""fhenn: neural-network layers, the sigmoid first, under homomorphic encryption.

- Layers: `Linear`, `Sigmoid` and its sisters in a `Sequential`, or `from_sklearn`, `from_xgboost`,
  `from_lightgbm`, `from_torch`, `from_onnx`.
- `plan` chooses the parameters of encryption for a model and an accuracy.
- `Client` holds the data and the secret key, `Server` the model; `RemoteServer` is one at the end of a connection,
  `LocalPool` one on all cores.
- `encrypted_model` has both sides in one process, to try; `compare` sets encrypted answers beside the exact model's.
- `calibrate`, `certify` and `safety_report` say what values reach, and how far answers can be off.
- `Context`, `Parameters`, `encrypt`, `decrypt`, `CipherArray` and `concatenate` are for circuits of your own.

The rest is in rooms, such as `fhenn.approx`, `fhenn.artifacts`, `fhenn.errors` and `fhenn.figures`.

>>> import fhenn
>>> model = fhenn.Sequential([fhenn.Linear([[1.0, -1.0]]), fhenn.Sigmoid()])
>>> plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-3)
>>> client = fhenn.Client(plan)
>>> server = fhenn.Server(model, plan, client.evaluation_keys())
>>> client.decrypt(server.predict(client.encrypt([[0.5, 0.25]]))).round(2)
array([[0.55]])
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

_HOME = {
    "Activation": "fhenn.nn",
    "Adam": "fhenn.nn",
    "Calibration": "fhenn.ranges",
    "Certificate": "fhenn.safety",
    "CipherArray": "fhenn.ckks",
    "Client": "fhenn.session",
    "Context": "fhenn.backends.seal",
    "NativeContext": "fhenn.backends.native.context",
    "EncryptedLinear": "fhenn.training",
    "EncryptedModel": "fhenn.interop",
    "Encryptor": "fhenn.session",
    "GELU": "fhenn.nn",
    "ImportedModel": "fhenn.interop",
    "AvgPool1d": "fhenn.nn",
    "AvgPool2d": "fhenn.nn",
    "Conv1d": "fhenn.nn",
    "Conv2d": "fhenn.nn",
    "Flatten": "fhenn.nn",
    "GlobalAvgPool2d": "fhenn.nn",
    "Pad": "fhenn.nn",
    "Multiply": "fhenn.nn",
    "Residual": "fhenn.nn",
    "Upsample": "fhenn.nn",
    "Linear": "fhenn.nn",
    "LocalPool": "fhenn.pool",
    "Node": "fhenn.nn",
    "Parameters": "fhenn.ckks",
    "Plan": "fhenn.planner",
    "Polynomial": "fhenn.approx",
    "PolynomialActivation": "fhenn.nn",
    "Preparation": "fhenn.interop",
    "RangeReport": "fhenn.errors",
    "RangeViolation": "fhenn.errors",
    "RangeWarning": "fhenn.errors",
    "RayPool": "fhenn.pool",
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
    "compare": "fhenn.comparison",
    "concatenate": "fhenn.ckks",
    "decrypt": "fhenn.ckks",
    "encrypt": "fhenn.ckks",
    "encrypted_model": "fhenn.interop",
    "from_lightgbm": "fhenn.interop",
    "from_onnx": "fhenn.interop",
    "from_sklearn": "fhenn.interop.sklearn",
    "from_torch": "fhenn.interop",
    "from_xgboost": "fhenn.interop",
    "plan": "fhenn.planner",
    "range_penalty": "fhenn.ranges",
    "safety_report": "fhenn.safety",
}
"""Where each public name lives; it is imported when it is first used, TenSEAL with the first that needs it."""

_RETIRED: dict[str, str] = {}
"""Names of before, and where each lives: they warn where they are used, for one version. None in this one."""

_NAMES = {"Context": "SealContext"}
"""What a public name is called at home, where that differs."""

_ROOMS = (
    "approx",
    "artifacts",
    "backends",
    "ckks",
    "comparison",
    "demo",
    "errors",
    "figures",
    "interop",
    "nn",
    "planner",
    "pool",
    "ranges",
    "safety",
    "service",
    "session",
    "sklearn",
    "tabular",
    "training",
    "wire",
)
"""Rooms that are public as a whole; each is imported when it is first used."""

_NEEDS = {"sklearn": "sklearn"}
"""The library without which a room cannot be imported at all."""

__all__ = [
    "GELU",
    "SGD",
    "Activation",
    "Adam",
    "AvgPool1d",
    "AvgPool2d",
    "Calibration",
    "Certificate",
    "CipherArray",
    "Client",
    "Context",
    "Conv1d",
    "Conv2d",
    "EncryptedLinear",
    "EncryptedModel",
    "Encryptor",
    "Flatten",
    "GlobalAvgPool2d",
    "ImportedModel",
    "Linear",
    "LocalPool",
    "Multiply",
    "NativeContext",
    "Node",
    "Pad",
    "Parameters",
    "Plan",
    "Polynomial",
    "PolynomialActivation",
    "Preparation",
    "RangeReport",
    "RangeViolation",
    "RangeWarning",
    "RayPool",
    "ReLU",
    "Reading",
    "RemoteServer",
    "Residual",
    "Sequential",
    "Server",
    "SiLU",
    "Sigmoid",
    "SignReLU",
    "Softplus",
    "Square",
    "Tanh",
    "Upsample",
    "__version__",
    "calibrate",
    "certify",
    "compare",
    "concatenate",
    "decrypt",
    "encrypt",
    "encrypted_model",
    "from_lightgbm",
    "from_onnx",
    "from_sklearn",
    "from_torch",
    "from_xgboost",
    "plan",
    "range_penalty",
    "safety_report",
]

if TYPE_CHECKING:
    from fhenn import approx as approx
    from fhenn import artifacts as artifacts
    from fhenn import backends as backends
    from fhenn import ckks as ckks
    from fhenn import comparison as comparison
    from fhenn import demo as demo
    from fhenn import errors as errors
    from fhenn import figures as figures
    from fhenn import interop as interop
    from fhenn import nn as nn
    from fhenn import planner as planner
    from fhenn import pool as pool
    from fhenn import ranges as ranges
    from fhenn import safety as safety
    from fhenn import service as service
    from fhenn import session as session
    from fhenn import sklearn as sklearn
    from fhenn import tabular as tabular
    from fhenn import training as training
    from fhenn import wire as wire
    from fhenn.approx import Polynomial
    from fhenn.backends.native.context import NativeContext
    from fhenn.backends.seal import SealContext as Context
    from fhenn.ckks import CipherArray, Parameters, concatenate, decrypt, encrypt
    from fhenn.comparison import compare
    from fhenn.errors import RangeReport, RangeViolation, RangeWarning
    from fhenn.interop import (
        ImportedModel,
        Preparation,
        Reading,
        from_lightgbm,
        from_onnx,
        from_torch,
        from_xgboost,
    )
    from fhenn.interop.encrypted import EncryptedModel, encrypted_model
    from fhenn.interop.sklearn import from_sklearn
    from fhenn.nn import (
        GELU,
        SGD,
        Activation,
        Adam,
        AvgPool1d,
        AvgPool2d,
        Conv1d,
        Conv2d,
        Flatten,
        GlobalAvgPool2d,
        Linear,
        Multiply,
        Node,
        Pad,
        PolynomialActivation,
        ReLU,
        Residual,
        Sequential,
        Sigmoid,
        SignReLU,
        SiLU,
        Softplus,
        Square,
        Tanh,
        Upsample,
    )
    from fhenn.planner import Plan, plan
    from fhenn.pool import LocalPool, RayPool
    from fhenn.ranges import Calibration, calibrate, range_penalty
    from fhenn.safety import Certificate, certify, safety_report
    from fhenn.service import RemoteServer
    from fhenn.session import Client, Encryptor, Server
    from fhenn.training import EncryptedLinear


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"fhenn.{name}")
    home = _HOME.get(name) or _RETIRED.get(name)
    if home is None:
        raise AttributeError(f"module 'fhenn' has no attribute {name!r}")
    value = getattr(import_module(home), _NAMES.get(name, name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    # what looks at everything (`help`, a debugger) must not stumble over an extra that is not there
    missing = {room for room, library in _NEEDS.items() if find_spec(library) is None}
    return sorted({*__all__, *_ROOMS} - missing)
