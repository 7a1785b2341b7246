"""Answers on their way: what is counted is all that is held."""

import pytest

from fhenn.pool.spool import SpoolFull, Spools


def test_answers_are_bounded_counted_and_on_the_disk_beyond_a_size(tmp_path):
    spools = Spools(tmp_path, 3 << 20, 4 << 20)
    data = bytes(range(256)) * 8192  # 2 MB
    with spools.open() as small, spools.open() as large:
        small.append(b"few")
        for start in range(0, len(data), 100_000):
            large.append(data[start : start + 100_000])
        assert (small.on_disk, large.on_disk) == (False, True)
        assert spools.held_bytes == 3 + len(data)
        assert b"".join(large.read(start, 70_000) for start in range(0, large.size, 70_000)) == data
        assert small.read(0, 99) == b"few"
        assert not list(tmp_path.iterdir())  # it has no name
        with pytest.raises(SpoolFull) as caught:
            large.append(bytes(2 << 20))
        assert not caught.value.retry
        with spools.open() as another, pytest.raises(SpoolFull) as caught:
            another.append(bytes(3 << 20))
        assert caught.value.retry
    assert spools.held_bytes == 0


def test_a_disk_that_is_full_is_said(tmp_path):
    with Spools(tmp_path / "nowhere", 9 << 20, 9 << 20).open() as spool, pytest.raises(SpoolFull, match="room"):
        spool.append(bytes(2 << 20))


def test_a_closed_answer_takes_no_more(tmp_path):
    """A worker's thread may add to it after whoever waited has given up: what it added counted for good."""
    spools = Spools(tmp_path, 1 << 20, 1 << 20)
    spool = spools.open()
    spool.append(b"x" * 1000)
    spool.close()
    with pytest.raises(ValueError, match="closed"):
        spool.append(b"x" * 1000)
    spool.close()
    assert spools.held_bytes == 0
