"""What survives a restart: models, evaluation keys and tokens, in a private folder.

    models/            see `fhenn.service.model_store`
    keys/, used/, uploads/    see `fhenn.service.key_store`
    tokens/ID.json     see `fhenn.service.tokens`
    clock              the latest time that was seen
    lock               held by the one service that uses the store
    models.lock, tokens.lock    held by whoever writes there

Files are the truth: a file or folder gets its name when it is complete, checked and on the disk.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from fhenn.artifacts.files import sweep
from fhenn.service.clock import Clock
from fhenn.service.folder import require_private
from fhenn.service.key_store import KeyStore
from fhenn.service.lock import Lock
from fhenn.service.model_store import ModelStore
from fhenn.service.tokens import Tokens

_WAY_OUT = (
    "One service runs on a store: stop that one first, or name another --store. "
    "`fhenn model add` and `fhenn token` reach a service that runs."
)


class Store:
    """The folder of a service, for one process at a time; made where it is missing, private to its user.

    folder: the path.
    keys_per_owner: evaluation keys to keep for an owner; the least recently used go first.
    bytes_per_owner: bytes of evaluation keys to keep for an owner.
    clock: says what time it is; None for the system's clock, kept from running backwards.

    Raises StoreLocked where another process uses it, StoreUnsafe where others could write to it, FhennError, OSError.
    """

    def __init__(
        self, folder: Path, keys_per_owner: int = 64, bytes_per_owner: int = 2 << 30, clock: Clock | None = None
    ) -> None:
        require_private(folder)
        self._folder = folder
        self._lock = Lock(folder / "lock", _WAY_OUT)
        try:
            sweep(folder)
            self._identity = folder.stat().st_ino
            self.clock = clock or Clock(folder / "clock")
            self.tokens = Tokens(folder / "tokens", self.clock)
            self.models = ModelStore(folder / "models")
            self.keys = KeyStore(folder, self.clock, keys_per_owner, bytes_per_owner)
            self.models.tidy()
            self.keys.tidy()
            for index in folder.glob("index.sqlite*"):  # of an older fhenn: the files say all that it said
                index.unlink(missing_ok=True)
        except BaseException:
            self._lock.release()
            raise

    def close(self) -> None:
        """Write down the time, and let another process use the folder."""
        with suppress(OSError):  # it is noted while the service runs, too
            self.clock.keep()
        self._lock.release()

    @property
    def folder(self) -> Path:
        """The path of the folder."""
        return self._folder

    @property
    def present(self) -> bool:
        """Whether the folder is still there, and the same as before."""
        try:
            same = self._folder.stat().st_ino == self._identity
        except OSError:
            return False
        return same and all((self._folder / name).is_dir() for name in ("models", "keys", "uploads"))
