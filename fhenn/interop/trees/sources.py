"""What a library saved: from a path, bytes, text, or the library's own object, without an import of the library."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from fhenn.errors import UnsupportedModel, WireFormatError

LARGEST_FILE = 1 << 26
"""Bytes of a saved model."""


def content_of(model: Any, openings: Sequence[str]) -> bytes | None:
    """What was saved, as bytes; None for an object of another type.

    model: a path, the bytes, or the text.
    openings: how a text begins that is no path.
    Raises UnsupportedModel where it is too large, OSError where a file cannot be read.
    """
    if isinstance(model, str) and model.startswith(tuple(openings)):
        content = model.encode()
    elif isinstance(model, bytes | bytearray):
        content = bytes(model)
    elif isinstance(model, str | PathLike):
        with Path(model).open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    else:
        return None
    if len(content) > LARGEST_FILE:
        raise UnsupportedModel(
            "a large file", "what was saved", f"it has more than {LARGEST_FILE:,} bytes", "fewer or smaller trees"
        )
    return content


def comes_from(model: Any, library: str) -> bool:
    """Whether a class of an object, or one that it is built on, is of a library.

    library: the name that is imported.
    """
    return any(kind.__module__.partition(".")[0] == library for kind in type(model).__mro__)


def text_of(content: bytes, what: str) -> str:
    """Bytes as UTF-8. Raises WireFormatError.

    what: what it should be.
    """
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise WireFormatError(what, "it is not text in UTF-8") from error
