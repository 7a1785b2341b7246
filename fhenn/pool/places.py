"""Where the uploads and answers of a batch are: a folder of this machine, or a place in an object store."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, BinaryIO, Protocol

from fhenn.artifacts.files import hidden, sync_folder
from fhenn.errors import ExtraMissing, FhennError, StorageRefused


class NewFile(Protocol):
    """A file that gets its name when it is whole, as far as its place can do that: folders and object stores can."""

    def write(self, data: bytes) -> Any:
        """Add bytes. Raises OSError."""

    def finish(self) -> None:
        """Give it its name, in the place of an older one. Raises OSError."""

    def give_up(self) -> None:
        """Leave nothing of it."""


class Place(Protocol):
    """A folder, on this machine or in an object store. What it does raises OSError, StorageRefused among them."""

    def is_same(self, other: Place) -> bool:
        """Whether both are one, however they are named."""

    def names(self) -> list[str]:
        """Of the files in it, without those of folders in it, in alphabetical order."""

    def size(self, name: str) -> int:
        """Bytes of a file."""

    def exists(self, name: str) -> bool:
        """Whether a file is there."""

    def open(self, name: str) -> BinaryIO:
        """A file, for reading."""

    def create(self, name: str) -> NewFile:
        """A new file."""


def place_of(address: str) -> Place:
    """The place of an address.

    address: of a folder, or a URL that fsspec knows, as s3://bucket/folder.

    Raises ExtraMissing without fsspec, StorageRefused for a URL that it does not know.
    """
    local = address.removeprefix("file://")
    return _Store(address) if "://" in local else _Folder(Path(local))


class _Folder:
    """A folder of this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def is_same(self, other: Place) -> bool:
        return isinstance(other, _Folder) and self._path.resolve() == other._path.resolve()

    def names(self) -> list[str]:
        return sorted(each.name for each in self._path.iterdir() if each.is_file())

    def size(self, name: str) -> int:
        return (self._path / name).stat().st_size

    def exists(self, name: str) -> bool:
        return (self._path / name).exists()

    def open(self, name: str) -> BinaryIO:
        return (self._path / name).open("rb")

    def create(self, name: str) -> NewFile:
        self._path.mkdir(parents=True, exist_ok=True)
        return _NewLocalFile(self._path / name)


class _NewLocalFile:
    """A file under a hidden name, until it is whole and on the disk."""

    def __init__(self, path: Path) -> None:
        self._path, self._hidden = path, hidden(path, ".part")
        self._file = self._hidden.open("xb")

    def write(self, data: bytes) -> None:
        self._file.write(data)

    def finish(self) -> None:
        with self._file as file:
            file.flush()
            os.fsync(file.fileno())
        self._hidden.replace(self._path)
        sync_folder(self._path.parent)

    def give_up(self) -> None:
        self._file.close()
        self._hidden.unlink(missing_ok=True)


class _Store:
    """A folder in an object store, by fsspec: its errors, which are of many classes, become StorageRefused."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        try:
            fsspec = importlib.import_module("fsspec")
        except ModuleNotFoundError as error:
            raise ExtraMissing("ray", "fsspec") from error
        with self._asking():
            self._files, root = fsspec.url_to_fs(self._url)
        self._root = root.rstrip("/")

    def __str__(self) -> str:
        return self._url

    def is_same(self, other: Place) -> bool:
        return isinstance(other, _Store) and (self._files, self._root) == (other._files, other._root)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except FhennError:
            raise
        except Exception as error:
            raise StorageRefused(self._url, f"{type(error).__name__}: {error}") from error

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"

    def names(self) -> list[str]:
        with self._asking():
            found = self._files.ls(self._root, detail=True)
        return sorted(each["name"].rpartition("/")[2] for each in found if each["type"] == "file")

    def size(self, name: str) -> int:
        with self._asking():
            return int(self._files.size(self._at(name)))

    def exists(self, name: str) -> bool:
        with self._asking():
            self._files.invalidate_cache()
            return bool(self._files.exists(self._at(name)))

    def open(self, name: str) -> Any:
        with self._asking():
            return _Asked(self._files.open(self._at(name), "rb"), self._asking)

    def create(self, name: str) -> NewFile:
        def put(path: str) -> None:
            with self._asking():
                self._files.makedirs(self._root, exist_ok=True)
                self._files.put_file(path, self._at(name))

        return _NewObject(put)


class _Asked:
    """A file of an object store that is read."""

    def __init__(self, file: Any, asking: Callable[[], Any]) -> None:
        self._file, self._asking = file, asking

    def read(self, size: int = -1) -> bytes:
        with self._asking():
            return bytes(self._file.read(size))

    def __enter__(self) -> _Asked:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


class _NewObject:
    """An object that is put into its store once it is whole; until then it is in a file of this machine.

    put: puts that file there.
    """

    def __init__(self, put: Callable[[str], None]) -> None:
        self._put, self._file = put, NamedTemporaryFile(prefix="fhenn-")  # noqa: SIM115  (it outlives this call)

    def write(self, data: bytes) -> None:
        self._file.write(data)

    def finish(self) -> None:
        with self._file as file:
            file.flush()
            self._put(file.name)

    def give_up(self) -> None:
        self._file.close()
