"""What survives a restart: models, evaluation keys and tokens, in a folder.

    models/NAME/model.fhenn, plan.fhenn
    keys/OWNER/DIGEST            evaluation keys, named by the SHA-256 of their bytes
    uploads/OWNER/DIGEST.part    what has arrived of an upload
    tokens/ID.json               see `fhenn.service.tokens`
    index.sqlite                 which keys were used when

Files are the truth: a file gets its name when it is complete and checked. The index is rebuilt from them.
"""

from __future__ import annotations

import errno
import re
import shutil
import sqlite3
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from fhenn.artifacts import model_from_bytes, plan_from_bytes, plan_to_bytes
from fhenn.errors import ParameterError
from fhenn.planner import Plan, verify
from fhenn.service.tokens import Tokens

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_STALE = 24 * 3600.0
"""Seconds after which what has arrived of an upload is dropped."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (
  owner TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL, stored REAL NOT NULL, used REAL NOT NULL,
  PRIMARY KEY (owner, digest)
) WITHOUT ROWID
"""


@dataclass(frozen=True)
class StoredModel:
    """A model that is served. folder: where its files are. plan: the public one; message: as a file for clients."""

    name: str
    folder: Path
    plan: Plan
    message: bytes


@dataclass(frozen=True)
class StoredKeys:
    """Evaluation keys of an owner. size in bytes; stored, used: seconds since the epoch."""

    digest: str
    size: int
    stored: float
    used: float


def is_digest(text: str) -> bool:
    """Whether `text` is a SHA-256 in lower-case hexadecimal digits."""
    return _DIGEST.fullmatch(text) is not None


