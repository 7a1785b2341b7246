"""Folders that nobody but their owner reaches: what is in them is believed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from fhenn.artifacts.files import make_folder
from fhenn.errors import ServiceRefused, StoreUnsafe

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


NAME_ANOTHER = "Name another with --store or FHENN_STORE: a store, an empty folder, or one that is to be made."
"""The way out where a folder is no store."""

_OF_A_STORE = frozenset({"models", "keys", "used", "uploads", "tokens", "clock", "lock", "models.lock", "tokens.lock"})
_OF_A_DISK = frozenset({"lost+found"})
"""Where a store is a disk of its own, its file system makes this."""


def foreign_in(path: Path) -> str:
    """Why a folder cannot be a store, as a clause: it holds what no service put there. Empty where it can be one.

    path: of the folder, which need not be there.

    Raises OSError.
    """
    names = sorted(each.name for each in path.iterdir() if not each.name.startswith(".")) if path.is_dir() else []
    others = [name for name in names if name not in _OF_A_DISK and not name.startswith("security.log")]
    if not others or not _OF_A_STORE.isdisjoint(others):
        return ""
    return f"it is no store of a service, but holds {', '.join(others[:3])}{', …' if len(others) > 3 else ''}"


def require_posix() -> None:
    """Require a system with POSIX's owners, modes, locks and pipes. Raises ServiceRefused elsewhere."""
    if os.name != "posix":
        raise ServiceRefused(
            "a service and its store need POSIX, as Linux has it: folders with an owner, locks, workers with pipes.",
            "Run the image `server` of docker/Dockerfile, or a Linux in WSL. Clients and their commands run here.",
        )


def require_private(path: Path) -> None:
    """Make a folder where it is missing, and close it to all other users.

    path: of the folder.

    Raises StoreUnsafe where others could have written to it, or could exchange it: it belongs to somebody else, its
    group or everybody may write to it, it is behind somebody else's link, or in a folder where everybody may rename.
    Raises ServiceRefused on a system without owners and modes, OSError.
    """
    require_posix()
    if os.path.lexists(path) and not path.exists():
        raise StoreUnsafe(str(path), "it is a link that leads nowhere", "Name the folder itself.")
    make_folder(path)
    require_unexchanged(path)
    if path.stat().st_mode & _OTHERS:
        path.chmod(stat.S_IRWXU)


def require_unexchanged(path: Path) -> None:
    """Require that nobody else could have written to a folder, or exchanged it; nothing is changed.

    path: of the folder, which must be there.

    Raises StoreUnsafe and ServiceRefused as `require_private` does, OSError.
    """
    require_posix()
    user = os.geteuid()
    if path.is_symlink() and path.lstat().st_uid not in (user, 0):
        raise StoreUnsafe(str(path), "it is another user's link", "Name the folder itself.")
    _require_own(path, path.resolve().stat(), user)
    for parent in path.resolve().parents:
        mode = parent.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            reason = f"everybody may exchange what is in {parent}"
            raise StoreUnsafe(str(path), reason, f"Put the store elsewhere, or run chmod o-w {parent}.")


def require_private_inside(path: Path) -> None:
    """Make a folder inside a private one where it is missing, and close it to all other users.

    path: of the folder.

    Raises StoreUnsafe where it is a link, or others could have written to it; ServiceRefused as above, OSError.
    """
    require_posix()
    if path.is_symlink():
        raise StoreUnsafe(str(path), "it is a link", "Put the folder that it leads to in its place.")
    make_folder(path)
    _require_own(path, path.stat(), os.geteuid())
    if path.stat().st_mode & _OTHERS:
        path.chmod(stat.S_IRWXU)


def _require_own(path: Path, status: os.stat_result, user: int) -> None:
    """Raise StoreUnsafe where `path`, of that status, is not a folder of the user that only the user can write to."""
    if not stat.S_ISDIR(status.st_mode):
        raise StoreUnsafe(str(path), "it is not a folder", "Name another.")
    if status.st_uid != user:
        way_out = f"Run as that user, or hand it over, with all that is in it: chown -R {user} {path}."
        raise StoreUnsafe(str(path), f"it belongs to user {status.st_uid}, this process to {user}", way_out)
    if status.st_mode & _OTHERS_WRITE:
        way_out = f"Make sure that nobody else put a file in it, then run chmod 700 {path}."
        raise StoreUnsafe(str(path), "others can write to it", way_out)
