"""The budget of shared results: in memory, in a file, after crashes, copies and forks."""

import errno
import io
import multiprocessing
import os
import shutil
import threading
from pathlib import Path

import pytest

from fhenn.errors import BudgetUnknown, FileExists, ParameterError, SharingRefused
from fhenn.safety import Budget, BudgetFile, UnknownBudget

KEY = "0123456789abcdef"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "secret.budget"


@pytest.fixture(params=["memory", "file"])
def budget(request, path):
    return Budget() if request.param == "memory" else BudgetFile.create(path, KEY)


def test_counts_by_the_noise_of_each_share(budget):
    budget.take(1, 2)
    budget.take(10, 40)
    with pytest.raises(SharingRefused, match="2 more samples exceed the budget of this key, which is 4 samples"):
        budget.take(2, 4)
    assert budget.spent == 0.75  # what was refused is not spent
    budget.take(1, 4)
    assert budget.spent == 1
    with pytest.raises(SharingRefused):
        budget.take(1, 10**6)


@pytest.mark.parametrize("spent", [-0.1, 1.1, float("nan"), float("inf"), "0"])
def test_refuses_fractions_that_are_none(spent, path):
    for make in (Budget, lambda spent: BudgetFile.create(path, KEY, spent)):
        with pytest.raises(ParameterError, match="from 0 to 1"):
            make(spent)
    assert not path.exists()


def test_a_file_is_private_and_goes_on_where_it_was(path):
    BudgetFile.create(path, KEY, 0.25).take(1, 4)
    assert path.stat().st_mode & 0o077 == 0 or os.name != "posix"
    assert BudgetFile(path, KEY).spent == 0.5
    assert BudgetFile(path, KEY, 0.75).spent == 1  # the key itself knows of more
    knows = BudgetFile(path, KEY, 0.5)
    knows.take(1, 8)
    knows.take(1, 8)
    assert (knows.spent, BudgetFile(path, KEY).spent) == (1, 0.75)
    with pytest.raises(SharingRefused):
        knows.take(1, 8)
    with pytest.raises(FileExists):
        BudgetFile.create(path, KEY)
    assert BudgetFile.create(path, KEY, overwrite=True).spent == 0


def test_a_share_is_on_the_disk_before_it_is_granted(path, monkeypatch):
    budget, seen = BudgetFile.create(path, KEY), []
    synchronise = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (seen.append(path.read_bytes()), synchronise(descriptor)))
    budget.take(3, 100)
    assert [data.endswith(b"\n3 100 0.03\n") for data in seen] == [True]

    def fails(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="No space"):
        budget.take(3, 100)


REFUSED = {
    "missing": (lambda path: path.unlink(), "is missing"),
    "a copy": (lambda path: shutil.copy(path, path.with_name("copy")).replace(path), "is a copy"),
    "empty": (lambda path: os.truncate(path, 0), "is damaged"),
    "cut in its header": (lambda path: os.truncate(path, 20), "is damaged"),
    "a line of something else": (lambda path: path.write_bytes(path.read_bytes() + b"-1 2 0.5\n"), "is damaged"),
    "no total": (lambda path: path.write_bytes(path.read_bytes() + b"1 2\n"), "is damaged"),
    "a total beyond all": (lambda path: path.write_bytes(path.read_bytes() + b"1 2 1.5\n"), "is damaged"),
    "an endless line": (lambda path: path.write_bytes(path.read_bytes() + b"1" * 10_000), "is damaged"),
    "queries of 0": (lambda path: path.write_bytes(path.read_bytes() + b"1 0 0.5\n"), "is damaged"),
    "less than nothing": (
        lambda path: path.write_bytes(path.read_bytes().replace(b"spent=0.0", b"spent=-9.")),
        "is damaged",
    ),
    "no number": (lambda path: path.write_bytes(path.read_bytes().replace(b"spent=0.0", b"spent=e-+")), "is damaged"),
    "another key's": (lambda path: path.write_bytes(path.read_bytes().replace(b"0123", b"3210")), "another key"),
}


