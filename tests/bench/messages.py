"""Messages between processes: a line of JSON each, arrays and bytes included. For Python 3.10 and newer, NumPy only."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import IO, Any

import numpy as np


def send(stream: IO[bytes], value: Any) -> None:
    """Write a value of numbers, strings, lists, dicts, bytes and NumPy arrays."""
    stream.write(json.dumps(value, default=_plain).encode() + b"\n")
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """The next value, None at the end. Tuples come as lists."""
    line = stream.readline()
    return json.loads(line, object_hook=_rich) if line else None


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"bytes": b64encode(value).decode()}
    if isinstance(value, np.ndarray):
        return {"array": value.tolist()}
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(type(value).__name__)


def _rich(value: dict[str, Any]) -> Any:
    if value.keys() == {"bytes"}:
        return b64decode(value["bytes"])
    if value.keys() == {"array"}:
        return np.array(value["array"])
    return value
