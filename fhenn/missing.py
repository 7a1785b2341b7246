"""What stands for a missing value, in text and in Python."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

MISSING = frozenset(
    {
        "",
        *("NA", "na", "N/A", "n/a", "<NA>", "#N/A", "#NA", "#N/A N/A"),
        *("NaN", "nan", "NAN", "Nan", "-NaN", "-nan", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN", "NaT"),
        *("NULL", "Null", "null", "None"),
        *("#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!"),
        *("?", "."),
    }
)
"""Words for a missing value: those of `pandas.read_csv`, some of them in other cases, Excel's errors, UCI's and SAS's.

`none` is not among them, as it is often the name of a class, nor `Na`, which is sodium.
"""


def is_missing(value: Any) -> bool:
    """Whether a value stands for a missing one: a word of `MISSING`, None, NaN, NaT, `pandas.NA`.

    value: one cell, of any type.

    >>> [is_missing(value) for value in (" n/a ", None, float("nan"), "none", 0)]
    [True, True, True, False, False]
    """
    if value is None or isinstance(value, str):
        return value is None or value.strip() in MISSING
    try:
        return bool(value != value)  # NaN and NaT differ from themselves  # noqa: PLR0124
    except (TypeError, ArithmeticError):  # pandas.NA, whose comparisons are neither true nor false; Decimal's sNaN
        return True
    except ValueError:  # an array
        return False


def missing_places(values: Iterable[Any]) -> list[int]:
    """The places of the missing values, from 0."""
    return [place for place, value in enumerate(values) if is_missing(value)]
