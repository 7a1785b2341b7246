"""Files are whole or absent, and private ones private from their first byte."""

import os
import stat
from pathlib import Path

import pytest

from fhenn import artifacts
from fhenn.artifacts import files
from fhenn.errors import FileExists, WireFormatError
from fhenn.wire import VERSION, Header, frame


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_written_and_read(tmp_path):
    artifacts.write(tmp_path / "a", b"one")
    artifacts.write(tmp_path / "a", b"two")
    assert artifacts.read(tmp_path / "a") == b"two"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_a_private_file_is_private_from_its_first_byte(tmp_path, monkeypatch):
    seen = []
    real = os.fsync

    def look(descriptor):
        seen.extend((path.name, mode(path)) for path in tmp_path.iterdir())
        real(descriptor)

    monkeypatch.setattr(files.os, "fsync", look)
    old = os.umask(0)
    try:
        artifacts.write(tmp_path / "key", b"secret", private=True)
        artifacts.write(tmp_path / "open", b"public")
    finally:
        os.umask(old)
    assert mode(tmp_path / "key") == 0o600
    assert mode(tmp_path / "open") == 0o666
    assert {m for name, m in seen if "key" in name} == {0o600}


def test_a_private_file_is_not_overwritten_unless_asked(tmp_path):
    artifacts.write(tmp_path / "key", b"first", private=True)
    with pytest.raises(FileExists, match="exists already"):
        artifacts.write(tmp_path / "key", b"second", private=True)
    with pytest.raises(FileExists):
        artifacts.write(tmp_path / "key", b"second", overwrite=False)
    assert artifacts.read(tmp_path / "key") == b"first"
    artifacts.write(tmp_path / "key", b"second", private=True, overwrite=True)
    assert artifacts.read(tmp_path / "key") == b"second"


def test_a_symbolic_link_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"theirs")
    (tmp_path / "key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExists):
        artifacts.write(tmp_path / "key", b"secret", private=True)
    artifacts.write(tmp_path / "key", b"secret", private=True, overwrite=True)
    assert (tmp_path / "elsewhere").read_bytes() == b"theirs"


@pytest.mark.parametrize("private", [False, True])
def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch, private):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    artifacts.write(tmp_path / "old", b"whole")
    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        artifacts.write(tmp_path / "new", b"half", private=private)
    with pytest.raises(OSError, match="space"):
        artifacts.write(tmp_path / "old", b"half", private=private, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert artifacts.read(tmp_path / "old") == b"whole"


def test_a_folder_that_is_not_there(tmp_path):
    for private in (False, True):
        with pytest.raises(FileNotFoundError):
            artifacts.write(tmp_path / "none" / "a", b"", private=private)
    with pytest.raises(FileNotFoundError):
        artifacts.read(tmp_path / "none")


def test_a_header_tells_without_the_body(tmp_path):
    path = tmp_path / "note"
    path.write_bytes(frame("note", {"to": "you"}, b"x" * 1000)[:-990])
    header = artifacts.header_of(path)
    assert (header.kind, header.version, header.size, header.meta) == ("note", VERSION, 1000, {"to": "you"})
    assert isinstance(header, Header)


@pytest.mark.parametrize("data", [b"", b"FHENN", b"PK\x03\x04" * 10, b"FHENN\x09\x00\x00\x00\x02{}"])
def test_other_files_are_none(tmp_path, data):
    path: Path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(WireFormatError):
        artifacts.header_of(path)


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_folder_is_there_whole_or_not_at_all(tmp_path, monkeypatch, at):
    """Whoever looks while it is written, or after the machine has stopped half-way, sees no part of it."""
    seen, calls, real = [], [], os.fsync

    def stop(descriptor):
        calls.append(1)
        seen.append((tmp_path / "model").exists())
        if len(calls) == at:
            raise OSError(5, "the machine has stopped")
        real(descriptor)

    monkeypatch.setattr(files.os, "fsync", stop)
    with pytest.raises(OSError, match="stopped"):
        files.write_folder(tmp_path / "model", {"a": b"one", "b": b"two"})
    assert not any(seen)
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    files.write_folder(tmp_path / "model", {"a": b"one", "b": b"two"})
    assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()} == {"a": b"one", "b": b"two"}
    with pytest.raises(FileExists):
        files.write_folder(tmp_path / "model", {"a": b"three"})


@pytest.mark.skipif(os.name != "posix", reason="renames of POSIX")
def test_bytes_reach_the_disk_before_their_name_is_given(tmp_path, monkeypatch):
    """In the order in which a power cut would take them."""
    story, fsync, replace, rename = [], os.fsync, Path.replace, Path.rename

    def synchronise(descriptor):
        story.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "bytes")
        fsync(descriptor)

    def named(real):
        def give(self, target):
            story.append("name")
            return real(self, target)

        return give

    monkeypatch.setattr(files.os, "fsync", synchronise)
    monkeypatch.setattr(Path, "replace", named(replace))
    monkeypatch.setattr(Path, "rename", named(rename))
    for overwrite in (False, True):
        story.clear()
        artifacts.write(tmp_path / "file", b"content", overwrite=overwrite)
        assert story == ["bytes", "name", "folder"]
    story.clear()
    files.write_folder(tmp_path / "model", {"a": b"one", "b": b"two"})
    assert story == ["bytes", "bytes", "folder", "name", "folder"]


def test_who_reads_a_file_that_is_replaced_sees_the_old_or_the_new(tmp_path, monkeypatch):
    path, real = tmp_path / "file", os.fsync
    artifacts.write(path, b"old")
    seen = []

    def look(descriptor):
        seen.append(path.read_bytes() if path.exists() else None)
        real(descriptor)

    monkeypatch.setattr(files.os, "fsync", look)
    artifacts.write(path, b"new")
    assert seen == [b"old", b"new"]  # of the bytes, and of the folder
