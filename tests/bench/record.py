"""What a bench found, as data: tables with units, the machine in words, versions and the date, as JSON and Markdown.

Every bench prints its tables. Where BENCH_RECORD names a folder, as it does in `run.py`, they are kept there, too, in
NAME.json.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from math import isnan
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results")
"""Where the records are that the page is made of."""

Cell = str | float | int | None
"""What stands in a table; None where nothing was measured."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    name: in its head.
    unit: "ms", "s", "MB", "GB" or any other that stands in the head; "×", "/s" and "%", which follow the number;
        "error" for powers of ten, "count" for digits in threes, "" for text and numbers as they are.
    """

    name: str
    unit: str = ""

    @property
    def head(self) -> str:
        """The name and, where cells are without it, the unit."""
        return self.name if self.unit in _WITH_NUMBER else f"{self.name}, {self.unit}"

    def text(self, value: Cell) -> str:
        """A cell of this column in words."""
        words = text(value, self.unit)
        return words if self.unit in _WITH_NUMBER else words.removesuffix(f" {self.unit}")


@dataclass(frozen=True)
class Row:
    """A row of a table.

    cells: one a column.
    peer: the software that was measured, where it is not fhenn.
    measured: when, where it was not with the rest: a date, or more words.
    """

    cells: tuple[Cell, ...]
    peer: str = ""
    measured: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under columns; the first column names what was measured.

    title: what the rows have in common, the head of the first column.
    columns: the others.
    rows: each with one cell more than there are columns.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            assert len(row.cells) == len(self.columns) + 1, (self.title, row)

    def head(self) -> str:
        """The first two lines, in Markdown."""
        names = [self.title, *(column.head for column in self.columns)]
        return f"| {' | '.join(names)} |\n| --- |{' --: |' * len(self.columns)}"

    def line(self, row: Row) -> str:
        """A row, in Markdown."""
        others = (column.text(cell) for column, cell in zip(self.columns, row.cells[1:], strict=True))
        first = f"{row.cells[0]} ({row.measured})" if row.measured else str(row.cells[0])
        return f"| {' | '.join([first, *others])} |"

    def markdown(self) -> str:
        """The table, in Markdown."""
        return "\n".join([self.head(), *map(self.line, self.rows)])


_FORMS = {"error": "{:.1e}", "%": "{:.1f}\N{NO-BREAK SPACE}%", "count": "{:,.0f}", "": "{:g}"}
_WITH_NUMBER = {*_FORMS, "×", "/s"}
"""Units that do not stand in the head."""


def text(value: Cell, unit: str = "") -> str:
    """A cell in words: `text(10.54, "ms")` is "10.5 ms"."""
    if isinstance(value, str):
        return value
    if value is None or isnan(value):
        return ""
    if unit in _FORMS:
        return _FORMS[unit].format(value)
    return f"{_short(value)}{'' if unit in {'×', '/s'} else ' '}{unit}"


def _short(value: float) -> str:
    """A number with three digits that count, in threes before the point."""
    size = abs(value)
    if isinstance(value, int) or size >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 0.1 else f"{value:.2g}"


@dataclass(frozen=True)
class Record:
    """The tables of a bench, and what they were measured on.

    name: of the bench.
    measured: the day, as 2026-11-28.
    source: where the numbers were copied from, if they were; empty where the bench wrote them.
    machine: in words.
    load: the average number of processes that wanted a core in the last minute, None where that is not known.
    versions: of the packages and peers, by their names.
    """

    name: str
    measured: str
    machine: str
    versions: Mapping[str, str]
    tables: tuple[Table, ...]
    source: str = ""
    load: float | None = None

    def to_json(self) -> str:
        """Lines that can be read and compared: a row stands on one."""
        head = {"name": self.name, "measured": self.measured, "source": self.source, "machine": self.machine}
        head |= {"load": self.load, "versions": dict(self.versions)}
        tables = ",\n".join(map(_table_to_json, self.tables))
        fields = "".join(f" {_json(key)}: {_json(value)},\n" for key, value in head.items())
        return f'{{\n{fields} "tables": [\n{tables}\n ]\n}}\n'

    @staticmethod
    def from_json(content: str) -> Record:
        """What `to_json` wrote."""
        found = json.loads(content)
        tables = tuple(
            Table(
                table["title"],
                tuple(Column(*column) for column in table["columns"]),
                tuple(Row(tuple(row["cells"]), row.get("peer", ""), row.get("measured", "")) for row in table["rows"]),
            )
            for table in found.pop("tables")
        )
        return Record(tables=tables, **found)

    def with_peers_of(self, old: Record) -> Record:
        """With the rows of an older record for peers that were not there this time, each with its day."""
        at = "" if old.machine == self.machine else ", on another machine"
        older = {(table.title, table.columns): table.rows for table in old.tables}
        tables, versions = [], dict(self.versions)
        for table in self.tables:
            here = {row.peer for row in table.rows}
            kept = [row for row in older.get((table.title, table.columns), ()) if row.peer and row.peer not in here]
            rows = [replace(row, measured=row.measured or f"{old.measured}{at}") for row in kept]
            versions = {row.peer: old.versions[row.peer] for row in kept if row.peer in old.versions} | versions
            tables.append(replace(table, rows=(*table.rows, *rows)))
        return replace(self, tables=tuple(tables), versions=versions)


def _table_to_json(table: Table) -> str:
    columns = _json([[column.name, column.unit] for column in table.columns])
    rows = [
        {"cells": [_rounded(cell) for cell in row.cells]}
        | ({"peer": row.peer} if row.peer else {})
        | ({"measured": row.measured} if row.measured else {})
        for row in table.rows
    ]
    lines = ",\n".join(f"    {_json(row)}" for row in rows)
    return f'  {{"title": {_json(table.title)},\n   "columns": {columns},\n   "rows": [\n{lines}\n   ]}}'


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _rounded(cell: Any) -> Cell:
    """A cell with four digits at most; None for nan, numbers of NumPy as Python's."""
    if cell is None or isinstance(cell, str | int):
        return cell
    value = float(cell)
    return None if isnan(value) else float(f"{value:.4g}")


