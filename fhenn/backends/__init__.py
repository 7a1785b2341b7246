"""What a node computes through: one small protocol, one implementation for NumPy, one for CKKS.

`backend_of` finds the implementation by the type of the values, and imports the encrypted one only when a ciphertext
is at hand. TenSEAL's types and fhenn's own `CipherArray` live in `fhenn.backends.seal`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.approx import Polynomial
from fhenn.backends.plain import PLAIN
from fhenn.errors import UnsupportedValue

__all__ = ["PLAIN", "Backend", "backend_of"]


class Backend(Protocol):
    """How values of one kind are computed on. `value` is whatever type the implementation serves."""

    encrypted: bool
    """Whether values of this kind are ciphertexts."""

    def value(self, x: Any) -> Any:
        """`x` checked and in the form that the other methods take. Raises UnsupportedValue."""

    def keep(self, x: Any) -> Any:
        """`x` in a form that later changes by its owner do not reach."""

    def polynomial(self, polynomial: Polynomial, x: Any) -> Any:
        """p(x), element by element."""

    def polynomial_times(self, polynomial: Polynomial, x: Any, factor: Any) -> Any:
        """p(x)·factor, element by element; each of `x` and `factor` may be plaintext or ciphertext."""

    def linear(self, x: Any, weight: NDArray[np.float64], bias: NDArray[np.float64] | None) -> Any:
        """x Wᵀ + b over the last axis; weight (out, in), bias (out,)."""

    def headroom(self, polynomial: Polynomial, x: Any) -> float:
        """The largest |x| for which the evaluation of `polynomial` fits the modulus; infinite for plaintext."""

    def reveal(self, x: Any, secret: Any) -> NDArray[np.floating[Any]]:
        """The plaintext of `x`, decrypted with `secret` or with the secret key that its own context holds."""


def _backend_of_one(value: ArrayLike | Any) -> Backend:
    """The backend that serves the type of `value`."""
    module = type(value).__module__
    if module.partition(".")[0] == "tenseal" or module.startswith("fhenn.backends.seal"):
        return cast(Backend, import_module("fhenn.backends.seal").backend_for(value))
    return PLAIN


def backend_of(*values: Any) -> Backend:
    """The backend that computes on all of `values` together: the encrypted one where plaintext and ciphertext mix.

    Raises UnsupportedValue for two kinds of ciphertext at once.

    >>> backend_of(1.5).encrypted
    False
    """
    backends = {id(backend): backend for backend in map(_backend_of_one, values) if backend.encrypted}
    if len(backends) > 1:
        names = " with ".join(type(value).__name__ for value in values)
        raise UnsupportedValue(names, "ciphertexts of one kind (convert with CipherArray.from_tenseal)")
    return next(iter(backends.values()), PLAIN)
