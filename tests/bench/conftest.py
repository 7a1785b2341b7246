"""Prints the tables of the README after the run."""

from __future__ import annotations

import platform
from importlib.metadata import version

from openfhe_peer import installed

from fhenn.backends import use_threads
from fhenn.backends.native.library import status

use_threads(1)  # as all contestants

TABLES: list[str] = []


def pytest_terminal_summary(terminalreporter):
    if TABLES:
        packages = ", ".join(f"{name} {version(name)}" for name in ("tenseal", "numpy"))
        if found := installed():
            packages += f", openfhe {found[1]}"
        kernels = "SEAL alone" if not status().usable else f"native kernels {status().kernels[-1]}"
        machine = f"{platform.machine()}, {kernels}, one thread, Python {platform.python_version()}, {packages}"
        terminalreporter.write_line("")
        terminalreporter.write_line(machine)
        for table in TABLES:
            terminalreporter.write_line("")
            terminalreporter.write_line(table)