def machine(threads: int = 1) -> str:
    """This machine in words: processor, cores, what of it kernels are chosen by, system, kernels, threads."""
    from fhenn.backends.native.library import status  # noqa: PLC0415  (the page is made without the library)

    found = status()
    kernels = os.environ.get("BENCH_KERNELS") or found.kernels[-1] if found.usable else "none"
    features = f" with {', '.join(found.features)}" if found.features else ""
    count = f"{threads} thread{'' if threads == 1 else 's'}"
    return (
        f"{_processor()}, {os.cpu_count()} cores{features}; {platform.system()} on {platform.machine()}; "
        f"native kernels {kernels}; {count}"
    )


def _processor() -> str:
    """The processor's name, as far as the system tells."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text("utf-8").splitlines() if described.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "a processor without a name"


PACKAGES = {"NumPy": "numpy", "TenSEAL": "tenseal"}
"""That every bench computes with, by their names."""


def versions_of(packages: Mapping[str, str]) -> dict[str, str]:
    """Versions of Python and of the packages that are installed, by their names."""
    found = {"Python": platform.python_version()}
    for name, package in (PACKAGES | dict(packages)).items():
        try:
            found[name] = version(package)
        except PackageNotFoundError:
            continue
    return found


def recorded(name: str, tables: Iterable[Table], versions: Mapping[str, str], threads: int = 1) -> Record:
    """A record of now and here."""
    day = datetime.now(UTC).date().isoformat()
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    return Record(name, day, machine(threads), dict(versions), tuple(tables), load=load)


def keep(record: Record) -> None:
    """Write a record where BENCH_RECORD wants it, with the rows of peers that the last one had and this one lacks."""
    folder = os.environ.get("BENCH_RECORD")
    if not folder:
        return
    path = Path(folder) / f"{record.name}.json"
    if path.exists():
        record = record.with_peers_of(Record.from_json(path.read_text("utf-8")))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(record.to_json(), "utf-8")


def read(name: str, folder: Path = RESULTS) -> Record | None:
    """The record of a bench, None where there is none."""
    path = folder / f"{name}.json"
    return Record.from_json(path.read_text("utf-8")) if path.exists() else None


@dataclass
class Growing:
    """A table that is printed while its rows come. Changes, unlike the rest here.

    table: its title and columns.
    rows: that have come.
    versions: of peers that no package of this Python has.
    """

    table: Table
    rows: list[Row] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)

    def add(self, *cells: Any, peer: str = "") -> None:
        """Print a row and take it."""
        row = Row(cells, peer)
        self.rows.append(row)
        sys.stdout.write(f"{self.table.line(row)}\n")
        sys.stdout.flush()

    @property
    def whole(self) -> Table:
        """The table with its rows."""
        return replace(self.table, rows=tuple(self.rows))


@contextmanager
def printed(name: str, title: str, columns: Sequence[Column], packages: Mapping[str, str] = {}) -> Iterator[Growing]:
    """A table that a script prints line by line, and that is kept when it is whole and has a row.

    name: of the bench.
    title, columns: of the table.
    packages: that were computed with, beside NumPy and TenSEAL, by their names in words.
    """
    growing = Growing(Table(title, tuple(columns)))
    sys.stdout.write(f"{growing.table.head()}\n")
    yield growing
    if growing.rows:
        keep(recorded(name, [growing.whole], versions_of(packages) | growing.versions))
