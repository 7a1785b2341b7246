"""Text that strangers wrote, made safe to print: what a terminal would obey, hide or reorder is shown as codes.

A plan, a server or a file name can hold escape sequences that move the cursor or set the title, characters that reverse
the direction of writing, and characters without a width, which make two names look the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from difflib import get_close_matches
from itertools import islice
from math import inf, isfinite
from textwrap import fill
from typing import Any

LONGEST = 200
"""Characters of a stranger's text that are printed."""

_LONGEST_LINE = 10_000

_MOST_COMPARED = 1000
_ALIKE = 0.75
"""Of the letters of two names that are probably one (difflib's ratio): "mal" and "male" have 0.86."""

_PAGE = 100
"""Characters of a line that fits a page."""

_INVISIBLE = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff"
)
"""Without a width, beside those that `str.isprintable` excludes (Unicode: Default_Ignorable_Code_Point)."""

_SUSPECT = re.compile(f"[^ -~\xa1-\xac\xae-\u02ff]|[{_INVISIBLE}]")
_HIDDEN = re.compile(f"[{_INVISIBLE}]")
_SPACES = frozenset("\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000")
"""Wide and narrow spaces (Unicode: Zs), which `str.isprintable` excludes, and which do nothing."""

_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: object, longest: int = LONGEST) -> str:
    r"""A text in one line that does nothing to a terminal.

    text: anything; printed as `str` does.
    longest: characters that are kept; an ellipsis stands for the rest.

    Returns the text, in which codes stand for control characters (C0, DEL, C1), escape sequences, characters that
    change the direction of writing or have no width, line separators and lone surrogates.

    >>> printable("mali\x1b[31mgn\u202e"), printable("two\nlines")
    ('mali\\x1b[31mgn\\u202e', 'two\\nlines')
    """
    whole = str(text)
    kept = _SUSPECT.sub(_escape, whole[:longest])
    return kept if len(whole) <= longest else kept + "…"


def printable_lines(text: object) -> str:
    r"""A text of several lines that does nothing to a terminal: each line as by `printable`, and as many lines.

    text: anything; printed as `str` does.

    >>> printable_lines("a table\nof \x07two lines")
    'a table\nof \\x07two lines'
    """
    return "\n".join(printable(line, _LONGEST_LINE) for line in str(text).split("\n"))


def wrapped(sentence: str) -> str:
    """A long sentence in lines of the width of a page, indented as what is listed under a head.

    sentence: of words between single spaces.

    >>> print(wrapped("a witness " * 12))
      a witness a witness a witness a witness a witness a witness a witness a witness a witness a
        witness a witness a witness
    """
    return fill(sentence, _PAGE, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)


def an(noun: str) -> str:
    """A noun, or the name of a type, with the article that it is spoken with.

    >>> an("EncryptedModel"), an("list"), an("MLPClassifier"), an("SVC"), an("UInt8"), an("Sequential")
    ('an EncryptedModel', 'a list', 'an MLPClassifier', 'an SVC', 'a UInt8', 'a Sequential')
    """
    spelt = noun[:2].isupper()  # letter by letter, as an abbreviation
    vowel = noun[:1] in "AEFHILMNORSX" if spelt else noun[:1].lower() in "aeio"
    return f"{'an' if vowel and noun else 'a'} {noun}"


def nearest(text: str, among: Iterable[str]) -> str | None:
    """What was probably meant to be a text: one that differs from it by case, blanks or a letter or so; else None.

    text: as it should be written.
    among: those that there are; the first thousand are looked at.

    >>> nearest("bmi", ["age", "BMI "]), nearest("male", ["mal", "f"]), nearest("age", ["bmi"])
    ('BMI ', 'mal', None)
    """
    folded = {_folded(each): each for each in reversed([*islice(among, _MOST_COMPARED)]) if len(each) <= LONGEST}
    found = get_close_matches(_folded(text[:LONGEST]), folded, 1, _ALIKE)
    return folded[found[0]] if found else None


def _folded(text: str) -> str:
    """A text without what is easily written otherwise: case, blanks, and the marks that stand for these."""
    return "".join(each for each in text.casefold() if not each.isspace() and each not in "_-")


def first_line(error: BaseException) -> str:
    r"""The first line of what an error says, or its name where it says nothing.

    >>> first_line(ValueError("two\nlines")), first_line(ValueError())
    ('two', 'ValueError')
    """
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def apart(*values: float, digits: int = 6) -> list[str]:
    """Numbers in as few digits as keep their order: what is beyond a bound is seen to be.

    values: that are compared.
    digits: significant digits that are enough where no two numbers are near each other.

    Returns the text of each number.

    >>> apart(0.1 + 2**-56, 0.1), apart(1.0000001, 0, 1), apart(2.0, 1.0)
    (['0.10000000000000002', '0.1'], ['1.0000001', '0', '1'], ['2', '1'])
    """
    values = tuple(map(float, values))
    order = [(a > b) - (a < b) for a in values for b in values]
    for count in range(digits, 17):
        texts = [f"{value:.{count}g}" for value in values]
        rounded = list(map(float, texts))
        if [(a > b) - (a < b) for a in rounded for b in rounded] == order:
            return texts
    return [repr(value).removesuffix(".0") for value in values]


def inward(low: float, high: float, digits: int = 6) -> list[str]:
    """The ends of an interval in few digits, rounded to its inside: what is shown is in it.

    low, high: the ends, low <= high; may be infinite.
    digits: significant digits that are enough where the interval is not narrow.

    Returns the text of each end.

    >>> inward(122.4001, 146.90499), inward(1 / 3, 1 / 3 + 1e-9)
    (['122.401', '146.904'], ['0.333333334', '0.333333334'])
    """
    # what is next to nothing beside the other end is nothing
    low, high = (0.0 if 0 < abs(end) < 1e-12 * (high - low) < inf else end for end in (low, high))
    for count in range(digits, 17):
        ends = [_rounded(low, count, ROUND_CEILING), _rounded(high, count, ROUND_FLOOR)]
        if ends[0] <= ends[1]:
            return [f"{end:.{count}g}" for end in ends]
    return [repr(end).removesuffix(".0") for end in (low, high)]


def _rounded(value: float, digits: int, to: str) -> float:
    return float(Context(prec=digits, rounding=to).create_decimal(Decimal(value))) if isfinite(value) else value


def json_text(data: Any, indent: int | None = 2) -> str:
    r"""Data as JSON that is safe on a terminal and valid for every reader.

    data: dicts, lists, strings and numbers; anything else is printed as `str` does.
    indent: spaces for each level, None for one line.

    Returns ASCII text, DEL escaped, with null for NaN and infinity.

    >>> print(json_text({"name": "\x1b\x7f", "bound": float("inf")}, indent=None))
    {"name": "\u001b\u007f", "bound": null}
    """
    return json.dumps(finite(data), indent=indent, default=str, allow_nan=False).replace("\x7f", "\\u007f")


def finite(data: Any) -> Any:
    """The same data with None in the place of NaN and infinity, which JSON does not know."""
    if isinstance(data, dict):
        return {key: finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [finite(value) for value in data]
    return None if isinstance(data, float) and not isfinite(data) else data


def _escape(match: re.Match[str]) -> str:
    """A suspect character by its code, or as it is where it does nothing."""
    character = match.group()
    if (character.isprintable() or character in _SPACES) and not _HIDDEN.match(character):
        return character
    code = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
