"""What may be labels of classes, and which columns look like identifiers."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.columns import column_of
from fhenn.errors import DataWarning, MissingValues, ParameterError
from fhenn.missing import missing_places

Floats = NDArray[np.float64]

_FEW = 5
_MOST_NAMED = 5
_NUMBER = re.compile(r"[+-]?(0|[1-9]\d*)([.,]\d+([eE][+-]?\d+)?|[eE][+-]\d+)?", re.ASCII)
"""Text that is a number. `1E30` is not taken for one, since codes are written so."""
_MANY, _MOST, _EACH = 20, 100, 15
"""How many whole numbers may be classes: without a question; at most; and samples of each, on average, beyond _MANY."""


def require_classes(labels: ArrayLike) -> NDArray[Any]:
    """The labels of a classification, after a check that they are classes.

    labels: (samples,), text or numbers. Whole numbers are classes up to 20 values, and up to 100 where there are 15
    samples or more for each value on average; fractions are classes up to 10 values. Text counts as numbers where 9 in
    10 of its values are numbers.

    Returns them as an array (samples,).
    Raises MissingValues where a label is missing (a word of `fhenn.missing.MISSING`, None, NaN, NaT, `pandas.NA`, a
    masked value); ParameterError where all labels are alike, where they are numbers with too many values for classes (a
    regression target), or where most samples have a label of their own.
    Warns (DataWarning) of classes with fewer than 5 samples, and of more than 20 whole numbers.

    >>> require_classes(["a", "N/A", "b"])
    Traceback (most recent call last):
    ...
    fhenn.errors.MissingValues: train: values are missing or infinite in labels (1: sample 1). Label or drop these \
samples.
    """
    cells = column_of(labels)
    y = np.ma.getdata(cells)
    absent = {*missing_places(y), *np.flatnonzero(np.ma.getmaskarray(cells)).tolist()}
    if y.dtype.kind == "f":
        absent |= {*np.flatnonzero(~np.isfinite(y)).tolist()}
    missing = sorted(absent)
    if missing:
        places = ", ".join(map(str, missing[:_MOST_NAMED])) + ", …" * (len(missing) > _MOST_NAMED)
        where = f"sample{'s' * (len(missing) > 1)} {places}"
        raise MissingValues(
            "train", len(missing), "Label or drop these samples.", ("labels",), (len(missing),), (where,)
        )
    try:
        classes, counts = np.unique(y, return_counts=True)
    except TypeError as error:
        raise ParameterError(
            "the labels are of several types, which cannot be compared.", "Make all of them text, or all numbers."
        ) from error
    _require_few(y, classes)
    few = [f"{classes[place]!s:.40} ({counts[place]})" for place in np.flatnonzero(counts < _FEW)]
    if few:
        named = ", ".join(few[:_MOST_NAMED]) + ", …" * (len(few) > _MOST_NAMED)
        message = f"{len(few)} of {len(classes)} classes have fewer than {_FEW} samples: {named}. Are they misspelt?"
        warnings.warn(DataWarning(message), stacklevel=2)
    return y


def _require_few(y: NDArray[Any], classes: NDArray[Any]) -> None:
    """Raise ParameterError where labels are alike, or values of a continuous target, or one a sample."""
    samples, count = len(y), len(classes)
    if count < 2:
        raise ParameterError(f"the labels are all {classes.tolist()[0]!r}.", "Give samples of two classes or more.")
    values = [float(str(each).replace(",", ".")) for each in classes.tolist() if _is_number(each)]
    if len(values) >= 0.9 * count and y.dtype.kind != "b":
        whole = all(value.is_integer() for value in values)
        if is_continuous(count, samples, whole=whole):
            raise ParameterError(
                f"the labels are numbers with {count} values in {samples} samples: a regression target, not classes.",
                "Predict the number itself, with task='regression', or cut the numbers into a few classes, as 'low' "
                "and 'high'. If the numbers are codes of classes, write them as text, as 'c17'.",
            )
        if whole and count > _MANY:
            message = (
                f"the labels have {count} different whole numbers, and each is treated as a class. If they measure "
                "something, as an age does, cut them into a few classes, as 'low' and 'high'."
            )
            warnings.warn(DataWarning(message), stacklevel=3)
    elif 2 * count > samples > 2 * _FEW:
        raise ParameterError(
            f"the labels have {count} values in {samples} samples: too many for classes.",
            "Choose the column that holds the class of each sample.",
        )


def is_continuous(count: int, samples: int, *, whole: bool) -> bool:
    """Whether numbers have too many values to be classes.

    count: of different numbers.
    samples: that have them.
    whole: whether all are whole numbers.

    >>> is_continuous(3, 100, whole=True), is_continuous(40, 100, whole=True), is_continuous(12, 100, whole=False)
    (False, True, True)
    """
    most = max(_MANY, min(_MOST, samples // _EACH)) if whole else 10
    return count > most or 2 * count > samples > 2 * _FEW


def _is_number(label: Any) -> bool:
    return isinstance(label, int | float) or bool(_NUMBER.fullmatch(str(label)))


def warn_of_identifiers(x: Floats, names: Sequence[str] | None = None) -> None:
    """Warn (DataWarning) of columns that number or identify the samples, which a model learns by heart.

    x: (samples, features).
    names: of the features, None for their places.

    Such columns hold whole numbers without a gap, each once and in any order (from 5 samples on), or whole numbers of
    which 95 in 100 are different (from 20 samples on).
    """
    for place, column in enumerate(x.T):
        if len(column) < _FEW or np.any(column != np.round(column)):
            continue
        values = np.unique(column)
        numbered = len(values) == len(column) == values[-1] - values[0] + 1
        if numbered or (len(column) >= 4 * _FEW and len(values) >= 0.95 * len(column)):
            what = "numbers the samples" if numbered else f"has {len(values)} whole numbers in {len(column)} samples"
            name = repr(names[place]) if names is not None else str(place)
            message = f"feature {name} {what}: is it an identifier? Leave it out, unless it measures something."
            warnings.warn(DataWarning(message), stacklevel=2)
