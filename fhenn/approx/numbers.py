"""Which numbers fhenn computes on, and in which precision."""

from __future__ import annotations

from math import floor, inf, log10
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.errors import UnsupportedValue


def floating(x: ArrayLike) -> NDArray[np.floating[Any]]:
    """Real numbers as an array of floats.

    x: real numbers of any shape.

    Returns an array of that shape: `x` itself where it is float32 or float64, else a float64 copy.
    Raises UnsupportedValue for anything but real numbers, and for masked arrays, whose mask would be lost.

    >>> floating([1, 2]).dtype
    dtype('float64')
    """
    expected = "real numbers, an array of them, a TenSEAL CKKS value or a CipherArray"
    if isinstance(x, np.ma.MaskedArray):
        raise UnsupportedValue("a masked array", "numbers without a mask: fill or drop the masked ones")
    try:
        array = np.asarray(x)
    except ValueError as error:  # ragged nested sequences
        raise UnsupportedValue(f"{type(x).__name__} ({error})", expected) from error
    if array.dtype.kind not in "biuf":
        raise UnsupportedValue(f"{type(x).__name__} of dtype {array.dtype}", expected)
    if array.dtype == np.float32:
        return array
    with np.errstate(over="ignore"):  # what is too large becomes infinite, which the range guard reports
        return array.astype(np.float64, copy=False)


def is_whole(value: object) -> bool:
    """Whether a value is a whole number, of Python or of NumPy; True and False are none.

    >>> [is_whole(each) for each in (3, np.int64(3), 3.0, True, "3")]
    [True, True, False, False, False]
    """
    return isinstance(value, Integral) and not isinstance(value, bool)


def round_up(value: float, digits: int = 2) -> str:
    """A positive number in a few significant digits, never below the number itself.

    value: above 0.
    digits: significant digits that are kept.

    >>> round_up(0.0231), round_up(0.02), round_up(9.99e-8)
    ('0.024', '0.02', '1e-07')
    """
    text = f"{value:.{digits}g}"
    if float(text) < value:
        text = f"{float(text) + 10.0 ** (floor(log10(value)) + 1 - digits):.{digits}g}"
    return text


def at_most(value: float) -> str:
    """A bound in scientific notation, of two digits, never below the number itself.

    value: 0 or more, or infinite.

    >>> at_most(6.11e-4), at_most(6.1e-4), at_most(0.0)
    ('6.2e-04', '6.1e-04', '0.0e+00')
    """
    return f"{float(round_up(value)) if 0 < value < inf else value:.1e}"
