"""What happens to the same keys of an owner happens one after the other, and each answer is true."""

import asyncio
import os
import stat
from hashlib import sha256

import pytest
from starlette.requests import ClientDisconnect
from store_life import DIGESTS, KEYS, OWNER, body, good

from fhenn.service import uploads as module
from fhenn.service.disk import Disk
from fhenn.service.problems import Problem
from fhenn.service.store import Store
from fhenn.service.uploads import Uploads
from fhenn.wire import frame

DIGEST, DATA = DIGESTS[0], KEYS[0]
SIZE, HALF = len(DATA), len(DATA) // 2


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_BUFFER", 64)  # several writes for each upload
    store = Store(tmp_path / "store")
    yield store
    left = list((tmp_path / "store").rglob("*.part"))
    store.close()
    for path in (tmp_path / "store" / "keys").glob("*/*"):
        assert sha256(path.read_bytes()).hexdigest() == path.name
    assert len(left) <= 1


def run(story):
    return asyncio.run(asyncio.wait_for(story, 20))


async def slow(data, gate):
    """Half of the data, and the rest once the gate is open."""
    yield data[:HALF]
    await gate.wait()
    yield data[HALF:]


async def kind_of(awaitable):
    """The kind of the problem that it ends in, or how it is done."""
    try:
        done = await awaitable
    except Problem as problem:
        return f"{problem.status} {problem.kind}"
    return "stored" if done.complete and done.new else "there" if done.complete else f"{done.arrived} arrived"


def test_parallel_uploads_of_the_same_keys_all_succeed(store):
    uploads = Uploads(store.keys, Disk(), good)

    async def story():
        return await asyncio.gather(*(kind_of(uploads.receive(OWNER, DIGEST, 0, SIZE, body(DATA))) for _ in range(16)))

    outcomes = run(story())
    assert sorted(set(outcomes)) == ["stored", "there"] and outcomes.count("stored") == 1
    assert not uploads._entries


def test_one_that_hangs_is_taken_over_and_harms_nothing(store):
    """Also where it comes back with other bytes after that."""
    uploads = Uploads(store.keys, Disk(), good)

    async def story():
        gate = asyncio.Event()
        same = asyncio.create_task(kind_of(uploads.receive(OWNER, DIGEST, 0, SIZE, slow(DATA, gate))))
        other = asyncio.create_task(kind_of(uploads.receive(OWNER, DIGEST, 0, SIZE, slow(KEYS[1], gate))))
        await asyncio.sleep(0.05)
        assert await kind_of(uploads.receive(OWNER, DIGEST, 0, SIZE, body(DATA))) == "stored"
        gate.set()
        return await same, await other

    assert run(story()) == ("there", "422 digest")
    assert store.keys.path(OWNER, DIGEST).read_bytes() == DATA


def test_a_late_write_of_one_that_was_taken_over_goes_nowhere(store):
    """It resumes the same file: its write must not reach what is stored under a digest that is not its."""
    uploads = Uploads(store.keys, Disk(), good)

    async def story():
        with pytest.raises(ClientDisconnect):
            await uploads.receive(OWNER, DIGEST, 0, SIZE, body(DATA[:HALF], breaks=True))
        gate = asyncio.Event()

        async def wrong():
            await gate.wait()
            yield bytes(SIZE - HALF)

        late = asyncio.create_task(kind_of(uploads.receive(OWNER, DIGEST, HALF, SIZE, wrong())))
        await asyncio.sleep(0.05)
        assert await kind_of(uploads.receive(OWNER, DIGEST, HALF, SIZE, body(DATA[HALF:]))) == "stored"
        gate.set()
        return await late

    assert run(story()) in ("409 offset", "422 malformed")
    assert store.keys.path(OWNER, DIGEST).read_bytes() == DATA


def test_a_deletion_during_an_upload_wins(store):
    uploads = Uploads(store.keys, Disk(), good)

    async def story():
        gate = asyncio.Event()
        upload = asyncio.create_task(kind_of(uploads.receive(OWNER, DIGEST, 0, SIZE, slow(DATA, gate))))
        await asyncio.sleep(0.05)
        assert await uploads.delete(OWNER, DIGEST)
        gate.set()
        return await upload

    assert run(story()) == "409 superseded"
    assert store.keys.all(OWNER) == [] and store.keys.count_arrived(OWNER, DIGEST) == 0


def test_a_deletion_during_the_check_waits_and_deletes(store):
    checking = asyncio.Event()

    async def slow_check(owner, path):
        checking.set()
        await asyncio.sleep(0.1)
        assert path.exists()
        return {}

    uploads = Uploads(store.keys, Disk(), slow_check)

    async def story():
        upload = asyncio.create_task(kind_of(uploads.receive(OWNER, DIGEST, 0, SIZE, body(DATA))))
        await checking.wait()
        deleted = await uploads.delete(OWNER, DIGEST)
        return await upload, deleted

    assert run(story()) == ("stored", True)
    assert store.keys.all(OWNER) == []


def test_other_bytes_under_a_stored_digest_are_refused(store):
    uploads = Uploads(store.keys, Disk(), good)

    async def story():
        first = [await kind_of(uploads.receive(OWNER, DIGEST, 0, SIZE, body(DATA))) for _ in range(2)]
        refused = [
            await kind_of(uploads.receive(OWNER, DIGEST, 0, len(data), body(data)))
            for data in (KEYS[1], DATA + b"x", DATA[:-1], b"x" * SIZE)
        ]
        resumed = [
            await kind_of(uploads.receive(OWNER, DIGEST, offset, SIZE, body(data)))
            for offset, data in ((SIZE, b""), (HALF, DATA[HALF:]), (SIZE, b"x"), (SIZE + 1, b""))
        ]
        return first, refused, resumed

    first, refused, resumed = run(story())
    assert first == ["stored", "there"]
    assert refused == ["422 digest"] * 4
    assert resumed == ["there", "409 offset", "422 malformed", "409 offset"]
    assert store.keys.path(OWNER, DIGEST).read_bytes() == DATA


