import errno
import os
import sqlite3
import time

import pytest
from service_harness import MODEL, PLAN, stored

import fhenn
from fhenn.artifacts import model_to_bytes, plan_to_bytes
from fhenn.errors import FhennError, ParameterError, WireFormatError
from fhenn.service.store import Store, is_digest, no_space

DIGESTS = [f"{place:064x}" for place in range(9)]


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store", keys_per_owner=3)
    yield store
    store.close()


def keep(store, owner, digest, data=b"keys"):
    store.part_path(owner, digest).write_bytes(data)
    store.keep_upload(owner, digest)


def test_models_are_kept_and_replaced(store):
    assert store.models() == {}
    for _ in range(2):
        store.add_model("cancer", model_to_bytes(MODEL), plan_to_bytes(PLAN))
    (found,) = store.models().values()
    assert (found.name, found.plan) == ("cancer", PLAN.public())
    assert sorted(path.name for path in found.folder.parent.iterdir()) == ["cancer"]


@pytest.mark.parametrize("name", ["", "..", "a/b", ".new", "A", "x" * 65, "a\n"])
def test_names_of_models_are_names(store, name):
    with pytest.raises(ParameterError, match="name a model"):
        store.add_model(name, model_to_bytes(MODEL), plan_to_bytes(PLAN))


def test_what_does_not_belong_together_is_not_kept(store):
    other = fhenn.Sequential([fhenn.Linear([[1.0, 2.0]])])
    with pytest.raises(FhennError):
        store.add_model("cancer", model_to_bytes(other), plan_to_bytes(PLAN))
    with pytest.raises(WireFormatError):
        store.add_model("cancer", plan_to_bytes(PLAN), model_to_bytes(MODEL))
    assert store.models() == {}


def test_a_broken_model_is_said(tmp_path):
    folder = stored(tmp_path / "store")
    (folder / "models" / "cancer" / "model.fhenn").write_bytes(b"x")
    store = Store(folder)
    with pytest.raises(WireFormatError):
        store.models()
    store.close()


def test_the_least_recently_used_go_and_only_the_owners(store):
    keep(store, "clinic", DIGESTS[0])
    for digest in DIGESTS[:3]:
        keep(store, "hospital", digest)
    store.touch("hospital", DIGESTS[0])
    keep(store, "hospital", DIGESTS[3])
    assert [keys.digest for keys in store.keys_of("hospital")] == [DIGESTS[3], DIGESTS[0], DIGESTS[2]]
    assert not store.has_keys("hospital", DIGESTS[1])
    assert store.has_keys("clinic", DIGESTS[0])


def test_deleting(store):
    keep(store, "hospital", DIGESTS[0])
    assert not store.delete_keys("clinic", DIGESTS[0])
    assert store.delete_keys("hospital", DIGESTS[0])
    assert not store.delete_keys("hospital", DIGESTS[0])
    assert store.keys_of("hospital") == []


@pytest.mark.parametrize("damage", ["missing", "broken", "of another time"])
def test_the_index_follows_the_files(tmp_path, damage):
    store = Store(tmp_path / "store")
    for digest in DIGESTS[:2]:
        keep(store, "hospital", digest)
    store.close()
    index = tmp_path / "store" / "index.sqlite"
    if damage == "missing":
        index.unlink()
    elif damage == "broken":
        index.write_bytes(b"no database " * 100)
    else:
        (tmp_path / "store" / "keys" / "hospital" / DIGESTS[0]).unlink()
        (tmp_path / "store" / "keys" / "hospital" / DIGESTS[2]).write_bytes(b"restored")
    store = Store(tmp_path / "store")
    expected = {DIGESTS[1], DIGESTS[2]} if damage == "of another time" else set(DIGESTS[:2])
    assert {keys.digest for keys in store.keys_of("hospital")} == expected
    store.close()


def test_unfinished_uploads_are_bounded_and_go_stale(tmp_path):
    store = Store(tmp_path / "store", keys_per_owner=3)
    for place, digest in enumerate(DIGESTS[:5]):
        store.make_room_for_upload("hospital", digest)
        store.part_path("hospital", digest).write_bytes(b"part")
        os.utime(store.part_path("hospital", digest), (time.time() + place, time.time() + place))
    assert [store.arrived("hospital", digest) for digest in DIGESTS[:5]] == [0, 0, 4, 4, 4]
    old = time.time() - 2 * 24 * 3600
    os.utime(store.part_path("hospital", DIGESTS[2]), (old, old))
    store.close()
    store = Store(tmp_path / "store", keys_per_owner=3)
    assert [store.arrived("hospital", digest) for digest in DIGESTS[2:5]] == [0, 4, 4]
    store.close()


def test_nobody_else_on_the_machine_reads_it(store, tmp_path):
    keep(store, "hospital", DIGESTS[0])
    for path in (tmp_path / "store").rglob("*"):
        if path.is_dir():
            assert path.stat().st_mode & 0o077 == 0, path
    assert (tmp_path / "store" / "index.sqlite").stat().st_mode & 0o077 == 0


def test_what_says_that_a_disk_is_full():
    assert no_space(OSError(errno.ENOSPC, "x")) and no_space(OSError(errno.EDQUOT, "x"))
    assert no_space(sqlite3.OperationalError("database or disk is full"))
    assert not no_space(OSError(errno.EACCES, "x")) and not no_space(sqlite3.OperationalError("locked"))
    assert not no_space(ValueError())


def test_digests():
    assert (
        is_digest("0" * 64) and not is_digest("0" * 63) and not is_digest("A" * 64) and not is_digest("0" * 64 + "\n")
    )
