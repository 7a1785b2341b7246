"""Workers of a service on a Ray cluster: what a process on this machine does, wherever it is."""

import asyncio
import os
import signal
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest

ray = pytest.importorskip("ray")
pytest.importorskip("fastapi")

from service_harness import PLAN, children_of, command_of, right, samples, stored, wait_for  # noqa: E402

import fhenn  # noqa: E402
from fhenn.errors import VersionsDiffer  # noqa: E402
from fhenn.pool.cluster import Cluster  # noqa: E402
from fhenn.pool.hosts import Contents, Host, HostedWorker, require_same_fhenn  # noqa: E402
from fhenn.pool.spool import Spools  # noqa: E402
from fhenn.pool.work import name_of  # noqa: E402
from fhenn.pool.workers import WorkerDied, WorkerLate, Workers  # noqa: E402
from fhenn.service.limits import Limits  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def entered():
    """A cluster with one CPU more than any pool here takes."""
    ray.init("local", num_cpus=3, include_dashboard=False, log_to_driver=False, object_store_memory=200 << 20)
    yield
    ray.shutdown()


@pytest.fixture
def cluster():
    with Cluster(None, 1) as cluster:
        yield cluster


class Sides:
    """A client, and the task to predict for it."""

    def __init__(self, folder):
        store = stored(folder / "store")
        self.client, self.keys = fhenn.Client(PLAN), store / "keys.fhenn"
        self.keys.write_bytes(self.client.evaluation_keys())
        self.model = store / "models" / "cancer" / PLAN.fingerprint
        self.task = {
            "task": "predict", "model": str(self.model), "version": PLAN.fingerprint, "keys": str(self.keys),
            "witness": False, "ciphertexts": 700, "answer": 1 << 30,
        }  # fmt: skip
        self.name = name_of(self.task["model"], self.task["keys"])
        rng = np.random.default_rng(0)
        self.x = samples(rng)
        self.message = self.client.encrypt(self.x)
        self.long = self.client.encrypt(np.tile(self.x, (600, 1)))


@pytest.fixture
def sides(tmp_path):
    return Sides(tmp_path)


def told(story, cluster, folder, deaths=None, **limits):
    """What a story says, told of workers on a cluster."""

    async def run():
        bounds = Limits(**limits).of_workers
        make = partial(HostedWorker, cluster, bounds, Contents(cluster))
        pool = Workers(bounds, Spools(folder, 1 << 30, 4 << 30), make, ([] if deaths is None else deaths).append)
        pool.start()
        try:
            return await story(pool)
        finally:
            await pool.close()

    return asyncio.run(run())


async def answered(pool, task, payload=b"", affinity="a"):
    answer, spool = await pool.run(task, payload, affinity)
    with spool:
        return answer, spool.read(0, spool.size)


def processes():
    """Workers of this cluster."""

    def below(pid):
        return [each for child in children_of(pid) for each in (child, *below(child))]

    return [pid for pid in below(os.getpid()) if "fhenn-worker" in command_of(pid)]


def folders():
    return set(Path(tempfile.gettempdir()).glob("fhenn-worker-*"))


def test_answers_and_errors_are_those_of_a_process(sides, cluster, tmp_path):
    async def story(pool):
        answer, body = await answered(pool, sides.task, sides.message)
        assert answer == {"version": PLAN.fingerprint}
        assert right(sides.client, body, sides.x)
        (worker,) = pool._all
        assert worker.held.names == (sides.name,)
        assert worker.resident > 10 << 20
        answer, _ = await answered(pool, sides.task, b"nonsense")
        assert answer["error"] == "WireFormatError"
        answer, _ = await answered(pool, sides.task | {"keys": "/nowhere"}, sides.message)
        assert answer["error"] == "gone"
        answer, _ = await answered(pool, sides.task | {"model": "/nowhere"}, sides.message)
        assert answer["error"] == "no-model"
        check = {"task": "check", "keys": str(sides.keys), "models": {"cancer": str(sides.model), "no": "/nowhere"}}
        answer, _ = await answered(pool, check)
        assert (answer["fits"], answer["fingerprint"]) == (["cancer"], sides.client.fingerprint)
        answer, body = await answered(pool, sides.task, bytearray(sides.message))
        assert right(sides.client, body, sides.x)

    before = folders()
    told(story, cluster, tmp_path, workers=1)
    wait_for(lambda: not processes(), 10)
    assert folders() == before


def test_keys_that_were_deleted_are_forgotten(sides, cluster, tmp_path):
    async def story(pool):
        before = folders()
        await answered(pool, sides.task, sides.message)
        (worker,) = pool._all
        (folder,) = folders() - before or folders()
        files = {each for each in folder.rglob("*") if each.is_file()}
        assert len(files) == 4  # model, plan, keys, the lock
        sides.keys.unlink()
        answer, _ = await answered(pool, {"task": "tidy"})
        assert answer == {"dropped": 1}
        assert worker.held.names == ()
        assert len({each for each in folder.rglob("*") if each.is_file()}) == 3
        answer, _ = await answered(pool, sides.task, sides.message)
        assert answer["error"] == "gone"
        sides.keys.write_bytes(sides.client.evaluation_keys())
        answer, body = await answered(pool, sides.task, sides.message)
        assert right(sides.client, body, sides.x)

    told(story, cluster, tmp_path, workers=1)


