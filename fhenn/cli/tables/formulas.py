"""Text in CSV that a spreadsheet would run as a formula (OWASP: CSV injection): quoted when written, and read back.

A leading apostrophe says "text" to a spreadsheet, which does not show it. Text that already starts with apostrophes
before such a character gets one more, so that what is read again is what was written.
"""

from __future__ import annotations

import re
from typing import Any

_DANGEROUS = r"\s*[=+\-@＝＋－＠]|[\t\r\n]"
_UNSAFE = re.compile(f"'*(?:{_DANGEROUS})")
_QUOTED = re.compile(f"''*(?:{_DANGEROUS})")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


def quote(cell: Any) -> Any:
    """A cell that is safe in CSV: text that could be a formula gets an apostrophe in front; all else stays.

    cell: of any type.

    >>> [quote(cell) for cell in ("=1+1", "-", "-1.5", -1.5, "it's")]
    ["'=1+1", "'-", '-1.5', -1.5, "it's"]
    """
    if isinstance(cell, str) and _UNSAFE.match(cell) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def unquote(cell: str) -> str:
    """The text that `quote` was called with.

    cell: as `quote` returned it.

    >>> unquote("'=1+1"), unquote("it's")
    ('=1+1', "it's")
    """
    return cell[1:] if _QUOTED.match(cell) else cell
