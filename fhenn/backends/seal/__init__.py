"""CKKS through TenSEAL: the only part of fhenn that imports it."""

from __future__ import annotations

from typing import Any

import tenseal as ts
import tenseal.sealapi

from fhenn.backends.seal.arithmetic import SealArithmetic
from fhenn.backends.seal.context import SealContext
from fhenn.backends.seal.tenseal_values import TENSEAL, TensealBackend, array_of
from fhenn.errors import UnsupportedValue

__all__ = ["SealArithmetic", "SealContext", "array_of", "backend_for"]


def backend_for(value: Any) -> TensealBackend:
    """The backend that serves a value of TenSEAL's types. Raises UnsupportedValue."""
    if isinstance(value, ts.CKKSVector | ts.CKKSTensor):
        return TENSEAL
    raise UnsupportedValue(
        f"{type(value).__module__}.{type(value).__name__}",
        "tenseal.CKKSVector, tenseal.CKKSTensor, fhenn.CipherArray or plaintext numbers",
    )
