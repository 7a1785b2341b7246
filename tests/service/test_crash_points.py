"""A crash at every call that changes the store: what was acknowledged is there, and nothing is half there.

The whole life of a store is recorded once. For each of its calls, the store is opened as a killed process leaves it,
and as a power cut may: with what was synchronised alone, with names but not the bytes behind them, with any mixture.
Processes that kill themselves show that the record is what happens.
"""

import asyncio
import os
import random
import subprocess
import sys
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import pytest
import store_life
from crash_disk import FileSystem, plant, tree_of, watched
from store_life import begin, check, live
from support import at_length

pytestmark = pytest.mark.thorough  # each starts a service or more, or trains

MIXTURES = 3
"""Of what was synchronised and what was not, drawn for each point."""


@dataclass(frozen=True)
class Record:
    """What happened to a store. expected: what may be found, with the number of calls after which it may."""

    start: dict
    begun: dict
    calls: list
    expected: list
    end: dict

    @property
    def points(self):
        """Numbers of calls, after each of which a crash leaves something else."""
        return [place for place, call in enumerate(self.calls) if call[0] != "open"]

    def expected_after(self, done):
        return [expected for calls, expected in self.expected if calls <= done][-1]


@pytest.fixture(autouse=True)
def real_disk_is_spared(monkeypatch):
    """What is looked at after a crash need not be on a disk; what was recorded before is not concerned."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    folder = tmp_path_factory.mktemp("life") / "store"
    begun = begin(folder)
    start, calls, expected = tree_of(folder), [], [(0, deepcopy(begun))]
    with watched(folder, calls.append):
        asyncio.run(live(folder, deepcopy(begun), lambda now: expected.append((len(calls), deepcopy(now)))))
    return Record(start, begun, calls, expected, tree_of(folder))


def test_no_call_is_missed(record):
    """Else the crashes below would not be the real ones."""
    system = FileSystem(record.start)
    for call in record.calls:
        system.do(call)
    assert system.tree() == record.end
    kinds = {call[0] for call in record.calls}
    assert {"create", "write", "pwrite", "fsync", "rename", "replace", "unlink", "mkdir", "rmdir"} <= kinds
    assert len(record.points) >= 200


def crash_at(record, folder, points):
    """Open the store as every kind of crash leaves it at these points; how many were tried."""
    system, tried, wanted = FileSystem(record.start), 0, set(points)
    for done, call in enumerate(record.calls):
        if done in wanted:
            expected = record.expected_after(done)
            kinds = ["all", "synced", "names", *(random.Random(f"{done} {each}") for each in range(MIXTURES))]
            for kind in kinds:
                place = folder / str(tried)
                plant(system.tree(kind), place)
                try:
                    check(place, expected)
                except Exception as error:
                    raise AssertionError(f"after {done} calls, before {call[:3]}: {kind}") from error
                tried += 1
        if done in wanted and call[0] in ("write", "pwrite"):
            half = FileSystem({})
            half.__dict__.update(deepcopy(system.__dict__))
            half.do(call, torn=True)
            plant(half.tree(), folder / str(tried))
            check(folder / str(tried), record.expected_after(done))
            tried += 1
        system.do(call)
    return tried


def test_some_crashes(record, tmp_path):
    assert crash_at(record, tmp_path, record.points[::30]) > 40


@at_length("step", 5, 1)
def test_a_crash_at_every_call(record, tmp_path, step):
    points = record.points[::step]
    tried = crash_at(record, tmp_path, points)
    print(f"\n{len(points)} points, {tried} crashes: what was acknowledged is there, nothing is half there")


def killed(record, folder, first, step):
    """Let real processes kill themselves; how many did."""
    plant(record.start, folder / "start")
    (folder / "work").mkdir()
    command = [sys.executable, store_life.__file__, folder / "start", folder / "work", str(first), str(step)]
    done = subprocess.run(
        command, input=repr(record.begun), capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1]
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return int(done.stdout)


@pytest.mark.skipif(sys.platform == "win32", reason="it has no fork")
def test_some_processes_that_are_killed(record, tmp_path):
    assert killed(record, tmp_path, 5, 60) >= 3


@at_length("step", 5, 1)
@pytest.mark.skipif(sys.platform == "win32", reason="it has no fork")
def test_a_process_that_is_killed_at_every_call(record, tmp_path, step):
    number = killed(record, tmp_path, 0, step)
    print(f"\n{number} processes killed, each at another call: as above")
    assert number >= 200 // step


def test_what_is_not_synchronised_is_seen(record, tmp_path):
    """The test of the test: without its calls of fsync, the same life loses what it acknowledged."""
    calls = [call for call in record.calls if call[0] != "fsync"]
    system = FileSystem(record.start)
    for call in calls:
        system.do(call)
    plant(system.tree("synced"), tmp_path / "lost")
    with pytest.raises(AssertionError, match="not one of"):
        check(tmp_path / "lost", record.expected[-1][1])
    plant(system.tree("names"), tmp_path / "half")
    with pytest.raises(Exception, match=r"half there|current|does not start|not one of"):
        check(tmp_path / "half", record.expected[-1][1])
