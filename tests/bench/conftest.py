"""Prints the tables of the README after the run.

`BENCH_KERNELS=avx2` keeps the native evaluator from what this CPU has beyond AVX2, in this process.
"""

from __future__ import annotations

import ctypes
import os
import platform
from importlib.metadata import version

from openfhe_peer import installed

from fhenn.backends import use_threads
from fhenn.backends.native.library import require_library, status

BEYOND = {"": 0, "avx512dq": 4, "avx2": 6, "portable": 7}
"""Features of cpu.h that kernels are kept from."""

WANTED = os.environ.get("BENCH_KERNELS", "")
if status().usable:
    require_library({"fhenn_cpu_mask": (None, (ctypes.c_int,))}).fhenn_cpu_mask(BEYOND[WANTED])
use_threads(1)  # as all contestants

TABLES: list[str] = []


def pytest_terminal_summary(terminalreporter):
    if TABLES:
        packages = ", ".join(f"{name} {version(name)}" for name in ("tenseal", "numpy"))
        if found := installed():
            packages += f", openfhe {found[1]}"
        kernels = "SEAL alone" if not status().usable else f"native kernels {WANTED or status().kernels[-1]}"
        machine = f"{platform.machine()}, {kernels}, one thread, Python {platform.python_version()}, {packages}"
        terminalreporter.write_line("")
        terminalreporter.write_line(machine)
        for table in TABLES:
            terminalreporter.write_line("")
            terminalreporter.write_line(table)
