"""The budget of results that may be shared under one key, and how much of it is spent.

A result shared for q queries spends 1/q of its key's budget (`fhenn.planner.flooding`). A client that has just made its
key counts in memory. A client that was restored from bytes cannot know what other copies of these bytes have shared, so
it needs a file that counts for all of them. Before a result is handed out, a line with the share and the total is
appended to that file, under a lock and synchronised; no line is ever removed. Only the last line is read.

The file names the key and its own inode. A copy of it would count separately, so a copy is refused, as a missing file
is. An older state that is restored over the file keeps the inode. So the total is also stored as an extended attribute
of the inode, where Linux and the filesystem have them: contents that say less than the attribute are refused, and so
is an inode without it.

What cannot be detected: a state restored together with its extended attributes (cp -a over the file, a snapshot of the
disk or of the virtual machine), and on systems without them any older contents restored over the file. Then results
are shared twice for one budget. After such a restore, say what was shared (`Client.keep_budget`), or make new keys.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import inf, nextafter
from pathlib import Path
from threading import Lock
from typing import BinaryIO, NoReturn, Protocol

from fhenn.errors import BudgetUnknown, FileExists, ParameterError, SharingRefused
from fhenn.filelock import lock, unlock
from fhenn.uncopied import Uncopied

_HEADER = re.compile(rb"fhenn-budget 1 key=([0-9a-f]{16}) file=(\d{1,20}) attribute=(yes|no) spent=([0-9.e+-]{1,25})\n")
_SHARE = re.compile(rb"\d{1,20} [1-9]\d{0,19} ([0-9.e+-]{1,25})")
_ATTRIBUTE = "user.fhenn.spent"
_LONGEST_LINE = 256
"""More than a header or a share has, in bytes."""

_SLACK = 1e-9


class SharingBudget(Protocol):
    """Counts the results that are shared under one key."""

    @property
    def spent(self) -> float:
        """The fraction of the budget that is known to be spent, 0 to 1."""

    def take(self, samples: int, queries: int) -> None:
        """Spend samples/queries of the budget.

        samples: whose results are shared.
        queries: samples that the noise on the results allows in all.

        Raises SharingRefused where less is left; nothing is spent then.
        """

    def require(self, samples: int, queries: int) -> None:
        """Raise what `take` would, and spend nothing."""


class Budget(Uncopied):
    """A budget in memory, for the process that made it.

    spent: the fraction that is spent already, 0 to 1.

    Raises ParameterError for a fraction outside 0 to 1.

    >>> budget = Budget()
    >>> budget.take(3, 4)
    >>> budget.spent
    0.75
    """

    _instead = "A copy would be spent apart: keep a file with client.keep_budget(path)."

    def __init__(self, spent: float = 0.0) -> None:
        self._spent, self._process, self._lock = _fraction(spent), os.getpid(), Lock()

    @property
    def spent(self) -> float:
        """The fraction that is spent, 0 to 1."""
        return self._spent

    def take(self, samples: int, queries: int) -> None:
        """Spend samples/queries of the budget. Safe in threads.

        samples: whose results are shared.
        queries: samples that the noise on the results allows in all.

        Raises SharingRefused where less is left, and spends nothing; BudgetUnknown in a forked process, whose parent
        could spend the same.
        """
        if os.getpid() != self._process:
            raise BudgetUnknown(
                "the key was made in another process.",
                "Share results in that one, or keep a file for all of them: client.keep_budget(path), before the fork.",
            )
        with self._lock:
            self._spent = _spend(self._spent, samples, queries)

    def require(self, samples: int, queries: int) -> None:
        """Raise SharingRefused where less than samples/queries of the budget is left."""
        _spend(self._spent, samples, queries)


class UnknownBudget:
    """The budget of a key that was restored without the file that counts: no result can be shared.

    spent: the fraction that the bytes of the key say, 0 to 1.
    """

    def __init__(self, spent: float) -> None:
        self.spent = spent

    def take(self, samples: int, queries: int) -> NoReturn:
        """Raise BudgetUnknown."""
        raise BudgetUnknown(
            "the key was restored without the file that counts what was shared.",
            "Name it (Client.from_secret_bytes(…, budget=…); keygen and keep_budget make it), or make new keys.",
        )

    def require(self, samples: int, queries: int) -> NoReturn:
        """Raise BudgetUnknown."""
        self.take(samples, queries)


class BudgetFile(Uncopied):
    """A budget in a file, for all processes that share results under one key.

    path: of the file that `create` made.
    key: the fingerprint of the key generation, 16 hexadecimal digits.
    spent: the fraction that the bytes of the key say is spent, at least.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> budget = BudgetFile.create(Path(folder.name) / "secret.budget", "0123456789abcdef")
    >>> budget.take(3, 4)
    >>> BudgetFile(budget.path, "0123456789abcdef").spent
    0.75
    >>> folder.cleanup()
    """

    _instead = "Open it anew by its path and key."

    def __init__(self, path: str | Path, key: str, spent: float = 0.0) -> None:
        self.path, self._key, self._least = Path(path), key, spent

    @classmethod
    def create(cls, path: str | Path, key: str, spent: float = 0.0, *, overwrite: bool = False) -> BudgetFile:
        """Make a new file, which only its owner can read.

        path: of the file.
        key: the fingerprint of the key generation, 16 hexadecimal digits.
        spent: the fraction that is spent already, 0 to 1.
        overwrite: whether to replace an existing file.

        Returns the budget in that file.
        Raises ParameterError for a fraction outside 0 to 1, FileExists, OSError.
        """
        path, spent = Path(path), _fraction(spent)
        if overwrite:
            path.unlink(missing_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise FileExists(str(path)) from error
        with os.fdopen(descriptor, "wb") as file:
            attribute = "yes" if _write_attribute(file, spent) else "no"
            file.write(f"fhenn-budget 1 key={key} file={_inode(file)} attribute={attribute} spent={spent!r}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        if os.name == "posix":  # the name must survive a power cut too
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        return cls(path, key, spent)

    @property
    def spent(self) -> float:
        """The fraction that is spent; that of the key's own bytes where the file does not say. Raises OSError."""
        with suppress(BudgetUnknown):
            return self.known()
        return self._least

    def known(self) -> float:
        """The fraction that is spent, 0 to 1. Raises BudgetUnknown where the file does not say, OSError."""
        with self._open_locked() as file:
            total, more, _ = self._read(file)
            return total + more

    def take(self, samples: int, queries: int) -> None:
        """Spend samples/queries of the budget. It is on the disk when this returns.

        samples: whose results are shared.
        queries: samples that the noise on the results allows in all.

        Raises SharingRefused where less is left, and spends nothing; BudgetUnknown where the file is missing, a copy,
        another key's, damaged, or an older state of itself; OSError.
        """
        with self._open_locked() as file:
            total, more, end = self._read(file)
            _spend(total + more, samples, queries)
            after = _spend(total, samples, queries)
            file.truncate(end)  # a line that a crash has cut was never answered
            file.seek(end)
            file.write(f"{samples} {queries} {after!r}\n".encode())
            file.flush()
            os.fsync(file.fileno())
            # after the contents: a crash between the two leaves them ahead, which is allowed
            if _read_attribute(file) is not None:
                _write_attribute(file, after)

    def require(self, samples: int, queries: int) -> None:
        """Raise what `take` would, and spend nothing."""
        _spend(self.known(), samples, queries)

    @contextmanager
    def _open_locked(self) -> Iterator[BinaryIO]:
        """The file, for this process and thread alone. Raises BudgetUnknown where it is missing, OSError."""
        while True:
            try:
                file = self.path.open("r+b")
            except FileNotFoundError:
                self._refuse(f"{self.path} is missing")
            with file, _exclusive(file):
                try:
                    current = self.path.stat().st_ino == os.fstat(file.fileno()).st_ino
                except FileNotFoundError:
                    current = False
                if current:
                    yield file
                    return

    def _read(self, file: BinaryIO) -> tuple[float, float, int]:
        """The total, what the key knows of beyond it, and where the last whole line ends. Raises BudgetUnknown."""
        header = _HEADER.match(file.read(_LONGEST_LINE))
        if header is None:
            self._refuse(f"{self.path} is damaged")
        if header[1].decode() != self._key:
            self._refuse(f"{self.path} counts for another key")
        recorded = _read_attribute(file)
        if int(header[2]) != _inode(file) or (header[3] == b"yes" and recorded is None):
            self._refuse(f"{self.path} is a copy, and does not know what was shared by the original")
        start = max(header.end(), file.seek(0, os.SEEK_END) - 2 * _LONGEST_LINE)
        file.seek(start)
        data = file.read()
        size = data.rfind(b"\n") + 1
        share = _SHARE.fullmatch(data[: max(size - 1, 0)].rpartition(b"\n")[2])
        if share is None and (size or start > header.end()):
            self._refuse(f"{self.path} is damaged")
        try:
            first = _fraction(float(header[4]))
            total = first if share is None else _fraction(float(share[1]))
        except ValueError:  # no number, or no fraction (ParameterError)
            self._refuse(f"{self.path} is damaged")
        if recorded is not None and not total >= recorded:
            self._refuse(f"{self.path} is an older copy of itself, from before the last results were shared")
        return total, max(self._least - first, 0.0), start + size

    def _refuse(self, reason: str) -> NoReturn:
        """Raise BudgetUnknown with a reason."""
        raise BudgetUnknown(
            f"{reason}.",
            "Share where the original file is, or make new keys; if you know how much was shared, say so: "
            "client.keep_budget(path, spent=…, overwrite=True), decrypt --shared-so-far.",
        )