@pytest.mark.parametrize("damage", [bytes(HALF), DATA[: HALF - 20] + bytes(20)], ids=["no message", "its end is lost"])
def test_what_a_power_cut_damaged_is_sent_again(store, damage):
    """What had arrived was not synchronised: the client is told to start again, not that its keys are bad."""
    uploads = Uploads(store.keys, Disk(), good)

    async def story():
        with pytest.raises(ClientDisconnect):
            await uploads.receive(OWNER, DIGEST, 0, SIZE, body(DATA[:HALF], breaks=True))
        store.keys.part(OWNER, DIGEST).write_bytes(damage)
        resumed = await kind_of(uploads.receive(OWNER, DIGEST, HALF, SIZE, body(DATA[HALF:])))
        again = await kind_of(uploads.receive(OWNER, DIGEST, 0, SIZE, body(DATA)))
        return resumed, again

    assert run(story()) == ("409 offset", "stored")


@pytest.mark.parametrize(
    ("error", "kind"), [(28, "507 no-space"), (5, "503 storage")], ids=["no space", "a broken disk"]
)
@pytest.mark.parametrize("call", ["pwrite", "fsync", "rename"])
def test_a_disk_that_fails_is_said_and_leaves_nothing(store, monkeypatch, error, kind, call):
    uploads = Uploads(store.keys, Disk(), good)

    def fails(*_, **__):
        raise OSError(error, os.strerror(error))

    async def story():
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fails)
            outcome = await kind_of(uploads.receive(OWNER, DIGEST, 0, SIZE, body(DATA)))
            if call != "fsync":  # of the folder, after the file is gone
                assert store.keys.count_arrived(OWNER, DIGEST) == 0
        return outcome, await kind_of(uploads.receive(OWNER, DIGEST, 0, SIZE, body(DATA)))

    assert run(story()) == (kind, "stored")


def test_owners_do_not_wait_for_each_other(store):
    hold = asyncio.Event()

    async def check(owner, path):
        if owner == "slow":
            await hold.wait()
        return {}

    uploads = Uploads(store.keys, Disk(), check)

    async def story():
        waits = asyncio.create_task(kind_of(uploads.receive("slow", DIGEST, 0, SIZE, body(DATA))))
        await asyncio.sleep(0.05)
        others = [await kind_of(uploads.receive(owner, DIGESTS[0], 0, SIZE, body(DATA))) for owner in ("a", "b")]
        assert not waits.done()
        hold.set()
        return others, await waits

    assert run(story()) == (["stored", "stored"], "stored")


@pytest.mark.parametrize("where", ["a message of its own", "a field among the keys"])
def test_a_secret_key_is_seen_as_it_arrives_and_nothing_of_it_is_kept(store, where):
    """No worker looks first: the bytes must not be on the disk, and no more of them are taken."""
    secret = b"\x1a\x80\x02" + bytes(256)  # field 3 of a context's message
    if where == "a message of its own":
        data = frame("secret-key", {}, secret)
    else:
        data = frame("evaluation-context", {"fingerprint": "0" * 16, "rotation_keys": 0}, secret)
    taken = []

    async def sent():
        for start in range(0, len(data), 50):
            taken.append(start)
            yield data[start : start + 50]

    digest = sha256(data).hexdigest()
    uploads = Uploads(store.keys, Disk(), good)
    assert run(kind_of(uploads.receive(OWNER, digest, 0, len(data), sent()))) == "422 secret-key"
    assert len(taken) < len(data) // 50 - 2
    assert store.keys.count_arrived(OWNER, digest) == 0
    assert store.keys.size(OWNER, digest) is None


def test_keys_are_on_the_disk_and_checked_before_they_have_their_name(store, monkeypatch):
    story, fsync = [], os.fsync
    path = store.keys.path(OWNER, DIGEST)

    def synchronise(descriptor):
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            story.append("bytes")
        fsync(descriptor)

    async def check(owner, checked):
        assert (owner, checked.read_bytes()) == (OWNER, DATA)
        assert not path.exists()
        story.append("check")
        return {}

    monkeypatch.setattr(os, "fsync", synchronise)
    assert run(kind_of(Uploads(store.keys, Disk(), check).receive(OWNER, DIGEST, 0, SIZE, body(DATA)))) == "stored"
    assert story == ["bytes", "check"]
    assert path.read_bytes() == DATA


def test_keys_that_do_not_pass_are_not_kept(store):
    async def check(owner, path):
        raise Problem(422, "keys-unfit", "They are for no model.")

    assert (
        run(kind_of(Uploads(store.keys, Disk(), check).receive(OWNER, DIGEST, 0, SIZE, body(DATA)))) == "422 keys-unfit"
    )
    assert store.keys.size(OWNER, DIGEST) is None
    assert store.keys.count_arrived(OWNER, DIGEST) == 0


def test_keys_of_another_digest_than_the_address_names_are_not_kept(store):
    uploads, other = Uploads(store.keys, Disk(), good), KEYS[1]
    assert run(kind_of(uploads.receive(OWNER, DIGEST, 0, len(other), body(other)))) == "422 digest"
    for digest in (DIGEST, DIGESTS[1]):
        assert store.keys.size(OWNER, digest) is None
        assert store.keys.count_arrived(OWNER, digest) == 0
