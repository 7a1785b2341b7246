"""Transformers that fill missing cells, or tell of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fhenn.interop.preparation import Impute, IsMissing, Select, Step, Union
from fhenn.interop.preparation.frame import Cell
from fhenn.interop.sklearn.imported import refuse
from fhenn.interop.sklearn.preparing.context import Context, Reader, cell_of, integers


def readers() -> dict[type, Reader]:
    """The transformers of this module."""
    from sklearn import impute

    return {impute.SimpleImputer: _simple_imputer, impute.MissingIndicator: _missing_indicator}


def _simple_imputer(step: Any, context: Context) -> list[Step]:
    values = [cell_of(value, step, context) for value in np.asarray(step.statistics_).ravel()]
    # columns without any cell at fit are left out
    kept = tuple(place for place, value in enumerate(values) if value is not None)
    missing = _missing(step, context)
    steps: list[Step] = [Impute(tuple(values[place] for place in kept), missing)]
    if len(kept) < len(values):
        steps.insert(0, Select(kept))
    if step.indicator_ is None:
        return steps
    return [Union((tuple(steps), tuple(_missing_indicator(step.indicator_, context))))]


def _missing_indicator(step: Any, context: Context) -> list[Step]:
    new = not (step.features == "missing-only" and step.error_on_new)
    return [IsMissing(integers(step.features_), _missing(step, context), new)]


def _missing(step: Any, context: Context) -> Cell:
    """What the step takes for missing, None for empty cells."""
    value = cell_of(step.missing_values, step, context)
    if isinstance(value, float) and not np.isfinite(value):
        raise refuse(step, context.where, f"missing_values={value}", "NaN, None, a finite number or a text")
    return value