def _spend(spent: float, samples: int, queries: int) -> float:
    """The fraction that is spent after sharing `samples` more. Raises SharingRefused where it exceeds the budget."""
    after = spent + samples / queries
    if after == spent:  # less than a float tells is something all the same
        after = nextafter(spent, inf)
    if not after <= 1 + _SLACK:
        raise SharingRefused(
            f"{samples} more samples exceed the budget of this key, which is {queries} samples with this noise.",
            "Make new keys, or a plan for more queries.",
        )
    return after


def _fraction(spent: float) -> float:
    """A fraction that is spent. Raises ParameterError outside 0 to 1."""
    if not isinstance(spent, float | int) or not 0 <= spent <= 1 + _SLACK:
        raise ParameterError(
            f"spent must be a fraction from 0 to 1, not {spent!r}.", "A sample shared for q queries spends 1/q."
        )
    return float(spent)


def _write_attribute(file: BinaryIO, spent: float) -> bool:
    """Store the total as an extended attribute of the inode; False where system or filesystem do not have them."""
    if sys.platform != "linux":
        return False
    try:
        os.setxattr(file.fileno(), _ATTRIBUTE, repr(spent).encode())
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.EPERM, errno.EACCES):
            raise
        return False
    return True


def _read_attribute(file: BinaryIO) -> float | None:
    """The total in the extended attribute; None where there is none, infinite where it is not a number."""
    if sys.platform != "linux":
        return None
    try:
        return float(os.getxattr(file.fileno(), _ATTRIBUTE))
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.ENODATA, errno.EPERM, errno.EACCES):
            raise
        return None
    except ValueError:
        return inf


def _inode(file: BinaryIO) -> int:
    """The number of an open file on its disk."""
    return os.fstat(file.fileno()).st_ino


@contextmanager
def _exclusive(file: BinaryIO) -> Iterator[None]:
    """An open file that other processes and threads, which lock it too, leave alone."""
    lock(file.fileno())
    try:
        yield
    finally:
        unlock(file.fileno())
