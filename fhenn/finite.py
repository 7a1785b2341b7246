"""The check for NaN and infinity, which no computation of fhenn takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fhenn.errors import NonFiniteValue


def count_nonfinite(values: ArrayLike) -> int:
    """How many of the values are NaN or infinite; any shape.

    >>> count_nonfinite([[1.0, float("nan")], [float("-inf"), 0.0]])
    2
    """
    return int(np.count_nonzero(~np.isfinite(values)))


def require_finite(operation: str, values: ArrayLike, suggestion: str) -> None:
    """Raise NonFiniteValue where values are NaN or infinite.

    operation: what they are for, as the error calls it.
    values: real numbers of any shape.
    suggestion: a sentence that says what to do about them.

    >>> require_finite("encrypt", [1.0, float("inf")], "Drop or impute them first.")
    Traceback (most recent call last):
    fhenn.errors.NonFiniteValue: encrypt: 1 value is NaN or infinite. Drop or impute them first.
    """
    count = count_nonfinite(values)
    if count:
        raise NonFiniteValue(operation, count, suggestion)
