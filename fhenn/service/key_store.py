"""The evaluation keys of a store, and uploads on their way to become keys.

    keys/OWNER/DIGEST            evaluation keys, named by the SHA-256 of their bytes
    used/OWNER/DIGEST            an empty file, whose time says when the keys were used last
    uploads/OWNER/DIGEST.part    what has arrived of an upload

The files are all there is: no index can differ from them. A file of keys gets its name when it is complete, checked and
on the disk. Times order what goes first: they grow with every use, however the system's clock is set.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import Counter, defaultdict
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from fhenn.artifacts.files import make_folder, remove, sweep, sync_folder
from fhenn.service.clock import Clock
from fhenn.service.folder import require_private_inside
from fhenn.session.receipt import is_digest

_STALE = 24 * 3600 * 10**9
"""Nanoseconds after which an upload that broke off is dropped."""
_MOST_UNFINISHED = 4
"""Uploads of an owner that broke off and wait to be resumed."""


@dataclass(frozen=True)
class StoredKeys:
    """Evaluation keys of an owner.

    digest: SHA-256 of their bytes, in hexadecimal digits.
    size: in bytes.
    stored: when they were stored, in seconds since the epoch.
    used: when they were used last, in seconds since the epoch.
    """

    digest: str
    size: int
    stored: float
    used: float


def no_space(error: Exception) -> bool:
    """Whether an error says that the disk, or the user's share of it, is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class KeyStore:
    """The evaluation keys under a store's folder, for one process; its methods may be called from any thread.

    root: the store's folder.
    clock: of the store.
    most: how many keys to keep for an owner. The least recently used go first, but none that a prediction is using.
    size: how many bytes of keys to keep for an owner.
    """

    def __init__(self, root: Path, clock: Clock, most: int, size: int) -> None:
        root = root.resolve()  # once: to ask the disk for each path would hold the event loop up
        self._keys, self._used, self._uploads = root / "keys", root / "used", root / "uploads"
        self._clock, self._most, self._size = clock, most, size
        self._owners: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._pinned: Counter[Path] = Counter()
        self._latest, self._guard = 0, threading.Lock()

    def tidy(self) -> None:
        """Make the folders, and drop parts of uploads that are stored or stale. Raises StoreUnsafe, OSError."""
        for folder in (self._keys, self._used, self._uploads):
            require_private_inside(folder)
            for each in (folder, *folder.iterdir()):
                if each.is_dir():
                    sweep(each)
        for path in (*self._keys.glob("*/*"), *self._used.glob("*/*")):
            self._latest = max(self._latest, path.stat().st_mtime_ns)
        now = self._clock.now()
        for part in self._uploads.glob("*/*.part"):
            stored = self.size(part.parent.name, part.stem) is not None
            if stored or now - part.stat().st_mtime_ns > _STALE:
                part.unlink(missing_ok=True)
        for used in self._used.glob("*/*"):
            if self.size(used.parent.name, used.name) is None:
                used.unlink(missing_ok=True)

    # keys

    def path(self, owner: str, digest: str) -> Path:
        """Where an owner's keys are, or would be."""
        return self._keys / owner / digest

    def size(self, owner: str, digest: str) -> int | None:
        """Size of an owner's keys in bytes, None where they are not stored."""
        try:
            return self.path(owner, digest).stat().st_size
        except FileNotFoundError:
            return None

    def all(self, owner: str) -> list[StoredKeys]:
        """The keys of an owner, the latest used first. Raises OSError."""
        entries = []
        folder = self._keys / owner
        for path in folder.iterdir() if folder.is_dir() else ():
            if is_digest(path.name):
                with suppress(FileNotFoundError):  # deleted meanwhile
                    stored = path.stat()
                    used = max(stored.st_mtime_ns, self._last_use(owner, path.name))
                    entries.append((used, StoredKeys(path.name, stored.st_size, stored.st_mtime, used / 1e9)))
        return [keys for _, keys in sorted(entries, key=lambda pair: (-pair[0], pair[1].digest))]

    def confirm(self, owner: str, digest: str) -> None:
        """Note that the same keys were sent again, which counts as a use. Raises OSError."""
        sync_folder(self.path(owner, digest).parent)
        self.touch(owner, digest)

    @contextmanager
    def pin(self, owner: str, digest: str) -> Iterator[None]:
        """Keep keys from being evicted while a prediction uses them; their owner can still delete them."""
        path = self.path(owner, digest)
        with self._guard:
            self._pinned[path] += 1
        try:
            yield
        finally:
            with self._guard:
                self._pinned[path] -= 1
                if not self._pinned[path]:
                    del self._pinned[path]

    def touch(self, owner: str, digest: str) -> None:
        """Note that keys are used now. Raises OSError."""
        path = self._used / owner / digest
        stamp = self._stamp()
        try:
            os.utime(path, ns=(stamp, stamp))
        except FileNotFoundError:
            if self.size(owner, digest) is None:
                return
            path.parent.mkdir(0o700, exist_ok=True)
            path.touch(0o600)
            os.utime(path, ns=(stamp, stamp))

    def keep(self, owner: str, digest: str) -> None:
        """Make an upload that is complete, checked and on the disk the owner's keys; evict others where it is too much.

        Raises OSError.
        """
        part, path = self.part(owner, digest), self.path(owner, digest)
        with self._owner_lock(owner):
            make_folder(path.parent)
            self.mark(part)
            part.rename(path)
            sync_folder(path.parent)
            self._evict(owner, digest)

    def delete(self, owner: str, digest: str) -> bool:
        """Delete an owner's keys, and a part of them. Returns whether there was anything. Raises OSError."""
        with self._owner_lock(owner):
            arrived = self.drop_part(owner, digest)
            existed = remove(self.path(owner, digest))
            (self._used / owner / digest).unlink(missing_ok=True)
        return existed or arrived

    # uploads

    def part(self, owner: str, digest: str) -> Path:
        """The file for what has arrived of an upload."""
        return self._uploads / owner / f"{digest}.part"

    def count_arrived(self, owner: str, digest: str) -> int:
        """How many bytes of an upload have arrived."""
        try:
            return self.part(owner, digest).stat().st_size
        except FileNotFoundError:
            return 0

    def open_part(self, owner: str, digest: str, busy: Container[str], anew: bool) -> int:
        """Open the file of an upload for writing, and drop the owner's oldest unfinished uploads where there are many.

        owner: of the keys.
        digest: of the keys.
        busy: digests of uploads that are not dropped.
        anew: whether to begin a new file; an earlier request goes on writing to the old one, which nobody reads.

        Returns a file descriptor.
        Raises OSError.
        """
        part = self.part(owner, digest)
        make_folder(part.parent)
        others = [path for path in part.parent.glob("*.part") if path != part and path.stem not in busy]
        ages = {path: self._clock.now() - path.stat().st_mtime_ns for path in others}
        for place, path in enumerate(sorted(others, key=ages.__getitem__)):
            if place >= min(self._most, _MOST_UNFINISHED) - 1 or ages[path] > _STALE:
                path.unlink(missing_ok=True)
        if anew:
            part.unlink(missing_ok=True)
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        return os.open(part, flags, 0o600)

    def mark(self, part: Path) -> None:
        """Note that bytes of an upload have arrived now. Raises OSError."""
        stamp = self._stamp()
        os.utime(part, ns=(stamp, stamp))

    def drop_part(self, owner: str, digest: str) -> bool:
        """Delete what has arrived of an upload. Returns whether there was anything. Raises OSError."""
        return remove(self.part(owner, digest))

    def _owner_lock(self, owner: str) -> threading.Lock:
        with self._guard:
            return self._owners[owner]

    def _stamp(self) -> int:
        """A time that is later than every other stamp, in nanoseconds since the epoch."""
        with self._guard:
            self._latest = max(self._clock.now(), self._latest + 1)
            return self._latest

    def _last_use(self, owner: str, digest: str) -> int:
        """When keys were used last, in nanoseconds since the epoch; 0 where that was never noted."""
        try:
            return (self._used / owner / digest).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def _evict(self, owner: str, newest: str) -> None:
        """Delete an owner's least recently used keys, where they are too many or too large in all."""
        with self._guard:
            held = {path.name for path in self._pinned if path.parent == self.path(owner, newest).parent} | {newest}
        count = size = 0
        for keys in sorted(self.all(owner), key=lambda keys: keys.digest not in held):  # those first, then by last use
            count, size = count + 1, size + keys.size
            if (count > self._most or size > self._size) and keys.digest not in held:
                remove(self.path(owner, keys.digest))
                (self._used / owner / keys.digest).unlink(missing_ok=True)
                count, size = count - 1, size - keys.size
