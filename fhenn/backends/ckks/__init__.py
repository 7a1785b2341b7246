"""CKKS through TenSEAL: the only part of fhenn that imports it."""

from __future__ import annotations

from typing import Any

import tenseal as ts
import tenseal.sealapi

from fhenn.backends.ckks.array import CipherArray, decrypt, decrypt_with_error, encrypt, encrypt_to_bytes
from fhenn.backends.ckks.cipher import CipherBackend
from fhenn.backends.ckks.context import Context
from fhenn.backends.ckks.layout import Layout, Vectors
from fhenn.backends.ckks.parameters import Parameters
from fhenn.backends.ckks.tenseal_values import TensealBackend
from fhenn.errors import UnsupportedValue

__all__ = [
    "CipherArray",
    "Context",
    "Layout",
    "Parameters",
    "Vectors",
    "backend_for",
    "decrypt",
    "decrypt_with_error",
    "encrypt",
    "encrypt_to_bytes",
]

_CIPHER = CipherBackend()
_TENSEAL = TensealBackend()


def backend_for(value: Any) -> CipherBackend | TensealBackend:
    """The backend that serves a value of this package's or TenSEAL's types. Raises UnsupportedValue."""
    if isinstance(value, CipherArray | Context):
        return _CIPHER
    if isinstance(value, ts.CKKSVector | ts.CKKSTensor):
        return _TENSEAL
    raise UnsupportedValue(
        f"{type(value).__module__}.{type(value).__name__}",
        "tenseal.CKKSVector, tenseal.CKKSTensor, fhenn.CipherArray or plaintext numbers",
    )
