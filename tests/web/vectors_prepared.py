"""A preparation with files, and what Python makes of every row of them."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from vectors_common import ODD_NUMBERS, bytes_of, read

from fhenn.cli.tables import CsvFormat, Table
from fhenn.columns import Table as RawTable
from fhenn.errors import FhennError
from fhenn.interop import Preparation
from fhenn.interop.preparation import Function
from fhenn.interop.sklearn.preparing import preparation_of

EXACT_FUNCTIONS = {
    "absolute",
    "sign",
    "negative",
    "square",
    "sqrt",
    "floor",
    "ceil",
    "trunc",
    "rint",
    "degrees",
    "radians",
}
EXACT = {
    *("Select", "Union", "Impute", "IsMissing", "OneHot", "Lookup", "Thermometer", "CountWords"),
    *("Scale", "Clip", "Bins", "Polynomial", "Spline"),
}
"""Steps whose every operation IEEE 754 rounds in one way."""


def text_of(cell: Any) -> str:
    """A cell as a file has it."""
    if cell is None or (isinstance(cell, float) and np.isnan(cell)) or cell is pd.NA:
        return ""
    return repr(float(cell)) if isinstance(cell, float | np.floating) else str(cell)


def csv_of(names: Sequence[str] | None, rows: Iterable[Iterable[Any]], delimiter: str = ",", decimal: str = ".") -> str:
    """A table as a file."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    if names is not None:
        writer.writerow(names)
    for row in rows:
        cells = [text_of(cell) for cell in row]
        numbers = [isinstance(cell, float | np.floating) for cell in row]
        writer.writerow(
            [cell.replace(".", decimal) if is_number else cell for cell, is_number in zip(cells, numbers, strict=True)]
        )
    return out.getvalue()


def kinds_of(steps: Any) -> Iterator[str]:
    for step in steps:
        name = type(step).__name__
        exact = not isinstance(step, Function) or step.name in EXACT_FUNCTIONS
        yield name if name != "Function" else "Union" if exact else name
        for branch in getattr(step, "branches", ()):
            yield from kinds_of(branch)


def prepared_rows(preparation: Preparation, table: Table) -> list[Any]:
    """Of each row its features, or the name of the error."""
    raw = table.raw(preparation)
    rows: list[Any] = []
    for row in range(table.rows):
        one = RawTable(raw.names, tuple(column[row : row + 1] for column in raw.columns))
        try:
            rows.append(bytes_of(preparation.prepare(one, decimal=table.decimal)))
        except FhennError as error:
            rows.append(type(error).__name__)
    return rows


def prepared_case(name: str, preparation: Preparation, files: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """A preparation with files, and what Python makes of every row."""
    found = []
    for content, options in files:
        expected = preparation.names or ()
        try:
            table = read(content.encode(), CsvFormat(**options), expected)
            rows: Any = prepared_rows(preparation, table)
        except FhennError as error:
            rows = type(error).__name__
        found.append({"content": content, "options": options, "expected": list(expected), "rows": rows})
    return {
        "name": name,
        "preparation": preparation.to_json(),
        "fingerprint": preparation.fingerprint,
        "features": list(preparation.features),
        "texts": [sorted(texts) for texts in preparation.texts],
        "exact": {*kinds_of(preparation.steps)} <= EXACT,
        "tables": found,
    }


def files_of(
    preparation: Preparation, rows: Sequence[Sequence[Any]], names: Sequence[str] | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Files of some rows: as they are, with decimal commas, with odd numbers and words."""
    header = {"header": names is not None}
    yield csv_of(names, rows), header
    semicolons = {**header, "delimiter": ";", "decimal": ","}
    yield csv_of(names, rows[:5], ";", ","), semicolons
    rng = random.Random(len(rows))
    odd: list[list[Any]] = []
    for row in rows[:12]:
        cells = list(row)
        strange = (None, "NA", "x", "inf", "1,5", "2024-02-29", " 1 ", "TRUE", *ODD_NUMBERS)
        cells[rng.randrange(len(cells))] = rng.choice(strange)
        odd.append(cells)
    odd += [[number if isinstance(cell, float | int) else cell for cell in rows[0]] for number in ODD_NUMBERS]
    yield csv_of(names, odd), header


def frame_rows(table: Any) -> tuple[Sequence[Sequence[Any]], Sequence[str] | None]:
    """Rows of a DataFrame, an array or a list of texts."""
    if isinstance(table, pd.DataFrame):
        return table.astype(object).to_numpy().tolist(), list(map(str, table.columns))
    if isinstance(table, np.ndarray):
        return table.tolist(), None
    return [[each] for each in table], None


def of_transformer(
    name: str, transformer: Any, table: Any, *, allow_rows: bool = False, odd: bool = True
) -> dict[str, Any] | None:
    """The case of a fitted transformer; None where none is read of it.

    odd: whether to try odd numbers too, of which a cosine or a kernel has no digit that is right anywhere.
    """
    try:
        preparation = preparation_of([(transformer, name)], allow_rows=allow_rows)
    except FhennError:
        return None
    rows, names = frame_rows(table)
    if preparation.names is None and names is not None:
        names = None
    files = list(files_of(preparation, rows, names))
    return prepared_case(name, preparation, files if odd else files[:2])