def no_space(error: Exception) -> bool:
    """Whether an error of the operating system or of SQLite says that there is no room to write."""
    if isinstance(error, sqlite3.OperationalError):
        return "full" in str(error)
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Store:
    """The folder of a service; made where it is missing, readable by its user alone.

    keys_per_owner: evaluation keys to keep for each owner; the least recently used go first.
    """

    def __init__(self, folder: Path, keys_per_owner: int = 4) -> None:
        self._folder, self._most = folder, keys_per_owner
        for name in ("models", "keys", "uploads", "tokens"):
            (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self.tokens = Tokens(folder / "tokens")
        self._index = self._opened_index()
        self._reconcile()

    def close(self) -> None:
        """Close the index."""
        self._index.close()

    # models

    def add_model(self, name: str, model: bytes, plan: bytes) -> None:
        """Keep a model and its plan under a name, in the place of what had it. Raises FhennError where they differ."""
        if not _NAME.fullmatch(name):
            raise ParameterError(
                f"{name[:80]!r} cannot name a model.", "Use lower-case letters, digits and inner dots, hyphens, lines."
            )
        network, found = model_from_bytes(model), plan_from_bytes(plan)
        verify(found, network)
        home = self._folder / "models"
        staged = Path(tempfile.mkdtemp(prefix=".new-", dir=home))
        (staged / "model.fhenn").write_bytes(model)
        (staged / "plan.fhenn").write_bytes(plan_to_bytes(found.public(), network))  # clients get it
        old = home / f".old-{name}"
        shutil.rmtree(old, ignore_errors=True)
        if (home / name).exists():
            (home / name).rename(old)
        staged.rename(home / name)
        shutil.rmtree(old, ignore_errors=True)

    def models(self) -> dict[str, StoredModel]:
        """All models by name, verified. Raises FhennError where a file is not what it should be."""
        found = {}
        for folder in sorted((self._folder / "models").iterdir()):
            if not _NAME.fullmatch(folder.name):
                continue
            model = model_from_bytes((folder / "model.fhenn").read_bytes())
            plan = plan_from_bytes((folder / "plan.fhenn").read_bytes()).public()
            verify(plan, model)
            found[folder.name] = StoredModel(folder.name, folder.resolve(), plan, plan_to_bytes(plan, model))
        return found

    # evaluation keys

    def keys_path(self, owner: str, digest: str) -> Path:
        """Where an owner's keys are, or would be."""
        return (self._folder / "keys" / owner / digest).resolve()

    def has_keys(self, owner: str, digest: str) -> bool:
        """Whether an owner has stored these keys."""
        return self.keys_path(owner, digest).is_file()

    def keys_of(self, owner: str) -> list[StoredKeys]:
        """The keys of an owner, the latest used first."""
        rows = self._index.execute(
            "SELECT digest, size, stored, used FROM keys WHERE owner = ? ORDER BY used DESC, digest", (owner,)
        )
        return [StoredKeys(*row) for row in rows]

    def touch(self, owner: str, digest: str) -> None:
        """Keys are used now. Raises sqlite3.OperationalError where that cannot be noted."""
        with self._index:
            self._index.execute("UPDATE keys SET used = ? WHERE owner = ? AND digest = ?", (time.time(), owner, digest))

    def part_path(self, owner: str, digest: str) -> Path:
        """Where what has arrived of an upload is, or would be."""
        folder = self._folder / "uploads" / owner
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder / f"{digest}.part"

    def arrived(self, owner: str, digest: str) -> int:
        """Bytes of an upload that have arrived."""
        try:
            return self.part_path(owner, digest).stat().st_size
        except FileNotFoundError:
            return 0

    def make_room_for_upload(self, owner: str, digest: str) -> None:
        """Drop an owner's oldest unfinished uploads beside this one, as many as are too many, and stale ones."""
        parts = [path for path in self.part_path(owner, digest).parent.glob("*.part") if path.stem != digest]
        parts.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        now = time.time()
        for place, path in enumerate(parts):
            if place >= self._most - 1 or now - path.stat().st_mtime > _STALE:
                path.unlink(missing_ok=True)

    def drop_upload(self, owner: str, digest: str) -> None:
        """Forget what has arrived of an upload."""
        self.part_path(owner, digest).unlink(missing_ok=True)

    def keep_upload(self, owner: str, digest: str) -> None:
        """An upload is complete and checked: it becomes the owner's keys; those used least go. Raises OSError."""
        part, path = self.part_path(owner, digest), self.keys_path(owner, digest)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        part.rename(path)
        now = time.time()
        with self._index:
            self._index.execute(
                "INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?, ?)", (owner, digest, path.stat().st_size, now, now)
            )
        for keys in self.keys_of(owner)[self._most :]:
            self.delete_keys(owner, keys.digest)

    def delete_keys(self, owner: str, digest: str) -> bool:
        """Delete an owner's keys; whether there were any."""
        path = self.keys_path(owner, digest)
        existed = path.is_file()
        path.unlink(missing_ok=True)
        with self._index:
            self._index.execute("DELETE FROM keys WHERE owner = ? AND digest = ?", (owner, digest))
        return existed

    # the index

    def _opened_index(self) -> sqlite3.Connection:
        path = self._folder / "index.sqlite"
        try:
            return _connected(path)
        except sqlite3.DatabaseError as error:
            if no_space(error):
                raise
            for suffix in ("", "-wal", "-shm"):  # not a database, or a broken one: the files say all that it said
                Path(f"{path}{suffix}").unlink(missing_ok=True)
            return _connected(path)

    def _reconcile(self) -> None:
        """Make the index say what the files say, and drop stale uploads."""
        files = {
            (path.parent.name, path.name): path.stat()
            for path in (self._folder / "keys").glob("*/*")
            if is_digest(path.name)
        }
        known = set(self._index.execute("SELECT owner, digest FROM keys"))
        with self._index:
            self._index.executemany("DELETE FROM keys WHERE owner = ? AND digest = ?", known - set(files))
            self._index.executemany(
                "INSERT INTO keys VALUES (?, ?, ?, ?, ?)",
                [(*name, st.st_size, st.st_mtime, st.st_mtime) for name, st in files.items() if name not in known],
            )
        now = time.time()
        for part in (self._folder / "uploads").glob("*/*.part"):
            if now - part.stat().st_mtime > _STALE:
                part.unlink(missing_ok=True)


def _connected(path: Path) -> sqlite3.Connection:
    index = sqlite3.connect(path, timeout=5.0)
    path.chmod(0o600)
    index.execute("PRAGMA journal_mode = WAL")
    index.execute("PRAGMA synchronous = NORMAL")
    index.execute(_SCHEMA)
    index.execute("SELECT count(*) FROM keys").fetchone()
    return index
