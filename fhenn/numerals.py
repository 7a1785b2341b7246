"""Numbers that are written as text."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.ASCII | re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?", re.ASCII)
_TRUTHS = {word: float(word.lower() == "true") for word in ("True", "TRUE", "true", "False", "FALSE", "false")}
"""As pandas reads them."""
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATE = re.compile(
    r"(\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./]\d{1,2}[./]\d{2,4}|\d{4}/\d{1,2}/\d{1,2})([T ].*)?|"
    rf"{_MONTH} \d{{1,2}},? \d{{4}}|\d{{1,2}}\.?[ -]{_MONTH},?[ -]\d{{2,4}}",
    re.ASCII | re.IGNORECASE,
)
_UNIT = r"([€$£¥%]|EUR|USD|GBP|CHF)"
_DRESSED = re.compile(
    rf"(?=.*[^\d.+-])({_UNIT}\s*)?[+-]?(\d+|\d{{1,3}}([,.' ]\d{{3}})+)([.,]\d+)?(\s*{_UNIT})?", re.ASCII
)


def as_number(cell: str, decimal: str = ".") -> float | None:
    """The number that a cell holds, None where it is not a number.

    cell: text. ASCII digits count; underscores, and digits of other scripts, do not.
    decimal: what stands before the fraction, a point or a comma.

    >>> as_number("7.5e2"), as_number("7,5", ","), as_number("7,5")
    (750.0, 7.5, None)
    """
    if decimal == ",":
        cell = "?" if "." in cell else cell.replace(",", ".")
    return float(cell) if _NUMBER.fullmatch(cell) or _INFINITE.fullmatch(cell) else None


def has_leading_zeros(cell: object) -> bool:
    """Whether a cell is text of digits that would not be the same as a number, as codes are.

    >>> has_leading_zeros("01067"), has_leading_zeros("0"), has_leading_zeros("0.5")
    (True, False, False)
    """
    return isinstance(cell, str) and len(cell) > 1 and cell[0] == "0" and cell.isdecimal() and cell.isascii()


def as_truth(cell: str) -> float | None:
    """The number that stands for a truth, as "True" or "false"; None where a cell is none.

    >>> as_truth("TRUE"), as_truth("yes")
    (1.0, None)
    """
    return _TRUTHS.get(cell)


def has_decimal_comma(cell: object) -> bool:
    """Whether a cell is a number with a comma before its fraction.

    >>> has_decimal_comma("7,5"), has_decimal_comma("7.5")
    (True, False)
    """
    return isinstance(cell, str) and bool(_DECIMAL_COMMA.fullmatch(cell))


def looks_like_number(cell: object) -> bool:
    """Whether a cell is text of a number with thousands separators, a currency or a percent sign, which is none.

    >>> [looks_like_number(cell) for cell in ("7,693.89", "7.693,89", "€ 7693.89", "21.2%", "A1", "7.5")]
    [True, True, True, True, False, False]
    """
    return isinstance(cell, str) and bool(_DRESSED.fullmatch(cell))


def looks_like_date(cell: object) -> bool:
    """Whether a cell is text that is written as a date, with or without a time.

    >>> [looks_like_date(cell) for cell in ("2024-02-29", "29.02.2024 12:30", "Feb 29, 2024", "29 Feb 2024", "7.5")]
    [True, True, True, True, False]
    """
    return isinstance(cell, str) and bool(_DATE.fullmatch(cell))
