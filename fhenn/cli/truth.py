"""The true values of samples that commands take: columns of their table, or a file of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.cli.bounds import Floats, read_named
from fhenn.cli.show import count_of, note
from fhenn.cli.tables import CsvFormat, Table, read_table
from fhenn.errors import ParameterError
from fhenn.nn import Node


def read_truth(data: Path, labels: Sequence[str], form: CsvFormat, *, numbers: bool = False) -> NDArray[Any]:
    """The true values of samples, (samples,), or (samples, targets) of several columns.

    data: file with the samples.
    labels: names of columns beside them, or the name of a file of one column.
    form: how files are written, where they are CSV.
    numbers: whether they are values, as of a regression, and no classes.

    Raises ParameterError, MissingValues, OSError.
    """
    if len(labels) == 1 and Path(labels[0]).is_file():
        table = read_table(Path(labels[0]), form, None).data()
        if len(table.columns) != 1:
            raise ParameterError(
                f"{labels[0]} has {len(table.columns)} columns.",
                "Give a file of labels alone, or the name of a column.",
            )
        table, labels = replace(table, names=("labels",)), ("labels",)
        return _values(table, labels) if numbers else table.labels("labels")
    if data.suffix.lower() == ".npy":
        raise ParameterError(
            f"there is no file {labels[0]}, and {data} has no columns with names.", "Give labels in a file."
        )
    table = read_table(data, form, labels)
    if numbers:
        return _values(table, labels)
    columns = [table.labels(label) for label in labels]
    return columns[0] if len(columns) == 1 else np.asarray(columns).T


def _values(table: Table, labels: Sequence[str]) -> Floats:
    """Columns of numbers: (samples,) of one, else (samples, targets)."""
    for label in labels:
        table.column(label)  # said as of a label, where there is none
    values = table.numbers(labels)
    return values[:, 0] if len(labels) == 1 else values


def read_others(
    data: Path, labels: Sequence[str], form: CsvFormat, as_json: bool
) -> tuple[Floats, Sequence[str] | None]:
    """The samples in all columns of a table but those of labels, and what the columns are called.

    data, labels, form: as for `read_truth`.
    as_json: whether the note on what was read is left out.

    Raises ParameterError, MissingValues, OSError.
    """
    table = read_table(data, form, labels)
    for label in labels:
        table = table.without(label)
    features = table.data()
    values = features.numbers()
    note(as_json, f"read {data}: {count_of(len(values), 'sample')} of {count_of(values.shape[1], 'feature')}")
    return values, features.names


def read_labelled(
    model: Node,
    data: Path,
    labels: Sequence[str],
    form: CsvFormat,
    as_json: bool,
    features: Sequence[str] | None = None,
) -> tuple[Floats, Sequence[str] | None, NDArray[Any] | None]:
    """The samples of a table for a model, what their features are called, and their true values.

    Columns are taken by name where the model has names or a preparation, and others are left out; else all columns
    but those of labels are features.

    model: whose samples they are.
    data, labels, form, as_json: as for `read_others`; no labels for samples alone.
    features: names of the columns where the model has none, as of a plan; None for all columns.

    Returns (samples, features), names or None, and what `read_truth` does or None.
    Raises what `samples_in_chunks` and `read_truth` do.
    """
    if not labels:
        return *read_named(model, data, form, as_json, features), None
    truth = read_truth(data, labels, form, numbers=model.is_regression)
    apart = len(labels) == 1 and Path(labels[0]).is_file()
    if apart or features or model.feature_names is not None or model.preparation is not None:
        return *read_named(model, data, form, as_json, features), truth
    return *read_others(data, labels, form, as_json), truth
