"""Files that are written part by part: whole under their name or not there, and able to go on."""

import json
import os
import sys
from pathlib import Path

import pytest

from fhenn.artifacts import Journal, UnfinishedFile, comes_again, file_state, read_messages, unfinished
from fhenn.errors import (
    FileMissing,
    ParameterError,
    PartRefused,
    ServiceError,
    WireFormatError,
    WorkersEnded,
    WrongKind,
)
from fhenn.filelock import try_lock
from fhenn.wire import frame

JOB = {"plan": "a", "table": "b"}
PARTS = [frame("answer", {"place": place}, bytes(100 + place)) for place in range(4)]


def left_by_a_kill(path, parts, more=b""):
    """What a process leaves that is killed: parts are noted, and perhaps more bytes written."""
    file = UnfinishedFile(path, "answer", JOB, resume=False)
    for part in parts:
        file.append(part)
    file._file.write(more)
    file._file.close()


def names(folder):
    return sorted(each.name for each in folder.iterdir())


def test_a_file_gets_its_name_when_it_is_whole(tmp_path):
    path = tmp_path / "answer.fhenn"
    with UnfinishedFile(path, "answer", JOB, resume=False) as file:
        for place, part in enumerate(PARTS, 1):
            file.append(part)
            assert not path.exists()
            assert (file.parts, file.size) == (place, sum(map(len, PARTS[:place])))
    assert path.read_bytes() == b"".join(PARTS)
    assert names(tmp_path) == ["answer.fhenn"]


@pytest.mark.parametrize("made", range(5))
@pytest.mark.parametrize("more", [b"", b"half a part", PARTS[3]], ids=["", "half", "whole"])
def test_what_a_kill_left_goes_on(tmp_path, made, more):
    path = tmp_path / "answer.fhenn"
    left_by_a_kill(path, PARTS[:made], more)
    assert not path.exists()
    with UnfinishedFile(path, "answer", JOB, resume=True) as file:
        assert file.parts == made
        assert list(file.written()) == PARTS[:made]
        for part in PARTS[made:]:
            file.append(part)
        assert list(file.written()) == PARTS
    assert path.read_bytes() == b"".join(PARTS)
    assert names(tmp_path) == ["answer.fhenn"]


def test_what_a_kill_left_is_dropped_where_nobody_asks_to_go_on(tmp_path):
    path = tmp_path / "answer.fhenn"
    left_by_a_kill(path, PARTS)
    with UnfinishedFile(path, "answer", JOB, resume=False) as file:
        assert (file.parts, list(file.written())) == (0, [])
        file.append(PARTS[0])
    assert path.read_bytes() == PARTS[0]


@pytest.mark.parametrize("change", [{"plan": "z"}, {"table": "z"}, {"more": "x"}], ids=str)
def test_another_job_does_not_go_on(tmp_path, change):
    path = tmp_path / "answer.fhenn"
    left_by_a_kill(path, PARTS[:2])
    with pytest.raises(ParameterError, match=f"its {next(iter(change))} differ.*--resume"):
        UnfinishedFile(path, "answer", JOB | change, resume=True)
    with UnfinishedFile(path, "answer", JOB, resume=True) as file:  # and it is still there
        assert file.parts == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "nonsense",
        '{"job": [], "parts": -1, "size": 5}',
        '{"job": [], "parts": 1, "size": 1e9}',
        '{"job": [], "parts": true, "size": 3}',
        json.dumps({"job": sorted(JOB.items()), "parts": 2, "size": 10**6}),
    ],
)
def test_a_journal_that_says_nothing_begins_anew(tmp_path, text):
    path = tmp_path / "answer.fhenn"
    left_by_a_kill(path, PARTS[:2])
    (tmp_path / ".answer.fhenn.unfinished.json").write_text(text)
    assert Journal(path, JOB, resume=True).parts == 0


