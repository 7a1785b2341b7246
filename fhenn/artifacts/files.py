"""Files and folders that are whole or absent, and private where they hold a secret.

A file gets its name when it is complete and on the disk: write, synchronise, rename, synchronise the folder. What a
killed process leaves half done has a hidden name, which `sweep` removes.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from fhenn.errors import FileExists, FileMissing, ParameterError
from fhenn.wire import MOST_OF_HEADER, as_bytes, in_words, kind_of, read_message, require_kind, source_of

_PRIVATE, _PUBLIC = 0o600, 0o666
_UNFINISHED = (".part", ".gone")

_OF_SERVERS = {"ciphertexts", "answer", "refusal"}
"""Kinds of a server's answer: of an older fhenn the first, of a newer one the others."""


def read(path: str | Path, kind: str = "") -> bytes:
    """The bytes of a file.

    path: of the file.
    kind: that it should be of (`fhenn.wire.require_kind`), for the error where the file is missing; empty for any.

    Raises FileMissing, or FileNotFoundError without a kind; OSError.
    """
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        if not kind:
            raise
        raise FileMissing(str(path), in_words(kind), source_of(kind)) from error


def read_kind(path: str | Path, kind: str, destination: str = "") -> bytes:
    """The bytes of a file that must be of a kind.

    path: of the file.
    kind: that it must be of (`fhenn.wire.require_kind`).
    destination: the address that the bytes will be sent to, for the error; empty where they stay on this machine.

    Raises FileMissing, WrongKind, WireFormatError, OSError.
    """
    data = read(path, kind)
    require_kind(kind, data, str(path), destination)
    return data


def read_messages(
    path: str | Path,
    kind: str,
    destination: str = "",
    also: Collection[str] = (),
    told: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[bytes]:
    """The messages of a stream in a file, one at a time.

    path: of the file.
    kind: that the first must be of (`fhenn.wire.require_kind`).
    destination: as for `read_kind`.
    also: other kinds that the first may be of.
    told: called with the bytes that are done, and all bytes, when the next message is asked for.

    Raises FileMissing, WrongKind at once; WireFormatError where a message is cut off, and OSError.
    """
    try:
        with Path(path).open("rb") as file:
            header = file.read(MOST_OF_HEADER)
            if kind_of(header) not in also:
                require_kind(kind, header, str(path), destination)
    except FileNotFoundError as error:
        raise FileMissing(str(path), in_words(kind), source_of(kind)) from error
    return _messages_of(Path(path), told)


def _messages_of(path: Path, told: Callable[[int, int], None]) -> Iterator[bytes]:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        told(0, size)
        while (message := read_message(file)) is not None:
            yield message
            told(file.tell(), size)


def write(path: str | Path, data: bytes, private: bool = False, overwrite: bool | None = None) -> None:
    """Write a file that is there whole or not at all, also when the machine stops half-way.

    A fhenn file replaces only one of its own kind, so that an upload, for instance, cannot destroy a secret key.

    path: of the file.
    data: its content.
    private: whether its owner alone can read it, from its first byte on (POSIX).
    overwrite: whether a file of that name may be replaced; None for yes unless the file is private.

    Raises FileExists, ParameterError where a file of another kind would be lost, UnsupportedValue, OSError.
    """
    path, data = Path(path), as_bytes("the content of a file", data)
    _require_own_kind(path, kind_of(data))
    overwrite = not private if overwrite is None else overwrite
    if not overwrite:
        _reserve(path)
    temporary = hidden(path, ".part")
    try:
        _write_new(temporary, data, _PRIVATE if private else _PUBLIC)
        temporary.replace(path)
    except BaseException as error:
        for leftover in (temporary, *(() if overwrite else (path,))):
            with suppress(OSError):
                leftover.unlink()
        if isinstance(error, OSError):  # name the file that was asked for, not the temporary one
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise
    sync_folder(path.parent)


def write_folder(path: Path, contents: Mapping[str, bytes]) -> None:
    """Write a private folder of files that is there whole or not at all.

    path: of the folder.
    contents: the bytes of each file, by its name.

    Raises FileExists, OSError.
    """
    if path.exists():
        raise FileExists(str(path))
    staged = hidden(path, ".part")
    try:
        staged.mkdir(0o700)
        for name, data in contents.items():
            _write_new(staged / name, data, _PRIVATE)
        sync_folder(staged)
        staged.rename(path)
    except BaseException:
        with suppress(OSError):
            _empty_and_remove(staged)
        raise
    sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Make a private folder, and its parents, where they are missing. Raises OSError."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(0o700, exist_ok=True)
        sync_folder(each.parent)


def remove(path: Path) -> bool:
    """Remove a file, for good once this returns. Returns whether there was one. Raises OSError."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    sync_folder(path.parent)
    return True


def remove_folder(path: Path) -> None:
    """Remove a folder and what is in it: under its name, all of it is there or nothing. Raises OSError."""
    gone = hidden(path, ".gone")
    path.rename(gone)
    sync_folder(path.parent)
    _empty_and_remove(gone)


def sweep(folder: Path) -> None:
    """Remove what killed processes left unfinished in a folder that nobody writes to, and synchronise the rest.

    After that, files which such a process had named but not synchronised survive a power cut too.

    folder: is searched, but not the folders inside it.

    Raises OSError.
    """
    for path in folder.iterdir():
        if path.name.startswith(".") and path.suffix in _UNFINISHED:
            if path.is_dir() and not path.is_symlink():
                _empty_and_remove(path)
            else:
                path.unlink(missing_ok=True)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Let the names in a folder survive a power cut, on systems that can synchronise folders. Raises OSError."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes, offset: int = 0) -> None:
    """Write all bytes to an open file, however few the system writes at once.

    descriptor: of the file.
    data: to write.
    offset: in the file, in bytes.

    Raises OSError.
    """
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a new file, and let its bytes reach the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _empty_and_remove(folder: Path) -> None:
    """Remove a folder and what is in it. Raises OSError."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            _empty_and_remove(path)
        else:
            path.unlink()
    folder.rmdir()


def hidden(path: Path, suffix: str) -> Path:
    """A name beside `path` that nothing else has."""
    return path.with_name(f".{path.name}.{token_hex(8)}{suffix}")


def require_place(path: str | Path, kind: str | None = None) -> None:
    """Require that `write` could write a file, before the work is done whose result it will hold.

    path: of the file.
    kind: of the fhenn file; None for any other file.

    Raises OSError where its folder is missing or not writable, ParameterError where a file of another kind would be
    lost.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    _require_own_kind(path, kind)


def _require_own_kind(path: Path, new: str | None) -> None:
    """Raise ParameterError where there is a fhenn file of another kind than the `new` one."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        header = file.read(MOST_OF_HEADER)
    old = kind_of(header)
    if header and old != new and not {old, new} <= _OF_SERVERS:
        raise ParameterError(
            f"{path} is {in_words(old)}, which would be lost.", "Choose another name, or remove it first."
        )


def _reserve(path: Path) -> None:
    """Make an empty file, so that no other process can take the name. Raises FileExists, OSError."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE))
    except FileExistsError as error:
        raise FileExists(str(path)) from error
