import errno
import os
import stat
import subprocess
import sys
import time

import pytest
from service_harness import stored

from fhenn.errors import StoreLocked, StoreUnsafe
from fhenn.service.key_store import no_space
from fhenn.service.store import Store
from fhenn.session.receipt import is_digest

DIGESTS = [f"{place:064x}" for place in range(9)]


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store", keys_per_owner=3)
    yield store
    store.close()


def begin(store, owner, digest, data=b"keys"):
    descriptor = store.keys.open_part(owner, digest, busy=(), anew=True)
    os.write(descriptor, data)
    os.close(descriptor)
    store.keys.mark(store.keys.part(owner, digest))


def keep(store, owner, digest, data=b"keys"):
    begin(store, owner, digest, data)
    store.keys.keep(owner, digest)


def kept(store, owner):
    return [keys.digest for keys in store.keys.all(owner)]


def test_the_least_recently_used_go_and_only_the_owners(store):
    keep(store, "clinic", DIGESTS[0])
    for digest in DIGESTS[:3]:
        keep(store, "hospital", digest)
    store.keys.touch("hospital", DIGESTS[0])
    keep(store, "hospital", DIGESTS[3])
    assert kept(store, "hospital") == [DIGESTS[3], DIGESTS[0], DIGESTS[2]]
    assert kept(store, "clinic") == [DIGESTS[0]]


def test_an_owners_keys_are_bounded_in_bytes_too(tmp_path):
    store = Store(tmp_path / "store", bytes_per_owner=100)
    for digest in DIGESTS[:4]:
        keep(store, "hospital", digest, bytes(40))
    assert kept(store, "hospital") == [DIGESTS[3], DIGESTS[2]]
    keep(store, "hospital", DIGESTS[4], bytes(400))  # the newest stays: a request has a bound of its own
    assert kept(store, "hospital") == [DIGESTS[4]]
    store.close()


def test_keys_that_a_prediction_uses_stay(store):
    for digest in DIGESTS[:3]:
        keep(store, "hospital", digest)
    with store.keys.pin("hospital", DIGESTS[0]), store.keys.pin("hospital", DIGESTS[0]):
        keep(store, "hospital", DIGESTS[3])
        assert kept(store, "hospital") == [DIGESTS[3], DIGESTS[2], DIGESTS[0]]
    keep(store, "hospital", DIGESTS[4])
    assert kept(store, "hospital") == [DIGESTS[4], DIGESTS[3], DIGESTS[2]]


def test_the_order_of_use_survives_a_restart(tmp_path):
    store = Store(tmp_path / "store")
    for digest in DIGESTS[:3]:
        keep(store, "hospital", digest)
    store.keys.touch("hospital", DIGESTS[1])
    store.keys.touch("hospital", DIGESTS[0])
    store.close()
    store = Store(tmp_path / "store")
    assert kept(store, "hospital") == [DIGESTS[0], DIGESTS[1], DIGESTS[2]]
    (first, *_) = store.keys.all("hospital")
    assert first.used > first.stored and abs(first.used - time.time()) < 60 and first.size == 4
    store.close()


def test_deleting(store):
    keep(store, "hospital", DIGESTS[0])
    store.keys.touch("hospital", DIGESTS[0])
    assert not store.keys.delete("clinic", DIGESTS[0])
    assert store.keys.delete("hospital", DIGESTS[0])
    assert not store.keys.delete("hospital", DIGESTS[0])
    assert store.keys.all("hospital") == []
    store.keys.touch("hospital", DIGESTS[0])  # by a prediction that ran meanwhile
    assert not list((store._folder / "used" / "hospital").iterdir())
    begin(store, "hospital", DIGESTS[1])
    assert store.keys.delete("hospital", DIGESTS[1])
    assert store.keys.count_arrived("hospital", DIGESTS[1]) == 0


def test_what_is_restored_from_a_copy_is_there(tmp_path):
    store = Store(tmp_path / "store")
    keep(store, "hospital", DIGESTS[0])
    store.close()
    (tmp_path / "store" / "keys" / "hospital" / DIGESTS[2]).write_bytes(b"restored")
    (tmp_path / "store" / "keys" / "hospital" / "notes.txt").write_bytes(b"an operator's")
    (tmp_path / "store" / "index.sqlite").write_bytes(b"of an older fhenn")
    store = Store(tmp_path / "store")
    assert set(kept(store, "hospital")) == {DIGESTS[0], DIGESTS[2]}
    assert not (tmp_path / "store" / "index.sqlite").exists()
    store.close()


