"""Files that are written part by part, get their name when they are whole, and go on after a kill.

Beside the file that grows, under a hidden name, lies a journal: what the file is made from, how many parts it has, and
how many of its bytes are good. What a killed process wrote beyond that is cut off.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from fhenn.artifacts.files import require_place, sync_folder
from fhenn.errors import FhennError, ParameterError, PartRefused
from fhenn.filelock import try_lock
from fhenn.strict import built, read_json
from fhenn.wire import read_message

_LONGEST = 1 << 16
_ATTEMPTS = 10
_AFRESH = "Begin it anew, without --resume."


@dataclass(frozen=True)
class _Entry:
    """What a journal says."""

    job: tuple[tuple[str, str], ...]
    parts: int
    size: int


class Journal:
    """How far an unfinished file is.

    path: the name that it will have.
    job: what it is made from, and how: what must be the same for it to go on.
    resume: whether to go on where there is something to go on with.

    Raises ParameterError where that is made from something else; OSError.
    """

    def __init__(self, path: Path, job: Mapping[str, str], resume: bool) -> None:
        self._file, self._path = unfinished(path), _journal_of(path)
        self._next = self._path.with_name(f"{self._path.name}.part")
        self._entry = _Entry(tuple(sorted(job.items())), 0, 0)
        left = self._left() if resume else None
        if left is None:
            return
        if left.job != self._entry.job:
            differs = sorted({name for name, _ in {*left.job} ^ {*self._entry.job}})
            raise ParameterError(
                f"what is left unfinished of {path} was not made from the same: its {', '.join(differs)} differ.",
                "Give the same files and options, or begin anew without --resume.",
            )
        self._entry = left

    @property
    def parts(self) -> int:
        """Parts that are done."""
        return self._entry.parts

    @property
    def size(self) -> int:
        """Bytes of the unfinished file that are good."""
        return self._entry.size

    def advance(self, size: int, parts: int = 1) -> None:
        """Note that more parts are done.

        size: bytes of the file that are good now.
        parts: how many parts were added.

        Raises OSError.
        """
        self._entry = _Entry(self._entry.job, self._entry.parts + parts, size)
        self._next.unlink(missing_ok=True)  # of a killed process; never written on, as another user may have made it
        with self._next.open("x") as file:
            json.dump(asdict(self._entry), file)
        self._next.replace(self._path)

    def forget(self) -> None:
        """Remove the journal: the file has its name. Raises OSError."""
        self._path.unlink(missing_ok=True)
        self._next.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the journal and the unfinished file: it is given up. Raises OSError."""
        self._file.unlink(missing_ok=True)
        self.forget()

    def _left(self) -> _Entry | None:
        """What an earlier process left; None where there is nothing to go on with."""
        try:
            with self._path.open("rb") as file:
                entry = built(_Entry, read_json(file.read(_LONGEST)))
            there = self._file.stat().st_size
        except (OSError, ValueError):
            return None
        return entry if entry.parts > 0 and 0 < entry.size <= there else None


class UnfinishedFile:
    """A file of messages that grows; as a context, it is whole at its end.

    path: the name that it will have.
    kind: of its first message.
    job: what it is made from (`Journal`).
    resume: whether to go on where there is something to go on with.

    An error that the same input will bring again leaves nothing; after another, what is done waits for `resume`.
    Raises what `require_place` and `Journal` raise.
    """

    def __init__(self, path: Path, kind: str, job: Mapping[str, str], resume: bool) -> None:
        require_place(path, kind)
        self._path, self._kind = path, kind
        self._journal = Journal(path, job, resume)
        self._file = open_unfinished(path, self._journal.size)
        self._file.seek(self._journal.size)

    @property
    def parts(self) -> int:
        """That were there already, and were added."""
        return self._journal.parts

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self._journal.size

    def written(self) -> Iterator[bytes]:
        """The messages that were there already, one at a time. Raises WireFormatError, OSError."""
        with unfinished(self._path).open("rb") as file:
            while file.tell() < self._journal.size and (message := read_message(file)) is not None:
                yield message

    def append(self, message: bytes) -> None:
        """Add a message. Raises OSError."""
        with naming_file(self._path):
            self._file.write(message)
            self._file.flush()
            self._journal.advance(self._journal.size + len(message))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            with self._file, naming_file(self._path):
                give_name(self._path, self._file, self._kind)
            self._journal.forget()
            return
        with suppress(OSError):  # what could not be written, as on a full disk
            self._file.close()
        if comes_again(error) or not self._journal.parts:
            with suppress(OSError):
                self._journal.remove()


