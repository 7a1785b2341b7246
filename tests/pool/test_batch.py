"""A batch of uploads: each answered or refused with its reason, nothing half-written, and none done twice."""

import json
from concurrent.futures import Future
from hashlib import sha256

import numpy as np
import pytest

import fhenn
from fhenn.errors import ParameterError, PoolFailed
from fhenn.planner import fingerprint_of
from fhenn.pool import LocalPool
from fhenn.pool.batch import MANIFEST, Batch
from fhenn.pool.places import place_of
from fhenn.session import join

FEATURES = 3


class Sides:
    """A client with three uploads, two of them of several parts, and what computes."""

    def __init__(self):
        rng = np.random.default_rng(8)
        self.model = fhenn.Sequential([fhenn.Linear(rng.normal(size=(1, FEATURES)) / 3), fhenn.Square(domain=(-2, 2))])
        self.plan = fhenn.plan(self.model, bounds=[-1, 1], layout="latency")
        self.client = fhenn.Client(self.plan)
        self.server = fhenn.Server(self.model, self.plan, self.client.evaluation_keys())
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("fhenn.session.encryption._PART", 1)
            rows = [rng.uniform(-1, 1, (count, FEATURES)) for count in (3, 1, 2)]
            self.uploads = {
                f"{name}.fhenn": list(self.client.encrypt_stream(each)) for name, each in zip("abc", rows, strict=True)
            }
        self.answers = {name: join(self.server.predict_stream(parts)) for name, parts in self.uploads.items()}


class Counting(LocalPool):
    """A pool that counts the parts that it answers, and can be made to fail after some."""

    submitted, most = 0, 1 << 30

    def submit(self, part, range_check=True):
        self.submitted += 1
        if self.submitted > self.most:
            future = Future()
            future.set_exception(PoolFailed("no worker is left.", "Begin again."))
            return future
        return super().submit(part, range_check)


@pytest.fixture(scope="module")
def sides():
    return Sides()


@pytest.fixture
def pool(sides):
    with Counting(sides.model, sides.plan, sides.client.evaluation_keys(), workers=2) as pool:
        yield pool


@pytest.fixture
def folders(tmp_path, sides):
    """A folder of uploads, and the name of one for answers."""
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    for name, parts in sides.uploads.items():
        (uploads / name).write_bytes(join(parts))
    (uploads / "a.receipt.fhenn").write_bytes(b"no upload")
    (uploads / ".b.fhenn.part").write_bytes(b"nor this")
    (uploads / "notes.txt").write_bytes(b"nor this")
    return uploads, tmp_path / "answers"


def run(sides, pool, folders):
    uploads, answers = folders
    return Batch(place_of(str(uploads)), place_of(str(answers)), pool, fingerprint_of(sides.model)).run()


def found(answers):
    return {path.name: path.read_bytes() for path in answers.iterdir()}


def manifest(answers):
    return {each["upload"]: each for each in json.loads((answers / MANIFEST).read_text())["uploads"]}


def test_answers_are_those_of_a_server(sides, pool, folders):
    entries = run(sides, pool, folders)
    assert [(each.upload, each.status, each.parts, each.samples) for each in entries] == [
        ("a.fhenn", "answered", 3, 3), ("b.fhenn", "answered", 1, 1), ("c.fhenn", "answered", 2, 2)
    ]  # fmt: skip
    files = found(folders[1])
    assert set(files) == {*sides.answers, MANIFEST}
    assert {name: files[name] for name in sides.answers} == sides.answers
    written = manifest(folders[1])
    assert {name: each["sha256"] for name, each in written.items()} == {
        name: sha256(join(parts)).hexdigest() for name, parts in sides.uploads.items()
    }
    assert json.loads((folders[1] / MANIFEST).read_text())["plan"] == sides.plan.fingerprint


def test_what_is_there_is_kept(sides, pool, folders):
    run(sides, pool, folders)
    before, done = found(folders[1]), pool.submitted
    entries = run(sides, pool, folders)
    assert (pool.submitted, found(folders[1])) == (done, before)
    assert {each.status for each in entries} == {"answered"}
    assert all(each.sha256 for each in entries)


def other_upload(sides, parts):
    return join(sides.client.encrypt_stream(np.zeros((1, FEATURES))))


