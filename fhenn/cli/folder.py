"""What is in a folder, as far as headers, names and first lines tell; the body of no fhenn file is read."""

from __future__ import annotations

import csv
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from errno import EINVAL
from io import FileIO
from itertools import islice
from pathlib import Path
from typing import Any

from fhenn.errors import WireFormatError
from fhenn.strict import MALFORMED, read_json
from fhenn.text import printable
from fhenn.wire import read_header

_MOST_ENTRIES = 5000
_MOST_READ = 200
_MOST_TABLES = 50
_FIRST_LINE = 1 << 14
"""Bytes of a table that are read: its first line tells what it is."""

_CERTIFICATE = "certificate.json"
"""What `fhenn certify` is told to write in its help."""

_LARGEST_TEXT = 1 << 20

_TABLES = (".csv", ".parquet", ".npy")
_FOREIGN = (".onnx", ".ubj")
"""Endings of models that `fhenn import` reads, and that nothing else ends with."""

_USUAL = (
    "model.fhenn",
    "plan.fhenn",
    "certificate.fhenn",
    "secret.fhenn",
    "keys.fhenn",
    "upload.fhenn",
    "upload.receipt.fhenn",
    "answer.fhenn",
)
"""Names that commands take by themselves: seen in a folder of any size."""

_FINGERPRINT = re.compile("[0-9a-f]{16,64}")

_ALONE = ("model", "plan", "certificate", "secret-key", "evaluation-context", "receipt")
"""Kinds of which a file holds one message, so that its size is known."""


@dataclass(frozen=True)
class Found:
    """A fhenn file, or one that should be.

    name: of the file.
    kind: "model", "plan", …; empty where the header does not say.
    meta: what the header says besides.
    sha256: of the first message, as its header states it.
    size: of the file, in bytes.
    changed: when it was changed, in seconds since the epoch.
    fault: what is wrong with it; empty for nothing that its header shows.
    """

    name: str
    kind: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""
    size: int = 0
    changed: float = 0.0
    fault: str = ""

    def said(self, *names: str) -> str:
        """The text under `names`, one within the other, in the header; empty if the header has none."""
        value: Any = self.meta
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        return value if isinstance(value, str) else ""


@dataclass(frozen=True)
class Sheet:
    """A table.

    name: of the file.
    columns: their names, of a CSV; empty where they are not known.
    changed: when it was changed, in seconds since the epoch.
    delimiter: between the cells of a CSV.
    """

    name: str
    columns: tuple[str, ...] = ()
    changed: float = 0.0
    delimiter: str = ","

    @property
    def holds_results(self) -> bool:
        """Whether it is one that `fhenn decrypt` or `fhenn predict` wrote, as its columns tell."""
        return any(map(_is_score, self.columns)) and any(name.startswith("prediction") for name in self.columns)

    @property
    def holds_scores(self) -> bool:
        """Whether it may be what they write for a model that says nothing of its scores: these, after ids if any.

        A table of somebody's own may have such columns, too.
        """
        return any(map(_is_score, self.columns)) and all(map(_is_score, self.columns[1:]))

    @property
    def holds_bounds(self) -> bool:
        """Whether it declares bounds, as its columns tell."""
        return {"low", "high"} <= {name.lower() for name in self.columns}


@dataclass(frozen=True)
class Folder:
    """What is in a folder.

    files: of fhenn, the newest first.
    sheets: tables, the newest first.
    foreign: names of models of other libraries.
    unfinished: names that files will have which a run left half done.
    fault: why the folder cannot be listed; empty where it can.
    """

    files: tuple[Found, ...] = ()
    sheets: tuple[Sheet, ...] = ()
    foreign: tuple[str, ...] = ()
    unfinished: frozenset[str] = frozenset()
    fault: str = ""

    def named(self, name: str) -> Found | None:
        """The file with that name, or None."""
        return next((file for file in self.files if file.name == name), None)

    def of_kind(self, kind: str) -> tuple[Found, ...]:
        """The files of a kind."""
        return tuple(file for file in self.files if file.kind == kind)


