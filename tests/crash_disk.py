"""What a disk holds after a crash, at every point of what was done to it.

`watched` tells of every call of `os` that changes something under a folder, before it is done. `FileSystem` does the
same calls on a model, in which bytes survive a power cut where their file was synchronised, and names where their
folder was. Whether a call was missed is seen in the end: `FileSystem.tree` must be the folder as it is.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

Tree = dict[str, bytes | None]
"""Bytes by path inside a folder; None for a folder."""
Call = tuple[Any, ...]
"""Name of a call and its arguments: paths inside the folder, handles of open files, bytes."""

_ON_HANDLES = ("write", "pwrite", "ftruncate", "fsync")
_ON_PATHS = {"unlink": 1, "remove": 1, "mkdir": 1, "rmdir": 1, "utime": 1, "chmod": 1, "rename": 2, "replace": 2}


def tree_of(folder: Path) -> Tree:
    """All that is in a folder, but for locks: they end with their process."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if not _is_lock(path.name)
    }


def _is_lock(name: str) -> bool:
    return name == "lock" or name.endswith(".lock")


def plant(tree: Tree, folder: Path) -> None:
    """Make a private folder that holds a tree."""
    folder.mkdir(0o700)
    for name, data in sorted(tree.items()):
        path = folder / name
        if data is None:
            path.mkdir(0o700)
        else:
            path.write_bytes(data)
            path.chmod(0o600)


@contextmanager
def watched(folder: Path, before: Callable[[Call], None]) -> Iterator[None]:
    """Tell of every call that changes something under a folder, before it is done."""
    real = {name: getattr(os, name) for name in ("open", "close", *_ON_HANDLES, *_ON_PATHS)}
    handles: dict[int, int] = {}
    numbers, lock = count(), threading.RLock()

    def name_of(path: Any) -> str | None:
        found = Path(path).absolute()
        return str(found.relative_to(folder)) if found.is_relative_to(folder) and not _is_lock(found.name) else None

    def opening(path: Any, flags: int, *mode: int, **more: Any) -> int:
        with lock:
            name = name_of(path)
            if name is None:
                return real["open"](path, flags, *mode, **more)
            assert not flags & (os.O_TRUNC | os.O_APPEND), "not modelled"
            number = next(numbers)
            before(("create" if flags & os.O_CREAT and not os.path.lexists(path) else "open", name, number))
            descriptor: int = real["open"](path, flags, *mode, **more)
            handles[descriptor] = number
            return descriptor

    def closing(descriptor: int) -> None:
        with lock:
            handles.pop(descriptor, None)
            real["close"](descriptor)

    def on_handle(call: str) -> Callable[..., Any]:
        def done(descriptor: int, *data: Any) -> Any:
            with lock:
                if descriptor in handles:
                    copied = (bytes(each) if isinstance(each, memoryview) else each for each in data)
                    before((call, handles[descriptor], *copied))
                return real[call](descriptor, *data)

        return done

    def on_paths(call: str, paths: int) -> Callable[..., Any]:
        def done(*data: Any, **more: Any) -> Any:
            with lock:
                names = [name_of(path) for path in data[:paths]]
                if any(name is not None for name in names):
                    before((call, *names))
                return real[call](*data, **more)

        return done

    ours: dict[str, Callable[..., Any]] = {"open": opening, "close": closing}
    ours |= {call: on_handle(call) for call in _ON_HANDLES}
    ours |= {call: on_paths(call, paths) for call, paths in _ON_PATHS.items()}
    for name, function in ours.items():
        setattr(os, name, function)
    try:
        yield
    finally:
        for name, function in real.items():
            setattr(os, name, function)


class _File:
    def __init__(self, data: bytes = b"") -> None:
        self.data, self.synced = bytearray(data), data


class _Folder:
    def __init__(self) -> None:
        self.names: dict[str, _File | _Folder] = {}
        self.synced: dict[str, _File | _Folder] = {}


class FileSystem:
    """A folder, and what of it is on the disk. tree: what is there, and synchronised, at first."""

    def __init__(self, tree: Tree) -> None:
        self._root = _Folder()
        for name, data in sorted(tree.items()):
            home, last = self._home(name)
            home.names[last] = home.synced[last] = _Folder() if data is None else _File(data)
        self._open: dict[int, list[Any]] = {}  # the file or folder, and where it is written to

    def _home(self, name: str) -> tuple[_Folder, str]:
        *folders, last = Path(name).parts
        at = self._root
        for each in folders:
            at = at.names[each]  # type: ignore[assignment]
        return at, last

    def _at(self, name: str) -> _File | _Folder:
        if name == ".":
            return self._root
        home, last = self._home(name)
        return home.names[last]

    def do(self, call: Call, torn: bool = False) -> None:
        """A call of `watched`, which succeeds where it can. torn: half of the bytes of a write only."""
        what, first, *rest = call
        if what in ("create", "open"):
            if what == "create":
                home, last = self._home(first)
                home.names[last] = _File()
            self._open[rest[0]] = [self._at(first), 0]
        elif what in ("write", "pwrite"):
            file, at = self._open[first]
            data = rest[0][: len(rest[0]) // 2] if torn else rest[0]
            at = rest[1] if what == "pwrite" else at
            file.data.extend(bytes(max(0, at - len(file.data))))
            file.data[at : at + len(data)] = data
            self._open[first][1] = at + len(data)
        elif what == "ftruncate":
            del self._open[first][0].data[rest[0] :]
        elif what == "fsync":
            node = self._open[first][0]
            node.synced = bytes(node.data) if isinstance(node, _File) else dict(node.names)
        elif what in ("unlink", "remove", "rmdir"):
            home, last = self._home(first)
            home.names.pop(last, None)  # it may have been tried in vain
        elif what == "mkdir":
            home, last = self._home(first)
            home.names.setdefault(last, _Folder())
        elif what in ("rename", "replace"):
            home, last = self._home(first)
            there, name = self._home(rest[0])
            there.names[name] = home.names.pop(last)
        else:
            assert what in ("utime", "chmod")

    def tree(self, choose: random.Random | str = "all") -> Tree:
        """What a crash leaves. choose: "all" for a killed process; after a power cut, "synced" for what was
        synchronised alone, "names" for that and all names, or for each name and file either, at random.
        """
        found: Tree = {}

        def pick(new: Any, old: Any, name: bool) -> Any:
            if isinstance(choose, random.Random):
                return choose.choice((new, old))
            return new if choose == "all" or (choose == "names" and name) else old

        def walk(folder: _Folder, path: Path) -> None:
            for name in sorted(folder.names.keys() | folder.synced.keys()):
                node = pick(folder.names.get(name), folder.synced.get(name), name=True)
                if isinstance(node, _Folder):
                    found[str(path / name)] = None
                    walk(node, path / name)
                elif node is not None:
                    found[str(path / name)] = pick(bytes(node.data), node.synced, name=False)

        walk(self._root, Path())
        return found
