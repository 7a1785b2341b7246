"""Prints the tables of the benches after the run, and keeps them where BENCH_RECORD wants them (`record.py`).

`BENCH_KERNELS=avx2` keeps the native evaluator from what this CPU has beyond AVX2, in this process.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping

from record import Record, Table, keep, recorded, versions_of

from fhenn.backends import use_threads
from fhenn.backends.native.library import require_library, status

BEYOND = {"": 0, "avx512dq": 4, "avx2": 6, "portable": 7}
"""Features of cpu.h that kernels are kept from."""

WANTED = os.environ.get("BENCH_KERNELS", "")
if status().usable:
    require_library({"fhenn_cpu_mask": (None, (ctypes.c_int,))}).fhenn_cpu_mask(BEYOND[WANTED])
use_threads(1)  # as all contestants

_TABLES: dict[str, list[Table]] = {}
_VERSIONS: dict[str, dict[str, str]] = {}


def keep_table(name: str, table: Table, versions: Mapping[str, str | None] | None = None) -> None:
    """Take a table of a bench, to be printed and kept after the run.

    name: of the bench.
    versions: of peers, by their names; None for those that are not there.
    """
    _TABLES.setdefault(name, []).append(table)
    found = {peer: version for peer, version in (versions or {}).items() if version}
    _VERSIONS.setdefault(name, {}).update(found)


def pytest_terminal_summary(terminalreporter, exitstatus):
    for name, tables in _TABLES.items():
        record = recorded(name, tables, versions_of({}) | _VERSIONS[name])
        _print(terminalreporter.write_line, record)
        if exitstatus == 0:  # what failed has rows missing
            keep(record)


def _print(write, record: Record) -> None:
    write(f"\n{record.machine}; {', '.join(f'{name} {version}' for name, version in record.versions.items())}")
    for table in record.tables:
        write(f"\n{table.markdown()}")
