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
from hashlib import sha256
from pathlib import Path
from typing import Any

from fhenn.backends.native.build import ABI, LIBRARY, TARGETS, passport_of, system
from fhenn.errors import NativeUnavailable, UnsupportedOperation
from fhenn.strict import MALFORMED, read_json

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
        library = _load_once(LIBRARY)
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


@cache
def _load_once(path: Path) -> ctypes.CDLL:
    """The library in a file, as it was when it was first asked for. Raises _Unusable."""
    _check(path)
    try:
        library = ctypes.CDLL(str(path))
        library.fhenn_version.restype = ctypes.c_char_p
        version = library.fhenn_version()
    except (OSError, AttributeError) as error:
        raise _Unusable(f"the system does not load it ({error})") from error
    if version != ABI.encode():
        raise _Unusable(f"it says that it is of version {version!r:.20}, and {ABI!r} is expected")
    return library


def _check(path: Path) -> None:
    """Raise _Unusable unless a file is the library that was built for this system, to the byte."""
    if not path.exists():
        raise _Unusable("it was not built for this installation", quiet=True)
    try:
        passport = read_json(passport_of(path).read_bytes())
        abi, built_for, digest = (passport[name] for name in ("abi", "system", "sha256"))
    except (OSError, KeyError, TypeError, *MALFORMED) as error:
        raise _Unusable(
            f"{passport_of(path).name} beside it does not say what it is ({type(error).__name__})"
        ) from error
    if abi != ABI:
        raise _Unusable(f"it is of version {abi!r:.20}, and {ABI!r} is expected")
    if built_for not in (system(), *_targets_of_here()):
        raise _Unusable(f"it was built for {built_for!s:.60}, and this is {system()}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _Unusable(f"it cannot be read ({type(error).__name__})") from error
    if sha256(content).hexdigest() != digest:
        raise _Unusable("it is damaged: its bytes are not those that were built")


def _targets_of_here() -> list[str]:
    """Targets of cross-compilation that are this system, as far as names tell: loading shows the rest."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    name = {"Darwin": "macos"}.get(platform.system(), platform.system().lower())
    return [target for target in TARGETS if target.split("-")[:2] == [machine, name]]


def require_library(functions: Functions, kind: type[ctypes.CDLL] = ctypes.CDLL) -> ctypes.CDLL:
    """The library, with types of some of its functions.

    functions: that are going to be called.
    kind: `ctypes.CDLL`, whose calls let other threads of Python go on, or `ctypes.PyDLL`, whose calls do not.

    Raises UnsupportedOperation where it cannot be used.
    """
    found = status()
    if not found.usable:
        raise UnsupportedOperation(
            f"the native evaluator ({found.reason})",
            "Plan with evaluator='seal', or build it: python -m fhenn.backends.native.build.",
        )
    # the file may be another by now; and types that one caller sets are no other's
    library = kind(str(LIBRARY), handle=_load_once(LIBRARY)._handle)
    for name, (result, arguments) in functions.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
