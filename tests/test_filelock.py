import os
import threading

from fhenn.filelock import lock, try_lock, unlock


def test_only_one_open_file_has_the_lock_until_it_is_released(tmp_path):
    path = tmp_path / "file"
    with path.open("w+b") as first, path.open("r+b") as second:
        assert try_lock(first.fileno())
        assert not try_lock(second.fileno())
        unlock(first.fileno())
        assert try_lock(second.fileno())


def test_lock_waits_for_the_other_holder(tmp_path):
    path, order = tmp_path / "file", []
    with path.open("w+b") as first, path.open("r+b") as second:
        lock(first.fileno())

        def wait():
            lock(second.fileno())
            order.append("locked")

        waiting = threading.Thread(target=wait)
        waiting.start()
        waiting.join(0.2)
        order.append("released")
        unlock(first.fileno())
        waiting.join(10)
    assert order == ["released", "locked"]


def test_closing_the_file_releases_the_lock_and_the_position_stays(tmp_path):
    path = tmp_path / "file"
    first = os.open(path, os.O_RDWR | os.O_CREAT)
    os.write(first, b"holder")
    assert try_lock(first)
    assert os.lseek(first, 0, os.SEEK_CUR) == len(b"holder")
    os.close(first)
    with path.open("r+b") as second:
        assert try_lock(second.fileno())
