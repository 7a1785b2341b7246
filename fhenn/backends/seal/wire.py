"""SEAL's objects as bytes, and back."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fhenn.ckks.packing import ciphertext_for_seal, keys_for_seal
from fhenn.ckks.structure import Chain
from fhenn.errors import WireFormatError

SEAL_REFUSALS = (ValueError, RuntimeError, IndexError, OverflowError, MemoryError)
"""What SEAL's exceptions become in Python when it refuses some bytes."""


@contextmanager
def _scratch_path() -> Iterator[str]:
    """A path that SEAL can write to and read from: in memory on Linux, a private temporary file elsewhere.

    For ciphertexts and evaluation keys only: a secret key must not pass through a file.
    """
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").exists():
        descriptor = os.memfd_create("fhenn")
        try:
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield str(Path(folder, "ciphertext"))


def save_object(seal_object: Any) -> bytes:
    """The bytes of a SEAL object, as SEAL saves it.

    seal_object: a ciphertext or evaluation key; never a secret key.
    """
    with _scratch_path() as path:
        seal_object.save(path)
        with Path(path).open("rb") as file:
            return file.read()


def load_object(empty: Any, seal_context: Any, data: bytes | memoryview) -> Any:
    """The SEAL ciphertext or Galois keys in bytes.

    empty: an object of the type, which is filled.
    seal_context: SEAL's context.
    data: of `save_object`, or packed (`fhenn.ckks.packing`), from a stranger.

    Returns `empty`.
    Raises WireFormatError where the bytes are not such an object under these parameters.
    """
    what = type(empty).__name__
    chain = _chain_in(seal_context)
    data = (ciphertext_for_seal if what == "Ciphertext" else keys_for_seal)(chain, what, data)
    with _scratch_path() as path:
        with Path(path).open("wb") as file:
            file.write(data)
        try:
            empty.load(seal_context, path)
        except SEAL_REFUSALS as error:
            raise WireFormatError(what, f"SEAL refuses it ({error})") from error
    return empty


def _chain_in(seal_context: Any) -> Chain:
    """Ring degree and primes of SEAL's context."""
    parameters = seal_context.key_context_data().parms()
    return Chain(int(parameters.poly_modulus_degree()), tuple(int(p.value()) for p in parameters.coeff_modulus()))
