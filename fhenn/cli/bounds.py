"""The bounds of features that commands take: declared in a file, or the box of data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from fhenn.cli.show import FILE
from fhenn.cli.tables import read_table
from fhenn.errors import NonFiniteValue, ParameterError
from fhenn.interop import ImportedModel
from fhenn.nn import Node
from fhenn.strict import read_json

Floats = NDArray[np.float64]

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


def chosen_bounds(model: Node, declared: Path | None, data: Path | None, margin: float = 0.0) -> Floats:
    """Bounds (2, features) or (2,) of one of the files; the box of data is widened on either side by margin widths.

    Raises ParameterError where neither or both are given, or a file is no such thing; FeatureMismatch, OSError.
    """
    if declared is not None and data is None:
        return _declared(declared, features_of(model))
    if data is None or declared is not None:
        raise ParameterError("the bounds of the features are needed.", "Give --bounds FILE or --bounds-from DATA.")
    values = read_table(data).numbers(features_of(model))
    nonfinite = int(np.count_nonzero(~np.isfinite(values)))
    if nonfinite:
        raise NonFiniteValue(str(data), nonfinite, "Drop or impute them first.")
    low, high = values.min(axis=0), values.max(axis=0)
    return np.stack([low - margin * (high - low), high + margin * (high - low)])


def _declared(path: Path, features: Sequence[str] | None) -> Floats:
    if path.suffix.lower() == ".json":
        try:
            found = read_json(path.read_text(encoding="utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise ParameterError(f"{path} is not readable as JSON ({error}).", _FORM) from error
    else:
        table = read_table(path)
        if table.names != ("feature", "low", "high"):
            raise ParameterError(f"{path} has other columns than feature,low,high.", _FORM)
        low, high = (table.column(name).tolist() for name in ("low", "high"))
        names = map(str, table.column("feature").tolist())
        found = {name: [a, b] for name, a, b in zip(names, low, high, strict=True)}
    if isinstance(found, dict):
        found = _in_order(path, found, features)
    try:
        bounds = np.array(found, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise ParameterError(f"{path} holds something else than numbers.", _FORM) from error
    if bounds.shape == (2,):
        return bounds
    if bounds.ndim != 2 or bounds.shape[1] != 2:
        raise ParameterError(f"{path} does not hold a low and a high per feature.", _FORM)
    return np.ascontiguousarray(bounds.T)


def _in_order(path: Path, found: dict[str, Any], features: Sequence[str] | None) -> list[Any]:
    """Bounds by name in the model's order; in their own where the model has no names."""
    if features is None:
        return list(found.values())
    missing = [name for name in features if name not in found]
    if missing:
        raise ParameterError(
            f"{path} says nothing of {', '.join(missing[:5])}{', …' if len(missing) > 5 else ''}.",
            "Add the low and the high of every feature.",
        )
    return [found[name] for name in features]