@pytest.mark.parametrize(("change", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_cannot_know_grants_nothing(path, change, reason):
    budget = BudgetFile.create(path, KEY)
    budget.take(1, 4)
    change(path)
    with pytest.raises(BudgetUnknown, match=f"budget unknown: .*{reason}.*new keys"):
        budget.take(1, 4)
    with pytest.raises(BudgetUnknown):
        UnknownBudget(0.5).take(1, 4)


def test_a_line_that_a_crash_has_cut_was_never_granted(path):
    budget = BudgetFile.create(path, KEY)
    budget.take(1, 4)
    for cut in (b"1", b"1 ", b"1 4", b"1 4 0", b"1 4 0.5", b"\0" * 99):
        path.write_bytes(path.read_bytes() + cut)
        assert budget.spent == 0.25
    budget.take(1, 4)
    assert path.read_bytes().splitlines()[1:] == [b"1 4 0.25", b"1 4 0.5"]


@pytest.fixture
def attributes(tmp_path):
    """Skips where the filesystem has no extended attributes."""
    if not hasattr(os, "setxattr"):
        pytest.skip("needs extended attributes")
    try:
        os.setxattr(tmp_path, "user.fhenn.try", b"1")
    except OSError:
        pytest.skip("needs a filesystem with extended attributes")


@pytest.mark.usefixtures("attributes")
def test_an_older_state_put_back_over_the_file_grants_nothing(path):
    budget, backup = BudgetFile.create(path, KEY), path.with_name("backup")
    shutil.copyfile(path, backup)
    budget.take(3, 4)
    after = shutil.copyfile(path, path.with_name("after"))
    shutil.copyfile(backup, path)  # as cp does: the same inode, the contents of before
    with pytest.raises(BudgetUnknown, match=r"older copy of itself.*new keys"):
        BudgetFile(path, KEY).take(1, 4)
    with pytest.raises(BudgetUnknown, match="older copy of itself"):
        budget.take(1, 4)
    shutil.copyfile(after, path)  # the newest state is what was counted
    budget.take(1, 4)
    assert BudgetFile(path, KEY).spent == 1


@pytest.mark.usefixtures("attributes")
def test_a_copy_on_an_inode_of_the_same_number_grants_nothing(path):
    budget = BudgetFile.create(path, KEY)
    budget.take(1, 4)
    os.removexattr(path, "user.fhenn.spent")  # as a new file has none, whatever its number
    with pytest.raises(BudgetUnknown, match="is a copy"):
        budget.take(1, 4)
    os.setxattr(path, "user.fhenn.spent", b"?")
    with pytest.raises(BudgetUnknown):
        budget.take(1, 4)


def test_files_count_where_no_extended_attributes_are(path, monkeypatch):
    def fails(*_):
        raise OSError(errno.ENOTSUP, "Operation not supported")

    for name in ("setxattr", "getxattr"):
        monkeypatch.setattr(os, name, fails, raising=False)
    BudgetFile.create(path, KEY).take(3, 4)
    with pytest.raises(SharingRefused):
        BudgetFile(path, KEY).take(2, 4)
    assert BudgetFile(path, KEY).spent == 0.75
    # a copy, which would be spent apart, is on another inode all the same
    copied = path.with_name("copy")
    shutil.copy(path, copied)
    with pytest.raises(BudgetUnknown, match="is a copy"):
        BudgetFile(copied, KEY).take(1, 4)
    copied.replace(path)
    with pytest.raises(BudgetUnknown, match="is a copy"):
        BudgetFile(path, KEY).take(1, 4)


@pytest.mark.thorough
def test_only_the_end_of_a_long_file_is_read(path, monkeypatch):
    budget = BudgetFile.create(path, KEY)
    with path.open("ab") as file:
        file.writelines(f"1 10000000 {number / 10**7!r}\n".encode() for number in range(1, 1_000_001))
    assert path.stat().st_size > 1 << 24
    read, opened = [], Path.open

    class Counted(io.BufferedRandom):
        def read(self, size=-1):
            data = super().read(size)
            read.append(len(data))
            return data

    monkeypatch.setattr(Path, "open", lambda self, mode: Counted(opened(self, mode, buffering=0)))
    budget.take(1, 10**7)
    assert 0 < sum(read) < 4096
    assert budget.spent == pytest.approx(0.1000001, abs=1e-12)


def test_shares_too_small_for_a_float_are_counted():
    budget = Budget(0.5)
    for _ in range(3):
        budget.take(1, 2**64)
    assert budget.spent > 0.5


def test_threads_and_processes_spend_one_budget(path):
    BudgetFile.create(path, KEY)
    start = multiprocessing.get_context("fork")
    granted, barrier = start.Queue(), start.Barrier(3)

    def spend():
        barrier.wait()
        count = 0
        for _ in range(40):
            try:
                BudgetFile(path, KEY).take(1, 50)
                count += 1
            except SharingRefused:
                pass
        granted.put(count)

    processes = [start.Process(target=spend) for _ in range(2)]
    for process in processes:
        process.start()
    thread = threading.Thread(target=spend)
    thread.start()
    counts = [granted.get(timeout=60) for _ in range(3)]
    for each in (*processes, thread):
        each.join()
    assert sum(counts) == 50
    assert BudgetFile(path, KEY).spent == pytest.approx(1)


def test_threads_spend_one_budget_in_memory():
    budget, granted, barrier = Budget(), [], threading.Barrier(4)

    def spend():
        barrier.wait()
        for _ in range(500):
            try:
                budget.take(1, 1000)
                granted.append(1)
            except SharingRefused:
                pass

    threads = [threading.Thread(target=spend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) == 1000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_budget_in_memory_stays_in_its_process():
    budget, start = Budget(), multiprocessing.get_context("fork")
    said = start.Queue()

    def spend():
        try:
            budget.take(1, 2)
        except BudgetUnknown as error:
            said.put(str(error))

    process = start.Process(target=spend)
    process.start()
    assert "another process" in said.get(timeout=60)
    process.join()
    budget.take(1, 2)