class PrivateFile:
    """A file of messages that only its owner can read (POSIX); as a context, nothing is left of it without `finish`.

    path: the name that it will have.
    kind: of its first message.

    Raises what `require_place` raises, and ParameterError where another process writes it.
    """

    def __init__(self, path: Path, kind: str) -> None:
        require_place(path, kind)
        self._path, self._kind = path, kind
        with naming_file(path):
            self._file = open_unfinished(path, 0, private=True)

    def append(self, message: bytes) -> None:
        """Add a message. Raises OSError."""
        with naming_file(self._path):
            self._file.write(message)

    def finish(self) -> None:
        """Let the file reach the disk, and give it its name. Raises OSError."""
        with naming_file(self._path):
            give_name(self._path, self._file, self._kind)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file.closed:
            return
        with suppress(OSError):
            unfinished(self._path).unlink()
        with suppress(OSError):  # what could not be written, as on a full disk
            self._file.close()


def comes_again(error: BaseException) -> bool:
    """Whether the same input will bring the same error."""
    return isinstance(error, PartRefused) or (
        isinstance(error, FhennError) and not isinstance(error, OSError | RuntimeError)
    )


def file_state(path: Path) -> str:
    """What tells that a file is still the one that it was: its size and the time of its last change. Raises OSError."""
    state = path.stat()
    return f"{state.st_size} bytes, {state.st_mtime_ns}"


def unfinished(path: Path) -> Path:
    """The hidden file beside one that has not got its name yet."""
    return path.with_name(f".{path.name}.unfinished")


def _journal_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.unfinished.json")


def open_unfinished(path: Path, good: int, private: bool = False) -> BinaryIO:
    """The hidden file of one that grows: locked, and no longer than it is right.

    path: the name that it will have.
    good: bytes of it that are right; 0 for a new one.
    private: whether its owner alone can read it, if it is new (POSIX).

    Raises ParameterError where nothing is there to go on with, or another process writes to it; OSError.
    """
    place = unfinished(path)
    for _ in range(_ATTEMPTS):
        try:
            file, new = _open_locked(path, good, private)
        except FileExistsError:  # another process was faster
            continue
        if not _is_named(file, place):  # another process has finished or removed it, just before it was locked
            file.close()
        elif new:
            _journal_of(path).unlink(missing_ok=True)  # of a file that is gone
            return file
        elif good:
            return _cut(path, file, good)
        else:
            with _closed_on_windows(file):
                place.unlink()  # what a killed process left; never written on, as another user may have made it
    raise _in_use(path)


def give_name(path: Path, file: BinaryIO, kind: str | None = None) -> None:
    """Let an unfinished file reach the disk, and give it its name, locked all the while.

    path: the name.
    file: of `open_unfinished`.
    kind: of the fhenn file; None for any other file.

    Raises what `require_place` raises.
    """
    file.flush()
    os.fsync(file.fileno())
    require_place(path, kind)
    with _closed_on_windows(file):
        unfinished(path).replace(path)
    sync_folder(path.parent)


@contextmanager
def naming_file(path: Path) -> Iterator[None]:
    """Errors of the system name the file that was asked for, not the hidden one."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # of a library, in its own words
            raise
        raise type(error)(error.errno, error.strerror, str(path)) from error


@contextmanager
def _closed_on_windows(file: BinaryIO) -> Iterator[None]:
    """Close a file after it is renamed or removed: before, where the system does neither with an open one."""
    if os.name == "nt":
        file.close()
    try:
        yield
    finally:
        file.close()


def _open_locked(path: Path, good: int, private: bool) -> tuple[BinaryIO, bool]:
    """The hidden file, locked, and whether it is new. Raises as `open_unfinished` does, and FileExistsError."""
    place = unfinished(path)
    flags = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    with suppress(FileNotFoundError):
        return _locked(path, os.open(place, flags)), False
    if good:
        raise ParameterError(f"nothing of {path} is there to go on with: {place} is missing.", _AFRESH)
    mode = 0o600 if private else 0o666
    return _locked(path, os.open(place, flags | os.O_CREAT | os.O_EXCL, mode)), True


def _locked(path: Path, descriptor: int) -> BinaryIO:
    file = os.fdopen(descriptor, "r+b")
    if not try_lock(descriptor):
        file.close()
        raise _in_use(path)
    return file


def _in_use(path: Path) -> ParameterError:
    return ParameterError(f"another process writes {path}.", "Wait until it is done, or choose another name.")


def _is_named(file: BinaryIO, place: Path) -> bool:
    """Whether an open file has a name still."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), place.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False


def _cut(path: Path, file: BinaryIO, good: int) -> BinaryIO:
    """The file cut off where it is right. Raises ParameterError, OSError."""
    state = os.fstat(file.fileno())
    wrong = f"is shorter than {good} bytes" if state.st_size < good else ""
    if os.name == "posix" and state.st_uid != os.geteuid():
        wrong = "belongs to another user"  # who could read and change what is written to it
    if wrong:
        file.close()
        raise ParameterError(f"what is unfinished of {path} {wrong}.", _AFRESH)
    file.truncate(good)
    return file
