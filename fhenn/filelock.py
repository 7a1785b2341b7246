"""An exclusive lock on an open file: every process respects it, and the system releases it when its holder ends."""

from __future__ import annotations

import os
import sys

if sys.platform == "win32":
    import msvcrt

    _OFFSET = 1 << 40
    """Windows locks bytes: this one is beyond the end of every file, so that others can read what is in it."""

    def lock(descriptor: int) -> None:
        """Lock an open file, waiting for another holder. Raises OSError."""
        _lock_byte(descriptor, msvcrt.LK_LOCK)

    def try_lock(descriptor: int) -> bool:
        """Lock an open file; False where another holder has it."""
        try:
            _lock_byte(descriptor, msvcrt.LK_NBLCK)
        except OSError:
            return False
        return True

    def unlock(descriptor: int) -> None:
        """Release the lock; closing the file does so too. Raises OSError."""
        _lock_byte(descriptor, msvcrt.LK_UNLCK)

    def _lock_byte(descriptor: int, mode: int) -> None:
        """`msvcrt.locking` works from the file's position on, which stays where it was."""
        position = os.lseek(descriptor, 0, os.SEEK_CUR)
        os.lseek(descriptor, _OFFSET, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, mode, 1)
        finally:
            os.lseek(descriptor, position, os.SEEK_SET)

else:
    import fcntl

    def lock(descriptor: int) -> None:
        """Lock an open file, waiting for another holder. Raises OSError."""
        fcntl.flock(descriptor, fcntl.LOCK_EX)

    def try_lock(descriptor: int) -> bool:
        """Lock an open file; False where another holder has it. Raises OSError."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def unlock(descriptor: int) -> None:
        """Release the lock; closing the file does so too. Raises OSError."""
        fcntl.flock(descriptor, fcntl.LOCK_UN)