def look(folder: Path) -> Folder:
    """What is in a folder. Nothing is written, and of a secret key its header is read alone.

    folder: its path; only files whose names end in .fhenn, tables, and certificate.json are opened.
    """
    try:
        with os.scandir(folder) as entries:
            listed = {entry.name for entry in islice(entries, _MOST_ENTRIES)}
    except OSError as error:
        return Folder(fault=_reason(error))
    usual = [name for name in _USUAL if (folder / name).exists()]
    names = sorted(listed | set(usual))
    ours = [name for name in names if name.endswith(".fhenn") and not name.startswith(".") and name not in usual]
    ours = [*usual, *ours]
    found = [_found(folder, name) for name in ours[:_MOST_READ]]
    found += [_certificate(folder / name) for name in names if name == _CERTIFICATE]
    sheets = [name for name in names if name.lower().endswith(_TABLES) and not name.startswith(".")]
    return Folder(
        tuple(sorted(found, key=lambda each: -each.changed)),
        tuple(sorted(_sheets(folder, sheets[:_MOST_TABLES]), key=lambda each: -each.changed)),
        tuple(name for name in names if name.lower().endswith(_FOREIGN)),
        frozenset(name[1:].removesuffix(".unfinished") for name in names if _is_unfinished(name)),
    )


def columns_of_csv(path: Path) -> tuple[str, ...]:
    """The names in the first line of a CSV; none where they are not text, or the line does not end.

    path: of the file.

    Raises OSError.
    """
    return _first_line(path)[0]


def _first_line(path: Path) -> tuple[tuple[str, ...], str]:
    """The names in the first line of a CSV, and what stands between them. Raises OSError."""
    with _open(path) as file:
        line, newline, _ = file.read(_FIRST_LINE).partition(b"\n")
    if not newline:
        return (), ","
    try:
        text = line.decode("utf-8-sig").rstrip("\r")
        delimiter = max(",;\t|", key=text.count)
        return tuple(cell.strip() for cell in next(csv.reader([text], delimiter=delimiter), [])), delimiter
    except (UnicodeDecodeError, csv.Error):
        return (), ","


def _open(path: Path) -> FileIO:
    """A file to be read without a buffer, which does not wait for what may have taken its place. Raises OSError."""
    # no file is waited for; a pipe without a writer would be
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    file = FileIO(os.open(path, flags), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(EINVAL, "it is no file")
    return file


def _found(folder: Path, name: str) -> Found:
    """A fhenn file, whatever it is in truth."""
    path = folder / name
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            return Found(name, fault="it is a folder" if stat.S_ISDIR(state.st_mode) else "it is no file")
        with _open(path) as file:
            header, start = read_header(file)
    except OSError as error:
        return Found(name, fault=_reason(error))
    except WireFormatError as error:
        return Found(name, size=state.st_size, changed=state.st_mtime, fault=error.reason)
    expected = start + header.size
    fault = ""
    if state.st_size < expected or (header.kind in _ALONE and state.st_size != expected):
        what = "it is cut off" if state.st_size < expected else "it goes on after its end"
        fault = f"{what}: {state.st_size:,} bytes, where its header says {expected:,}"
    return Found(name, header.kind, header.meta, header.sha256, state.st_size, state.st_mtime, fault)


def _certificate(path: Path) -> Found:
    """A certificate as text, which has no header: of its fields, the fingerprint of the model counts."""
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode) or state.st_size > _LARGEST_TEXT:
            return Found(path.name, fault="it is no certificate")
        with _open(path) as file:
            told = read_json(file.read(_LARGEST_TEXT), infinite=True)
        known = _FINGERPRINT.fullmatch(told["model"]) and {"activations", "approximation", "noise"} <= told.keys()
    except OSError as error:
        return Found(path.name, fault=_reason(error))
    except MALFORMED:
        known = None
    if not known:
        return Found(path.name, fault="it is no certificate")
    return Found(path.name, "certificate", {"model": told["model"]}, "", state.st_size, state.st_mtime)


def _sheets(folder: Path, names: list[str]) -> Iterator[Sheet]:
    """Those of the names that are files, with the columns of the CSV among them."""
    for name in names:
        path = folder / name
        try:
            state = path.stat()
            if not stat.S_ISREG(state.st_mode):
                continue
            columns, delimiter = _first_line(path) if name.lower().endswith(".csv") else ((), ",")
            yield Sheet(name, columns, state.st_mtime, delimiter)
        except OSError:  # removed meanwhile, or not for us: whoever needs it says so
            continue


def _is_score(column: str) -> bool:
    return column == "score" or column.startswith("score_")


def _is_unfinished(name: str) -> bool:
    return name.startswith(".") and name.endswith(".unfinished")


def _reason(error: OSError) -> str:
    """Why the system refuses, in words."""
    return printable((error.strerror or type(error).__name__).lower())