def test_unfinished_uploads_are_bounded_and_go_stale(tmp_path):
    store = Store(tmp_path / "store", keys_per_owner=3)
    for digest in DIGESTS[:5]:
        begin(store, "hospital", digest)
    assert [store.keys.count_arrived("hospital", digest) for digest in DIGESTS[:5]] == [0, 0, 4, 4, 4]
    os.close(store.keys.open_part("hospital", DIGESTS[5], busy=DIGESTS[:3], anew=True))
    assert [store.keys.count_arrived("hospital", digest) for digest in DIGESTS[2:5]] == [4, 4, 4]
    old = time.time() - 2 * 24 * 3600
    os.utime(store.keys.part("hospital", DIGESTS[2]), (old, old))
    store.close()
    store = Store(tmp_path / "store", keys_per_owner=3)
    assert [store.keys.count_arrived("hospital", digest) for digest in DIGESTS[2:5]] == [0, 4, 4]
    store.close()


def test_an_upload_does_not_follow_a_link(store, tmp_path):
    begin(store, "hospital", DIGESTS[0])
    store.keys.part("hospital", DIGESTS[1]).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=DIGESTS[1]):
        store.keys.open_part("hospital", DIGESTS[1], busy=(), anew=False)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_nobody_else_on_the_machine_reads_it(tmp_path):
    before = os.umask(0)
    try:
        store = Store(stored(tmp_path / "store"))
        keep(store, "hospital", DIGESTS[0])
        store.keys.touch("hospital", DIGESTS[0])
        begin(store, "hospital", DIGESTS[1])
        store.tokens.create("hospital")
        store.clock.keep()
        store.close()
    finally:
        os.umask(before)
    paths = [tmp_path / "store", *(tmp_path / "store").rglob("*")]
    assert len(paths) > 15
    for path in paths:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
@pytest.mark.parametrize("inside", ["", "models", "keys", "uploads", "used"])
def test_a_store_that_others_can_write_is_refused_until_the_way_out_is_taken(tmp_path, inside):
    folder = stored(tmp_path / "store")
    (folder / inside).chmod(0o777)
    with pytest.raises(StoreUnsafe, match="others can write") as caught:
        Store(folder)
    command = str(caught.value).rpartition("run ")[2].rstrip(".")
    subprocess.run(command.split(), check=True)
    Store(folder).close()


def test_a_store_has_one_writer(tmp_path):
    store = Store(stored(tmp_path / "store"))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "store").rglob("*")}
    refused = pytest.raises(StoreLocked, match=rf"store/lock is held by process {os.getpid()} on .*fhenn model add")
    with refused:
        Store(tmp_path / "store")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "store").rglob("*")} == before
    store.close()
    Store(tmp_path / "store").close()


def test_another_process_is_refused_too(tmp_path):
    code = "import sys; from pathlib import Path; from fhenn.service.store import Store; Store(Path(sys.argv[1]))"
    store = Store(tmp_path / "store")
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "store"], capture_output=True, text=True, check=False)
    assert f"StoreLocked: {tmp_path}/store/lock is held by process {os.getpid()}" in done.stderr
    store.close()


def test_it_says_when_it_is_gone(store, tmp_path):
    assert store.present
    (tmp_path / "store").rename(tmp_path / "away")
    assert not store.present
    (tmp_path / "store").mkdir()
    assert not store.present
    (tmp_path / "store").rmdir()
    (tmp_path / "away").rename(tmp_path / "store")
    assert store.present
    (tmp_path / "store" / "keys").rename(tmp_path / "keys")
    assert not store.present


def test_what_says_that_a_disk_is_full():
    assert no_space(OSError(errno.ENOSPC, "x")) and no_space(OSError(errno.EDQUOT, "x"))
    assert not no_space(OSError(errno.EACCES, "x")) and not no_space(ValueError())


def test_digests():
    assert (
        is_digest("0" * 64) and not is_digest("0" * 63) and not is_digest("A" * 64) and not is_digest("0" * 64 + "\n")
    )


def test_where_keys_are_is_said_without_the_disk(tmp_path, monkeypatch):
    """It is asked for on the event loop, once for each prediction."""
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    store = Store(tmp_path / "link")
    asked = []
    with monkeypatch.context() as watched:
        for name in ("stat", "lstat", "readlink"):
            watched.setattr(os, name, lambda *_, name=name, **__: asked.append(name))
        path = store.keys.path("hospital", "0" * 64)
    assert asked == []
    assert path == (tmp_path / "real").resolve() / "keys" / "hospital" / ("0" * 64)
    store.close()


def test_keys_in_use_stay_however_many_they_are(tmp_path):
    """One may be kept, and two are being used: only their owner takes keys away from under a prediction."""
    store = Store(tmp_path / "store", keys_per_owner=1)
    keep(store, "hospital", DIGESTS[0])
    with store.keys.pin("hospital", DIGESTS[0]):
        keep(store, "hospital", DIGESTS[1])
        with store.keys.pin("hospital", DIGESTS[1]):
            keep(store, "hospital", DIGESTS[2])
            assert kept(store, "hospital") == [DIGESTS[2], DIGESTS[1], DIGESTS[0]]
    keep(store, "hospital", DIGESTS[3])
    assert kept(store, "hospital") == [DIGESTS[3]]
    store.close()