def test_keys_that_are_put_out_are_removed_and_come_again(sides, cluster, tmp_path):
    other = sides.keys.with_name("other.fhenn")
    stranger = fhenn.Client(PLAN)
    other.write_bytes(stranger.evaluation_keys())

    async def story(pool):
        for _ in range(2):
            _, body = await answered(pool, sides.task, sides.message)
            assert right(sides.client, body, sides.x)
            (worker,) = pool._all
            assert worker.held.names == (sides.name,)
            _, body = await answered(pool, sides.task | {"keys": str(other)}, stranger.encrypt(sides.x))
            assert right(stranger, body, sides.x)
            assert {path for path, name in worker._there if not name} == {str(other)}

    told(story, cluster, tmp_path, workers=1, contexts=1)


@pytest.mark.parametrize(("number", "crashed"), [(signal.SIGSEGV, True), (signal.SIGKILL, False)])
def test_a_process_that_dies_has_its_exit_code_and_is_replaced(sides, cluster, tmp_path, number, crashed):
    deaths = []

    async def story(pool):
        await answered(pool, sides.task, sides.message)
        running = asyncio.ensure_future(answered(pool, sides.task, sides.long))
        while not pool.busy:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        (pid,) = processes()
        os.kill(pid, number)
        with pytest.raises(WorkerDied) as caught:
            await running
        assert (caught.value.exit_code, caught.value.crashed) == (-number, crashed)
        _, body = await answered(pool, sides.task, sides.message)
        assert right(sides.client, body, sides.x)

    told(story, cluster, tmp_path, deaths, workers=1)
    assert deaths == [-number]


def test_a_process_that_dies_idle_is_replaced(sides, cluster, tmp_path):
    deaths = []

    async def story(pool):
        await answered(pool, sides.task, sides.message)
        (pid,) = processes()
        os.kill(pid, signal.SIGKILL)
        while not deaths:
            await asyncio.sleep(0.05)
        _, body = await answered(pool, sides.task, sides.message)
        assert right(sides.client, body, sides.x)

    told(story, cluster, tmp_path, deaths, workers=1)


def test_an_actor_that_is_lost_has_no_exit_code(sides, cluster, tmp_path):
    async def story(pool):
        await answered(pool, sides.task, sides.message)
        running = asyncio.ensure_future(answered(pool, sides.task, sides.long))
        while not pool.busy:
            await asyncio.sleep(0.01)
        (worker,) = pool._all
        ray.kill(worker._handle)
        with pytest.raises(WorkerDied) as caught:
            await running
        assert (caught.value.exit_code, caught.value.crashed) == (None, False)
        _, body = await answered(pool, sides.task, sides.message)
        assert right(sides.client, body, sides.x)

    before = folders()
    told(story, cluster, tmp_path, workers=1)
    wait_for(lambda: not processes(), 10)
    assert not folders() - before  # the next actor has removed those of the lost one


def test_a_task_that_takes_too_long_ends_its_process(sides, cluster, tmp_path):
    async def story(pool):
        await answered(pool, sides.task, sides.message)
        (pid,) = processes()
        with pytest.raises(WorkerLate):
            await answered(pool, sides.task, sides.long)
        while pid in processes():
            await asyncio.sleep(0.05)

    told(story, cluster, tmp_path, workers=1, seconds=0.3)


def test_what_opens_the_cluster_is_not_with_what_strangers_send(sides, cluster, tmp_path):
    async def story(pool):
        await answered(pool, sides.task, sides.message)
        (pid,) = processes()
        names = [each.partition("=")[0] for each in Path(f"/proc/{pid}/environ").read_text().split("\0")]
        assert "PATH" in names
        assert not [name for name in names if name.startswith("RAY_")]

    told(story, cluster, tmp_path, workers=1)


def test_another_version_of_fhenn_is_told(cluster, monkeypatch):
    before = folders()
    require_same_fhenn(cluster)
    assert folders() == before
    monkeypatch.setattr(fhenn, "__version__", "99.9")
    with pytest.raises(VersionsDiffer, match=r"has fhenn 0.*this process has fhenn 99\.9"):
        require_same_fhenn(cluster)


def test_a_node_without_fhenn_is_told(cluster, monkeypatch):
    gone = type(sys)("gone")
    gone.Host = type("Host", (), {"__module__": "gone", "start": Host.start})
    monkeypatch.setitem(sys.modules, "gone", gone)
    monkeypatch.setattr("fhenn.pool.hosts.Host", gone.Host)
    with pytest.raises(VersionsDiffer, match="no such fhenn"):
        require_same_fhenn(cluster)
