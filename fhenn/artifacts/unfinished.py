"""Files that are written part by part, get their name when they are whole, and go on after a kill.

Beside the file that grows, under a hidden name, lies a journal: what the file is made from, how many parts it has, and
how many of its bytes are good. What a killed process wrote beyond that is cut off.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from fhenn.artifacts.files import require_place, sync_folder
from fhenn.errors import FhennError, ParameterError
from fhenn.strict import built, read_json
from fhenn.wire import read_message

_LONGEST = 1 << 16


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
        self._path, self.unfinished = _beside(path, ".unfinished.json"), _beside(path, ".unfinished")
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
        temporary = self._path.with_name(f"{self._path.name}.part")
        temporary.write_text(json.dumps(asdict(self._entry)))
        temporary.replace(self._path)

    def remove(self) -> None:
        """Forget the file: it is whole, or given up. Raises OSError."""
        self._path.unlink(missing_ok=True)

    def _left(self) -> _Entry | None:
        """What an earlier process left; None where there is nothing to go on with."""
        try:
            with self._path.open("rb") as file:
                entry = built(_Entry, read_json(file.read(_LONGEST)))
            there = self.unfinished.stat().st_size
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
        self._file: IO[bytes] = self._journal.unfinished.open("r+b" if self._journal.parts else "w+b")
        self._file.truncate(self._journal.size)
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
        with self._journal.unfinished.open("rb") as file:
            while file.tell() < self._journal.size and (message := read_message(file)) is not None:
                yield message

    def append(self, message: bytes) -> None:
        """Add a message. Raises OSError."""
        self._file.write(message)
        self._file.flush()
        self._journal.advance(self._journal.size + len(message))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._file as file:
            if error is None:
                os.fsync(file.fileno())
        if error is None:
            require_place(self._path, self._kind)
            self._journal.unfinished.replace(self._path)
            sync_folder(self._path.parent)
            self._journal.remove()
        elif comes_again(error) or not self._journal.parts:
            with suppress(OSError):
                self._journal.unfinished.unlink()
                self._journal.remove()


def comes_again(error: BaseException) -> bool:
    """Whether the same input will bring the same error."""
    return isinstance(error, FhennError) and not isinstance(error, OSError | RuntimeError)


def file_state(path: Path) -> str:
    """What tells that a file is still the one that it was: its size and the time of its last change. Raises OSError."""
    state = path.stat()
    return f"{state.st_size} bytes, {state.st_mtime_ns}"


def _beside(path: Path, suffix: str) -> Path:
    """The hidden name of what belongs to a file."""
    return path.with_name(f".{path.name}{suffix}")
