"""Universal Binary JSON, in which XGBoost saves where nobody asks for JSON: https://ubjson.org, draft 12."""

from __future__ import annotations

from typing import Any

import numpy as np

_TYPES = {"i": ">i1", "U": ">u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8"}
_CONSTANTS = {"Z": None, "T": True, "F": False}
_DEEPEST = 64
_MOST_VALUES = 1 << 21
"""Values besides those of arrays of numbers: two bytes make a list of many."""


def is_ubjson(content: bytes) -> bool:
    """Whether bytes begin as an object of UBJSON does, and one of JSON does not."""
    return content[:1] == b"{" and content[1:2] in (b"i", b"U", b"I", b"l", b"L", b"#", b"$")


def read_ubjson(content: bytes) -> Any:
    r"""The value of a document. Numbers may be NaN.

    Raises ValueError where it is none, names a key twice, nests deeper than 64, or has more values than any model;
    arrays of numbers are one.

    >>> read_ubjson(b"{i\x01a[$U#i\x02\x05\x07i\x01bSi\x02hi}")
    {'a': [5, 7], 'b': 'hi'}
    """
    reader = _Reader(content)
    found = reader.value(reader.marker(), 0)
    if reader.at != len(content):
        raise ValueError(f"{len(content) - reader.at} bytes follow its end")
    return found


class _Reader:
    """Where reading is. content: the document."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at, self.values = content, 0, 0

    def take(self, count: int) -> bytes:
        """The next bytes. Raises ValueError."""
        if not 0 <= count <= len(self.content) - self.at:
            raise ValueError("it ends too early")
        self.at += count
        return self.content[self.at - count : self.at]

    def marker(self) -> str:
        """The next type, one character."""
        self.next_is(b"N")
        return self.take(1).decode("latin-1")

    def next_is(self, marker: bytes) -> bool:
        """Whether a character is next but for what says nothing, which is read then."""
        while self.content[self.at : self.at + 1] == b"N":
            self.at += 1
        found = self.content[self.at : self.at + 1] == marker
        self.at += found
        return found

    def numbers(self, kind: str, count: int) -> list[Any]:
        """Numbers of one type."""
        dtype = np.dtype(_TYPES[kind])
        found: list[Any] = np.frombuffer(self.take(count * dtype.itemsize), dtype).tolist()
        return found

    def length(self) -> int:
        """A whole number with its type. Raises ValueError."""
        kind = self.marker()
        if kind not in "iUIlL" or (found := self.numbers(kind, 1)[0]) < 0:
            raise ValueError("a length is no whole number")
        return int(found)

    def text(self) -> str:
        """A length and so many bytes of UTF-8."""
        return self.take(self.length()).decode()

    def value(self, kind: str, depth: int) -> Any:
        """The value of a type. Raises ValueError."""
        if depth > _DEEPEST:
            raise ValueError(f"it nests deeper than {_DEEPEST}")
        self.values += 1
        if self.values > _MOST_VALUES:
            raise ValueError(f"it has more than {_MOST_VALUES:,} values")
        if kind in _TYPES:
            return self.numbers(kind, 1)[0]
        if kind in _CONSTANTS:
            return _CONSTANTS[kind]
        if kind == "S":
            return self.text()
        if kind == "[":
            return self.array(depth)
        if kind == "{":
            return self.object(depth)
        raise ValueError(f"a value of type {kind!r}")

    def head(self) -> tuple[str | None, int | None]:
        """The type and the count of what an array or object holds, where they are given."""
        kind = self.marker() if self.next_is(b"$") else None
        count = self.length() if self.next_is(b"#") else None
        if (kind is not None and count is None) or (count or 0) > len(self.content):
            raise ValueError("a type without a count, or a count without end")
        if kind is not None and kind not in (*_TYPES, "S"):  # the draft allows others, which take no bytes each
            raise ValueError(f"values that are all of type {kind!r}")
        return kind, count

    def array(self, depth: int) -> list[Any]:
        """An array after its bracket."""
        kind, count = self.head()
        if kind in _TYPES and kind is not None and count is not None:
            return self.numbers(kind, count)
        found: list[Any] = []
        while len(found) < count if count is not None else not self.next_is(b"]"):
            found.append(self.value(kind or self.marker(), depth + 1))
        return found

    def object(self, depth: int) -> dict[str, Any]:
        """An object after its brace."""
        kind, count = self.head()
        found: dict[str, Any] = {}
        read = 0
        while read < count if count is not None else not self.next_is(b"}"):
            key = self.text()
            if key in found:
                raise ValueError(f"the key {key[:40]!r} comes twice")
            found[key] = self.value(kind or self.marker(), depth + 1)
            read += 1
        return found