DAMAGES = {
    "cut off": lambda sides, answer: answer[:-30],
    "without its end": lambda sides, answer: join(list(fhenn.session.split(answer))[:-1]),
    "altered": lambda sides, answer: answer[:-400] + bytes([answer[-400] ^ 1]) + answer[-399:],
    "with more behind it": lambda sides, answer: answer + answer,
    "of another upload": lambda sides, answer: sides.answers["c.fhenn"],
    "no answer": lambda sides, answer: b"noise",
    "empty": lambda sides, answer: b"",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_answer_that_is_not_whole_is_made_again(sides, pool, folders, damage):
    run(sides, pool, folders)
    path, done = folders[1] / "a.fhenn", pool.submitted
    path.write_bytes(DAMAGES[damage](sides, path.read_bytes()))
    run(sides, pool, folders)
    assert pool.submitted == done + 3
    assert path.read_bytes() == sides.answers["a.fhenn"]


def test_an_upload_that_changed_is_answered_again(sides, pool, folders):
    run(sides, pool, folders)
    done = pool.submitted
    (folders[0] / "b.fhenn").write_bytes(join(sides.uploads["c.fhenn"]))
    run(sides, pool, folders)
    assert pool.submitted == done + 2
    assert (folders[1] / "b.fhenn").read_bytes() == sides.answers["c.fhenn"]


def test_an_answer_to_another_upload_of_as_many_parts_is_made_again(sides, pool, folders):
    run(sides, pool, folders)
    done = pool.submitted
    other = sides.client.encrypt(np.zeros((1, FEATURES)))
    (folders[0] / "b.fhenn").write_bytes(other)
    run(sides, pool, folders)
    assert pool.submitted == done + 1
    assert (folders[1] / "b.fhenn").read_bytes() == sides.server.predict(other)


def altered(parts):
    middle = len(parts[1]) // 2
    return [parts[0], parts[1][:middle] + bytes([parts[1][middle] ^ 1]) + parts[1][middle + 1 :], *parts[2:]]


BAD = {
    "cut off": (lambda parts: [*parts[:2], parts[2][:-9]], "cut off"),
    "without its end": (lambda parts: parts[:3], "stops after 3 parts"),
    "a part is missing": (lambda parts: [parts[0], *parts[2:]], "part 2 comes where part 1 is due"),
    "a part comes twice": (lambda parts: [parts[0], *parts], "part 0 comes where part 1 is due"),
    "a part is altered": (altered, "digest"),
    "noise": (lambda parts: [b"noise"], "not"),
    "empty": (lambda parts: [], "stops after 0 parts"),
    "goes on": (lambda parts: [*parts, parts[0]], "goes on after its end"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_upload_is_refused_and_the_others_are_answered(sides, pool, folders, name):
    change, words = BAD[name]
    (folders[0] / "a.fhenn").write_bytes(join(change(sides.uploads["a.fhenn"])))
    entries = run(sides, pool, folders)
    assert [each.status for each in entries] == ["refused", "answered", "answered"]
    assert words in entries[0].reason, entries[0].reason
    assert set(found(folders[1])) == {"b.fhenn", "c.fhenn", MANIFEST}
    assert manifest(folders[1])["a.fhenn"]["status"] == "refused"


def test_parts_of_two_uploads_are_not_mixed(sides, pool, folders):
    parts = sides.uploads["a.fhenn"]
    (folders[0] / "a.fhenn").write_bytes(join([parts[0], sides.uploads["c.fhenn"][1], *parts[2:]]))
    entries = run(sides, pool, folders)
    assert entries[0].status == "refused"
    assert "another stream" in entries[0].reason


def test_an_upload_of_another_client_is_refused(sides, pool, folders):
    stranger = fhenn.Client(sides.plan)
    (folders[0] / "b.fhenn").write_bytes(stranger.encrypt(np.zeros((1, FEATURES))))
    entries = run(sides, pool, folders)
    assert [each.status for each in entries] == ["answered", "refused", "answered"]
    assert stranger.fingerprint in entries[1].reason


@pytest.mark.parametrize("most", range(6))
def test_a_batch_that_breaks_off_goes_on(sides, pool, folders, most):
    pool.most = most
    with pytest.raises(PoolFailed):
        run(sides, pool, folders)
    whole = found(folders[1])
    assert {name: data for name, data in whole.items() if name != MANIFEST}.items() <= sides.answers.items()
    states = [each["status"] for each in manifest(folders[1]).values()]
    assert states == ["answered"] * (len(whole) - 1) + ["waiting"] * (4 - len(whole))
    pool.submitted, pool.most = 0, 1 << 30
    run(sides, pool, folders)
    parts = {"a.fhenn": 3, "b.fhenn": 1, "c.fhenn": 2}
    assert pool.submitted == sum(count for name, count in parts.items() if name not in whole)
    assert {name: data for name, data in found(folders[1]).items() if name != MANIFEST} == sides.answers


def test_nothing_to_do_is_said(sides, pool, tmp_path):
    with pytest.raises(ParameterError, match="no upload"):
        run(sides, pool, (tmp_path, tmp_path / "answers"))
    with pytest.raises(ParameterError, match="both in"):
        run(sides, pool, (tmp_path, tmp_path))
    with pytest.raises(FileNotFoundError):
        run(sides, pool, (tmp_path / "nowhere", tmp_path / "answers"))


def test_uploads_are_not_overwritten_by_another_name_of_their_folder(sides, pool, folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(folders[0])
    before = found(folders[0])
    for answers in ("uploads", "./uploads/", "../" + tmp_path.name + "/uploads", "link", f"file://{folders[0]}"):
        with pytest.raises(ParameterError, match="both in"):
            run(sides, pool, (folders[0], answers))
    assert found(folders[0]) == before
