"""Files that are whole or absent, and private where they hold a secret."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from fhenn.errors import FileExists

_PRIVATE, _PUBLIC = 0o600, 0o666


def read(path: str | Path) -> bytes:
    """The bytes of a file. Raises OSError."""
    return Path(path).read_bytes()


def write(path: str | Path, data: bytes, private: bool = False, overwrite: bool | None = None) -> None:
    """Write a file that is there whole or not at all, also when the machine stops half-way.

    private: readable by its owner alone from its first byte on (POSIX). overwrite: whether a file of that name may be
    replaced; by default only where the file is not private. Raises FileExists, OSError.
    """
    path = Path(path)
    overwrite = not private if overwrite is None else overwrite
    if not overwrite:
        _reserve(path)
    mode = _PRIVATE if private else _PUBLIC
    temporary = path.with_name(f".{path.name}.{token_hex(8)}.part")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        for leftover in (temporary, *(() if overwrite else (path,))):
            with suppress(OSError):
                leftover.unlink()
        if isinstance(error, OSError):  # of the file that was asked for, not of the temporary one
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise
    _sync_folder(path.parent)


def _reserve(path: Path) -> None:
    """An empty file of that name, for no other process to take it. Raises FileExists, OSError."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE))
    except FileExistsError as error:
        raise FileExists(str(path)) from error


def _sync_folder(folder: Path) -> None:
    """Let the new name survive a power cut, where folders can be synchronised at all."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
