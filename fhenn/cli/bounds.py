"""The bounds of features that commands take: declared in a file, or the box of data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unicodedata import normalize

import click
import numpy as np
from numpy.typing import NDArray

from fhenn.cli.show import FILE, count_of, note
from fhenn.cli.tables import CsvFormat, read_table
from fhenn.columns import Table
from fhenn.errors import ParameterError
from fhenn.interop import ImportedModel
from fhenn.nn import Node
from fhenn.strict import read_json

Floats = NDArray[np.float64]

_COLUMNS = ("feature", "low", "high")
_FORM = "Give CSV of feature,low,high with a first line of names, or JSON: {feature: [low, high]} or [low, high]."


def bounds_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--bounds and --bounds-from."""
    command = click.option(
        "--bounds-from", "data", type=FILE, help="Take the box of these data (CSV, NPY, Parquet), and no more."
    )(command)
    return click.option(
        "--bounds", "declared", type=FILE, help="Bounds per feature: CSV of feature,low,high, or JSON."
    )(command)


def features_of(model: Node) -> tuple[str, ...] | None:
    """The names that a model was fitted on, None where it has none."""
    return model.reading.features if isinstance(model, ImportedModel) else None


def samples_of(data: Path, features: Sequence[str] | None, form: CsvFormat, as_json: bool) -> Floats:
    """Samples × features of a table, finite; says how many there are. Raises as `read_table`, `Table.numbers`."""
    return _read(data, features, form, as_json)[0]


def named_samples_of(data: Path, form: CsvFormat, as_json: bool) -> Floats | Table:
    """The same for a model without names, which takes those of the table's header, if it has one."""
    return _named(*_read(data, None, form, as_json))


def _read(
    data: Path, features: Sequence[str] | None, form: CsvFormat, as_json: bool
) -> tuple[Floats, Sequence[str] | None]:
    """Samples × features, and what these are called."""
    table = read_table(data, form, features)
    values = table.numbers(features)
    names = "" if table.names else ", no names of columns"
    note(as_json, f"read {data}: {count_of(len(values), 'sample')} of {count_of(values.shape[1], 'feature')}{names}")
    return values, table.names if features is None or table.names is None else features


def _named(values: Floats, names: Sequence[str] | None) -> Floats | Table:
    return values if names is None or values.ndim != 2 else Table.of(names, values.T)


def chosen_bounds(
    model: Node, declared: Path | None, data: Path | None, form: CsvFormat, as_json: bool, margin: float = 0.0
) -> Floats | Table:
    """Bounds (2, features) or (2,) of one of the files; the box of data is widened on either side by margin widths.

    They have the features' names, those of the file where the model has none, so that a plan has them too.

    Raises ParameterError where neither or both are given, or a file is no such thing; FeatureMismatch, OSError.
    """
    if declared is not None and data is None:
        return _declared(declared, features_of(model), form)
    if data is not None and declared is not None:
        raise ParameterError("the bounds are given twice.", "Give --bounds FILE or --bounds-from DATA, one of them.")
    if data is None:
        raise ParameterError("the bounds of the features are needed.", "Give --bounds FILE or --bounds-from DATA.")
    values, names = _read(data, features_of(model), form, as_json)
    low, high = values.min(axis=0), values.max(axis=0)
    return _named(np.stack([low - margin * (high - low), high + margin * (high - low)]), names)


def _declared(path: Path, features: Sequence[str] | None, form: CsvFormat) -> Floats | Table:
    if path.suffix.lower() == ".json":
        try:
            found = read_json(path.read_text(encoding="utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise ParameterError(f"{path} is not readable as JSON ({error}).", _FORM) from error
    else:
        found = _by_name(path, form)
    names = features
    if isinstance(found, dict):
        names = features or tuple(found)
        found = _in_order(path, found, features)
    try:
        bounds = np.array(found, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise ParameterError(f"{path} holds something else than numbers.", _FORM) from error
    if bounds.shape == (2,):
        return bounds
    if bounds.ndim != 2 or bounds.shape[1] != 2:
        raise ParameterError(f"{path} does not hold a low and a high per feature.", _FORM)
    return _named(np.ascontiguousarray(bounds.T), names)


def _by_name(path: Path, form: CsvFormat) -> dict[str, list[float]]:
    """The low and high of every feature in a table of them."""
    table = read_table(path, form, _COLUMNS)
    if table.names is None or not set(_COLUMNS) <= set(table.names):
        raise ParameterError(f"{path} has no columns feature,low,high.", _FORM)
    features = [normalize("NFC", str(name)) for name in table.column("feature")]
    for row, name in enumerate(features):
        if name in features[:row]:
            both = table.where([features.index(name), row])
            raise ParameterError(f"{path} names the feature {name!r} twice ({both}).", "Keep one of them.")
    return dict(zip(features, table.numbers(("low", "high")).tolist(), strict=True))


def _in_order(path: Path, found: dict[str, Any], features: Sequence[str] | None) -> list[Any]:
    """Bounds by name in the model's order; in their own where the model has no names."""
    if features is None:
        return list(found.values())
    if len({normalize("NFC", name) for name in found}) < len(found):
        raise ParameterError(f"{path} names a feature twice, in two ways of writing an accent.", "Keep one of them.")
    found = {normalize("NFC", name): bounds for name, bounds in found.items()}
    features = [normalize("NFC", name) for name in features]
    missing = [name for name in features if name not in found]
    if missing:
        raise ParameterError(
            f"{path} says nothing of {', '.join(missing[:5])}{', …' if len(missing) > 5 else ''}.",
            "Add the low and the high of every feature.",
        )
    return [found[name] for name in features]
