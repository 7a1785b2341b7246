"""Transformers that encode categories."""

from __future__ import annotations

from typing import Any

import numpy as np

from fhenn.interop.preparation import Lookup, OneHot, Select, Step
from fhenn.interop.preparation.frame import Cell
from fhenn.interop.sklearn.imported import refuse
from fhenn.interop.sklearn.preparing.context import Context, Reader, cell_of, floats


def readers() -> dict[type, Reader]:
    """The transformers of this module."""
    from sklearn import preprocessing

    return {
        preprocessing.OneHotEncoder: _one_hot,
        preprocessing.OrdinalEncoder: _ordinal,
        preprocessing.TargetEncoder: _target,
    }


def _categories(step: Any, context: Context) -> tuple[tuple[Cell, ...], ...]:
    """Of each column. Raises UnsupportedModel where None and NaN are two of them."""
    found = tuple(tuple(cell_of(each, step, context) for each in categories) for categories in step.categories_)
    for categories in found:
        if len({*categories}) < len(categories):
            reason = "None and NaN, or True and 1, are two categories of one column"
            raise refuse(step, context.where, reason, "one of them, as X.fillna(np.nan) makes it")
    return found


def _infrequent(step: Any, context: Context) -> list[set[Cell]]:
    """The infrequent categories of each column."""
    # an attribute where such were asked for, and None where a column has none
    found = getattr(step, "infrequent_categories_", None) or [None] * len(step.categories_)
    return [set() if each is None else {cell_of(one, step, context) for one in each} for each in found]


def _one_hot(step: Any, context: Context) -> list[Step]:
    categories, infrequent = _categories(step, context), _infrequent(step, context)
    dropped = [None] * len(categories) if step.drop_idx_ is None else list(step.drop_idx_)
    slots, sizes, unknown = [], [], []
    for cells, rare, drop in zip(categories, infrequent, dropped, strict=True):
        frequent = [cell for cell in cells if cell not in rare]
        # those that are infrequent share the last bit
        at = [len(frequent) if cell in rare else frequent.index(cell) for cell in cells]
        size = len(frequent) + bool(rare)
        other: int | None = None if step.handle_unknown == "error" else -1
        if rare and step.handle_unknown in ("infrequent_if_exist", "warn"):
            other = len(frequent)
        if drop is not None:
            gone = at[int(drop)]
            at = [_without(slot, gone) for slot in at]
            other = None if other is None else _without(other, gone)
            size -= 1
        slots.append(tuple(at))
        sizes.append(size)
        unknown.append(other)
    return [OneHot(categories, tuple(slots), tuple(sizes), tuple(unknown))]


def _without(slot: int, gone: int) -> int:
    """The slot when another is gone, -1 where it is that one."""
    return -1 if slot == gone else slot - (slot > gone)


def _ordinal(step: Any, context: Context) -> list[Step]:
    categories, infrequent = _categories(step, context), _infrequent(step, context)
    # only NaN has a code of its own: None is a category as others are
    absent = _code(step.encoded_missing_value)
    codes = []
    for place, (cells, rare) in enumerate(zip(categories, infrequent, strict=True)):
        is_nan = [isinstance(each, float | np.floating) and np.isnan(each) for each in step.categories_[place]]
        frequent = [cell for cell, nan in zip(cells, is_nan, strict=True) if cell not in rare and not nan]
        codes.append(
            tuple(
                absent if nan else float(len(frequent) if cell in rare else frequent.index(cell))
                for cell, nan in zip(cells, is_nan, strict=True)
            )
        )
    unknown: Any = "error" if step.handle_unknown == "error" else _code(step.unknown_value)
    return [Lookup(categories, tuple(codes), (unknown,) * len(categories))]


def _code(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)


def _target(step: Any, context: Context) -> list[Step]:
    """The smoothed mean of the target of each category; one for each class where there are several."""
    categories = _categories(step, context)
    each = len(step.classes_) if step.target_type_ == "multiclass" else 1
    means = floats(step.target_mean_)
    count = len(categories) * each
    places = tuple(place // each for place in range(count))
    lookup = Lookup(
        tuple(categories[place] for place in places),
        tuple(floats(codes) for codes in step.encodings_),
        tuple(means[place % each] for place in range(count)),
    )
    return [lookup] if each == 1 else [Select(places), lookup]