@pytest.mark.parametrize(
    ("error", "stays"),
    [
        (KeyboardInterrupt(), True),
        (WorkersEnded(), True),
        (OSError(28, "no space"), True),
        (MemoryError(), True),
        (ServiceError(500, "kind", "detail", "id"), True),
        (WireFormatError("upload", "it is cut off"), False),
        (ParameterError("It is bad.", "Do better."), False),
        (PartRefused(1, 2, "it ended three workers"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_may_go_better_later_waits(tmp_path, error, stays):
    path = tmp_path / "answer.fhenn"
    assert comes_again(error) is not stays
    file = UnfinishedFile(path, "answer", JOB, resume=False)
    with pytest.raises(type(error)), file:
        file.append(PARTS[0])
        raise error
    assert not path.exists()
    assert bool(names(tmp_path)) is stays
    assert Journal(path, JOB, resume=True).parts == stays


def test_a_file_is_locked_until_it_has_its_name(tmp_path, monkeypatch):
    path, replace, met = tmp_path / "answer.fhenn", Path.replace, []

    def meet_another(source, target):
        if target == path:
            with pytest.raises(ParameterError, match="another process writes") as caught:
                UnfinishedFile(path, "answer", JOB, resume=False)
            met.append(caught.value)
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", meet_another)
    with UnfinishedFile(path, "answer", JOB, resume=False) as file:
        file.append(PARTS[0])
    assert met
    assert path.read_bytes() == PARTS[0]


@pytest.mark.parametrize("resume", [False, True])
def test_what_another_process_finishes_meanwhile_is_left_alone(tmp_path, monkeypatch, resume):
    path = tmp_path / "answer.fhenn"
    left_by_a_kill(path, PARTS[:1])

    def finished_before(descriptor):
        if not path.exists():
            unfinished(path).replace(path)
        return try_lock(descriptor)

    monkeypatch.setattr(sys.modules[UnfinishedFile.__module__], "try_lock", finished_before)
    if resume:
        with pytest.raises(ParameterError, match="nothing of"):
            UnfinishedFile(path, "answer", JOB, resume=True)
    else:
        with pytest.raises(KeyboardInterrupt), UnfinishedFile(path, "answer", JOB, resume=False) as file:
            file.append(PARTS[1])
            raise KeyboardInterrupt
    assert path.read_bytes() == PARTS[0]


def test_a_new_file_has_no_journal_of_an_older_one(tmp_path):
    path = tmp_path / "answer.fhenn"
    left_by_a_kill(path, PARTS[:1])
    left_by_a_kill(path, [], PARTS[1])  # killed before the first part was noted
    assert Journal(path, JOB, resume=True).parts == 0


@pytest.mark.skipif(os.name != "posix", reason="files have owners")
def test_a_file_of_another_user_does_not_go_on(tmp_path, monkeypatch):
    path = tmp_path / "answer.fhenn"
    left_by_a_kill(path, PARTS[:1], b"more")
    before = unfinished(path).read_bytes()
    with monkeypatch.context() as patch, pytest.raises(ParameterError, match="belongs to another user"):
        patch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        UnfinishedFile(path, "answer", JOB, resume=True)
    assert unfinished(path).read_bytes() == before


@pytest.mark.parametrize("done", [0, 1])
def test_a_full_disk(tmp_path, done):
    """For which a limit on the size of files stands."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "answer.fhenn"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    file = UnfinishedFile(path, "answer", JOB, resume=False)
    with pytest.raises(OSError, match="too large") as caught, file:
        for part in PARTS[:done]:
            file.append(part)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        try:
            file.append(frame("answer", {}, bytes(2000)))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.filename == str(path)
    assert bool(names(tmp_path)) is bool(done)
    with UnfinishedFile(path, "answer", JOB, resume=True) as file:
        assert list(file.written()) == PARTS[:done]


def test_nothing_stays_where_nothing_was_done(tmp_path):
    with pytest.raises(KeyboardInterrupt), UnfinishedFile(tmp_path / "a.fhenn", "answer", JOB, resume=False):
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_files_of_another_kind_are_not_lost(tmp_path):
    path = tmp_path / "secret.fhenn"
    path.write_bytes(frame("secret-key", {}, b"key"))
    with pytest.raises(ParameterError, match="would be lost"):
        UnfinishedFile(path, "answer", JOB, resume=False)
    other = tmp_path / "answer.fhenn"
    with pytest.raises(ParameterError, match="would be lost"), UnfinishedFile(other, "answer", JOB, False) as file:
        file.append(PARTS[0])
        other.write_bytes(path.read_bytes())  # it came meanwhile
    assert other.read_bytes() == path.read_bytes()
    with pytest.raises(FileNotFoundError):
        UnfinishedFile(tmp_path / "no" / "answer.fhenn", "answer", JOB, resume=False)


def test_the_state_of_a_file_tells_changes(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a\n1\n")
    before = file_state(path)
    assert before == file_state(path)
    os.utime(path, ns=(1, 1))
    assert file_state(path) != before
    assert str(tmp_path) not in before  # it is kept in a file


def test_messages_of_a_file_come_one_at_a_time(tmp_path):
    path, told = tmp_path / "answer.fhenn", []
    path.write_bytes(b"".join(PARTS))
    messages = read_messages(path, "answer", told=lambda *each: told.append(each))
    assert next(messages) == PARTS[0]
    assert told == [(0, path.stat().st_size)]
    assert list(messages) == PARTS[1:]
    assert told[-1] == (path.stat().st_size,) * 2
    with pytest.raises(FileMissing):
        read_messages(tmp_path / "none.fhenn", "answer")
    with pytest.raises(WrongKind):
        read_messages(path, "plan")
    assert list(read_messages(path, "plan", also=("answer",))) == PARTS
    path.write_bytes(b"".join(PARTS)[:-1])
    messages = read_messages(path, "answer")
    assert [next(messages) for _ in range(3)] == PARTS[:3]
    with pytest.raises(WireFormatError, match="cut off"):
        next(messages)
