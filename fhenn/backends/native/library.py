"""The native library: found, checked and loaded when it is first asked for.

Nothing here imports TenSEAL or loads the library by being imported. `FHENN_NATIVE=0` turns the library off.
"""

from __future__ import annotations

import ctypes
import os
import platform
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fhenn.backends.native.build import LIBRARY
from fhenn.errors import NativeUnavailable, UnsupportedOperation

VERSION = "1"
"""What `fhenn_version` returns of a library that this package can use."""

_FEATURES = {1: "AVX2", 2: "AVX-512", 4: "AVX-512 IFMA"}

Functions = Mapping[str, tuple[Any, tuple[Any, ...]]]
"""Functions of the library by name: the type of the result, and of each argument."""


@dataclass(frozen=True)
class NativeStatus:
    """Whether the native library is in use, and why.

    usable: whether it is.
    reason: why not, in words; empty where it is.
    path: where it is, or would be.
    kernels: names of those that this CPU runs, the fastest last.
    features: of the CPU, that kernels are chosen by.
    """

    usable: bool
    reason: str
    path: str
    kernels: tuple[str, ...] = ()
    features: tuple[str, ...] = ()


class _Unusable(Exception):
    """Why there is no library; `quiet` where that is nothing to warn of."""

    def __init__(self, reason: str, quiet: bool = False) -> None:
        super().__init__(reason)
        self.quiet = quiet


def available() -> bool:
    """Whether the native library can be used: it is there, loads, is of this version, and is not turned off.

    Warns with NativeUnavailable, once, where it is there and cannot be used.
    """
    return status().usable


def status() -> NativeStatus:
    """Whether the native library is in use, and why not. Warns as `available` does."""
    if os.environ.get("FHENN_NATIVE") == "0":
        return NativeStatus(False, "it is turned off by FHENN_NATIVE=0", str(LIBRARY))
    return _status()


@cache
def _status() -> NativeStatus:
    try:
        library = _load(LIBRARY)
    except _Unusable as error:
        if not error.quiet:
            warnings.warn(NativeUnavailable(str(LIBRARY), str(error)), stacklevel=2)
        return NativeStatus(False, str(error), str(LIBRARY))
    found = library.fhenn_cpu_features()
    features = tuple(name for bit, name in _FEATURES.items() if found & bit)
    return NativeStatus(True, "", str(LIBRARY), _kernels_of(library), features)


def _kernels_of(library: ctypes.CDLL) -> tuple[str, ...]:
    """Names of the kernels that this CPU runs."""
    library.fhenn_runnable_kernels.restype = ctypes.c_char_p
    names: list[str] = []
    while name := library.fhenn_runnable_kernels(len(names)):
        names.append(name.decode())
    return tuple(names)


def _load(path: Path) -> ctypes.CDLL:
    """The library in a file. Raises _Unusable."""
    if not path.exists():
        raise _Unusable("it was not built for this installation", quiet=True)
    try:
        library = ctypes.CDLL(str(path))
        library.fhenn_version.restype = ctypes.c_char_p
        version = library.fhenn_version()
    except (OSError, AttributeError) as error:
        system = f"{platform.system()} on {platform.machine()}"
        raise _Unusable(f"it is no library of fhenn for {system}, or is damaged ({error})") from error
    if version != VERSION.encode():
        raise _Unusable(f"it is of version {version.decode(errors='replace')!r:.20}, and {VERSION!r} is expected")
    return library


def require_library(functions: Functions) -> ctypes.CDLL:
    """The library, with types of some of its functions.

    functions: that are going to be called.

    Raises UnsupportedOperation where it cannot be used.
    """
    found = status()
    if not found.usable:
        raise UnsupportedOperation(
            f"the native evaluator ({found.reason})",
            "Plan with evaluator='seal', or build it: python -m fhenn.backends.native.build.",
        )
    library = _load(LIBRARY)
    for name, (result, arguments) in functions.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
