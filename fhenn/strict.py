"""Readers of outside text that refuse what the lenient ones of Python take.

Two readers of one document must not differ about what it says: a key that comes twice, a number that overflows to
infinity, `NaN`, UTF-16. All raise ValueError, which the reader of a format turns into its own error.
"""

from __future__ import annotations

import json
import re
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from math import isinf
from types import NoneType, UnionType
from typing import Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

_MOST_DEPTH = 64
_LONGEST_NUMBER = 400
_INTEGERS = range(-(1 << 63), 1 << 64)
_COUNT = re.compile(r"[0-9]{1,19}", re.ASCII)

MALFORMED = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)
"""What is raised where a stranger's JSON value is not what its reader takes it for."""


def read_json(text: str | bytes, infinite: bool = False, nan: bool = False) -> Any:
    """The value of a JSON document that means one thing to every reader.

    text: the document; bytes are UTF-8 without a byte order mark.
    infinite: whether `Infinity` and `-Infinity` may stand for numbers, as Python writes them: for formats of ours that
    hold bounds.
    nan: whether `NaN` may, as XGBoost before version 3 writes it where a number says nothing.
    Raises ValueError where it is no JSON (RFC 8259), names a key twice, holds a number beyond 64 bits or beyond the
    range of a double, or nests deeper than 64.

    >>> read_json('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    >>> read_json('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ...
    ValueError: the key 'a' comes twice
    """
    if not isinstance(text, str | bytes):
        raise ValueError("it is not text")  # noqa: TRY004

    def constant(name: str) -> float:
        if infinite and name in ("Infinity", "-Infinity"):
            return float(name)
        if nan and name == "NaN":
            return float(name)
        raise ValueError(f"{name} is not a number")

    try:
        value = json.loads(
            text.decode() if isinstance(text, bytes) else text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_real,
            parse_constant=constant,
        )
    except RecursionError:
        _too_deep()
    level, depth = [value], 0
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        if depth > _MOST_DEPTH:
            _too_deep()
        level = [inner for each in level for inner in (each.values() if isinstance(each, dict) else each)]
    return value


def read_count(text: str, most: int) -> int:
    """The whole number that ASCII digits alone write: no sign, point, space, underscore or other script's digits.

    Raises ValueError where `text` is something else, or more than `most`.

    >>> read_count("42", 100)
    42
    """
    if not _COUNT.fullmatch(text) or int(text) > most:
        raise ValueError(f"not a whole number of at most {most}")
    return int(text)


def built(kind: Any, value: Any) -> Any:
    """What a JSON value is as a value of a type: a field of a dataclass, or one with fields of its own.

    kind: the type: `int`, `float`, `str`, `bool`, `None`, `Any`, a `Literal`, a tuple, a union, a dataclass, or any
    other class whose instance the value already is. A truth is no number, 1.0 no whole number; a whole number is a
    float too. value: of `read_json`.
    Raises ValueError where it is something else.

    >>> built(tuple[int, ...], [1, 2])
    (1, 2)
    >>> built(int, 1.0)
    Traceback (most recent call last):
    ...
    ValueError: 1.0 is not of type int
    """
    makers = {Union: _first, UnionType: _first, Literal: _literal, tuple: _tuple}
    if make := makers.get(get_origin(kind)):
        return make(get_args(kind), value)
    if isinstance(value, dict) and is_dataclass(kind):
        made: Any = kind
        return made(**_fields(kind, value))
    if kind is float and type(value) is int:
        return float(value)
    exact = kind in (int, float, str, bool, NoneType)
    if kind is not Any and (type(value) is not kind if exact else not isinstance(value, kind)):
        raise ValueError(f"{value!r:.40} is not of type {kind.__name__}")
    return value


def _literal(values: tuple[Any, ...], value: Any) -> Any:
    if not any(type(value) is type(each) and value == each for each in values):
        raise ValueError(f"{value!r:.40} is not one of {', '.join(map(repr, values))}")
    return value


def _first(kinds: tuple[Any, ...], value: Any) -> Any:
    errors = []
    for kind in kinds:
        try:
            return built(kind, value)
        except ValueError as error:
            errors.append(error)
    raise errors[0]


def _tuple(parts: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"{value!r:.40} is not a list")  # noqa: TRY004
    if parts == (float, ...) and {*map(type, value)} <= {float, int}:  # at once: matrices are long
        return tuple(map(float, value))
    kinds = [parts[0]] * len(value) if parts[1:] == (...,) else list(parts)
    if len(kinds) != len(value):
        raise ValueError(f"{len(value)} values in the place of {len(kinds)}")
    return tuple(built(kind, each) for kind, each in zip(kinds, value, strict=True))


def _fields(kind: Any, value: dict[str, Any]) -> dict[str, Any]:
    hints = _hints(kind)
    unknown = [name for name in value if name not in hints]
    missing = [name for name, default in hints.items() if not default[1] and name not in value]
    for what, names in (("unknown", unknown), ("missing", missing)):
        if names:
            raise ValueError(f"the field {names[0][:40]!r} is {what}")
    found = {}
    for name, each in value.items():
        try:
            found[name] = built(hints[name][0], each)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return found


@cache
def _hints(kind: Any) -> dict[str, tuple[Any, bool]]:
    """Type of each field of a dataclass, and whether it may be left out."""
    hints = get_type_hints(kind)
    return {
        each.name: (hints[each.name], each.default is not MISSING or each.default_factory is not MISSING)
        for each in fields(kind)
    }


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:40]!r} comes twice")
        found[key] = value
    return found


def _integer(text: str) -> int:
    if len(text) > _LONGEST_NUMBER or int(text) not in _INTEGERS:
        raise ValueError(f"{text[:20]}… is beyond 64 bits")
    return int(text)


def _real(text: str) -> float:
    if len(text) > _LONGEST_NUMBER or isinf(value := float(text)):
        raise ValueError(f"{text[:20]} is beyond the range of a double")
    return value


def _too_deep() -> NoReturn:
    raise ValueError(f"it nests deeper than {_MOST_DEPTH}")
