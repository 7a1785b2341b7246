"""CKKS through TenSEAL: the only part of fhenn that imports it."""

from __future__ import annotations

from typing import Any

import tenseal as ts
import tenseal.sealapi

from fhenn.backends.seal.array import CipherArray, decrypt, decrypt_with_error, encrypt, encrypt_to_bytes
from fhenn.backends.seal.cipher import CipherBackend
from fhenn.backends.seal.context import Context
from fhenn.backends.seal.tenseal_values import TensealBackend
from fhenn.errors import UnsupportedValue

__all__ = [
    "CipherArray",
    "Context",
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
