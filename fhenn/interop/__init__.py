"""Models from elsewhere: what their scores mean, and encrypted answers in the form that their users know.

The importers are modules of their own (`fhenn.interop.sklearn`, …), each behind an extra, loaded when called.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fhenn.interop.conversion import Conversion, NodeConversion
from fhenn.interop.encrypted import EncryptedModel, encrypted_model
from fhenn.interop.fold import fold
from fhenn.interop.importers import from_onnx, from_torch
from fhenn.interop.model import ImportedModel
from fhenn.interop.preparation import Preparation
from fhenn.interop.reading import Reading
from fhenn.interop.trees.importers import from_lightgbm, from_xgboost

__all__ = [
    "Conversion",
    "EncryptedModel",
    "ImportedModel",
    "NodeConversion",
    "Preparation",
    "Reading",
    "encrypted_model",
    "fold",
    "from_lightgbm",
    "from_onnx",
    "from_torch",
    "from_xgboost",
]

if TYPE_CHECKING:
    from fhenn.interop import onnx as onnx
    from fhenn.interop import sklearn as sklearn
    from fhenn.interop import torch as torch


def __getattr__(name: str) -> Any:
    if name in ("onnx", "sklearn", "torch"):
        return import_module(f"fhenn.interop.{name}")
    raise AttributeError(f"module 'fhenn.interop' has no attribute {name!r}")
